//! Real guests under the translator, which works on every machine that has QEMU.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use vm_model::Error;
use vm_model::accel::{self, CacheKey};
use vm_model::guest::phases::Phase;
use vm_model::guest::{Accel, Guest, INTERRUPT, Machine, RUN_FILE, RunFile, Typed};
use vm_model::hypervisor::Kind;
use vm_model::initramfs::Archive;

use crate::setting::{init, packed_kernel, real, real_guest, real_guest_of, trial};

/// Far more than a boot takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 9] = [
        (
            "a_guest_boots_holds_and_powers_off",
            a_guest_boots_holds_and_powers_off,
        ),
        (
            "two_starts_of_one_guest_at_once_are_told_apart",
            two_starts_at_once_are_told_apart,
        ),
        (
            "a_guest_whose_init_dies_says_that_it_panicked",
            a_dead_init_is_a_panic,
        ),
        (
            "the_probe_of_kvm_answers_within_its_bound",
            the_probe_answers_within_its_bound,
        ),
        (
            "a_guest_without_its_program_says_so",
            a_missing_program_is_an_early_end,
        ),
        (
            "the_phases_of_a_boot_are_told_apart_and_have_no_gap",
            the_phases_have_no_gap,
        ),
        (
            "the_kernels_drivers_are_told_apart_on_request",
            the_drivers_are_told_apart,
        ),
        (
            "without_a_port_a_guest_powers_off",
            without_a_port_a_guest_powers_off,
        ),
        (
            "a_compressed_kernel_shows_its_decompression",
            a_compressed_kernel_shows_its_decompression,
        ),
    ];
    let missing = real().err();
    let mut trials: Vec<_> = tests
        .map(|(name, test)| trial(name, missing.clone(), test))
        .into();
    let missing = missing.or_else(|| busybox().err());
    for (name, test) in [
        (
            "every_exit_status_comes_out",
            every_exit_status_comes_out as Test,
        ),
        (
            "bytes_go_in_and_out_as_they_are",
            bytes_go_in_and_out_as_they_are,
        ),
        (
            "an_interrupt_reaches_the_program",
            an_interrupt_reaches_the_program,
        ),
    ] {
        trials.push(trial(name, missing.clone(), test));
    }
    trials.extend(Kind::ALL.map(hypervisor));
    trials.push(trial(
        "a_guest_on_the_small_machine_boots_or_its_hangs_are_counted",
        missing.clone(),
        the_small_machine,
    ));
    trials.push(trial(
        "the_workload_has_the_environment_that_was_asked_for",
        missing,
        the_workload_has_its_environment,
    ));
    trials
}

fn a_guest_boots_holds_and_powers_off() -> Result<(), Failed> {
    let (_dir, guest) = real_guest(&["guest", "/true", "hold"]);
    let mut booted = guest.boot_with_retries(LONG, 3)?;
    assert!(
        booted.startup > Duration::from_millis(10),
        "no kernel boots in {:?}",
        booted.startup
    );
    let command = std::fs::read_to_string(format!("/proc/{}/comm", booted.guest.pid()))?;
    assert!(
        command.starts_with("qemu"),
        "the pid is that of `{command}`"
    );
    booted.guest.release()?;
    booted.guest.wait(LONG)?;
    Ok(())
}

fn two_starts_at_once_are_told_apart() -> Result<(), Failed> {
    let (dir, guest) = real_guest(&["guest", "/true", "hold"]);
    // The second before the first QEMU has opened its pipes.
    let mut both = [guest.start()?, guest.start()?];
    for one in &mut both {
        one.wait_ready(LONG)?;
    }
    for one in &mut both {
        one.release()?;
        let ended = one.wait(LONG)?;
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    drop(both);
    let left: Vec<_> = std::fs::read_dir(dir.path())?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<_>>()?;
    let is_pipe = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with("console");
    assert!(!left.iter().any(|name| is_pipe(&name)), "{left:?}");
    Ok(())
}

/// A guest through the trait, by each hypervisor that is here and can run it.
fn hypervisor(kind: Kind) -> Trial {
    let emulates = matches!(kind, Kind::Q35 | Kind::MicroVm);
    let missing = real()
        .err()
        .or_else(|| kind.find().err().map(|error| error.to_string()));
    // Those that cannot emulate need a KVM that runs kernels, which opening it does not show.
    let missing = missing.or_else(|| (!emulates).then(kvm_is_missing).flatten());
    let name = format!("a_guest_boots_by_the_trait_{kind:?}").to_lowercase();
    trial(&name, missing, move || {
        let (_dir, guest) = real_guest(&["guest", "/true", "exit"]);
        let accel = if emulates { Accel::Tcg } else { Accel::Kvm };
        let hypervisor = kind.find()?;
        let mut running = hypervisor.start(&guest.accel(accel))?;
        let ended = running.wait(LONG)?;
        assert_eq!(ended.code.is_some(), hypervisor.shows().life, "{ended:?}");
        assert_eq!(ended.code.unwrap_or(0), 0);
        let told = running.phases().of(Phase::Firmware);
        assert_eq!(told.is_some(), hypervisor.shows().firmware);
        assert!(running.said().contains(&b'R'), "{:?}", running.said());
        Ok(())
    })
}

fn kvm_is_missing() -> Option<String> {
    let (_dir, guest) = real_guest(&["guest", "/true", "exit"]);
    match accel::probe(&guest, Duration::from_secs(5)) {
        Ok(choice) if choice.kvm() => None,
        Ok(choice) => Some(choice.why),
        Err(error) => Some(error.to_string()),
    }
}

/// A program that prints its environment and needs no library.
fn busybox() -> Result<Vec<u8>, String> {
    let paths = ["/usr/bin/busybox", "/bin/busybox"];
    let image = paths.iter().find_map(|path| std::fs::read(path).ok());
    let image = image.ok_or("busybox is not installed")?;
    // elf(5): what is linked to libraries has a program header of the type PT_INTERP.
    let table = usize::from(u16::from_le_bytes([image[32], image[33]]));
    let count = usize::from(image[56]);
    if (0..count).any(|index| image[table + 56 * index] == 3) {
        return Err("busybox is not static".to_owned());
    }
    Ok(image)
}

fn the_workload_has_its_environment() -> Result<(), Failed> {
    let (dir, guest) = real_guest(&["guest", "/busybox", "env"]);
    let mut archive = Archive::guest(init())?;
    archive.add_file("busybox", 0o755, busybox()?)?;
    archive.write_file(&dir.path().join("initrd"))?;
    let env = ["PATH=/usr/local/bin:/usr/bin", "LC_ALL=C.UTF-8"];
    let error = guest.env(env).boot_with_retries(LONG, 3).unwrap_err();
    let text = error.to_string();
    for word in env {
        assert!(text.lines().any(|line| line.contains(word)), "{text}");
    }
    Ok(())
}

fn a_dead_init_is_a_panic() -> Result<(), Failed> {
    let (_dir, guest) = real_guest(&["neither-guest-nor-workload"]);
    let error = guest.boot_with_retries(LONG, 3).unwrap_err();
    assert!(matches!(error, Error::Boot { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("its kernel panicked: Attempted to kill init!"),
        "{text}"
    );
    Ok(())
}

fn a_missing_program_is_an_early_end() -> Result<(), Failed> {
    let (_dir, guest) = real_guest(&["guest", "/no-such-program", "hold"]);
    let error = guest.boot_with_retries(LONG, 3).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("cannot be executed: No such file"), "{text}");
    Ok(())
}

fn the_phases_have_no_gap() -> Result<(), Failed> {
    let (_dir, guest) = real_guest(&["guest", "/true", "exit"]);
    let mut running = guest.start()?;
    let ended = running.wait(LONG)?;
    assert_eq!(ended.code, Some(0));
    let phases = running.phases();
    assert_eq!(phases.total(), ended.at - running.spawned());
    let last: Vec<_> = phases
        .stretches
        .iter()
        .flat_map(|s| s.phases.clone())
        .collect();
    let expected = [
        Phase::Vmm,
        Phase::Firmware,
        Phase::Kernel,
        Phase::Devices,
        Phase::Init,
        Phase::Workload,
        Phase::End,
    ];
    assert_eq!(last, expected, "the kernel is not compressed");
    // The kernel's own clock agrees with ours on most of a boot.
    let init = running.heard().init.ok_or("init said nothing")?;
    let before = init.at - running.spawned();
    assert!(
        init.kernel_clock < before && init.kernel_clock > before / 4,
        "{init:?}"
    );
    assert_eq!(running.heard().skipped, 0);
    Ok(())
}

fn the_drivers_are_told_apart() -> Result<(), Failed> {
    let (dir, guest) = real_guest(&["run"]);
    let file = RunFile::new(Path::new("/true"))
        .argument("true")
        .argument("exit")
        .kernel_times();
    with_run_file(&dir, &file, None)?;
    let mut running = guest.start()?;
    assert_eq!(running.wait(LONG)?.code, Some(0));
    let phases = running.phases();
    let devices = phases.of(Phase::Devices).ok_or("no devices")?;
    let kernel = phases.of(Phase::Kernel).ok_or("no kernel")?;
    assert!(
        devices > Duration::from_millis(1) && kernel > Duration::from_millis(1),
        "{phases:?}"
    );
    Ok(())
}

fn a_compressed_kernel_shows_its_decompression() -> Result<(), Failed> {
    let Some(packed) = packed_kernel() else {
        return Err("the kernel that was unpacked is gone".into());
    };
    let (_dir, guest) = real_guest_of(packed, &["guest", "/true", "exit"]);
    let mut running = guest.start()?;
    running.wait(LONG)?;
    let phases = running.phases();
    assert!(phases.compressed);
    assert!(
        phases.of(Phase::Decompression).ok_or("none")? > Duration::from_millis(10),
        "{phases:?}"
    );
    Ok(())
}

/// The devices of the port are those of QEMU's command line: without, init finds nobody.
fn without_a_port_a_guest_powers_off() -> Result<(), Failed> {
    let (dir, guest) = real_guest(&["guest", "/true", "exit"]);
    let line = guest.describe();
    let port = " -device isa-debugcon,iobase=0xe9,chardev=port";
    let end = " -device isa-debug-exit,iobase=0xf4,iosize=0x04";
    let without = format!("exec {line}")
        .replacen(port, "", 1)
        .replacen(end, "", 1);
    assert!(
        without.len() + port.len() + end.len() == line.len() + 5,
        "no port"
    );
    let (qemu, kernel) = real()?;
    let guest = Guest::new(
        qemu,
        kernel,
        dir.path().join("initrd"),
        dir.path().join("console"),
    )
    .launcher(["/bin/sh", "-c", without.as_str()]);
    let mut running = guest.start()?;
    let ended = running.wait(LONG)?;
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(ended.code, None);
    assert_eq!(running.said(), b"R");
    Ok(())
}

/// Puts `file` and perhaps busybox into the archive of the guest in `dir`.
fn with_run_file(dir: &TempDir, file: &RunFile, program: Option<Vec<u8>>) -> Result<(), Failed> {
    let mut archive = Archive::guest(init())?;
    archive.add_file("true", 0o755, init())?;
    if let Some(program) = program {
        archive.add_file("busybox", 0o755, program)?;
    }
    archive.add_file(RUN_FILE, 0o600, file.to_bytes()?)?;
    archive.write_file(&dir.path().join("initrd"))?;
    Ok(())
}

/// A guest that runs a line of a shell.
fn shell(line: &str) -> Result<(TempDir, Guest), Failed> {
    let (dir, guest) = real_guest(&["run"]);
    let file = RunFile::new(Path::new("/busybox"));
    let file = ["sh", "-c", line].into_iter().fold(file, RunFile::argument);
    with_run_file(&dir, &file.variable("PATH=/"), Some(busybox()?))?;
    Ok((dir, guest))
}

fn every_exit_status_comes_out() -> Result<(), Failed> {
    for (line, expected) in [("exit 255", 255), ("exit 128", 128), ("kill -9 $$", 137)] {
        let (_dir, guest) = shell(line)?;
        let ended = guest.start()?.wait(LONG)?;
        assert_eq!(ended.code, Some(expected), "{line}: {ended:?}");
    }
    Ok(())
}

/// All bytes, a long line, and an end that comes without one.
fn bytes_go_in_and_out_as_they_are() -> Result<(), Failed> {
    let (_dir, guest) = shell("/busybox cat; /busybox echo on the console >&2")?;
    let mut running = guest.start()?;
    running.wait_workload_unless(LONG, &|| false)?;
    let mut sent: Vec<u8> = (0..=255).collect();
    sent.extend([b'x'; 5000]);
    sent.extend(b"\nand no end");
    let mut typed = Typed::default();
    let mut input = running.take_input().ok_or("no input")?;
    let mut bytes = typed.bytes(&sent);
    bytes.extend(typed.end());
    let writing = std::thread::spawn(move || input.write_all(&bytes).map(|()| input));
    let ended = running.wait(LONG)?;
    let _input = writing.join().map_err(|_| "the writer panicked")??;
    assert_eq!(ended.code, Some(0));
    let said = running.said();
    assert!(said == sent, "{} bytes of {}", said.len(), sent.len());
    assert!(running.console_text().contains("on the console"));
    Ok(())
}

fn an_interrupt_reaches_the_program() -> Result<(), Failed> {
    let (_dir, guest) =
        shell("trap 'echo caught; exit 7' INT; echo ready; while :; do /busybox sleep 1; done")?;
    let mut running = guest.start()?;
    let begun = Instant::now();
    while !running.said().starts_with(b"ready\n") {
        assert!(
            running.look(LONG)? && begun.elapsed() < LONG,
            "it is not ready"
        );
    }
    let mut input = running.take_input().ok_or("no input")?;
    input.write_all(&[INTERRUPT])?;
    let ended = running.wait(LONG)?;
    assert_eq!(
        ended.code,
        Some(7),
        "{}",
        String::from_utf8_lossy(running.said())
    );
    Ok(())
}

/// A distribution's kernel hangs there now and then: that is what the watchdog is for.
fn the_small_machine() -> Result<(), Failed> {
    let (_dir, guest) = real_guest(&["guest", "/true", "hold"]);
    let guest = guest.machine(Machine::MicroVm);
    let mut booted = guest.boot_with_retries(Duration::from_secs(20), 5)?;
    for hang in &booted.failures {
        eprintln!("a hang: {hang}");
    }
    booted.guest.release()?;
    let ended = booted.guest.wait(LONG)?;
    assert_eq!(ended.code, Some(0));
    Ok(())
}

fn the_probe_answers_within_its_bound() -> Result<(), Failed> {
    let (dir, guest) = real_guest(&["guest", "/true", "exit"]);
    let bound = Duration::from_secs(3);
    let before = Instant::now();
    let choice = accel::probe(&guest, bound)?;
    assert!(
        before.elapsed() < bound + Duration::from_secs(2),
        "it took {:?}",
        before.elapsed()
    );
    assert!(!choice.why.is_empty());
    if choice.kvm() {
        guest
            .clone()
            .accel(choice.accel)
            .start()?
            .wait_ready(LONG)?;
    }
    let key = CacheKey::of(&guest)?;
    key.store(dir.path(), &choice)?;
    let kept = choice.definite.then_some(choice);
    assert_eq!(key.load(dir.path()), kept);
    Ok(())
}
