//! Many machines' reports as one: what the same comparison gave on each, and
//! what was expected of it.
//!
//! A class is told nobody's name: each report gets a random id, in whose order
//! everything is shown, so that not even the order of the files says who is who.
//! Of a report only what is compared is kept, so that any number of them fits
//! into memory.

mod csv;
mod machine;
mod page;
mod strips;
mod summary;
mod table;

pub use csv::csv;
pub use machine::{Guess, Machine, Row};
pub use page::page;
pub use strips::{png, svg};
pub use summary::{Guessed, Spread, guesses, spreads};
pub use table::render;

use serde_json::{Value, json};

use crate::observation::Workload;
use crate::report::Report;

/// What the merged JSON names.
pub const SCHEMA: &str = "isolab.class/1";

/// Merged reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// What every machine ran.
    pub workloads: Vec<Workload>,
    /// In the order of their ids.
    pub machines: Vec<Machine>,
}

/// Collects reports into a class.
#[derive(Debug, Default)]
pub struct Register {
    /// The first report's file and workloads, which all others are held to.
    first: Option<(String, Vec<Workload>)>,
    wanted: Option<Vec<Workload>>,
    machines: Vec<(String, Machine)>,
}

/// Why a report is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is the same as the one in this file, and counts once.
    Repeats(String),
    /// It ran other workloads than the rest.
    Workloads(String),
}

impl Register {
    /// A register of what ran with `wanted`; without any, with what the first
    /// report ran.
    #[must_use]
    pub fn new(wanted: Vec<Workload>) -> Self {
        Self {
            wanted: (!wanted.is_empty()).then_some(wanted),
            ..Self::default()
        }
    }

    /// Enters the `report` from `file`, under a `name` if one is given.
    ///
    /// # Errors
    /// If it is there already, or does not fit the others.
    pub fn enter(
        &mut self,
        file: &str,
        report: &Report,
        name: Option<&str>,
    ) -> Result<(), Refused> {
        let mut ran = report.settings.workloads.clone();
        ran.sort_unstable();
        ran.dedup();
        let workloads = match &self.wanted {
            Some(wanted) => wanted.clone(),
            None => ran.clone(),
        };
        if let Some(lacking) = workloads.iter().find(|wanted| !ran.contains(wanted)) {
            let why = format!("it did not run `{lacking}`, but {}", list(&ran));
            return Err(Refused::Workloads(why));
        }
        if let Some((first, others)) = &self.first
            && *others != workloads
        {
            let why = format!(
                "it ran {}, and {first} ran {}",
                list(&workloads),
                list(others)
            );
            return Err(Refused::Workloads(why));
        }
        let mut machine = Machine::of(report, &workloads);
        let known = self
            .machines
            .iter()
            .find(|(_, known)| known.is_same_run(&machine));
        if let Some((other, _)) = known {
            return Err(Refused::Repeats(other.clone()));
        }
        machine.id = self.new_id();
        machine.name = name.map(str::to_owned);
        self.first
            .get_or_insert_with(|| (file.to_owned(), workloads));
        self.machines.push((file.to_owned(), machine));
        Ok(())
    }

    /// The class; `None` if nobody is in it.
    #[must_use]
    pub fn close(self) -> Option<Class> {
        let (_, workloads) = self.first?;
        let mut machines: Vec<Machine> = self
            .machines
            .into_iter()
            .map(|(_, machine)| machine)
            .collect();
        machines.sort_by(|a, b| a.id.cmp(&b.id));
        Some(Class {
            workloads,
            machines,
        })
    }

    fn new_id(&self) -> String {
        loop {
            let id = format!("{:08x}", fastrand::u32(..));
            if !self.machines.iter().any(|(_, machine)| machine.id == id) {
                return id;
            }
        }
    }
}

fn list(workloads: &[Workload]) -> String {
    let names: Vec<String> = workloads.iter().map(|w| format!("`{w}`")).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    }
}

/// The class as JSON, with the numbers unrounded.
#[must_use]
pub fn json(class: &Class) -> Value {
    json!({
        "schema": SCHEMA,
        "workloads": class.workloads,
        "summary": spreads(class),
        "predictions": guesses(class),
        "machines": class.machines,
    })
}
