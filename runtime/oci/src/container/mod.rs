//! Containers: from a bundle to a process, and what can be done with it then.
//!
//! [`Container::run`] starts one that nobody but its caller knows. The others
//! are known by their id to every command with the same [`StateRoot`]:
//! [`Container::create`] makes one, which waits, [`Container::load`] finds it.

mod bundle;
mod create;
mod delete;
mod exec;
mod hooks;
mod listener;
mod record;
mod signal;
mod start;
mod state;

use std::path::Path;

use crate::cgroup::Groups;
use crate::error::{Error, Result};
use crate::process::{Options, Plan, Running, Stdio, launch};
use crate::spec::{Resources, Spec, validate};
pub use bundle::Bundle;
pub use create::Begin;
use listener::HandingOver;
use record::Record;
pub use record::StateRoot;
#[cfg(fuzzing)]
pub(crate) use record::fuzz;
pub use state::{State, Status};

/// A container that a command made and every command knows.
#[derive(Debug)]
pub struct Container {
    record: Record,
}

impl Container {
    /// Starts the container that `bundle` describes, for this process alone: no
    /// state is kept. Returns when its program has been executed.
    ///
    /// Hooks are not run: they are told of a state, and there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Unsupported`] for the bundle,
    /// [`Error::Setup`] for a step that the kernel refused, [`Error::Exec`] for
    /// the program. Nothing is left behind.
    pub fn run(bundle: &Bundle, id: &str, stdio: Stdio<'_>, options: &Options) -> Result<Running> {
        validate::check_id(id)?;
        let process = validate::check(bundle.spec())?.ok_or_else(validate::no_process)?;
        if bundle
            .spec()
            .hooks
            .as_ref()
            .is_some_and(|hooks| !hooks.is_empty())
        {
            return Err(Error::Unsupported {
                field: "hooks".to_owned(),
                reason: "hooks of a container without a state".to_owned(),
                remedy: "create it below a state root, or remove them".to_owned(),
            });
        }
        let directory = bundle.directory();
        let plan =
            Plan::for_container(directory, bundle.spec(), process, id, stdio, options, None)?;
        let state = |pid| {
            let (bundle, spec) = (directory.to_owned(), bundle.spec());
            Ok(State::new(id, bundle, spec, Status::Creating, pid))
        };
        let spec = bundle.spec();
        launch(plan, &mut HandingOver { spec, state })
    }

    /// The container `id` below `root`.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub fn load(root: &StateRoot, id: &str) -> Result<Self> {
        validate::check_id(id)?;
        Record::load(root, id).map(|record| Self { record })
    }

    /// All containers below `root`, by id; for one whose state cannot be read,
    /// the error. One that vanishes meanwhile is left out.
    ///
    /// # Errors
    /// [`Error::Read`] where the directory cannot be read; one that does not
    /// exist holds no containers.
    pub fn list(root: &StateRoot) -> Result<Vec<Result<Self>>> {
        let ids = root.ids()?;
        let all = ids.iter().map(|id| Self::load(root, id));
        Ok(all
            .filter(|loaded| !matches!(loaded, Err(Error::NotFound { .. })))
            .collect())
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.record.id()
    }

    /// Its bundle, as it was named, absolute.
    #[must_use]
    pub fn bundle(&self) -> &Path {
        &self.record.facts().bundle
    }

    /// Its root file system's directory.
    #[must_use]
    pub fn rootfs(&self) -> &Path {
        &self.record.facts().rootfs
    }

    /// When it was made: seconds and nanoseconds since 1970 (UTC).
    #[must_use]
    pub fn created(&self) -> (u64, u32) {
        self.record.facts().created
    }

    /// The user id of who made it.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.record.facts().owner
    }

    /// Its config, as it was when it was made.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Malformed`] where somebody changed the state.
    pub fn spec(&self) -> Result<Spec> {
        self.record.spec()
    }

    /// Its control groups.
    #[must_use]
    pub fn groups(&self) -> &Groups {
        &self.record.facts().cgroups
    }

    /// The ids of its processes, as this process sees them; empty where it has
    /// stopped.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let mut all = self.groups().processes();
        // A host without control groups knows of the first one only.
        if all.is_empty() {
            all.extend(self.pid());
        }
        all
    }

    /// Holds all of its processes still.
    ///
    /// # Errors
    /// [`Error::State`] where it does not run; [`Error::Supervise`] where it
    /// has no group that can be frozen.
    pub fn pause(&self) -> Result<()> {
        match self.status() {
            Status::Running | Status::Created => self.groups().freeze(),
            status => Err(self.wrong_state("pause", status)),
        }
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`Error::State`] where it is not paused.
    pub fn resume(&self) -> Result<()> {
        match self.status() {
            Status::Paused => self.groups().thaw(),
            status => Err(self.wrong_state("resume", status)),
        }
    }

    /// Changes its limits: what `resources` does not name stays as it is.
    /// Returns what has no effect here, a sentence each.
    ///
    /// # Errors
    /// [`Error::State`] where it has stopped, and those of [`Groups::update`].
    pub fn update(&self, resources: &Resources) -> Result<Vec<String>> {
        match self.status() {
            Status::Stopped => Err(self.wrong_state("update", Status::Stopped)),
            _ => self.groups().update(resources),
        }
    }

    fn wrong_state(&self, verb: &'static str, status: Status) -> Error {
        Error::State {
            verb,
            id: self.id().to_owned(),
            status: status.name(),
        }
    }
}
