//! `.dockerignore`: what of a build context stays at home.
//!
//! The rules are docker's and not git's: a pattern begins at the context's root, a
//! later one overrules an earlier one, and a line with `!` brings back what an
//! earlier line took, inside a directory that was taken, too.
//!
//! | | here | in `.gitignore` |
//! |---|---|---|
//! | `*.o` | in the root only; `**/*.o` anywhere | anywhere |
//! | `build/`, `/build` | the same as `build` | a directory; in the root |
//! | `a` then `!a/b` | `a/b` comes along | `a/b` stays: git does not look into `a` |
//! | ` # x` | a pattern; a comment begins in the first column | the same |
//!
//! Source: Docker's documentation, "Build context", `.dockerignore`; its makers'
//! `github.com/moby/patternmatcher`, whose matches ours agree with but for patterns
//! that the regular expression behind theirs makes something else of: `[*]` and
//! `[?]` are those characters here, `\d` is a `d`, and `^` in the middle is itself.

use super::glob::Glob;
use super::problem::{Fault, Problem, Problems, shown};

/// The longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// The longest pattern: no path is longer.
const LONGEST_PATTERN: usize = 4096;

/// A `.dockerignore`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    line: usize,
    /// As it is written.
    text: String,
    glob: Glob,
    brings_back: bool,
}

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Whether it stays at home.
    pub excluded: bool,
    /// The line, counted from 1, and the pattern that decided; `None` where none
    /// says anything.
    pub because: Option<(usize, &'a str)>,
}

impl Ignore {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    /// [`Problems`]: patterns that are none, each with its line.
    pub fn parse(text: &[u8]) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut rules = Vec::new();
        if text.len() > LONGEST {
            let fault = Fault::new(format!("the file is longer than {} MiB", LONGEST >> 20));
            return Err(Problem::new(1, fault).into());
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line_number = index + 1;
            let rule = match std::str::from_utf8(line) {
                Ok(line) => Rule::parse(line, line_number),
                Err(_) => Err(Fault::new("the text is not UTF-8").remedy("save the file as UTF-8")),
            };
            match rule {
                Ok(rule) => rules.extend(rule),
                Err(fault) => problems.push(Problem::new(line_number, fault)),
            }
        }
        Problems::unless_none(problems)?;
        Ok(Self { rules })
    }

    /// Reads patterns one by one, as `COPY --exclude` has them; lines are counted
    /// from 1.
    ///
    /// # Errors
    /// As [`Ignore::parse`].
    pub fn of_patterns<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, Problems> {
        let mut ignore = Self::default();
        for (index, pattern) in patterns.into_iter().enumerate() {
            let rule = Rule::of_pattern(pattern, index + 1);
            ignore
                .rules
                .extend(rule.map_err(|fault| Problem::new(index + 1, fault))?);
        }
        Ok(ignore)
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What becomes of `path`, which is relative to the context's root.
    ///
    /// The time it takes is at most the product of the path's length and that of
    /// all patterns.
    #[must_use]
    pub fn decide(&self, path: &str) -> Decision<'_> {
        let path = clean(path);
        let mut decision = Decision {
            excluded: false,
            because: None,
        };
        // The root itself always comes along.
        if path == "." {
            return decision;
        }
        for rule in &self.rules {
            // Only one that would change something is asked.
            if rule.brings_back == decision.excluded && rule.glob.matches_or_contains(&path) {
                decision = Decision {
                    excluded: !rule.brings_back,
                    because: Some((rule.line, &rule.text)),
                };
            }
        }
        decision
    }

    /// Whether nothing below the directory `path` can come along: a walk need not
    /// enter it.
    #[must_use]
    pub fn may_skip_directory(&self, path: &str) -> bool {
        let path = clean(path);
        let decision = self.decide(&path);
        let Some((line, _)) = decision.because.filter(|_| decision.excluded) else {
            return false;
        };
        // What decided about the directory holds for all below it, so only later
        // lines can bring anything back.
        let mut later = self
            .rules
            .iter()
            .filter(|rule| rule.line > line && rule.brings_back);
        !later.any(|rule| rule.glob.may_match_below(&path))
    }
}

impl Rule {
    fn parse(line: &str, number: usize) -> Result<Option<Self>, Fault> {
        if line.starts_with('#') {
            return Ok(None);
        }
        Self::of_pattern(line, number)
    }

    fn of_pattern(text: &str, line: usize) -> Result<Option<Self>, Fault> {
        let text = text.trim();
        let (brings_back, pattern) = match text.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, text),
        };
        if pattern.is_empty() {
            return match brings_back {
                false => Ok(None),
                true => Err(Fault::new("nothing follows the `!`")
                    .remedy("write the pattern of what comes along after all")),
            };
        }
        if pattern.len() > LONGEST_PATTERN {
            let what = format!("the pattern is longer than {LONGEST_PATTERN} bytes");
            return Err(Fault::new(what));
        }
        let cleaned = clean(pattern);
        let pattern = match cleaned.strip_prefix('/') {
            Some(rest) if !rest.is_empty() => rest,
            _ => &*cleaned,
        };
        let glob = Glob::parse(pattern)
            .map_err(|reason| Fault::new(format!("`{}` is no pattern: {reason}", shown(text))))?;
        Ok(Some(Self {
            line,
            text: text.to_owned(),
            glob,
            brings_back,
        }))
    }
}

/// A path without `.`, `..` behind a name, and slashes that say nothing: as Go's
/// `filepath.Clean` has it.
pub(crate) fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            part => parts.push(part),
        }
    }
    match (is_rooted, parts.join("/")) {
        (true, joined) => format!("/{joined}"),
        (false, joined) if joined.is_empty() => ".".to_owned(),
        (false, joined) => joined,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ignore(text: &str) -> Ignore {
        Ignore::parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    fn check(text: &str, excluded: &[&str], included: &[&str]) {
        let ignore = ignore(text);
        for path in excluded {
            assert!(ignore.decide(path).excluded, "{text:?} lets {path} along");
        }
        for path in included {
            assert!(!ignore.decide(path).excluded, "{text:?} takes {path}");
        }
    }

    #[test]
    fn a_pattern_begins_at_the_root() {
        check("*.o", &["a.o"], &["x/a.o", "a.c"]);
        check("**/*.o", &["a.o", "x/y/a.o"], &["a.c"]);
        check("/a", &["a", "a/b"], &["x/a"]);
        check("a/", &["a", "a/b"], &["x/a"]);
        check("./a//b/../c", &["a/c"], &["a/b"]);
        check("../a", &[], &["a"]);
        check("README.md", &["README.md"], &["readme.md"]);
    }

    #[test]
    fn what_is_in_a_matching_directory_stays_with_it() {
        check("a/b", &["a/b", "a/b/c", "a/b/c/d"], &["a", "a/bc"]);
        check("*/b", &["a/b/c"], &["b/c"]);
        check(
            "**/node_modules",
            &["node_modules/x/y", "a/node_modules/x"],
            &["a/node"],
        );
    }

    #[test]
    fn a_later_line_overrules_an_earlier_one() {
        check("*.md\n!README.md", &["a.md"], &["README.md"]);
        check("!README.md\n*.md", &["a.md", "README.md"], &[]);
        check(
            "*.md\n!README*.md\nREADME-secret.md",
            &["README-secret.md"],
            &["README.md"],
        );
        // Inside of what was taken, too; git would not look there.
        check(
            "a\n!a/b\na/b/c",
            &["a", "a/x", "a/b/c", "a/b/c/d"],
            &["a/b", "a/b/x"],
        );
        check("**\n!src", &["x", "lib/src"], &["src", "src/a/b"]);
        check("*\n!**/*.go", &["a", "x/a"], &["a.go", "x/y/a.go"]);
    }

    #[test]
    fn blanks_and_comments_are_told_apart_by_the_first_column() {
        check(
            "# a\n #b\n\n  c  \r\n!  c/d\n",
            &["#b", "c", "c/x"],
            &["# a", "a", "c/d"],
        );
        check("\u{feff}# a\nb", &["b"], &["# a"]);
        check(r"\#a", &["#a"], &[]);
        check("a\\\\b", &["a\\b"], &["a/b"]);
        check("", &[], &["a", "."]);
        check("*\n**\n.\n", &["a", "a/b"], &[".", "./"]);
    }

    #[test]
    fn a_decision_names_the_line_that_made_it() {
        let ignore = ignore("# why\n*.md\n\n! README.md \n**/secret\n*.md.bak\n**/secret/*\n");
        let because = |path: &str| {
            let decision = ignore.decide(path);
            (decision.excluded, decision.because)
        };
        assert_eq!(because("a.md"), (true, Some((2, "*.md"))));
        assert_eq!(because("README.md"), (false, Some((4, "! README.md"))));
        assert_eq!(because("a/secret/b"), (true, Some((5, "**/secret"))));
        assert_eq!(because("a.c"), (false, None));
    }

    #[test]
    fn a_directory_is_skipped_unless_something_in_it_may_come_along() {
        let skips = |text: &str, path: &str| ignore(text).may_skip_directory(path);
        assert!(skips("a", "a"));
        assert!(skips("a", "a/b"));
        assert!(!skips("a", "b"));
        assert!(!skips("a\n!a/b", "a"));
        assert!(skips("a\n!a/b", "a/c"));
        assert!(!skips("a\n!a/b/c", "a/b"));
        assert!(!skips("a\n!a/*/c", "a/b"));
        assert!(skips("a\n!a/*/c", "a/b/d"));
        assert!(!skips("*\n!**/*.go", "a/b"));
        assert!(skips("!**/*.go\n*", "a/b"));
        assert!(!skips("*\n!a", "a"));
        assert!(skips("*\n!a\na", "a"));
        assert!(!skips("*", "."));
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_line() {
        let lines = |text: &[u8]| -> Vec<usize> {
            let problems = Ignore::parse(text).unwrap_err();
            problems.iter().map(|problem| problem.line).collect()
        };
        assert_eq!(lines(b"a\n!\n[\nb\n! \n\xff\n"), [2, 3, 5, 6]);
        assert_eq!(lines("a".repeat(LONGEST_PATTERN + 1).as_bytes()), [1]);
        assert_eq!(lines(&vec![b'\n'; LONGEST + 1]), [1]);
        assert!(Ignore::of_patterns(["a", "["]).is_err());
        assert!(Ignore::of_patterns(["#a"]).unwrap().decide("#a").excluded);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..100), path in "\\PC{0,20}") {
            if let Ok(ignore) = Ignore::parse(&bytes) {
                let _ = ignore.decide(&path);
                let _ = ignore.may_skip_directory(&path);
            }
        }

        #[test]
        fn nothing_that_comes_along_is_below_a_directory_that_is_skipped(
            lines in prop::collection::vec("!?(\\*\\*/)?[ab*?/]{1,5}", 1..5),
            path in "[ab](/[ab]){1,4}",
        ) {
            let ignore = Ignore::parse(lines.join("\n").as_bytes()).unwrap();
            let comes_along = !ignore.decide(&path).excluded;
            for (at, _) in path.match_indices('/') {
                let skipped = ignore.may_skip_directory(&path[..at]);
                prop_assert!(!(skipped && comes_along), "{} is in {}", path, &path[..at]);
            }
        }
    }
}
