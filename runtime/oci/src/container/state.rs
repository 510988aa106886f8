//! What a container is doing, and what the specification has a runtime say of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Container;
use crate::error::Result;
use crate::spec::Spec;
use crate::sys::{self, Descriptor};

/// What a container is doing (`runtime.md`, "State").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is being made.
    Creating,
    /// It is made, and its program waits to be executed.
    Created,
    /// Its program was executed and has not ended.
    Running,
    /// It runs, and stands still.
    Paused,
    /// Its first process has ended.
    Stopped,
}

impl Status {
    /// The word of the specification, and `paused`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// The state of a container, as hooks and `isorun state` are told it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The version of the specification that the state follows.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Its first process, as the runtime sees it; 0 where it has ended.
    pub pid: i32,
    /// What it is doing.
    pub status: Status,
    /// Its bundle, absolute.
    pub bundle: PathBuf,
    /// The author's notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub annotations: BTreeMap<String, String>,
}

/// The version of the specification that [`State`] follows.
pub(super) const VERSION: &str = "1.3.0";

impl State {
    pub(super) fn new(id: &str, bundle: PathBuf, spec: &Spec, status: Status, pid: i32) -> Self {
        Self {
            oci_version: VERSION.to_owned(),
            id: id.to_owned(),
            status,
            pid,
            bundle,
            annotations: spec.annotations.clone(),
        }
    }
}

impl Container {
    /// What it is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.record.is_being_made() {
            return Status::Creating;
        }
        match self.record.init() {
            None => Status::Stopped,
            Some(_) if self.groups().is_frozen() => Status::Paused,
            Some(_) if self.record.waits() => Status::Created,
            Some(_) => Status::Running,
        }
    }

    /// Its first process, as this process sees it; `None` where it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.record.init()
    }

    /// The same, and a descriptor of it: that stays its own, as the id need not.
    pub(super) fn held_init(&self) -> Option<(i32, Descriptor)> {
        let pid = self.pid()?;
        let pidfd = sys::process::pidfd_open(pid).ok()?;
        // It is open: if this is still the same process, it stays so.
        (self.pid() == Some(pid)).then_some((pid, pidfd))
    }

    /// Its state, by the specification.
    ///
    /// # Errors
    /// As for [`spec`](Self::spec).
    pub fn state(&self) -> Result<State> {
        let status = self.status();
        let pid = self.pid().filter(|_| status != Status::Stopped);
        let bundle = self.bundle().to_owned();
        let spec = self.spec()?;
        Ok(State::new(
            self.id(),
            bundle,
            &spec,
            status,
            pid.unwrap_or(0),
        ))
    }
}
