//! Text that came from elsewhere, made safe to show.
//!
//! A report is a file that people mail to each other. What its strings say must
//! not move a terminal's cursor, reverse the reading order of a line, or become
//! markup in a page.

use std::borrow::Cow;

/// Whether `c` acts on a terminal or a reader instead of being shown: controls,
/// separators of lines, and marks that reorder or hide text.
#[must_use]
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// `text` with every character that [acts] shown as `\u{FFFD}`; line breaks and
/// tabs become spaces.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        '\n' | '\t' | '\r' => ' ',
        c if acts(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    Cow::Owned(text.chars().map(show).collect())
}

/// `text` as the content or the quoted attribute of an HTML or SVG element.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// The columns that `text` takes on a terminal.
#[must_use]
pub fn columns(text: &str) -> usize {
    tabled::grid::util::string::get_line_width(text)
}

/// `text` in lines of at most `width` columns, the later ones indented by
/// `indent`. Words are kept whole where they fit.
#[must_use]
pub fn wrapped(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in shown(text).split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(used > indent || (lines.len() == 1 && used > 0));
        if used + gap + columns(word) <= width {
            let line = lines.last_mut().expect("there is always a line");
            line.push_str(&" ".repeat(gap));
            line.push_str(word);
            used += gap + columns(word);
            continue;
        }
        if used > indent || (lines.len() == 1 && used > 0) {
            lines.push(" ".repeat(indent));
            used = indent;
        }
        for c in word.chars() {
            let wide = columns(c.encode_utf8(&mut [0; 4]));
            if used + wide > width {
                lines.push(" ".repeat(indent));
                used = indent;
            }
            lines.last_mut().expect("there is always a line").push(c);
            used += wide;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_sequence_is_shown_and_not_sent() {
        assert_eq!(
            shown("a\u{1b}[31mb\u{9b}1mc\nd"),
            "a\u{FFFD}[31mb\u{FFFD}1mc d"
        );
        assert_eq!(shown("abc\u{202E}fed"), "abc\u{FFFD}fed");
        assert_eq!(shown("Prozeß 日本"), "Prozeß 日本");
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escaped("<img src=x onerror='a()'>&\""),
            "&lt;img src=x onerror=&#39;a()&#39;&gt;&amp;&quot;"
        );
    }

    #[test]
    fn no_wrapped_line_is_too_wide() {
        let long = format!("short words and {} 日本日本日本日本 end", "x".repeat(200));
        for width in 12..60 {
            let lines = wrapped(&long, width, 3);
            assert!(lines.iter().all(|l| columns(l) <= width), "{lines:#?}");
            let bare = |s: &str| s.replace(' ', "");
            assert_eq!(bare(&lines.concat()), bare(&long));
        }
        assert_eq!(wrapped("one two three", 8, 2), ["one two", "  three"]);
    }
}
