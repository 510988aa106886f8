//! What is predicted, and of which guests: computed before any of them runs.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use vm_model::initramfs::Archive;
use vm_model::kernel;
use vm_model::model::answer::{DRAWS, Question, answer};
use vm_model::model::parameters::{
    Curve, MONITORS, Origin, Parameter, Parameters, Published, Unit, rows,
};
use vm_model::model::question::{Disk, Each, Kind, Memory, Saving, Startup, Storm};

use super::{Prediction, Quantity};
use crate::calibration::bench::{Bench, Setup};
use crate::calibration::{self, Alone, AtOnce, ClonesOf, Disks, Guests, Merged, Split, Stored};
use crate::interrupt::Interrupt;
use crate::program::{self, Program};

const MIB: f64 = 1024.0 * 1024.0;
/// How often the Python workload is started as a bare process, to ask at all.
const NATIVE: usize = 15;
/// How often the kernel is unpacked, to ask at all.
const UNPACKED: u32 = 5;

/// What is predicted of a configuration, with what it takes to run it.
#[derive(Debug)]
pub(super) enum Planned {
    /// Single guests: start and memory.
    Guests(Setup, Guests, [Prediction; 2]),
    /// At once: the last, and the memory of all.
    AtOnce(Setup, AtOnce, [Prediction; 2]),
    /// Merged: the memory of all.
    Merged(Setup, Merged, Prediction),
    /// Clones of a saved guest: one restored alone, and the memory of all.
    Restored(Setup, ClonesOf, [Prediction; 2]),
    /// Clones with overlays and with copies.
    Disks(Disks, [Prediction; 2]),
    /// What was published.
    Published(Prediction, f64),
    /// Nothing, for a reason: what would have been predicted, and how many measurements of it taken.
    Missing(Vec<(Prediction, u32)>, String),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) planned: Vec<Planned>,
}

impl Plan {
    /// The predictions, in their order.
    pub(super) fn predictions(&self) -> Vec<Prediction> {
        let of = |planned: &Planned| match planned {
            Planned::Guests(_, _, both)
            | Planned::AtOnce(_, _, both)
            | Planned::Restored(_, _, both)
            | Planned::Disks(_, both) => both.to_vec(),
            Planned::Merged(_, _, one) | Planned::Published(one, _) => vec![one.clone()],
            Planned::Missing(..) => Vec::new(),
        };
        self.planned.iter().flat_map(of).collect()
    }
}

/// Predicts everything in `split`.
pub(super) fn plan(
    split: &Split,
    bench: &Bench<'_>,
    stored: &Stored,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Plan> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let given = Origin::Given {
        why: "this machine's".to_owned(),
    };
    let parameters = stored.calibration.parameters().with(Parameter::exactly(
        "host.processors",
        processors,
        given,
    ));
    let maker = Maker { parameters };
    let mut plan = Plan::default();
    for guests in &split.guests {
        let planned = match guests_of(guests, bench, &maker, dir, interrupt) {
            Ok(planned) => planned,
            Err(error) if interrupt.raised() => return Err(error),
            Err(error) => {
                let mut all = vec![(Quantity::Startup, guests.repeats)];
                // What would not have been scored is no gap in the score.
                all.extend(
                    guests
                        .beyond
                        .is_none()
                        .then_some((Quantity::Memory, guests.repeats)),
                );
                maker.missing(&guests.name, &all, &error)
            }
        };
        plan.planned.push(planned);
    }
    for storm in &split.at_once {
        let setup = bench.smallest(storm.memory_mib, 0)?;
        let each = each_of(&setup);
        let last = Storm {
            count: storm.guests,
            each,
            read: 0.0,
        };
        let memory = memory(storm.guests, each, Saving::Nothing);
        let both = maker
            .predict(&storm.name, Quantity::AtOnce, "the last is ready", &last)
            .and_then(|last| {
                let all = maker.predict(&storm.name, Quantity::Memory, "all of them", &memory)?;
                Ok([last, all])
            });
        plan.planned.push(match both {
            Ok(both) => Planned::AtOnce(setup, storm.clone(), both),
            Err(error) => {
                let all = [Quantity::AtOnce, Quantity::Memory].map(|one| (one, storm.repeats));
                maker.missing(&storm.name, &all, &error)
            }
        });
    }
    for merged in &split.merged {
        let setup = bench.smallest(merged.memory_mib, 0)?;
        let question = memory(merged.guests, each_of(&setup), Saving::Merged);
        let made = maker.predict(
            &merged.name,
            Quantity::Memory,
            "all of them, merged",
            &question,
        );
        plan.planned.push(match made {
            Ok(made) => Planned::Merged(setup, merged.clone(), made),
            Err(error) => maker.missing(&merged.name, &[(Quantity::Memory, 1)], &error),
        });
    }
    for clones in &split.restored {
        let setup = bench.smallest(clones.memory_mib, 0)?;
        let each = Each {
            restored: true,
            ..each_of(&setup)
        };
        let all = memory(clones.guests, each, Saving::Nothing);
        let both = maker
            .predict(&clones.name, Quantity::Restore, "alone", &Startup { each })
            .and_then(|alone| {
                let all = maker.predict(&clones.name, Quantity::Memory, "all of them", &all)?;
                Ok([alone, all])
            });
        plan.planned.push(match both {
            Ok(both) => Planned::Restored(setup, clones.clone(), both),
            Err(error) => {
                let all = [(Quantity::Restore, clones.repeats), (Quantity::Memory, 1)];
                maker.missing(&clones.name, &all, &error)
            }
        });
    }
    for disk in &split.disks {
        plan.planned.push(match disks_of(disk, &maker) {
            Ok(both) => Planned::Disks(disk.clone(), both),
            Err(error) => maker.missing(&disk.name, &[(Quantity::Disk, 1); 2], &error),
        });
    }
    published(split, &mut plan)?;
    Ok(plan)
}

/// Parameters, and predictions from them.
struct Maker {
    parameters: Parameters,
}

impl Maker {
    fn predict(
        &self,
        name: &str,
        quantity: Quantity,
        what: &str,
        question: &dyn Question,
    ) -> Result<Prediction> {
        let found = answer(question, &self.parameters, DRAWS)?;
        Ok(Prediction {
            name: name.to_owned(),
            quantity,
            what: what.to_owned(),
            unit: found.unit,
            value: found.value,
            low: found.low,
            high: found.high,
            given: None,
            beyond: false,
        })
    }

    fn missing(&self, name: &str, all: &[(Quantity, u32)], error: &anyhow::Error) -> Planned {
        let nothing = |(quantity, planned): &(Quantity, u32)| {
            let prediction = Prediction {
                name: name.to_owned(),
                quantity: *quantity,
                what: String::new(),
                unit: Unit::One,
                value: 0.0,
                low: 0.0,
                high: 0.0,
                given: None,
                beyond: false,
            };
            (prediction, *planned)
        };
        Planned::Missing(all.iter().map(nothing).collect(), format!("{error:#}"))
    }
}

fn each_of(setup: &Setup) -> Each {
    Each {
        kind: Kind::Vm,
        memory: f64::from(setup.memory_mib) * MIB,
        archive: setup.archive_bytes as f64,
        ..Each::default()
    }
}

fn memory(count: u32, each: Each, saving: Saving) -> Memory {
    Memory {
        count,
        each,
        saving,
    }
}

fn guests_of(
    guests: &Guests,
    bench: &Bench<'_>,
    maker: &Maker,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<Planned> {
    let mut given = None;
    let (mut setup, mut each) = match guests.image.as_deref() {
        Some("python") => {
            let (setup, alone) = python(guests.memory_mib, bench, dir, interrupt)?;
            given = Some(format!(
                "as a bare process it is ready after {:.1} ms of a processor, of which {:.1} ms are the kernel's, \
                 and holds {:.1} MB and {:.1} MB of code",
                alone.processor * 1e3,
                alone.kernel * 1e3,
                alone.memory / 1e6,
                alone.code / 1e6
            ));
            let each = Each {
                workload_time: alone.processor,
                workload_kernel: alone.kernel,
                workload_memory: alone.memory,
                workload_code: alone.code,
                ..each_of(&setup)
            };
            (setup, each)
        }
        _ => {
            let setup = bench.smallest(guests.memory_mib, guests.archive_mib)?;
            let each = each_of(&setup);
            (setup, each)
        }
    };
    if guests.firmware.as_deref() == Some("seabios") {
        setup.seabios = true;
        each.beyond = seabios()?;
        given = Some(format!(
            "published: with SeaBIOS {:.1} ms more, by hardware",
            each.beyond * 1e3
        ));
    }
    if guests.kernel.as_deref() == Some("compressed") {
        setup.compressed = true;
        each.beyond = unpacking(dir)?;
        given = Some(format!(
            "unpacking its kernel takes {:.1} ms here; what memory it does that in is not known, and not scored",
            each.beyond * 1e3
        ));
    }
    let name = &guests.name;
    let start = maker.predict(name, Quantity::Startup, "", &Startup { each })?;
    let memory = memory(1, each, Saving::Nothing);
    let memory = maker.predict(name, Quantity::Memory, "one", &memory)?;
    let both = [start, memory].map(|one| Prediction {
        given: given.clone(),
        beyond: one.quantity == Quantity::Memory && guests.beyond.is_some(),
        ..one
    });
    Ok(Planned::Guests(setup, guests.clone(), both))
}

/// The Python workload as a guest, and what it takes as a bare process.
fn python(
    memory_mib: u32,
    bench: &Bench<'_>,
    dir: &Path,
    interrupt: &Interrupt,
) -> Result<(Setup, Alone)> {
    let home = dir.join("python");
    fs::create_dir(&home)?;
    let program = Program::make_python(venv_sim::discover(None)?, &home)?;
    let alone = calibration::alone(&program, &home, NATIVE, interrupt)?;
    let root = home.join("root");
    program.lay_out_root(&root)?;
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_tree(&root, "")?;
    let words = ["guest".into()].into_iter().chain(program.root_command());
    let words = words
        .map(|word| word.into_string().ok())
        .collect::<Option<Vec<_>>>();
    let words = words.context("the interpreter's path is not UTF-8")?;
    let mut setup = bench.setup(memory_mib, &archive, words)?;
    fs::remove_dir_all(&root)?;
    // It keeps the archive and what it unpacks at the same time.
    let least = 128 + u32::try_from(3 * setup.archive_bytes / (1 << 20)).unwrap_or(u32::MAX / 2);
    setup.memory_mib = setup.memory_mib.max(least);
    Ok((setup, alone))
}

/// By how much the usual firmware is slower than the fast one, by hardware.
fn seabios() -> Result<f64> {
    let of = |name| {
        let found = Published::find(name, "boot_serial_median");
        found.with_context(|| format!("nothing was published of {name}"))
    };
    Ok((of("qemu-nsdi")?.value - of("qemu-qboot-nsdi")?.value) * 1e-3)
}

/// What unpacking the kernel takes here, in seconds.
fn unpacking(dir: &Path) -> Result<f64> {
    // Our own code does it: one that is not optimized takes ten times as long.
    anyhow::ensure!(
        !cfg!(debug_assertions),
        "this build is not optimized, and would not unpack a kernel as fast as it can be"
    );
    let time = kernel::find()?.unpacking(dir, UNPACKED)?;
    let time = time.context("nothing here unpacks the kernel")?;
    Ok(time.as_secs_f64())
}

fn disks_of(disk: &Disks, maker: &Maker) -> Result<[Prediction; 2]> {
    let of = |sharing, what| {
        let question = Disk {
            kind: Kind::Vm,
            count: disk.clones,
            image: f64::from(disk.image_mib) * MIB,
            // Copies are counted before anything is written to them.
            growth: if sharing {
                f64::from(disk.growth_mib) * MIB
            } else {
                0.0
            },
            sharing,
        };
        maker.predict(&disk.name, Quantity::Disk, what, &question)
    };
    Ok([of(true, "overlays")?, of(false, "copies")?])
}

/// The published figures that were not fitted, from those that were.
fn published(split: &Split, plan: &mut Plan) -> Result<()> {
    let sizes = &split.published;
    let curve =
        Curve::through(&sizes.fitted_mib).context("the published memory cannot be fitted")?;
    for row in rows() {
        if !sizes.validated_mib.contains(&(row.size / MIB)) {
            continue;
        }
        let guest = curve.guest(row.monitor, row.size);
        let prediction = Prediction {
            name: format!("{}, {} MiB", MONITORS[row.monitor], row.size / MIB),
            quantity: Quantity::Published,
            what: "resident set".to_owned(),
            unit: Unit::Bytes,
            value: guest.resident,
            low: guest.low,
            high: guest.high,
            given: None,
            beyond: false,
        };
        plan.planned
            .push(Planned::Published(prediction, row.resident));
    }
    Ok(())
}
