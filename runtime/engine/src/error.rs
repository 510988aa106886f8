//! What can go wrong above the runtime.

use std::io;
use std::path::{Path, PathBuf};

use crate::dockerfile::Problems;
use crate::image::{Digest, Invalid};

/// The result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an image, a root file system or a bundle could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A host file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The disk is full, or this user's share of it.
    #[error("cannot write {what}: {}", too_little(*needed, *free, place))]
    Full {
        /// What was to be written.
        what: String,
        /// How many bytes it takes, where that is known.
        needed: Option<u64>,
        /// How many are free.
        free: u64,
        /// Where.
        place: PathBuf,
    },
    /// A path for the guest is not one that stays inside.
    #[error("cannot lay out {}: {reason}", path.display())]
    Outside {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name or a document that is not one.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Bytes that are not what they were promised to be.
    #[error("cannot trust {what}: {reason}")]
    Untrusted {
        /// The blob, by its digest, or the file.
        what: String,
        /// How it deviates.
        reason: String,
    },
    /// A layer that would write outside its root, or that no file system holds.
    #[error("cannot unpack layer {layer}: entry `{entry}`: {reason}")]
    Layer {
        /// Which layer; its digest where it is known.
        layer: String,
        /// The entry's name in the archive.
        entry: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that is not here.
    #[error("cannot find {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// A container, or the namespaces to work in, could not be had.
    #[error("cannot run the container")]
    Container(#[from] isolab_oci::Error),
    /// The kernel mounts no overlay here: a copy of the files can be the root.
    #[error("cannot mount layers")]
    Refused {
        /// Why, with what would help.
        #[source]
        why: isolab_oci::Error,
    },
    /// Another program that is needed did not do its part.
    #[error("cannot use {program}: {reason}")]
    Program {
        /// The program.
        program: &'static str,
        /// What it said, or how it ended.
        reason: String,
    },
    /// A Dockerfile that says nothing that can be built.
    #[error("cannot build {file}:{}", listed(problems))]
    Dockerfile {
        /// What it is called.
        file: String,
        /// Every line that is wrong.
        problems: Problems,
    },
    /// A step of a build that failed.
    #[error("cannot build {file}:{line}: `{text}`: {reason}{}", last(output))]
    Step {
        /// The Dockerfile.
        file: String,
        /// The line that the step begins in.
        line: usize,
        /// The step's first line.
        text: String,
        /// Why.
        reason: String,
        /// The exit code of its program.
        code: Option<i32>,
        /// What that said last.
        output: Vec<String>,
    },
    /// A blob that an image needs is not here.
    #[error("cannot find blob {digest}, which {by} needs")]
    Missing {
        /// The blob.
        digest: Digest,
        /// Who needs it.
        by: String,
    },
    /// A registry refuses, fails, lies or cannot be reached.
    #[error("cannot {action}: {reason}")]
    Registry {
        /// What it was asked for, with the reference or the digest.
        action: String,
        /// Its answer, or what became of it.
        reason: String,
        /// What the user can do.
        remedy: Option<String>,
    },
}

/// The last lines of a program, each marked as such.
fn last(output: &[String]) -> String {
    let mut text = String::new();
    if !output.is_empty() {
        text.push_str("; it said last");
    }
    for line in output {
        text.push_str("\n  | ");
        text.extend(line.chars().filter(|c| !c.is_control() || *c == '\t'));
    }
    text
}

/// What is needed, and what is there.
fn too_little(needed: Option<u64>, free: u64, place: &Path) -> String {
    let place = place.display();
    match needed {
        Some(needed) => format!("it takes {needed} bytes, and {free} are free in {place}"),
        None => format!("it takes more than the {free} bytes that are free in {place}"),
    }
}

/// Each problem in a line, with its remedy.
fn listed(problems: &Problems) -> String {
    let lines = problems.iter().map(|problem| match &problem.remedy {
        Some(remedy) => format!("\n  {problem}: {remedy}"),
        None => format!("\n  {problem}"),
    });
    lines.collect()
}

impl Error {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NotFound { what } if what.starts_with("image ") => Some(
                "`isolab images` lists what is here; `isolab pull` and `isolab load` bring more",
            ),
            Self::Invalid(invalid) if invalid.what.starts_with("image name") => {
                Some("a name is [REGISTRY/]REPOSITORY[:TAG], such as python:3.12")
            }
            Self::Missing { .. } => {
                Some("fetch or build the image again: a blob that is here already is not fetched")
            }
            Self::Untrusted { .. } => {
                Some("nothing of it was kept; get it anew from where it comes from")
            }
            Self::Full { .. } => Some(
                "`isolab system prune` frees what nothing needs, `isolab rmi` what you do not; \
                 XDG_DATA_HOME names a place on another disk",
            ),
            Self::Registry { remedy, .. } => remedy.as_deref(),
            _ => None,
        }
    }

    /// It and its causes, as a line.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// What turns the kernel's answer into an error about reading `path`.
    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// The same about writing.
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}
