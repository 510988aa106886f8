//! From a line and column of a JSON text to the field that stands there.

use super::validate::shown;

/// Where the scan is inside one object or list.
enum Level {
    /// The key last read, with its quotes taken off.
    Object(Option<String>),
    /// How many elements have begun.
    List(usize),
}

/// The field whose value ends at `column` of `line`, both counted from 1 in
/// bytes as serde counts them, as in `process.rlimits[2].hard`; empty for the
/// whole.
pub(super) fn field_at(text: &[u8], line: usize, column: usize) -> String {
    let start = match line.checked_sub(2) {
        None => 0,
        Some(newline) => text
            .iter()
            .enumerate()
            .filter(|&(_, &byte)| byte == b'\n')
            .nth(newline)
            .map_or(text.len(), |(at, _)| at + 1),
    };
    let end = start.saturating_add(column).min(text.len());
    name(&levels(&text[..end]))
}

/// The objects and lists that are open at the end of `text`.
fn levels(text: &[u8]) -> Vec<Level> {
    let mut open = Vec::new();
    let mut at = 0;
    // Whether a string that begins now is a key.
    let mut key = false;
    while at < text.len() {
        let byte = text[at];
        if !byte.is_ascii_whitespace()
            && !matches!(byte, b',' | b']')
            && let Some(Level::List(count @ 0)) = open.last_mut()
        {
            *count = 1;
        }
        match byte {
            b'{' => {
                open.push(Level::Object(None));
                key = true;
            }
            b'[' => {
                open.push(Level::List(0));
                key = false;
            }
            b'}' | b']' => {
                open.pop();
                key = false;
            }
            b',' => match open.last_mut() {
                Some(Level::List(count)) => *count += 1,
                Some(Level::Object(_)) => key = true,
                None => {}
            },
            b'"' => {
                let begin = at + 1;
                at = end_of_string(text, begin);
                if let (true, Some(Level::Object(name))) = (key, open.last_mut()) {
                    *name = Some(String::from_utf8_lossy(&text[begin..at]).into_owned());
                    key = false;
                }
            }
            _ => {}
        }
        at += 1;
    }
    open
}

/// Where the quote stands that ends the string, or the end of the text.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    at.min(text.len())
}

fn name(levels: &[Level]) -> String {
    let mut name = String::new();
    for level in levels {
        match level {
            Level::Object(Some(key)) => {
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(&shown(key));
            }
            // 0: the text ends just before the first element.
            Level::List(count) => name.push_str(&format!("[{}]", count.saturating_sub(1))),
            Level::Object(None) => {}
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_text_is_named_by_its_keys_and_indices() {
        let text = br#"{"a": {"b]": [1, {"c\"": 2}, [3, 4]]},
  "d": "x,y", "e": []}"#;
        let line = |text: &[u8], wanted: &[u8]| {
            let at = text.windows(wanted.len()).position(|w| w == wanted);
            let end = at.unwrap() + wanted.len();
            let before = &text[..end];
            let number = before.iter().filter(|&&b| b == b'\n').count() + 1;
            let start = before
                .iter()
                .rposition(|&b| b == b'\n')
                .map_or(0, |n| n + 1);
            field_at(text, number, end - start)
        };
        let check = |wanted: &str, expected| {
            assert_eq!(line(text, wanted.as_bytes()), expected, "{wanted}");
        };
        check("[1", "a.b][0]");
        check("\": 2", r#"a.b][1].c\\\""#);
        check(": 2}", "a.b][1]");
        check("[3, 4", "a.b][2][1]");
        check("4]]}", "a");
        check("x,y\"", "d");
        check("[]", "e");
        check("{", "");
        assert_eq!(field_at(text, 9, 9), "");
        assert_eq!(field_at(b"", 0, 0), "");
    }
}
