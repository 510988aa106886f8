//! One more process in a container.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::Container;
use super::listener::HandingOver;
use super::state::Status;
use crate::cgroup::Groups;
use crate::error::{Error, Result};
use crate::process::{Attend, Options, Plan, Running, Stdio, Target, launch};
use crate::spec::{Process, Spec, validate};
use crate::sys::clone::Child;
use crate::sys::file;

impl Container {
    /// Starts `process` in the container's namespaces and control groups, with
    /// the container's system call filter.
    ///
    /// In a paused container, where the options allow that, it returns when
    /// the container goes on: until then the process stands still, too.
    ///
    /// # Errors
    /// [`Error::State`] where the container does not run, [`Error::Invalid`] for
    /// the process, [`Error::Exec`] for its program, [`Error::Setup`].
    pub fn exec(&self, process: &Process, stdio: Stdio<'_>, options: &Options) -> Result<Running> {
        match self.status() {
            Status::Created | Status::Running => {}
            Status::Paused if options.ignore_paused => {}
            status => return Err(self.wrong_state("execute a process in", status)),
        }
        validate::check_process(process)?;
        self.exec_in(&self.spec()?, process, None, stdio, options)
    }

    /// `program` is what is executed where that is not the first argument.
    pub(super) fn exec_in(
        &self,
        spec: &Spec,
        process: &Process,
        program: Option<&str>,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Running> {
        let gone = || self.wrong_state("execute a process in", Status::Stopped);
        let (pid, pidfd) = self.held_init().ok_or_else(gone)?;
        // A group that could not be made does not exist; one that has its init
        // in it cannot be removed.
        let mut joining = self.groups().joining(pid, &options.below)?;
        joining.tasks.retain(|tasks| file::exists(tasks));
        let group = joining.unified.filter(|directory| directory.is_dir());
        let unified = group.as_ref().map(|directory| {
            fs::File::open(directory)
                .map(OwnedFd::from)
                .map_err(|source| Error::Read {
                    path: directory.clone(),
                    source,
                })
        });
        let plan = Plan::for_exec(
            Target {
                spec,
                id: self.id(),
                pid,
                pidfd: pidfd.into_owned(),
                tasks: joining.tasks,
                unified: unified.transpose()?,
            },
            process,
            program,
            stdio,
            options,
        )?
        .ok_or_else(gone)?;
        let state = |_| self.state();
        let mut newcomer = Newcomer {
            groups: self.groups(),
            group,
            listener: HandingOver { spec, state },
        };
        launch(plan, &mut newcomer)
    }
}

/// What is done beside a process that joins a container.
struct Newcomer<'a, A> {
    groups: &'a Groups,
    /// The version 2 group that it is to be born into.
    group: Option<PathBuf>,
    listener: A,
}

impl<A: Attend> Attend for Newcomer<'_, A> {
    fn outside(&mut self, pid: i32) -> Option<String> {
        self.groups.admit(pid, self.group.as_ref()?).err()
    }

    fn listens(&mut self, child: &Child, listener: OwnedFd) -> Result<()> {
        self.listener.listens(child, listener)
    }
}
