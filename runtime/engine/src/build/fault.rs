//! Why a step cannot be taken, before it is known which one it is.

use super::shell::Broken;
use super::stage::Stages;
use crate::dockerfile::ExpansionError;
use crate::error::Error;

/// What went wrong, in words.
#[derive(Debug, Default)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) reason: String,
    /// The exit code, where a program ended with one.
    pub(super) code: Option<i32>,
    /// What that said last.
    pub(super) output: Vec<String>,
    /// Where it ran, for who wants to look.
    pub(super) broken: Option<Box<Broken>>,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            ..Self::default()
        }
    }
}

impl From<ExpansionError> for Fault {
    fn from(error: ExpansionError) -> Self {
        Self::new(error.to_string())
    }
}

/// An error with all its causes.
impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::new(error.in_one_line())
    }
}

/// A step that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) broken: Option<Box<Broken>>,
}

impl Failure {
    /// The error, once its user has looked where it happened, if that is wanted. All
    /// stages have ended.
    pub(super) fn end(self, stages: &Stages<'_>) -> Error {
        if let Some(broken) = self.broken {
            broken.show(stages, &self.error.to_string());
        }
        self.error
    }
}
