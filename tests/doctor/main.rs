//! The doctor on real machines, sick ones among them: each test makes its
//! sickness around the program, and asks whether it is recognized.
//!
//! The test binary stands in for `isolab`: the doctor runs its own executable
//! again for each probe, so whatever calls it must dispatch `__probe`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, ExitCode, Output};

use clap::Parser as _;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

mod answers;
mod sickness;
mod smallest_guest;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    doctor: isolab::doctor::Args,
}

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().collect();
    match typed.get(1).map(String::as_str) {
        Some("__probe") => isolab::doctor::probe(typed.get(2).map_or("", String::as_str)),
        Some("doctor") => isolab::doctor::run(&Cli::parse_from(&typed[1..]).doctor)
            .expect("standard output can be written"),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

type Tested = Result<(), Failed>;

fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    let bwrap = works("bwrap", &["--dev-bind", "/", "/", "true"]);
    let userns = works("unshare", &["--user", "--map-root-user", "true"]);
    let runc = works("runc", &["--version"]);
    let needs = |name: &str, missing: Option<&str>, test: fn() -> Tested| match missing {
        None => Trial::test(name, test),
        Some(what) => Trial::test(format!("{name} (needs {what})"), test).with_ignored_flag(true),
    };
    let without = |there: bool, what| (!there).then_some(what);
    let kvm = smallest_guest::opens();
    let nested = smallest_guest::nested();
    vec![
        needs(
            "the_smallest_guest_says_hello_and_its_exits_are_counted",
            without(kvm, "/dev/kvm"),
            smallest_guest::says_hello_and_its_exits_are_counted,
        ),
        needs(
            "of_kvm_the_doctor_believes_what_was_executed",
            without(kvm, "/dev/kvm"),
            smallest_guest::the_doctor_believes_what_was_executed,
        ),
        needs(
            "a_smallest_guest_that_hangs_is_killed_in_time",
            without(kvm, "/dev/kvm"),
            smallest_guest::one_that_hangs_is_killed_in_time,
        ),
        needs(
            "the_smallest_guest_runs_where_a_processor_executes_it",
            nested.as_ref().err().map(String::as_str),
            smallest_guest::one_runs_where_a_processor_executes_it,
        ),
        Trial::test(
            "a_page_fits_80_columns_and_ends_within_5_seconds",
            answers::page_fits,
        ),
        Trial::test(
            "plain_output_is_ascii_and_colourless",
            answers::plain_output,
        ),
        Trial::test("json_holds_every_stage_in_order", answers::json_in_order),
        Trial::test(
            "what_a_student_sends_names_no_user",
            answers::json_names_no_home,
        ),
        Trial::test("a_focus_examines_no_more_than_it_needs", answers::focus),
        Trial::test(
            "without_a_path_guests_are_missed_and_containers_run",
            answers::empty_path,
        ),
        Trial::test("an_unknown_probe_is_refused", answers::unknown_probe),
        Trial::test("no_cgroup_is_left_behind", answers::no_cgroup_left),
        needs(
            "a_limit_of_zero_user_namespaces_is_recognized",
            without(userns, "user namespaces"),
            sickness::max_user_namespaces,
        ),
        needs(
            "a_masked_proc_is_recognized",
            without(bwrap, "bwrap"),
            sickness::masked_proc,
        ),
        needs(
            "a_filter_that_refuses_unshare_is_recognized",
            without(bwrap, "bwrap"),
            || sickness::filtered(0x0005_0001, "forbids unshare"),
        ),
        needs(
            "a_filter_that_kills_is_recognized",
            without(bwrap, "bwrap"),
            || sickness::filtered(0x8000_0000, "kills the process"),
        ),
        needs(
            "a_read_only_cgroup_is_recognized",
            without(bwrap, "bwrap"),
            sickness::read_only_cgroup,
        ),
        needs(
            "a_noexec_scratch_directory_is_recognized",
            without(userns, "user namespaces"),
            sickness::noexec_scratch,
        ),
        needs(
            "root_without_setfcap_is_recognized_in_a_container_of_runc",
            without(root && runc, "root and runc"),
            || sickness::in_runc(&[], "id-map", "CAP_SETFCAP"),
        ),
        needs(
            "the_masks_of_a_container_of_runc_are_recognized",
            without(root && runc, "root and runc"),
            || sickness::in_runc(&["CAP_SETFCAP"], "proc-mount", "covered"),
        ),
        needs(
            "an_ordinary_user_is_answered_like_root",
            without(root, "root, to become another user"),
            sickness::ordinary_user,
        ),
    ]
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|o| o.status.success())
}

/// This program, where every user can run it.
struct Shared(tempfile::TempDir);

impl Shared {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let everyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), everyone).expect("chmod");
        let own = std::env::current_exe().expect("our own path");
        let copy = directory.path().join("isolab");
        // A link is as good and costs nothing, where the file system is one.
        if fs::hard_link(&own, &copy).is_err() {
            fs::copy(&own, &copy).expect("a copy");
        }
        Self(directory)
    }

    fn program(&self) -> String {
        self.0.path().join("isolab").display().to_string()
    }
}

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("doctor").args(arguments);
    command
}

/// The doctor in JSON, run inside of a sandbox that `wrapper` makes.
fn within(wrapper: &str, arguments: &[&str]) -> Result<(Value, Option<i32>), Failed> {
    let shared = Shared::new();
    let mut command = Command::new(wrapper);
    command.args(arguments);
    command.args([&shared.program(), "doctor", "container", "--json"]);
    let output = command.output()?;
    Ok((json(&output)?, output.status.code()))
}

fn json(output: &Output) -> Result<Value, Failed> {
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        Failed::from(format!("{error}: {said}"))
    })
}

fn finding<'a>(found: &'a Value, stage: &str) -> &'a Value {
    let findings = found["findings"].as_array().expect("findings");
    let named = findings.iter().find(|f| f["stage"] == stage);
    named.unwrap_or(&Value::Null)
}

/// Fails unless the stage stands at the verdict for a cause that holds `cause`.
fn check(found: &Value, stage: &str, verdict: &str, cause: &str) -> Tested {
    let finding = finding(found, stage);
    let said = finding["cause"].as_str().unwrap_or_default();
    if finding["verdict"] == verdict && said.contains(cause) {
        return Ok(());
    }
    Err(format!("expected {verdict} by `{cause}`, got {finding:#}").into())
}

fn container_runs(found: &Value) -> bool {
    let parts = found["parts"].as_array().expect("parts");
    parts
        .iter()
        .any(|p| p["subject"] == "container" && p["runs"] == "measured")
}
