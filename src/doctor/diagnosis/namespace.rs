//! Why the kernel refuses a namespace, or something in one.
//!
//! `EPERM` has a dozen reasons and the kernel names none, so the policies that
//! are in force decide, the most specific first.

use nix::errno::Errno;

use super::super::facts::{Facts, Outcome};
use super::super::stage::{Stage, Step};
use super::Finding;
use super::confinement::{apparmor, around, confined, masked_proc, vanished_capabilities, wsl1};
use super::parts::CONTAINER_NEEDS;
use super::remedy::{Remedy, confinement, start_with, sudo, sysctl_of_host};

/// The stage that a step belongs to. A probe repeats the steps before its own;
/// one that stops at such a step has not failed, but was not tried.
fn owner(step: Step, asked: Stage) -> Stage {
    match step {
        Step::Unshare | Step::Capability => Stage::UserNamespace,
        Step::IdMap => Stage::IdMap,
        Step::Mount | Step::PivotRoot => Stage::MountNamespace,
        Step::FurtherNamespace if asked == Stage::Overlay => Stage::MountNamespace,
        _ => asked,
    }
}

pub(super) fn judge(facts: &Facts, stage: Stage) -> Finding {
    match facts.probes.get(&stage) {
        None => Finding::not_tried(stage, stage),
        Some(Outcome::Works { detail }) => Finding::works(stage, detail.clone()),
        Some(Outcome::Failed {
            step,
            errno,
            detail,
        }) => {
            let owner = owner(*step, stage);
            if owner != stage && !works(facts, owner) {
                return Finding::not_tried(stage, owner);
            }
            let refused = refusal(*step, *errno);
            let (cause, remedies) = explain(facts, stage, *step, Errno::from_raw(*errno), detail);
            Finding::fails(stage, refused, cause, remedies)
        }
        Some(unusual) => super::unusual(stage, unusual, facts),
    }
}

/// The container as a whole: it fails for the reasons of the stages before it,
/// or, where all of those work, for one that the runtime names itself.
pub(super) fn container(facts: &Facts) -> Finding {
    let stage = Stage::Container;
    let first = CONTAINER_NEEDS
        .into_iter()
        .find(|needed| *needed != stage && !works(facts, *needed));
    match (first, facts.probes.get(&stage)) {
        (_, Some(Outcome::Works { detail })) => Finding::works(stage, detail.clone()),
        (Some(needed), _) => Finding::not_tried(stage, needed),
        (None, Some(Outcome::Failed { detail, .. })) => {
            let (error, hint) = detail.split_once('\n').unwrap_or((detail, ""));
            let remedies = match hint {
                "" => confinement(facts),
                hint => vec![Remedy::run(hint, ["isolab doctor container"])],
            };
            Finding::fails(stage, "the runtime is refused", error, remedies)
        }
        (None, Some(unusual)) => super::unusual(stage, unusual, facts),
        (None, None) => Finding::not_tried(stage, stage),
    }
}

fn works(facts: &Facts, stage: Stage) -> bool {
    matches!(facts.probes.get(&stage), Some(Outcome::Works { .. }))
}

/// `cannot mount a fresh /proc: EPERM`.
pub(super) fn refusal(step: Step, errno: i32) -> String {
    match errno {
        0 => format!("cannot {}", step.attempt()),
        errno => format!("cannot {}: {:?}", step.attempt(), Errno::from_raw(errno)),
    }
}

pub(super) type Explained = (String, Vec<Remedy>);

fn explain(facts: &Facts, stage: Stage, step: Step, errno: Errno, detail: &str) -> Explained {
    let refused = matches!(errno, Errno::EPERM | Errno::EACCES);
    if facts.machine.wsl == Some(1) {
        return wsl1(facts);
    }
    match step {
        Step::Unshare => user_namespace(facts, errno),
        Step::Capability if refused => vanished_capabilities(facts),
        Step::IdMap if root_without_setfcap(facts) => (
            "this is root without CAP_SETFCAP, and may not map root into a namespace: a file \
             that gains capabilities there would have them here"
                .to_owned(),
            vec![
                Remedy::run(
                    "as another user than root",
                    ["su -s /bin/sh nobody -c 'isolab doctor'"],
                ),
                start_with(facts, "--cap-add SETFCAP"),
            ],
        ),
        Step::ProcMount if refused && !facts.policy.over_proc.is_empty() => masked_proc(facts),
        Step::OverlayMount if errno == Errno::ENODEV => (
            "this kernel has no overlay".to_owned(),
            vec![Remedy::run(
                "",
                [format!("{}modprobe overlay", sudo(&facts.machine))],
            )],
        ),
        Step::OverlayMount | Step::CopyUp => (
            format!(
                "kernel {} lets a user namespace mount no overlay (5.11 and later do); \
                 each root file system is then a full copy",
                facts.machine.kernel
            ),
            Vec::new(),
        ),
        Step::Filter if !refused => (
            format!("this kernel filters no system calls ({detail})"),
            vec![Remedy::run(
                "see whether it was built with CONFIG_SECCOMP_FILTER",
                ["grep SECCOMP_FILTER /boot/config-$(uname -r)"],
            )],
        ),
        Step::PivotRoot if errno == Errno::EINVAL => (
            "the root directory is the initial ram disk, which cannot be pivoted away".to_owned(),
            vec![Remedy::run(
                "from a shell on a root of its own",
                ["unshare --mount --root=/ isolab doctor"],
            )],
        ),
        Step::FurtherNamespace if errno == Errno::ENOSPC => (
            format!("a limit on namespaces (sysctl user.max_*_namespaces) is reached: {detail}"),
            vec![Remedy::run(
                "see which",
                ["sysctl -a | grep max_.*_namespaces"],
            )],
        ),
        Step::FurtherNamespace if errno == Errno::EINVAL => (
            format!(
                "kernel {} was built without it: {detail}",
                facts.machine.kernel
            ),
            Vec::new(),
        ),
        _ if refused => confined(facts, stage),
        _ => (
            format!("the kernel says {} ({detail})", errno.desc()),
            Vec::new(),
        ),
    }
}

/// Source: `verify_root_map` in `kernel/user_namespace.c`, since Linux 5.12.
fn root_without_setfcap(facts: &Facts) -> bool {
    const CAP_SETFCAP: u32 = 31;
    facts.machine.root && facts.policy.capabilities & (1 << CAP_SETFCAP) == 0
}

/// Why there is no user namespace at all.
fn user_namespace(facts: &Facts, errno: Errno) -> Explained {
    let (machine, policy) = (&facts.machine, &facts.policy);
    match errno {
        Errno::ENOSPC | Errno::EUSERS if policy.max_user_namespaces == Some(0) => (
            "user.max_user_namespaces is 0: nobody may create one".to_owned(),
            sysctl_of_host(machine, "user.max_user_namespaces", "15000"),
        ),
        Errno::ENOSPC | Errno::EUSERS => (
            "as many user namespaces exist as are allowed, here or in a namespace around this \
             one, or 32 of them are nested"
                .to_owned(),
            sysctl_of_host(machine, "user.max_user_namespaces", "15000"),
        ),
        Errno::EINVAL | Errno::ENOSYS => (
            format!("kernel {} has no user namespaces", machine.kernel),
            vec![Remedy::run(
                "see whether it was built with CONFIG_USER_NS",
                ["grep USER_NS /boot/config-$(uname -r)"],
            )],
        ),
        _ if policy.unprivileged_userns_clone == Some(0) && !machine.root => (
            "kernel.unprivileged_userns_clone is 0: only root may create one".to_owned(),
            sysctl_of_host(machine, "kernel.unprivileged_userns_clone", "1"),
        ),
        _ if machine.chroot => (
            "this shell runs in a chroot, and a chroot may create none, lest it leave its root \
             by one"
                .to_owned(),
            vec![Remedy::run(
                "enter the directory by pivot_root instead",
                ["bwrap --bind /the/chroot / --proc /proc --dev /dev isolab doctor"],
            )],
        ),
        _ if machine.container.is_some() || policy.seccomp_filters > 0 => (
            format!(
                "the seccomp filter of {} forbids unshare(CLONE_NEWUSER)",
                around(facts)
            ),
            confinement(facts),
        ),
        _ if policy.apparmor_restrict_userns == Some(1) => apparmor(facts),
        _ => (
            "a security module of this kernel forbids it (AppArmor, SELinux or another)".to_owned(),
            vec![Remedy::run(
                "see which",
                [
                    "cat /sys/kernel/security/lsm".to_owned(),
                    format!("{}dmesg | grep -iE 'denied|avc' | tail -3", sudo(machine)),
                ],
            )],
        ),
    }
}
