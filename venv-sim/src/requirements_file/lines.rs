//! The lines of a file as they are meant: joined where one goes on, without comments, with
//! variables put in.
//!
//! Source: pip's `req_file.py`, whose order of the steps this is.

use super::Variables;

/// A line, and the number of the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: usize,
    pub(super) text: String,
}

/// The lines that say something.
pub(super) fn lines(text: &str, variables: &Variables<'_>) -> Vec<Line> {
    let joined = joined(text).into_iter();
    let lines = joined.filter_map(|Line { number, text }| {
        let text = without_comment(&text).trim();
        let text = (!text.is_empty()).then(|| expanded(text, variables))?;
        Some(Line { number, text })
    });
    lines.collect()
}

/// A line that ends in `\` goes on in the next. A comment ends what went on until there, and
/// itself never goes on.
fn joined(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut begun: Option<Line> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let is_comment = line.trim_start().starts_with('#');
        let goes_on = line.ends_with('\\') && !is_comment;
        let mut one = begun.take().unwrap_or(Line {
            number,
            text: String::new(),
        });
        if is_comment {
            one.text.push(' ');
        }
        one.text.push_str(match goes_on {
            true => line.trim_matches('\\'),
            false => line,
        });
        match goes_on {
            true => begun = Some(one),
            false => lines.push(one),
        }
    }
    lines.extend(begun);
    lines
}

/// A comment begins with `#` at the beginning or behind a space: an address may hold one.
fn without_comment(line: &str) -> &str {
    let mut before = None;
    for (index, character) in line.char_indices() {
        if character == '#' && before.is_none_or(char::is_whitespace) {
            return &line[..index];
        }
        before = Some(character);
    }
    line
}

/// `${NAME}` with its value. One that is not set stays: it will be refused where it matters.
fn expanded(line: &str, variables: &Variables<'_>) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let end = after.find('}').unwrap_or(0);
        let name = &after[..end];
        let is_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let is_name = !name.is_empty() && name.chars().all(is_letter);
        match is_name.then(|| variables(name)).flatten() {
            Some(value) => {
                text.push_str(&value);
                rest = &after[end + 1..];
            }
            None => {
                text.push_str("${");
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String)> {
        let variables = |name: &str| match name {
            "TOKEN" => Some("s3cret".to_owned()),
            "NEST" => Some("${TOKEN}".to_owned()),
            _ => None,
        };
        let lines = lines(text, &variables).into_iter();
        lines.map(|line| (line.number, line.text)).collect()
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        assert_eq!(
            read("# one\n\na # two\n  #three\nb#c\nd\t# e\r\nf"),
            [
                (3, "a".to_owned()),
                (5, "b#c".to_owned()),
                (6, "d".to_owned()),
                (7, "f".to_owned())
            ]
        );
    }

    #[test]
    fn a_line_goes_on_until_it_does_not() {
        assert_eq!(
            read("a \\\n  >=1, \\\n  <2\nb\\\n# no\nc\n# d \\\ne\nf \\"),
            [
                (1, "a   >=1,   <2".to_owned()),
                (4, "b".to_owned()),
                (6, "c".to_owned()),
                (8, "e".to_owned()),
                (9, "f".to_owned())
            ]
        );
    }

    #[test]
    fn variables_are_put_in_once() {
        assert_eq!(read("https://${TOKEN}@x")[0].1, "https://s3cret@x");
        for kept in ["${UNSET}", "${token}", "$TOKEN", "${", "${TOKEN", "${}"] {
            assert_eq!(read(kept)[0].1, kept);
        }
        assert_eq!(read("${NEST}")[0].1, "${TOKEN}");
        assert_eq!(read("${${TOKEN}")[0].1, "${s3cret");
    }
}
