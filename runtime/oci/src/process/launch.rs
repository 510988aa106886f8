//! The parent's side of a start.

use std::fs;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use super::child::{self, EXECUTING, Gate, Shared};
use super::plan::Plan;
use super::running::Running;
use super::step::Step;
use crate::cgroup::{Created, Version};
use crate::error::{Error, Result};
use crate::id_map::{self, IdMap};
use crate::namespace;
use crate::spec::NamespaceType;
use crate::sys::clone::{Child, Request, with_child};
use crate::sys::{self, Errno};

/// Carries out a plan. Returns when the program has been executed.
pub(crate) fn launch(mut plan: Plan) -> Result<Running> {
    let mut created = Created::default();
    let mut warnings = std::mem::take(&mut plan.warnings);
    let born_ready = plan
        .cgroups
        .create(Version::V2, &mut created, &mut warnings)?;
    let restore = Restore::before(&plan);
    let shared = Shared {
        plan: &plan,
        id_map: Gate::default(),
        cgroups: Gate::default(),
        ready: AtomicU64::new(born_ready),
        step: AtomicU32::new(0),
        failure: AtomicI32::new(0),
    };
    let work = |child: &Child| {
        let done = while_the_child_works(child, &shared, &mut created, &mut warnings);
        if done.is_err() {
            shared.id_map.abandon();
            shared.cgroups.abandon();
        }
        done
    };
    let (child, done) = clone(&shared, born_ready, work)?;
    drop(restore);
    // From here on dropping it kills, reaps and cleans up.
    let running = Running::new(child, created, warnings);
    done?;
    match (
        shared.failure.load(Ordering::Acquire),
        shared.step.load(Ordering::Relaxed),
    ) {
        (0, EXECUTING) => Ok(running),
        (0, step) => Err(Error::Killed {
            step: name(&plan, step),
        }),
        (errno, EXECUTING) => Err(exec_error(&plan, Errno(errno))),
        (errno, step) => Err(setup_error(&plan, step, Errno(errno))),
    }
}

/// Clones into the version 2 group, or, where the kernel does not let us,
/// outside of it.
fn clone<R>(shared: &Shared<'_>, ready: u64, work: impl FnOnce(&Child) -> R) -> Result<(Child, R)> {
    let failed = |errno: Errno| Error::Setup {
        step: "clone the container's init".to_owned(),
        source: errno.into(),
        remedy: clone_remedy(errno, shared.plan.by_clone),
    };
    let namespaces = shared.plan.by_clone;
    let directory = shared
        .plan
        .cgroups
        .unified(ready)
        .and_then(|group| fs::File::open(&group.directory).ok());
    let mut work = Some(work);
    let mut attempt = |cgroup| {
        let request = Request { namespaces, cgroup };
        // `with_child` runs its closure once, and only where the clone worked.
        with_child(request, shared, child::run, |child| {
            work.take().map(|work| work(child))
        })
    };
    let first = attempt(directory.as_ref().map(AsRawFd::as_raw_fd));
    let second = match first {
        Err(_) if directory.is_some() => attempt(None),
        first => first,
    };
    let (child, result) = second.map_err(failed)?;
    // The closure ran exactly once.
    result
        .map(|result| (child, result))
        .ok_or_else(|| failed(Errno(libc::EINVAL)))
}

/// Writes the id map, then makes the version 1 groups.
fn while_the_child_works(
    child: &Child,
    shared: &Shared<'_>,
    created: &mut Created,
    warnings: &mut Vec<String>,
) -> Result<()> {
    if let Some(IdMap::ByParent { uids, gids }) = &shared.plan.id_map {
        id_map::write_for(child.pid, uids, gids)?;
    }
    shared.id_map.open();
    if shared.plan.has_cgroups(Version::V1) {
        let ready = shared.plan.cgroups.create(Version::V1, created, warnings)?;
        shared.ready.fetch_or(ready, Ordering::Release);
    }
    shared.cgroups.open();
    Ok(())
}

/// What the child changes on shared memory's account, put back afterwards:
/// a change of user makes all who share the memory undumpable (their files in
/// /proc become root's), and the OOM score is kept once for all of them.
struct Restore {
    dumpable: bool,
    oom_score: Option<String>,
}

impl Restore {
    fn before(plan: &Plan) -> Self {
        Self {
            dumpable: plan.changes_user && sys::process::is_dumpable(),
            oom_score: plan
                .changes_oom_score
                .then(|| fs::read_to_string("/proc/self/oom_score_adj").ok())
                .flatten(),
        }
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if self.dumpable {
            sys::process::set_dumpable();
        }
        if let Some(score) = &self.oom_score {
            let _ = fs::write("/proc/self/oom_score_adj", score.trim());
        }
    }
}

fn name(plan: &Plan, step: u32) -> String {
    plan.steps
        .get(step as usize)
        .map_or_else(|| "start".to_owned(), ToString::to_string)
}

fn exec_error(plan: &Plan, errno: Errno) -> Error {
    let program = plan
        .args
        .strings()
        .first()
        .map(|p| p.to_string_lossy().into_owned());
    let remedy = match errno.code() {
        libc::ENOENT => Some(
            "the file, its interpreter (`#!`) or its dynamic loader is missing in the root file system",
        ),
        libc::EACCES => Some("it needs the execute permission, on a mount without noexec"),
        libc::ENOEXEC => Some("it is no program for this machine's architecture"),
        _ => None,
    };
    Error::Exec {
        program: program.unwrap_or_default(),
        source: errno.into(),
        remedy: remedy.map(str::to_owned),
    }
}

fn setup_error(plan: &Plan, step: u32, errno: Errno) -> Error {
    let user = plan.by_clone & namespace::flag(NamespaceType::User) != 0;
    let remedy = plan
        .steps
        .get(step as usize)
        .and_then(|step| remedy(step, errno, user));
    Error::Setup {
        step: name(plan, step),
        source: errno.into(),
        remedy: remedy.map(str::to_owned),
    }
}

/// What the kernel's bare errno hides.
fn remedy(step: &Step, errno: Errno, user: bool) -> Option<&'static str> {
    match (step, errno.code()) {
        (Step::Rootfs(step), _) => step.remedy(errno, user),
        (Step::Security(step), _) => step.remedy(errno),
        (Step::OomScore(_), libc::EACCES) => Some(
            "lowering it needs CAP_SYS_RESOURCE: give at least the runtime's own \
             (/proc/self/oom_score_adj)",
        ),
        (Step::Limit(_), libc::EPERM) => Some(
            "raising a hard limit needs CAP_SYS_RESOURCE, which this process lacks: lower it in \
             process.rlimits",
        ),
        (Step::Unshare(_) | Step::Keyring(_), libc::EPERM) if !user => {
            Some("an ordinary user needs a user namespace: see `isorun spec --rootless`")
        }
        (Step::Unshare(_), libc::EPERM | libc::EACCES) | (Step::WriteIdMap(_), libc::EACCES) => {
            Some(
                "the new user namespace has no power: on Ubuntu AppArmor restricts it \
             (sysctl kernel.apparmor_restrict_unprivileged_userns=0)",
            )
        }
        (Step::Unshare(_), libc::ENOSPC) => Some("a limit of /proc/sys/user is reached"),
        (Step::User { .. }, libc::EINVAL) => {
            Some("the id is not mapped: add it to linux.uidMappings and linux.gidMappings")
        }
        (Step::WorkingDirectory(_), libc::EACCES) => Some("the user may not enter it"),
        (_, libc::ENOSYS) => Some("Linux 5.12 or newer is needed"),
        _ => None,
    }
}

fn clone_remedy(errno: Errno, namespaces: u64) -> Option<String> {
    let user = namespaces & namespace::flag(NamespaceType::User) != 0;
    let remedy = match errno.code() {
        libc::EPERM if user => {
            "user namespaces are forbidden here (sysctl kernel.unprivileged_userns_clone=1, \
             or the outer container's seccomp policy)"
        }
        libc::EPERM => "an ordinary user needs a user namespace: see `isorun spec --rootless`",
        libc::ENOSPC | libc::EUSERS => "raise user.max_user_namespaces (sysctl)",
        libc::EAGAIN => "the limit of processes is reached: `ulimit -u`",
        _ => return None,
    };
    Some(remedy.to_owned())
}
