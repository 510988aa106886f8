//! The `isorun` command as it is typed.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use crate::Claim;
use crate::support::{Place, containers, name, nothing, process};

pub(crate) const CLAIMS: &[Claim] = &[
    ("the_version_has_runcs_three_lines", nothing, version),
    (
        "spec_writes_a_bundle_that_runs_and_never_overwrites",
        containers,
        spec,
    ),
    ("the_exit_status_is_the_containers", containers, exit_status),
    (
        "a_signal_sent_to_isorun_reaches_the_container",
        containers,
        forwarded,
    ),
    (
        "what_the_caller_ignores_the_container_does_not",
        containers,
        ignored,
    ),
    (
        "a_container_that_ends_at_once_is_noticed",
        containers,
        fast_exit,
    ),
    ("an_error_is_one_line_and_a_hint", nothing, errors),
];

fn isorun(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isorun"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn version() {
    let output = text(&isorun(&["--version"]).stdout);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 3, "{output}");
    assert!(lines[0].starts_with("isorun version "), "{output}");
    assert!(lines[1].starts_with("commit: "), "{output}");
    assert!(lines[2].starts_with("spec: 1."), "{output}");
}

fn spec() {
    let place = Place::new();
    let bundle = place.path().to_str().unwrap();
    let rootless = isolab_oci::sys::process::effective_ids().0 != 0;
    let arguments: &[&str] = if rootless {
        &["spec", "-b", bundle, "--rootless"]
    } else {
        &["spec", "-b", bundle]
    };
    assert!(isorun(arguments).status.success());
    let again = isorun(arguments);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("exists"), "{again:?}");

    let config = place.path().join("config.json");
    let written = std::fs::read_to_string(&config).unwrap();
    let written = written.replace("\"terminal\": true", "\"terminal\": false");
    std::fs::write(&config, written).unwrap();
    let run = isorun(&["run", &name(), "--bundle", bundle]);
    assert!(run.status.success(), "{run:?}"); // a shell that reads end of file
}

fn exit_status() {
    let place = Place::new();
    let bundle = place.path().to_str().unwrap().to_owned();
    for (script, code) in [
        ("exit 0", 0),
        ("exit 42", 42),
        ("sh -c 'kill -9 $$'; exit $?", 137),
    ] {
        place.write(&place.spec(script));
        assert_eq!(
            isorun(&["run", "-b", &bundle, &name()]).status.code(),
            Some(code),
            "{script}"
        );
    }
}

fn forwarded() {
    let place = Place::new();
    place.write(&place.spec("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done"));
    let mut runtime = Command::new(env!("CARGO_BIN_EXE_isorun"))
        .args(["run", "-b", place.path().to_str().unwrap(), &name()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(runtime.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid = runtime.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(runtime.wait().unwrap().code(), Some(9));
}

/// As under `nohup`, or in a script's background.
fn ignored() {
    let place = Place::new();
    let mut spec = place.spec("");
    // No shell: one of its own sets what it ignores.
    process(&mut spec).args = ["grep", "SigIgn", "/proc/self/status"]
        .map(str::to_owned)
        .to_vec();
    place.write(&spec);
    let output = Command::new("env")
        .args([
            "--ignore-signal=HUP,INT,RTMIN",
            env!("CARGO_BIN_EXE_isorun"),
        ])
        .args(["run", "-b", place.path().to_str().unwrap(), &name()])
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "SigIgn:\t0000000000000000\n");
}

fn fast_exit() {
    let place = Place::new();
    place.write(&place.spec("exit 3"));
    for _ in 0..30 {
        let run = isorun(&["run", "-b", place.path().to_str().unwrap(), &name()]);
        assert_eq!(run.status.code(), Some(3));
    }
}

fn errors() {
    for (arguments, word) in [
        (
            &["run", "-b", "/nonexistent", "x"][..],
            "/nonexistent/config.json: no such file",
        ),
        (&["run", "a/b"], "config.json"),
        (&["fly"], "fly"),
    ] {
        let output = isorun(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(said.starts_with("error: ") && said.contains(word), "{said}");
        assert!(
            said.lines()
                .nth(1)
                .is_some_and(|l| l.starts_with(" hint: ")),
            "{said}"
        );
    }
}
