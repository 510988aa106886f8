//! What keeps a directive from being replaced, and where it stands.
//!
//! Every one of these fails the build: a figure without a caption, or a number
//! that nobody measured, must not reach a reader.

use std::path::PathBuf;

/// A directive that cannot be replaced.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {problem}", file.display())]
pub struct Failure {
    /// The chapter's source file.
    pub file: PathBuf,
    /// The line on which the directive begins, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a directive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The directive's braces are never closed.
    #[error("cannot read `{{{{#{name}`: nothing closes it")]
    Unclosed {
        /// The directive's name.
        name: String,
    },
    /// A name that neither mdBook nor this preprocessor knows.
    #[error("cannot replace `{{{{#{name}`: there is no such directive")]
    UnknownDirective {
        /// The name.
        name: String,
    },
    /// Too few, too many, or an option that the directive does not have.
    #[error("cannot read the arguments: {why}")]
    Arguments {
        /// What was expected.
        why: String,
    },
    /// A word that is not in the report's vocabulary.
    #[error("cannot find {what} `{found}`: known are {known}")]
    UnknownWord {
        /// What the word should have named, such as `metric`.
        what: &'static str,
        /// The word.
        found: String,
        /// Every word that would do.
        known: String,
    },
    /// A figure that says nothing to some of its readers.
    #[error("cannot show figure `{figure}`: it has no {what}")]
    Mute {
        /// The figure's id.
        figure: String,
        /// `caption` or `alt text`.
        what: &'static str,
    },
    /// The report cannot be read, or not drawn.
    #[error("{}", with_sources(.0))]
    Report(#[from] isolab::report::Error),
    /// The report does not hold what was asked for.
    #[error("cannot show {what}: {why}")]
    NoDatum {
        /// What was asked for.
        what: String,
        /// What there is instead.
        why: String,
    },
}

/// An error with everything that caused it, on one line.
fn with_sources(error: &isolab::report::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
