//! `isolab vm snapshot`: a guest at the moment when it is ready, kept.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vm_model::guest::{Accel, Guest, Machine, RUN_FILE, RunFile};
use vm_model::initramfs::Archive;
use vm_model::qemu;
use vm_model::saved::{self, Patience, Snapshot, Taken};

use super::prepare;
use super::run::MachineChoice;
use crate::guests::root::{self, Root};
use crate::interrupt::Interrupt;
use crate::isolation::guest;
use crate::observation::Unit;
use crate::program;
use crate::report::quantity::human;
use crate::scratch::Scratch;
use crate::verbs::table::table;
use crate::{guard, hint, places, stderr, stdout};

/// How long a boot may take before it counts as hung, and how many boots at most.
const PATIENCE: Patience = Patience {
    watchdog: Duration::from_secs(45),
    tries: 3,
};

/// What a guest has if nothing is said, in MiB.
const MEMORY_MIB: u32 = 128;

/// The name of a snapshot that was given none.
pub(super) const NAME: &str = "default";

/// What `vm snapshot` is asked to do.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SnapshotArgs {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    take: TakeArgs,
}

/// What can be done with snapshots that are there.
#[derive(Debug, Subcommand)]
enum Command {
    /// List the guests that were saved
    Ls(ListArgs),
    /// Remove guests that were saved
    Rm(RemoveArgs),
}

/// How a guest is saved.
#[derive(Debug, Args)]
struct TakeArgs {
    /// Name of the snapshot
    #[arg(long, default_value = NAME)]
    name: String,
    /// Memory of the guest: a number of MiB, or with K, M or G [default: 128M, more for large
    /// programs]
    #[arg(short, long, value_name = "SIZE", value_parser = prepare::mebibytes)]
    memory: Option<u32>,
    /// What hardware it sees
    #[arg(long, value_enum, default_value_t = MachineChoice::Auto)]
    machine: MachineChoice,
    /// Print what was saved as JSON
    #[arg(long)]
    json: bool,
    /// A program of this machine that writes an `R` when it is ready and then waits for a line, and
    /// its arguments; without one, a program of ours that answers each line
    #[arg(trailing_var_arg = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    /// Their names
    #[arg(required = true)]
    names: Vec<String>,
    /// Print what was removed as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: SnapshotArgs) -> Result<ExitCode> {
    match args.command {
        None => take(&args.take),
        Some(Command::Ls(args)) => list(&args),
        Some(Command::Rm(args)) => remove(&args),
    }
}

/// Where the snapshot of this name is, or would be.
///
/// # Errors
/// If that is no name, or there is no home.
pub(super) fn place(name: &str) -> Result<PathBuf> {
    if let Err(reason) = saved::check_name(name) {
        let hint = "`isolab vm snapshot ls` lists those that are here";
        bail!(hint::with(
            format!("cannot use `{name}` as the name of a snapshot: {reason}"),
            hint
        ));
    }
    Ok(places::make_data()?.join(DIRECTORY).join(name))
}

/// The directory of all snapshots, in the user's data.
const DIRECTORY: &str = "snapshots";

fn take(args: &TakeArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let taken = match (save(args, &interrupt), interrupt.exit_status()) {
        (Err(_), Some(code)) => bail!(hint::interrupted("interrupted: nothing was saved", code)),
        (taken, _) => taken?,
    };
    for failure in &taken.failures {
        stderr::tell(format_args!(
            "warning: a boot hung and was begun again: {failure}"
        ));
    }
    stdout::print(if args.json {
        format!("{:#}\n", told(&taken.snapshot))
    } else {
        sentence(&taken.snapshot)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Boots a guest and saves it.
fn save(args: &TakeArgs, interrupt: &Interrupt) -> Result<Taken> {
    let target = place(&args.name)?;
    let scratch = Scratch::new()?;
    // The cheapest first: a mistyped word must not wait for a probe.
    let archive = archive(&args.program)?;
    let qemu = qemu::find()?;
    let kernel = guest::find_kernel()?;
    let initrd = scratch.path().join("initramfs");
    let memory = prepare::memory(args.memory, archive.write_file(&initrd)?, MEMORY_MIB)?;
    let choice = guest::accelerator(&qemu, &kernel, scratch.path(), interrupt)?;
    let usual = prepare::soonest(&kernel, Machine::Q35, choice.accel);
    let machine = args.machine.or(usual);
    let init: &[&str] = match args.program.is_empty() {
        true => &["guest", "/true", "answer"],
        // Nobody is at a restored guest's terminal, and to end a session takes a kernel long.
        false => &["lone"],
    };
    let guest = Guest::new(qemu, kernel, initrd, scratch.path().join("console"))
        .args(init.iter().copied())
        .env(program::environment())
        .memory_mib(memory)
        .machine(machine)
        .accel(choice.accel)
        .launcher(guard::quick_words()?);
    stderr::tell(format_args!("booting a guest ({})", manner(choice.accel)));
    let taken = saved::take(&guest, &target, PATIENCE, &|| interrupt.raised())?;
    Ok(taken)
}

/// The guest's files.
fn archive(program: &[OsString]) -> Result<Archive> {
    let mut root = Root::new()?;
    if let Some((name, arguments)) = program.split_first() {
        let path = root::resolve(name)?;
        root.add_program(&path)?;
        let file = RunFile::new(&path).argument(name);
        let file = arguments.iter().fold(file, RunFile::argument);
        let file = program::environment().iter().fold(file, RunFile::variable);
        root.archive().add_file(RUN_FILE, 0o600, file.to_bytes()?)?;
    }
    Ok(root.into_archive())
}

fn sentence(snapshot: &Snapshot) -> String {
    let manifest = snapshot.manifest();
    let bytes = |bytes: u64| human(bytes as f64, Unit::Bytes);
    let (name, hardware) = (snapshot.name(), &manifest.hardware);
    let manner = manner(hardware.accel);
    let kept = bytes(
        manifest
            .memory_allocated
            .saturating_add(manifest.state.bytes),
    );
    format!(
        "{name}: a guest of {} MiB, ready after {:.0} ms ({manner}) and saved in {:.0} ms; {kept} \
         on the disk\n`isolab vm restore {name}` makes guests of it\n",
        hardware.memory_mib, manifest.startup_ms, manifest.saving_ms,
    )
}

/// What executes a guest, as results are marked.
pub(super) fn manner(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm => "KVM",
        Accel::Tcg => "emulated",
    }
}

fn told(snapshot: &Snapshot) -> Value {
    json!({
        "name": snapshot.name(), "path": snapshot.dir(), "manifest": snapshot.manifest(),
        "emulated": snapshot.manifest().hardware.accel == Accel::Tcg,
    })
}

fn list(args: &ListArgs) -> Result<ExitCode> {
    let store = places::data().map(|data| data.join(DIRECTORY));
    let names = store.as_deref().map_or_else(Vec::new, saved::names);
    let opened = |name: &String| {
        let dir = store.as_deref().unwrap_or_else(|| "".as_ref()).join(name);
        (name.clone(), Snapshot::open(&dir))
    };
    let snapshots: Vec<_> = names.iter().map(opened).collect();
    stdout::print(if args.json {
        let each = snapshots.iter().map(|(name, opened)| match opened {
            Ok(snapshot) => told(snapshot),
            Err(error) => json!({ "name": name, "damaged": error.to_string() }),
        });
        format!("{:#}\n", Value::from_iter(each))
    } else {
        let rows: Vec<_> = snapshots
            .iter()
            .map(|(name, opened)| row(name, opened))
            .collect();
        let header = ["name", "kind", "kernel", "memory", "on the disk"];
        table(&header, &rows, Some(3))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn row(name: &str, opened: &vm_model::Result<Snapshot>) -> Vec<String> {
    let Ok(snapshot) = opened else {
        return vec![name.to_owned(), "damaged".to_owned()];
    };
    let (manifest, bytes) = (snapshot.manifest(), |b: u64| human(b as f64, Unit::Bytes));
    let kernel = manifest.kernel.path.file_name().unwrap_or_default();
    vec![
        name.to_owned(),
        manner(manifest.hardware.accel).to_owned(),
        kernel.to_string_lossy().into_owned(),
        bytes(manifest.memory.bytes),
        bytes(
            manifest
                .memory_allocated
                .saturating_add(manifest.state.bytes),
        ),
    ]
}

fn remove(args: &RemoveArgs) -> Result<ExitCode> {
    let places: Vec<_> = args
        .names
        .iter()
        .map(|name| place(name))
        .collect::<Result<_>>()?;
    // All or none: a name that was mistyped removes nothing.
    for (name, place) in std::iter::zip(&args.names, &places) {
        let hint = "`isolab vm snapshot ls` lists those that are here";
        ensure!(
            place.is_dir(),
            hint::with(
                format!("cannot remove the snapshot `{name}`: there is none"),
                hint
            )
        );
    }
    for place in &places {
        saved::remove(place)?;
    }
    stdout::print(if args.json {
        format!("{:#}\n", json!({ "removed": args.names }))
    } else {
        args.names.iter().map(|name| format!("{name}\n")).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}
