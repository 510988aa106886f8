//! The plan of one more process in a container that runs.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::super::console::Console;
use super::super::program::{c_string, c_strings, environment};
use super::super::step::Step;
use super::super::time::Time;
use super::super::{Options, Program, Session, Stdio};
use super::privileges::ContainersFilter;
use super::{End, Plan, changed_oom_score, console_socket, numbers};
use crate::error::{Error, Result};
use crate::namespace;
use crate::security;
use crate::spec::{NamespaceType, Process, Spec};
use crate::sys::process::StringArray;
use crate::sys::terminal::WindowSize;

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
    pub(crate) fn for_exec(
        target: Target<'_>,
        process: &Process,
        program: Option<&str>,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Self> {
        let first = process.args.first().map_or("", String::as_str);
        let program = program.unwrap_or(first);
        let root = PathBuf::from(format!("/proc/{}/root", target.pid));
        let env = environment(process, &root, options);
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
        plan.join(target.spec, target.pid, target.pidfd)?;
        if !target.spec.names_namespace(NamespaceType::Mount) {
            // Its root is its own all the same, and no namespace leads there.
            let root = std::fs::File::open(&root).map_err(|source| Error::Read {
                path: root.clone(),
                source,
            })?;
            plan.steps.push(Step::ChangeRoot(root.into()));
        }
        plan.steps.push(Step::LeadSession(options.session));
        if !options.keep_keyring {
            let name = c_string("the id", target.id.as_bytes())?;
            plan.steps.push(Step::Keyring(name));
        }
        let user = target.spec.names_namespace(NamespaceType::User);
        if user {
            plan.steps.push(Step::BecomeRootIfMapped);
        }
        plan.begin();
        if process.terminal {
            plan.steps.push(Step::OpenRoot);
            plan.steps.push(Step::Console(Console {
                socket: console_socket(options)?,
                size: process.console_size.map(|size| WindowSize {
                    rows: size.height,
                    columns: size.width,
                    pixels: [0; 2],
                }),
                owner: process.user.uid,
                bind: false,
            }));
        }
        let sets = plan.restrict(process, target.spec.linux(), user, &filter)?;
        plan.steps.push(match process.terminal {
            true => Step::TerminalStreams,
            false => Step::Streams(numbers(stdio)),
        });
        plan.give_up_privileges(filter, process, sets, options)?;
        Ok(plan)
    }
    // ANCHOR_END: exec

    /// The plan of a hook of the runtime's in the namespaces of a container
    /// that is being made by `pid`: its root is still the runtime's.
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
        plan.join(spec, pid, pidfd)?;
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

    /// Enters the namespaces that the container does not share with us.
    fn join(&mut self, spec: &Spec, pid: i32, pidfd: OwnedFd) -> Result<()> {
        let mut flags = 0;
        for namespace in &spec.linux().namespaces {
            let kind = namespace.kind;
            let name = match kind {
                NamespaceType::Network => "net",
                NamespaceType::Mount => "mnt",
                other => other.name(),
            };
            let theirs = format!("/proc/{pid}/ns/{name}");
            let theirs = std::fs::File::open(&theirs).map(OwnedFd::from);
            let theirs = theirs.map_err(|source| Error::Read {
                path: format!("/proc/{pid}/ns/{name}").into(),
                source,
            })?;
            let is_ours = namespace::is_own(&theirs, &format!("/proc/self/ns/{name}"));
            match kind {
                _ if is_ours => {}
                NamespaceType::Time => self.time = Some(Time::Joined(theirs)),
                _ => flags |= namespace::flag(kind),
            }
        }
        if flags == 0 {
            return Ok(());
        }
        // From the moment at which it is inside, the container's processes
        // could look into its memory, which is the runtime's.
        self.before.push(Step::Hide);
        self.changes_user = true;
        if flags & namespace::flag(NamespaceType::User) != 0 {
            // Inside it may be forbidden.
            self.before.push(Step::DropGroups);
        }
        self.before.push(Step::JoinProcess { pidfd, flags });
        Ok(())
    }
}
