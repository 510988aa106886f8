//! Machines that refuse namespaces, or what makes them useful.

use super::*;

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
