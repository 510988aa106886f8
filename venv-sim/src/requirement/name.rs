//! Names of projects and of their extras.

use std::fmt;
use std::str::FromStr;

use crate::refusal::{Refusal, shown};

/// A name, normalized: `Zope.Interface`, `zope_interface` and `zope-interface` are one.
///
/// Source: *Names and normalization* of the Python Packaging User Guide (PEP 503).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// In lower case, with `-` for each run of `-`, `_` and `.`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the name of a file or a directory has it, where `-` separates.
    #[must_use]
    pub fn with_underscores(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for Name {
    type Err = Refusal;

    fn from_str(written: &str) -> Result<Self, Refusal> {
        const LONGEST: usize = 200;
        let is_plain = |c: char| c.is_ascii_alphanumeric();
        let is_allowed = |c: char| is_plain(c) || matches!(c, '-' | '_' | '.');
        let fits = written.starts_with(is_plain)
            && written.ends_with(is_plain)
            && written.chars().all(is_allowed)
            && written.len() <= LONGEST;
        if !fits {
            return Err(Refusal::new(format!(
                "{} is no name: letters, digits and, between them, any of `-_.`",
                shown(written)
            )));
        }
        let parts = written
            .split(['-', '_', '.'])
            .filter(|part| !part.is_empty());
        let name = parts.collect::<Vec<_>>().join("-");
        Ok(Self(name.to_ascii_lowercase()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        for spelling in [
            "friendly-bard",
            "Friendly-Bard",
            "FRIENDLY.bard",
            "friendly_-.bard",
        ] {
            let name: Name = spelling.parse().expect(spelling);
            assert_eq!(name.as_str(), "friendly-bard");
        }
        for odd in ["", "-a", "a-", "a b", "ü", "a/b", "..", &"a".repeat(201)] {
            odd.parse::<Name>().expect_err(odd);
        }
    }
}
