//! Real guests under the translator, which works on every machine that has QEMU.

use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use vm_model::Error;
use vm_model::accel::{self, CacheKey};

use crate::setting::{real, real_guest, trial};

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
    tests
        .map(|(name, test)| trial(name, missing.clone(), test))
        .into()
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
    assert_eq!(key.load(dir.path()), Some(choice));
    Ok(())
}
