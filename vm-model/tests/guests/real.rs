//! Real guests under the translator, which works on every machine that has QEMU.

use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use vm_model::Error;

use crate::setting::{real, real_guest};

/// Far more than a boot takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 3] = [
        (
            "a_guest_boots_holds_and_powers_off",
            a_guest_boots_holds_and_powers_off,
        ),
        (
            "a_guest_whose_init_dies_says_that_it_panicked",
            a_dead_init_is_a_panic,
        ),
        (
            "a_guest_without_its_program_powers_off_early",
            a_missing_program_is_an_early_end,
        ),
    ];
    let missing = real().err();
    let trial = |(name, test): (&str, Test)| match &missing {
        None => Trial::test(name, test),
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), test).with_ignored_flag(true),
    };
    tests.map(trial).into()
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
