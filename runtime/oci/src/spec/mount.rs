//! One entry of `mounts`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{IdMapping, null_is_empty};

/// A file system to mount (`config.md`, "Mounts").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Where, inside the container; absolute.
    pub destination: PathBuf,
    /// The file system's type; `none` or absent for a bind mount.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub fstype: Option<String>,
    /// A device name or, for a bind mount, a path (relative to the bundle).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// Options as `mount(8)` knows them, in order.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub options: Vec<String>,
    /// An id-mapped mount's user ids.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub uid_mappings: Vec<IdMapping>,
    /// An id-mapped mount's group ids.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub gid_mappings: Vec<IdMapping>,
}
