//! What parent and child have in common while the child runs on the parent's memory.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use super::plan::Plan;
use super::trace::Marks;
use crate::sys::{self, Errno, futex};

/// What parent and child see at once.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    /// Whether the parent has written the id map.
    pub(super) id_map: Gate,
    /// Whether the parent has written down the child and made its control groups.
    pub(super) cgroups: Gate,
    /// Whether the parent has run the hooks.
    pub(super) hooks: Gate,
    /// The listener of the child's filter.
    pub(super) listener: Listener,
    /// Which of them it could make (bit = index).
    pub(super) ready: AtomicU64,
    /// When what was done, where somebody wants to know.
    pub(super) marks: Marks,
    /// The step at work.
    pub(super) step: AtomicU32,
    /// The errno it failed with, or 0.
    pub(super) failure: AtomicI32,
}

/// What `step` holds when every step is done and the program is executed.
pub(super) const EXECUTING: u32 = u32::MAX;

/// A door that the parent opens, or closes for good.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU32);

impl Gate {
    const SHUT: u32 = 0;
    const OPEN: u32 = 1;
    const ABANDONED: u32 = 2;

    /// Lets the child pass.
    pub(super) fn open(&self) {
        futex::store_and_wake(&self.0, Self::OPEN);
    }

    /// Tells it to give up.
    pub(super) fn abandon(&self) {
        futex::store_and_wake(&self.0, Self::ABANDONED);
    }

    /// The child's part: waits until it is told.
    pub(super) fn pass(&self) -> sys::Result<()> {
        futex::wait_while(&self.0, Self::SHUT);
        if self.0.load(Ordering::Acquire) == Self::OPEN {
            Ok(())
        } else {
            Err(Errno(libc::ECANCELED))
        }
    }
}

/// A descriptor that the child has and the parent takes a copy of.
///
/// Memory alone tells of it: at this point the child's own filter may have any
/// call wait for an answer that only the descriptor can bring.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// Its number and 1; 0 as long as there is none.
    number: AtomicU32,
    taken: Gate,
}

impl Listener {
    /// The child's part: offers it, and waits until it is taken.
    pub(super) fn offer(&self, descriptor: RawFd) -> sys::Result<()> {
        futex::store_and_wake(&self.number, descriptor.cast_unsigned() + 1);
        self.taken.pass()
    }

    /// The parent's part: its number in the child, once there is one.
    pub(super) fn offered(&self, patience: Duration) -> Option<RawFd> {
        futex::wait_while_at_most(&self.number, 0, patience);
        let number = self.number.load(Ordering::Acquire).checked_sub(1);
        number.map(u32::cast_signed)
    }

    /// Lets the child go on.
    pub(super) fn release(&self) {
        self.taken.open();
    }
}
