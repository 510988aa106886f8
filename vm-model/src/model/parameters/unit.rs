//! The units that a parameter can have. A file that names another than its parameter's is refused.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
    /// A ratio, a part or a number of things.
    #[serde(rename = "1")]
    One,
    /// Bytes in a second.
    #[serde(rename = "B/s")]
    BytesPerSecond,
    /// What each byte takes.
    #[serde(rename = "s/B")]
    SecondsPerByte,
    /// How often in a second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Money, of whatever currency.
    #[serde(rename = "money")]
    Money,
    /// Watts.
    #[serde(rename = "W")]
    Watts,
}

impl Unit {
    /// Its symbol, as in a file.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::One => "1",
            Self::BytesPerSecond => "B/s",
            Self::SecondsPerByte => "s/B",
            Self::PerSecond => "1/s",
            Self::Money => "money",
            Self::Watts => "W",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}
