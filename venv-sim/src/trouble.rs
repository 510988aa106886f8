//! What goes wrong between us and a server, grouped by what can be done about it.

use crate::refusal::Refusal;

/// Why an address did not give what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Nobody answers, or not to the end.
    #[error("{0}")]
    Unreachable(String),
    /// It cannot prove who it is.
    #[error("it cannot prove that it is who it should be: {0}")]
    Untrusted(String),
    /// It would be asked without encryption.
    #[error("what it answers could be read and changed on the way: it is not https")]
    Insecure,
    /// It wants to know who asks.
    #[error("it answers {0}: it wants another name or password, or gives you nothing")]
    Forbidden(u16),
    /// It does not have it.
    #[error("it answers {0}: it has no such thing")]
    Missing(u16),
    /// It answers that it cannot.
    #[error("it answers {0}")]
    Failed(u16),
    /// It answers with something else than was asked for.
    #[error("{0}")]
    Wrong(Refusal),
    /// The file is not the one that was promised.
    #[error("{0}")]
    Lie(Refusal),
    /// What it sends cannot be written on this machine.
    #[error("{why}")]
    Unwritten {
        /// What cannot be written where, and why.
        why: String,
        /// Whether that is for want of room.
        is_full: bool,
    },
    /// It may not be asked.
    #[error("it is not remembered, and nothing may be fetched")]
    Offline,
}

impl Trouble {
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => {
                "look at the address, the network and the proxy (`--proxy`); `--timeout` and \
                 `--retries` give it longer"
            }
            Self::Untrusted(_) => {
                "`--cert FILE` names the authority that vouches for it; `--trusted-host HOST` \
                 does without proof"
            }
            Self::Insecure => "use its https address, or accept that with `--trusted-host HOST`",
            Self::Forbidden(_) => {
                "put name and password into ~/.netrc (`machine HOST login NAME password SECRET`) \
                 or into the address"
            }
            Self::Missing(_) => "look at the address",
            Self::Failed(_) => "try again later; if it stays so, its administrator has to look",
            Self::Wrong(_) => {
                "look whether the address is that of an index (PEP 503, 691): it often ends in `/simple/`"
            }
            Self::Lie(_) => {
                "do not install it: try again, and if it is the same, tell those who run the index"
            }
            Self::Unwritten { is_full: true, .. } => {
                "make room there, then try again; `isolab venv cache prune` gives back what no \
                 environment shares"
            }
            Self::Unwritten { is_full: false, .. } => {
                "look whether that directory can be written to; `--cache-dir DIR` names another"
            }
            Self::Offline => "leave out `--offline`",
        }
    }

    /// Whether it may be another answer the next time.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Failed(status) => matches!(status, 429 | 500 | 502 | 503 | 504 | 520..=527),
            _ => false,
        }
    }
}
