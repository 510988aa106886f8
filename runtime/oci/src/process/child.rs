//! The child: carries out the plan, one system call after the other.
//!
//! It runs on borrowed memory beside its parent ([`crate::sys::clone`]):
//! nothing here allocates, locks, panics or calls libc.

use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::Session;
use super::plan::Plan;
use super::step::Step;
use crate::namespace;
use crate::rootfs::Site;
use crate::sys::signal::SignalSet;
use crate::sys::{
    self, Descriptor, Errno, credential, descriptor, file, futex, keyring, process, signal,
};

/// What parent and child see at once.
#[derive(Debug)]
pub(super) struct Shared<'a> {
    pub(super) plan: &'a Plan,
    /// Whether the parent has written the id map.
    pub(super) id_map: Gate,
    /// Whether the parent has made the control groups.
    pub(super) cgroups: Gate,
    /// Which of them it could make (bit = index).
    pub(super) ready: AtomicU64,
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

    fn pass(&self) -> sys::Result<()> {
        futex::wait_while(&self.0, Self::SHUT);
        if self.0.load(Ordering::Acquire) == Self::OPEN {
            Ok(())
        } else {
            Err(Errno(libc::ECANCELED))
        }
    }
}

// ANCHOR: exec
/// Makes the steps, then becomes the program. Returns the exit status of a failure.
pub(super) fn run(shared: &Shared<'_>) -> i32 {
    let mut root = Site::default();
    for (index, step) in shared.plan.steps.iter().enumerate() {
        shared.step.store(index as u32, Ordering::Relaxed);
        if let Err(errno) = perform(step, shared, &mut root) {
            return fail(shared, errno);
        }
    }
    shared.step.store(EXECUTING, Ordering::Relaxed);
    fail(shared, execute(shared.plan))
}

/// Tries each place where the program may be, as a shell does.
fn execute(plan: &Plan) -> Errno {
    let mut answer = Errno(libc::ENOENT);
    for path in &plan.executables {
        match process::execve(path, &plan.args, &plan.env) {
            Errno(libc::ENOENT | libc::ENOTDIR) => {}
            Errno(libc::EACCES) => answer = Errno(libc::EACCES), // perhaps a later one may be
            errno => return errno,
        }
    }
    answer
}
// ANCHOR_END: exec

fn fail(shared: &Shared<'_>, errno: Errno) -> i32 {
    shared.failure.store(errno.code(), Ordering::Release);
    1
}

fn perform(step: &Step, shared: &Shared<'_>, root: &mut Site) -> sys::Result<()> {
    match step {
        Step::DieWithParent { signal } => die_with_parent(*signal, &shared.plan.parent),
        Step::WriteIdMap(map) => map.write(),
        Step::AwaitIdMap => shared.id_map.pass(),
        Step::BecomeRoot => become_user(0, 0, Some(&[])),
        Step::LeadSession(Session::New) => process::setsid(),
        Step::LeadSession(Session::Group) => process::lead_process_group(),
        Step::LeadSession(Session::Inherit) => Ok(()),
        Step::OomScore(score) => descriptor::write_file(
            libc::AT_FDCWD,
            c"/proc/self/oom_score_adj",
            score.as_bytes(),
        ),
        Step::Keyring(name) => match keyring::join_new_session(name) {
            Err(Errno(libc::ENOSYS)) => Ok(()), // a kernel without key rings has none to share
            result => result,
        },
        Step::Join { kind, fd } => sys::namespace::setns(fd.as_raw_fd(), namespace::flag(*kind)),
        Step::Unshare(flags) => sys::namespace::unshare(*flags),
        Step::LoopbackUp => match sys::interface::bring_loopback_up() {
            Err(Errno(libc::EAFNOSUPPORT)) => Ok(()), // a kernel without IPv4 has no 127.0.0.1
            result => result,
        },
        Step::TimeOffsets(lines) => descriptor::write_file(
            libc::AT_FDCWD,
            c"/proc/self/timens_offsets",
            lines.as_bytes(),
        ),
        Step::Hostname(name) => sys::namespace::set_hostname(name),
        Step::Domainname(name) => sys::namespace::set_domainname(name),
        Step::JoinCgroups => join_cgroups(shared),
        Step::Rootfs(step) => step.perform(root, shared.ready.load(Ordering::Acquire)),
        Step::ClearUmask => {
            file::umask(0);
            Ok(())
        }
        Step::Umask(mask) => {
            file::umask(*mask);
            Ok(())
        }
        Step::WorkingDirectory(path) => file::chdir(path),
        Step::CheckWorkingDirectory => match file::cwd_is_inside_root()? {
            true => Ok(()),
            false => Err(Errno(libc::EXDEV)),
        },
        Step::Limit(limit) => limit.apply(),
        Step::Security(step) => step.perform(),
        Step::DropBounding(sets) => sets.drop_bounding(),
        Step::KeepCapabilities => credential::keep_capabilities(),
        Step::User { uid, gid, groups } => become_user(*uid, *gid, groups.as_deref()),
        Step::Capabilities(sets) => sets.apply(),
        Step::NoNewPrivileges => credential::set_no_new_privileges(),
        Step::Streams(fds) => connect(*fds),
        Step::CloseOnExec => {
            // Signals that came meanwhile may act from here on: every handler
            // of the parent is gone.
            signal::set_mask(SignalSet::EMPTY);
            descriptor::close_on_exec_from(3)
        }
        Step::Seccomp(filter) => filter.install().map(drop),
    }
}

/// The kernel kills us when the parent dies. It may have died before it could
/// be asked to: its pidfd, readable then, tells.
fn die_with_parent(signal: i32, parent: &Descriptor) -> sys::Result<()> {
    process::set_parent_death_signal(signal)?;
    if signal != 0 && descriptor::is_readable(parent.as_raw_fd())? {
        process::exit_now(1);
    }
    Ok(())
}

/// Moves into the groups that the parent has made meanwhile.
///
/// Version 1 by writing `0` to `tasks`: "the writing thread", for which the
/// kernel needs no grace period, as it does for a whole process named in
/// `cgroup.procs` (5 to 16 ms). Version 2 was joined by the clone.
fn join_cgroups(shared: &Shared<'_>) -> sys::Result<()> {
    shared.cgroups.pass()?;
    let ready = shared.ready.load(Ordering::Acquire);
    for (index, group) in shared.plan.cgroups.groups.iter().enumerate() {
        if ready & 1 << index != 0 && group.hierarchy.version == crate::cgroup::Version::V1 {
            descriptor::write_file(libc::AT_FDCWD, &group.tasks, b"0")?;
        }
    }
    Ok(())
}

fn become_user(uid: u32, gid: u32, groups: Option<&[u32]>) -> sys::Result<()> {
    if let Some(groups) = groups {
        credential::set_groups(groups)?;
    }
    credential::set_gid(gid)?;
    credential::set_uid(uid)
}

/// Puts the three streams at 0, 1 and 2. They are copied out of the way first:
/// one of them may sit where another has to go.
fn connect(fds: [RawFd; 3]) -> sys::Result<()> {
    let mut above = [None, None, None];
    for (slot, fd) in above.iter_mut().zip(fds) {
        *slot = Some(descriptor::dup_above_stdio(fd)?);
    }
    for (stream, place) in above.iter().flatten().zip(0..) {
        descriptor::dup_onto(stream.as_raw_fd(), place)?;
    }
    Ok(())
}
