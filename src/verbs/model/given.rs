//! The parameters that a question is answered with: a calibration of this machine
//! or published figures, what this machine has, and what was given.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};
use nix::sys::statvfs::statvfs;
use vm_model::model::parameters::{
    Curve, MONITORS, Origin, Parameter, Parameters, Published, known, startup_of,
};
use vm_model::model::storm::{self, Boot};
use vm_model::model::units::{Bytes, Seconds};
use vm_model::model::{GuestKernel, HostFacts, Vmm};

use super::amounts::{number, processors, size, some_size};
use crate::calibration::{self, Split, Stored};
use crate::{footprint, hint, places};

/// Where parameters come from.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// `calibration`, `published`, or a calibration's file [default: the calibration of this
    /// machine where there is one, else what was published]
    #[arg(long, value_name = "SOURCE")]
    from: Option<String>,
    /// Of the published: which program runs the guests [default: qemu]
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// A parameter in place of the known, such as vm.slowdown=1.05 or vm.boot=0.2..0.3, in
    /// seconds and bytes
    #[arg(long = "set", value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// The memory that they may have [default: what is available here now]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    host_memory: Option<f64>,
    /// The processors that they may have [default: those here]
    #[arg(long, value_name = "N", value_parser = processors)]
    host_processors: Option<f64>,
    /// The disk that they may have [default: what is free here]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    host_disk: Option<f64>,
    /// The requests a second that the disk answers
    #[arg(long, value_name = "N", value_parser = number)]
    host_iops: Option<f64>,
    /// Bytes a second that the disk reads
    #[arg(long, value_name = "SIZE", value_parser = some_size)]
    host_bandwidth: Option<f64>,
    /// The host's price
    #[arg(long, value_name = "MONEY", value_parser = number)]
    capital: Option<f64>,
    /// What the host draws, in watts, with its cooling
    #[arg(long, value_name = "WATTS", value_parser = number)]
    power: Option<f64>,
    /// The price of a kilowatt-hour
    #[arg(long, value_name = "MONEY", value_parser = number)]
    energy: Option<f64>,
}

/// The programs whose figures were published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Monitor {
    Qemu,
    Qboot,
    Microvm,
    Firecracker,
    CloudHypervisor,
}

impl Monitor {
    fn vmm(self) -> Vmm {
        match self {
            Self::Qemu => Vmm::Qemu,
            Self::Qboot => Vmm::QemuQboot,
            Self::Microvm => Vmm::QemuMicrovm,
            Self::Firecracker => Vmm::Firecracker,
            Self::CloudHypervisor => Vmm::CloudHypervisor,
        }
    }

    /// Its place among those whose memory was published.
    fn memory(self) -> usize {
        let name = match self {
            Self::Qemu | Self::Qboot | Self::Microvm => "qemu",
            Self::Firecracker => "firecracker",
            Self::CloudHypervisor => "cloud-hypervisor",
        };
        MONITORS
            .iter()
            .position(|known| *known == name)
            .unwrap_or(0)
    }
}

/// The parameters, and what is to be said of where they come from.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) parameters: Parameters,
    /// In a line.
    pub(super) from: String,
    pub(super) warnings: Vec<String>,
}

/// Puts them together: what is given goes before what is calibrated or published.
///
/// # Errors
/// If a calibration cannot be used, or what was given cannot be.
pub(super) fn find(given: &Given) -> Result<Found> {
    let monitor = given.monitor.unwrap_or(Monitor::Qemu);
    let calibrated = |stored: &Stored| match given.monitor {
        None => Ok(calibrated(stored)),
        Some(_) => Err(hint::usage(
            "--monitor means nothing for a calibration, whose guests ran under QEMU",
            "add --from published, or leave it out",
        )),
    };
    let mut found = match given.from.as_deref() {
        Some("published") => published(monitor)?,
        Some("calibration") => match calibration::newest()? {
            Some(stored) => calibrated(&stored)?,
            None => bail!(hint::with(
                "this machine was not calibrated",
                "`isolab model calibrate` does it in half a minute",
            )),
        },
        Some(file) => calibrated(&calibration::load(Path::new(file))?)?,
        None => match calibration::newest()? {
            Some(stored) => calibrated(&stored)?,
            None => {
                let mut found = published(monitor)?;
                let note = "this machine was not calibrated: `isolab model calibrate` makes the answer its own";
                found.warnings.push(note.to_owned());
                found
            }
        },
    };
    for parameter in host(given) {
        found.parameters.set(parameter);
    }
    for text in &given.set {
        found.parameters.set(set(text)?);
    }
    found.parameters.check()?;
    Ok(found)
}

fn calibrated(stored: &Stored) -> Found {
    let calibration = &stored.calibration;
    let mut warnings = calibration.aged(&calibration::machine());
    if let Some(why) = &calibration.was.forced {
        warnings.push(format!("the calibration was forced: {why}"));
    }
    Found {
        parameters: calibration.parameters(),
        from: format!(
            "the calibration of {} (SHA-256 {})",
            calibration.created,
            &stored.sha256[..16]
        ),
        warnings,
    }
}

/// What was published of guests under hardware virtualization. Of containers and processes
/// nothing was that these equations could be fed with.
fn published(monitor: Monitor) -> Result<Found> {
    let host = |kernel| HostFacts {
        vmm: monitor.vmm(),
        kernel,
        kernel_bytes: None,
        memory_mib: 256,
    };
    // Of Cloud Hypervisor only the whole was published, and with a small kernel.
    let start = startup_of(&host(GuestKernel::Distribution))
        .or_else(|_| startup_of(&host(GuestKernel::Minimal)))?;
    let mut parameters: Parameters = start.into_iter().collect();
    let has_kernel = parameters.get("vm.kernel").is_some();
    if !has_kernel {
        parameters.set(assumed(
            "vm.kernel",
            0.0,
            [0.0, 0.0],
            "it is in `vm.vmm`, and was not published apart",
        ));
    }
    let split = Split::ours()?;
    let curve = Curve::through(&split.published.fitted_mib)
        .ok_or_else(|| anyhow!("the published memory cannot be fitted"))?;
    for parameter in curve.parameters(monitor.memory()) {
        parameters.set(parameter);
    }
    for parameter in contention(monitor) {
        parameters.set(parameter);
    }
    for (name, value, interval, why) in [
        (
            "vm.work",
            WORK.0,
            WORK.1,
            "assumed: nobody published it; give your own by --set",
        ),
        (
            "vm.slowdown",
            1.03,
            [1.0, 1.2],
            "assumed of hardware virtualization; give your own by --set",
        ),
        (
            "vm.disk.overlay",
            196_608.0,
            [65_536.0, 262_144.0],
            "assumed: three clusters of qcow2; give your own by --set",
        ),
    ] {
        parameters.set(assumed(name, value, interval, why));
    }
    Ok(Found {
        parameters,
        from: "published figures, of hardware virtualization".to_owned(),
        warnings: Vec::new(),
    })
}

/// What of a boot needs a processor, for want of a figure: the part, and its interval.
const WORK: (f64, [f64; 2]) = (0.9, [0.7, 1.0]);

/// The hardware threads of the host whose boots at once were published: an m5d.metal's.
const THREADS: f64 = 96.0;

/// How much boots at once are in each other's way, by the medians of one and of 100 at a time, and
/// of 50 where those were published: as [`storm`] has it, so that these come out again. Of a monitor
/// of which no such median was published there is none.
fn contention(monitor: Monitor) -> Vec<Parameter> {
    let (title, name) = match monitor {
        Monitor::Qemu => ("QEMU", "qemu-nsdi"),
        Monitor::Firecracker => ("Firecracker", "fc-nsdi"),
        Monitor::CloudHypervisor => ("Cloud Hypervisor", "chv-nsdi"),
        Monitor::Qboot | Monitor::Microvm => return Vec::new(),
    };
    let Some(alone) = Published::find(name, "boot_serial_median") else {
        return Vec::new();
    };
    let boot = Boot {
        work: Seconds(alone.value * WORK.0),
        idle: Seconds(alone.value * (1.0 - WORK.0)),
        read: Bytes(0.0),
    };
    let of = |guests: u32| {
        let seen = Published::find(name, &format!("boot_parallel{guests}_median"))?;
        let each = storm::contention(&boot, THREADS, guests, Seconds(seen.value))?;
        Some((seen, each))
    };
    let Some((many, most)) = of(100) else {
        return Vec::new();
    };
    let half = of(50);
    // A figure says how far it may be off by the other; one alone has nothing beside it, and may be
    // none of it or twice as much.
    let reach = half.as_ref().map_or(most, |(_, least)| most - least).abs();
    let made = |name: &str, seen: &Published, each: f64| {
        // Nobody is faster for company: what looks like it is scatter, and as wide.
        let value = each.max(0.0);
        let origin = Origin::Published {
            citation: seen.source.clone(),
            conditions: format!(
                "{title}, {}; medians of single boots, by {} ms of one alone; the interval is assumed",
                seen.conditions, alone.value
            ),
        };
        Parameter::new(name, value, [value - reach, value + reach], origin)
    };
    let number = |name, guests| {
        assumed(
            name,
            guests,
            [guests; 2],
            "so many at a time were published",
        )
    };
    let mut all = vec![
        made("vm.contention", &many, most),
        number("vm.contention.guests", 100.0),
    ];
    if let Some((half, least)) = &half {
        all.extend([
            made("vm.contention.few", half, *least),
            number("vm.contention.few-guests", 50.0),
        ]);
    }
    all
}

fn assumed(name: &str, value: f64, interval: [f64; 2], why: &str) -> Parameter {
    let why = why.to_owned();
    Parameter::new(name, value, interval, Origin::Given { why })
}

/// What the host has, given or as it is here now.
fn host(given: &Given) -> Vec<Parameter> {
    let mut all = Vec::new();
    let mut add =
        |name: &str, value: Option<f64>, here: Option<(f64, f64, &str)>| match (value, here) {
            (Some(value), _) => all.push(assumed(name, value, [value, value], "given")),
            (None, Some((value, reach, why))) => {
                let interval = [value * (1.0 - reach), value * (1.0 + reach)];
                all.push(assumed(name, value, interval, why));
            }
            (None, None) => {}
        };
    let memory = footprint::available_bytes().ok().map(|bytes| bytes as f64);
    let now = "what is available on this machine now";
    add(
        "host.memory",
        given.host_memory,
        memory.map(|value| (value, 0.02, now)),
    );
    let processors = std::thread::available_parallelism().ok();
    let processors = processors.map(|n| (usize::from(n) as f64, 0.0, "this machine's"));
    add("host.processors", given.host_processors, processors);
    let free = free_disk().map(|value| (value, 0.02, "what is free on this machine now"));
    add("host.disk", given.host_disk, free);
    add("host.iops", given.host_iops, None);
    add("host.bandwidth", given.host_bandwidth, None);
    let why = "assumed, and no figure of anybody's: give your own";
    add("money.capital", given.capital, Some((6000.0, 0.3, why)));
    add("money.power", given.power, Some((250.0, 0.3, why)));
    add("money.energy", given.energy, Some((0.30, 0.3, why)));
    all
}

/// What an ordinary user may still write where images lie.
fn free_disk() -> Option<f64> {
    let place = places::data().into_iter().chain([PathBuf::from("/")]);
    let nearest = place.flat_map(|path| path.ancestors().map(Path::to_owned).collect::<Vec<_>>());
    let mut there = nearest.filter(|path| path.exists());
    let status = there.find_map(|path| statvfs(&path).ok())?;
    Some(status.blocks_available() as f64 * status.fragment_size() as f64)
}

/// `NAME=VALUE` or `NAME=LOW..HIGH`.
fn set(text: &str) -> Result<Parameter> {
    let wrong = |why: String| {
        hint::usage(
            format!("cannot use `--set {text}`: {why}"),
            "write NAME=VALUE or NAME=LOW..HIGH, in seconds and bytes; docs/MODEL.md has the names",
        )
    };
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| wrong("there is no `=` in it".to_owned()))?;
    let Some(known) = known(name.trim()) else {
        return Err(wrong(format!("no parameter is called `{name}`")));
    };
    let read = |text: &str| number(text).map_err(&wrong);
    let (low, high) = match value.split_once("..") {
        Some((low, high)) => (read(low)?, read(high)?),
        None => (read(value)?, read(value)?),
    };
    let within = known.least..=known.most;
    if low > high || !within.contains(&low) || !within.contains(&high) {
        return Err(wrong(format!(
            "it can be {} to {} {}, the lesser first",
            known.least, known.most, known.unit
        )));
    }
    Ok(assumed(
        known.name,
        f64::midpoint(low, high),
        [low, high],
        "given by --set",
    ))
}

#[cfg(test)]
mod tests {
    use vm_model::model::answer::answer;
    use vm_model::model::question::{Each, Storm};

    use super::*;

    #[test]
    fn what_is_set_is_read_strictly() {
        let one = set("vm.boot=1.5").unwrap();
        assert_eq!((one.value, one.low, one.high), (1.5, 1.5, 1.5));
        let range = set("vm.boot=1..2").unwrap();
        assert_eq!((range.value, range.low, range.high), (1.5, 1.0, 2.0));
        for wrong in [
            "vm.boot",
            "vm.bot=1",
            "vm.boot=-1",
            "vm.boot=2..1",
            "vm.work=1.5",
            "vm.boot=x",
        ] {
            let error = set(wrong).unwrap_err();
            assert!(hint::of(&error).unwrap().contains("NAME=VALUE"), "{wrong}");
        }
    }

    #[test]
    fn every_monitor_has_published_parameters() {
        for monitor in Monitor::value_variants() {
            let found = published(*monitor).unwrap();
            found.parameters.check().unwrap();
            for name in ["vm.kernel", "vm.memory.vmm", "vm.memory.kernel"] {
                assert!(found.parameters.get(name).is_some(), "{monitor:?}: {name}");
            }
        }
    }

    /// The published medians, asked for as they were published: alone, and so many at a time.
    #[test]
    fn what_was_published_of_many_at_once_comes_out_again() {
        let given = |name: &str, value: f64| assumed(name, value, [value; 2], "for a test");
        let at_once = |monitor, alone: f64, count| {
            let found = published(monitor).unwrap();
            let parameters = [
                given("vm.vmm", alone),
                given("vm.kernel", 0.0),
                given("host.processors", 96.0),
            ];
            let parameters = parameters
                .into_iter()
                .fold(found.parameters, Parameters::with);
            let storm = Storm {
                count,
                each: Each::default(),
                read: 0.0,
            };
            answer(&storm, &parameters, 1).unwrap().value
        };
        let check = |found: f64, published: f64| {
            assert!(
                (found / published - 1.0).abs() < 1e-9,
                "{found} and not {published}"
            );
        };
        check(at_once(Monitor::Firecracker, 0.1609, 100), 0.2172);
        check(at_once(Monitor::Firecracker, 0.1609, 50), 0.2059);
        check(at_once(Monitor::CloudHypervisor, 0.1025, 100), 0.1339);
        // QEMU's hundred were faster than its one: it has no contention, and what is left is 100 on
        // 96 processors, by the nine tenths of a boot that need one.
        check(
            at_once(Monitor::Qemu, 0.2435, 100),
            0.2435 * (0.1 + 0.9 * 100.0 / 96.0),
        );
    }

    #[test]
    fn a_contention_is_the_monitors_own_or_there_is_none() {
        for (monitor, name) in [
            (Monitor::Qemu, Some("QEMU, ")),
            (Monitor::Firecracker, Some("Firecracker, ")),
            (Monitor::CloudHypervisor, Some("Cloud Hypervisor, ")),
            (Monitor::Qboot, None),
            (Monitor::Microvm, None),
        ] {
            let found = published(monitor).unwrap();
            let contention = found.parameters.get("vm.contention");
            let conditions = contention.map(|one| match &one.origin {
                Origin::Published { conditions, .. } => conditions.clone(),
                other => panic!("{other:?}"),
            });
            match (conditions, name) {
                (Some(conditions), Some(name)) => assert!(conditions.starts_with(name)),
                (found, expected) => assert_eq!((found, expected), (None, None), "{monitor:?}"),
            }
        }
    }
}
