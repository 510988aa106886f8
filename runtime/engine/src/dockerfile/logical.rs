//! From the lines of a file to one line an instruction.
//!
//! A line that ends with the escape character goes on in the next; comments and
//! empty lines in between are passed over, and heredocs are taken from below.
//!
//! Source: BuildKit, `Parse` in `frontend/dockerfile/parser/parser.go`.

use std::ops::RangeInclusive;

use super::directive::{Directives, Escape};
use super::heredoc::{Heredoc, Mark};
use super::problem::{Fault, Problem, Warning, shown};

/// The longest Dockerfile that is read, in bytes.
pub const LONGEST: usize = 4 << 20;
/// The longest line: docker's own limit.
const LONGEST_LINE: usize = 65_535;

/// An instruction's text, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logical {
    /// Where it stands, lines counted from 1.
    pub lines: RangeInclusive<usize>,
    /// What continued lines make together.
    pub text: String,
    /// What stood below it.
    pub heredocs: Vec<Heredoc>,
    /// As it is written.
    pub original: String,
}

/// All that a file says, before its instructions are understood.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub directives: Directives,
    pub logical: Vec<Logical>,
    pub warnings: Vec<Warning>,
    pub problems: Vec<Problem>,
}

/// Lays `bytes` out.
pub(super) fn lay_out(bytes: &[u8]) -> Layout {
    let mut layout = Layout::default();
    match text_of(bytes) {
        Ok(text) => Reader::new(text).read(&mut layout),
        Err(problem) => layout.problems.push(problem),
    }
    layout
}

/// The text, without its byte order mark.
fn text_of(bytes: &[u8]) -> Result<&str, Problem> {
    if bytes.len() > LONGEST {
        let fault = Fault::new(format!("the file is longer than {} MiB", LONGEST >> 20));
        return Err(Problem::new(1, fault));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_begins = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[line_begins..])
            .chars()
            .count()
            + 1;
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let fault = Fault::new("the text is not UTF-8").remedy("save the file as UTF-8");
        Problem {
            column: Some(column),
            ..Problem::new(line, fault)
        }
    })
}

/// The lines of a file, one after the other.
struct Reader<'a> {
    lines: Vec<&'a str>,
    /// How many were read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            lines: text.split_inclusive('\n').collect(),
            at: 0,
        }
    }

    /// The next line with its line break.
    fn next(&mut self) -> Option<&'a str> {
        let line = *self.lines.get(self.at)?;
        self.at += 1;
        Some(line)
    }

    fn read(&mut self, layout: &mut Layout) {
        let too_long = |line: &&str| line.len() > LONGEST_LINE;
        if let Some(index) = self.lines.iter().position(too_long) {
            let fault = Fault::new(format!("the line is longer than {LONGEST_LINE} bytes"));
            layout.problems.push(Problem::new(index + 1, fault));
            return;
        }
        self.read_directives(layout);
        let escape = layout.directives.escape;
        while let Some(line) = self.next() {
            let line = without_break(line).trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let first = self.at;
            let text = self.joined(line, escape, &mut layout.warnings);
            if text.trim().is_empty() {
                continue;
            }
            match self.heredocs(&text, first, escape) {
                Ok(heredocs) => layout.logical.push(Logical {
                    lines: first..=self.at,
                    original: without_break(&self.lines[first - 1..self.at].concat()).to_owned(),
                    text,
                    heredocs,
                }),
                Err(problem) => layout.problems.push(problem),
            }
        }
    }

    fn read_directives(&mut self, layout: &mut Layout) {
        while let Some(line) = self.lines.get(self.at) {
            match layout.directives.read(without_break(line).trim_start()) {
                Ok(true) => self.at += 1,
                Ok(false) => break,
                Err(fault) => {
                    self.at += 1;
                    layout.problems.push(Problem::new(self.at, fault));
                }
            }
        }
    }

    /// `line` and those that continue it.
    fn joined(&mut self, line: &str, escape: Escape, warnings: &mut Vec<Warning>) -> String {
        let (mut text, mut goes_on) = match continued(line, escape) {
            Some(line) => (line.to_owned(), true),
            None => (line.to_owned(), false),
        };
        let mut empty = None;
        while goes_on {
            let Some(line) = self.next().map(without_break) else {
                break;
            };
            match line.trim_start() {
                "" => empty = empty.or(Some(self.at)),
                comment if comment.starts_with('#') => {}
                _ => {
                    let part = continued(line, escape);
                    goes_on = part.is_some();
                    text.push_str(part.unwrap_or(line));
                }
            }
        }
        // What goes on into nothing ends.
        while let Some(ended) = continued(&text, escape) {
            text.truncate(ended.trim_end().len());
        }
        if let Some(line) = empty {
            warnings.push(Warning {
                line,
                rule: "NoEmptyContinuation",
                what: format!(
                    "an empty line within a continued instruction ({}): remove it, or make it a \
                     comment",
                    shown(text.trim())
                ),
            });
        }
        text
    }

    /// What the heredocs of `text` hold.
    fn heredocs(
        &mut self,
        text: &str,
        first: usize,
        escape: Escape,
    ) -> Result<Vec<Heredoc>, Problem> {
        let marks = Mark::all_of(text, escape).map_err(|fault| Problem::new(first, fault))?;
        let mut heredocs = Vec::new();
        for mark in marks {
            let begins = self.at;
            let body = &self.lines[begins..];
            let Some(length) = body.iter().position(|line| mark.ends(line)) else {
                let name = shown(&mark.name);
                let fault = Fault::new(format!("the heredoc `<<{name}` has no end"))
                    .remedy(format!("write `{name}` alone on the line after its last"));
                // Nothing of what follows can be told from its content.
                self.at = self.lines.len();
                return Err(Problem::new(first, fault));
            };
            self.at = begins + length + 1;
            heredocs.push(Heredoc {
                content: body[..length].concat(),
                mark,
            });
        }
        Ok(heredocs)
    }
}

fn without_break(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// `line` without the escape character at its end, where it goes on: blanks may
/// follow that, another one may not stand before it.
fn continued(line: &str, escape: Escape) -> Option<&str> {
    let line = line.trim_end().strip_suffix(escape.char())?;
    (!line.ends_with(escape.char())).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(RangeInclusive<usize>, String)> {
        let layout = lay_out(text.as_bytes());
        assert_eq!(layout.problems, [], "{text}");
        layout
            .logical
            .into_iter()
            .map(|logical| (logical.lines, logical.text))
            .collect()
    }

    fn check(text: &str, expected: &[(RangeInclusive<usize>, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(lines, text)| (lines.clone(), (*text).to_owned()))
            .collect();
        assert_eq!(lines(text), expected, "{text:?}");
    }

    fn problem(text: &[u8]) -> Problem {
        lay_out(text).problems.remove(0)
    }

    #[test]
    fn a_line_goes_on_after_an_escape_character() {
        check("RUN a \\\n  b\n", &[(1..=2, "RUN a   b")]);
        check("RUN a \\  \t\n  b\n", &[(1..=2, "RUN a   b")]);
        check("RUN a\\\nb", &[(1..=2, "RUN ab")]);
        check(
            "RUN a \\\\\nRUN b",
            &[(1..=1, "RUN a \\\\"), (2..=2, "RUN b")],
        );
        check("RUN a \\\n\\\n b", &[(1..=3, "RUN a  b")]);
        check("RUN a \\", &[(1..=1, "RUN a ")]);
        check("RUN a\\ \\", &[(1..=1, "RUN a")]);
        check("RU\\\nN a", &[(1..=2, "RUN a")]);
    }

    #[test]
    fn comments_within_a_continued_line_are_passed_over() {
        check(
            "RUN a \\\n# no\n  # no\n b # yes\n",
            &[(1..=4, "RUN a  b # yes")],
        );
        check("  # no\n\nRUN a # yes", &[(3..=3, "RUN a # yes")]);
        // A comment's own escape character continues nothing.
        check(
            "RUN a \\\n# no \\\n b\nUSER c",
            &[(1..=3, "RUN a  b"), (4..=4, "USER c")],
        );
    }

    #[test]
    fn empty_lines_within_a_continued_line_are_told() {
        let layout = lay_out(b"RUN a \\\n\n  \n b\n");
        assert_eq!(layout.logical[0].text, "RUN a  b");
        let [warning] = &layout.warnings[..] else {
            panic!("{:?}", layout.warnings)
        };
        assert_eq!((warning.line, warning.rule), (2, "NoEmptyContinuation"));
    }

    #[test]
    fn line_breaks_of_windows_and_a_byte_order_mark_are_no_content() {
        check(
            "\u{feff}RUN a \\\r\n b\r\n\r\nUSER c\r\n",
            &[(1..=2, "RUN a  b"), (4..=4, "USER c")],
        );
        let layout = lay_out("\u{feff}# escape=`\r\nRUN a `\r\n b".as_bytes());
        assert_eq!(layout.logical[0].text, "RUN a  b");
    }

    #[test]
    fn directives_stand_at_the_top_and_nowhere_else() {
        let read = |text: &str| lay_out(text.as_bytes()).directives;
        let all = read("# syntax=a/b:1\n#ESCAPE = `\n# check=skip=all\nFROM a");
        assert_eq!(all.syntax.as_deref(), Some("a/b:1"));
        assert_eq!(
            (all.escape, all.check.as_deref()),
            (Escape::Backtick, Some("skip=all"))
        );
        for text in [
            "# a comment\n# escape=`\nFROM a",
            "\n# escape=`\nFROM a",
            "FROM a\n# escape=`\n",
            "# unknown=1\n# escape=`\nFROM a",
            "# escape\n# escape=`\nFROM a",
        ] {
            assert_eq!(read(text), Directives::default(), "{text}");
        }
        // It is a comment there, and no mistake.
        assert_eq!(lay_out(b"FROM a\n# escape=x").problems, []);
    }

    #[test]
    fn a_directive_twice_or_of_no_sense_is_refused_with_its_line() {
        let twice = problem(b"# escape=`\n# Escape=`\nFROM a");
        assert_eq!(twice.line, 2);
        assert!(twice.what.contains("twice"), "{twice}");
        assert_eq!(problem(b"# syntax=a\n# syntax=b\n").line, 2);
        let odd = problem(b"# escape=x\n");
        assert!(odd.what.contains("`x`") && odd.remedy.is_some(), "{odd}");
    }

    #[test]
    fn heredocs_are_taken_from_below_in_their_order() {
        let layout = lay_out(b"COPY <<A <<-B /x\nB\n# a\\\n\nA\n\tb\n\tB\r\nUSER c\n");
        let [copy, user] = &layout.logical[..] else {
            panic!("{:?}", layout.logical)
        };
        let contents: Vec<_> = copy
            .heredocs
            .iter()
            .map(|doc| (&*doc.content, doc.file()))
            .collect();
        assert_eq!(contents[0], ("B\n# a\\\n\n", "B\n# a\\\n\n".to_owned()));
        assert_eq!(contents[1], ("\tb\n", "b\n".to_owned()));
        assert_eq!((copy.lines.clone(), user.lines.clone()), (1..=7, 8..=8));
        assert!(copy.original.ends_with("\tB"), "{:?}", copy.original);
    }

    #[test]
    fn a_heredoc_without_end_is_told_where_it_begins() {
        let problem = problem(b"FROM a\nRUN <<EOF\n EOF\nEOFX\n");
        assert_eq!(problem.line, 2);
        assert!(problem.what.contains("EOF"), "{problem}");
    }

    #[test]
    fn what_is_no_text_or_too_long_is_refused_with_its_place() {
        let bytes = problem(b"FROM a\nRUN \xc3\xa4\xff\n");
        assert_eq!((bytes.line, bytes.column), (2, Some(6)));
        let mut long = b"FROM a\nRUN ".to_vec();
        long.extend([b'x'; 65_531]);
        long.push(b'\n');
        assert_eq!(lay_out(&long[..long.len() - 2]).problems, []);
        assert_eq!(problem(&long).line, 2);
        assert!(problem(&vec![b'\n'; LONGEST + 1]).what.contains("MiB"));
    }
}
