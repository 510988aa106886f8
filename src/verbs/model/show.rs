//! Answers as text: the answer with its interval first, then its terms, the
//! parameters with their sources, and what it hangs on.

use std::fmt::Write as _;

use vm_model::model::answer::Answer;
use vm_model::model::parameters::{Origin, Parameter, Unit};

use super::ask::Scene;
use super::given::Found;
use crate::observation;
use crate::report::quantity::{digits, human};
use crate::verbs::table::table;

/// A number in its unit, as people read it.
pub(super) fn amount(value: f64, unit: Unit) -> String {
    if value.is_infinite() {
        return "without end".to_owned();
    }
    match unit {
        Unit::Seconds => human(value, observation::Unit::Seconds),
        Unit::Bytes => human(value, observation::Unit::Bytes),
        Unit::One => digits(value),
        Unit::BytesPerSecond => format!("{}/s", human(value, observation::Unit::Bytes)),
        Unit::SecondsPerByte => {
            let gibibyte = value * 1024.0 * 1024.0 * 1024.0;
            format!("{}/GiB", human(gibibyte, observation::Unit::Seconds))
        }
        Unit::PerSecond => format!("{}/s", digits(value)),
        Unit::Money => digits(value),
        Unit::Watts => format!("{} W", digits(value)),
    }
}

/// An interval.
pub(super) fn interval(low: f64, high: f64, unit: Unit) -> String {
    if low.is_infinite() {
        return "no interval".to_owned();
    }
    if low == high {
        return "exact".to_owned();
    }
    format!("{} to {}", amount(low, unit), amount(high, unit))
}

/// Where a parameter comes from, in a line.
pub(super) fn source(parameter: &Parameter) -> String {
    match &parameter.origin {
        Origin::Published {
            citation,
            conditions,
        } => format!("published: {citation}; {conditions}"),
        Origin::Calibrated {
            samples,
            how,
            emulated_by,
        } => {
            let emulated = emulated_by
                .as_ref()
                .map_or_else(String::new, |by| format!(", emulated by {by}"));
            format!("calibrated{emulated}, n = {samples}: {how}")
        }
        Origin::Given { why } => format!("given: {why}"),
    }
}

/// What was understood of a sentence.
pub(super) fn scene(scene: &Scene) -> String {
    let mut text = scene.each.kind.counted(scene.count);
    if scene.image > 0.0 {
        let _ = write!(
            text,
            ", each of an image of {}",
            amount(scene.image, Unit::Bytes)
        );
    }
    if scene.each.kind == vm_model::model::question::Kind::Vm {
        let _ = write!(
            text,
            ", each with {} of memory",
            amount(scene.each.memory, Unit::Bytes)
        );
    }
    text
}

/// All of them.
pub(super) fn answers(answers: &[Answer], found: &Found) -> String {
    let mut text = String::new();
    for answer in answers {
        let emulated = match answer.emulated_by.as_slice() {
            [] => String::new(),
            by => format!(", from samples that were emulated by {}", by.join(" and ")),
        };
        let _ = writeln!(
            text,
            "{}: {} ({}, 90 %)",
            answer.what,
            amount(answer.value, answer.unit),
            interval(answer.low, answer.high, answer.unit)
        );
        let _ = writeln!(text, "  modelled{emulated}");
        for note in &answer.notes {
            let _ = writeln!(text, "  {note}");
        }
        text.push('\n');
        let rows: Vec<Vec<String>> = answer
            .terms
            .iter()
            .map(|term| {
                vec![
                    term.name.clone(),
                    amount(term.value, answer.unit),
                    interval(term.low, term.high, answer.unit),
                ]
            })
            .collect();
        text.push_str(&indented(&table(
            &["term", "value", "90 % interval"],
            &rows,
            Some(1),
        )));
        text.push('\n');
        let rows: Vec<Vec<String>> = answer
            .sensitivity
            .iter()
            .map(|one| {
                let parameter = answer
                    .parameters
                    .iter()
                    .find(|parameter| parameter.name == one.name);
                let shown = |of: fn(&Parameter) -> String| parameter.map(of).unwrap_or_default();
                vec![
                    one.name.clone(),
                    shown(|one| amount(one.value, one.unit)),
                    shown(|one| interval(one.low, one.high, one.unit)),
                    one.elasticity
                        .map_or_else(|| "-".to_owned(), |value| format!("{value:+.2}")),
                    one.share
                        .map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
                ]
            })
            .collect();
        let header = [
            "parameter",
            "value",
            "interval",
            "% for 1 %",
            "of the uncertainty",
        ];
        text.push_str(&indented(&table(&header, &rows, Some(1))));
        text.push('\n');
    }
    let mut told: Vec<&str> = Vec::new();
    let mut sources = String::new();
    for parameter in answers.iter().flat_map(|answer| &answer.parameters) {
        if !told.contains(&parameter.name.as_str()) {
            told.push(&parameter.name);
            let _ = writeln!(sources, "  {}: {}", parameter.name, source(parameter));
        }
    }
    let _ = write!(text, "Sources\n{sources}");
    let _ = writeln!(
        text,
        "\nParameters: {}. Their intervals are of 90 %, but where a source says what else they hold. \
         Answers' by {} draws with a fixed seed, parameters independent.",
        found.from,
        answers.first().map_or(0, |answer| answer.draws)
    );
    for warning in &found.warnings {
        let _ = writeln!(text, "Warning: {warning}");
    }
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_that_suits_them() {
        assert_eq!(amount(1.5, Unit::Seconds), "1.50 s");
        assert_eq!(amount(1e-10, Unit::SecondsPerByte), "107 ms/GiB");
        assert_eq!(amount(f64::INFINITY, Unit::Seconds), "without end");
        assert_eq!(interval(2.0, 2.0, Unit::One), "exact");
        let endless = interval(f64::INFINITY, f64::INFINITY, Unit::Seconds);
        assert_eq!(
            endless, "no interval",
            "what has no end is not known exactly"
        );
        assert_eq!(interval(1e6, 2e6, Unit::Bytes), "1.00 MB to 2.00 MB");
    }
}
