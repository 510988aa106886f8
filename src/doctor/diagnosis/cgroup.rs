//! Why no cgroup can be made, and who could hand one over.
//!
//! A container runs without a cgroup of its own; it is then neither limited
//! nor accounted for, so a failure here limits and does not forbid.

use nix::errno::Errno;

use super::super::facts::{Facts, Outcome};
use super::super::stage::{Stage, Step};
use super::confinement::around;
use super::namespace::refusal;
use super::remedy::{Remedy, start_with, sudo};
use super::{Finding, Verdict};
use crate::environment::cgroup::Mode;

const STAGE: Stage = Stage::Cgroup;

/// What is lost, to follow a cause.
const LOST: &str = "containers run without limits and accounts";

pub(super) fn judge(facts: &Facts) -> Finding {
    match facts.probes.get(&STAGE) {
        None => Finding::not_tried(STAGE, STAGE),
        Some(Outcome::Works { detail }) => granted(facts, detail),
        Some(Outcome::Failed {
            step,
            errno,
            detail,
        }) => {
            let (cause, remedies) = explain(facts, *step, Errno::from_raw(*errno), detail);
            let seen = format!("{}: {}", facts.cgroup.mode, refusal(*step, *errno));
            Finding::limited(STAGE, seen, format!("{cause}; {LOST}"), remedies)
        }
        Some(unusual) => Finding {
            verdict: Verdict::Limited,
            ..super::unusual(STAGE, unusual, facts)
        },
    }
}

/// A cgroup can be made; on v2 it may still come without the controllers.
fn granted(facts: &Facts, detail: &str) -> Finding {
    if facts.cgroup.mode != Mode::V2 {
        return Finding::works(STAGE, detail);
    }
    match lacking(detail) {
        lacks if lacks.is_empty() => Finding::works(STAGE, detail),
        lacks => Finding::limited(
            STAGE,
            detail,
            format!("not delegated to this user: {}", lacks.join(", ")),
            delegate_controllers(facts),
        ),
    }
}

/// Of the controllers that limit a container, those that the probe did not see.
fn lacking(detail: &str) -> Vec<&'static str> {
    ["cpu", "memory", "pids"]
        .into_iter()
        .filter(|needed| !detail.split([' ', ':']).any(|seen| seen == *needed))
        .collect()
}

fn explain(facts: &Facts, step: Step, errno: Errno, detail: &str) -> (String, Vec<Remedy>) {
    let machine = &facts.machine;
    let read_only = errno == Errno::EROFS || facts.cgroup.hierarchies.iter().any(|h| h.read_only);
    if machine.wsl == Some(1) {
        return ("WSL 1 has no cgroups".to_owned(), Vec::new());
    }
    if read_only && machine.container.is_some() {
        return (
            format!("{} has its cgroups read-only", around(facts)),
            vec![start_with(
                facts,
                "--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw",
            )],
        );
    }
    if read_only {
        let point = facts
            .cgroup
            .hierarchies
            .iter()
            .find(|h| h.read_only)
            .map_or("/sys/fs/cgroup".into(), |h| {
                h.mount_point.display().to_string()
            });
        return (
            format!("{point} is mounted read-only"),
            vec![Remedy::run(
                "",
                [format!("{}mount -o remount,rw {point}", sudo(machine))],
            )],
        );
    }
    if machine.wsl == Some(2) && !machine.systemd {
        return (
            "WSL 2 runs without systemd, so nobody delegates a cgroup to users".to_owned(),
            vec![
                Remedy::run(
                    "here",
                    [r"printf '[boot]\nsystemd=true\n' | sudo tee -a /etc/wsl.conf"],
                ),
                Remedy::run(
                    "then in PowerShell on Windows, and open this shell again",
                    ["wsl --shutdown"],
                ),
            ],
        );
    }
    match (facts.cgroup.mode, step) {
        (Mode::None, _) => (
            "no cgroup hierarchy is mounted here".to_owned(),
            vec![Remedy::run(
                "",
                [format!(
                    "{}mount -t cgroup2 none /sys/fs/cgroup",
                    sudo(machine)
                )],
            )],
        ),
        (_, Step::CgroupFind) => (
            format!("our own cgroup lies outside of what is mounted ({detail})"),
            vec![Remedy::run(
                "in a cgroup namespace of its own",
                ["unshare --user --map-root-user --cgroup --mount isolab doctor"],
            )],
        ),
        (Mode::V2, _) if machine.systemd => (
            format!("{detail} is not delegated to this user"),
            vec![Remedy::run(
                "in a scope that systemd delegates, any command of the lab",
                ["systemd-run --user --scope -p Delegate=yes isolab compare"],
            )],
        ),
        (Mode::V2, _) => (
            format!("{detail} is not delegated to this user, and no systemd could"),
            vec![as_root()],
        ),
        (Mode::V1 | Mode::Hybrid, _) => {
            let unified = Remedy::run(
                "version 2 delegates: add to the kernel's command line and boot",
                ["systemd.unified_cgroup_hierarchy=1"],
            );
            (
                format!("{detail} belongs to root, and version 1 delegates nothing by itself"),
                machine
                    .systemd
                    .then_some(unified)
                    .into_iter()
                    .chain([as_root()])
                    .collect(),
            )
        }
    }
}

fn as_root() -> Remedy {
    Remedy::run("as root", ["sudo isolab compare"])
}

/// systemd gives users memory and pids of itself, and the rest when told to.
fn delegate_controllers(facts: &Facts) -> Vec<Remedy> {
    let sudo = sudo(&facts.machine);
    let directory = "/etc/systemd/system/user@.service.d";
    vec![Remedy::run(
        "then log out and in again",
        [
            format!("{sudo}mkdir -p {directory}"),
            format!(
                r"printf '[Service]\nDelegate=cpu cpuset io memory pids\n' | {sudo}tee {directory}/delegate.conf"
            ),
            format!("{sudo}systemctl daemon-reload"),
        ],
    )]
}
