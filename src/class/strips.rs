//! The class as strips: what was measured on each machine, then what was
//! expected beside what came.

use super::{Class, Guess, Machine};
use crate::observation::{Metric, State, Workload};
use crate::prediction::Question;
use crate::report::Error;
use crate::report::plot::{MarkKind, Strip, StripMark, StripRow, strips_png, strips_svg};

/// What is drawn of each workload: the headlines of a report.
const SHOWN: [(Metric, Option<State>); 4] = [
    (Metric::Startup, Some(State::AfterIdle)),
    (Metric::Memory, None),
    (Metric::MemorySlope, None),
    (Metric::DiskOneMore, None),
];
/// Machines drawn; the CSV and the JSON have them all.
const MOST: usize = 60;

const TITLE: &str = "What isolation costs, machine by machine";

/// As SVG.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn svg(class: &Class) -> Result<String, Error> {
    strips_svg(TITLE, &strips(class), &notes(class))
}

/// As PNG.
///
/// # Errors
/// As [`svg`].
pub fn png(class: &Class) -> Result<Vec<u8>, Error> {
    strips_png(TITLE, &strips(class), &notes(class))
}

fn notes(class: &Class) -> String {
    let count = class.machines.len();
    let drawn = match count {
        n if n > MOST => format!("{MOST} of {n} machines"),
        1 => "1 machine".to_owned(),
        n => format!("{n} machines"),
    };
    format!("{drawn}. Marks are medians with their ranges, on logarithmic axes.")
}

fn strips(class: &Class) -> Vec<Strip> {
    let measured = class.workloads.iter().flat_map(|workload| {
        SHOWN
            .iter()
            .map(move |(metric, state)| measured(class, *workload, *metric, *state))
    });
    let mut questions: Vec<Question> = class
        .machines
        .iter()
        .flat_map(|machine| &machine.predictions)
        .map(|guess| guess.question)
        .collect();
    questions.sort_unstable();
    questions.dedup();
    let predicted = questions
        .into_iter()
        .map(|question| predicted(class, question));
    measured
        .chain(predicted)
        .filter(|strip| !strip.rows.is_empty())
        .collect()
}

fn measured(class: &Class, workload: Workload, metric: Metric, state: Option<State>) -> Strip {
    let marks = |machine: &Machine| -> Vec<StripMark> {
        let own = machine
            .rows
            .iter()
            .filter(|row| (row.workload, row.metric, row.state) == (workload, metric, state));
        own.filter_map(|row| {
            let kind = match row.evidence {
                "measured" => MarkKind::Measured,
                "emulated" => MarkKind::Emulated,
                _ => return None,
            };
            Some(StripMark {
                subject: row.subject,
                value: row.value,
                range: row.range,
                kind,
            })
        })
        .collect()
    };
    let state = state.map(|state| format!(", {state}")).unwrap_or_default();
    Strip {
        title: format!("{workload}: {}{state}", metric.title()),
        unit: metric.unit(),
        rows: rows(class, marks),
    }
}

fn predicted(class: &Class, question: Question) -> Strip {
    let mark = |value, kind| StripMark {
        subject: question.subject,
        value,
        range: None,
        kind,
    };
    let both = |guess: &Guess| {
        let measured = guess.measured.map(|value| mark(value, MarkKind::Measured));
        [measured, Some(mark(guess.predicted, MarkKind::Predicted))]
    };
    let marks = |machine: &Machine| -> Vec<StripMark> {
        let own = machine
            .predictions
            .iter()
            .filter(|guess| guess.question == question);
        own.flat_map(both).flatten().collect()
    };
    Strip {
        title: format!(
            "Predicted and measured: {question}, {}",
            question.experiment.title()
        ),
        unit: question.unit(),
        rows: rows(class, marks),
    }
}

fn rows(class: &Class, marks: impl Fn(&Machine) -> Vec<StripMark>) -> Vec<StripRow> {
    let drawn = class.machines.iter().take(MOST);
    drawn
        .map(|machine| StripRow {
            label: machine.label().to_owned(),
            marks: marks(machine),
        })
        .filter(|row| !row.marks.is_empty())
        .collect()
}
