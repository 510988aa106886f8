//! The last steps of a container's process: what it may use, and who it is.

use std::os::unix::ffi::OsStrExt as _;

use super::super::Options;
use super::super::step::Step;
use super::Plan;
use crate::error::{Result, c_string};
use crate::security::rlimit::Limit;
use crate::security::seccomp::Filter;
use crate::security::{self, capability};
use crate::spec::{Linux, Process};

/// The container's filter, by who installs it. At most one is there.
#[derive(Debug, Default)]
pub(super) struct ContainersFilter {
    /// The child, at its end: it has a privilege that the trampoline has not, or
    /// its parent waits for the listener.
    by_child: Option<Filter>,
    /// The trampoline, just before it executes the program.
    pub(super) by_trampoline: Option<Filter>,
    listens: bool,
    /// Whether only CAP_SYS_ADMIN may install it (`seccomp(2)`).
    needs_admin: bool,
}

impl ContainersFilter {
    pub(super) fn new(linux: &Linux, process: &Process) -> Result<Self> {
        let Some(seccomp) = &linux.seccomp else {
            return Ok(Self::default());
        };
        let filter = Filter::compile(seccomp)?.allow_execution()?;
        let listens = filter.listens();
        let needs_admin = !process.no_new_privileges;
        let (by_child, by_trampoline) = match needs_admin || listens {
            true => (Some(filter), None),
            false => (None, Some(filter)),
        };
        Ok(Self {
            by_child,
            by_trampoline,
            listens,
            needs_admin,
        })
    }
}

impl Plan {
    /// What the process may use. Limits before the user, who could not raise
    /// them; the bounding set while CAP_SETPCAP is there. The sets to keep until
    /// the execution.
    pub(super) fn restrict(
        &mut self,
        process: &Process,
        linux: &Linux,
        user_namespace: bool,
        filter: &ContainersFilter,
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
        Ok(match filter.needs_admin {
            true => sets.with_admin(available),
            false => sets,
        })
    }

    // ANCHOR: privileges
    /// The end: each step needs a privilege that the next one takes away. The one
    /// that a filter may need is taken away by the execution.
    pub(super) fn give_up_privileges(
        &mut self,
        filter: ContainersFilter,
        process: &Process,
        sets: capability::Sets,
        user_namespace: bool,
        options: &Options,
    ) -> Result<()> {
        self.listens = filter.listens;
        let user = &process.user;
        // Others who are root with as many capabilities could look into its
        // memory, which is the runtime's, as soon as it has no more than they:
        // from the host's pid namespace they see it. A change of user hides it,
        // the host's root has to ask; where an agent is given a listener it does
        // not, since a runtime without CAP_SYS_PTRACE takes none from who hides.
        // In a user namespace of its own nobody else has a capability.
        self.steps.push(match user.uid {
            0 if !user_namespace && !filter.listens => Step::Hide,
            _ => Step::KeepCapabilities,
        });
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
        if !process.args.is_empty() {
            self.steps.push(Step::FindProgram);
        }
        if filter.by_trampoline.is_some() {
            self.steps
                .extend(sets.without_reading().map(Step::CannotRead));
        }
        self.end(options);
        // It may forbid every call before it.
        self.steps.extend(filter.by_child.map(Step::Seccomp));
        Ok(())
    }
    // ANCHOR_END: privileges
}
