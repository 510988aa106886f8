//! `isolab venv list`: what is installed.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use serde_json::{Value, json};
use venv_sim::{Distribution, fill};

use super::asked::Index;
use super::asking::asking;
use super::kept::Kept;
use super::place::{Place, Seen};
use super::watch::Watch;
use crate::stderr;
use crate::stdout;
use crate::verbs::table::table;

/// What `venv list` is asked to show.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// How
    #[arg(long, value_enum, default_value_t = Format::Columns)]
    format: Format,
    /// Print JSON; the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Only those that have a newer version which this Python can have
    #[arg(short, long)]
    outdated: bool,
    /// Take pre-releases for newer, too
    #[arg(long, requires = "outdated")]
    pre: bool,
    #[command(flatten)]
    index: Index,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table for people
    Columns,
    /// NAME==VERSION, a line each
    Freeze,
    /// With all that is known of each
    Json,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or it cannot be read.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let seen = args.place.read()?;
    if args.outdated {
        return outdated(args, &seen);
    }
    let format = if args.json { Format::Json } else { args.format };
    let all = &seen.installed.distributions;
    stdout::print(match format {
        Format::Columns => columns(&seen),
        Format::Freeze => all.iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{}=={}", one.written_name, one.version());
            text
        }),
        Format::Json => {
            let packages: Vec<Value> = all.iter().map(described).collect();
            let unreadable = seen.installed.unreadable.iter();
            let unreadable: Vec<Value> = unreadable
                .map(|one| json!({ "path": one.path, "why": one.why }))
                .collect();
            let list = json!({
                "schema": "isolab.venv.list/1",
                "environment": seen.chosen.environment.dir,
                "why": seen.chosen.why.to_string(),
                "packages": packages,
                "unreadable": unreadable,
            });
            format!("{list:#}\n")
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn outdated(args: &Args, seen: &Seen) -> Result<ExitCode> {
    let environment = &seen.chosen.environment;
    let watch = Watch::new(false, false);
    let found = asking(&args.kept, &args.index, &watch, |means| {
        fill::outdated(environment, &seen.installed, args.pre, means)
    });
    drop(watch); // its bar goes before anything is printed
    let found = found?;
    for name in &found.unknown {
        stderr::tell(format_args!(
            "warning: nobody that was asked has {name} for this Python"
        ));
    }
    let format = if args.json { Format::Json } else { args.format };
    stdout::print(match format {
        Format::Json => {
            let packages = found.newer.iter().map(|one| {
                json!({
                    "name": one.written_name,
                    "version": one.installed.to_string(),
                    "latest_version": one.newest.to_string(),
                })
            });
            let list = json!({
                "schema": "isolab.venv.outdated/1",
                "environment": environment.dir,
                "packages": packages.collect::<Vec<_>>(),
            });
            format!("{list:#}\n")
        }
        Format::Freeze => found.newer.iter().fold(String::new(), |mut text, one| {
            let _ = writeln!(text, "{}=={}", one.written_name, one.newest);
            text
        }),
        Format::Columns if found.newer.is_empty() => {
            format!(
                "nothing in {} has a newer version\n",
                environment.dir.display()
            )
        }
        Format::Columns => {
            let row = |one: &fill::Newer| {
                let (old, new) = (one.installed.to_string(), one.newest.to_string());
                vec![one.written_name.clone(), old, new]
            };
            let rows: Vec<_> = found.newer.iter().map(row).collect();
            table(&["package", "version", "newest"], &rows, None)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn columns(seen: &Seen) -> String {
    let dir = seen.chosen.environment.dir.display();
    if seen.installed.distributions.is_empty() {
        return format!("nothing is installed in {dir}\n");
    }
    let row = |one: &Distribution| {
        vec![
            one.written_name.clone(),
            one.version().to_string(),
            one.installer.clone().unwrap_or_else(|| "?".to_owned()),
            from(one),
        ]
    };
    let rows: Vec<_> = seen.installed.distributions.iter().map(row).collect();
    table(&["package", "version", "installer", "from"], &rows, None)
}

/// Where it came from, if from no index.
fn from(one: &Distribution) -> String {
    match &one.direct_url {
        _ if one.form != venv_sim::installed::Form::DistInfo => {
            format!("{} ({})", one.location.display(), form(one))
        }
        Some(url) if url.is_editable() => format!("{} (editable)", url.url),
        Some(url) => url.url.clone(),
        None => String::new(),
    }
}

fn form(one: &Distribution) -> &'static str {
    use venv_sim::installed::Form;
    match one.form {
        Form::DistInfo => "dist-info",
        Form::EggInfo => "egg-info",
        Form::EggLink => "egg-link",
    }
}

/// All that is known of `one` without reading more.
fn described(one: &Distribution) -> Value {
    json!({
        "name": one.written_name,
        "version": one.version().to_string(),
        "installer": one.installer,
        "requested": one.is_requested,
        "editable": one.is_editable(),
        "url": one.direct_url.as_ref().map(|url| &url.url),
        "location": one.location,
        "recorded_as": form(one),
    })
}
