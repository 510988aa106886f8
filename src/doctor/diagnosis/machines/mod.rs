//! Machines written down: each is the facts of one that a student may have, and
//! what the doctor must say of it.

mod cgroup;
mod guest;
mod host;
mod namespace;

use super::*;
use crate::doctor::facts::*;
use crate::doctor::stage::{Stage, Step};
use crate::environment::cgroup::{Hierarchy, Mode};
use crate::observation::Subject;

/// An ordinary user on a recent Debian, where everything works.
fn healthy() -> Facts {
    let works = |stage: &Stage| {
        let detail = match stage {
            Stage::Cgroup => "v2, delegated: cpu memory pids",
            _ => "fine",
        };
        (
            *stage,
            Outcome::Works {
                detail: detail.into(),
            },
        )
    };
    let program = Program {
        path: "/usr/bin/x".into(),
        version: "7.2".into(),
    };
    Facts {
        machine: Machine {
            kernel: "6.12.0".into(),
            distribution: "debian".into(),
            systemd: true,
            program: "/home/stu/lab/isolab".into(),
            ..Machine::default()
        },
        policy: Policy {
            max_user_namespaces: Some(60_000),
            ..Policy::default()
        },
        cgroup: CgroupFacts {
            mode: Mode::V2,
            hierarchies: vec![Hierarchy {
                version: 2,
                controllers: Vec::new(),
                mount_point: "/sys/fs/cgroup".into(),
                own: Some("/sys/fs/cgroup/user.slice".into()),
                read_only: false,
            }],
        },
        probes: Stage::PROBED.iter().map(works).collect(),
        python: Found::Here(Python {
            path: "/usr/bin/python3".into(),
            version: "3.13.1".into(),
            lacks: Vec::new(),
        }),
        qemu: Found::Here(program.clone()),
        kvm: Kvm {
            device: true,
            open_errno: 0,
            group: Some("kvm".into()),
            group_unmapped: false,
            runs: Found::Here("a guest reached its init".into()),
        },
        guest_kernel: Found::Here(program),
        places: vec![Place {
            role: Role::Working,
            path: "/home/stu/lab".into(),
            fstype: "ext4".into(),
            options: Vec::new(),
            free_bytes: Some(20_000_000_000),
        }],
        toolchain: Toolchain {
            cc: Some("/usr/bin/cc".into()),
            cargo: Some("1.95.0".into()),
            cargo_needed: "1.91".into(),
        },
        scratch_error: None,
        peers: [("runc".to_owned(), "1.1.5".to_owned())].into(),
    }
}

/// A healthy machine with something done to it.
fn machine(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = healthy();
    change(&mut facts);
    facts
}

/// Every probe that enters a user namespace stops at one step.
fn stop_all(facts: &mut Facts, step: Step, errno: i32) {
    for stage in Stage::PROBED {
        if !matches!(stage, Stage::Cgroup | Stage::Seccomp) {
            stop(facts, stage, step, errno, "");
        }
    }
}

fn stop(facts: &mut Facts, stage: Stage, step: Step, errno: i32, detail: &str) {
    let detail = detail.to_owned();
    let outcome = Outcome::Failed {
        step,
        errno,
        detail,
    };
    facts.probes.insert(stage, outcome);
}

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// `stage` must stand at `verdict`, for a reason that holds `cause`, and one of
/// its remedies must have a line that holds `fix`.
#[track_caller]
fn check(facts: &Facts, stage: Stage, verdict: Verdict, cause: &str, fix: &str) {
    let findings = diagnose(facts, &[stage]);
    let finding = &findings[0];
    assert_eq!(finding.verdict, verdict, "{finding:#?}");
    let said = finding.cause.as_deref().unwrap_or_default();
    assert!(said.contains(cause), "`{cause}` is not in {finding:#?}");
    let mended = finding.remedies.iter().flat_map(|r| &r.commands);
    assert!(
        fix.is_empty() || mended.into_iter().any(|line| line.contains(fix)),
        "`{fix}` is not in {finding:#?}"
    );
}

/// How each subject can be had.
fn runs(facts: &Facts) -> Vec<Runs> {
    let all = crate::doctor::stages(None);
    let parts = parts(&diagnose(facts, &all));
    let subjects: Vec<Subject> = parts.iter().map(|p| p.subject).collect();
    assert_eq!(subjects, Subject::ALL);
    parts.iter().map(|p| p.runs).collect()
}

/// Docker as it comes: its filter, its masks, its read-only cgroups.
fn in_docker(f: &mut Facts) {
    f.machine.container = Some("docker".into());
    f.machine.root = true;
    f.machine.systemd = false;
    f.policy.seccomp_filters = 1;
    f.policy.over_proc = vec!["/proc/kcore".into()];
    f.cgroup.hierarchies[0].read_only = true;
}

#[test]
fn a_healthy_machine_measures_every_part_and_needs_nothing() {
    let facts = healthy();
    for finding in diagnose(&facts, &crate::doctor::stages(None)) {
        assert_eq!(finding.verdict, Verdict::Works, "{finding:?}");
        assert!(finding.cause.is_none() && finding.remedies.is_empty());
    }
    assert_eq!(runs(&facts), [Runs::Measured; 4]);
}
