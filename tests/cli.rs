//! What the command line does with bad input, and on machines that lack things:
//! a plain message with its remedy, nothing overwritten, and the rest goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        // Kernels are fetched into the user's data; reports are kept there too,
        // and those of tests are nobody's.
        let data = home.path().join("data/isolab");
        fs::create_dir_all(&data).unwrap();
        if let Some(kernels) = vm_model::kernel::store() {
            std::os::unix::fs::symlink(kernels, data.join("kernels")).unwrap();
        }
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// `isolab` with caches, data and scratch space of its own.
    fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("NO_COLOR", "1");
        command
    }

    /// The shortest comparison that there is.
    fn shortest(&self, further: &[&str]) -> Command {
        let mut command = self.isolab(&["compare", "--quick", "--runs", "2"]);
        command.args(["--workload", "true"]).args(further);
        command
    }

    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.isolab(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed a result all the same"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    fn report(&self, command: &mut Command) -> Value {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn says(message: &str, all: &[&str]) {
    for part in all {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

#[test]
fn an_unknown_subject_or_workload_is_answered_with_the_known_ones() {
    let home = Home::new();
    let message = home.fails(&["compare", "--subjects", "process,unikernel"]);
    says(
        &message,
        &["unikernel", "process", "venv", "container", "vm"],
    );
    let message = home.fails(&["compare", "--workload", "ruby"]);
    says(&message, &["ruby", "true", "python"]);
}

#[test]
fn zero_runs_are_refused() {
    says(
        &Home::new().fails(&["compare", "--runs", "0"]),
        &["--runs", "1..="],
    );
}

#[test]
fn an_output_that_cannot_be_written_is_refused_before_anything_is_measured() {
    let home = Home::new();
    says(
        &home.fails(&["compare", "-o", "report.pdf"]),
        &["report.pdf", ".html"],
    );
    says(
        &home.fails(&["compare", "-o", "no/such/folder/r.json"]),
        &["no/such/folder"],
    );
    let kept = home.path().join("kept.json");
    fs::create_dir(&kept).unwrap();
    says(&home.fails(&["compare", "-o", "kept.json"]), &["kept.json"]);
    assert!(kept.is_dir());
}

#[test]
fn a_damaged_report_is_refused_and_nothing_is_overwritten() {
    let home = Home::new();
    let page = home.path().join("page.html");
    fs::write(&page, "what was here before").unwrap();
    let cases: [(&str, &str, &str); 4] = [
        ("empty.json", "", "too early"),
        (
            "cut.json",
            "{\"schema\": \"isolab.report/1\", \"created\"",
            "too early",
        ),
        (
            "other.json",
            "{\"schema\": \"somebody.else/9\"}",
            "somebody.else/9",
        ),
        ("words.json", "hello", "not JSON"),
    ];
    for (name, content, expected) in cases {
        fs::write(home.path().join(name), content).unwrap();
        says(
            &home.fails(&["report", name, "-o", "page.html"]),
            &[name, expected],
        );
    }
    says(&home.fails(&["report", "absent.json"]), &["absent.json"]);
    assert_eq!(fs::read_to_string(&page).unwrap(), "what was here before");
}

#[test]
fn a_report_is_redrawn_as_it_was_drawn() {
    let home = Home::new();
    let first = home
        .shortest(&["--subjects", "process", "-o", "saved.json"])
        .output()
        .unwrap();
    assert!(first.status.success(), "{}", text(&first));
    let again = home.isolab(&["report", "saved.json"]).output().unwrap();
    assert_eq!(
        String::from_utf8(again.stdout),
        String::from_utf8(first.stdout)
    );
}

/// What a full disk does to standard output must not cost the files.
#[test]
fn files_are_written_even_if_nothing_can_be_printed() {
    let home = Home::new();
    let mut command = home.shortest(&["--subjects", "process", "-o", "kept.json"]);
    command.stdout(
        fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap(),
    );
    let output = command.output().unwrap();
    assert!(!output.status.success());
    says(&text(&output), &["standard output"]);
    let again = home.isolab(&["report", "kept.json"]).output().unwrap();
    assert!(again.status.success(), "{}", text(&again));
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let home = Home::new();
    for verb in [
        ["venv", "create", "made"].as_slice(),
        &["completions", "bash"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = home.isolab(verb).stdout(writer).output().unwrap();
        assert!(output.status.success(), "{verb:?}: {}", text(&output));
    }
}

#[test]
fn an_output_that_was_private_or_a_link_stays_so() {
    let home = Home::new();
    let target = home.path().join("target.json");
    fs::write(&target, "").unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("target.json", home.path().join("link.json")).unwrap();
    let mut command = home.shortest(&["--subjects", "process", "-o", "link.json"]);
    assert!(command.output().unwrap().status.success());
    assert!(home.path().join("link.json").is_symlink());
    assert_eq!(
        fs::metadata(&target).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(fs::metadata(&target).unwrap().len() > 0);
}

/// A stand-in for QEMU whose last words would move a terminal's cursor: they get
/// into the report, and the report is still one that can be read.
#[test]
fn what_a_failing_guest_says_is_made_safe_and_the_report_is_written() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = bin.join("qemu-system-x86_64");
    let script = "#!/bin/sh\n\
        [ \"$1\" = --version ] && { echo 'QEMU emulator version 7.2.0'; exit 0; }\n\
        printf 'no\\033[2Jluck\\tat all\\n' >&2\nexit 1\n";
    fs::write(&fake, script).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = home.shortest(&["--subjects", "vm", "-o", "r.json"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let text = fs::read_to_string(home.path().join("r.json")).unwrap();
    assert!(!text.contains("\\u001b"), "an escape sequence got through");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["missing"][0]["subject"], "vm");
}

/// A PATH with nothing on it: no Python, no QEMU.
#[test]
fn without_python_and_qemu_the_rest_is_compared_and_the_vm_is_modelled() {
    let home = Home::new();
    let mut command = home.isolab(&["compare", "--quick", "--runs", "2", "--json"]);
    command
        .env("PATH", home.path())
        .env("HOME", home.path())
        .env_remove("PYENV_ROOT");
    let report = home.report(&mut command);
    let observations = report["observations"].as_array().unwrap();
    let kinds = |subject: &str| -> Vec<&str> {
        let of_subject = observations
            .iter()
            .filter(|seen| seen["subject"] == subject);
        of_subject
            .map(|seen| seen["evidence"]["kind"].as_str().unwrap())
            .collect()
    };
    assert!(kinds("process").contains(&"measured"));
    assert!(!kinds("vm").is_empty() && kinds("vm").iter().all(|kind| *kind == "modelled"));
    let missing = report["missing"].as_array().unwrap();
    let lacks = |subject: &str, workload: &str| {
        missing
            .iter()
            .any(|m| m["subject"] == subject && m["workload"] == workload)
    };
    assert!(lacks("vm", "true"), "{missing:?}");
    // Interpreters are also found outside PATH, where distributions put them.
    assert!(
        lacks("process", "python") || kinds("venv").contains(&"measured"),
        "{missing:?}"
    );
}

#[test]
fn an_interpreter_that_does_not_run_leaves_the_rest_to_be_compared() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = bin.join("python3");
    fs::write(&fake, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let arguments = [
        "compare",
        "--quick",
        "--runs",
        "2",
        "--subjects",
        "venv",
        "--json",
    ];
    let mut command = home.isolab(&arguments);
    command
        .env("PATH", &bin)
        .env_remove("PYENV_ROOT")
        .env("HOME", home.path());
    let report = home.report(&mut command);
    assert_eq!(report["schema"], "isolab.report/1");
    assert!(
        report["observations"]
            .as_array()
            .unwrap()
            .iter()
            .any(|o| o["workload"] == "true")
    );
}

/// The Library really serves, and each of the three has the same books.
#[test]
fn the_library_answers_as_a_process_in_an_environment_and_in_a_container() {
    let home = Home::new();
    let mut command = home.isolab(&["compare", "--quick", "--runs", "1", "--json"]);
    command.args(["--workload", "library"]);
    command.args(["--subjects", "process,venv,container"]);
    // Its packages are in the user's store, where they were once had.
    command.env_remove("XDG_CACHE_HOME");
    // A database of the user's is left alone: it is not there, and nothing fails.
    command.env("DATABASE_URL", "postgres://nobody@127.0.0.1:9/none");
    let report = home.report(&mut command);
    let missing = report["missing"].to_string();
    if missing.contains("packages cannot be had") {
        eprintln!("skipped: {missing}");
        return;
    }
    assert_eq!(missing, "[]");
    let observations = report["observations"].as_array().unwrap();
    for subject in ["process", "venv", "container"] {
        for metric in ["startup", "teardown", "disk", "memory"] {
            let seen = observations
                .iter()
                .any(|seen| seen["subject"] == subject && seen["metric"] == metric);
            assert!(seen, "no {metric} of the {subject}: {observations:?}");
        }
    }
}

#[test]
fn an_index_without_the_librarys_packages_is_named_with_the_remedy() {
    let home = Home::new();
    let mut command = home.isolab(&["compare", "--quick", "--runs", "1", "--json"]);
    command.args(["--workload", "true,library"]);
    command.args(["--subjects", "process,venv"]);
    command.env("PIP_NO_INDEX", "1");
    let report = home.report(&mut command);
    let missing = report["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 2, "{missing:?}");
    says(
        &missing[0].to_string(),
        &["packages cannot be had", "connect to the network once"],
    );
}

#[test]
fn every_verb_has_help_with_what_it_does() {
    let home = Home::new();
    for verb in [
        "compare",
        "report",
        "class",
        "explain",
        "predict",
        "reveal",
        "doctor",
        "claims",
        "matrix",
        "venv",
        "vm",
        "model",
        "system",
        "demo",
        "completions",
        "man",
    ] {
        let output = home.isolab(&[verb, "--help"]).output().unwrap();
        assert!(output.status.success(), "{verb}");
        assert!(output.stdout.len() > 100, "{verb}");
    }
}

#[test]
fn the_verbs_of_environments_are_in_help_completions_and_manual() {
    let home = Home::new();
    let said = |arguments: &[&str]| {
        let output = home.isolab(arguments).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let verbs = [
        "create",
        "install",
        "uninstall",
        "sync",
        "download",
        "cache",
        "list",
        "freeze",
        "show",
        "check",
        "tree",
        "which",
        "du",
    ];
    let help = said(&["venv", "--help"]);
    let script = said(&["completions", "bash"]);
    home.isolab(&["man", "man1"]).output().unwrap();
    for verb in verbs {
        assert!(help.contains(&format!("\n  {verb} ")), "{verb} in {help}");
        assert!(
            script.contains(&format!("isolab__venv__{verb}")) || script.contains(verb),
            "{verb}"
        );
        assert!(
            home.path()
                .join(format!("man1/isolab-venv-{verb}.1"))
                .is_file(),
            "{verb}"
        );
    }
    // What ends with 1, and when, is told where it is not plain.
    for verb in ["check", "install", "uninstall", "show"] {
        says(&said(&["venv", verb, "--help"]), &["xits with"]);
    }
}

#[test]
fn an_environment_that_is_not_there_is_answered_with_how_to_get_one() {
    let home = Home::new();
    for verb in ["list", "freeze", "check", "tree", "which", "du"] {
        let mut command = home.isolab(&["venv", verb]);
        let output = command.env_remove("VIRTUAL_ENV").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb}");
        says(&text(&output), &["none is active", "isolab venv create"]);
    }
    says(
        &home.fails(&["doctor", "vm", "somewhere"]),
        &["doctor venv DIR"],
    );
}
