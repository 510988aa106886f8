//! A file of TOML, in which what is wrong has a line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::wanted::{self, Position, Refused, Wanted};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};
use crate::requirement::Name;

const CORRECT: &str = "correct the line, or leave it out";

/// A table of a file, with what it takes to tell where in the file something is.
#[derive(Clone, Copy)]
pub(super) struct Table<'t> {
    pub(super) file: &'t File<'t>,
    table: &'t DeTable<'t>,
}

/// The text, and where it is.
pub(super) struct File<'t> {
    /// As it was named.
    pub(super) name: String,
    pub(super) text: &'t str,
    /// On which line of the file the text begins, from 0.
    pub(super) above: usize,
}

impl File<'_> {
    /// Where the byte `at` of the text is.
    fn position(&self, at: usize) -> Position {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        Position {
            file: self.name.clone(),
            line: self.above + lines + 1,
        }
    }

    /// The refusal of something at the byte `at`.
    pub(super) fn refused(&self, at: usize, (cause, remedy): Refused) -> Error {
        Error::BadRequirement {
            at: self.position(at).to_string(),
            cause,
            remedy,
        }
    }

    /// The refusal of the file as a whole.
    pub(super) fn refused_whole(&self, why: impl Into<String>, remedy: &'static str) -> Error {
        Error::BadRequirement {
            at: self.name.clone(),
            cause: Refusal::new(why),
            remedy,
        }
    }

    /// Reads it, and gives the whole as a table to `work`.
    pub(super) fn read<T>(&self, work: impl FnOnce(Table<'_>) -> Result<T>) -> Result<T> {
        let table = DeTable::parse(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let why = error.message().lines().next().unwrap_or_default();
            let why = Refusal::new(format!("it is no TOML: {why}"));
            self.refused(at, (why, CORRECT))
        })?;
        work(Table {
            file: self,
            table: table.get_ref(),
        })
    }
}

impl<'t> Table<'t> {
    pub(super) fn get(self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    /// The table at `key`; `None` where there is nothing.
    pub(super) fn table(self, key: &str) -> Result<Option<Self>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let table = self.as_table(value).ok_or_else(|| {
            let why = Refusal::new(format!("{} is no table", shown(key)));
            self.file.refused(value.span().start, (why, CORRECT))
        })?;
        Ok(Some(table))
    }

    pub(super) fn as_table(self, value: &'t Spanned<DeValue<'t>>) -> Option<Self> {
        let table = value.get_ref().as_table()?;
        let file = self.file;
        Some(Self { file, table })
    }

    /// How many keys it has.
    pub(super) fn len(self) -> usize {
        self.table.len()
    }

    /// What it has under names that are normalized, in their order.
    ///
    /// # Errors
    /// For a key that is no name, and for two that are the same one.
    pub(super) fn named(self) -> Result<Vec<(Name, &'t Spanned<DeValue<'t>>)>> {
        let mut found: Vec<(Name, &Spanned<DeValue<'_>>)> = Vec::new();
        for (key, value) in self.table {
            let at = key.span().start;
            let name: Name = key
                .get_ref()
                .parse()
                .map_err(|why| self.file.refused(at, (why, CORRECT)))?;
            if found.iter().any(|(other, _)| *other == name) {
                let why = Refusal::new(format!("{name} is there twice"));
                return Err(self.file.refused(at, (why, "leave one of the two out")));
            }
            found.push((name, value));
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(found)
    }

    /// The elements of an array; of nothing, none.
    pub(super) fn elements(
        self,
        what: &str,
        value: Option<&'t Spanned<DeValue<'t>>>,
    ) -> Result<&'t [Spanned<DeValue<'t>>]> {
        let Some(value) = value else {
            return Ok(&[]);
        };
        let array = value.get_ref().as_array().ok_or_else(|| {
            let why = Refusal::new(format!("{what} is no list"));
            self.file.refused(value.span().start, (why, CORRECT))
        })?;
        Ok(array)
    }

    /// A text.
    pub(super) fn text(self, what: &str, value: &'t Spanned<DeValue<'t>>) -> Result<&'t str> {
        value.get_ref().as_str().ok_or_else(|| {
            let why = Refusal::new(format!("an element of {what} is no text"));
            self.file.refused(value.span().start, (why, CORRECT))
        })
    }

    /// A requirement, with its line.
    pub(super) fn wanted(self, what: &str, value: &'t Spanned<DeValue<'t>>) -> Result<Wanted> {
        let at = value.span().start;
        let text = self.text(what, value)?;
        let read = wanted::specifier(text);
        Ok(Wanted {
            requirement: read.map_err(|why| self.file.refused(at, why))?,
            hashes: Vec::new(),
            at: Some(self.file.position(at)),
        })
    }
}
