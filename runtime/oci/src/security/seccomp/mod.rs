//! The system call filter: from the names of `config.json` to a BPF program.
//!
//! libseccomp takes 15 to 27 ms for a policy of the size of Docker's. Here
//! consecutive numbers with one answer become one range, and the ranges a
//! balanced tree of comparisons: some microseconds to compile, and about
//! eight comparisons for the kernel at each call.

mod architecture;
mod compile;
mod condition;
mod rules;
mod table;

#[cfg(test)]
mod tests;

use std::os::fd::RawFd;

use crate::error::{Error, Result};
use crate::spec::{Action, Seccomp};
use crate::sys;
use crate::sys::seccomp::{Instruction, flag};

/// A compiled filter.
#[derive(Debug)]
pub struct Filter {
    program: Vec<Instruction>,
    flags: u32,
    forbids_execution: bool,
}

impl Filter {
    /// Compiles `seccomp` for this machine's architecture and those it names.
    ///
    /// A call that the kernel does not have on an architecture is skipped
    /// there; one that no table has is skipped too, as the policy may be
    /// younger than this program.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what the specification or the kernel refuses: an
    /// argument index over 5, an error number over 4095 or where the action
    /// has none, an unknown architecture or flag, rules that contradict, a
    /// listener without a socket, a policy of more than 4096 instructions.
    pub fn compile(seccomp: &Seccomp) -> Result<Self> {
        let listens = seccomp.default_action == Action::Notify
            || seccomp
                .syscalls
                .iter()
                .any(|rule| rule.action == Action::Notify);
        check_listener(seccomp, listens)?;
        let (program, forbids_execution) = compile::compile(seccomp)?;
        Ok(Self {
            program,
            flags: flags(&seccomp.flags, listens)?,
            forbids_execution,
        })
    }

    /// The instructions.
    #[must_use]
    pub fn program(&self) -> &[Instruction] {
        &self.program
    }

    /// The flags to install it with (`seccomp(2)`).
    pub(crate) fn flags(&self) -> u32 {
        self.flags
    }

    /// Refuses one under which no program can be executed: the start would only
    /// find out when it is too late to say why.
    pub(crate) fn allow_execution(self) -> Result<Self> {
        if self.forbids_execution {
            return Err(refused(
                "syscalls",
                "it forbids execve, by which every program begins",
                "add a rule with SCMP_ACT_ALLOW for it",
            ));
        }
        Ok(self)
    }

    /// Whether some call is for a listener to answer.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.flags & flag::NEW_LISTENER != 0
    }

    // ANCHOR: seccomp
    /// Installs the filter in the calling process. Comes last: it may forbid
    /// every call that came before. Returns the number of the listener's
    /// descriptor, which the exec will close, where there is one. Runs in the
    /// child.
    pub(crate) fn install(&self) -> sys::Result<Option<RawFd>> {
        if self.listens() {
            return sys::seccomp::install_listening(&self.program, self.flags).map(Some);
        }
        sys::seccomp::install(&self.program, self.flags).map(|()| None)
    }
    // ANCHOR_END: seccomp
}

const KILL_THREAD: u32 = 0;
const KILL_PROCESS: u32 = 0x8000_0000;
/// From this answer on (the killing of the process apart, which is a negative
/// number) calls get through, or may.
const NOTIFY: u32 = 0x7fc0_0000;

/// The 32-bit answer of a filter (`seccomp(2)`, "Return values").
fn answer(field: &str, action: Action, errno: Option<u32>) -> Result<u32> {
    let field = match field {
        "default" => "defaultErrnoRet".to_owned(),
        rule => format!("{rule}.errnoRet"),
    };
    let (base, most) = match action {
        Action::Errno => (0x0005_0000, 4095),
        Action::Trace => (0x7ff0_0000, 0xffff),
        _ => (0, 0),
    };
    if most > 0 {
        let data = errno.unwrap_or(libc::EPERM.cast_unsigned());
        if data > most {
            let reason = format!("{data} is out of range");
            return Err(refused(&field, &reason, &format!("0 to {most}")));
        }
        return Ok(base | data);
    }
    if let Some(errno) = errno {
        let reason = format!("errno value {errno} specified for an action that returns none");
        let remedy = "remove it, or use SCMP_ACT_ERRNO or SCMP_ACT_TRACE";
        return Err(refused(&field, &reason, remedy));
    }
    Ok(match action {
        Action::Kill => KILL_THREAD,
        Action::KillProcess => KILL_PROCESS,
        Action::Trap => 0x0003_0000,
        Action::Notify => NOTIFY,
        Action::Log => 0x7ffc_0000,
        Action::Allow | Action::Errno | Action::Trace => 0x7fff_0000,
    })
}

fn check_listener(seccomp: &Seccomp, listens: bool) -> Result<()> {
    let path = seccomp.listener_path.as_deref();
    match path {
        None if listens => Err(refused(
            "listenerPath",
            "listenerPath is not set, and an action is SCMP_ACT_NOTIFY",
            "name the socket of who answers",
        )),
        None if seccomp.listener_metadata.is_some() => Err(refused(
            "listenerMetadata",
            "there is no listener to hand it to",
            "set listenerPath, or remove it",
        )),
        Some(path) if listens && !path.is_absolute() => Err(refused(
            "listenerPath",
            &format!("`{}` is not absolute", path.display()),
            "start it with `/`",
        )),
        _ => Ok(()),
    }
}

/// The flags of `seccomp(2)` for the specification's.
fn flags(names: &[String], listens: bool) -> Result<u32> {
    let mut flags = if listens { flag::NEW_LISTENER } else { 0 };
    for (index, name) in names.iter().enumerate() {
        flags |= match name.as_str() {
            // For threads; the container's first process has one.
            "SECCOMP_FILTER_FLAG_TSYNC" => 0,
            "SECCOMP_FILTER_FLAG_LOG" => flag::LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => flag::SPEC_ALLOW,
            // The kernel takes it with a listener only.
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" if listens => flag::WAIT_KILLABLE_RECV,
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => 0,
            other => {
                let field = format!("flags[{index}]");
                let reason = format!("`{}` is no flag of a filter", other.escape_debug());
                let remedy = "SECCOMP_FILTER_FLAG_LOG, _SPEC_ALLOW, _TSYNC or _WAIT_KILLABLE_RECV";
                return Err(refused(&field, &reason, remedy));
            }
        };
    }
    Ok(flags)
}

/// An error about `linux.seccomp.<field>`.
fn refused(field: &str, reason: &str, remedy: &str) -> Error {
    Error::Invalid {
        field: format!("linux.seccomp.{field}"),
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
