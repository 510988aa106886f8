//! `isolab matrix`: what a process, an environment, a container and a guest can
//! see and touch of the host, found out from inside each.
//!
//! Rows are [axes](Axis), columns are [places](PlaceName). Each place is asked
//! once, with all the attempts of all rows; [`judge`](mod@judge) makes each cell
//! of what came back, and nothing else.

pub mod axis;
pub mod cell;
pub mod judge;
pub mod render;

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::compare::Progress;
use crate::compare::privacy::Redactor;
use crate::hint;
use crate::inside::{Answer, Attempt, Canary, Outcome, PlaceName, Site, place};
use crate::interrupt::Interrupt;
use crate::scratch::Scratch;

pub use axis::Axis;
pub use cell::Cell;
pub use judge::{Judged, Reference, judge};

/// The name and version of what `--json` prints.
pub const SCHEMA: &str = "isolab.matrix/1";

/// The matrix of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// [`SCHEMA`].
    pub schema: String,
    /// When it was begun (RFC 3339).
    pub created: String,
    /// Whether the lab was run by root.
    pub root: bool,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// The places that answered, each with its column.
    pub columns: Vec<Column>,
    /// The places that did not, and why.
    pub missing: Vec<Missing>,
}

/// A place and its cells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The place.
    pub place: PlaceName,
    /// How the attempts were started there.
    pub command: String,
    /// A cell for each axis, in their order.
    pub cells: Vec<Row>,
}

/// One axis in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The axis.
    pub axis: Axis,
    /// What the place has of it.
    pub cell: Cell,
    /// What that rests on.
    pub because: String,
    /// What was tried, and what was said.
    pub outcomes: Vec<Outcome>,
}

/// A place that could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The place.
    pub place: PlaceName,
    /// Why not.
    pub why: String,
    /// What would mend it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Matrix {
    /// The cell of `axis` in `place`, if that place answered.
    #[must_use]
    pub fn row(&self, axis: Axis, place: PlaceName) -> Option<&Row> {
        let column = self.columns.iter().find(|c| c.place == place)?;
        column.cells.iter().find(|row| row.axis == axis)
    }

    /// The matrix as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("names and texts are JSON") + "\n"
    }
}

/// Asks `places` after `axes`, each place in turn. One that cannot be asked is
/// missing, and the others go on; after an interrupt the matrix holds what came
/// before it.
///
/// # Errors
/// If there is nowhere to write to, or the lab's own process cannot be asked: all
/// others are held against it.
pub fn run(
    axes: &[Axis],
    places: &[PlaceName],
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Matrix> {
    // What commands that were killed left of theirs; how much does not matter.
    let _ = isolab_oci::cgroup::sweep();
    run_in(Scratch::new()?.path(), axes, places, interrupt, progress)
}

/// As [`run`], with the files in the directory `scratch`.
///
/// # Errors
/// As there.
pub fn run_in(
    scratch: &Path,
    axes: &[Axis],
    places: &[PlaceName],
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Matrix> {
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    progress.show(0.0, "looking around");
    let canary = Canary::start(scratch)?;
    let site = Site::prepare(scratch)?;
    let asked_for: Vec<Attempt> = axes
        .iter()
        .flat_map(|axis| axis.attempts())
        .copied()
        .collect();
    let ask =
        |name| place::find(name, &site, interrupt)?.ask(&asked_for, canary.traces(), interrupt);
    let redactor = Redactor::of_process();

    let host = ask(PlaceName::Process);
    let mut matrix = Matrix {
        schema: SCHEMA.to_owned(),
        created,
        root: nix::unistd::geteuid().is_root(),
        interrupted: false,
        columns: Vec::new(),
        missing: Vec::new(),
    };
    if interrupt.raised() {
        matrix.interrupted = true;
        return Ok(matrix);
    }
    let host = host?;
    let against = Reference {
        host: &host.answer,
        secret: canary.secret(),
    };
    for (index, &name) in places.iter().enumerate() {
        progress.show(index as f64 / places.len() as f64, name.name());
        let asked = match name {
            PlaceName::Process => Ok(host.clone()),
            name => ask(name),
        };
        if interrupt.raised() {
            matrix.interrupted = true;
            break;
        }
        match asked {
            Ok(asked) => matrix.columns.push(Column {
                place: name,
                command: redactor.told(&asked.command),
                cells: rows(axes, &asked.answer, against, &redactor),
            }),
            Err(error) => matrix.missing.push(Missing {
                place: name,
                why: redactor.told(&format!("{error:#}")),
                remedy: hint::of(&error).map(|remedy| redactor.told(&remedy)),
            }),
        }
    }
    progress.show(1.0, "done");
    Ok(matrix)
}

/// The cells of one place.
fn rows(axes: &[Axis], answer: &Answer, against: Reference<'_>, redactor: &Redactor) -> Vec<Row> {
    let row = |&axis: &Axis| {
        let Judged { cell, because } = judge(axis, answer, against);
        let outcomes = axis.attempts().iter().filter_map(|a| answer.outcome(*a));
        Row {
            axis,
            cell,
            because: redactor.told(&because),
            outcomes: outcomes.map(|o| told(o, redactor)).collect(),
        }
    };
    axes.iter().map(row).collect()
}

fn told(outcome: &Outcome, redactor: &Redactor) -> Outcome {
    let mut told = outcome.clone();
    told.call = redactor.told(&told.call);
    told.said.change(|text| redactor.told(text));
    told
}

/// What `AXIS/PLACE` names.
///
/// # Errors
/// If it names none; the hint lists those that it could have.
pub fn parse_cell(text: &str) -> Result<(Axis, PlaceName)> {
    let (axis, place) = text.split_once('/').unwrap_or((text, ""));
    let place = PlaceName::ALL
        .into_iter()
        .find(|known| known.name() == place);
    if let (Some(axis), Some(place)) = (Axis::parse(axis), place) {
        return Ok((axis, place));
    }
    let axes: Vec<&str> = Axis::ALL.iter().map(|axis| axis.name()).collect();
    let places: Vec<&str> = PlaceName::ALL.iter().map(|place| place.name()).collect();
    let hint = format!(
        "name one as AXIS/PLACE; the axes are {}; the places are {}",
        axes.join(", "),
        places.join(", ")
    );
    let shown: String = text.escape_debug().take(60).collect();
    bail!(hint::with(format!("there is no cell `{shown}`"), hint));
}
