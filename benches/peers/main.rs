//! Ours beside the field's: what is installed of other container runtimes and
//! makers of virtual environments, and QEMU by hand, run in turns with ours, and the
//! ratios are printed with the targets they are to reach.
//!
//! Runtimes get one bundle and must first be seen to make the same container of
//! it: where one does less than crun, there is no ratio to print.
//!
//! ```text
//! cargo bench --bench peers
//! cargo bench --bench peers -- crun --runs 50 --json peers.json
//! ```

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use isolab::interrupt::Interrupt;
use isolab::report::Environment;
use isolab::scratch::Scratch;

mod bundle;
mod contestant;
mod crowd;
mod environments;
mod equal;
mod facts;
mod guests;
mod images;
mod index;
mod installs;
mod lives;
mod loads;
mod memory;
mod podman;
mod record;
mod runtimes;
mod table;
mod timeline;
mod trial;
mod weigh;

use contestant::Race;
use record::Record;
use runtimes::Field;

/// What is weighed and not timed, as a filter may name it.
const MEMORY: &str = "containers: memory";

/// Time other people's runtimes and environments beside ours
#[derive(Debug, Parser)]
struct Arguments {
    /// Only peers whose name contains this, or all of the races whose name does, such as `exec`
    filter: Option<String>,
    /// Turns of each contestant: each is one cold trial and three hot ones
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Order of the trials
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instead, show where the time of a container's start goes
    #[arg(long)]
    timeline: bool,
    /// Also write every sample to FILE
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if let Some(code) = weigh::asked() {
        return code;
    }
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(hint) = isolab::hint::of(&error) {
                eprintln!(" hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let scratch = Scratch::new()?;
    let mut environment = Environment::capture(scratch.path());
    // Before there is a thread that would not have them.
    let own_mounts = runtimes::keep_mounts()?;
    let filter = arguments.filter.as_deref();
    let mut races = Vec::new();
    // For guests alone, no runtime has to be built.
    let field = match filter.is_some_and(guests::is_all_that_is_meant) {
        true => None,
        false => Some(Field::find(scratch.path(), own_mounts)?),
    };
    if let Some(field) = &field {
        if arguments.timeline {
            print!("{}", timeline::of(field, arguments.runs)?);
            return Ok(ExitCode::SUCCESS);
        }
        races.extend(runtimes::races(field)?);
        races.extend(environments::races(scratch.path())?);
    }
    // They fetch what they install, so only if they are wanted.
    if filter.is_none_or(installs::is_meant) {
        match installs::races(scratch.path()) {
            Ok(more) => races.extend(more),
            Err(error) => println!("no race of those who fill environments: {error:#}\n"),
        }
    }
    // An image is made for them, of tens of megabytes.
    if filter.is_none_or(images::is_meant) {
        match images::races(scratch.path(), own_mounts) {
            Ok(more) => races.extend(more),
            Err(error) => println!("no race of those who keep images: {error:#}\n"),
        }
    }
    // They boot and save several.
    let mut weighed = Vec::new();
    if filter.is_none_or(guests::is_meant) {
        let found = guests::Guests::find(scratch.path());
        match found.and_then(|guests| Ok((guests.races()?, guests.memory()?))) {
            Ok((more, memory)) => {
                races.extend(more);
                weighed = memory;
            }
            Err(error) => println!("no race of guests: {error:#}\n"),
        }
        println!("{}\n", guests::hello()?);
        print!("{}", guests::memory::render(&weighed));
    }
    if let Some(filter) = &arguments.filter {
        races.iter_mut().for_each(|race| race.keep_only(filter));
    }
    races.retain(Race::has_peers);
    let weighs = filter.is_none_or(|filter| MEMORY.contains(filter));
    ensure!(
        weighs || !races.is_empty(),
        "nothing to compare with: no peer is installed, or none matches"
    );
    let weighing = field.as_ref().filter(|_| weighs);
    let kept = weighing.map_or_else(Vec::new, memory::of);
    if let Some(field) = weighing {
        print!("{}", memory::render(&kept, field));
    }
    for race in &mut races {
        if interrupt.raised() {
            break;
        }
        race.amid(|race| {
            race.probe(&interrupt);
            if interrupt.raised() {
                return Ok(());
            }
            print!("{}", table::findings(race));
            trial::run(race, arguments.runs, arguments.seed, &interrupt)?;
            print!("{}", table::render(race));
            trial::clear_away(&race.scratch)?;
            Ok(())
        })?;
        race.let_go();
    }
    environment.finish();
    println!(
        "{} CPUs, load {:.2} before and {:.2} after; {} rounds in shuffled turns",
        environment.cpus, environment.load_before, environment.load_after, arguments.runs
    );
    if let Some(path) = &arguments.json {
        let text = Record::of(&environment, &races, &kept, &weighed).to_json()?;
        std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("every sample: {}", path.display());
    }
    Ok(interrupt
        .exit_status()
        .map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// Where a program is: on PATH, or where the project's own set-up puts peers.
fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/peers/bin");
    std::env::split_paths(&path)
        .chain([own])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
