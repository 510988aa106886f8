//! Where the time of a boot went.
//!
//! Between two moments lies a phase. The moments are those at which something of the guest, or of
//! QEMU, reached this process, by this process's clock, so that a phase includes what it takes to
//! be told of its end. Where a moment is missing, the phases on both of its sides are told as one,
//! by the names of both; nothing is guessed.
//!
//! One moment is reckoned: the beginning of the kernel's own clock, which is the arrival of init's
//! first line less what that clock then showed. It parts the decompression of a compressed kernel
//! from the kernel. That clock starts a little after the kernel does, so the kernel's very first
//! steps count as decompression; an uncompressed kernel has none, and begins where the firmware
//! ends.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::port::Heard;

/// A part of a guest's life, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// From the spawn of the VMM until the firmware asks the machine for its first thing.
    Vmm,
    /// Until it has asked for its last, just before it enters the kernel.
    Firmware,
    /// The kernel unpacks itself.
    Decompression,
    /// Until init says its first line, without what follows.
    Kernel,
    /// The kernel's drivers look for their devices (its initcalls).
    Devices,
    /// Until init executes the workload.
    Init,
    /// Until the workload has ended, or is ready if it holds.
    Workload,
    /// Until the VMM is gone.
    End,
}

impl Phase {
    /// Its name, as it is shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vmm => "VMM start",
            Self::Firmware => "firmware",
            Self::Decompression => "decompression",
            Self::Kernel => "kernel",
            Self::Devices => "devices",
            Self::Init => "init",
            Self::Workload => "workload",
            Self::End => "end",
        }
    }
}

/// One or more phases that could be told apart from the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// What it consists of; more than one where the moment between them is not known.
    pub phases: Vec<Phase>,
    /// How long it took.
    #[serde(rename = "ns", with = "nanoseconds")]
    pub time: Duration,
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.phases.iter().map(|phase| phase.name()).collect();
        f.write_str(&names.join(" + "))
    }
}

/// A boot, from the spawn of the VMM on, without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// In their order.
    pub stretches: Vec<Stretch>,
    /// Whether the kernel was compressed. If not, there is no phase of decompression.
    pub compressed: bool,
}

impl Phases {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.stretches.iter().map(|stretch| stretch.time).sum()
    }

    /// The time of `phase`, if it could be told apart from the others.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Option<Duration> {
        let alone = |stretch: &&Stretch| stretch.phases == [phase];
        self.stretches
            .iter()
            .find(alone)
            .map(|stretch| stretch.time)
    }
}

/// What is known of a boot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments<'a> {
    pub(super) spawned: Instant,
    /// The firmware asked for the first thing.
    pub(super) asked: Option<Instant>,
    /// The firmware asked for the last thing.
    pub(super) entered: Option<Instant>,
    pub(super) compressed: bool,
    pub(super) heard: &'a Heard,
    /// The workload's ready byte came.
    pub(super) ready: Option<Instant>,
    /// The VMM was gone.
    pub(super) gone: Option<Instant>,
}

impl Moments<'_> {
    /// The phases between them.
    pub(super) fn phases(&self) -> Phases {
        let heard = self.heard;
        let init = heard.init.map(|init| init.at);
        // What is reckoned from a guest's words is believed where it lies between what was seen.
        let seen = self.entered.or(self.asked).unwrap_or(self.spawned);
        let kernel_began = heard
            .init
            .and_then(|init| init.at.checked_sub(init.kernel_clock))
            .filter(|at| self.compressed && *at >= seen);
        let drivers_began = heard
            .drivers
            .and_then(|(from, to)| init?.checked_sub(to - from))
            .filter(|at| *at >= kernel_began.unwrap_or(seen));
        let done = heard.ended.map(|(at, _)| at).or(heard.ready).or(self.ready);
        let mut ends = vec![(Phase::Vmm, self.asked), (Phase::Firmware, self.entered)];
        if self.compressed {
            ends.push((Phase::Decompression, kernel_began));
        }
        ends.extend([
            (Phase::Kernel, drivers_began),
            (Phase::Devices, init),
            (Phase::Init, heard.workload),
            (Phase::Workload, done),
            (Phase::End, self.gone),
        ]);
        Phases {
            stretches: stretches(self.spawned, &ends),
            compressed: self.compressed,
        }
    }
}

/// Each phase with the moment of its end: as stretches between the moments that are known.
fn stretches(begin: Instant, ends: &[(Phase, Option<Instant>)]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let (mut phases, mut last) = (Vec::new(), begin);
    for (index, &(phase, end)) in ends.iter().enumerate() {
        phases.push(phase);
        // A moment that a guest made up may lie before the last or after the next: a workload that
        // tells of its beginning before init does.
        let later = ends[index + 1..].iter().find_map(|(_, end)| *end);
        let fits = |end: &Instant| *end >= last && later.is_none_or(|later| *end <= later);
        if let Some(end) = end.filter(fits) {
            let phases = std::mem::take(&mut phases);
            let time = end - last;
            found.push(Stretch { phases, time });
            last = end;
        }
    }
    found
}

/// A duration as a whole number of nanoseconds.
mod nanoseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::super::port::Began;
    use super::*;

    /// The stretches of a boot as text, from moments in milliseconds after the spawn.
    fn told(change: impl FnOnce(&mut Heard, &mut Moments<'_>, &dyn Fn(u64) -> Instant)) -> String {
        let spawned = Instant::now();
        let at = |ms| spawned + Duration::from_millis(ms);
        let mut heard = Heard {
            init: Some(Began {
                at: at(900),
                kernel_clock: Duration::from_millis(500),
            }),
            workload: Some(at(910)),
            ended: Some((at(1000), 0)),
            ..Heard::default()
        };
        let empty = Heard::default();
        let mut moments = Moments {
            spawned,
            asked: Some(at(100)),
            entered: Some(at(150)),
            compressed: false,
            heard: &empty,
            ready: None,
            gone: Some(at(1005)),
        };
        change(&mut heard, &mut moments, &at);
        let phases = Moments {
            heard: &heard,
            ..moments
        }
        .phases();
        let line = |stretch: &Stretch| format!("{stretch} {}", stretch.time.as_millis());
        let lines: Vec<_> = phases.stretches.iter().map(line).collect();
        lines.join(", ")
    }

    #[test]
    fn every_moment_ends_a_phase() {
        assert_eq!(
            told(|_, _, _| {}),
            "VMM start 100, firmware 50, kernel + devices 750, init 10, workload 90, end 5"
        );
    }

    #[test]
    fn the_kernels_clock_parts_decompression_from_the_kernel() {
        assert_eq!(
            told(|_, moments, _| moments.compressed = true),
            "VMM start 100, firmware 50, decompression 250, kernel + devices 500, init 10, \
             workload 90, end 5"
        );
    }

    #[test]
    fn the_kernels_log_parts_the_devices_from_the_kernel() {
        let drivers = (Duration::from_millis(100), Duration::from_millis(400));
        assert_eq!(
            told(|heard, _, _| heard.drivers = Some(drivers)),
            "VMM start 100, firmware 50, kernel 450, devices 300, init 10, workload 90, end 5"
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_told_together() {
        assert_eq!(
            told(|_, moments, _| (moments.asked, moments.entered) = (None, None)),
            "VMM start + firmware + kernel + devices 900, init 10, workload 90, end 5"
        );
        assert_eq!(
            told(|heard, _, _| *heard = Heard::default()),
            "VMM start 100, firmware 50, kernel + devices + init + workload + end 855"
        );
    }

    #[test]
    fn a_workload_that_holds_ends_its_phase_by_being_ready() {
        assert_eq!(
            told(|heard, moments, at| {
                (heard.ended, moments.gone, moments.ready) = (None, None, Some(at(950)));
            }),
            "VMM start 100, firmware 50, kernel + devices 750, init 10, workload 40"
        );
    }

    #[test]
    fn a_clock_that_shows_more_than_has_passed_is_not_believed() {
        for clock in [2_000, 800, u64::MAX / 1_000_000] {
            assert_eq!(
                told(|heard, moments, _| {
                    moments.compressed = true;
                    heard.init.as_mut().unwrap().kernel_clock = Duration::from_millis(clock);
                }),
                "VMM start 100, firmware 50, decompression + kernel + devices 750, init 10, \
                 workload 90, end 5"
            );
        }
    }

    #[test]
    fn phases_survive_json() {
        let phases = Phases {
            stretches: vec![Stretch {
                phases: vec![Phase::Vmm, Phase::Firmware],
                time: Duration::from_nanos(1_234_567),
            }],
            compressed: true,
        };
        let json = serde_json::to_string(&phases).unwrap();
        assert!(
            json.contains(r#"["vmm","firmware"],"ns":1234567"#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Phases>(&json).unwrap(), phases);
    }
}
