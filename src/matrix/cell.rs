//! What a cell can say: six words, and which of them mean that a thing is kept
//! apart.

use serde::{Deserialize, Serialize};

/// What a place has of an aspect of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// The host's, and what was tried with it went.
    Host,
    /// The host's, to look at; what was tried with it was refused.
    Look,
    /// One of its own.
    Own,
    /// None at all.
    Nothing,
    /// It is there and may not even be looked at.
    Denied,
    /// Nothing was found out.
    NotTried,
}

impl Cell {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Host,
        Self::Look,
        Self::Own,
        Self::Nothing,
        Self::Denied,
        Self::NotTried,
    ];

    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Look => "look",
            Self::Own => "own",
            Self::Nothing => "nothing",
            Self::Denied => "denied",
            Self::NotTried => "not-tried",
        }
    }

    /// The cell of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cell| cell.name() == name)
    }

    /// The word in the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "HOST",
            Self::Look => "look",
            Self::Own => "own",
            Self::Nothing => "none",
            Self::Denied => "denied",
            Self::NotTried => "-",
        }
    }

    /// What the word means.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Host => "the host's, and what was tried with it went",
            Self::Look => "the host's, to look at; changing it was refused",
            Self::Own => "one of its own",
            Self::Nothing => "none at all",
            Self::Denied => "there, but not even to be looked at",
            Self::NotTried => "not found out",
        }
    }

    /// Whether it is kept apart from the host's; `None` where that is not known.
    #[must_use]
    pub fn is_apart(self) -> Option<bool> {
        match self {
            Self::Host | Self::Look => Some(false),
            Self::Own | Self::Nothing | Self::Denied => Some(true),
            Self::NotTried => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cell;

    #[test]
    fn a_cells_name_is_that_in_json() {
        for cell in Cell::ALL {
            assert_eq!(serde_json::json!(cell), cell.name());
            assert_eq!(Cell::parse(cell.name()), Some(cell));
        }
    }
}
