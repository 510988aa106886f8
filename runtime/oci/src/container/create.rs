//! Making a container that waits, or one that goes on at once.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::SystemTime;

use super::hooks::{self, Inside};
use super::listener;
use super::record::{Facts, Reserved, StateRoot};
use super::state::{State, Status};
use super::{Bundle, Container};
use crate::cgroup::Groups;
use crate::error::{Error, Result};
use crate::process::{Attend, Options, Plan, Running, Stdio, launch};
use crate::rootfs::HostRoot;
use crate::spec::{NamespaceType, Process, Spec, validate};
use crate::sys;
use crate::sys::clone::Child;

/// When a new container's program is executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    /// When [`Container::start`] says so.
    #[default]
    Later,
    /// At once.
    Now,
}

impl Container {
    // ANCHOR: create
    /// Makes the container `id` that `bundle` describes.
    ///
    /// What comes back first is the container as every command below `root`
    /// knows it, second its process, a child of this one. Dropping that ends
    /// the container; [`Running::detach`] lets it live on.
    ///
    /// # Errors
    /// [`Error::Exists`] where the id is taken, and those of
    /// [`run`](Self::run); [`Error::Hook`] where a hook failed. Nothing is
    /// left behind.
    pub fn create(
        root: &StateRoot,
        id: &str,
        bundle: &Bundle,
        begin: Begin,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<(Self, Running)> {
        validate::check_id(id)?;
        let nothing = Process::nothing();
        let process = match (validate::check(bundle.spec())?, begin) {
            (Some(process), _) => process,
            (None, Begin::Later) => &nothing,
            (None, Begin::Now) => return Err(validate::no_process()),
        };
        // These hooks run in a container that is finished and waits.
        let hooks = bundle.spec().hooks.as_ref();
        let begins_with_hooks = hooks.is_some_and(|hooks| !hooks.start_container.is_empty());
        let pace = if begins_with_hooks {
            Begin::Later
        } else {
            begin
        };
        let reserved = Reserved::reserve(root, id)?;
        let made = make(&reserved, bundle, process, id, pace, stdio, options);
        let (facts, mut running) = match made {
            Ok(made) => made,
            Err(error) => {
                if matches!(error, Error::Hook { .. }) {
                    // The specification has what was begun undone as `delete`
                    // undoes it, and that is when these run.
                    let state = state(bundle, id, Status::Stopped, 0);
                    let _ = hooks::run_poststop(bundle.spec(), &state);
                }
                reserved.give_up();
                return Err(error);
            }
        };
        if bundle.spec().names_namespace(NamespaceType::Time) {
            reserved.note_init_again()?;
        }
        let record = reserved.complete(facts)?;
        let mut container = Self { record };
        // They are `delete`'s to remove, whoever calls that.
        running.leave_groups();
        running.leave_root();
        let began = match (begin, pace) {
            (Begin::Now, Begin::Now) => container.run_poststart(bundle.spec()),
            (Begin::Now, Begin::Later) => container.start(),
            (Begin::Later, _) => Ok(()),
        };
        if let Err(error) = began {
            drop(running);
            container.undo(bundle.spec());
            return Err(error);
        }
        Ok((container, running))
    }
    // ANCHOR_END: create

    fn run_poststart(&self, spec: &Spec) -> Result<()> {
        match self.record.facts().hooks {
            true => hooks::run_poststart(spec, &self.state()?),
            false => Ok(()),
        }
    }

    /// Deletes what failed after it was made; its process has ended.
    fn undo(&self, spec: &Spec) {
        let state = self.state();
        // Without a pid namespace of its own, others of its processes live on.
        let _ = self.groups().kill();
        let _ = self.groups().remove();
        self.record.facts().unmount();
        let _ = self.record.remove();
        let _ = state.and_then(|state| hooks::run_poststop(spec, &state));
    }
}

fn make(
    reserved: &Reserved,
    bundle: &Bundle,
    process: &Process,
    id: &str,
    begin: Begin,
    stdio: Stdio<'_>,
    options: &Options,
) -> Result<(Facts, Running)> {
    let spec = bundle.spec();
    let latch = match begin {
        Begin::Later => Some(reserved.make_latch()?),
        Begin::Now => None,
    };
    let directory = bundle.directory();
    let plan = Plan::for_container(directory, spec, process, id, stdio, options, latch)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let root = spec.root.as_ref();
    let facts = Facts {
        bundle: directory.to_owned(),
        rootfs: root.map_or_else(|| directory.to_owned(), |root| directory.join(&root.path)),
        created: (now.as_secs(), now.subsec_nanos()),
        owner: sys::process::effective_ids().0,
        cgroups: plan.groups(),
        hooks: spec.hooks.as_ref().is_some_and(|hooks| !hooks.is_empty()),
        host_root_on: plan.host_root().map(HostRoot::below),
        nothing_to_start: spec.process.is_none(),
    };
    refuse_frozen(&facts.cgroups)?;
    let follows_birth = plan.leaves_nothing_unborn();
    if !follows_birth {
        reserved.write_facts(&facts)?;
    }
    let mut attendant = Attendant {
        reserved,
        bundle,
        id,
        facts: &facts,
        follows_birth,
        outlives: !options.die_with_parent,
    };
    let running = launch(plan, &mut attendant)?;
    Ok((facts, running))
}

/// In a group that somebody froze beforehand its process would never come to life.
fn refuse_frozen(groups: &Groups) -> Result<()> {
    if !groups.is_frozen() {
        return Ok(());
    }
    Err(Error::Setup {
        step: "join its control groups".to_owned(),
        source: std::io::Error::other("container's cgroup unexpectedly frozen"),
        remedy: Some("thaw the group, or choose another linux.cgroupsPath".to_owned()),
    })
}

/// What is done beside the child while it works.
struct Attendant<'a> {
    reserved: &'a Reserved,
    bundle: &'a Bundle,
    id: &'a str,
    facts: &'a Facts,
    /// Whether the facts are written only now.
    follows_birth: bool,
    /// Whether the container's process outlives this one.
    outlives: bool,
}

impl Attend for Attendant<'_> {
    fn born(&mut self, pid: i32) -> Result<()> {
        if self.follows_birth {
            self.reserved.write_facts(self.facts)?;
        }
        self.reserved.write_config(&self.bundle.text()?)?;
        // A hook may ask for the state.
        let is_asked_for = self.outlives || self.facts.hooks;
        self.reserved.note_init(pid, is_asked_for)
    }

    fn listens(&mut self, child: &Child, listener: OwnedFd) -> Result<()> {
        let state = state(self.bundle, self.id, Status::Creating, child.pid);
        listener::hand_over(self.bundle.spec(), &state, child.pid, &listener)
    }

    fn built(&mut self, child: &Child) -> Result<()> {
        let state = state(self.bundle, self.id, Status::Creating, child.pid);
        let root = self.bundle.spec().root.as_ref();
        let root = root.map_or(Path::new("."), |root| &root.path);
        let rootfs = &self.bundle.directory().join(root);
        let inside = Inside {
            rootfs,
            pid: child.pid,
            pidfd: child.pidfd.as_fd(),
        };
        hooks::run_while_creating(self.bundle.spec(), &state, &inside)
    }
}

fn state(bundle: &Bundle, id: &str, status: Status, pid: i32) -> State {
    let directory = bundle.directory().to_owned();
    State::new(id, directory, bundle.spec(), status, pid)
}
