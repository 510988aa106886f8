//! How a logical line is cut into an instruction's name, its flags and its words.
//!
//! Instructions cut differently: some at every blank, some at blanks outside
//! quotes, some not at all; and some take a JSON array instead. None of these cuts
//! expands a variable or removes a quote: that is [`Template`](super::Template)'s
//! part, much later.
//!
//! Source: BuildKit, `frontend/dockerfile/parser/{split_command,line_parsers}.go`.

use super::Escape;
use super::problem::Fault;

/// An instruction before anybody looked at its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// As it is written.
    pub name: &'a str,
    /// `--name=value`, without quotes.
    pub flags: Vec<String>,
    /// What follows, without blanks at its ends.
    pub rest: &'a str,
}

impl<'a> Head<'a> {
    pub(super) fn cut(line: &'a str, escape: Escape) -> Self {
        let (name, rest) = cut_at_blank(line.trim());
        let (flags, rest) = cut_flags(rest, escape);
        Self {
            name,
            flags,
            rest: rest.trim(),
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The blanks at which words without quotes are cut.
fn blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// The first word, and what follows the blanks behind it.
pub(super) fn cut_at_blank(text: &str) -> (&str, &str) {
    match text.split_once(blank) {
        Some((first, rest)) => (first, rest.trim_start_matches(blank)),
        None => (text, ""),
    }
}

/// Words between blanks, quotes or not.
pub(super) fn at_blanks(text: &str) -> impl Iterator<Item = &str> {
    text.split(blank).filter(|word| !word.is_empty())
}

/// Flags at the beginning of `text`, and what follows them. `--` alone ends them.
fn cut_flags(text: &str, escape: Escape) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = text.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = cut_flag(rest, escape);
        rest = after.trim_start();
        if flag == "--" {
            break;
        }
        flags.push(flag);
    }
    (flags, rest)
}

/// One flag, its quotes and escapes resolved.
fn cut_flag(text: &str, escape: Escape) -> (String, &str) {
    let mut flag = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            _ if c == escape.char() => flag.extend(chars.next().map(|(_, c)| c)),
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote.is_none() && c.is_whitespace() => return (flag, &text[at..]),
            _ => flag.push(c),
        }
    }
    (flag, "")
}

/// Words at blanks outside quotes; quotes and escapes stay in them.
///
/// BuildKit takes a quote that is not closed, and fails when it expands the word.
pub(super) fn quoted_words(text: &str, escape: Escape) -> Result<Vec<String>, Fault> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            // Nothing is escaped between single quotes.
            _ if c == escape.char() && quote != Some('\'') => {
                // At the end of a line there is nothing to escape.
                if let Some(escaped) = chars.next() {
                    word.extend([c, escaped]);
                }
                continue;
            }
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ if quote.is_none() && c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if let Some(quote) = quote {
        return Err(Fault::new(format!("a closing {quote} is missing")));
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

/// What looks like an array of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// It is one, of strings.
    Strings(Vec<String>),
    /// It is one, of something else.
    Others,
    /// It is none: the words are meant as they stand.
    No,
}

pub(super) fn json(text: &str) -> Json {
    if !text.starts_with('[') {
        return Json::No;
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(_) => Json::No,
        Ok(values) => values
            .into_iter()
            .map(|value| match value {
                serde_json::Value::String(text) => Some(text),
                _ => None,
            })
            .collect::<Option<_>>()
            .map_or(Json::Others, Json::Strings),
    }
}

/// Whether `text` was probably meant as JSON, though it is none: it has the
/// brackets, and what is in them begins like a string.
pub(super) fn meant_as_json(text: &str) -> bool {
    let inner = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim_start().starts_with(['\'', '"', '“', '‘']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(line: &str) -> (String, Vec<String>, String) {
        let head = Head::cut(line, Escape::Backslash);
        (head.name.to_owned(), head.flags, head.rest.to_owned())
    }

    #[test]
    fn flags_end_at_the_first_word_that_is_none() {
        let cut = |name: &str, flags: &[&str], rest: &str| {
            let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
            (name.to_owned(), flags, rest.to_owned())
        };
        assert_eq!(head("RUN a --b"), cut("RUN", &[], "a --b"));
        assert_eq!(head(" run\t--a=b  c "), cut("run", &["--a=b"], "c"));
        assert_eq!(head("X --a -- --b c"), cut("X", &["--a"], "--b c"));
        assert_eq!(head("X --a=\"b c\"'d' e"), cut("X", &["--a=b cd"], "e"));
        assert_eq!(head(r"X --a=b\ c \d"), cut("X", &["--a=b c"], r"\d"));
        assert_eq!(head("X -a"), cut("X", &[], "-a"));
        assert_eq!(head("X --a"), cut("X", &["--a"], ""));
        assert_eq!(head("X"), cut("X", &[], ""));
    }

    #[test]
    fn words_keep_their_quotes_and_escapes() {
        for (text, expected) in [
            ("a b", vec!["a", "b"]),
            (r#"a="b c" d='e f'"#, vec![r#"a="b c""#, "d='e f'"]),
            (r"a=b\ c d", vec![r"a=b\ c", "d"]),
            (r#"a="b\" c" d"#, vec![r#"a="b\" c""#, "d"]),
            (r"a='b\' c", vec![r"a='b\'", "c"]),
            (r"a\", vec!["a"]),
            ("\"\" a", vec!["\"\"", "a"]),
            ("", vec![]),
        ] {
            let words = quoted_words(text, Escape::Backslash).unwrap();
            assert_eq!(words, expected, "{text}");
        }
        for text in ["a=\"b c", "it's", r#"a "\""#] {
            assert!(quoted_words(text, Escape::Backslash).is_err(), "{text}");
        }
    }

    #[test]
    fn only_an_array_of_strings_is_the_exec_form() {
        let strings = |of: &[&str]| Json::Strings(of.iter().map(|s| (*s).to_owned()).collect());
        assert_eq!(json(r#"["a", "b c"]"#), strings(&["a", "b c"]));
        assert_eq!(json("[]"), strings(&[]));
        assert_eq!(json(r#"["a", 1]"#), Json::Others);
        for text in ["['a']", "[ -d x ]", r#"["a"] b"#, r#"["a",]"#, "a", ""] {
            assert_eq!(json(text), Json::No, "{text}");
        }
        assert!(meant_as_json("['a']"));
        assert!(meant_as_json("[\"a\",]"));
        assert!(!meant_as_json("[ -d x ]"));
    }
}
