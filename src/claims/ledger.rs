//! The ledger: every claim as data, with the effect that settles it fixed
//! before anything runs.
//!
//! A threshold that is chosen after the measurement proves nothing. So it
//! stands in a file, with its reason, and the verdicts read it from there. The
//! file may be somebody else's (`--ledger`), and is read as hostile input:
//! bounded, strict, each mistake told with its line.

mod check;
mod near;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::ruling::Gap;
use super::unit::Unit;
use crate::report::input;
use crate::report::text::shown;

/// No ledger is larger, in bytes.
pub const SIZE_LIMIT: u64 = 256_000;

/// Every claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Ledger {
    claims: Vec<Claim>,
}

/// One claim: what it says, and what would settle it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Claim {
    /// Its name on the command line.
    pub id: String,
    /// What is claimed.
    pub statement: String,
    /// What is measured or tried.
    pub metric: String,
    /// What that is set beside.
    pub comparison: String,
    /// What runs while it is measured.
    pub workload: String,
    /// What the machine must have.
    pub needs: Vec<String>,
    /// The page of the book, a file below `book/src`.
    pub chapter: String,
    /// Who claims it.
    pub source: String,
    /// Whether it is about Docker: then ours alone do not settle it.
    #[serde(default)]
    pub docker: bool,
    /// The parts that have to be built before it can be settled.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// The effects asked for, by name.
    #[serde(default, rename = "threshold")]
    pub thresholds: BTreeMap<String, Threshold>,
    /// What is known of when it happened, for a claim that sources settle.
    #[serde(default)]
    pub timeline: Vec<Event>,
}

/// An effect asked for before anything was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Threshold {
    /// What has this size.
    pub effect: String,
    /// On which side of `value` it must lie.
    pub bound: Bound,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// Why this much and not another.
    pub why: String,
}

/// On which side of a threshold the claim is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The effect is the threshold or more.
    AtLeast,
    /// The effect is the threshold or less.
    AtMost,
}

impl Bound {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::AtLeast => "at least",
            Self::AtMost => "at most",
        }
    }
}

/// Something that happened, with who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Event {
    /// The year.
    pub year: u16,
    /// A name to find it by.
    pub name: String,
    /// What happened.
    pub what: String,
    /// Where it was published.
    pub citation: String,
}

impl Claim {
    /// The threshold called `name`.
    ///
    /// # Errors
    /// A [`Gap`] if the ledger states none: then nothing can be judged.
    pub fn threshold(&self, name: &str) -> Result<&Threshold, Gap> {
        self.thresholds
            .get(name)
            .ok_or_else(|| Gap::new(format!("the ledger states no threshold `{name}` for it")))
    }
}

/// A ledger that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is larger than any ledger.
    #[error("cannot read {}: it is larger than {} kB, and no ledger is", path.display(), SIZE_LIMIT / 1000)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file says something that a ledger does not.
    #[error("cannot use ledger {}: line {line}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    claim: Vec<Spanned<Claim>>,
}

impl Ledger {
    /// The ledger that came with this program.
    ///
    /// # Panics
    /// Never in a program whose tests ran: they read it.
    #[must_use]
    pub fn own() -> Self {
        Self::parse(include_bytes!("claims.toml"), Path::new("claims.toml"))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads the ledger in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or is not a ledger; with line and reason.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = input::read(path, SIZE_LIMIT).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads a ledger from `text`; `path` is what errors call it.
    ///
    /// # Errors
    /// As [`Ledger::load`].
    pub fn parse(text: &[u8], path: &Path) -> Result<Self, Error> {
        if text.len() as u64 > SIZE_LIMIT {
            return Err(Error::TooLarge {
                path: path.to_owned(),
            });
        }
        let content = |at: usize, why: String| Error::Content {
            path: path.to_owned(),
            line: line_of(text, at),
            why: shown(&why).into_owned(),
        };
        let utf8 = std::str::from_utf8(text)
            .map_err(|error| content(error.valid_up_to(), "it is not UTF-8".to_owned()))?;
        let document: Document = toml::from_str(utf8).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            content(at, error.message().to_owned())
        })?;
        if document.claim.is_empty() {
            return Err(content(0, "it holds no claim".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for claim in &document.claim {
            let at = claim.span().start;
            let claim = claim.get_ref();
            check::claim(claim).map_err(|why| content(at, why))?;
            if !seen.insert(&claim.id) {
                return Err(content(at, format!("claim `{}` is there twice", claim.id)));
            }
        }
        let claims = document.claim.into_iter().map(Spanned::into_inner);
        Ok(Self {
            claims: claims.collect(),
        })
    }

    /// Every claim, in the ledger's order.
    #[must_use]
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// The claim called `id`.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.id == id)
    }

    /// The ids most like `wrong`, for whoever mistyped one.
    #[must_use]
    pub fn near(&self, wrong: &str) -> Vec<&str> {
        near::to(wrong, self.claims.iter().map(|claim| claim.id.as_str()))
    }
}

/// The line in which the byte `at` stands, from 1.
fn line_of(text: &[u8], at: usize) -> usize {
    let before = &text[..at.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[[claim]]
id = "a-claim"
statement = "s"
metric = "m"
comparison = "c"
workload = "w"
needs = []
chapter = "container.md"
source = "x"
[claim.threshold.size]
effect = "e"
bound = "at-least"
value = 2
unit = "ratio"
why = "y"
"#;

    fn refused(text: &str) -> String {
        let error = Ledger::parse(text.as_bytes(), Path::new("l.toml")).unwrap_err();
        error.to_string()
    }

    #[test]
    fn a_complete_claim_is_taken() {
        let ledger = Ledger::parse(GOOD.as_bytes(), Path::new("l.toml")).unwrap();
        assert_eq!(ledger.claims()[0].thresholds["size"].value, 2.0);
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        let twice = GOOD.repeat(2);
        for (wrong, line, why) in [
            (GOOD.replace("statement", "opinion"), "line 4", "opinion"),
            (GOOD.replace("\"m\"", "\"\""), "line 2", "`metric` is empty"),
            (GOOD.replace("at-least", "about"), "line 13", "about"),
            (GOOD.replace("value = 2", "value = inf"), "line 2", "size"),
            (
                GOOD.replace("a-claim", "A Claim"),
                "line 2",
                "small letters",
            ),
            (
                GOOD.replace("\"s\"", "\"\\u001b[2J\""),
                "line 2",
                "terminal",
            ),
            (GOOD.replace("container.md", "../../x"), "line 2", "page"),
            (twice, "line 18", "twice"),
            (String::new(), "line 1", "no claim"),
            ("[[claim]\n".to_owned(), "line 1", ""),
        ] {
            let error = refused(&wrong);
            assert!(error.contains(line) && error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_is_not_text_is_told_with_its_line() {
        let error = Ledger::parse(b"a = 1\n\xff\n", Path::new("l.toml")).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
