//! The system call filter: from the names of `config.json` to a BPF program.
//!
//! libseccomp takes 15 to 27 ms for a policy of the size of Docker's. Here
//! consecutive numbers with one answer become one range, and the ranges a
//! balanced tree of comparisons: a few microseconds to compile, and about
//! eight comparisons for the kernel at each call.

mod compile;
mod condition;
mod table;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::spec::{Action, Seccomp};
use crate::sys;
use crate::sys::seccomp::Instruction;

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    program: Vec<Instruction>,
    flags: u32,
}

impl Filter {
    /// Compiles `seccomp` for this machine's architecture and those it names.
    ///
    /// A call that the kernel does not have on an architecture is skipped
    /// there; one that no table has is skipped too, as the policy may be
    /// younger than this program.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an argument index over 5, an error number over
    /// 4095, or a policy of more than the kernel's 4096 instructions;
    /// [`Error::Unsupported`] for a listener or an unknown architecture or flag.
    pub fn compile(seccomp: &Seccomp) -> Result<Self> {
        let listens = seccomp.default_action == Action::Notify
            || seccomp
                .syscalls
                .iter()
                .any(|rule| rule.action == Action::Notify);
        if listens || seccomp.listener_path.is_some() {
            return Err(unsupported("a listener (SCMP_ACT_NOTIFY)"));
        }
        let flags = seccomp
            .flags
            .iter()
            .try_fold(0, |all, name| Ok(all | flag(name)?))?;
        Ok(Self {
            program: compile::compile(seccomp)?,
            flags,
        })
    }

    /// The instructions.
    #[must_use]
    pub fn program(&self) -> &[Instruction] {
        &self.program
    }

    // ANCHOR: seccomp
    /// Installs the filter in the calling process. Comes last: it may forbid
    /// every call that came before. Runs in the child.
    pub(crate) fn install(&self) -> sys::Result<()> {
        sys::seccomp::install(&self.program, self.flags)
    }
    // ANCHOR_END: seccomp
}

fn flag(name: &str) -> Result<u32> {
    match name {
        "SECCOMP_FILTER_FLAG_TSYNC" => Ok(1),
        "SECCOMP_FILTER_FLAG_LOG" => Ok(2),
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => Ok(4),
        _ => Err(unsupported(&format!("the flag `{name}`"))),
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported {
        field: "linux.seccomp".to_owned(),
        reason: what.to_owned(),
        remedy: "remove it from the policy".to_owned(),
    }
}

fn invalid(reason: String, remedy: &str) -> Error {
    Error::Invalid {
        field: "linux.seccomp".to_owned(),
        reason,
        remedy: remedy.to_owned(),
    }
}
