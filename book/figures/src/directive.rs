//! Finding `{{#name …}}` in a chapter, and taking it apart.

use std::ops::Range;

use crate::error::Problem;

/// What mdBook's own preprocessors replace, after this one.
///
/// Source: *mdBook Documentation*, "mdBook-specific features".
const OF_MDBOOK: [&str; 5] = [
    "include",
    "rustdoc_include",
    "playground",
    "playpen",
    "title",
];

/// A directive as it stands in a chapter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Directive<'a> {
    /// The word after `{{#`.
    pub(crate) name: &'a str,
    /// Arguments without a name, in order.
    pub(crate) words: Vec<&'a str>,
    /// Arguments with a name: `key=value` or `key="several words"`.
    pub(crate) options: Vec<(&'a str, &'a str)>,
}

impl<'a> Directive<'a> {
    /// The value of the option `key`.
    #[must_use]
    pub(crate) fn option(&self, key: &str) -> Option<&'a str> {
        self.options
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }

    /// Refuses an option that is not among `known`, and one given twice.
    ///
    /// # Errors
    /// [`Problem::Arguments`], naming the option.
    pub(crate) fn allow_options(&self, known: &[&str]) -> Result<(), Problem> {
        for (index, (key, _)) in self.options.iter().enumerate() {
            let why = if !known.contains(key) {
                format!("`{}` has no option `{key}`", self.name)
            } else if self.options[..index]
                .iter()
                .any(|(earlier, _)| earlier == key)
            {
                format!("option `{key}` is given twice")
            } else {
                continue;
            };
            return Err(Problem::Arguments { why });
        }
        Ok(())
    }
}

/// A piece of a chapter that is a directive, or should have been one.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Where it stands, in bytes.
    pub(crate) span: Range<usize>,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    /// The directive, or why it cannot be read.
    pub(crate) directive: Result<Directive<'a>, Problem>,
}

/// Every directive of `chapter` except mdBook's own. One behind a backslash is
/// text: the book may have to write about directives.
#[must_use]
pub(crate) fn find_all(chapter: &str) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = chapter[from..].find("{{#").map(|at| from + at) {
        from = start + 3;
        let name_end = chapter[from..]
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map_or(chapter.len(), |at| from + at);
        let name = &chapter[from..name_end];
        if chapter[..start].ends_with('\\') || OF_MDBOOK.contains(&name) {
            continue;
        }
        let (end, directive) = read(name, chapter, name_end);
        let line = 1 + chapter[..start].matches('\n').count();
        found.push(Found {
            span: start..end,
            line,
            directive,
        });
        from = end;
    }
    found
}

/// Reads the arguments from `at` on; also says where the directive ends.
fn read<'a>(name: &'a str, chapter: &'a str, at: usize) -> (usize, Result<Directive<'a>, Problem>) {
    let mut directive = Directive {
        name,
        words: Vec::new(),
        options: Vec::new(),
    };
    let mut rest = chapter[at..].trim_start();
    loop {
        let here = chapter.len() - rest.len();
        if rest.starts_with("}}") {
            return (here + 2, Ok(directive));
        }
        let word_end = rest
            .find(|c: char| c.is_whitespace() || c == '=' || c == '}')
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        if word.is_empty() {
            return (
                here,
                Err(Problem::Unclosed {
                    name: name.to_owned(),
                }),
            );
        }
        rest = match after.strip_prefix('=') {
            None => {
                directive.words.push(word);
                after
            }
            Some(after) => {
                let Some((value, after)) = value(after) else {
                    return (
                        here,
                        Err(Problem::Unclosed {
                            name: name.to_owned(),
                        }),
                    );
                };
                directive.options.push((word, value));
                after
            }
        }
        .trim_start();
    }
}

/// The value at the start of `text`, quoted or one word, and what follows it.
fn value(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"'),
        None => {
            let end = text.find(|c: char| c.is_whitespace() || c == '}')?;
            Some(text.split_at(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(chapter: &str) -> Directive<'_> {
        let mut found = find_all(chapter);
        assert_eq!(found.len(), 1, "{found:#?}");
        found.remove(0).directive.unwrap()
    }

    #[test]
    fn words_and_options_are_told_apart() {
        let directive = only(r#"a {{#figure x.json startup caption="One, two." alt=three}} b"#);
        assert_eq!(directive.name, "figure");
        assert_eq!(directive.words, ["x.json", "startup"]);
        assert_eq!(
            directive.options,
            [("caption", "One, two."), ("alt", "three")]
        );
    }

    #[test]
    fn a_directive_may_run_over_several_lines_and_is_found_at_its_first() {
        let chapter = "one\n\n{{#figure x.json id\n  caption=\"a\n}} b\"\n}} after {{#number y}}";
        let found = find_all(chapter);
        assert_eq!(found[0].line, 3);
        assert_eq!(
            found[0].directive.as_ref().unwrap().option("caption"),
            Some("a\n}} b")
        );
        assert_eq!(found[1].line, 6);
        assert_eq!(&chapter[found[1].span.clone()], "{{#number y}}");
    }

    #[test]
    fn what_nothing_closes_is_a_problem_and_not_text() {
        for chapter in [
            "{{#number a b",
            "{{#number",
            "{{#number a=\"b}}",
            "{{#number a }",
            "{{#number =",
        ] {
            let found = find_all(chapter);
            assert!(
                matches!(found[0].directive, Err(Problem::Unclosed { .. })),
                "{chapter}"
            );
        }
    }

    #[test]
    fn directives_of_mdbook_and_escaped_ones_are_left_alone() {
        assert!(find_all(r"{{#include a.rs:x}} \{{#number a}} {{#rustdoc_include b}}").is_empty());
    }

    #[test]
    fn an_option_that_is_unknown_or_given_twice_is_refused() {
        assert!(only("{{#n a=1 b=2}}").allow_options(&["a"]).is_err());
        assert!(only("{{#n a=1 a=2}}").allow_options(&["a"]).is_err());
        assert!(only("{{#n a=1}}").allow_options(&["a"]).is_ok());
    }
}
