//! What is said of a start that failed: the child tells a step and an errno.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::plan::Plan;
use super::shared::EXECUTING;
use super::step::Step;
use crate::error::Error;
use crate::namespace;
use crate::rootfs;
use crate::spec::NamespaceType;
use crate::sys::Errno;

/// Why the child did not get to its program.
pub(super) fn failed_at(plan: &Plan, step: u32, errno: Errno) -> Error {
    match plan.step(step) {
        _ if errno.code() == 0 => Error::Killed {
            step: name(plan, step),
        },
        Some(Step::FindProgram) => exec_error(plan.end.program(), errno),
        Some(Step::Rootfs(rootfs::Step::Overlay(layers))) => {
            let target = OsStr::from_bytes(layers.target().to_bytes());
            rootfs::overlay_refused(errno, target.as_ref())
        }
        None if step == EXECUTING => exec_error(plan.end.program(), errno),
        _ => setup_error(plan, step, errno),
    }
}

fn name(plan: &Plan, step: u32) -> String {
    plan.step(step)
        .map_or_else(|| "start".to_owned(), ToString::to_string)
}

/// The error of a program that cannot be executed; of the filter before it,
/// where the number is negative.
pub(crate) fn exec_error(program: String, errno: Errno) -> Error {
    if errno.code() < 0 {
        return Error::Setup {
            step: "install the seccomp filter".to_owned(),
            source: Errno(-errno.code()).into(),
            remedy: None,
        };
    }
    let remedy = match errno.code() {
        libc::ENOENT => Some(
            "the file, its interpreter (`#!`) or its dynamic loader is missing in the root file system",
        ),
        libc::EACCES => Some("it needs the execute permission, on a mount without noexec"),
        libc::ENOEXEC => Some("it is no program for this machine's architecture"),
        _ => None,
    };
    Error::Exec {
        program,
        source: errno.into(),
        remedy: remedy.map(str::to_owned),
    }
}

fn setup_error(plan: &Plan, step: u32, errno: Errno) -> Error {
    let user = plan.by_clone & namespace::flag(NamespaceType::User) != 0;
    let remedy = plan.step(step).and_then(|step| remedy(step, errno, user));
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
        (Step::User { .. }, libc::EPERM) if user => Some(
            "this user namespace may not set groups (an ordinary user's map without newgidmap): \
             ask for no additional groups",
        ),
        (Step::WorkingDirectory(_), libc::EACCES) => Some("the user may not enter it"),
        (_, libc::ENOSYS) => Some("Linux 5.12 or newer is needed"),
        _ => None,
    }
}

pub(super) fn clone_remedy(errno: Errno, namespaces: u64) -> Option<String> {
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
