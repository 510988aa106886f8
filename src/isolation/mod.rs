//! What the four subjects have in common: each is provisioned, started, held
//! and ended, and at every step can be measured the same way.
//!
//! The cost model does not implement [`Isolation`]: a model that 'starts' would
//! time arithmetic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::interrupt::Interrupt;
use crate::observation::Subject;
use crate::program::Program;

mod booted;
pub mod container;
pub mod guest;
mod port;
pub mod process;
mod serving;
mod started;
pub mod venv;

/// What held while a subject was measured, by name.
pub type Conditions = BTreeMap<String, String>;

/// A way to run a program apart from others.
pub trait Isolation {
    /// Which one it is.
    fn subject(&self) -> Subject;

    /// Whether it is known to take so long to start that few samples have to do.
    fn is_slow(&self) -> bool {
        false
    }

    /// Makes in the empty directory `dir` what `program` needs before it can
    /// first start.
    ///
    /// # Errors
    /// If this machine cannot; the text says why.
    fn provision<'a>(
        &'a self,
        program: &'a Program,
        dir: &Path,
    ) -> Result<Box<dyn Provisioned + 'a>>;
}

/// A subject that is ready to be started, any number of times.
pub trait Provisioned {
    /// What it takes on disk.
    ///
    /// # Errors
    /// If its files cannot be read.
    fn footprint(&self) -> Result<Footprint>;

    /// The files and folders it starts from, whose page cache is its own.
    fn files(&self) -> Vec<PathBuf>;

    /// Starts the program, which writes its ready byte and then holds until it
    /// is released.
    ///
    /// # Errors
    /// If it cannot be started.
    fn start(&self) -> Result<Box<dyn Running>>;

    /// What holds for every start.
    fn conditions(&self) -> Conditions {
        Conditions::new()
    }

    /// The emulator, if times are no measure of the subject but of it.
    fn emulated_by(&self) -> Option<String> {
        None
    }
}

/// A started subject. Dropping it ends it and leaves nothing behind.
pub trait Running {
    /// Waits for the ready byte and says when it came.
    ///
    /// # Errors
    /// If the program ends first, the deadline passes, or the user interrupts.
    fn wait_ready(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<Instant>;

    /// The processes whose memory is the subject's.
    fn processes(&self) -> Vec<i32>;

    /// How large the RAM of a guest is, in bytes: a mapping of its process.
    fn guest_ram_bytes(&self) -> Option<u64> {
        None
    }

    /// Tells the program to end.
    ///
    /// # Errors
    /// If it can no longer be told.
    fn release(&mut self) -> Result<()>;

    /// Waits until all of the subject is gone, its exit status included.
    ///
    /// # Errors
    /// If it fails, is still there at the deadline, or the user interrupts.
    fn wait_gone(&mut self, deadline: Duration, interrupt: &Interrupt) -> Result<()>;
}

/// Allocated disk space in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// A full copy.
    pub full_bytes: u64,
    /// One more that shares what can be shared with the first.
    pub one_more_bytes: u64,
}
