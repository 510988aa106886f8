//! The command line: what was typed becomes what is meant, once. Nothing below
//! sees argv.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::interrupt::Interrupt;
use crate::observation::{Subject, Workload};
use crate::progress::Bar;
use crate::report::table::Style;
use crate::report::{self, Output, Report, Settings};
use crate::verbs::{image, venv, vm};
use crate::{compare, completions, doctor, notebook, stderr, stdout};

/// Samples of each subject, workload and state, unless `--runs` says otherwise.
const RUNS: u32 = 20;
/// The same for `--quick`.
const QUICK_RUNS: u32 = 10;

/// Measure what processes, virtual environments, containers and virtual
/// machines cost on this machine
#[derive(Debug, Parser)]
#[command(name = "isolab", version, propagate_version = false)]
#[command(
    after_help = "Start with `isolab compare --quick`; `isolab doctor` tells what is missing."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

impl Cli {
    /// What was typed. Ends the process where that cannot be meant, or is a call for help.
    ///
    /// clap makes the flags of every verb before it reads the first word, which takes longer than
    /// a millisecond: a fifth of what `venv create` takes. The verbs whose time counts are looked
    /// for first, by themselves.
    #[must_use]
    pub fn of_words() -> Self {
        let mut words = std::env::args_os().skip(1);
        let first_two = [words.next(), words.next()];
        let [first, second] = first_two.each_ref().map(|word| word.as_ref()?.to_str());
        match (first, second) {
            (Some("venv"), Some("create")) => {
                let venv::Alone::Venv(command) = venv::Alone::parse();
                Command::Venv(Box::new(command.into())).into()
            }
            (Some("vm"), Some("run")) => Command::Vm(vm::Alone::<vm::Run>::parse().into()).into(),
            (Some("vm"), Some("restore")) => {
                let command = vm::Command::of_a_name(words)
                    .unwrap_or_else(|| vm::Alone::<vm::Restore>::parse().into());
                Command::Vm(command).into()
            }
            (Some("run" | "build" | "load"), _) => Command::from(Alone::parse()).into(),
            _ => Self::parse(),
        }
    }
}

impl From<Command> for Cli {
    fn from(command: Command) -> Self {
        Self { command }
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compare a process, a venv, a container and a VM on this machine
    Compare(CompareArgs),
    /// Draw a saved report again, without measuring
    Report(ReportArgs),
    /// Tell what a number of a report is: what ran, which clock, which terms
    Explain(crate::verbs::explain::ExplainArgs),
    /// Write down what you expect, before it is measured
    Predict(crate::verbs::predict::PredictArgs),
    /// Set what was predicted beside what was measured
    Reveal(crate::verbs::reveal::RevealArgs),
    /// Find out what works here, and what would mend the rest
    Doctor(doctor::Args),
    /// The tutorial's claims, each with a verdict from this machine
    Claims(crate::verbs::claims::Asked),
    /// Real PEP 405 environments
    #[command(subcommand)]
    Venv(Box<venv::Command>),
    /// Real guests under QEMU
    #[command(subcommand)]
    Vm(vm::Command),
    /// What guests, containers and processes would cost, by equations that are held to account
    #[command(subcommand)]
    Model(crate::verbs::model::Command),
    /// The reports of a class as one
    #[command(subcommand)]
    Class(crate::verbs::class::Command),
    /// Run a container of an image, in the foreground
    Run(Box<image::RunArgs>),
    /// Build an image from a Dockerfile
    Build(Box<image::BuildArgs>),
    /// Fetch an image from a registry
    Pull(image::PullArgs),
    /// Send an image to a registry, as far as it lacks it
    Push(image::PushArgs),
    /// Log in to a registry
    Login(image::LoginArgs),
    /// Log out of a registry
    Logout(image::LogoutArgs),
    /// List the repositories of a registry, or the tags of one
    Search(image::SearchArgs),
    /// Serve the images that are here to others
    #[command(subcommand)]
    Registry(crate::verbs::registry::Command),
    /// List the images that are here
    Images(image::ListArgs),
    /// Give an image one more name
    Tag(image::TagArgs),
    /// Remove a name of an image, with its versions and what only they led to
    Rmi(image::RemoveArgs),
    /// Show how an image came to be, step by step
    History(image::HistoryArgs),
    /// Write images into one file that docker and podman load, too
    Save(image::SaveArgs),
    /// Take images from a file that `docker save` or `podman save` wrote, or we
    Load(image::LoadArgs),
    /// Make an image of a tar archive of files
    Import(image::ImportArgs),
    /// Write all files of an image into one tar archive
    Export(image::ExportArgs),
    /// Look at an image, and at the versions that a tag had
    #[command(subcommand)]
    Image(image::Command),
    /// What Isolab keeps on this machine: how much, and away with it
    #[command(subcommand)]
    System(crate::verbs::system::Command),
    /// Show the lesson on a projector, from a script
    Demo(crate::verbs::demo::Args),
    /// What each place can see and touch of the host, found out from inside
    Matrix(crate::verbs::matrix::Asked),
    /// Print a script that completes our commands in a shell
    Completions {
        /// The shell
        shell: completions::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Made if it is not there
        dir: PathBuf,
    },
    /// Examine one thing in a process of its own (what `doctor` runs)
    #[command(name = "__probe", hide = true)]
    Probe {
        /// The stage to examine
        stage: String,
    },
    /// Run a command that ends when its parent does
    #[command(name = "__guard", hide = true)]
    Guard(crate::guard::Args),
    /// Keep a guest that nobody waits for (what `vm run --detach` starts)
    #[command(name = "__keep", hide = true)]
    Keep(crate::guests::keeper::Args),
    /// Make attempts from inside a place (what `matrix` runs there)
    #[command(name = "__inside", hide = true)]
    Inside(crate::inside::Args),
    /// Be on the host for others to reach for (what `matrix` starts there)
    #[command(name = "__canary", hide = true)]
    Canary(crate::inside::canary::Args),
    /// Take files out of the view of a container (what `claims` runs)
    #[command(name = "__hide", hide = true)]
    Hide(crate::hide::Args),
    /// Have the kernel merge equal pages until standard input ends (what `model validate` starts)
    #[command(name = "__merge", hide = true)]
    Merge,
    /// Ask a server that was just started (what `compare` runs)
    #[command(name = "__ask", hide = true)]
    Ask(crate::ask::Args),
}

/// The command line of whoever asks for one of these verbs, and no other.
#[derive(Debug, Parser)]
#[command(name = "isolab")]
enum Alone {
    /// Run a container of an image, in the foreground
    Run(Box<image::RunArgs>),
    /// Build an image from a Dockerfile
    Build(Box<image::BuildArgs>),
    /// Take images from a file that `docker save` or `podman save` wrote, or we
    Load(image::LoadArgs),
}

impl From<Alone> for Command {
    fn from(alone: Alone) -> Self {
        match alone {
            Alone::Run(args) => Self::Run(args),
            Alone::Build(args) => Self::Build(args),
            Alone::Load(args) => Self::Load(args),
        }
    }
}

/// What `compare` is asked to do.
#[derive(Debug, Args)]
struct CompareArgs {
    /// Samples of each subject, workload and state; an emulated guest gets a quarter of them
    /// [default: 20; with --quick, up to 10, and 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: Option<u32>,
    /// Order in which subjects are started; the same seed gives the same order
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// What to compare
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    #[arg(default_values = ["process", "venv", "container", "vm"])]
    subjects: Vec<Subject>,
    /// What to run in each; the Library's packages come from the package index the first time
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    #[arg(default_values = ["true", "python"])]
    workload: Vec<Workload>,
    /// Be done in under 20 seconds
    #[arg(long)]
    quick: bool,
    /// Ask first what you expect, and show last how far off it was; the report
    /// carries both
    #[arg(long)]
    predict: bool,
    /// Do not ask, whatever an alias says; without either nobody is asked
    #[arg(long, overrides_with = "predict")]
    no_predict: bool,
    /// Do not keep the report for `explain` and `reveal`
    #[arg(long)]
    no_keep: bool,
    #[command(flatten)]
    show: Show,
}

/// What `report` is asked to draw.
#[derive(Debug, Args)]
struct ReportArgs {
    /// A report that `compare -o FILE.json` wrote
    file: PathBuf,
    #[command(flatten)]
    show: Show,
}

/// Where a report goes.
#[derive(Debug, Args)]
struct Show {
    /// Print JSON instead of the table
    #[arg(long)]
    json: bool,
    /// Also write FILE; its ending decides: .json, .html, .svg or .png
    #[arg(short, long = "output", value_name = "FILE")]
    output: Vec<PathBuf>,
}

impl ValueEnum for Subject {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }
    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Workload {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }
    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

/// Does what was typed.
///
/// # Errors
/// Whatever went wrong, for [`main`](crate) to print with its remedy.
pub fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Compare(args) => compare(&args),
        Command::Report(args) => {
            let outputs = outputs(&args.show)?;
            let report = report::load(&args.file)?;
            show(&report, &args.show, &outputs)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Explain(args) => crate::verbs::explain::run(&args),
        Command::Predict(args) => crate::verbs::predict::run(&args),
        Command::Reveal(args) => crate::verbs::reveal::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Claims(asked) => crate::verbs::claims::run(&asked),
        Command::Venv(command) => venv::run(*command),
        Command::Vm(command) => vm::run(command),
        Command::Model(command) => crate::verbs::model::run(command),
        Command::Class(command) => crate::verbs::class::run(command),
        Command::Run(args) => image::run::run(&args),
        Command::Build(args) => image::build(&args),
        Command::Pull(args) => image::pull(&args),
        Command::Push(args) => image::push(&args),
        Command::Login(args) => image::login(&args),
        Command::Logout(args) => image::logout(&args),
        Command::Search(args) => image::search(&args),
        Command::Registry(command) => crate::verbs::registry::run(&command),
        Command::Images(args) => image::list(&args),
        Command::Tag(args) => image::tag(&args),
        Command::Rmi(args) => image::room::with_layers(|| image::remove(&args)),
        Command::History(args) => image::history(&args),
        Command::Save(args) => image::save(&args),
        Command::Load(args) => image::load(&args),
        Command::Import(args) => image::import(&args),
        Command::Export(args) => image::export(&args),
        Command::Image(command) => image::run(&command),
        Command::System(command) => crate::verbs::system::run(command),
        Command::Demo(args) => crate::verbs::demo::run(&args, &Cli::command()),
        Command::Matrix(asked) => crate::verbs::matrix::run(&asked),
        Command::Completions { shell } => {
            let script = completions::script(shell, &Cli::command());
            stdout::print(script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { dir } => {
            let pages = completions::man_pages(Cli::command(), &dir)?;
            stderr::tell(format_args!(
                "wrote {} pages to {}",
                pages.len(),
                dir.display()
            ));
            Ok(ExitCode::SUCCESS)
        }
        Command::Probe { stage } => Ok(doctor::probe(&stage)),
        Command::Guard(args) => crate::guard::run(&args),
        Command::Keep(args) => crate::guests::keeper::run(&args),
        Command::Inside(args) => crate::inside::run(&args),
        Command::Canary(args) => crate::inside::canary::run(&args),
        Command::Hide(args) => crate::hide::run(&args),
        Command::Merge => crate::validation::merging::hold(),
        Command::Ask(args) => crate::ask::run(&args),
    }
}

fn compare(args: &CompareArgs) -> Result<ExitCode> {
    // Before anything is measured: a minute's work must not end at a typing error.
    let outputs = outputs(&args.show)?;
    let settings = settings(args);
    let interrupt = Interrupt::listen()?;
    let mut predictions = Vec::new();
    if args.predict {
        let interview = crate::verbs::predict::before(&settings, &interrupt)?;
        if interview.stopped {
            stderr::tell("nothing was measured; what you predicted is kept");
            let status = interrupt.exit_status();
            return Ok(status.map_or(ExitCode::FAILURE, ExitCode::from));
        }
        predictions = interview.made;
    }
    let mut report = compare::run(&settings, &interrupt, &Bar::new())?;
    report.predictions = predictions;
    if !args.no_keep {
        keep(&report);
    }
    show(&report, &args.show, &outputs)?;
    if !report.predictions.is_empty() && !args.show.json {
        crate::verbs::reveal::after(&report)?;
    }
    if report.observations.is_empty() && !report.interrupted {
        let why = report
            .missing
            .first()
            .map_or("no reason is known", |part| &part.why);
        bail!("nothing could be measured: {why}");
    }
    Ok(interrupt
        .exit_status()
        .map_or(ExitCode::SUCCESS, ExitCode::from))
}

fn settings(args: &CompareArgs) -> Settings {
    let mut subjects = args.subjects.clone();
    // Everything is compared with the bare process, so it is always there.
    subjects.push(Subject::Process);
    subjects.sort_unstable();
    subjects.dedup();
    let mut workloads = args.workload.clone();
    workloads.sort_unstable();
    workloads.dedup();
    let runs = args
        .runs
        .unwrap_or(if args.quick { QUICK_RUNS } else { RUNS });
    Settings {
        runs,
        seed: args.seed,
        quick: args.quick,
        subjects,
        workloads,
    }
}

/// Keeps `report` for later verbs. That it cannot be kept is no reason to
/// withhold what was measured.
fn keep(report: &Report) {
    if report.observations.is_empty() {
        return;
    }
    if let Err(error) = notebook::reports::keep(report) {
        stderr::tell(format_args!(
            "warning: {error:#}: `explain` and `reveal` will need a file (-o FILE.json)"
        ));
    }
}

/// The files to write, each shown to be writable.
fn outputs(show: &Show) -> Result<Vec<Output>> {
    let mut outputs = Vec::new();
    for path in &show.output {
        let output = Output::parse(path)?;
        output.check()?;
        outputs.push(output);
    }
    Ok(outputs)
}

/// Writes the files, then prints. Each is tried, whatever becomes of the others:
/// what took minutes to measure must not be lost to one full disk.
fn show(report: &Report, show: &Show, outputs: &[Output]) -> Result<()> {
    let mut failures = Vec::new();
    for output in outputs {
        match output.write(report) {
            Ok(()) => stderr::tell(format_args!("wrote {}", output.path().display())),
            Err(error) => failures.push(anyhow::Error::from(error)),
        }
    }
    let text = if show.json {
        report::to_json(report)
    } else {
        report::table::render(report, Style::of_stdout())
    };
    failures.extend(stdout::print(text).err());
    let others = failures.split_off(failures.len().min(1));
    for other in others {
        stderr::tell(format_args!("error: {other:#}"));
    }
    failures.pop().map_or(Ok(()), Err)
}

/// What a parser of few verbs must have in common with that of all.
#[cfg(test)]
pub(crate) mod alike {
    use super::*;

    /// The help of the verb that `path` leads to among the verbs of `all`.
    pub(crate) fn help(mut all: clap::Command, path: &[&str]) -> String {
        all.build();
        let verb = path.iter().fold(&all, |verb, name| {
            verb.find_subcommand(name).expect("the verb")
        });
        verb.clone().render_long_help().to_string()
    }

    /// What is said of these words by `Few`, which is said of them among all.
    pub(crate) fn told<Few: Parser + std::fmt::Debug>(words: &[&str]) -> String {
        let alone = Few::try_parse_from(words).expect_err("refused");
        let among = Cli::try_parse_from(words).expect_err("refused");
        assert_eq!(alone.to_string(), among.to_string());
        alone.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::alike::help;
    use super::*;

    #[test]
    fn a_verb_alone_is_the_verb_among_all() {
        for verb in ["run", "build", "load"] {
            let alone = help(Alone::command(), &[verb]);
            assert_eq!(alone, help(Cli::command(), &[verb]));
        }
    }

    #[test]
    fn what_is_wrong_is_told_the_same() {
        let told = alike::told::<Alone>;
        assert!(told(&["isolab", "build", "--no-cach"]).contains("--no-cache"));
        assert!(told(&["isolab", "build", "a", "b"]).contains("'b'"));
        assert!(told(&["isolab", "run"]).contains("IMAGE"));
        told(&["isolab", "run", "--help"]);
        told(&["isolab", "load", "--inputs", "a"]);
    }
}
