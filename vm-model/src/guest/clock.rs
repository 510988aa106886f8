//! How fast the clock of an emulated guest ticks.
//!
//! The translator gives the guest the host's own counter of time stamps. A kernel that does not
//! know its frequency holds it against an old timer, some fifty milliseconds of each: where the
//! host is busy, the emulated timer stutters, the kernel gives up, and then hangs for ever on the
//! next timer that it wants to calibrate. Told the frequency, it does neither.
//!
//! Source: `tsc_early_khz` in the kernel's `Documentation/admin-guide/kernel-parameters.txt`, since
//! Linux 5.5; QEMU's `cpu_get_host_ticks`.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long the two clocks are compared: reading them a tenth of a microsecond apart is then a
/// mistake of forty in a million, less than a kernel makes that calibrates by itself.
const COMPARED: Duration = Duration::from_micros(2500);

/// The host's counter and its clock at one moment.
#[derive(Debug, Clone, Copy)]
struct Reading {
    ticks: u64,
    at: Instant,
}

/// Begins the comparison, if nobody has: what comes between this and [`kilohertz`] need not be
/// waited for.
pub(crate) fn begin() {
    static_reading();
}

fn static_reading() -> Option<Reading> {
    static BEGUN: OnceLock<Option<Reading>> = OnceLock::new();
    *BEGUN.get_or_init(reading)
}

/// The frequency of the counter that an emulated guest sees, in kHz; nothing where the host's
/// processor is another than the guest's, and QEMU gives it another clock.
#[must_use]
pub fn kilohertz() -> Option<u64> {
    static KNOWN: OnceLock<Option<u64>> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let begun = static_reading()?;
        std::thread::sleep(COMPARED.saturating_sub(begun.at.elapsed()));
        between(begun, reading()?)
    })
}

fn between(begun: Reading, ended: Reading) -> Option<u64> {
    let ticks = u128::from(ended.ticks.checked_sub(begun.ticks)?);
    let nanoseconds = (ended.at - begun.at).as_nanos();
    let kilohertz = (ticks * 1_000_000).checked_div(nanoseconds)?;
    // What no processor does is a mistake, and worse than nothing.
    let plausible = 100_000..20_000_000;
    u64::try_from(kilohertz)
        .ok()
        .filter(|it| plausible.contains(it))
}

#[cfg(target_arch = "x86_64")]
fn reading() -> Option<Reading> {
    // Of a few, the one in which least came between the two clocks.
    let one = || {
        let at = Instant::now();
        let ticks = crate::kvm::ticks();
        (at.elapsed(), Reading { ticks, at })
    };
    let all = std::iter::repeat_with(one).take(5);
    all.min_by_key(|(gap, _)| *gap).map(|(_, reading)| reading)
}

#[cfg(not(target_arch = "x86_64"))]
fn reading() -> Option<Reading> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_is_ticks_by_time_and_nonsense_is_none() {
        let at = Instant::now();
        let begun = Reading { ticks: 1000, at };
        let after = |ticks| Reading {
            ticks,
            at: at + Duration::from_millis(2),
        };
        assert_eq!(between(begun, after(1000 + 5_200_000)), Some(2_600_000));
        for ticks in [0, 1000, 1001, u64::MAX] {
            assert_eq!(between(begun, after(ticks)), None, "{ticks}");
        }
        assert_eq!(between(begun, begun), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn this_processors_counter_ticks_evenly() {
        let known = kilohertz().unwrap();
        let begun = reading().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let again = between(begun, reading().unwrap()).unwrap();
        let differs = known.abs_diff(again) as f64 / known as f64;
        assert!(differs < 0.005, "{known} and {again} kHz");
    }
}
