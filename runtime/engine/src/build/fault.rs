//! Why a step cannot be taken, before it is known which one it is.

use crate::dockerfile::ExpansionError;
use crate::error::Error;

/// What went wrong, in words.
#[derive(Debug)]
pub(super) struct Fault {
    /// What is wrong.
    pub(super) reason: String,
    /// The exit code, where a program ended with one.
    pub(super) code: Option<i32>,
}

impl Fault {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            code: None,
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
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(source) = cause {
            reason += &format!(": {source}");
            cause = source.source();
        }
        Self::new(reason)
    }
}
