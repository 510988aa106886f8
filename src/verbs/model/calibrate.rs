//! `isolab model calibrate`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use vm_model::model::parameters::Calibration;

use super::show::{amount, interval, source};
use crate::calibration::{self, Asked};
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::verbs::table::table;
use crate::{stderr, stdout};

/// What `model calibrate` is asked to do.
#[derive(Debug, Args)]
#[command(after_help = "\
Boots small guests for less than 30 seconds and keeps what it found for `model ask`.\n\
It exits with 1 where the machine is busy, and keeps nothing then.")]
pub struct CalibrateArgs {
    /// Go on even if the machine is busy; the calibration says so
    #[arg(long)]
    force: bool,
    /// Print the calibration as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CalibrateArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let asked = Asked { force: args.force };
    let made = calibration::run(asked, &interrupt, &Bar::new());
    if let Some(status) = interrupt.exit_status() {
        stderr::tell("interrupted: nothing was kept");
        return Ok(ExitCode::from(status));
    }
    let made = made?;
    let path = calibration::save(&made)?;
    if args.json {
        stdout::print(format!("{}\n", serde_json::to_string_pretty(&made)?))?;
    } else {
        stdout::print(told(&made))?;
    }
    stderr::tell(format!("kept in {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn told(made: &Calibration) -> String {
    let rows: Vec<Vec<String>> = made
        .parameters
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                amount(one.value, one.unit),
                interval(one.low, one.high, one.unit),
            ]
        })
        .collect();
    let mut text = table(&["parameter", "value", "interval"], &rows, Some(1));
    text.push_str("\nIntervals are of 90 %, but where a source says what else they hold.\n");
    for parameter in &made.parameters {
        let _ = writeln!(text, "{}: {}", parameter.name, source(parameter));
    }
    for missing in &made.missing {
        let _ = writeln!(text, "missing: {}: {}", missing.name, missing.why);
    }
    let was = &made.was;
    let _ = writeln!(
        text,
        "\n{:.1} s, load {:.2} before and {:.2} after{}{}",
        was.took,
        was.load_before,
        was.load_after,
        was.pressure_before
            .map_or_else(String::new, |percent| format!(", pressure {percent:.0} %")),
        was.forced
            .as_ref()
            .map_or_else(String::new, |why| format!("; forced although {why}"))
    );
    if was.hangs > 0 {
        let _ = writeln!(text, "{} guests hung and were started again", was.hangs);
    }
    text
}
