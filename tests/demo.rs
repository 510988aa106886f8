//! A demo without a terminal, and what it does where things fail: a recording
//! takes over, nothing is left behind, and damaged files are told as such.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use clap::CommandFactory;
use isolab::cli::Cli;
use isolab::demo::library::{self, Recordings, SCRIPTS};
use isolab::demo::{cast, reveal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// A demo whose commands are over in a moment, whatever the machine lacks.
const SMALL: &str = r#"title = "Small"
[[beat]]
heading = "One"
text = "Words."
seconds = 1
command = ["claims", "list"]
bound = 60
[[beat]]
heading = "Two"
seconds = 1
command = ["report", "absent.json"]
bound = 60
"#;

struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Where a rehearsal keeps its recordings.
    fn recordings(&self) -> PathBuf {
        self.path().join("data/isolab/demo")
    }

    fn script(&self, text: &str) {
        fs::write(self.path().join("script.toml"), text).unwrap();
    }

    fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }

    fn shows(&self, arguments: &[&str]) -> String {
        let output = self.isolab(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn refuses(&self, arguments: &[&str]) -> String {
        let output = self.isolab(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(1),
            "{arguments:?}: {}",
            said(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?} showed something");
        said(&output)
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn banners(shown: &str) -> usize {
    shown
        .lines()
        .filter(|line| line.starts_with("RECORDED on "))
        .count()
}

#[test]
fn every_command_of_our_scripts_has_a_recording_of_that_command() {
    for (name, _) in SCRIPTS {
        let script = library::script(name, &Cli::command()).unwrap();
        for (index, step) in script.steps() {
            let at = format!("{name}, beat {}: {}", index + 1, step.typed());
            let recording = Recordings::default().of(&step.words);
            let recording = recording.unwrap_or_else(|| panic!("no recording of {at}"));
            assert_eq!(recording.header.isolab.words, step.words, "{at}");
            assert!(!recording.said().is_empty(), "{at}");
            let length = recording.schedule().last().copied().unwrap_or_default();
            assert!(length < script.beats[index].planned, "{at} is too long");
            if let Some(asked) = &step.prediction {
                let value = reveal::value(asked, recording.said().as_bytes());
                assert!(value.is_ok(), "{at}: {value:?}");
            }
        }
    }
}

#[test]
fn our_scripts_take_the_time_that_their_names_promise() {
    for (name, minutes) in [("ten", 10), ("forty", 40)] {
        let script = library::script(name, &Cli::command()).unwrap();
        assert_eq!(
            script.planned(),
            Duration::from_secs(minutes * 60),
            "{name}"
        );
    }
}

#[test]
fn with_recordings_alone_every_command_has_its_banner() {
    let room = Room::new();
    let listed: Value = serde_json::from_str(&room.shows(&["demo", "--list", "--json"])).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), SCRIPTS.len());
    for (name, _) in SCRIPTS {
        let script = library::script(name, &Cli::command()).unwrap();
        let shown = room.shows(&["demo", name, "--recorded", "--fast"]);
        assert_eq!(banners(&shown), script.steps().count(), "{shown}");
        assert!(!shown.contains('\u{1b}'), "an escape sequence got through");
    }
}

#[test]
fn a_step_that_fails_is_told_and_the_demo_goes_on() {
    let room = Room::new();
    room.script(SMALL);
    let shown = room.shows(&["demo", "script.toml", "--fast"]);
    assert!(shown.contains("measured here"), "{shown}");
    assert!(
        shown.contains("NOT SHOWN: there is no recording"),
        "{shown}"
    );
    assert!(
        shown.contains("because it failed here: cannot read absent.json"),
        "{shown}"
    );
    assert!(shown.ends_with("the end\n"), "{shown}");
}

#[test]
fn a_rehearsal_says_what_will_run_and_keeps_recordings_for_when_it_does_not() {
    let room = Room::new();
    room.script(&SMALL.replace(
        "[\"report\", \"absent.json\"]",
        "[\"completions\", \"bash\"]",
    ));
    let message = room.refuses(&["demo", "script.toml", "--rehearse"]);
    assert!(
        message.contains("line 11: a script may only run"),
        "{message}"
    );
    room.script(&SMALL.replace("report\", \"absent.json", "claims\", \"list\", \"--json"));
    let shown = room.shows(&["demo", "script.toml", "--rehearse", "--json"]);
    let rehearsal: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(rehearsal["schema"], "isolab.rehearsal/1");
    for step in rehearsal["steps"].as_array().unwrap() {
        assert_eq!(step["will_be"], "live", "{step}");
        assert!(step["took_s"].as_f64().unwrap() > 0.0);
    }
    let mode = fs::metadata(room.recordings())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let file = room.recordings().join("claims-list.cast");
    let made = cast::parse(&fs::read(file).unwrap()).unwrap();
    assert!(made.said().contains("vm-700mb"), "{}", made.said());
    // What was recorded is what is shown when nothing runs.
    let shown = room.shows(&["demo", "script.toml", "--recorded", "--fast"]);
    assert_eq!(banners(&shown), 2);
    assert!(shown.contains("vm-700mb"), "{shown}");
}

#[test]
fn a_rehearsal_without_anything_to_show_fails_and_says_where() {
    let room = Room::new();
    room.script(SMALL);
    let output = room
        .isolab(&["demo", "script.toml", "--rehearse"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("1 live, 0 RECORDED, 1 missing"), "{shown}");
}

/// A command that takes too long is ended with everything it started, and its
/// recording takes over.
#[test]
fn a_step_that_takes_too_long_is_ended_and_recorded() {
    let room = Room::new();
    let slow = SMALL.replace(
        "claims\", \"list",
        "compare\", \"--subjects\", \"process\", \"--runs\", \"1000",
    );
    room.script(&slow.replace("bound = 60", "bound = 1"));
    let begun = Instant::now();
    let child = room
        .isolab(&["demo", "script.toml", "--fast"])
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        shown.contains("because it took longer than 1 s here"),
        "{shown}"
    );
    assert!(begun.elapsed() < Duration::from_secs(60));
    let left = entries(&room.path().join("cache/isolab/scratch"));
    assert!(left.is_empty(), "{left:?}");
}

/// An interpreter that hangs, and has started something in a session of its own.
#[test]
fn what_a_step_has_started_is_ended_wherever_it_hides() {
    let room = Room::new();
    let bin = room.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = "#!/bin/sh\ntouch \"$ROOM/started\"\nsetsid sleep 600 &\nsleep 600\n";
    fs::write(bin.join("python3"), fake).unwrap();
    fs::set_permissions(bin.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
    let create = SMALL.replace("claims\", \"list", "venv\", \"create");
    room.script(&create.replace("bound = 60", "bound = 2"));
    let mut command = room.isolab(&["demo", "script.toml", "--fast"]);
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = command
        .env("PATH", path)
        .env("ROOM", room.path())
        .env_remove("PYENV_ROOT")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(room.path().join("started").exists(), "it was never started");
    let mark = format!("ROOM={}", room.path().display());
    let left: Vec<String> = fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| {
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|word| word == mark.as_bytes())
        })
        .map(|entry| fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn ctrl_c_ends_an_unattended_demo_as_it_ends_any_command() {
    let room = Room::new();
    room.script(&SMALL.replace("seconds = 1\n", "seconds = 600\n"));
    let mut command = room.isolab(&["demo", "script.toml", "--unattended"]);
    let child = command
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(1500));
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGTERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("left at beat 1 of 2"), "{shown}");
    assert!(entries(&room.path().join("cache/isolab/scratch")).is_empty());
}

#[test]
fn a_damaged_recording_of_the_room_is_not_shown() {
    let room = Room::new();
    room.script(SMALL);
    fs::create_dir_all(room.recordings()).unwrap();
    let bad = "{\"version\": 2}\n[0, \"o\", \"\\u001b]0;x\\u0007pwned\"]\n";
    fs::write(room.recordings().join("report-absent-json.cast"), bad).unwrap();
    let shown = room.shows(&["demo", "script.toml", "--fast"]);
    assert!(
        shown.contains("NOT SHOWN") && !shown.contains("pwned"),
        "{shown}"
    );
}

#[test]
fn what_cannot_be_shown_is_refused_with_a_remedy() {
    let room = Room::new();
    let message = room.refuses(&["demo", "absent.toml"]);
    assert!(
        message.contains("absent.toml") && message.contains("ten, forty"),
        "{message}"
    );
    let message = room.refuses(&["demo", "ten", "--from", "99"]);
    assert!(
        message.contains("beat 99") && message.contains("hint: "),
        "{message}"
    );
    let message = room.refuses(&["demo", "ten", "--json"]);
    assert!(message.contains("--rehearse"), "{message}");
    let message = room.refuses(&["demo", "--check", "/dev/zero"]);
    assert!(message.contains("not a file"), "{message}");
    room.script("title = \"x\"\n[[beat]]\nheading = \"a\"\nseconds = 5\ncommand = [\"sh\", \"-c\", \"touch pwned\"]\nbound = 1\n");
    for arguments in [
        &["demo", "--check", "script.toml"][..],
        &["demo", "script.toml"],
    ] {
        let message = room.refuses(arguments);
        assert!(
            message.contains("line 5: a script may only run"),
            "{message}"
        );
    }
    assert!(!room.path().join("pwned").exists());
}

/// A directory that nobody can write to, no interpreter, no QEMU.
#[test]
fn without_a_place_to_write_everything_is_recorded() {
    let room = Room::new();
    let mut command = room.isolab(&["demo", "ten", "--fast"]);
    let output = command
        .env("XDG_CACHE_HOME", "/proc/nowhere")
        .env("XDG_DATA_HOME", "/proc/nowhere")
        .env("TMPDIR", "/proc/nowhere")
        .env("PATH", "/proc/nowhere")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let shown = String::from_utf8_lossy(&output.stdout);
    let script = library::script("ten", &Cli::command()).unwrap();
    assert_eq!(banners(&shown), script.steps().count(), "{shown}");
}
