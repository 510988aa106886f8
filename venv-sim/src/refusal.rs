//! Why something that others wrote cannot be taken.

use std::fmt::Write as _;

use crate::redaction::redacted;

/// What is wrong with a piece of text that others wrote, as a sentence's end:
/// `the version `one` of its name: …`. On one line, whatever the text holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Refusal {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        let why = why.into();
        // A parser's own words may quote the text as it is.
        Self(match why.chars().any(char::is_control) {
            true => why.replace(char::is_control, " "),
            false => why,
        })
    }
}

/// An address in a message, or what was meant as one: as [`shown`], without name and password.
pub(crate) fn shown_url(text: &str) -> String {
    shown(&redacted(text))
}

/// A requirement in a message, whose address may hold a password even where it cannot be read.
pub(crate) fn shown_line(line: &str) -> String {
    match line.split_once('@') {
        // A name and extras; behind the `@` is an address.
        Some((name, url)) if !name.contains([':', '/']) => {
            let space = &url[..url.len() - url.trim_start().len()];
            shown(&format!("{name}@{space}{}", redacted(url.trim_start())))
        }
        _ => shown_url(line),
    }
}

/// Text of others in a message: on one line, and not endless.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut shown = String::from("`");
    for character in text.chars().take(LONGEST) {
        match character {
            '`' => shown.push(character),
            _ => {
                let _ = write!(shown, "{}", character.escape_debug());
            }
        }
    }
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown.push('`');
    shown
}
