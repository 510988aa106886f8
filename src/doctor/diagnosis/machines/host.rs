//! Machines with the wrong file systems, or without an interpreter or a compiler.

use super::*;

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
fn a_scratch_directory_that_is_nearly_full_is_told_before_a_run_fills_it() {
    let with = |role: Role, free_bytes: Option<u64>| {
        machine(|f| {
            f.places[0].role = role;
            f.places[0].free_bytes = free_bytes;
        })
    };
    let stage = Stage::Files;
    let full = with(Role::Scratch, Some(120_000_000));
    check(
        &full,
        stage,
        Verdict::Limited,
        "nearly full",
        "XDG_CACHE_HOME",
    );
    check(
        &with(Role::Scratch, Some(600_000_000)),
        stage,
        Verdict::Works,
        "",
        "",
    );
    check(&with(Role::Scratch, None), stage, Verdict::Works, "", "");
    check(&with(Role::Working, Some(0)), stage, Verdict::Works, "", "");
}

#[test]
fn a_nosuid_file_system_spoils_nothing_since_no_program_gains_rights() {
    let facts = machine(|f| f.places[0].options = vec!["nosuid".into()]);
    check(&facts, Stage::Files, Verdict::Works, "", "");
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
