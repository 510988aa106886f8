//! Real guests under the translator, which works on every machine that has QEMU.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use vm_model::Error;
use vm_model::accel::{self, CacheKey};
use vm_model::initramfs::Archive;

use crate::setting::{init, real, real_guest, trial};

/// Far more than a boot takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 4] = [
        (
            "a_guest_boots_holds_and_powers_off",
            a_guest_boots_holds_and_powers_off,
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
            "a_guest_without_its_program_powers_off_early",
            a_missing_program_is_an_early_end,
        ),
    ];
    let missing = real().err();
    let mut trials: Vec<_> = tests
        .map(|(name, test)| trial(name, missing.clone(), test))
        .into();
    let missing = missing.or_else(|| busybox().err());
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
    assert!(error.to_string().contains("too early"), "{error}");
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
