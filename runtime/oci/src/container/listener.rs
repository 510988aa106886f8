//! The listener of a filter, and the agent that it is handed to.
//!
//! Source: `config-linux.md`, "The Container Process State".

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use serde::Serialize;

use super::state::State;
use crate::error::{Error, Result};
use crate::process::Attend;
use crate::spec::Spec;
use crate::sys::clone::Child;
use crate::sys::socket;

/// What the agent is told of the process whose calls it answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessState<'a> {
    oci_version: &'a str,
    /// Names of the descriptors sent along.
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: &'a State,
}

/// Hands `listener` of the process `pid` to the agent that `spec` names.
pub(super) fn hand_over(spec: &Spec, state: &State, pid: i32, listener: &OwnedFd) -> Result<()> {
    let Some((seccomp, path)) = spec
        .linux()
        .seccomp
        .as_ref()
        .and_then(|seccomp| Some((seccomp, seccomp.listener_path.as_ref()?)))
    else {
        return Ok(());
    };
    let failed = |source: std::io::Error| Error::Setup {
        step: format!(
            "hand over the seccomp listener: failed to connect with seccomp agent {}",
            path.display()
        ),
        source,
        remedy: Some(
            "linux.seccomp.listenerPath names the socket of an agent that runs".to_owned(),
        ),
    };
    let told = ProcessState {
        oci_version: &state.oci_version,
        fds: ["seccompFd"],
        pid,
        metadata: seccomp.listener_metadata.as_deref(),
        state,
    };
    let told = serde_json::to_vec(&told).map_err(|error| failed(error.into()))?;
    // One connection for each process: it ends with what is told.
    let agent = UnixStream::connect(path).map_err(failed)?;
    let sent = socket::send_descriptor(agent.as_raw_fd(), &told, listener.as_raw_fd());
    sent.map_err(|errno| failed(errno.into()))
}

/// Who starts a process and does nothing else meanwhile.
#[derive(Debug)]
pub(super) struct HandingOver<'a, F> {
    pub(super) spec: &'a Spec,
    /// The container's state, given the process's id.
    pub(super) state: F,
}

impl<F: Fn(i32) -> Result<State>> Attend for HandingOver<'_, F> {
    fn listens(&mut self, child: &Child, listener: OwnedFd) -> Result<()> {
        hand_over(self.spec, &(self.state)(child.pid)?, child.pid, &listener)
    }
}
