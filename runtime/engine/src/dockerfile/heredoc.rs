//! Heredocs: files written into a Dockerfile, below the line that uses them.
//!
//! ```text
//! COPY <<motd <<'EOF' /etc/
//! hello, $USER
//! motd
//! kept as it is: $USER
//! EOF
//! ```
//!
//! Only `RUN`, `COPY` and `ADD` have them, and not in their exec form.
//!
//! Source: Dockerfile reference, "Here-Documents"; BuildKit, `ParseHeredoc` and
//! `heredocsFromLine` in `frontend/dockerfile/parser/parser.go`.

use super::Escape;
use super::expand::{Mode, expand};
use super::problem::Fault;
use super::words::{Head, Json, json};

/// What `<<name` announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// What ends it; and the file's name, for `COPY`.
    pub name: String,
    /// Whether leading tabs go.
    pub chomp: bool,
    /// Whether variables in it are replaced: no part of the name is quoted.
    pub expand: bool,
}

/// A mark and what stood below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Heredoc {
    pub mark: Mark,
    /// As it is written, tabs included.
    pub content: String,
}

impl Heredoc {
    /// What it is a file of: without leading tabs where they go.
    pub(super) fn file(&self) -> String {
        if !self.mark.chomp {
            return self.content.clone();
        }
        let lines = self.content.split_inclusive('\n');
        lines.map(|line| line.trim_start_matches('\t')).collect()
    }
}

impl Mark {
    /// Whether `word`, quotes and escapes included, announces a heredoc.
    pub(super) fn parse(word: &str) -> Result<Option<Self>, Fault> {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(rest) = digits.strip_prefix("<<").filter(|rest| !rest.contains('<')) else {
            return Ok(None);
        };
        let (chomp, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let words = |keep_quotes: bool| {
            let mode = Mode {
                keep_quotes,
                keep_unset: true,
                ..Mode::word(Escape::Backslash)
            };
            let expanded = expand(rest, &|_| None, mode);
            expanded.map(|expanded| expanded.words).map_err(|error| {
                let word = super::problem::shown(word);
                Fault::new(format!(
                    "the heredoc `{word}` is not readable: {}",
                    error.reason
                ))
            })
        };
        let [name] = &words(false)?[..] else {
            return Ok(None);
        };
        let quotes = |text: &str| text.matches(['\'', '"']).count();
        let raw: usize = words(true)?.iter().map(|word| quotes(word)).sum();
        Ok(Some(Self {
            expand: raw == quotes(name),
            name: name.clone(),
            chomp,
        }))
    }

    /// What a logical line announces, in order.
    pub(super) fn all_of(line: &str, escape: Escape) -> Result<Vec<Self>, Fault> {
        if !line.contains("<<") || !may_have_any(&Head::cut(line, escape), escape) {
            return Ok(Vec::new());
        }
        let mode = Mode {
            keep_quotes: true,
            keep_escapes: true,
            keep_unset: true,
            ..Mode::word(Escape::Backslash)
        };
        // A line whose quotes do not pair has none: the shell will complain of it.
        let words = expand(line, &|_| None, mode).map(|expanded| expanded.words);
        let mut marks = Vec::new();
        for word in words.unwrap_or_default() {
            marks.extend(Self::parse(&word)?);
        }
        Ok(marks)
    }

    /// Whether `line`, with its line break, ends the heredoc.
    pub(super) fn ends(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = match self.chomp {
            true => line.trim_start_matches('\t'),
            false => line,
        };
        line == self.name
    }
}

fn may_have_any(head: &Head<'_>, escape: Escape) -> bool {
    if head.is("ONBUILD") {
        let inner = Head::cut(head.rest, escape);
        return !inner.is("ONBUILD") && may_have_any(&inner, escape);
    }
    let known = ["RUN", "COPY", "ADD"].iter().any(|name| head.is(name));
    known && json(head.rest) == Json::No
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(word: &str) -> Option<(String, bool, bool)> {
        let mark = Mark::parse(word).unwrap();
        mark.map(|mark| (mark.name, mark.chomp, mark.expand))
    }

    #[test]
    fn a_mark_is_two_signs_and_one_word() {
        let is = |name: &str, chomp, expand| Some((name.to_owned(), chomp, expand));
        for (word, expected) in [
            ("<<EOF", is("EOF", false, true)),
            ("3<<EOF", is("EOF", false, true)),
            ("<<-EOF", is("EOF", true, true)),
            ("<<'EOF'", is("EOF", false, false)),
            ("<<-\"E O\"", is("E O", true, false)),
            ("<<e'o'f", is("eof", false, false)),
            (r"<<e\'f", is("e'f", false, true)),
            ("<<$X", is("$X", false, true)),
            ("<<a.txt", is("a.txt", false, true)),
            ("<<", None),
            ("<<-", None),
            ("<<<EOF", None),
            ("a<<EOF", None),
            ("<EOF", None),
            ("<<A <<B", None),
            ("<<A b", None),
        ] {
            assert_eq!(mark(word), expected, "{word}");
        }
        assert!(Mark::parse("<<'EOF").is_err());
    }

    #[test]
    fn only_the_instructions_that_take_files_have_heredocs() {
        let names = |line: &str| -> Vec<String> {
            let marks = Mark::all_of(line, Escape::Backslash).unwrap();
            marks.into_iter().map(|mark| mark.name).collect()
        };
        for (line, expected) in [
            ("RUN <<A cat 3<<B", vec!["A", "B"]),
            ("copy <<A <<'B' /x", vec!["A", "B"]),
            ("ADD --chown=1 <<A /x", vec!["A"]),
            ("ONBUILD RUN <<A", vec!["A"]),
            ("ONBUILD CMD <<A", vec![]),
            ("ONBUILD ONBUILD RUN <<A", vec![]),
            ("CMD <<A", vec![]),
            ("USER <<A", vec![]),
            ("RUN \"<<A\"", vec![]),
            ("RUN [\"<<A\"]", vec![]),
            ("RUN it's <<A", vec![]),
        ] {
            assert_eq!(names(line), expected, "{line}");
        }
    }
}
