//! Machines written down: each is the facts of one that a student may have, and
//! what the doctor must say of it.

use super::super::facts::*;
use super::super::stage::{Stage, Step};
use super::*;
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
            runs: Found::Here("a guest reached its init".into()),
        },
        guest_kernel: Found::Here(program),
        places: vec![Place {
            role: Role::Working,
            path: "/home/stu/lab".into(),
            fstype: "ext4".into(),
            options: Vec::new(),
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
    let all = super::super::stages(None);
    let parts = parts(&diagnose(facts, &all));
    let subjects: Vec<Subject> = parts.iter().map(|p| p.subject).collect();
    assert_eq!(subjects, Subject::ALL);
    parts.iter().map(|p| p.runs).collect()
}

#[test]
fn a_healthy_machine_measures_every_part_and_needs_nothing() {
    let facts = healthy();
    for finding in diagnose(&facts, &super::super::stages(None)) {
        assert_eq!(finding.verdict, Verdict::Works, "{finding:?}");
        assert!(finding.cause.is_none() && finding.remedies.is_empty());
    }
    assert_eq!(runs(&facts), [Runs::Measured; 4]);
}

#[test]
fn capabilities_that_vanish_after_a_successful_unshare_are_put_down_to_apparmor() {
    let facts = machine(|f| {
        f.policy.apparmor_restrict_userns = Some(1);
        stop_all(f, Step::Capability, EPERM);
    });
    let stage = Stage::UserNamespace;
    let by_sysctl = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0";
    check(&facts, stage, Verdict::Fails, "AppArmor", by_sysctl);
    let by_profile = "profile isolab \"/home/stu/lab/isolab\" flags=(unconfined) {";
    check(&facts, stage, Verdict::Fails, "then denied", by_profile);
    assert_eq!(runs(&facts)[2], Runs::No);
}

#[test]
fn vanished_capabilities_are_apparmors_even_where_its_switch_cannot_be_read() {
    let facts = machine(|f| stop_all(f, Step::Capability, EACCES));
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "AppArmor",
        "apparmor_parser -r",
    );
}

#[test]
fn root_without_setfcap_is_not_blamed_on_apparmor() {
    let facts = machine(|f| {
        f.machine.container = Some("unnamed".into());
        f.machine.root = true;
        f.policy.capabilities = 0x2000_0420;
        stop_all(f, Step::IdMap, EPERM);
    });
    let (stage, fails) = (Stage::IdMap, Verdict::Fails);
    check(&facts, stage, fails, "CAP_SETFCAP", "--cap-add SETFCAP");
}

#[test]
fn ubuntu_23_10_refuses_the_namespace_itself() {
    let facts = machine(|f| {
        f.policy.apparmor_restrict_userns = Some(1);
        stop_all(f, Step::Unshare, EACCES);
    });
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "AppArmor restricts user namespaces",
        "sysctl -w",
    );
}

#[test]
fn one_cause_is_reported_once() {
    let facts = machine(|f| stop_all(f, Step::Unshare, EPERM));
    let findings = diagnose(&facts, &Stage::PROBED);
    let failed = findings.iter().filter(|f| f.verdict == Verdict::Fails);
    assert_eq!(failed.count(), 1);
    let not_tried = findings.iter().filter(|f| f.verdict == Verdict::NotTried);
    assert_eq!(not_tried.count(), 6);
}

#[test]
fn a_limit_of_zero_user_namespaces_is_lifted_by_sysctl() {
    let facts = machine(|f| {
        f.policy.max_user_namespaces = Some(0);
        stop_all(f, Step::Unshare, ENOSPC);
    });
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "user.max_user_namespaces is 0",
        "sudo sysctl -w user.max_user_namespaces=15000",
    );
}

#[test]
fn debians_own_switch_is_named() {
    let facts = machine(|f| {
        f.policy.unprivileged_userns_clone = Some(0);
        stop_all(f, Step::Unshare, EPERM);
    });
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "unprivileged_userns_clone is 0",
        "sysctl -w kernel.unprivileged_userns_clone=1",
    );
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
fn dockers_seccomp_filter_is_named_and_lifted_on_the_host() {
    let facts = machine(|f| {
        in_docker(f);
        stop_all(f, Step::Unshare, EPERM);
    });
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "seccomp filter of the docker container",
        "docker run --security-opt seccomp=unconfined",
    );
}

#[test]
fn a_filter_that_kills_is_told_from_one_that_refuses() {
    let facts = machine(|f| {
        let killed = Outcome::Killed { signal: 31 };
        f.probes.insert(Stage::UserNamespace, killed);
    });
    let (stage, fails) = (Stage::UserNamespace, Verdict::Fails);
    check(
        &facts,
        stage,
        fails,
        "kills the process",
        "seccomp=unconfined",
    );
}

#[test]
fn a_masked_proc_is_found_when_the_filter_is_lifted() {
    let facts = machine(|f| {
        in_docker(f);
        stop(f, Stage::ProcMount, Step::ProcMount, EPERM, "/tmp");
    });
    check(
        &facts,
        Stage::ProcMount,
        Verdict::Fails,
        "/proc/kcore",
        "systempaths=unconfined",
    );
    let podman = machine(|f| {
        in_docker(f);
        f.machine.container = Some("podman".into());
        stop(f, Stage::ProcMount, Step::ProcMount, EPERM, "/tmp");
    });
    let (stage, fails) = (Stage::ProcMount, Verdict::Fails);
    check(&podman, stage, fails, "covered", "unmask=ALL");
}

#[test]
fn dockers_apparmor_profile_forbids_mounts() {
    let facts = machine(|f| {
        in_docker(f);
        f.policy.apparmor_profile = Some("docker-default (enforce)".into());
        stop(f, Stage::MountNamespace, Step::Mount, EACCES, "/");
    });
    check(
        &facts,
        Stage::MountNamespace,
        Verdict::Fails,
        "docker-default",
        "apparmor=unconfined",
    );
}

#[test]
fn a_read_only_cgroup_limits_and_does_not_forbid() {
    let facts = machine(|f| {
        in_docker(f);
        let own = "/sys/fs/cgroup";
        stop(f, Stage::Cgroup, Step::CgroupMake, EROFS, own);
    });
    check(
        &facts,
        Stage::Cgroup,
        Verdict::Limited,
        "read-only",
        "-v /sys/fs/cgroup:/sys/fs/cgroup:rw",
    );
    assert_eq!(runs(&facts)[2], Runs::Measured);
}

#[test]
fn a_login_session_gets_a_delegated_scope_from_systemd() {
    let facts = machine(|f| {
        let own = "/sys/fs/cgroup/user.slice/user-1000.slice/session-1.scope";
        stop(f, Stage::Cgroup, Step::CgroupMake, EACCES, own);
    });
    check(
        &facts,
        Stage::Cgroup,
        Verdict::Limited,
        "session-1.scope is not delegated",
        "systemd-run --user --scope -p Delegate=yes",
    );
}

#[test]
fn controllers_that_systemd_keeps_back_are_named() {
    let facts = machine(|f| {
        let detail = "v2, delegated: memory pids".into();
        f.probes.insert(Stage::Cgroup, Outcome::Works { detail });
    });
    check(
        &facts,
        Stage::Cgroup,
        Verdict::Limited,
        "not delegated to this user: cpu",
        "Delegate=cpu",
    );
    // `cpuset` is not `cpu`.
    let facts = machine(|f| {
        let detail = "v2, delegated: cpuset memory pids".into();
        f.probes.insert(Stage::Cgroup, Outcome::Works { detail });
    });
    check(&facts, Stage::Cgroup, Verdict::Limited, "cpu", "");
}

#[test]
fn an_ordinary_user_on_version_1_is_told_of_version_2() {
    let facts = machine(|f| {
        f.cgroup.mode = Mode::Hybrid;
        let own = "/sys/fs/cgroup/memory";
        stop(f, Stage::Cgroup, Step::CgroupMake, EACCES, own);
    });
    check(
        &facts,
        Stage::Cgroup,
        Verdict::Limited,
        "belongs to root",
        "systemd.unified_cgroup_hierarchy=1",
    );
}

#[test]
fn wsl_2_without_systemd_gets_it_in_wsl_conf() {
    let facts = machine(|f| {
        f.machine.wsl = Some(2);
        f.machine.systemd = false;
        stop(f, Stage::Cgroup, Step::CgroupMake, EACCES, "/sys/fs/cgroup");
    });
    let (stage, limited) = (Stage::Cgroup, Verdict::Limited);
    check(&facts, stage, limited, "without systemd", "/etc/wsl.conf");
    check(&facts, stage, limited, "", "wsl --shutdown");
}

#[test]
fn wsl_1_is_converted_by_the_name_it_has() {
    let facts = machine(|f| {
        f.machine.wsl = Some(1);
        f.machine.wsl_distribution = Some("Ubuntu-24.04".into());
        f.kvm = Kvm::default();
        stop_all(f, Step::Unshare, EINVAL);
    });
    let (stage, fails) = (Stage::UserNamespace, Verdict::Fails);
    check(
        &facts,
        stage,
        fails,
        "WSL 1",
        "wsl --set-version Ubuntu-24.04 2",
    );
}

#[test]
fn a_chroot_is_not_mistaken_for_a_policy() {
    let facts = machine(|f| {
        f.machine.chroot = true;
        stop_all(f, Step::Unshare, EPERM);
    });
    check(
        &facts,
        Stage::UserNamespace,
        Verdict::Fails,
        "chroot",
        "bwrap",
    );
}

#[test]
fn a_checkout_on_a_windows_drive_is_moved_home() {
    let facts = machine(|f| {
        f.machine.wsl = Some(2);
        f.places[0].path = "/mnt/c/Users/stu/isolab".into();
        f.places[0].fstype = "9p".into();
    });
    check(
        &facts,
        Stage::Files,
        Verdict::Limited,
        "Windows drive",
        "cp -r \"/mnt/c/Users/stu/isolab\" ~/isolab",
    );
}

#[test]
fn where_nothing_can_be_started_no_part_runs() {
    let mounted = |role: Role, option: &str| {
        machine(|f| {
            f.places[0].role = role;
            f.places[0].options = vec![option.into()];
        })
    };
    let stage = Stage::Files;
    let noexec = mounted(Role::Scratch, "noexec");
    check(&noexec, stage, Verdict::Fails, "noexec", "XDG_CACHE_HOME");
    assert_eq!(runs(&noexec)[..3], [Runs::No; 3]);
    let checkout = mounted(Role::Working, "noexec");
    check(&checkout, stage, Verdict::Limited, "cargo", "remount,exec");
    assert_eq!(runs(&checkout), [Runs::Measured; 4]);
    let full = machine(|f| f.scratch_error = Some("cannot write to /x: full".into()));
    check(
        &full,
        stage,
        Verdict::Fails,
        "cannot write to /x",
        "XDG_CACHE_HOME",
    );
}

#[test]
fn a_nosuid_file_system_spoils_nothing_since_no_program_gains_rights() {
    let facts = machine(|f| f.places[0].options = vec!["nosuid".into()]);
    check(&facts, Stage::Files, Verdict::Works, "", "");
}

#[test]
fn a_kvm_that_another_group_may_open_is_a_matter_of_membership() {
    let facts = machine(|f| f.kvm.open_errno = EACCES);
    check(
        &facts,
        Stage::Kvm,
        Verdict::Limited,
        "the group kvm",
        "sudo usermod -aG kvm \"$USER\"",
    );
    assert_eq!(runs(&facts)[3], Runs::Emulated);
    let rootly = machine(|f| {
        f.kvm.open_errno = EACCES;
        f.kvm.group = None;
    });
    check(
        &rootly,
        Stage::Kvm,
        Verdict::Limited,
        "only root",
        "chgrp kvm",
    );
}

#[test]
fn a_kvm_that_opens_and_runs_no_guest_is_not_called_usable() {
    let facts = machine(|f| {
        f.machine.hypervisor = Some("kvm".into());
        f.kvm.runs = Found::Missing {
            why: "the guest did not reach its init".into(),
        };
    });
    check(
        &facts,
        Stage::Kvm,
        Verdict::Limited,
        "did not reach its init",
        "parameters/nested",
    );
    assert_eq!(runs(&facts)[3], Runs::Emulated);
}

#[test]
fn the_way_to_a_missing_kvm_depends_on_what_is_below() {
    let without = |change: fn(&mut Machine)| {
        machine(|f| {
            f.kvm = Kvm::default();
            change(&mut f.machine);
        })
    };
    let (stage, limited) = (Stage::Kvm, Verdict::Limited);
    let docker = without(|m| m.container = Some("docker".into()));
    check(&docker, stage, limited, "docker", "--device /dev/kvm");
    let wsl = without(|m| m.wsl = Some(2));
    check(&wsl, stage, limited, "WSL", "nestedVirtualization=true");
    let guest = without(|m| m.hypervisor = Some("vmware".into()));
    check(&guest, stage, limited, "vmware", "modprobe");
    check(&without(|_| {}), stage, limited, "firmware", "modprobe");
}

#[test]
fn without_an_emulator_or_a_kernel_the_vm_is_modelled() {
    let missing = || Found::Missing {
        why: "not here".into(),
    };
    let no_qemu = machine(|f| f.qemu = missing());
    let install = "sudo apt-get install -y qemu-system-";
    check(&no_qemu, Stage::Qemu, Verdict::Fails, "not here", install);
    assert_eq!(runs(&no_qemu)[3], Runs::Modelled);
    let no_kernel = machine(|f| f.guest_kernel = missing());
    let fetch = "isolab vm kernel";
    check(
        &no_kernel,
        Stage::GuestKernel,
        Verdict::Fails,
        "not here",
        fetch,
    );
    assert_eq!(runs(&no_kernel)[3], Runs::Modelled);
}

#[test]
fn packages_go_by_the_distributions_names_and_root_needs_no_sudo() {
    let install = |distribution: &str| {
        let facts = machine(|f| {
            f.machine.distribution = distribution.into();
            f.machine.root = true;
            f.python = Found::Missing { why: "none".into() };
        });
        diagnose(&facts, &[Stage::Python])[0].remedies[0].commands[0].clone()
    };
    assert_eq!(install("fedora"), "dnf install -y python3");
    assert_eq!(install("arch"), "pacman -S --needed python");
    assert_eq!(install("alpine"), "apk add python3");
    assert_eq!(
        install("ubuntu debian"),
        "apt-get install -y python3 python3-venv"
    );
}

#[test]
fn without_python_the_other_parts_run() {
    let facts = machine(|f| f.python = Found::Missing { why: "none".into() });
    assert_eq!(
        runs(&facts),
        [Runs::Measured, Runs::No, Runs::Measured, Runs::Measured]
    );
}

#[test]
fn what_builds_the_lab_is_not_needed_to_run_it() {
    let no_cc = machine(|f| f.toolchain.cc = None);
    let (stage, limited) = (Stage::Toolchain, Verdict::Limited);
    check(
        &no_cc,
        stage,
        limited,
        "no C linker",
        "apt-get install -y gcc",
    );
    let old = machine(|f| f.toolchain.cargo = Some("1.75.0".into()));
    check(&old, stage, limited, "1.91 or later", "rustup update");
    let none = machine(|f| f.toolchain.cargo = None);
    check(&none, stage, limited, "no cargo", "rustup.rs");
    assert_eq!(runs(&no_cc), [Runs::Measured; 4]);
}

#[test]
fn a_runtime_that_is_refused_where_every_stage_works_says_why_itself() {
    let facts = machine(|f| {
        let said = "cannot mount sysfs at /sys: EPERM\nallow it";
        stop(f, Stage::Container, Step::RunContainer, 0, said);
    });
    check(&facts, Stage::Container, Verdict::Fails, "mount sysfs", "");
    assert_eq!(runs(&facts)[2], Runs::No);
}

#[test]
fn an_old_kernel_copies_where_a_new_one_stacks() {
    let facts = machine(|f| {
        f.machine.kernel = "5.4.0".into();
        stop(f, Stage::Overlay, Step::OverlayMount, EPERM, "");
    });
    check(&facts, Stage::Overlay, Verdict::Fails, "5.11", "");
    assert_eq!(runs(&facts)[2], Runs::Measured);
}

#[test]
fn every_failure_of_a_needed_stage_comes_with_a_remedy() {
    for stage in Stage::PROBED {
        for step in [Step::Unshare, Step::Capability, Step::IdMap, Step::Mount] {
            for errno in [EPERM, EACCES] {
                let facts = machine(|f| stop_all(f, step, errno));
                let finding = &diagnose(&facts, &[stage])[0];
                assert!(
                    finding.verdict != Verdict::Fails || !finding.remedies.is_empty(),
                    "{finding:?}"
                );
            }
        }
    }
}
