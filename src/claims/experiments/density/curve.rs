//! From what one more takes to how many fit: the model's curve, its supplies
//! and its sources.

use std::path::Path;

use anyhow::{Context as _, Result};
use nix::sys::statvfs::statvfs;
use vm_model::model::Figures;
use vm_model::model::density::{self, Capacity, Cost, Supply, extrapolated};

use super::hold::Plan;
use super::names::{BINDS, COST, FIT};
use crate::claims::experiments::several::Kind;
use crate::claims::findings::Findings;
use crate::claims::unit::Unit;
use crate::footprint::available_bytes;
use crate::isolation::Provisioned;
use crate::limits;
use crate::observation::{Evidence, Source, Subject};

/// What could not be measured of one more: what QEMU takes besides the RAM,
/// where QEMU is an emulator.
pub(super) struct Rest {
    pub(super) cost: Cost,
    pub(super) sources: Vec<Source>,
}

impl Rest {
    pub(super) fn of(kind: &Kind) -> Result<Self> {
        if kind.emulated_by().is_none() {
            return Ok(Self {
                cost: Cost::exactly(0.0),
                sources: Vec::new(),
            });
        }
        let (cost, sources) = density::monitor(&Figures::published())?;
        let sources = sources.into_iter().map(|source| Source {
            name: source.name,
            value: format!("{} {}", source.value, source.unit),
            conditions: source.conditions,
            citation: source.citation,
        });
        Ok(Self {
            cost,
            sources: sources.collect(),
        })
    }
}

/// What this host has for further holders, looked at before the first.
pub(super) struct Host {
    memory: u64,
    tasks: Option<u64>,
    namespaces: Option<u64>,
    disk: u64,
    /// What one more takes of the disk.
    disk_each: u64,
}

impl Host {
    pub(super) fn look(standing: &dyn Provisioned, place: &Path) -> Result<Self> {
        let free = statvfs(place).context("cannot ask for the free space")?;
        Ok(Self {
            memory: available_bytes()?,
            tasks: limits::tasks_left(),
            namespaces: limits::namespaces(),
            disk: free.blocks_available() * free.fragment_size(),
            disk_each: standing.footprint()?.one_more_bytes,
        })
    }

    /// All that one more needs and there is only so much of, memory first.
    fn supplies(&self, subject: Subject, memory: Cost, tasks: usize) -> Vec<Supply> {
        let namespaces = self.namespaces.filter(|_| subject == Subject::Container);
        let all = [
            ("memory", Some(self.memory), memory),
            ("process ids", self.tasks, Cost::exactly(tasks as f64)),
            ("namespaces", namespaces, Cost::exactly(1.0)),
            (
                "disk",
                Some(self.disk),
                Cost::exactly(self.disk_each as f64),
            ),
        ];
        let known = all.into_iter().filter_map(|(name, available, each)| {
            Some(Supply {
                name: name.to_owned(),
                available: available? as f64,
                each,
            })
        });
        known.collect()
    }
}

/// The model's source for what this run gave it.
pub(super) fn given(cost: Cost, plan: &Plan) -> Vec<Source> {
    vec![Source {
        name: COST.to_owned(),
        value: format!("{:.0} B", cost.likely),
        conditions: format!("up to {} held at once", plan.calibrate.last().unwrap_or(&0)),
        citation: "measured in this run".to_owned(),
    }]
}

/// The curve, and where it ends: the memory of round numbers of them, how many
/// fit, and what runs out first. Of the cost, the first part was measured and
/// the rest may be published.
pub(super) fn note_curve(
    findings: &mut Findings,
    plan: &Plan,
    host: &Host,
    (measured, rest): (Cost, Rest),
    tasks: usize,
    held: usize,
) -> Result<()> {
    let each = measured.and(rest.cost);
    let supplies = host.supplies(plan.subject, each, tasks);
    let Capacity {
        low,
        likely,
        high,
        binds,
    } = density::capacity(&supplies).context("nothing here bounds their number")?;
    let sources: Vec<Source> = given(measured, plan)
        .into_iter()
        .chain(rest.sources)
        .collect();
    let name = plan.subject.name();
    for number in [10u64, 100, 1000, 10_000] {
        if number as f64 > likely {
            break;
        }
        let label = format!("memory of {number}");
        note_modelled(
            findings,
            &label,
            name,
            Unit::Bytes,
            each.of(number),
            sources.clone(),
        );
        if extrapolated(number, held as u64) {
            let held = format!("{held} were held at once, and that is less than a quarter");
            findings.condition("extrapolated", held);
        }
    }
    let fit = Cost { low, likely, high };
    note_modelled(findings, FIT, name, Unit::Count, fit, sources.clone());
    for supply in &supplies {
        findings.condition(&supply.name, told(supply));
    }
    if rest.cost.high > 0.0 {
        let published = Unit::Bytes.shown(rest.cost.likely);
        let cited = sources.last().map_or("", |source| &source.citation);
        let said = format!("{published} of that memory, for QEMU besides the RAM ({cited})");
        findings.condition("published, not measured", said);
    }
    findings.fact(BINDS, name, binds, "isolab claims run density");
    Ok(())
}

/// How much there is of a supply and how much one more takes.
fn told(supply: &Supply) -> String {
    let unit = match supply.name.as_str() {
        "memory" | "disk" => Unit::Bytes,
        _ => Unit::Count,
    };
    let (there, each) = (unit.shown(supply.available), unit.shown(supply.each.likely));
    format!("{there}, one more takes {each}")
}

/// Notes what was calculated.
pub(super) fn note_modelled(
    findings: &mut Findings,
    number: &str,
    subject: &str,
    unit: Unit,
    cost: Cost,
    sources: Vec<Source>,
) {
    let Cost { low, likely, high } = cost;
    let evidence = Evidence::Modelled {
        low,
        likely,
        high,
        sources,
    };
    findings.number(number, subject, unit, evidence);
}
