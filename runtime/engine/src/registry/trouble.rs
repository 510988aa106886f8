//! What goes wrong with a registry, and what the user is told about it.

use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;

/// Why something was not had.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The registry says no.
    Refused(Refusal),
    /// It cannot be reached, or what it sent broke off.
    Unreachable(String),
    /// What it sends is not what was promised, or nothing that is understood.
    Wrong(String),
    /// Something of this machine.
    Local(Error),
    /// Somebody does not want it any more.
    Cancelled,
}

/// The answer of a registry that says no.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The code of its first complaint, such as `MANIFEST_UNKNOWN`.
    pub(super) code: String,
    /// What it says about it.
    pub(super) message: String,
    /// When it wants to be asked again.
    pub(super) retry_after: Option<Duration>,
}

/// The error bodies of the specification.
///
/// Source: OCI distribution specification, "Error Codes".
#[derive(Deserialize)]
struct Complaints {
    errors: Vec<Complaint>,
}

#[derive(Deserialize)]
struct Complaint {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Refusal {
    /// What a body says, if it is one of the specification's; a page for people
    /// says nothing.
    pub(super) fn read(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let complaints = serde_json::from_slice::<Complaints>(body).ok();
        let first = complaints.and_then(|said| said.errors.into_iter().next());
        let (code, message) = first.map_or_else(Default::default, |complaint| {
            (shown(&complaint.code, 40), shown(&complaint.message, 200))
        });
        Self {
            status,
            code,
            message,
            retry_after,
        }
    }

    fn words(&self) -> String {
        let what = match (&*self.code, self.status) {
            ("UNAUTHORIZED", _) | ("", 401) => "the registry does not know who asks",
            ("DENIED", _) | ("", 403) => "the registry does not allow it",
            ("MANIFEST_UNKNOWN", _) => "the registry has no such tag or digest",
            ("NAME_UNKNOWN", _) => "the registry has no such repository",
            ("BLOB_UNKNOWN", _) => "the registry has no such blob",
            ("TOOMANYREQUESTS", _) | (_, 429) => "the registry is asked too often",
            ("MANIFEST_INVALID", _) => "the registry does not take this manifest",
            ("MANIFEST_BLOB_UNKNOWN", _) => "the registry lacks a blob of it",
            ("DIGEST_INVALID" | "SIZE_INVALID", _) => "the registry got other bytes than promised",
            ("NAME_INVALID", _) => "the registry does not take this name",
            ("UNSUPPORTED", _) | ("", 405) => "the registry does not do that",
            ("", 404) => "the registry does not have it",
            (_, 500..) => "the registry failed",
            _ => "the registry refuses",
        };
        let mut words = format!("{what} (HTTP {}", self.status);
        if !self.code.is_empty() {
            words = format!("{words}, {}", self.code);
        }
        if !self.message.is_empty() {
            words = format!("{words}: {}", self.message);
        }
        words + ")"
    }

    fn remedy(&self, registry: &str) -> Option<String> {
        Some(match (&*self.code, self.status) {
            ("UNAUTHORIZED", _) | ("", 401) => format!(
                "`isolab login {registry}` tells it; a repository that is private or does not exist \
                 looks the same"
            ),
            ("DENIED", _) | ("", 403) => {
                format!("`isolab login {registry}` as somebody who may, or look at the name again")
            }
            ("MANIFEST_UNKNOWN" | "NAME_UNKNOWN", _) | ("", 404) => {
                "look at the spelling; `isolab search` lists what the registry has".to_owned()
            }
            ("TOOMANYREQUESTS", _) | (_, 429) => {
                format!("wait, or `isolab login {registry}`: who is known may ask more often")
            }
            _ => return None,
        })
    }
}

impl Trouble {
    /// Whether it may end otherwise the next time.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Refused(refusal) => matches!(refusal.status, 408 | 425 | 429 | 500 | 502..=504),
            Self::Unreachable(_) => true,
            Self::Wrong(_) | Self::Local(_) | Self::Cancelled => false,
        }
    }

    /// Whether the registry says that it does not have it.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.status == 404)
    }

    /// As what the user is told who wanted `action` of `registry`.
    pub(super) fn about(self, action: impl Into<String>, registry: &str) -> Error {
        let (reason, remedy) = match self {
            Self::Local(error) => return error,
            Self::Refused(refusal) => (refusal.words(), refusal.remedy(registry)),
            Self::Unreachable(why) => (format!("{registry} cannot be reached: {why}"), None),
            Self::Wrong(why) => (format!("{registry} does not keep its word: {why}"), None),
            Self::Cancelled => ("it was interrupted".to_owned(), None),
        };
        Error::Registry {
            action: action.into(),
            reason,
            remedy,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

pub(super) fn wrong(why: impl Into<String>) -> Trouble {
    Trouble::Wrong(why.into())
}

/// What others wrote, short and without what acts on a terminal.
pub(super) fn shown(text: &str, longest: usize) -> String {
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(longest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Error {
        let refusal = Refusal::read(status, body.as_bytes(), None);
        Trouble::Refused(refusal).about("pull `a:b`", "r.example")
    }

    #[test]
    fn what_a_registry_says_is_told_with_a_remedy() {
        for (status, code, words, remedy) in [
            (
                401,
                "UNAUTHORIZED",
                "does not know who asks",
                "isolab login r.example",
            ),
            (403, "DENIED", "does not allow", "isolab login r.example"),
            (404, "MANIFEST_UNKNOWN", "no such tag or digest", "spelling"),
            (404, "NAME_UNKNOWN", "no such repository", "spelling"),
            (429, "TOOMANYREQUESTS", "too often", "wait"),
        ] {
            let body = format!(r#"{{"errors":[{{"code":"{code}","message":"so\u001b[2J"}}]}}"#);
            for body in [&body, "<html>"] {
                let error = told(status, body);
                assert!(error.to_string().starts_with("cannot pull `a:b`: "));
                assert!(!error.to_string().contains('\u{1b}'));
                assert!(error.hint().unwrap().contains(remedy), "{error}");
                if body != "<html>" {
                    assert!(error.to_string().contains(words), "{error}");
                    assert!(error.to_string().contains(code), "{error}");
                }
            }
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |status| Trouble::Refused(Refusal::read(status, b"", None));
        for status in [429, 500, 503] {
            assert!(refused(status).may_pass());
        }
        for status in [400, 401, 403, 404, 501] {
            assert!(!refused(status).may_pass());
        }
        assert!(!wrong("x").may_pass());
    }
}
