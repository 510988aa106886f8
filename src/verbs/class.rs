//! `isolab class`: the reports of a class as one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};

use crate::class::{self, Class, Refused, Register};
use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::observation::Workload;
use crate::progress::Bar;
use crate::report::table::Style;
use crate::report::text::shown;
use crate::report::{self, Target};
use crate::{hint, stderr, stdout, terminal};

/// No class is larger.
const MOST: usize = 1_000;
/// No name is longer, in characters.
const LONGEST_NAME: usize = 40;

/// What can be done with a class.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Merge students' reports: machine by machine, predictions beside measurements
    Merge(MergeArgs),
}

/// What `class merge` is asked to merge.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports that `compare --predict -o FILE.json` or `compare -o FILE.json` wrote
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Merge only what ran with these [default: what the first report ran]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    workload: Vec<Workload>,
    /// Call the machine of FILE by NAME; without it, it has a random id
    #[arg(long, value_name = "FILE=NAME", value_parser = named)]
    name: Vec<(String, String)>,
    /// Leave out the files that are refused
    #[arg(long)]
    skip_refused: bool,
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Also write FILE; its ending decides: .csv, .json, .html, .svg or .png
    #[arg(short, long, value_name = "FILE", value_parser = output)]
    output: Vec<Target>,
}

/// Does it.
///
/// # Errors
/// If a report cannot be read or does not fit the others, or an output cannot be
/// written; then nothing is merged.
pub fn run(command: Command) -> Result<ExitCode> {
    let Command::Merge(args) = command;
    for output in &args.output {
        output.check()?;
        spare(&args.files, output)?;
    }
    // From here on Ctrl-C waits until a file is whole.
    let interrupt = Interrupt::listen()?;
    let class = merge(&args, &interrupt);
    if let Some(status) = interrupt.exit_status() {
        stderr::tell("nothing was written");
        return Ok(ExitCode::from(status));
    }
    let class = class?;
    for output in &args.output {
        output.replace(&content(&class, &output.extension())?)?;
        stderr::tell(format_args!("wrote {}", output.path().display()));
    }
    stdout::print(if args.json {
        format!("{:#}\n", class::json(&class))
    } else {
        terminal::fitting(class::render(&class, Style::of_stdout().width))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to write over a report that is read: what a student measured cannot be
/// had again.
fn spare(files: &[PathBuf], output: &Target) -> Result<()> {
    let Ok(written) = output.path().canonicalize() else {
        return Ok(());
    };
    let is_it = |file: &&PathBuf| file.canonicalize().is_ok_and(|read| read == written);
    let Some(file) = files.iter().find(is_it) else {
        return Ok(());
    };
    let file = file.to_string_lossy();
    Err(hint::with(
        format!(
            "cannot write {}: it is one of the reports to merge",
            shown(&file)
        ),
        "name another file, such as -o merged/class.json",
    ))
}

fn merge(args: &MergeArgs, interrupt: &Interrupt) -> Result<Class> {
    if args.files.len() > MOST {
        return Err(anyhow!(
            "cannot merge {} files: a class has at most {MOST}",
            args.files.len()
        ));
    }
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (file, name) in &args.name {
        if !args.files.iter().any(|known| known == Path::new(file)) {
            let file = shown(file);
            return Err(hint::with(
                format!("cannot name {file}: it is not among the files"),
                "write it as you wrote the file: --name reports/a.json=Ada",
            ));
        }
        names.insert(file, name);
    }
    let mut register = Register::new(args.workload.clone());
    let mut refused = Vec::new();
    let bar = Bar::new();
    for (i, path) in args.files.iter().enumerate() {
        if interrupt.raised() {
            break;
        }
        let file = path.to_string_lossy();
        bar.show(i as f64 / args.files.len() as f64, "reading reports");
        if let Err(why) = enter(&mut register, path, names.get(file.as_ref()).copied()) {
            refused.push(why);
        }
    }
    drop(bar);
    settle(&refused, args.skip_refused)?;
    register
        .close()
        .ok_or_else(|| anyhow!("there is nothing to merge"))
}

/// One report; why it is refused. One that is there already only earns a warning.
fn enter(register: &mut Register, path: &Path, name: Option<&str>) -> Result<()> {
    let report = report::load(path)?;
    let file = path.to_string_lossy();
    let file = shown(&file);
    match register.enter(&file, &report, name) {
        Ok(()) => Ok(()),
        Err(Refused::Repeats(other)) => {
            stderr::tell(format_args!(
                "warning: {file} is the same report as {other}: it counts once"
            ));
            Ok(())
        }
        Err(Refused::Workloads(why)) => Err(hint::with(
            format!("cannot merge {file}: {why}"),
            "`--workload NAME` merges what all of them ran",
        )),
    }
}

/// Every refusal is told, so that one run finds them all.
fn settle(refused: &[anyhow::Error], skip: bool) -> Result<()> {
    let word = if skip { "warning" } else { "error" };
    for error in refused {
        stderr::tell(format_args!("{word}: {error:#}"));
        if let Some(hint) = hint::of(error).filter(|_| !skip) {
            stderr::tell(format_args!(" hint: {hint}"));
        }
    }
    if refused.is_empty() || skip {
        return Ok(());
    }
    let count = refused.len();
    Err(hint::with(
        format!("nothing was merged: {count} of the files are refused"),
        "`--skip-refused` merges the others",
    ))
}

fn content(class: &Class, extension: &str) -> Result<Vec<u8>> {
    Ok(match extension {
        "csv" => class::csv(class).into_bytes(),
        "html" => class::page(class)?.into_bytes(),
        "svg" => class::svg(class)?.into_bytes(),
        "png" => class::png(class)?,
        _ => format!("{:#}\n", class::json(class)).into_bytes(),
    })
}

/// An output by its ending.
fn output(text: &str) -> Result<Target, String> {
    let target = Target::at(text);
    match target.extension().as_str() {
        "csv" | "json" | "html" | "svg" | "png" => Ok(target),
        _ => Err("its ending names no format: .csv, .json, .html, .svg or .png".to_owned()),
    }
}

/// `FILE=NAME`, with a name that can be shown.
fn named(text: &str) -> Result<(String, String), String> {
    let (file, name) = text.rsplit_once('=').ok_or("write FILE=NAME")?;
    let name = name.trim();
    if name.is_empty() || name.contains(report::text::acts) || name.chars().count() > LONGEST_NAME {
        return Err(format!(
            "a name is text of at most {LONGEST_NAME} characters"
        ));
    }
    Ok((file.to_owned(), name.to_owned()))
}
