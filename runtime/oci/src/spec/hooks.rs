//! `hooks`: programs that run at six points of a container's life.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::null_is_empty;

/// The hooks of a container, by the point at which they run (`config.md`,
/// "POSIX-platform Hooks").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Before `createRuntime`, in the runtime's namespaces; superseded by it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub prestart: Vec<Hook>,
    /// During `create`, once the namespaces are made and before the root is
    /// entered; in the runtime's namespaces.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub create_runtime: Vec<Hook>,
    /// As `createRuntime`, in the container's namespaces; its path is the
    /// runtime's.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub create_container: Vec<Hook>,
    /// During `start`, before the program is executed; namespaces and path are
    /// the container's.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub start_container: Vec<Hook>,
    /// After the program was executed; in the runtime's namespaces.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub poststart: Vec<Hook>,
    /// After `delete` has removed the container; in the runtime's namespaces.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub poststop: Vec<Hook>,
}

/// One program of [`Hooks`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its file; absolute.
    pub path: PathBuf,
    /// All of its arguments, its own name first; `path` alone where empty.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub args: Vec<String>,
    /// `KEY=value`; nothing else is inherited. Where there is none, the hook has the
    /// runtime's, and at `startContainer`, inside, that of the container's process.
    /// (The specification leaves that open.)
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub env: Vec<String>,
    /// Seconds until it is killed; for ever where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

impl Hooks {
    /// Whether there is none at any point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_point().iter().all(|(_, hooks)| hooks.is_empty())
    }

    /// The six lists in the order in which a life meets them, by the names
    /// that they have in `config.json`.
    #[must_use]
    pub fn by_point(&self) -> [(&'static str, &[Hook]); 6] {
        [
            ("prestart", &self.prestart),
            ("createRuntime", &self.create_runtime),
            ("createContainer", &self.create_container),
            ("startContainer", &self.start_container),
            ("poststart", &self.poststart),
            ("poststop", &self.poststop),
        ]
    }
}
