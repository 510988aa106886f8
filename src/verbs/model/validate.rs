//! `isolab model validate`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use super::show::{amount, interval};
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::report::Target;
use crate::report::plot::{Agreement, AgreementPoint, agreement_png, agreement_svg};
use crate::statistics::median;
use crate::validation::{self, Goodness, Outcome, Quantity, Score, Validation};
use crate::verbs::table::table;
use crate::{calibration, hint, observation, stderr, stdout};

/// What `model validate` is asked to do.
#[derive(Debug, Args)]
#[command(after_help = "\
The calibration is frozen first, everything is predicted and written down, and only then does\n\
anything run: guests, storms and disks that no calibration has seen (vm-model/data/split.toml).\n\
It exits with 0 however wrong the model is, and says plainly what is met and what is not.")]
pub struct ValidateArgs {
    /// Run a few configurations once or twice, in about half a minute
    #[arg(long)]
    quick: bool,
    /// A calibration of this machine [default: the newest]
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Draw predicted against measured into FILE: .svg or .png; or write all of it: .json
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ValidateArgs) -> Result<ExitCode> {
    let targets: Vec<Target> = args.output.iter().map(Target::at).collect();
    for target in &targets {
        if !matches!(target.extension().as_str(), "svg" | "png" | "json") {
            return Err(hint::with(
                format!("cannot write {}", target.path().display()),
                "name a file that ends in .svg, .png or .json",
            ));
        }
        target.check()?;
    }
    let stored = match &args.from {
        Some(path) => calibration::load(path)?,
        None => match calibration::newest()? {
            Some(stored) => stored,
            None => bail!(hint::with(
                "there is no calibration to validate",
                "`isolab model calibrate` makes one in half a minute",
            )),
        },
    };
    validation::holds(&stored.calibration, None)?;
    let interrupt = Interrupt::listen()?;
    let told = |line: &str| stderr::tell(line);
    let made = validation::run(&stored, args.quick, &interrupt, &Bar::new(), &told);
    if let Some(status) = interrupt.exit_status() {
        stderr::tell("interrupted: the predictions stand, and nothing was compared");
        return Ok(ExitCode::from(status));
    }
    let made = made?;
    for target in &targets {
        let content = match target.extension().as_str() {
            "svg" => agreement_svg(TITLE, &panels(&made), &about(&made))?.into_bytes(),
            "png" => agreement_png(TITLE, &panels(&made), &about(&made))?,
            _ => format!("{}\n", serde_json::to_string_pretty(&made)?).into_bytes(),
        };
        target.replace(&content)?;
    }
    if args.json {
        stdout::print(format!("{}\n", serde_json::to_string_pretty(&made)?))?;
    } else {
        stdout::print(text(&made))?;
    }
    Ok(ExitCode::SUCCESS)
}

const TITLE: &str = "What the model predicted, and what came of it";

/// Everything as tables.
fn text(made: &Validation) -> String {
    let mut text = String::new();
    for quantity in Quantity::ALL {
        let of = |one: &&Outcome| one.prediction.quantity == quantity;
        let own: Vec<&Outcome> = made.outcomes.iter().filter(of).collect();
        if own.is_empty() {
            continue;
        }
        // Of times there are two: by the clock, and what is left of that.
        let timed = own.iter().any(|one| !one.undisturbed.is_empty());
        let rows: Vec<Vec<String>> = own.iter().map(|one| row(one, timed)).collect();
        let mut header = vec![
            quantity.title(),
            "",
            "predicted",
            "90 % interval",
            "measured",
        ];
        header.extend(timed.then_some(LESS_OTHERS));
        header.extend(["n", "off", "held"]);
        text.push_str(&table(&header, &rows, Some(2)));
        for one in own {
            if let Some(why) = &one.missing {
                let _ = writeln!(
                    text,
                    "{}: measured {} of {} times: {why}",
                    one.prediction.name,
                    one.measured.len(),
                    one.planned
                );
            }
            if let Some(given) = &one.prediction.given {
                let _ = writeln!(
                    text,
                    "{} ({}): {given}",
                    one.prediction.name,
                    quantity.title()
                );
            }
        }
        text.push('\n');
    }
    let rows: Vec<Vec<String>> = made.scores.iter().map(scored).collect();
    let header = [
        "quantity",
        "n",
        "mean error",
        "held by 90 % intervals",
        "half-width",
        "",
    ];
    text.push_str(&table(&header, &rows, Some(1)));
    text.push('\n');
    for score in &made.scores {
        for miss in score.misses() {
            let _ = writeln!(text, "Missed: {}: {miss}", score.quantity.title());
        }
        if let Some(unmeasured) = score.unmeasured() {
            let _ = writeln!(text, "Incomplete: {}: {unmeasured}", score.quantity.title());
        }
    }
    let _ = writeln!(text, "{}", about(made));
    text
}

/// The heading of times from which was taken off what others took of the processors.
const LESS_OTHERS: &str = "less others' share";

/// A quantity's score as a row.
fn scored(score: &Score) -> Vec<String> {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let aimed = |part: f64, sign: &str, aim: f64| {
        format!("{} ({sign} {:.0} %)", percent(part), aim * 100.0)
    };
    let target = &score.target;
    let shown = |of: &dyn Fn(&Goodness) -> String| score.found.as_ref().map_or("-".to_owned(), of);
    let count = match score.unmeasured() {
        None => score.measurements.to_string(),
        Some(_) => format!("{} of {}", score.measurements, score.planned),
    };
    let verdict = match (score.found, score.misses().is_empty()) {
        (None, _) => "not measured",
        (_, true) => "met",
        (_, false) => "missed",
    };
    let width = |found: &Goodness| match target.half_width {
        None => percent(found.half_width),
        Some(most) => aimed(found.half_width, "≤", most),
    };
    vec![
        score.quantity.title().to_owned(),
        count,
        shown(&|found| aimed(found.error, "≤", target.error)),
        shown(&|found| aimed(found.coverage, "≥", target.coverage)),
        shown(&width),
        verdict.to_owned(),
    ]
}

fn row(one: &Outcome, timed: bool) -> Vec<String> {
    let p = &one.prediction;
    let compared = one.compared();
    let held = compared
        .iter()
        .filter(|seen| p.low <= **seen && **seen <= p.high)
        .count();
    let middle = median(compared);
    let has = |text: String| if p.value > 0.0 { text } else { String::new() };
    let shown = |samples: &[f64]| {
        median(samples).map_or_else(|| "-".to_owned(), |seen| amount(seen, p.unit))
    };
    let count = one.measured.len();
    let mut row = vec![
        p.name.clone(),
        p.what.clone(),
        has(amount(p.value, p.unit)),
        has(interval(p.low, p.high, p.unit)),
        shown(&one.measured),
    ];
    row.extend(timed.then(|| shown(compared)));
    row.extend([
        match count == one.planned as usize {
            true => count.to_string(),
            false => format!("{count} of {}", one.planned),
        },
        middle.map_or_else(String::new, |seen| {
            format!("{:+.1} %", (p.value / seen - 1.0) * 100.0)
        }),
        has(format!("{held} of {count}")),
    ]);
    row
}

/// What bears on all of it, in a few sentences.
fn about(made: &Validation) -> String {
    let emulated = made
        .outcomes
        .iter()
        .find_map(|one| one.emulated_by.as_ref());
    let emulated =
        emulated.map_or_else(String::new, |by| format!("Guests were emulated by {by}. "));
    let forced = made.predicted.calibration_forced.as_ref();
    let forced = forced.map_or_else(String::new, |why| {
        format!("The calibration was forced: {why}. ")
    });
    let pressure =
        |at: usize| made.pressure[at].map_or_else(String::new, |p| format!(" ({p:.0} % waiting)"));
    format!(
        "{emulated}{forced}Predicted from the calibration of {} (SHA-256 {}) before anything ran. Times are compared less what other programs took of our processors. Load {:.2}{} before and {:.2}{} after; {} guests hung.{}",
        made.predicted.calibration_created,
        &made.predicted.calibration_sha256[..16],
        made.load[0],
        pressure(0),
        made.load[1],
        pressure(1),
        made.hangs,
        if made.quick {
            " A quick one, of a few configurations."
        } else {
            ""
        },
    )
}

fn panels(made: &Validation) -> Vec<Agreement> {
    let of = |quantity: Quantity| {
        let own = || {
            made.outcomes
                .iter()
                .filter(move |one| one.prediction.quantity == quantity && !one.prediction.beyond)
        };
        let points: Vec<AgreementPoint> = own()
            .flat_map(|one| {
                let p = &one.prediction;
                one.compared().iter().map(move |measured| AgreementPoint {
                    predicted: p.value,
                    low: p.low,
                    high: p.high,
                    measured: *measured,
                })
            })
            .collect();
        let unit = match quantity {
            Quantity::Startup | Quantity::AtOnce | Quantity::Restore => observation::Unit::Seconds,
            Quantity::Memory | Quantity::Disk | Quantity::Published => observation::Unit::Bytes,
        };
        let timed = own().any(|one| !one.undisturbed.is_empty());
        let measured = match timed {
            true => format!("measured, {LESS_OTHERS}"),
            false => "measured".to_owned(),
        };
        (!points.is_empty()).then(|| Agreement {
            title: quantity.title().to_owned(),
            measured,
            unit,
            points,
        })
    };
    Quantity::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_model::model::parameters::Unit;

    use crate::validation::{Predicted, Prediction, scores};

    fn made() -> Validation {
        let outcome = |quantity, unit, measured: &[f64], undisturbed: &[f64]| Outcome {
            prediction: Prediction {
                name: "memory 192 MiB".to_owned(),
                quantity,
                what: "one".to_owned(),
                unit,
                value: 2.0,
                low: 1.8,
                high: 2.2,
                given: None,
                beyond: false,
            },
            planned: 2,
            measured: measured.to_vec(),
            undisturbed: undisturbed.to_vec(),
            emulated_by: Some("QEMU TCG 7.2".to_owned()),
            missing: None,
        };
        let outcomes = vec![
            outcome(Quantity::Startup, Unit::Seconds, &[4.0, 5.0], &[2.1, 3.0]),
            outcome(Quantity::Memory, Unit::Bytes, &[2.0], &[]),
        ];
        Validation {
            schema: validation::SCHEMA,
            predicted: Predicted {
                schema: validation::SCHEMA,
                made: "2026-01-01T00:00:00Z".to_owned(),
                calibration_sha256: "0123456789abcdef0123".to_owned(),
                calibration_created: "2026-01-01T00:00:00Z".to_owned(),
                calibration_forced: Some("the load was 3".to_owned()),
                split_sha256: String::new(),
                predictions: Vec::new(),
            },
            predicted_sha256: String::new(),
            load: [0.1, 2.0],
            pressure: [Some(3.0), None],
            hangs: 0,
            quick: false,
            scores: scores(&outcomes),
            outcomes,
        }
    }

    #[test]
    fn what_is_missed_is_said_plainly() {
        let text = text(&made());
        for part in [
            "1 of 2",
            // Both medians, each under its own name.
            "measured  less others' share",
            "4.50 s              2.55 s",
            "Incomplete: memory of guests: 1 of 2 planned",
            "missed",
            "Missed: a single start: the mean error",
            "emulated by QEMU TCG 7.2",
            "0123456789abcdef",
            "The calibration was forced: the load was 3.",
            "Load 0.10 (3 % waiting)",
        ] {
            assert!(text.contains(part), "no `{part}` in {text}");
        }
    }

    #[test]
    fn every_quantity_that_was_measured_has_a_panel() {
        let panels = panels(&made());
        assert_eq!(panels.len(), 2);
        assert_eq!(panels[1].points.len(), 2);
        assert_eq!(panels[0].measured, "measured");
        assert_eq!(panels[1].measured, "measured, less others' share");
        agreement_svg(TITLE, &panels, "notes").unwrap();
    }
}
