//! `isolab venv freeze`: what is installed, as requirements.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use venv_sim::installed::Frozen;

use super::place::Place;
use crate::stdout;

/// What `venv freeze` is asked to print.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The lines are those of `pip freeze`; `isolab venv install -r FILE` takes them."
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Also pip, and before Python 3.12 setuptools and wheel
    #[arg(long)]
    all: bool,
    /// Leave out what is editable
    #[arg(long)]
    exclude_editable: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or it cannot be read.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let seen = args.place.read()?;
    let version = seen.chosen.environment.version;
    let mut frozen = seen.installed.freeze(version, args.all);
    if args.exclude_editable {
        frozen.retain(|one| !matches!(one, Frozen::Editable { .. }));
    }
    stdout::print(if args.json {
        let lines: Vec<String> = frozen.iter().map(ToString::to_string).collect();
        let frozen = json!({
            "schema": "isolab.venv.freeze/1",
            "environment": seen.chosen.environment.dir,
            "requirements": lines,
        });
        format!("{frozen:#}\n")
    } else {
        frozen.iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{one}");
            text
        })
    })?;
    Ok(ExitCode::SUCCESS)
}
