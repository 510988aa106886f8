//! The child: carries out the plan, one system call after the other.
//!
//! It runs on borrowed memory beside its parent ([`crate::sys::clone`]):
//! nothing here allocates, locks, panics or calls libc.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::Ordering;

use super::Session;
use super::plan::End;
use super::shared::{EXECUTING, Shared};
use super::step::Step;
use crate::namespace::{self, Joined};
use crate::rootfs::{self, Site};
use crate::spec::NamespaceType;
use crate::sys::process::StringArray;
use crate::sys::signal::SignalSet;
use crate::sys::{self, Descriptor, Errno, credential, descriptor, file, keyring, process, signal};

// ANCHOR: exec
/// Makes the steps, then becomes the program. Returns the exit status of a failure.
pub(super) fn run(shared: &Shared<'_>) -> i32 {
    let mut local = Local::default();
    let first = shared.plan.before.len() as u32;
    if let Err(errno) = perform_all(&shared.plan.steps, first, shared, &mut local) {
        return fail(shared, errno);
    }
    shared.step.store(EXECUTING, Ordering::Relaxed);
    shared.marks.step(EXECUTING);
    fail(shared, execute(&shared.plan.end, local.filtered))
}

/// The intermediate child's part: the steps before there is a container.
pub(super) fn prepare(shared: &Shared<'_>) -> i32 {
    match perform_all(&shared.plan.before, 0, shared, &mut Local::default()) {
        Ok(()) => 0,
        Err(errno) => fail(shared, errno),
    }
}

fn perform_all(
    steps: &[Step],
    first: u32,
    shared: &Shared<'_>,
    local: &mut Local,
) -> sys::Result<()> {
    for (step, index) in steps.iter().zip(first..) {
        shared.step.store(index, Ordering::Relaxed);
        shared.marks.step(index);
        perform(step, shared, local)?;
    }
    Ok(())
}

/// Becomes the program. `filtered`: under the container's filter, which may know
/// only the older of two calls, and answers the other with any errno it likes.
fn execute(end: &End, filtered: bool) -> Errno {
    match end {
        End::Program { places, args, env } => execute_first(places, args, env),
        End::Trampoline {
            file,
            path,
            args,
            env,
            ..
        } => match process::execute_file(file.as_raw_fd(), args, env) {
            // Unfiltered by us: perhaps by whoever has the runtime in a container.
            first @ Errno(libc::EPERM | libc::ENOSYS | libc::EACCES) => {
                execute_by_path(path, args, env, first)
            }
            first if filtered => execute_by_path(path, args, env, first),
            first => first,
        },
    }
}

/// Executes what could not be executed by its descriptor, and why was `first`.
/// What is wrong with the program itself is found again, and is the answer.
fn execute_by_path(path: &CStr, args: &StringArray, env: &StringArray, first: Errno) -> Errno {
    match process::execve(path, args, env) {
        // Where the container has no /proc, this tells of the path alone.
        Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => first,
        errno => errno,
    }
}

/// Tries each place where the program may be, as a shell does.
fn execute_first(places: &[CString], args: &StringArray, env: &StringArray) -> Errno {
    let mut answer = Errno(libc::ENOENT);
    for path in places {
        match process::execve(path, args, env) {
            Errno(libc::ENOENT | libc::ENOTDIR) => {}
            Errno(libc::EACCES) => answer = Errno(libc::EACCES), // perhaps a later one may be
            errno => return errno,
        }
    }
    answer
}
// ANCHOR_END: exec

/// What the child holds between its steps.
#[derive(Debug, Default)]
struct Local {
    /// The container's root, while it is built.
    site: Site,
    /// The root that one is in.
    root: Option<Descriptor>,
    /// The container's side of its terminal.
    terminal: Option<Descriptor>,
    /// Whether the user namespace forbids changing groups.
    groups_denied: bool,
    /// Whether the container's filter judges our calls.
    filtered: bool,
}

fn fail(shared: &Shared<'_>, errno: Errno) -> i32 {
    shared.failure.store(errno.code(), Ordering::Release);
    1
}

fn perform(step: &Step, shared: &Shared<'_>, local: &mut Local) -> sys::Result<()> {
    match step {
        Step::DieWithParent { signal } => die_with_parent(*signal, &shared.plan.parent),
        Step::JoinProcess { pidfd, flags } => sys::namespace::setns(pidfd.as_raw_fd(), *flags),
        Step::JoinAll(joined) => join_all(joined),
        Step::JoinGroups(files) => files
            .iter()
            .try_for_each(|tasks| descriptor::write_file(libc::AT_FDCWD, tasks, b"0")),
        Step::Hide => {
            process::set_dumpable(false);
            Ok(())
        }
        Step::DropGroups => match credential::set_groups(&[]) {
            Err(Errno(libc::EPERM)) => Ok(()), // an ordinary user keeps them
            result => result,
        },
        Step::WriteIdMap(map) => map.write(),
        Step::AwaitIdMap => shared.id_map.pass(),
        Step::BecomeRoot => become_user(0, 0, Some(&[])),
        Step::BecomeRootIfMapped => become_root_if_mapped(local),
        Step::LeadSession(Session::New) => process::setsid(),
        Step::LeadSession(Session::Group) => process::lead_process_group(),
        Step::LeadSession(Session::Inherit) => Ok(()),
        Step::Keyring(name) => match keyring::join_new_session(name) {
            Err(Errno(libc::ENOSYS)) => Ok(()), // a kernel without key rings has none to share
            result => result,
        },
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
        Step::Rootfs(step) => step.perform(&mut local.site, shared.ready.load(Ordering::Acquire)),
        Step::ChangeRoot(root) => rootfs::change_root(root.as_raw_fd()),
        Step::OpenRoot => {
            let flags = libc::O_PATH | libc::O_DIRECTORY;
            local.root = Some(descriptor::openat(libc::AT_FDCWD, c"/", flags, 0)?);
            Ok(())
        }
        Step::Console(console) => {
            let root = match &local.root {
                Some(root) => root.as_raw_fd(),
                None => local.site.root()?,
            };
            local.terminal = Some(console.open(root)?);
            Ok(())
        }
        Step::Meet(event) => {
            descriptor::write(*event, &1u64.to_ne_bytes())?;
            shared.hooks.pass()
        }
        Step::ClearUmask => {
            file::umask(0);
            Ok(())
        }
        Step::Umask(mask) => {
            file::umask(*mask);
            Ok(())
        }
        Step::WorkingDirectory(path) => file::chdir(path),
        Step::Near(path) => {
            let _ = file::chdir(path);
            Ok(())
        }
        Step::CheckWorkingDirectory => match file::cwd_is_inside_root()? {
            true => Ok(()),
            false => Err(Errno(libc::EXDEV)),
        },
        Step::Limit(limit) => limit.apply(),
        Step::Security(step) => step.perform(),
        Step::DropBounding(sets) => sets.drop_bounding(),
        Step::KeepCapabilities => credential::keep_capabilities(),
        Step::User { uid, gid, groups } => {
            let groups = groups.as_deref();
            // What is forbidden need not be done where nothing was asked for.
            become_user(
                *uid,
                *gid,
                groups.filter(|g| !(local.groups_denied && g.is_empty())),
            )
        }
        Step::Capabilities(sets) => sets.apply(),
        Step::CannotRead(sets) => sets.apply_effective(),
        Step::NoNewPrivileges => credential::set_no_new_privileges(),
        Step::FindProgram => find_program(shared.plan.end.places()),
        Step::Streams(fds) => connect(*fds),
        Step::TerminalStreams => {
            let terminal = local.terminal.as_ref().ok_or(Errno(libc::EBADF))?;
            sys::terminal::make_controlling(terminal.as_raw_fd())?;
            connect([terminal.as_raw_fd(); 3])
        }
        Step::CloseOnExec(first) => {
            // Signals that came meanwhile may act from here on: every handler
            // of the parent is gone.
            signal::set_mask(SignalSet::EMPTY);
            descriptor::close_on_exec_from(*first)
        }
        Step::KeepOpen(fd) => descriptor::keep_on_exec(*fd),
        Step::AwaitRecord => shared.cgroups.pass(),
        Step::Seccomp(filter) => {
            let listener = filter.install()?;
            local.filtered = true;
            match listener {
                Some(listener) => shared.listener.offer(listener),
                None => Ok(()),
            }
        }
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

/// Enters namespaces that exist.
///
/// Some belong to the runtime's user namespace, and have to be entered before
/// the right to do so is left behind; some to the one that is entered, and only
/// then may be. Which is which, trying tells.
fn join_all(joined: &Joined) -> sys::Result<()> {
    let enter = |(kind, fd): &(NamespaceType, OwnedFd)| {
        sys::namespace::setns(fd.as_raw_fd(), namespace::flag(*kind))
    };
    let Some(user) = &joined.user else {
        return joined.others.iter().try_for_each(enter);
    };
    let mut later = 0u32;
    for (index, namespace) in joined.others.iter().enumerate() {
        if enter(namespace).is_err() {
            later |= 1 << index;
        }
    }
    let flag = namespace::flag(NamespaceType::User);
    sys::namespace::setns(user.as_raw_fd(), flag)?;
    let rest = joined.others.iter().enumerate();
    rest.filter(|(index, _)| later & 1 << index != 0)
        .try_for_each(|(_, namespace)| enter(namespace))
}

/// Who enters a user namespace is still who they were outside, which may be
/// nobody inside.
fn become_root_if_mapped(local: &mut Local) -> sys::Result<()> {
    match credential::set_groups(&[]) {
        Err(Errno(libc::EPERM)) => local.groups_denied = true,
        result => result?,
    }
    match credential::set_gid(0).and_then(|()| credential::set_uid(0)) {
        Err(Errno(libc::EINVAL)) => Ok(()), // it has no root
        result => result,
    }
}

/// Whether one of the places has a program that may be executed. Any other
/// answer than a plain no is left to the execution itself.
fn find_program(places: &[CString]) -> sys::Result<()> {
    let mut answer = Errno(libc::ENOENT);
    for path in places {
        match file::may_execute(path) {
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => {}
            Err(Errno(libc::EACCES)) => answer = Errno(libc::EACCES),
            // Who may search a directory may not execute it.
            Ok(()) if is_directory(path) => answer = Errno(libc::EACCES),
            _ => return Ok(()),
        }
    }
    Err(answer)
}

fn is_directory(path: &CStr) -> bool {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    descriptor::openat(libc::AT_FDCWD, path, flags, 0).is_ok()
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

/// The first number that is no standard stream's.
const ABOVE_STDIO: u32 = 3;

/// Puts the three streams at 0, 1 and 2. They are copied out of the way first:
/// one of them may sit where another has to go.
fn connect(fds: [RawFd; 3]) -> sys::Result<()> {
    let mut above = [None, None, None];
    for (slot, fd) in above.iter_mut().zip(fds) {
        *slot = Some(descriptor::dup_from(fd, ABOVE_STDIO)?);
    }
    for (stream, place) in above.iter().flatten().zip(0..) {
        descriptor::dup_onto(stream.as_raw_fd(), place)?;
    }
    Ok(())
}
