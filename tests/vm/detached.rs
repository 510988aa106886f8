//! Guests that nobody waits for: started, listed, read and ended by other commands.

use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{LONG, Place, said};
use crate::running::{executable, scripted, starts};
use crate::{Named, Tested};

pub(crate) fn trials() -> Vec<Named> {
    vec![
        (
            "a_detached_guest_outlives_its_command_and_is_stopped",
            outlives,
        ),
        (
            "one_that_does_not_listen_is_killed_after_its_time",
            is_killed,
        ),
        ("two_who_stop_one_both_wait_for_it", stopped_twice),
        (
            "one_that_has_ended_is_remembered_until_it_is_forgotten",
            is_remembered,
        ),
        ("two_guests_are_not_called_alike", alike),
        (
            "a_detached_guest_of_anothers_init_is_not_waited_for",
            others_init,
        ),
        (
            "a_detached_program_that_cannot_be_executed_is_told_with_its_code",
            not_executable,
        ),
        ("ctrl_c_is_heard_while_a_detached_guest_boots", interrupted),
        (
            "a_keeper_that_is_killed_takes_its_guest_along",
            keeper_killed,
        ),
        ("a_detached_flood_keeps_a_bounded_log", bounded_log),
        (
            "one_that_cannot_boot_is_told_by_the_command_that_starts_it",
            cannot_boot,
        ),
        ("who_is_not_there_cannot_be_stopped", not_there),
    ]
}

/// Starts a shell in a detached guest.
fn start(place: &Place, options: &[&str], script: &str) -> String {
    let words = [&["--detach"], options, &["sh", "-c", script]].concat();
    let output = place.run(&words);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Waits until the guest's log has `word`: a program that was executed has not yet done anything.
fn until_it_says(place: &Place, name: &str, word: &str) {
    let wait = Instant::now();
    while !said(&place.output(&["logs", name])).contains(word) {
        assert!(wait.elapsed() < LONG, "{word} was not said");
        thread::sleep(Duration::from_millis(50));
    }
}

fn outlives() -> Tested {
    let place = Place::new();
    let name = start(
        &place,
        &[],
        "echo here; trap 'echo bye; exit 0' INT; while :; do read line; done",
    );
    let guests = place.guests(&[]);
    assert_eq!(guests[0]["name"], name);
    assert_eq!(guests[0]["status"], "running");
    assert!(
        guests[0]["pid"].is_number() && guests[0]["keeper"].is_number(),
        "{guests:?}"
    );
    until_it_says(&place, &name, "here");
    let table = String::from_utf8(place.output(&["ps"]).stdout)?;
    let machine = ["q35", "microvm"].iter().any(|it| table.contains(it));
    assert!(
        table.contains(&name) && machine && table.contains("256M"),
        "{table}"
    );
    let output = place.output(&["stop", &name]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        output.stderr.is_empty(),
        "it had to be killed: {}",
        said(&output)
    );
    assert!(place.guests(&["--all"]).is_empty());
    place.is_clean();
    Ok(())
}

fn is_killed() -> Tested {
    let place = Place::new();
    let name = start(&place, &[], "trap '' INT; echo deaf; while :; do :; done");
    until_it_says(&place, &name, "deaf");
    let output = place.output(&["stop", "--json", "-t", "1", &name]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("killed"), "{}", said(&output));
    place.is_clean();
    Ok(())
}

fn stopped_twice() -> Tested {
    let place = Place::new();
    // Its end takes seconds of counting: there is no other program in the guest.
    let count = "i=0; while [ $i -lt 500000 ]; do i=$((i+1)); done";
    let script = format!("trap '{count}; exit 0' INT; echo up; while read line; do :; done");
    let name = start(&place, &[], &script);
    until_it_says(&place, &name, "up");
    let stop = || {
        let mut command = place.command(&["stop", "--json", "-t", "100", &name]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let first = stop()?;
    thread::sleep(Duration::from_millis(500));
    let second = stop()?;
    // Whoever asks a second time ends nothing at once.
    thread::sleep(Duration::from_millis(500));
    assert_eq!(place.guests(&[]).len(), 1);
    for output in [first, second].map(std::process::Child::wait_with_output) {
        let output = output?;
        assert!(said(&output).contains("asked"), "{}", said(&output));
    }
    place.is_clean();
    Ok(())
}

fn is_remembered() -> Tested {
    let place = Place::new();
    let kept = start(&place, &["--name", "kept"], "echo last words; exit 6");
    let gone = start(&place, &["--name", "gone", "--rm"], "exit 0");
    let begun = Instant::now();
    while !place.guests(&[]).is_empty() {
        assert!(begun.elapsed() < LONG, "they do not end");
        thread::sleep(Duration::from_millis(50));
    }
    let all = place.guests(&["--all"]);
    assert_eq!(all.len(), 1, "{gone} is remembered: {all:?}");
    assert_eq!(
        (&all[0]["name"], &all[0]["code"]),
        (&"kept".into(), &6.into())
    );
    assert!(said(&place.output(&["logs", &kept])).contains("last words"));
    let again = place.run(&["--name", "kept"]);
    assert_eq!(again.status.code(), Some(125), "{}", said(&again));
    assert!(place.output(&["stop", &kept]).status.success());
    place.is_clean();
    Ok(())
}

fn alike() -> Tested {
    let place = Place::new();
    let name = start(&place, &["--name", "one"], "read line");
    let output = place.run(&["--name", "one"]);
    assert_eq!(output.status.code(), Some(125), "{}", said(&output));
    assert!(said(&output).contains("there is one"), "{}", said(&output));
    assert_eq!(place.guests(&[]).len(), 1);
    assert!(place.output(&["stop", &name]).status.success());
    place.is_clean();
    Ok(())
}

fn others_init() -> Tested {
    let place = Place::new();
    let mut archive = vm_model::initramfs::Archive::guest(isolab::program::TRUE)?;
    archive.add_file("true", 0o755, isolab::program::TRUE)?;
    let path = place.path().join("own.cpio");
    archive.write_file(&path)?;
    // It waits for a word that never comes, and says nothing of itself.
    let mut words = vec!["--detach", "--initrd", path.to_str().ok_or("a path")?];
    for word in ["rdinit=/true", "hold"] {
        words.extend(["--append", word]);
    }
    let mut command = place.command(&["run", "--accel", "tcg"]);
    let mut child = command.args(words).stdout(Stdio::piped()).spawn()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() && begun.elapsed() < LONG / 4 {
        thread::sleep(Duration::from_millis(50));
    }
    let waits = child.try_wait()?.is_none();
    child.kill()?;
    let output = child.wait_with_output()?;
    assert!(!waits && output.status.success(), "{}", said(&output));
    let name = String::from_utf8(output.stdout)?.trim().to_owned();
    assert_eq!(place.guests(&[])[0]["status"], "running");
    assert!(place.output(&["stop", "-t", "1", &name]).status.success());
    place.is_clean();
    Ok(())
}

fn not_executable() -> Tested {
    let place = Place::new();
    let text = executable(&place, "neither a script nor a program\n")?;
    let output = place.run(&["--detach", &text]);
    assert_eq!(output.status.code(), Some(126), "{}", said(&output));
    let told = "its program cannot be executed: Exec format error";
    assert!(said(&output).contains(told), "{}", said(&output));
    assert!(output.stdout.is_empty(), "{}", said(&output));
    assert!(place.guests(&["--all"]).is_empty());
    place.is_clean();
    Ok(())
}

fn interrupted() -> Tested {
    let place = Place::new();
    // A boot of which nothing is ever heard.
    let mut command = scripted(&place, "while :; do sleep 0.1; done")?;
    command.args(["--detach", "sh"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    starts(&place);
    let sent = Instant::now();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT)?;
    // A third of the time after which a boot is given up.
    while child.try_wait()?.is_none() && sent.elapsed() < Duration::from_secs(15) {
        thread::sleep(Duration::from_millis(20));
    }
    let is_deaf = child.try_wait()?.is_none();
    child.kill()?;
    let output = child.wait_with_output()?;
    assert!(!is_deaf, "it does not hear the signal");
    assert_eq!(output.status.code(), Some(130), "{}", said(&output));
    assert!(output.stdout.is_empty(), "{}", said(&output));
    place.is_clean();
    Ok(())
}

fn keeper_killed() -> Tested {
    let place = Place::new();
    start(&place, &[], "read line");
    let keeper = place.guests(&[])[0]["keeper"].as_i64().ok_or("no keeper")?;
    kill(Pid::from_raw(i32::try_from(keeper)?), Signal::SIGKILL)?;
    assert!(place.processes().is_empty(), "QEMU outlived its keeper");
    assert!(place.guests(&["--all"]).is_empty());
    place.is_clean();
    Ok(())
}

fn bounded_log() -> Tested {
    let place = Place::new();
    // Each line says how much was said before it.
    let x = "x".repeat(1000);
    let script = format!("i=0; while :; do i=$((i+1)); echo $i {x}; done");
    let name = start(&place, &[], &script);
    let begun = Instant::now();
    let log = || place.output(&["logs", &name]).stdout;
    let lines = |log: &[u8]| -> Vec<usize> {
        let text = String::from_utf8_lossy(log);
        let number = |line: &str| line.split_once(' ')?.0.parse().ok();
        text.lines().filter_map(number).collect()
    };
    // Until twice the bound was said: what is kept is bounded by being thrown away.
    while lines(&log())
        .last()
        .is_none_or(|last| last * 1000 < 2 << 20)
    {
        assert!(begun.elapsed() < LONG, "it says too little");
        thread::sleep(Duration::from_millis(200));
    }
    let log = log();
    assert!((512 << 10..=1 << 20).contains(&log.len()), "{}", log.len());
    assert!(lines(&log)[0] > 1000, "its beginning is not gone");
    assert!(place.output(&["stop", "-t", "1", &name]).status.success());
    place.is_clean();
    Ok(())
}

fn cannot_boot() -> Tested {
    let place = Place::new();
    let output = place.run(&[
        "--detach",
        "--append",
        "init=/true",
        "--append",
        "rdinit=/nothing",
        "--append",
        "root=/dev/nothing",
    ]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("panicked"), "{}", said(&output));
    place.is_clean();
    Ok(())
}

fn not_there() -> Tested {
    let place = Place::new();
    for verb in ["stop", "logs"] {
        let output = place.output(&[verb, "nobody"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(
            said(&output).contains("no guest called `nobody`"),
            "{}",
            said(&output)
        );
    }
    place.is_clean();
    Ok(())
}
