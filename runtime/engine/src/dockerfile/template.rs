//! Text of a Dockerfile whose variables are not replaced yet.
//!
//! What a variable is worth is known only while a stage is built, so an
//! instruction keeps the text, and the builder expands it with what is set by then.

use std::fmt;

use super::Escape;
use super::expand::{self, ExpansionError, Mode};

/// What a variable is worth, where it is set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A word with variables, quotes and escapes in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Template(String);

impl Template {
    /// `text` as it stands in a Dockerfile.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a variable could be in it.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.0.contains('$')
    }

    /// What it is with its variables replaced and its quotes and escapes resolved:
    /// one text, whatever blanks come out of the variables.
    ///
    /// # Errors
    /// [`ExpansionError`] for a bracket or quote that is not closed, an operator
    /// that there is none of, `${x:?…}` whose variable is empty, and what would
    /// become unreasonably long.
    ///
    /// Source: BuildKit, `ProcessWord` in `frontend/dockerfile/shell/lex.go`.
    pub fn expand(&self, lookup: Lookup<'_>, escape: Escape) -> Result<String, ExpansionError> {
        Ok(expand::expand(&self.0, lookup, Mode::word(escape))?.text)
    }

    /// The same, cut at blanks, those out of variables too, but not at quoted ones.
    /// It is what `EXPOSE` does.
    ///
    /// # Errors
    /// As [`Template::expand`].
    pub fn expand_to_words(
        &self,
        lookup: Lookup<'_>,
        escape: Escape,
    ) -> Result<Vec<String>, ExpansionError> {
        Ok(expand::expand(&self.0, lookup, Mode::word(escape))?.words)
    }

    /// The variables in it that are not set and that it has no alternative for, as
    /// `${x:-…}` is one; none where it cannot be expanded.
    #[must_use]
    pub fn unset(&self, lookup: Lookup<'_>, escape: Escape) -> Vec<String> {
        let expanded = expand::expand(&self.0, lookup, Mode::word(escape));
        let mut unset = expanded.map(|expanded| expanded.unset).unwrap_or_default();
        unset.sort();
        unset.dedup();
        unset
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of a heredoc with its variables replaced: quotes stay, and a
/// backslash, whatever the file's escape character, takes the next character as it
/// is.
///
/// # Errors
/// As [`Template::expand`].
///
/// Source: BuildKit, `ExpandRaw` in `instructions/commands.go`, and its caller in
/// `dockerfile2llb/convert.go`.
pub(super) fn expand_body(text: &str, lookup: Lookup<'_>) -> Result<String, ExpansionError> {
    let mode = Mode {
        ignore_quotes: true,
        ..Mode::word(Escape::Backslash)
    };
    Ok(expand::expand(text, lookup, mode)?.text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        Some(
            match name {
                "x" => "value",
                "empty" => "",
                "two" => "a b",
                "path" => "/usr/local/lib.tar.gz",
                "lines" => "a\nb",
                "1" => "one",
                _ => return None,
            }
            .to_owned(),
        )
    }

    fn check(text: &str, expected: &str) {
        let expanded = Template::new(text).expand(&lookup, Escape::Backslash);
        assert_eq!(expanded.as_deref(), Ok(expected), "{text}");
    }

    fn refused(text: &str, reason: &str) {
        let error = Template::new(text)
            .expand(&lookup, Escape::Backslash)
            .unwrap_err();
        assert!(error.reason.contains(reason), "{text}: {error}");
    }

    #[test]
    fn a_variable_is_replaced_wherever_it_stands() {
        check("$x", "value");
        check("${x}", "value");
        check("a${x}b", "avalueb");
        check("$x-$x", "value-value");
        check("$none", "");
        check("${none}", "");
        check("$x_", "");
        check("$", "$");
        check("a$ b", "a$ b");
        check("$1x", "onex");
        check("$$", "");
    }

    #[test]
    fn alternatives_tell_unset_from_empty_only_without_a_colon() {
        check("${none:-d}", "d");
        check("${none-d}", "d");
        check("${empty:-d}", "d");
        check("${empty-d}", "");
        check("${x:-d}", "value");
        check("${x:+d}", "d");
        check("${empty:+d}", "");
        check("${empty+d}", "d");
        check("${none+d}", "");
        check("${x:?m}", "value");
        check("${empty?m}", "");
        refused("${empty:?must be told}", "empty: must be told");
        refused("${none?}", "none must be set");
        refused("${empty:?}", "empty must not be empty");
    }

    #[test]
    fn alternatives_nest_and_may_be_quoted() {
        check("${none:-${x}}", "value");
        check("${none:-a ${none2:-b $x}}", "a b value");
        check("${none:-\"a}b\"}", "a}b");
        check(r"${none:-a\}b}", "a}b");
        check("${none:-'$x'}", "$x");
    }

    #[test]
    fn quotes_and_escapes_are_resolved() {
        check("'$x'", "$x");
        check("\"$x\"", "value");
        check(r"\$x", "$x");
        check(r#""\$x \" \\ \n""#, r#"$x " \ \n"#);
        check(r"'\$'", r"\$");
        check(r"a\ b\c", "a bc");
        check(r"a\", "a");
        check("it\"'\"s", "it's");
        refused("'a", "'");
        refused("\"a", "\"");
    }

    #[test]
    fn the_escape_character_is_the_one_that_the_file_declares() {
        let text = Template::new(r"C:\dir\`$x");
        let expanded = text.expand(&lookup, Escape::Backtick);
        assert_eq!(expanded.as_deref(), Ok(r"C:\dir\$x"));
    }

    #[test]
    fn patterns_take_the_shortest_or_the_longest() {
        check("${path#*/}", "usr/local/lib.tar.gz");
        check("${path##*/}", "lib.tar.gz");
        check("${path%.*}", "/usr/local/lib.tar");
        check("${path%%.*}", "/usr/local/lib");
        check("${path#nothing}", "/usr/local/lib.tar.gz");
        check("${x#?}", "alue");
        check("${x%%*}", "");
        check("${x%*}", "value");
        check("${none#a}", "");
        check("${x#[v]}", "value");
        check(r"${path#\/usr}", "/local/lib.tar.gz");
        check("${lines##*}", "\nb");
        refused(r"${x#\v}", "escapes nothing");
    }

    #[test]
    fn patterns_are_replaced_once_or_everywhere() {
        check("${path/l/L}", "/usr/Local/lib.tar.gz");
        check("${path//l/L}", "/usr/LocaL/Lib.tar.gz");
        check(r"${path//\//-}", "-usr-local-lib.tar.gz");
        check("${path/l*l/X}", "/usr/Xib.tar.gz");
        check("${x//*/-}", "-");
        check("${x//a/}", "vlue");
        check("${x///-}", "-v-a-l-u-e-");
        check("${x/a/$x}", "vvaluelue");
        check("${none/a/b}", "");
        refused("${x/a}", "`/` is missing");
        refused("${x/a/b", "`}` is missing");
    }

    #[test]
    fn what_is_no_substitution_is_refused() {
        for text in ["${", "${x", "${x:-", "${x:-a"] {
            refused(text, "`}` is missing");
        }
        for text in ["${}", "${:x}", "${{x}}"] {
            refused(text, "name");
        }
        for text in ["${x=a}", "${x:=a}", "${x^}", "${x y}", "${x:/a/b}"] {
            refused(text, "operators");
        }
    }

    #[test]
    fn words_are_cut_at_blanks_outside_quotes() {
        for (text, expected) in [
            ("$two", vec!["a", "b"]),
            ("\"$two\"", vec!["a b"]),
            ("x$two", vec!["xa", "b"]),
            ("80 'a b' c\\ d", vec!["80", "a b", "c d"]),
            ("$none", vec![]),
            ("\"\"", vec![]),
        ] {
            let words = Template::new(text).expand_to_words(&lookup, Escape::Backslash);
            assert_eq!(words.unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn the_body_of_a_heredoc_keeps_its_quotes() {
        let expanded = expand_body("a='$x' \"${none:-d}\" \\$x\n", &lookup);
        assert_eq!(expanded.as_deref(), Ok("a='value' \"d\" $x\n"));
    }

    #[test]
    fn a_variable_is_missed_unless_there_is_an_alternative() {
        let unset = |text: &str| Template::new(text).unset(&lookup, Escape::Backslash);
        assert_eq!(unset("$b ${a} $x $b ${c#y} ${d/y/z}"), ["a", "b", "c", "d"]);
        assert_eq!(unset("${a:-b} ${a+b} '$a' \\$a ${x:-$y}"), ["y"]);
    }

    #[test]
    fn nothing_nests_or_grows_without_bound() {
        refused(&"${a:-".repeat(10_000), "deeper");
        let long = "v".repeat(1 << 16);
        let lookup = |_: &str| Some(long.clone());
        for text in [
            "$a".repeat(1000),
            "${a+$a}".repeat(1000),
            "${a//v/$a}".repeat(2),
        ] {
            let error = Template::new(text)
                .expand(&lookup, Escape::Backslash)
                .unwrap_err();
            assert!(error.reason.contains("longer"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn text_without_dollars_quotes_and_escapes_stays(text in "[^$'\"\\\\`]{0,60}") {
            let template = Template::new(&*text);
            let expanded = template.expand(&lookup, Escape::Backslash);
            prop_assert_eq!(expanded.as_deref(), Ok(&*text));
            let words = template.expand_to_words(&lookup, Escape::Backtick).unwrap();
            let expected: Vec<&str> = text.split_whitespace().collect();
            prop_assert_eq!(words, expected);
        }

        #[test]
        fn no_text_is_too_strange(text in "[\\PC${}:#%/'\"\\\\`x?*+-]{0,60}") {
            let _ = Template::new(&*text).expand(&lookup, Escape::Backslash);
            let _ = expand_body(&text, &lookup);
        }

        #[test]
        fn a_pattern_agrees_with_trying_every_cut(
            value in "[ab]{0,8}", pattern in "[ab?*]{0,4}", longest: bool,
        ) {
            let matches = |part: &str| naive(&pattern, part);
            let mut cuts: Vec<usize> = (0..=value.len()).filter(|at| matches(&value[..*at])).collect();
            if longest {
                cuts.reverse();
            }
            let expected = &value[cuts.first().copied().unwrap_or(0)..];
            let operator = if longest { "##" } else { "#" };
            let text = Template::new(format!("${{v{operator}{pattern}}}"));
            let lookup = |_: &str| Some(value.clone());
            let found = text.expand(&lookup, Escape::Backslash);
            prop_assert_eq!(found.as_deref(), Ok(expected));
        }
    }

    /// Whether the whole of `text` matches, slowly and plainly.
    fn naive(pattern: &str, text: &str) -> bool {
        match pattern.chars().next() {
            None => text.is_empty(),
            Some('*') => (0..=text.len()).any(|at| naive(&pattern[1..], &text[at..])),
            Some(c) => {
                text.chars().next().is_some_and(|t| c == '?' || c == t)
                    && naive(&pattern[1..], &text[1..])
            }
        }
    }
}
