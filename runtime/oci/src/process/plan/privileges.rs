//! The last steps of a container's process: what it may use, and who it is.

use std::os::unix::ffi::OsStrExt as _;

use super::super::Options;
use super::super::program::c_string;
use super::super::step::Step;
use super::Plan;
use crate::error::Result;
use crate::security::rlimit::Limit;
use crate::security::seccomp::Filter;
use crate::security::{self, capability};
use crate::spec::{Linux, Process};

/// The container's filter, by who installs it and when. At most one is there.
#[derive(Debug, Default)]
pub(super) struct ContainersFilter {
    /// The child, while it has the privilege that it needs for it.
    pub(super) first: Option<Filter>,
    /// The child, at its end: its parent waits for the listener.
    pub(super) last: Option<Filter>,
    /// The trampoline, just before it executes the program.
    pub(super) late: Option<Filter>,
    listens: bool,
}

impl ContainersFilter {
    pub(super) fn new(linux: &Linux, process: &Process) -> Result<Self> {
        let Some(seccomp) = &linux.seccomp else {
            return Ok(Self::default());
        };
        let filter = Filter::compile(seccomp)?.allow_execution()?;
        let listens = filter.listens();
        let none = Self {
            listens,
            ..Self::default()
        };
        Ok(match (process.no_new_privileges, listens) {
            (false, _) => Self {
                first: Some(filter),
                ..none
            },
            (true, true) => Self {
                last: Some(filter),
                ..none
            },
            (true, false) => Self {
                late: Some(filter),
                ..none
            },
        })
    }
}

impl Plan {
    /// What the process may use. Limits before the user, who could not raise
    /// them; the bounding set while CAP_SETPCAP is there.
    pub(super) fn restrict(
        &mut self,
        process: &Process,
        linux: &Linux,
        user_namespace: bool,
    ) -> Result<capability::Sets> {
        for (index, limit) in process.rlimits.iter().enumerate() {
            self.steps
                .push(Step::Limit(Limit::from_spec(index, limit)?));
        }
        let attributes = security::Step::prepare_all(process, linux)?;
        self.steps
            .extend(attributes.into_iter().map(Step::Security));
        let spec = process.capabilities.clone().unwrap_or_default();
        let available = capability::available(user_namespace);
        let (sets, ignored) = capability::Sets::from_spec(&spec, available);
        if !ignored.is_empty() {
            let names = ignored.join(" ");
            self.warnings.push(format!(
                "ignoring unknown or unavailable capabilities: [{names}]"
            ));
        }
        // Where no set is named, too: root's next program would have them all again.
        self.steps.push(Step::DropBounding(sets));
        Ok(sets)
    }

    // ANCHOR: privileges
    /// The end: each step needs a privilege that the next one takes away.
    pub(super) fn give_up_privileges(
        &mut self,
        filter: ContainersFilter,
        process: &Process,
        sets: capability::Sets,
        options: &Options,
    ) -> Result<()> {
        self.listens = filter.listens;
        // Without no_new_privs only CAP_SYS_ADMIN may install a filter, so it
        // has to come while that is there.
        self.steps.extend(filter.first.map(Step::Seccomp));
        let user = &process.user;
        self.steps.push(Step::KeepCapabilities);
        self.steps.push(Step::User {
            uid: user.uid,
            gid: user.gid,
            groups: (!self.groups_denied).then(|| user.additional_gids.clone()),
        });
        self.changes_user = true;
        let path = c_string("process.cwd", process.cwd.as_os_str().as_bytes())?;
        self.steps.push(Step::WorkingDirectory(path));
        self.steps.push(Step::CheckWorkingDirectory);
        self.steps.push(Step::Umask(user.umask.unwrap_or(0o022)));
        self.steps.push(Step::Capabilities(sets));
        if process.no_new_privileges {
            self.steps.push(Step::NoNewPrivileges);
        }
        self.steps.push(Step::FindProgram);
        if filter.late.is_some() {
            self.steps
                .extend(sets.without_reading().map(Step::CannotRead));
        }
        self.end(options);
        self.steps.extend(filter.last.map(Step::Seccomp));
        Ok(())
    }
    // ANCHOR_END: privileges
}
