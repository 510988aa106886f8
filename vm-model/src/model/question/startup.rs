//! From the start to the workload's ready byte.

use super::{Each, Kind};
use crate::error::{Error, Result};
use crate::model::answer::{Outcome, Question, Values};
use crate::model::parameters::Unit;
use crate::model::startup::{ColdBoot, Restore};
use crate::model::units::{Bytes, BytesPerSecond, Seconds};

/// How long one takes to start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Startup {
    /// What starts.
    pub each: Each,
}

impl Question for Startup {
    fn what(&self) -> String {
        let how = match self.each.restored {
            true => "the restore",
            false => "the start",
        };
        format!("{how} of {}", self.each.kind.counted(1))
    }

    fn unit(&self) -> Unit {
        Unit::Seconds
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        // Restores are samples of their own, whose interval is that of a single one already.
        let spread = match self.each.restored {
            true => 1.0,
            false => values.or(&self.each.kind.parameter("spread"), 1.0),
        };
        let mut outcome = expected(&self.each, values)?;
        // What was given is no sample of ours.
        let mut given = 0.0;
        for (name, value) in &mut outcome.terms {
            match GIVEN.contains(name) {
                true => given += *value,
                false => *value *= spread,
            }
        }
        outcome.value = (outcome.value - given) * spread + given;
        Ok(outcome)
    }
}

const WORKLOAD: &str = "workload";
const KERNEL: &str = "the kernel, for the workload";
const CODE: &str = "translating the workload's code";
const BEYOND: &str = "other firmware, and unpacking";
/// What rests on something given, and scatters by that alone.
const GIVEN: [&str; 4] = [WORKLOAD, KERNEL, CODE, BEYOND];

/// What many of them take in the mean.
pub(super) fn expected(each: &Each, values: &Values<'_>) -> Result<Outcome> {
    let speed = values.or("host.speed", 1.0);
    match each.kind {
        Kind::Vm if each.restored => restored(values),
        Kind::Vm => booted(each, values, speed),
        kind => {
            let start = values.get(&kind.parameter("start"))? * speed;
            Ok(Outcome::sum(vec![
                ("start", start),
                (WORKLOAD, each.workload_time),
            ]))
        }
    }
}

fn booted(each: &Each, values: &Values<'_>, speed: f64) -> Result<Outcome> {
    let by = |native: f64, factors: &[&str]| match native > 0.0 {
        true => factors
            .iter()
            .try_fold(native, |time, name| Ok(time * values.get(name)?)),
        false => Ok::<_, Error>(0.0),
    };
    let kernel = by(each.workload_kernel, &["vm.slowdown.kernel"])?;
    let code = by(each.workload_code, &["program.run", "vm.translation"])?;
    let own = (each.workload_time - each.workload_kernel).max(0.0);
    let own = by(own, &["vm.slowdown"])?;
    let beyond = by(each.beyond, &["vm.slowdown"])?;
    let phase = |name: &str| Seconds(values.or(name, 0.0));
    let device = match each.devices {
        0 => Seconds(0.0),
        _ => Seconds(values.get("vm.device")?),
    };
    let mut boot = ColdBoot {
        firmware: Seconds(beyond),
        devices: vec![device; each.devices as usize],
        workload: Seconds(own + kernel + code),
        ..ColdBoot::default()
    };
    let archive = match each.archive > 0.0 {
        true => values.get("vm.boot.archive")? * each.archive,
        false => 0.0,
    };
    let mut terms = Vec::new();
    if values.has("vm.boot") || !values.has("vm.kernel") {
        let whole = values.get("vm.boot")?;
        let further = each.memory - values.get("vm.reference")?;
        // However little memory there is, no more can be spared than there was.
        let memory = (values.or("vm.boot.memory", 0.0) * further).max(-whole - archive);
        boot.kernel = Seconds((whole + memory + archive).max(0.0));
        match phases(values) {
            Some(phases) => {
                let told = phases.map(|(name, share)| (name, whole * speed * share));
                terms.extend(told);
            }
            None => terms.push(("monitor, firmware, kernel and init", whole * speed)),
        }
        terms.extend([
            ("its memory, by the reference's", memory * speed),
            ("its initial file system", archive * speed),
            (BEYOND, beyond),
        ]);
    } else {
        boot.vmm = phase("vm.vmm");
        boot.firmware = boot.firmware + phase("vm.firmware");
        boot.decompression = phase("vm.decompression");
        let alone = values.get("vm.kernel")?;
        boot.kernel = Seconds(alone + archive);
        boot.init = phase("vm.init");
        terms.extend([
            ("monitor", boot.vmm.0),
            ("firmware", boot.firmware.0),
            ("decompression", boot.decompression.0),
            ("kernel", alone * speed),
            ("its initial file system", archive * speed),
            ("init", boot.init.0),
        ]);
    }
    terms.push(("devices", boot.devices.iter().map(|device| device.0).sum()));
    terms.extend([(WORKLOAD, own), (KERNEL, kernel), (CODE, code)]);
    let value = boot.total(speed).0;
    Ok(Outcome {
        value,
        ..Outcome::sum(terms)
    })
}

/// The phases of a boot and their shares, which together are all of it; `None` where they were not
/// timed apart.
fn phases(values: &Values<'_>) -> Option<[(&'static str, f64); 4]> {
    let named = [
        ("monitor", "vm.share.monitor"),
        ("firmware", "vm.share.firmware"),
        ("kernel and devices", "vm.share.kernel"),
        ("init", "vm.share.init"),
    ];
    if !named.iter().all(|(_, name)| values.has(name)) {
        return None;
    }
    let shares = named.map(|(phase, name)| (phase, values.or(name, 0.0)));
    let all: f64 = shares.iter().map(|(_, share)| share).sum();
    (all > 0.0).then(|| shares.map(|(phase, share)| (phase, share / all)))
}

fn restored(values: &Values<'_>) -> Result<Outcome> {
    if values.has("vm.restore") || !values.has("vm.restore.state") {
        return Ok(Outcome::sum(vec![("restore", values.get("vm.restore")?)]));
    }
    let restore = Restore {
        vmm: Seconds(values.get("vm.restore.vmm")?),
        state: Bytes(values.get("vm.restore.state")?),
        bandwidth: BytesPerSecond(values.get("vm.restore.bandwidth")?),
        faults: values.get("vm.restore.faults")?,
        fault: Seconds(values.get("vm.restore.fault")?),
    };
    let read = (restore.state / restore.bandwidth).0;
    Ok(Outcome {
        value: restore.total().0,
        terms: vec![
            ("monitor", restore.vmm.0),
            ("the state, read", read),
            ("pages, fetched", (restore.fault * restore.faults).0),
        ],
        ..Outcome::default()
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    fn start(each: Each, values: &[(&str, f64)]) -> f64 {
        answer(&Startup { each }, &exact(values), 1).unwrap().value
    }

    #[test]
    fn a_calibrated_guest_starts_by_its_memory_its_archive_and_the_hosts_speed() {
        let values = [
            ("vm.boot", 2.0),
            ("vm.reference", 256.0),
            ("vm.boot.memory", 0.001),
            ("vm.boot.archive", 0.01),
            ("host.speed", 1.5),
            ("vm.spread", 1.1),
            ("vm.slowdown", 10.0),
        ];
        let each = Each {
            memory: 512.0,
            archive: 100.0,
            ..Each::default()
        };
        let expected = (2.0 + 0.256 + 1.0) * 1.5 * 1.1;
        let started = start(each, &values);
        assert!((started - expected).abs() < 1e-12, "{started}");
        // Where phases were timed apart, they are told apart, and are the same in sum.
        let mut phases = values.to_vec();
        phases.extend([
            ("vm.share.monitor", 0.1),
            ("vm.share.firmware", 0.1),
            ("vm.share.kernel", 0.7),
            ("vm.share.init", 0.1),
        ]);
        let told = answer(&Startup { each }, &exact(&phases), 1).unwrap();
        assert!((told.value - expected).abs() < 1e-12);
        assert!(
            (told.terms[2].value - 2.0 * 0.7 * 1.5 * 1.1).abs() < 1e-12,
            "{told:?}"
        );
        // What the workload takes is given: it does not scatter with the boots.
        let busy = Each {
            workload_time: 0.2,
            ..each
        };
        assert!((start(busy, &values) - expected - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_boot_of_little_memory_takes_no_less_than_nothing() {
        // Each byte less than 256 would spare 0.01 of two seconds.
        let values = [
            ("vm.boot", 2.0),
            ("vm.reference", 256.0),
            ("vm.boot.memory", 0.01),
            ("vm.spread", 1.25),
            ("vm.slowdown", 2.0),
        ];
        let each = Each {
            memory: 16.0,
            workload_time: 0.5,
            ..Each::default()
        };
        let told = answer(&Startup { each }, &exact(&values), 1).unwrap();
        assert_eq!(told.value, 1.0, "the workload, and it alone");
        let sum: f64 = told.terms.iter().map(|term| term.value).sum();
        assert_eq!(sum, told.value);
    }

    #[test]
    fn a_workload_is_its_own_code_what_the_kernel_does_for_it_and_code_met_for_the_first_time() {
        let values = [
            ("vm.boot", 2.0),
            ("vm.reference", 0.0),
            ("vm.slowdown", 4.0),
            ("vm.slowdown.kernel", 16.0),
            ("program.run", 0.125),
            ("vm.translation", 0.5),
        ];
        let own = Each {
            workload_time: 0.5,
            ..Each::default()
        };
        assert_eq!(start(own, &values), 2.0 + 0.5 * 4.0);
        let both = Each {
            workload_kernel: 0.25,
            ..own
        };
        assert_eq!(start(both, &values), 2.0 + 0.25 * 4.0 + 0.25 * 16.0);
        let fresh = Each {
            workload_code: 64.0,
            ..both
        };
        let told = answer(&Startup { each: fresh }, &exact(&values), 1).unwrap();
        assert_eq!(told.value, 2.0 + 1.0 + 4.0 + 64.0 * 0.125 * 0.5);
        let sum: f64 = told.terms.iter().map(|term| term.value).sum();
        assert_eq!(sum, told.value);
        // A calibration of before knows only the first, and is told so.
        let older = answer(&Startup { each: both }, &exact(&values[..3]), 1).unwrap_err();
        assert!(older.to_string().contains("vm.slowdown.kernel"), "{older}");
    }

    #[test]
    fn a_published_guest_starts_by_its_phases_and_slowness_is_the_kernels() {
        let values = [
            ("vm.vmm", 0.05),
            ("vm.kernel", 0.1),
            ("vm.init", 0.01),
            ("vm.device", 0.002),
            ("host.speed", 2.0),
        ];
        let each = Each {
            devices: 3,
            ..Each::default()
        };
        assert!((start(each, &values) - (0.05 + 0.2 + 0.01 + 0.006)).abs() < 1e-12);
        // Nobody published what an initial file system takes: it counts once that is given.
        let larger = Each {
            archive: 10.0,
            ..each
        };
        let unknown = answer(&Startup { each: larger }, &exact(&values), 1).unwrap_err();
        assert!(unknown.to_string().contains("vm.boot.archive"), "{unknown}");
        let mut given = values.to_vec();
        given.push(("vm.boot.archive", 0.001));
        assert!((start(larger, &given) - (0.266 + 0.02)).abs() < 1e-12);
    }

    #[test]
    fn a_container_a_process_and_a_restore_have_their_own() {
        let of = |kind| Each {
            kind,
            workload_time: 0.1,
            ..Each::default()
        };
        let container = start(of(Kind::Container), &[("container.start", 0.005)]);
        let process = start(of(Kind::Process), &[("process.start", 0.001)]);
        assert!((container - 0.105).abs() < 1e-12 && (process - 0.101).abs() < 1e-12);
        let restored = Each {
            restored: true,
            ..Each::default()
        };
        assert_eq!(start(restored, &[("vm.restore", 0.04)]), 0.04);
        let missing = answer(&Startup { each: restored }, &exact(&[]), 1).unwrap_err();
        assert!(missing.to_string().contains("vm.restore"), "{missing}");
    }
}
