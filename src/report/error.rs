//! What can go wrong with a report, and what helps.

use std::io;
use std::path::PathBuf;

use super::SCHEMA;
use super::text::shown;

/// A report that cannot be read or written.
///
/// What a message quotes from a report has been made [safe to show](shown).
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
    /// The file is larger than any report.
    #[error("cannot read {}: it is larger than {} MB, and no report is", path.display(), limit / 1_000_000)]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound in bytes.
        limit: u64,
    },
    /// The file ends in the middle of a value.
    #[error("cannot read {}: it ends too early, in line {line}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The line in which it ends.
        line: usize,
    },
    /// The file is not JSON.
    #[error("cannot read {}: it is not JSON: {why}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// What the parser says, and where.
        why: String,
    },
    /// JSON, but of another schema or of none.
    #[error("cannot read {}: {}", path.display(), named(found.as_deref()))]
    Schema {
        /// The file.
        path: PathBuf,
        /// The schema that it names.
        found: Option<String>,
    },
    /// The schema is ours and a field is unknown, absent or of the wrong type.
    #[error("cannot read {}: it breaks its schema: {why}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What the parser says, and where.
        why: String,
    },
    /// A value that no run can have produced.
    #[error("cannot accept report {}: {at} {why}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Where in the report, such as `observations[3].evidence.samples[0]`.
        at: String,
        /// What is wrong with it.
        why: String,
    },
    /// The output's name ends in no known extension.
    #[error("cannot write {}: its extension names no format", path.display())]
    Extension {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be created or replaced.
    #[error("cannot write {}", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A picture could not be drawn.
    #[error("cannot draw the report: {why}")]
    Draw {
        /// What the drawing library says.
        why: String,
    },
}

impl Error {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let fresh = "`isolab compare -o FILE.json` writes a fresh report";
        Some(match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                format!("check the path; {fresh}")
            }
            Self::Read { .. } | Self::Draw { .. } => return None,
            Self::TooLarge { .. } | Self::NotJson { .. } => {
                format!("give a file that `isolab compare -o FILE.json` wrote; {fresh}")
            }
            Self::Truncated { .. } => format!("copy the file again, whole; or {fresh}"),
            Self::Schema { .. } => format!(
                "this version reads `{SCHEMA}`; read the file with the version that wrote it, or {fresh}"
            ),
            Self::Shape { .. } | Self::Value { .. } => format!(
                "the file was edited or written by something else, see docs/report.schema.json; {fresh}"
            ),
            Self::Extension { .. } => {
                "name the output FILE.json, FILE.html, FILE.svg or FILE.png".to_owned()
            }
            Self::Write { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "create the directory first, or write elsewhere",
                io::ErrorKind::IsADirectory => "name a file in that directory",
                io::ErrorKind::StorageFull => "make room, or write to another file system",
                _ => "write to a directory that you own, such as `-o ~/report.html`",
            }
            .to_owned(),
        })
    }
}

fn named(found: Option<&str>) -> String {
    match found {
        Some(schema) => format!("its schema is `{}`, not `{SCHEMA}`", shown(schema)),
        None => format!("it names no schema, and a report names `{SCHEMA}`"),
    }
}
