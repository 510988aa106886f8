//! `isolab vm stop` and `isolab vm logs`: a detached guest's end, and its words.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::guests::stop::{self, Stopped};
use crate::guests::{directory, keeper};
use crate::{hint, stderr, stdout};

/// What `vm stop` is asked to end.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// How long its program gets after it was asked to end; one that a `vm run` waits for gets ten
    /// seconds at most
    #[arg(short, long, default_value = "10s", value_name = "TIME", value_parser = seconds)]
    time: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The guests
    #[arg(required = true)]
    names: Vec<String>,
}

/// What `vm logs` is asked for.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The guest
    name: String,
}

/// `10` are seconds, as docker's; else `10s`, `1m`.
fn seconds(text: &str) -> Result<Duration, humantime::DurationError> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => humantime::parse_duration(text),
    }
}

pub(super) fn run(args: &StopArgs) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut ended = Vec::new();
    for name in &args.names {
        match directory::named(name).and_then(|seen| stop::stop(&seen, args.time)) {
            Ok(how) => ended.push((name, how)),
            Err(error) => {
                hint::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    let word = |how| match how {
        Stopped::Before => "ended before",
        Stopped::Asked => "asked",
        Stopped::Killed => "killed",
    };
    if args.json {
        let entry = |(name, how): &(&String, Stopped)| serde_json::json!({ "name": name, "how": word(*how) });
        let all: Vec<_> = ended.iter().map(entry).collect();
        stdout::print(format!(
            "{:#}\n",
            serde_json::json!({ "schema": "isolab.stopped/1", "guests": all })
        ))?;
        return Ok(code);
    }
    for (name, how) in ended {
        if how == Stopped::Killed {
            stderr::tell(format_args!(
                "note: {name} did not end in time, and was killed"
            ));
        }
        stdout::print(format!("{name}\n"))?;
    }
    Ok(code)
}

pub(super) fn logs(args: &LogsArgs) -> Result<ExitCode> {
    stdout::print(keeper::log_of(&args.name)?)?;
    Ok(ExitCode::SUCCESS)
}
