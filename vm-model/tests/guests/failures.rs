//! Every way in which a guest fails, played by a script.

use std::fs;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use vm_model::{Error, accel};

use crate::setting::scripted_guest;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(200);

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 19] = [
        (
            "the_ready_byte_ends_the_start_up",
            the_ready_byte_ends_the_start_up,
        ),
        (
            "a_silent_guest_is_stopped_by_the_watchdog",
            a_silent_guest_is_stopped_by_the_watchdog,
        ),
        (
            "a_hang_is_retried_and_counted",
            a_hang_is_retried_and_counted,
        ),
        (
            "hangs_in_every_try_are_an_error_that_counts_them",
            hangs_in_every_try,
        ),
        ("a_failure_is_not_retried", a_failure_is_not_retried),
        (
            "a_panic_is_told_with_the_consoles_last_lines",
            a_panic_is_told,
        ),
        (
            "a_panic_after_the_ready_byte_is_no_good_end",
            a_panic_after_the_ready_byte_is_no_good_end,
        ),
        (
            "what_the_kernels_command_line_cannot_carry_is_refused",
            what_the_command_line_cannot_carry_is_refused,
        ),
        (
            "a_missing_file_is_told_by_its_path",
            a_missing_file_is_told_by_its_path,
        ),
        (
            "another_word_than_the_ready_byte_is_quoted",
            another_word_is_quoted,
        ),
        (
            "a_guest_paused_by_kvm_is_noticed_at_once",
            a_guest_paused_by_kvm_is_noticed_at_once,
        ),
        (
            "a_guest_that_does_not_power_off_is_killed",
            a_guest_that_does_not_power_off_is_killed,
        ),
        (
            "who_waits_for_the_end_can_be_told_to_stop",
            who_waits_for_the_end_can_be_told_to_stop,
        ),
        (
            "who_probes_kvm_can_stop_the_probe",
            who_probes_kvm_can_stop_the_probe,
        ),
        (
            "a_dropped_guest_leaves_no_process",
            a_dropped_guest_leaves_no_process,
        ),
        (
            "a_flooded_console_is_bounded_and_does_not_hide_the_watchdog",
            a_flooded_console_is_bounded,
        ),
        (
            "what_init_tells_is_heard_with_its_time",
            what_init_tells_is_heard,
        ),
        (
            "a_guest_that_is_over_and_does_not_go_is_killed_and_its_status_stands",
            one_that_is_over_and_does_not_go,
        ),
        (
            "a_status_that_init_did_not_tell_is_not_believed",
            a_status_that_init_did_not_tell,
        ),
    ];
    tests.map(|(name, test)| Trial::test(name, test)).into()
}

/// Fails unless `error`'s text holds each of `parts`.
fn tells(error: &Error, parts: &[&str]) -> Result<(), Failed> {
    let text = error.to_string();
    match parts.iter().find(|part| !text.contains(*part)) {
        Some(part) => Err(format!("`{part}` is missing in: {text}").into()),
        None => Ok(()),
    }
}

fn the_ready_byte_ends_the_start_up() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("sleep 0.1; printf R; read line; exit 0");
    let mut running = guest.start()?;
    let startup = running.wait_ready(LONG)?;
    assert!(startup >= Duration::from_millis(100), "{startup:?}");
    let released = running.release()?;
    assert!(running.wait(LONG)?.at > released);
    assert_eq!(running.said(), b"R");
    Ok(())
}

fn a_silent_guest_is_stopped_by_the_watchdog() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("echo hello from the kernel > $console; exec sleep 60");
    let mut running = guest.start()?;
    let error = running.wait_ready(SHORT).unwrap_err();
    assert!(matches!(error, Error::Watchdog { .. }));
    assert!(is_gone(running.pid()), "it still runs");
    tells(&error, &["200 ms", "hello from the kernel"])
}

fn a_hang_is_retried_and_counted() -> Result<(), Failed> {
    let (_dir, guest) =
        scripted_guest("if mkdir once 2>/dev/null; then exec sleep 60; fi; printf R; read line");
    let booted = guest.boot_with_retries(Duration::from_millis(500), 3)?;
    assert_eq!(booted.failures.len(), 1);
    assert!(
        booted.startup < Duration::from_millis(500),
        "the clock ran through the hang"
    );
    Ok(())
}

fn hangs_in_every_try() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("echo try >> tries; exec sleep 60");
    let error = guest.boot_with_retries(SHORT, 2).unwrap_err();
    assert!(matches!(error, Error::Tries { tries: 2, .. }));
    tells(&error, &["in 2 tries", "200 ms"])
}

fn a_failure_is_not_retried() -> Result<(), Failed> {
    let (dir, guest) = scripted_guest("echo try >> tries; echo could not load kernel >&2; exit 1");
    let error = guest.boot_with_retries(LONG, 3).unwrap_err();
    assert_eq!(std::fs::read_to_string(dir.path().join("tries"))?, "try\n");
    tells(&error, &["exit status: 1", "could not load kernel"])
}

fn a_panic_is_told() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest(
        "echo '[ 1.0] Kernel panic - not syncing: No working init found.' > $console; exit 0",
    );
    let error = guest.start()?.wait_ready(LONG).unwrap_err();
    tells(
        &error,
        &[
            "its kernel panicked: No working init found.",
            "| [ 1.0] Kernel panic",
        ],
    )
}

fn a_panic_after_the_ready_byte_is_no_good_end() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest(
        "printf R; read line; echo 'Kernel panic - not syncing: stack overrun' > $console; exit 0",
    );
    let mut running = guest.start()?;
    running.wait_ready(LONG)?;
    running.release()?;
    let error = running.wait(LONG).unwrap_err();
    tells(&error, &["its kernel panicked: stack overrun"])
}

fn what_the_command_line_cannot_carry_is_refused() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("printf R");
    for arg in ["two words", "a\"quote", "", &"x".repeat(2048)] {
        let error = guest.clone().args([arg]).start().unwrap_err();
        assert!(matches!(error, Error::Guest { .. }), "{error}");
    }
    let many = std::iter::repeat_n("x", 33);
    assert!(guest.clone().args(many).start().is_err());
    assert!(guest.clone().vcpus(0).start().is_err());
    for word in [
        "PATH",
        "=x",
        "A.B=x",
        "quiet=x",
        "A=two words",
        "A=\"",
        "Ä=x",
    ] {
        let error = guest.clone().env([word]).start().unwrap_err();
        assert!(matches!(error, Error::Guest { .. }), "{error}");
    }
    assert!(guest.clone().env(["A="; 31]).start().is_err());
    let guest = guest.env(["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "A=b=c.d"]);
    guest
        .args(["/bin/program", "--option=value"])
        .start()?
        .wait_ready(LONG)?;
    Ok(())
}

fn a_missing_file_is_told_by_its_path() -> Result<(), Failed> {
    let (dir, guest) = scripted_guest("printf R");
    let nowhere = guest.clone().console(dir.path().join("absent/console"));
    tells(
        &nowhere.start().unwrap_err(),
        &["cannot create", "absent/console"],
    )?;
    std::fs::remove_file(dir.path().join("initrd"))?;
    tells(&guest.start().unwrap_err(), &["cannot read", "initrd"])
}

fn another_word_is_quoted() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("echo 'ImportError: ssl'; exit 0");
    let error = guest.start()?.wait_ready(LONG).unwrap_err();
    tells(&error, &["ImportError: ssl", "not the ready byte"])
}

fn a_guest_paused_by_kvm_is_noticed_at_once() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60");
    let before = Instant::now();
    let error = guest.start()?.wait_ready(LONG).unwrap_err();
    assert!(before.elapsed() < LONG / 2, "it waited for the watchdog");
    tells(&error, &["KVM stopped the guest", "Suberror: 1"])
}

fn a_guest_that_does_not_power_off_is_killed() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("printf R; read line; exec sleep 60");
    let mut running = guest.start()?;
    running.wait_ready(LONG)?;
    running.release()?;
    let error = running.wait(SHORT).unwrap_err();
    assert!(is_gone(running.pid()), "it still runs");
    tells(&error, &["to power off"])
}

fn who_waits_for_the_end_can_be_told_to_stop() -> Result<(), Failed> {
    for body in [
        "exec sleep 60",
        "while :; do echo on and on; sleep 0.01; done",
    ] {
        let (_dir, guest) = scripted_guest(&format!("printf R; read line; {body}"));
        let mut running = guest.start()?;
        running.wait_ready(LONG)?;
        running.release()?;
        let begun = Instant::now();
        let told = || begun.elapsed() > SHORT;
        let error = running.wait_unless(LONG, &told).unwrap_err();
        assert!(matches!(error, Error::Watchdog { .. }), "{error}");
        assert!(begun.elapsed() < LONG / 2, "it waited for the watchdog");
        assert!(is_gone(running.pid()), "it still runs");
    }
    Ok(())
}

/// Where the device does not open, nothing is started and there is nothing to stop.
fn who_probes_kvm_can_stop_the_probe() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("exec sleep 60");
    let begun = Instant::now();
    let told = || begun.elapsed() > SHORT;
    let choice = accel::probe_unless(&guest, LONG, &told)?;
    assert!(begun.elapsed() < LONG / 2, "it waited for its bound");
    let opens = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm");
    assert_eq!(choice.definite, opens.is_err(), "{choice:?}");
    Ok(())
}

fn a_dropped_guest_leaves_no_process() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("exec sleep 60");
    let running = guest.start()?;
    let pid = running.pid();
    assert!(!is_gone(pid));
    drop(running);
    assert!(is_gone(pid), "it still runs, or was not reaped");
    Ok(())
}

fn a_flooded_console_is_bounded() -> Result<(), Failed> {
    let (dir, guest) = scripted_guest("exec 3>&1; exec yes a line of the console > $console");
    let mut running = guest.start()?;
    let begun = Instant::now();
    let error = running.wait_ready(SHORT * 5).unwrap_err();
    assert!(matches!(error, Error::Watchdog { .. }), "{error}");
    assert!(begun.elapsed() < LONG / 2, "the flood hid the watchdog");
    let kept = running.console_text().len();
    assert!((1..=128 << 10).contains(&kept), "{kept} bytes are kept");
    drop(running);
    let left: Vec<_> = fs::read_dir(dir.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, ["initrd"], "the named pipes are left");
    Ok(())
}

fn what_init_tells_is_heard() -> Result<(), Failed> {
    let told = "printf 'I 5000000\\n' > $port; sleep 0.2; printf 'W\\nE 2\\nX 127\\n' > $port";
    let (_dir, guest) = scripted_guest(&format!("{told}; exit 85"));
    let mut running = guest.start()?;
    let ended = running.wait(LONG)?;
    assert_eq!(ended.code, Some(127));
    let heard = running.heard();
    assert_eq!(heard.errno, Some(2));
    let (init, workload) = (heard.init.ok_or("no I")?, heard.workload.ok_or("no W")?);
    let between = workload - init.at;
    assert!(between >= Duration::from_millis(190), "{between:?}");
    let phases = running.phases();
    assert_eq!(phases.total(), ended.at - running.spawned());
    Ok(())
}

fn one_that_is_over_and_does_not_go() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("printf 'X 3\\n' > $port; exec sleep 60");
    let mut running = guest.start()?;
    let begun = Instant::now();
    assert_eq!(running.wait(LONG)?.code, Some(3));
    assert!(begun.elapsed() < LONG / 2, "it waited for the watchdog");
    assert!(is_gone(running.pid()), "it still runs");
    Ok(())
}

fn a_status_that_init_did_not_tell() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("exit 85");
    let error = guest.start()?.wait(LONG).unwrap_err();
    tells(&error, &["QEMU ended with exit status: 85"])
}

fn is_gone(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}
