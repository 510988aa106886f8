//! What comes from inside is not trusted, and what is typed is answered plainly.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::lab::{Lab, missing, parsed};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_runtime_that_lies_is_missing_and_the_rest_goes_on", lies),
        trial("without_anything_installed_there_is_still_a_matrix", alone),
        trial("an_unknown_cell_is_answered_with_the_known_ones", unknown),
        trial("a_place_that_is_missing_is_explained_and_fails", absent),
        trial("an_output_that_is_not_json_is_refused_first", output),
        trial("a_damaged_request_is_refused", request),
    ]
}

/// `isolab matrix` with a `runc` of that script as the only program to be found.
fn with_runc(script: &str) -> Value {
    let lab = Lab::new();
    let bin = lab.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = bin.join("runc");
    fs::write(&fake, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = lab.isolab(&["matrix", "--json", "--places", "process,runc"]);
    command.env("PATH", &bin).env("HOME", lab.path());
    let output = command.env_remove("PYENV_ROOT").output().unwrap();
    assert!(output.status.success());
    parsed(&output)
}

fn lies() {
    for (script, expected) in [
        ("exit 0", "no answer"),
        ("printf 'no\\033[2Jluck\\n' >&2; exit 1", "luck"),
        ("echo 'isolab-inside []'", "something else"),
        ("printf 'isolab-inside {\\033]0;x'", "cannot be read"),
        (
            "while :; do echo isolab-inside; done | /usr/bin/head -c 99999",
            "more than",
        ),
        (
            "echo 'isolab-inside [{\"attempt\":\"boot-id\",\"call\":\"\",\"said\":{\"yes\":\"x\"},\"more\":1}]'",
            "cannot be read",
        ),
    ] {
        let matrix = with_runc(script);
        let why = missing(&matrix, "runc").unwrap();
        assert!(why.contains(expected), "{script}: {why}");
        assert!(!why.contains(|c: char| c.is_control()), "{why:?}");
        assert_eq!(matrix["columns"].as_array().unwrap().len(), 1);
    }
}

fn alone() {
    let lab = Lab::new();
    let mut command = lab.isolab(&["matrix", "--places", "process,docker,podman,vm"]);
    command
        .env("PATH", lab.path())
        .env("HOME", lab.path())
        .env_remove("PYENV_ROOT");
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in [
        "processes    HOST",
        "podman: not asked",
        "docker: not asked",
        "vm: not asked",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

fn fails(arguments: &[&str]) -> String {
    let output = Lab::new().isolab(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    String::from_utf8(output.stderr).unwrap()
}

fn unknown() {
    for name in [
        "network",
        "network/moon",
        "weather/container",
        "\u{1b}[2J/vm",
    ] {
        let message = fails(&["matrix", "explain", name]);
        for part in ["there is no cell", "libraries", "bwrap"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
    let message = fails(&["matrix", "--places", "moon"]);
    assert!(message.contains("container"), "{message}");
}

fn absent() {
    let lab = Lab::new();
    let mut command = lab.isolab(&["matrix", "explain", "network/podman"]);
    let output = command.env("PATH", lab.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // Root's directories are searched too, and podman lies in none of them.
    assert!(!output.status.success(), "{text}");
    for part in [
        "not installed",
        "apt install podman",
        "network_namespaces(7)",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

fn output() {
    let message = fails(&["matrix", "--places", "process", "-o", "matrix.html"]);
    assert!(message.contains("matrix.html"), "{message}");
    let message = fails(&["matrix", "--places", "process", "-o", "no/such/m.json"]);
    assert!(message.contains("no/such"), "{message}");
}

fn request() {
    let lab = Lab::new();
    let path = lab.path().join("request.json");
    for text in [
        "",
        "{}",
        "[]",
        "{\"attempts\":[\"reboot\"]}",
        &"x".repeat(1 << 17),
    ] {
        fs::write(&path, text).unwrap();
        let message = fails(&["__inside", path.to_str().unwrap()]);
        assert!(message.contains("request.json"), "{message}");
    }
}
