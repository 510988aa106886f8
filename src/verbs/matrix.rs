//! `isolab matrix`: what each place keeps apart, found out from inside.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use crate::inside::PlaceName;
use crate::interrupt::Interrupt;
use crate::matrix::{self, Axis, Matrix, render};
use crate::progress::Bar;
use crate::report::output::{Format, Output};
use crate::report::table::Style;
use crate::terminal::fitting;
use crate::{hint, stderr, stdout};

/// What is asked of the matrix.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Asked {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    table: TableArgs,
}

/// What else can be done.
#[derive(Debug, Subcommand)]
enum Command {
    /// Try one cell, and say what was tried and what it means
    Explain(ExplainArgs),
}

/// Which places, and where the result goes.
#[derive(Debug, Args)]
struct TableArgs {
    /// The places to look from
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    #[arg(default_values_t = PlaceName::ALL)]
    places: Vec<PlaceName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write the matrix to FILE.json
    #[arg(short, long = "output", value_name = "FILE.json")]
    output: Vec<PathBuf>,
}

/// Which cell, and how it is printed.
#[derive(Debug, Args)]
struct ExplainArgs {
    /// The cell, as in network/container
    #[arg(value_name = "AXIS/PLACE")]
    cell: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If no place could be asked, a cell does not exist, or nothing can be written.
pub fn run(asked: &Asked) -> Result<ExitCode> {
    match &asked.command {
        Some(Command::Explain(args)) => explain(args),
        None => table(&asked.table),
    }
}

fn table(args: &TableArgs) -> Result<ExitCode> {
    // Before anything is tried: a result must not be lost to a typing error.
    let outputs = outputs(&args.output)?;
    let mut places = args.places.clone();
    places.sort_unstable();
    places.dedup();
    let interrupt = Interrupt::listen()?;
    let matrix = matrix::run(&Axis::ALL, &places, &interrupt, &Bar::new())?;
    let json = matrix.to_json();
    let mut failure = None;
    for output in &outputs {
        match output.replace(json.as_bytes()) {
            Ok(()) => stderr::tell(format_args!("wrote {}", output.path().display())),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    stdout::print(if args.json {
        json
    } else {
        fitting(render::table(&matrix, Style::of_stdout()))
    })?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    Ok(ended(&matrix, &interrupt))
}

fn explain(args: &ExplainArgs) -> Result<ExitCode> {
    let (axis, place) = matrix::parse_cell(&args.cell)?;
    let interrupt = Interrupt::listen()?;
    let matrix = matrix::run(&[axis], &[place], &interrupt, &Bar::new())?;
    stdout::print(if args.json {
        matrix.to_json()
    } else {
        fitting(render::explain(&matrix, axis, place, Style::of_stdout()))
    })?;
    Ok(ended(&matrix, &interrupt))
}

/// The exit status: an interrupt's, or a failure where no place answered, which
/// has been told with its reasons by then.
fn ended(matrix: &Matrix, interrupt: &Interrupt) -> ExitCode {
    match interrupt.exit_status() {
        Some(status) => ExitCode::from(status),
        None if matrix.columns.is_empty() => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

fn outputs(paths: &[PathBuf]) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for path in paths {
        let output = Output::parse(path)?;
        if output.format() != Format::Json {
            let what = format!("cannot write {}: a matrix is JSON", path.display());
            bail!(hint::with(what, "name the output FILE.json"));
        }
        output.check()?;
        outputs.push(output);
    }
    Ok(outputs)
}
