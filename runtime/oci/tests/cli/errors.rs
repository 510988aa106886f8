//! Failures: their statuses, the words that engines look for, and the log.

use std::fs;

use serde_json::Value;

use crate::runtime::{Place, Runtime, text};
use crate::{ALL, Claim, NOT_CRUN, OURS};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_missing_container_does_not_exist", ALL, missing),
    (
        "a_missing_container_does_not_exist_in_these_words",
        NOT_CRUN,
        missing_words,
    ),
    (
        "delete_force_of_a_missing_container_succeeds",
        ALL,
        delete_force,
    ),
    ("a_missing_program_is_not_found", ALL, no_program),
    ("a_program_without_permission_is_denied", ALL, no_permission),
    ("a_failed_create_leaves_nothing", ALL, leaves_nothing),
    ("a_missing_bundle_is_no_such_file", ALL, no_bundle),
    ("a_broken_config_is_refused", ALL, broken_config),
    ("a_path_is_no_id", ALL, bad_id),
    ("an_unknown_command_or_option_is_refused", ALL, unknown),
    ("an_unknown_format_is_refused", ALL, format),
    (
        "every_command_refuses_a_wrong_word_of_a_global_option",
        OURS,
        words,
    ),
    (
        "contradictory_options_are_refused_by_name",
        OURS,
        contradictions,
    ),
    ("the_json_log_has_level_msg_and_time", ALL, json_log),
    ("the_text_log_is_logfmt", NOT_CRUN, text_log),
    ("the_log_is_appended_to", NOT_CRUN, appended),
    (
        "an_error_on_the_terminal_is_one_line_and_a_hint",
        OURS,
        one_line,
    ),
    (
        "checkpoint_and_restore_are_refused_by_name",
        OURS,
        checkpoint,
    ),
];

fn missing(runtime: &Runtime) {
    let place = Place::new(runtime);
    for verb in ["state", "start", "kill", "delete", "pause", "resume"] {
        let said = place.fails(1, &[verb, "ID"]);
        // Podman looks for either.
        assert!(
            said.contains("does not exist") || said.contains("no such file"),
            "{said}"
        );
    }
}

fn missing_words(runtime: &Runtime) {
    let place = Place::new(runtime);
    for verb in ["state", "start", "kill", "delete", "pause", "resume", "ps"] {
        let said = place.fails(1, &[verb, "ID"]);
        assert!(said.contains("does not exist"), "{verb}: {said}");
    }
    let said = place.fails(1, &["events", "--stats", "ID"]);
    assert!(said.contains("does not exist"), "{said}");
    let said = place.fails(1, &["update", "--pids-limit", "5", "ID"]);
    assert!(said.contains("does not exist"), "{said}");
    let said = place.fails(255, &["exec", "ID", "true"]);
    assert!(said.contains("does not exist"), "{said}");
}

fn delete_force(runtime: &Runtime) {
    let place = Place::new(runtime);
    assert_eq!(place.ok(&["delete", "--force", "ID"]), "");
}

fn no_program(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["fly"], |_| {});
    for verb in ["create", "run"] {
        let said = place.fails(1, &[verb, "ID"]);
        assert!(
            said.contains("fly") && said.contains("executable file"),
            "{said}"
        );
        assert!(said.contains("not found in $path"), "{said}");
    }
    place.config(&["/bin/fly"], |_| {});
    let said = place.fails(1, &["run", "ID"]);
    assert!(said.contains("no such file or directory"), "{said}");
}

fn no_permission(runtime: &Runtime) {
    let place = Place::new(runtime);
    fs::write(place.path().join("rootfs/etc/text"), "no program").unwrap();
    // A directory too, which whoever may search it seems to be allowed to execute.
    for program in ["/etc/text", "/etc"] {
        place.config(&[program], |_| {});
        for verb in ["create", "run"] {
            let said = place.fails(1, &[verb, "ID"]);
            // Docker and Podman make 126 of these words.
            assert!(
                said.contains("permission denied") || said.contains("not permitted"),
                "{said}"
            );
        }
    }
}

fn leaves_nothing(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["fly"], |_| {});
    place.fails(1, &["create", "ID"]);
    place.fails(1, &["state", "ID"]);
    assert_eq!(place.ok(&["list", "-q"]), "");
}

fn no_bundle(runtime: &Runtime) {
    let place = Place::new(runtime);
    let said = place.fails(1, &["create", "--bundle", "/nonexistent", "ID"]);
    assert!(said.contains("/nonexistent"), "{said}");
    assert!(said.contains("no such file or directory"), "{said}");
}

fn broken_config(runtime: &Runtime) {
    let place = Place::new(runtime);
    for content in ["{", "", "[]", "{\"ociVersion\": 5}"] {
        fs::write(place.file("config.json"), content).unwrap();
        place.fails(1, &["run", "ID"]);
    }
}

fn bad_id(runtime: &Runtime) {
    let place = Place::new(runtime);
    for id in ["a/b", "../x"] {
        place.fails(1, &["create", id]);
    }
}

fn unknown(runtime: &Runtime) {
    let place = Place::new(runtime);
    let fly = place.call(&["fly"]);
    assert!(!fly.status.success());
    assert!(text(&fly.stderr).contains("fly"), "{fly:?}");
    let frob = place.call(&["state", "--frob", "ID"]);
    assert!(!frob.status.success());
}

fn format(runtime: &Runtime) {
    let place = Place::new(runtime);
    let said = place.fails(1, &["list", "--format", "xml"]);
    assert!(said.contains("format"), "{said}");
}

/// Whether a command makes use of the option or not.
fn words(runtime: &Runtime) {
    let place = Place::new(runtime);
    for (option, word) in [("--cgroup-manager", "nobody"), ("--rootless", "perhaps")] {
        for verb in [
            &["list"][..],
            &["create", "ID"],
            &["state", "ID"],
            &["spec"],
        ] {
            let said = place.fails(1, &[&[option, word], verb].concat());
            assert!(said.contains(option) && said.contains(word), "{said}");
        }
    }
}

fn contradictions(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    for (options, names) in [
        (
            &["--systemd-cgroup", "--cgroup-manager", "cgroupfs", "list"][..],
            ["--systemd-cgroup", "--cgroup-manager cgroupfs"],
        ),
        (
            &["list", "--format", "table", "--json"],
            ["--json", "--format table"],
        ),
        (
            &["ps", "--json", "--format", "table", "ID"],
            ["--json", "--format table"],
        ),
    ] {
        let said = place.fails(1, options);
        assert!(names.iter().all(|name| said.contains(name)), "{said}");
    }
    place.ok(&["--systemd-cgroup", "--cgroup-manager", "systemd", "list"]);
    place.ok(&["list", "--format", "json", "--json"]);
}

fn json_log(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["/bin/fly"], |_| {});
    let log = place.file("log");
    let said = place.fails(1, &["--log", &log, "--log-format", "json", "create", "ID"]);
    let text = fs::read_to_string(&log).unwrap();
    // Podman reads the file as one object.
    let entry: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(entry["level"], "error");
    let message = entry["msg"].as_str().unwrap().to_lowercase();
    assert!(message.contains("no such file or directory"), "{message}");
    assert!(said.contains(message.trim()), "{said} {message}");
    let time = entry["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
}

fn text_log(runtime: &Runtime) {
    let place = Place::new(runtime);
    let log = place.file("log");
    let said = place.fails(1, &["--log", &log, "state", "ID"]);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("time=\""), "{text}");
    assert!(text.contains("\" level=error msg=\""), "{text}");
    assert!(text.contains("does not exist"), "{text}");
    assert!(!said.contains("level="), "{said}");
}

fn appended(runtime: &Runtime) {
    let place = Place::new(runtime);
    let log = place.file("log");
    for _ in 0..2 {
        place.fails(1, &["--log", &log, "--log-format=json", "state", "ID"]);
    }
    let text = fs::read_to_string(&log).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    for line in text.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
}

fn one_line(runtime: &Runtime) {
    let place = Place::new(runtime);
    for arguments in [
        &["fly"][..],
        &["start", "--frob", "x"],
        &["run"],
        &["kill", "x", "FOO"],
    ] {
        let output = place.call(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(
            lines[0].starts_with("error: ") && lines[1].starts_with(" hint: "),
            "{said}"
        );
    }
}

fn checkpoint(runtime: &Runtime) {
    let place = Place::new(runtime);
    for verb in ["checkpoint", "restore"] {
        let said = place.fails(1, &[verb, "--image-path", "/x", "ID"]);
        assert!(
            said.contains(verb) && said.contains("not supported"),
            "{said}"
        );
    }
}
