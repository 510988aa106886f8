//! Guests in the foreground.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::place::{LONG, Place, said};
use crate::{Named, Tested};

/// What needs a Python of this machine, too.
pub(crate) fn of_python() -> Vec<Named> {
    vec![("python_runs_with_what_it_loads", python)]
}

pub(crate) fn trials() -> Vec<Named> {
    vec![
        (
            "without_a_program_a_guest_boots_and_says_where_its_time_went",
            first_minute,
        ),
        (
            "a_program_talks_through_its_streams_and_its_status_is_ours",
            streams,
        ),
        ("a_report_in_json_has_every_phase_once", json),
        (
            "a_program_that_cannot_be_executed_has_a_code_of_its_own",
            not_executable,
        ),
        ("a_guest_whose_time_is_over_is_ended", timeout),
        ("a_guest_that_reboots_ends", reboots),
        ("a_panic_is_told_with_its_cause", panics),
        ("a_flood_that_nobody_reads_ends_the_guest", flood),
        ("ctrl_c_reaches_the_program", interrupted),
        (
            "ctrl_c_at_a_terminal_ends_a_guest_that_still_boots",
            interrupted_while_it_boots,
        ),
        (
            "a_killed_command_leaves_nothing_that_the_next_does_not_remove",
            killed,
        ),
        ("files_are_put_where_they_are_wanted", files),
        ("a_missing_qemu_is_told_with_the_remedy", missing_qemu),
        ("a_qemu_that_crashes_is_told_by_its_own_word", crashing_qemu),
        ("a_qemu_that_is_too_old_is_told_with_its_version", old_qemu),
        (
            "another_users_own_archive_boots_with_its_own_init",
            own_archive,
        ),
    ]
}

fn first_minute() -> Tested {
    let place = Place::new();
    let output = place.run(&[]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout)?;
    for part in [
        "Linux ",
        "emulated",
        "VMM start",
        "kernel + devices",
        "workload",
        "all",
    ] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "{text}");
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    place.is_clean();
    Ok(())
}

fn streams() -> Tested {
    let place = Place::new();
    let script = "read line; echo \"in: $line\"; echo \"$A\"; echo to stderr >&2; exit 42";
    let mut command = place.command(&[
        "run",
        "--accel",
        "tcg",
        "-e",
        "A=two words",
        "sh",
        "-c",
        script,
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no pipe")?
        .write_all(b"\x03\x04 hello\n")?;
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(42), "{}", said(&output));
    assert_eq!(
        output.stdout,
        b"in: \x03\x04 hello\ntwo words\n",
        "{}",
        said(&output)
    );
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("to stderr"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

fn json() -> Tested {
    let place = Place::new();
    let output = place.run(&["--json", "--phases", "sh", "-c", "echo said; exit 3"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    let told: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(told["code"], 3);
    assert_eq!(told["emulated"], true);
    let stretches = told["phases"].as_array().ok_or("no phases")?;
    let names: Vec<&str> = stretches
        .iter()
        .flat_map(|stretch| stretch["phases"].as_array().unwrap())
        .map(|name| name.as_str().unwrap())
        .collect();
    let expected = [
        "vmm", "firmware", "kernel", "devices", "init", "workload", "end",
    ];
    assert_eq!(names, expected, "{told:#}");
    let sum: u64 = stretches
        .iter()
        .map(|stretch| stretch["ns"].as_u64().unwrap())
        .sum();
    assert_eq!(told["total_ns"], sum);
    assert!(String::from_utf8_lossy(&output.stderr).contains("said"));
    place.is_clean();
    Ok(())
}

/// The path of a file with this text that everybody may execute.
pub(crate) fn executable(place: &Place, text: &str) -> Result<String, libtest_mimic::Failed> {
    let path = place.path().join("text");
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path.to_str().ok_or("a path")?.to_owned())
}

fn not_executable() -> Tested {
    let place = Place::new();
    let text = executable(&place, "neither a script nor a program\n")?;
    let output = place.run(&[&text]);
    assert_eq!(output.status.code(), Some(126), "{}", said(&output));
    assert!(
        said(&output).contains("Exec format error"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

fn timeout() -> Tested {
    let place = Place::new();
    let begun = Instant::now();
    let output = place.run(&["--timeout", "6s", "sh", "-c", "while :; do :; done"]);
    assert_eq!(output.status.code(), Some(124), "{}", said(&output));
    assert!(begun.elapsed() < LONG / 2);
    place.is_clean();
    Ok(())
}

fn reboots() -> Tested {
    let place = Place::new();
    // SysRq restarts at once, as a triple fault would.
    let output = place.run(&["sh", "-c", "echo b > /proc/sysrq-trigger; read line"]);
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(
        said(&output).contains("before its program had ended"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

fn panics() -> Tested {
    let place = Place::new();
    let output = place.run(&["sh", "-c", "echo c > /proc/sysrq-trigger; read line"]);
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(
        said(&output).contains("its kernel panicked: sysrq triggered crash"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

fn flood() -> Tested {
    let place = Place::new();
    let mut command = place.command(&[
        "run",
        "--accel",
        "tcg",
        "sh",
        "-c",
        "while :; do echo on and on; done",
    ]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = child.stdout.take().ok_or("no pipe")?;
    let mut some = [0; 4096];
    let read = out.read_exact(&mut some);
    drop(out);
    let output = child.wait_with_output()?;
    assert!(read.is_ok(), "{}", said(&output));
    assert_eq!(output.status.code(), Some(141), "{}", said(&output));
    place.is_clean();
    Ok(())
}

/// Starts a shell in a guest, and returns when it has said `ready`.
fn ready(place: &Place, script: &str) -> Result<std::process::Child, libtest_mimic::Failed> {
    let mut command = place.command(&["run", "--accel", "tcg", "sh", "-c", script]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut word = [0; 6];
    child
        .stdout
        .as_mut()
        .ok_or("no pipe")?
        .read_exact(&mut word)?;
    assert_eq!(&word, b"ready\n");
    Ok(child)
}

fn interrupted() -> Tested {
    let place = Place::new();
    let mut child = ready(
        &place,
        "trap 'echo caught; exit 9' INT; echo ready; while read line; do :; done",
    )?;
    let _typing = child.stdin.take();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    let output = child.wait_with_output()?;
    assert_eq!(output.status.code(), Some(9), "{}", said(&output));
    assert_eq!(output.stdout, b"caught\n");
    place.is_clean();
    Ok(())
}

fn interrupted_while_it_boots() -> Tested {
    let place = Place::new();
    // A boot of which nothing is ever heard.
    let mut command = scripted(&place, "while :; do sleep 0.1; done")?;
    command.arg("sh");
    let terminal = openpty(None, None)?;
    let theirs = || terminal.slave.try_clone();
    // A session of its own, with this terminal: so that Ctrl-C is a signal, and not one that is
    // ignored, as it is for whatever a shell's `&` starts.
    let mut own = Command::new("env");
    own.args(["--default-signal=INT,QUIT", "setsid", "--ctty", "--wait"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(theirs()?)
        .stdout(theirs()?)
        .stderr(theirs()?);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => own.env(name, value),
            None => own.env_remove(name),
        };
    }
    let mut child = own.spawn()?;
    starts(&place);
    let sent = Instant::now();
    File::from(terminal.master.try_clone()?).write_all(b"\x03")?;
    // A third of the time after which a boot is given up.
    while child.try_wait()?.is_none() && sent.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(20));
    }
    let status = child.try_wait()?;
    if status.is_none() {
        // With its session, of which `setsid` leads none.
        let keeper = place.guests(&[])[0]["keeper"].as_i64().ok_or("no keeper")?;
        kill(Pid::from_raw(i32::try_from(keeper)?), Signal::SIGKILL)?;
        child.wait()?;
    }
    assert_eq!(status.and_then(|status| status.code()), Some(130));
    place.is_clean();
    Ok(())
}

/// Waits until the guest of a command that was started has a QEMU.
pub(crate) fn starts(place: &Place) {
    let begun = Instant::now();
    let has_none = |guests: Vec<Value>| guests.first().is_none_or(|guest| guest["pid"].is_null());
    while has_none(place.guests(&[])) {
        assert!(begun.elapsed() < LONG, "it does not start");
        thread::sleep(Duration::from_millis(20));
    }
}

fn killed() -> Tested {
    let place = Place::new();
    let mut child = ready(&place, "echo ready; read line")?;
    let guests = place.guests(&[]);
    assert_eq!(guests.len(), 1, "{guests:?}");
    assert_eq!(guests[0]["status"], "running");
    child.kill()?;
    assert_eq!(child.wait()?.signal(), Some(9));
    assert!(place.processes().is_empty(), "QEMU outlived its keeper");
    assert!(
        place.guests(&["--all"]).is_empty(),
        "one that died is listed"
    );
    place.is_clean();
    Ok(())
}

fn files() -> Tested {
    let place = Place::new();
    let file = place.path().join("file");
    fs::write(&file, "content")?;
    let put = format!("{}:/some/where", file.display());
    let output = place.run(&[
        "--file",
        &put,
        "--file",
        "/bin/cat",
        "sh",
        "-c",
        "/bin/cat /some/where",
    ]);
    assert_eq!(output.stdout, b"content", "{}", said(&output));
    place.is_clean();
    Ok(())
}

fn python() -> Tested {
    let place = Place::new();
    let program =
        "import json, sqlite3, ssl, sys; print(json.dumps({'a': sys.argv[1:]})); sys.exit(5)";
    let output = place.run(&["python3", "-c", program, "b c"]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(output.stdout, b"{\"a\": [\"b c\"]}\n", "{}", said(&output));
    place.is_clean();
    Ok(())
}

fn missing_qemu() -> Tested {
    let place = Place::new();
    let output = place
        .command(&["run"])
        .env("PATH", "/nonexistent")
        .output()?;
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(
        said(&output).contains("apt-get install qemu-system-x86"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

/// A QEMU that says what its script does, first on PATH.
pub(crate) fn scripted(
    place: &Place,
    script: &str,
) -> Result<std::process::Command, libtest_mimic::Failed> {
    let bin = place.path().join("bin");
    fs::create_dir(&bin)?;
    let program = bin.join("qemu-system-x86_64");
    let version = "[ \"$1\" = --version ] && exec echo QEMU emulator version 7.2.0";
    fs::write(&program, format!("#!/bin/sh\n{version}\n{script}\n"))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let mut command = place.command(&["run", "--accel", "tcg"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    Ok(command)
}

fn crashing_qemu() -> Tested {
    for (script, told) in [
        (
            "echo 'qemu: cannot set up guest memory' >&2; exit 1",
            "cannot set up guest memory",
        ),
        ("kill -SEGV $$", "signal: 11"),
    ] {
        let place = Place::new();
        let output = scripted(&place, script)?.output()?;
        assert_eq!(output.status.code(), Some(125), "{}", said(&output));
        assert!(said(&output).contains(told), "{}", said(&output));
        place.is_clean();
    }
    Ok(())
}

fn old_qemu() -> Tested {
    let place = Place::new();
    let mut command = scripted(&place, "exit 0")?;
    let program = place.path().join("bin/qemu-system-x86_64");
    let text = fs::read_to_string(&program)?.replace("version 7.2.0", "version 3.1.0");
    fs::write(&program, text)?;
    let output = command.output()?;
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(
        said(&output).contains("4.2 is the oldest"),
        "{}",
        said(&output)
    );
    place.is_clean();
    Ok(())
}

fn own_archive() -> Tested {
    let place = Place::new();
    let mut archive = vm_model::initramfs::Archive::guest(isolab::program::TRUE)?;
    archive.add_file("text", 0o644, b"own".to_vec())?;
    let path = place.path().join("own.cpio");
    archive.write_file(&path)?;
    let path = path.to_str().ok_or("a path")?;
    // Our init without words ends with the status 2, and the kernel panics over it.
    let output = place.run(&["--initrd", path]);
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(
        said(&output).contains("Attempted to kill init"),
        "{}",
        said(&output)
    );
    let output = place.run(&[
        "--initrd",
        path,
        "--append",
        "init=/nothing",
        "--timeout",
        "60s",
    ]);
    assert!(!output.status.success(), "{}", said(&output));
    thread::sleep(Duration::from_millis(1));
    place.is_clean();
    Ok(())
}
