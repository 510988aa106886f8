//! The parent's side of a start.

use std::fs;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::child;
use super::failure::{clone_remedy, exec_error, failed_at};
use super::net_device;
use super::plan::{End, Plan, Report};
use super::running::Running;
use super::shared::{EXECUTING, Gate, Listener, Shared};
use super::time;
use super::trace::Marks;
use crate::cgroup::{Created, Version};
use crate::error::{Error, Result};
use crate::id_map::{self, IdMap};
use crate::sys::clone::{Child, Request, with_child, with_grandchild};
use crate::sys::{self, Errno, descriptor};

/// What somebody else does at points of a start. An error ends it.
pub(crate) trait Attend {
    /// The process exists. It cannot outlive this process before this returns.
    fn born(&mut self, _pid: i32) -> Result<()> {
        Ok(())
    }

    /// The kernel did not let it be born into its version 2 group: what to warn of.
    fn outside(&mut self, pid: i32) -> Option<String> {
        Some(format!(
            "process {pid} is not in its control group, whose limits do not hold for it: this user \
             may not move processes there"
        ))
    }

    /// Its system call filter is in place, and it waits for somebody who
    /// answers what comes to this listener.
    fn listens(&mut self, _child: &Child, _listener: OwnedFd) -> Result<()> {
        Ok(())
    }

    /// Its root is built and not yet entered; it waits. Only where the spec
    /// has hooks for this moment.
    fn built(&mut self, _child: &Child) -> Result<()> {
        Ok(())
    }
}

/// Nobody else cares.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Attend for Nobody {}

/// Carries out a plan. Returns when the program has been executed, or, where it
/// is not to be executed yet, when it waits.
pub(crate) fn launch(mut plan: Plan, attend: &mut dyn Attend) -> Result<Running> {
    let marks = Marks::new(plan.before.len() + plan.steps.len());
    let mut created = Created::default();
    let mut warnings = std::mem::take(&mut plan.warnings);
    let mut born_ready = 0;
    if !plan.cgroups.is_unit() {
        marks.runtime("make the version 2 control group");
        let cgroups = &plan.cgroups;
        born_ready = cgroups.create(Version::V2, &mut created, &mut warnings)?;
    }
    if let Some(root) = &mut plan.host_root {
        marks.runtime("mount the root where the host sees it");
        root.mount().map_err(|errno| Error::Setup {
            step: "mount the root where the host sees it".to_owned(),
            source: errno.into(),
            remedy: (errno.code() == libc::EPERM).then(|| {
                "without a mount namespace only root can: add {\"type\": \"mount\"}".to_owned()
            }),
        })?;
    }
    let restore = Restore::before(&plan)?;
    let shared = Shared {
        plan: &plan,
        id_map: Gate::default(),
        cgroups: Gate::default(),
        hooks: Gate::default(),
        listener: Listener::default(),
        ready: AtomicU64::new(born_ready),
        marks,
        step: AtomicU32::new(0),
        failure: AtomicI32::new(0),
    };
    let work = |child: &Child, is_outside| {
        let (created, warnings) = (&mut created, &mut warnings);
        let done = while_the_child_works(child, is_outside, &shared, created, warnings, attend);
        if done.is_err() {
            shared.id_map.abandon();
            shared.cgroups.abandon();
            shared.hooks.abandon();
        }
        done
    };
    shared.marks.runtime("clone the container's init");
    let cloned = clone(&shared, born_ready, work);
    shared
        .marks
        .runtime("wait for the execution of its program");
    let (failure, step) = (
        shared.failure.load(Ordering::Acquire),
        shared.step.load(Ordering::Relaxed),
    );
    // From here on dropping it kills, reaps and cleans up.
    let mut running = match cloned? {
        Some((child, done)) => {
            let running = Running::new(child, created, warnings);
            done?;
            running
        }
        None => return Err(failed_at(&plan, step, Errno(failure))),
    };
    if (failure, step) != (0, EXECUTING) {
        return Err(failed_at(&plan, step, Errno(failure)));
    }
    let score = plan.oom_score;
    #[cfg(feature = "trace")]
    let events = shared.marks.events(|index| match plan.step(index) {
        Some(step) => step.to_string(),
        None => "execute the trampoline".to_owned(),
    });
    running.host_root = plan.host_root.take();
    let running = finish(plan.end, running, score)?;
    // Not as soon as the memory is ours alone: the kernel says so a moment before
    // /proc shows the child with another. By now the trampoline has run. (A hook has
    // none, and keeps capabilities that nobody in its container has to look at it with.)
    drop(restore);
    #[cfg(feature = "trace")]
    let running = running.with_trace(events);
    Ok(running)
}

/// What is left to do once the child has memory of its own: it runs the
/// trampoline.
fn finish(end: End, mut running: Running, score: Option<i32>) -> Result<Running> {
    let program = end.program();
    match end {
        End::Program { .. } => {}
        End::Trampoline {
            report: Report::Later(latch),
            ..
        } => {
            await_ready(latch.started.as_raw_fd(), &running, &program)?;
            set_oom_score(&mut running, score)?;
        }
        End::Trampoline {
            report:
                Report::Now {
                    reader,
                    writer,
                    hold,
                },
            ..
        } => {
            // The other copy of it is closed by the execution.
            drop(writer);
            if let Some((_, go_on)) = hold {
                await_ready(reader.as_raw_fd(), &running, &program)?;
                set_oom_score(&mut running, score)?;
                let _ = descriptor::write(go_on.as_raw_fd(), b"s");
            }
            let mut errno = [0; 4];
            let mut reader = fs::File::from(reader.into_owned());
            if reader.read_exact(&mut errno).is_ok() {
                return Err(exec_error(program, Errno(i32::from_ne_bytes(errno))));
            }
            // Otherwise its end: nothing was written.
        }
    }
    Ok(running)
}

/// Waits until the trampoline begins to wait.
fn await_ready(report: RawFd, running: &Running, program: &str) -> Result<()> {
    let killed = || Error::Killed {
        step: "wait for its start".to_owned(),
    };
    let mut either = [report, running.as_fd().as_raw_fd()];
    let ready = loop {
        match descriptor::poll_readable(&mut either, -1) {
            Err(Errno(libc::EINTR)) => {}
            ready => break ready.map_err(|_| killed())?,
        }
    };
    if ready & 1 == 0 {
        return Err(killed());
    }
    // One byte, or the number of the error that keeps it from waiting.
    let mut said = [0; 4];
    match descriptor::read(report, &mut said) {
        Ok(1) => Ok(()),
        Ok(4) => Err(exec_error(
            program.to_owned(),
            Errno(i32::from_ne_bytes(said)),
        )),
        _ => Err(killed()),
    }
}

/// Sets the score of a process that waits.
fn set_oom_score(running: &mut Running, score: Option<i32>) -> Result<()> {
    let Some(score) = score else {
        return Ok(());
    };
    let path = format!("/proc/{}/oom_score_adj", running.pid());
    let inherited = fs::read_to_string(&path).ok();
    let is_lower = inherited
        .and_then(|text| text.trim().parse().ok())
        .is_some_and(|own: i32| score < own);
    match fs::write(&path, score.to_string()) {
        // It belongs to another user than ours, whom only it could have been.
        Err(source) if !is_lower && source.kind() == std::io::ErrorKind::PermissionDenied => {
            running.warn(format!(
                "process.oomScoreAdj = {score} is not set: {source}"
            ));
            Ok(())
        }
        result => result.map_err(|source| Error::Setup {
            step: format!("set oomScoreAdj to {score}"),
            remedy: is_lower.then(|| {
                "lowering it needs CAP_SYS_RESOURCE: give at least the runtime's own \
                 (/proc/self/oom_score_adj)"
                    .to_owned()
            }),
            source,
        }),
    }
}

/// Clones into the version 2 group, or, where the kernel does not let us,
/// outside of it, which `work` is told. `None` where the intermediate child failed.
fn clone<R>(
    shared: &Shared<'_>,
    ready: u64,
    work: impl FnOnce(&Child, bool) -> R,
) -> Result<Option<(Child, R)>> {
    let plan = shared.plan;
    let failed = |errno: Errno| Error::Setup {
        step: "clone the container's init".to_owned(),
        source: errno.into(),
        remedy: clone_remedy(errno, plan.by_clone),
    };
    let made = plan
        .cgroups
        .unified(ready)
        .and_then(|group| fs::File::open(&group.directory).ok());
    let directory = plan
        .born_into
        .as_ref()
        .map(AsRawFd::as_raw_fd)
        .or(made.as_ref().map(AsRawFd::as_raw_fd));
    let mut work = Some(work);
    let mut attempt = |cgroup: Option<RawFd>| {
        // It runs once, and only where the clone worked.
        let is_outside = directory.is_some() && cgroup.is_none();
        let mut work = |child: &Child| work.take().map(|work| work(child, is_outside));
        let namespaces = plan.by_clone;
        if plan.before.is_empty() {
            let request = Request { namespaces, cgroup };
            return with_child(request, shared, child::run, &mut work).map(Some);
        }
        let first = Request {
            namespaces: 0,
            cgroup,
        };
        let second = Request {
            namespaces,
            cgroup: None,
        };
        with_grandchild(first, child::prepare, second, shared, child::run, &mut work)
    };
    let first = attempt(directory);
    let second = match first {
        Err(_) if directory.is_some() => attempt(None),
        first => first,
    };
    match second.map_err(failed)? {
        None => Ok(None),
        Some((child, Some(result))) => Ok(Some((child, result))),
        // Not reached: a clone that works runs the closure.
        Some((_, None)) => Err(failed(Errno(libc::EINVAL))),
    }
}

/// Writes the id map, puts the child on record, makes the version 1 groups, and
/// has the hooks run.
fn while_the_child_works(
    child: &Child,
    is_outside: bool,
    shared: &Shared<'_>,
    created: &mut Created,
    warnings: &mut Vec<String>,
    attend: &mut dyn Attend,
) -> Result<()> {
    if let Some(IdMap::ByParent { uids, gids }) = &shared.plan.id_map {
        shared.marks.runtime("write the id map");
        id_map::write_for(child.pid, uids, gids)?;
    }
    shared.id_map.open();
    shared.marks.runtime("put it on record");
    attend.born(child.pid)?;
    if is_outside {
        warnings.extend(attend.outside(child.pid));
    }
    if shared.plan.cgroups.is_unit() {
        shared.marks.runtime("have systemd make the control groups");
        let cgroups = &shared.plan.cgroups;
        let ready = cgroups.start_unit(child.pid, created, warnings)?;
        shared.ready.fetch_or(ready, Ordering::Release);
    } else if shared.plan.has_cgroups(Version::V1) {
        shared.marks.runtime("make the version 1 control groups");
        let ready = shared.plan.cgroups.create(Version::V1, created, warnings)?;
        shared.ready.fetch_or(ready, Ordering::Release);
    }
    shared.cgroups.open();
    shared.marks.runtime("wait for the container's init");
    if let Some(event) = &shared.plan.meeting {
        // Readable, the pidfd says that the child ended before it got there;
        // why, the steps tell.
        let mut either = [event.as_raw_fd(), child.pidfd.as_raw_fd()];
        let arrived = loop {
            match descriptor::poll_readable(&mut either, -1) {
                Err(Errno(libc::EINTR)) => {}
                ready => {
                    break ready.map_err(|errno| Error::Supervise {
                        action: "wait for the container's root to be built",
                        source: errno.into(),
                    })?;
                }
            }
        };
        if arrived & 1 != 0 {
            net_device::move_all(&shared.plan.net_devices, child.pid)?;
            shared.marks.runtime("run the hooks");
            attend.built(child)?;
        }
        shared.hooks.open();
    }
    if shared.plan.listens {
        let handed = hand_over_listener(child, shared, attend);
        if handed.is_err() {
            // It may hang in a call that nobody will answer.
            let _ = sys::process::pidfd_send_signal(child.pidfd.as_raw_fd(), libc::SIGKILL);
        }
        shared.listener.release();
        return handed;
    }
    Ok(())
}

/// Takes the listener of the child's filter to whoever answers.
fn hand_over_listener(child: &Child, shared: &Shared<'_>, attend: &mut dyn Attend) -> Result<()> {
    const PATIENCE: Duration = Duration::from_millis(10);
    let number = loop {
        if let Some(number) = shared.listener.offered(PATIENCE) {
            break number;
        }
        // It ended before it got there; why, the steps tell.
        if descriptor::is_readable(child.pidfd.as_raw_fd()).unwrap_or(true) {
            return Ok(());
        }
    };
    let listener = sys::process::pidfd_getfd(child.pidfd.as_raw_fd(), number);
    let listener = listener.map_err(|errno| Error::Setup {
        step: "take the seccomp listener from the container's init (pidfd_getfd)".to_owned(),
        source: errno.into(),
        remedy: (errno.code() == libc::EPERM)
            .then(|| "it needs CAP_SYS_PTRACE where the container's user is not root".to_owned()),
    })?;
    attend.listens(child, listener.into_owned())
}

/// What the child changes on shared memory's account, put back afterwards:
/// a change of user makes all who share the memory undumpable (their files in
/// /proc become root's). Not before the child shares it no more, or who is in its
/// namespaces could open our file by it (`/proc/PID/exe`). And the time namespace, which only we can enter for it.
struct Restore {
    _seen: Option<Seen>,
    /// It goes back when it is dropped.
    time: Option<time::Own>,
}

impl Restore {
    fn before(plan: &Plan) -> Result<Self> {
        let mut restore = Self {
            // A hook is started while its container is, and is done before it.
            _seen: plan
                .changes_user
                .then(|| Seen::begin(matches!(plan.end, End::Program { .. }))),
            time: None,
        };
        if let Some(time) = &plan.time {
            restore.time = Some(time.enter()?);
        }
        Ok(restore)
    }
}

/// How many starts may hide this process, and whether others saw it before the
/// first of them (`PR_SET_DUMPABLE(2const)`).
static HIDING: Mutex<(usize, bool)> = Mutex::new((0, false));

/// A start that may hide this process. Dropped, it is seen again, unless that of
/// another thread still needs it hidden.
struct Seen {
    was_seen: bool,
    is_nested: bool,
}

impl Seen {
    fn begin(is_nested: bool) -> Self {
        let mut hiding = HIDING.lock().unwrap_or_else(PoisonError::into_inner);
        let was_seen = sys::process::is_dumpable();
        if hiding.0 == 0 {
            hiding.1 = was_seen;
        }
        hiding.0 += 1;
        Self {
            was_seen,
            is_nested,
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let mut hiding = HIDING.lock().unwrap_or_else(PoisonError::into_inner);
        hiding.0 -= 1;
        let is_last = hiding.0 == 0 && hiding.1;
        if is_last || self.is_nested && self.was_seen {
            sys::process::set_dumpable(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seen;
    use crate::sys::process::{is_dumpable, set_dumpable};

    #[test]
    fn a_process_is_seen_again_after_the_last_of_the_starts_that_hid_it() {
        let first = Seen::begin(false);
        set_dumpable(false);
        let second = Seen::begin(false);
        drop(first);
        assert!(!is_dumpable(), "the second needs it hidden");
        set_dumpable(false);
        drop(second);
        assert!(is_dumpable());
        let container = Seen::begin(false);
        let hook = Seen::begin(true);
        set_dumpable(false);
        drop(hook);
        assert!(is_dumpable(), "the next hook could not join it");
        drop(container);
    }
}
