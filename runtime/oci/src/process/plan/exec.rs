//! The plan of one more process in a container that runs.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::super::program::{c_strings, environment};
use super::super::step::Step;
use super::super::time::Time;
use super::super::{Options, Program, Session, Stdio};
use super::privileges::ContainersFilter;
use super::{End, Plan, changed_oom_score, numbers};
use crate::error::{Error, Result, c_string};
use crate::namespace;
use crate::security;
use crate::spec::{NamespaceType, Process, Spec};
use crate::sys::descriptor;
use crate::sys::process::StringArray;

/// A running container, as far as another process has to know it to get in.
#[derive(Debug)]
pub(crate) struct Target<'a> {
    /// Its config, as it was when it was made.
    pub(crate) spec: &'a Spec,
    /// Its id.
    pub(crate) id: &'a str,
    /// Its init.
    pub(crate) pid: i32,
    /// The same, by descriptor.
    pub(crate) pidfd: OwnedFd,
    /// The `tasks` files of its version 1 groups.
    pub(crate) tasks: Vec<CString>,
    /// Its version 2 group.
    pub(crate) unified: Option<OwnedFd>,
}

impl Plan {
    // ANCHOR: exec
    /// The plan of `process` beside the init of `target`.
    ///
    /// An intermediate child enters the namespaces, since a pid namespace
    /// takes in only children; the process itself is born inside.
    ///
    /// `None` where that init has ended meanwhile.
    pub(crate) fn for_exec(
        target: Target<'_>,
        process: &Process,
        program: Option<&str>,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Option<Self>> {
        let first = process.args.first().map_or("", String::as_str);
        let program = program.unwrap_or(first);
        let root = PathBuf::from(format!("/proc/{}/root", target.pid));
        let env = environment(process, &root, options);
        let namespaces = Apart::of(target.pid, target.spec);
        // A root of its own that no mount namespace leads to.
        let own_root = (!target.spec.names_namespace(NamespaceType::Mount)).then(|| open(root));
        // All of that was found by its number, which is another process's once
        // it has been reaped: one of the host's, whose namespaces are ours, would
        // have the program run on the host.
        if has_ended(&target.pidfd) {
            return Ok(None);
        }
        let (namespaces, own_root) = (namespaces?, own_root.transpose()?);
        let score = changed_oom_score(process);
        let filter = ContainersFilter::new(target.spec.linux(), process)?;
        let end = End::trampoline(
            program,
            &process.args,
            &env,
            None,
            score.is_some(),
            filter.by_trampoline.as_ref(),
            options,
        )?;
        let mut plan = Self::new(end)?;
        plan.oom_score = score;
        plan.born_into = target.unified;
        let affinity = process.exec_cpu_affinity.as_ref().map(security::affinity);
        let [initial, last] = affinity.transpose()?.unwrap_or_default();
        plan.before.extend(initial.map(Step::Security));
        if !target.tasks.is_empty() {
            plan.before.push(Step::JoinGroups(target.tasks));
        }
        plan.before.extend(last.map(Step::Security));
        plan.join(namespaces, target.pidfd, false);
        plan.steps.extend(own_root.map(Step::ChangeRoot));
        plan.begin_session(target.id, options)?;
        let user = target.spec.names_namespace(NamespaceType::User);
        if user {
            plan.steps.push(Step::BecomeRootIfMapped);
        }
        plan.begin();
        if process.terminal {
            plan.steps.push(Step::OpenRoot);
            plan.terminal(process, options, false)?;
        }
        let sets = plan.restrict(process, target.spec.linux(), user, &filter)?;
        plan.streams(process, stdio);
        plan.give_up_privileges(filter, process, sets, user, options)?;
        Ok(Some(plan))
    }
    // ANCHOR_END: exec

    /// The plan of a hook of the runtime's in the namespaces of a container
    /// that is being made by `pid`: its root is still the runtime's. Its number
    /// is its own as long as its parent, which this process is, does not reap it.
    pub(crate) fn for_hook(
        program: &Program,
        spec: &Spec,
        pid: i32,
        pidfd: OwnedFd,
        stdio: Stdio<'_>,
    ) -> Result<Self> {
        let mut plan = Self::new(End::Program {
            places: vec![c_string("hooks", program.path.as_os_str().as_bytes())?],
            args: StringArray::new(c_strings("hooks.args", &program.args)?),
            env: StringArray::new(c_strings("hooks.env", &program.env)?),
        })?;
        plan.join(Apart::of(pid, spec)?, pidfd, true);
        plan.begin();
        if let Some(cwd) = &program.cwd {
            // A user namespace may have taken away the right to enter it.
            let path = c_string("hooks", cwd.as_os_str().as_bytes())?;
            plan.steps.push(Step::Near(path));
        }
        plan.steps.push(Step::LeadSession(Session::New));
        plan.steps.push(Step::Streams(numbers(stdio)));
        plan.end(&Options::attached());
        Ok(plan)
    }

    /// Enters the namespaces of the process behind `pidfd`, and lets nobody in
    /// them look into the memory, which is the runtime's.
    ///
    /// `is_ours` where that process has this memory, too: nobody joins one that
    /// hides but who has CAP_SYS_PTRACE on the host.
    fn join(&mut self, namespaces: Apart, pidfd: OwnedFd, is_ours: bool) {
        let Apart { flags, time } = namespaces;
        self.time = time.map(Time::Joined);
        if flags == 0 {
            return;
        }
        self.changes_user = true;
        if !is_ours {
            self.before.push(Step::Hide);
        }
        if flags & namespace::flag(NamespaceType::User) != 0 {
            // Inside it may be forbidden.
            self.before.push(Step::DropGroups);
        }
        self.before.push(Step::JoinProcess { pidfd, flags });
        if is_ours {
            self.before.push(Step::Hide);
        }
    }
}

/// The namespaces that a container does not share with us.
#[derive(Debug, Default)]
struct Apart {
    /// The flags of all but the time namespace.
    flags: u64,
    time: Option<OwnedFd>,
}

impl Apart {
    /// Those of process `pid`, of the kinds that `spec` names.
    fn of(pid: i32, spec: &Spec) -> Result<Self> {
        let mut apart = Self::default();
        for namespace in &spec.linux().namespaces {
            let kind = namespace.kind;
            let name = match kind {
                NamespaceType::Network => "net",
                NamespaceType::Mount => "mnt",
                other => other.name(),
            };
            let theirs = open(format!("/proc/{pid}/ns/{name}").into())?;
            match kind {
                _ if namespace::is_own(&theirs, &format!("/proc/self/ns/{name}")) => {}
                NamespaceType::Time => apart.time = Some(theirs),
                _ => apart.flags |= namespace::flag(kind),
            }
        }
        Ok(apart)
    }
}

fn open(path: PathBuf) -> Result<OwnedFd> {
    match File::open(&path) {
        Ok(file) => Ok(file.into()),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Whether the process behind `pidfd` has ended, which it tells by being
/// readable; where it cannot be asked, it has.
fn has_ended(pidfd: &OwnedFd) -> bool {
    descriptor::is_readable(pidfd.as_raw_fd()).unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::process::pidfd_open;

    /// The process that this test is stands for one of the host's that has got
    /// the number of a container's init.
    #[test]
    fn a_process_that_got_the_number_of_a_dead_init_is_not_joined() {
        let mut init = Command::new("sleep").arg("1000").spawn().unwrap();
        let pidfd = pidfd_open(init.id().cast_signed()).unwrap().into_owned();
        let stdio = Stdio::null();
        let spec = Spec::example();
        let mut process = spec.process.clone().unwrap();
        process.terminal = false;
        let plan = |pid: u32| {
            let target = Target {
                spec: &spec,
                id: "x",
                pid: pid.cast_signed(),
                pidfd: pidfd.try_clone().unwrap(),
                tasks: Vec::new(),
                unified: None,
            };
            Plan::for_exec(target, &process, None, stdio, &Options::default()).unwrap()
        };
        assert!(plan(init.id()).is_some());
        init.kill().unwrap();
        init.wait().unwrap();
        assert!(plan(std::process::id()).is_none());
    }
}
