//! A line of text that is read from left to right.

use super::Name;
use crate::refusal::{Refusal, shown, shown_line};

/// What is still to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The rest, without the space around it.
    pub(super) fn rest(&self) -> &'a str {
        self.0.trim()
    }

    /// Takes `word`, if that comes next.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let rest = self.0.trim_start().strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes what comes before `end`, or everything.
    pub(super) fn until(&mut self, end: &str) -> &'a str {
        let (before, rest) = self.0.split_at(self.0.find(end).unwrap_or(self.0.len()));
        self.0 = rest;
        before
    }

    /// Takes what comes before the next space, or everything.
    pub(super) fn until_space(&mut self) -> &'a str {
        self.0 = self.0.trim_start();
        self.take_while(|c| !c.is_whitespace())
    }

    /// Takes a word of letters, digits, `_` and `.`, as variables have it; it may be empty.
    pub(super) fn word(&mut self) -> &'a str {
        self.0 = self.0.trim_start();
        self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
    }

    /// Takes a name of a project.
    pub(super) fn name(&mut self) -> Result<Name, Refusal> {
        self.0 = self.0.trim_start();
        let rest = self.0;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        match word.is_empty() {
            true => Err(Refusal::new(format!(
                "there is no name at {}",
                shown_line(rest)
            ))),
            false => word.parse(),
        }
    }

    /// Takes a text in quotes of either kind, if one comes next.
    pub(super) fn quoted(&mut self) -> Option<Result<&'a str, Refusal>> {
        let rest = self.0.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let rest = &rest[1..];
        Some(match rest.split_once(quote) {
            Some((inside, after)) => {
                self.0 = after;
                Ok(inside)
            }
            None => Err(Refusal::new(format!(
                "the quoted text {} has no end",
                shown(rest)
            ))),
        })
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !holds(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }
}
