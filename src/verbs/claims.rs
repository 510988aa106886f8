//! `isolab claims`: the tutorial's claims, settled on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::claims::experiment::{Experiment, Inquiry, Settings};
use crate::claims::ledger::{Claim, Ledger};
use crate::claims::render::{self, Detail, Style};
use crate::claims::{self, Record, experiments};
use crate::interrupt::Interrupt;
use crate::progress::Bar;
use crate::report::output::{Format, Output};
use crate::{hint, stderr, stdout};

/// Samples of what is timed, unless `--runs` says otherwise.
const RUNS: u32 = 20;
/// The same for `--quick`: the least that has an interval.
const QUICK_RUNS: u32 = 10;

/// What is asked of the claims.
#[derive(Debug, Args)]
pub struct Asked {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What can be done with claims.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show every claim, and whether it can be settled (the default)
    List(ListArgs),
    /// Run the experiments and print a verdict for each claim
    Run(RunArgs),
    /// Say what a claim rests on, and what would settle it
    Explain(ExplainArgs),
}

/// Which ledger, and how to print.
#[derive(Debug, Default, Args)]
struct Common {
    /// Another ledger than our own
    #[arg(long, value_name = "FILE.toml")]
    ledger: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `claims list` is asked.
#[derive(Debug, Default, Args)]
struct ListArgs {
    #[command(flatten)]
    common: Common,
}

/// What `claims run` is asked to settle.
#[derive(Debug, Args)]
struct RunArgs {
    /// The claims; all of them if none is named
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Samples of what is timed [default: 20; with --quick, 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: Option<u32>,
    /// Seed of whatever is drawn by lot
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Be done soon
    #[arg(long)]
    quick: bool,
    /// Show every fact too, with the command behind it
    #[arg(short, long)]
    verbose: bool,
    /// Also write the record to FILE.json
    #[arg(short, long = "output", value_name = "FILE.json")]
    output: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What `claims explain` is asked.
#[derive(Debug, Args)]
struct ExplainArgs {
    /// The claim
    id: String,
    /// A record that `claims run -o FILE.json` wrote
    file: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Does it.
///
/// # Errors
/// If a claim, a ledger or a record is not what it should be, or nothing can be
/// written. That an experiment cannot run here is a verdict, not an error.
pub fn run(asked: &Asked) -> Result<ExitCode> {
    match &asked.command {
        None => list(&ListArgs::default()),
        Some(Command::List(args)) => list(args),
        Some(Command::Run(args)) => settle(args),
        Some(Command::Explain(args)) => explain(args),
    }
}

fn list(args: &ListArgs) -> Result<ExitCode> {
    let ledger = ledger(&args.common)?;
    stdout::print(if args.common.json {
        let claims: Vec<_> = ledger.claims().iter().map(described).collect();
        pretty(&json!({ "schema": "isolab.ledger/1", "claims": claims }))
    } else {
        render::list(&ledger, Style::of_stdout())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn settle(args: &RunArgs) -> Result<ExitCode> {
    // Before anything runs: minutes must not end at a typing error.
    let ledger = ledger(&args.common)?;
    let claims = chosen(&ledger, &args.ids)?;
    let outputs = outputs(&args.output)?;
    let default = if args.quick { QUICK_RUNS } else { RUNS };
    let settings = Settings {
        runs: args.runs.unwrap_or(default),
        seed: args.seed,
        quick: args.quick,
    };
    let interrupt = Interrupt::listen()?;
    let record = claims::run(&claims, settings, &interrupt, &Bar::new())?;
    show(&record, args, &outputs)?;
    Ok(interrupt
        .exit_status()
        .map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Writes the files, then prints; each is tried, whatever becomes of the others.
fn show(record: &Record, args: &RunArgs, outputs: &[Output]) -> Result<()> {
    let json = record.to_json();
    let mut failure = None;
    for output in outputs {
        match output.replace(json.as_bytes()) {
            Ok(()) => stderr::tell(format_args!("wrote {}", output.path().display())),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    stdout::print(if args.common.json {
        json
    } else {
        let detail = if args.verbose {
            Detail::Facts
        } else {
            Detail::Numbers
        };
        render::verdicts(record, detail, Style::of_stdout())
    })?;
    failure.map_or(Ok(()), |error| Err(error.into()))
}

fn explain(args: &ExplainArgs) -> Result<ExitCode> {
    let ledger = ledger(&args.common)?;
    let claim = find(&ledger, &args.id)?;
    let mut record = args.file.as_deref().map(load).transpose()?;
    if let Some(record) = &mut record {
        for id in record.judge_again(&ledger) {
            stderr::tell(format_args!(
                "warning: the file's verdict on {id} does not follow from its findings"
            ));
        }
    }
    let settled = record.iter().flat_map(|record| &record.claims);
    let last = settled.into_iter().find(|settled| settled.id == claim.id);
    ensure!(
        last.is_some() || record.is_none(),
        "cannot show the last result: the file says nothing of {}",
        claim.id
    );
    stdout::print(if args.common.json {
        let mut described = described(claim);
        described["last"] = json!(last);
        pretty(&described)
    } else {
        render::explain(claim, last, Style::of_stdout())
    })?;
    Ok(ExitCode::SUCCESS)
}

fn ledger(common: &Common) -> Result<Ledger> {
    let Some(path) = &common.ledger else {
        return Ok(Ledger::own());
    };
    Ledger::load(path).map_err(|error| {
        let hint = "compare it with `src/claims/claims.toml`, or leave `--ledger` out";
        hinted(&error.into(), hint)
    })
}

fn load(path: &std::path::Path) -> Result<Record> {
    Record::load(path).map_err(|error| {
        let hint = "`isolab claims run -o FILE.json` writes a record";
        hinted(&error.into(), hint)
    })
}

/// An error with its chain in one line, and `hint` where the remedy belongs.
fn hinted(error: &anyhow::Error, hint: &str) -> anyhow::Error {
    hint::with(format!("{error:#}"), hint)
}

/// The claims named by `ids`, each once; all if none is named.
fn chosen<'a>(ledger: &'a Ledger, ids: &[String]) -> Result<Vec<&'a Claim>> {
    if ids.is_empty() {
        return Ok(ledger.claims().iter().collect());
    }
    let mut chosen: Vec<&Claim> = Vec::new();
    for id in ids {
        let claim = find(ledger, id)?;
        if !chosen.iter().any(|other| other.id == claim.id) {
            chosen.push(claim);
        }
    }
    Ok(chosen)
}

fn find<'a>(ledger: &'a Ledger, id: &str) -> Result<&'a Claim> {
    ledger.find(id).ok_or_else(|| {
        let near = ledger.near(id);
        let hint = match near.as_slice() {
            [] => "`isolab claims list` shows every claim".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        hint::with(format!("there is no claim `{}`", id.escape_debug()), hint)
    })
}

fn outputs(paths: &[PathBuf]) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for path in paths {
        let output = Output::parse(path)?;
        if output.format() != Format::Json {
            let what = format!("cannot write {}: a record is JSON", path.display());
            return Err(hint::with(what, "name the output FILE.json"));
        }
        output.check()?;
        outputs.push(output);
    }
    Ok(outputs)
}

/// A claim as JSON, with what can be known of it before it is run.
fn described(claim: &Claim) -> serde_json::Value {
    let experiment = experiments::find(&claim.id);
    let mut described = json!(claim);
    described["experiment"] = json!(experiment.map(Experiment::about));
    let inquiry = experiments::inquiry(&claim.id);
    described["inquiry"] = json!(inquiry.map(Inquiry::about));
    described
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}
