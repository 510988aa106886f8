//! Machines on which nobody hands over a cgroup, or not all of it.

use super::*;

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
