//! A requirement, and what else its line says.

use std::fmt;

use crate::refusal::Refusal;
use crate::requirement::Requirement;
use crate::wheel::Digest;

/// A requirement of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is asked for.
    pub requirement: Requirement,
    /// What the file's content has to be, any of these; whatever it is where there are none.
    pub hashes: Vec<Digest>,
    /// Where it is written; none for what was typed.
    pub at: Option<Position>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1; that on which it begins.
    pub line: usize,
}

impl Wanted {
    /// What somebody typed: a requirement as of a file's line, without options.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn typed(text: &str) -> Result<Self, Refusal> {
        text.parse().map(|requirement| Self {
            requirement,
            hashes: Vec::new(),
            at: None,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
