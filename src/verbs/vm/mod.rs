//! `isolab vm`: guests, and what they need.

pub mod disk;
mod hello;
mod kernel;
mod of_image;
mod prepare;
mod ps;
mod restore;
mod run;
mod snapshot;
mod stop;
mod told;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What can be done for guests.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a guest's disk of an image
    Disk(disk::DiskArgs),
    /// Run the smallest guest there can be, and see what /dev/kvm is worth here
    Hello(hello::HelloArgs),
    /// Find a kernel for guests, or get one from the distribution without root
    Kernel(kernel::KernelArgs),
    /// Boot a guest, run a program of this machine in it, and see where the time went
    Run(Box<run::RunArgs>),
    /// List guests
    Ps(ps::PsArgs),
    /// End guests
    Stop(stop::StopArgs),
    /// Show what a detached guest has said
    Logs(stop::LogsArgs),
    /// Save a guest that is ready, and see or remove those that were saved
    Snapshot(snapshot::SnapshotArgs),
    /// Make guests of a saved one, and see what each takes
    Restore(restore::RestoreArgs),
}

/// The command line of whoever asks for one verb, and no other.
#[derive(Debug, Parser)]
#[command(name = "isolab")]
pub(crate) enum Alone<Only: Subcommand> {
    /// Real guests under QEMU
    #[command(subcommand)]
    Vm(Only),
}

/// `vm run` by itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Run {
    /// Boot a guest, run a program of this machine in it, and see where the time went
    Run(Box<run::RunArgs>),
}

/// `vm restore` by itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Restore {
    /// Make guests of a saved one, and see what each takes
    Restore(restore::RestoreArgs),
}

impl From<Alone<Run>> for Command {
    fn from(Alone::Vm(Run::Run(args)): Alone<Run>) -> Self {
        Self::Run(args)
    }
}

impl From<Alone<Restore>> for Command {
    fn from(Alone::Vm(Restore::Restore(args)): Alone<Restore>) -> Self {
        Self::Restore(args)
    }
}

impl Command {
    /// `vm restore` of nothing but a name, which `rest` is all of: to build a parser for that one word
    /// takes a millisecond where nothing is in caches yet, a fifth of what is ours before QEMU's start.
    pub(crate) fn of_a_name(mut rest: impl Iterator<Item = OsString>) -> Option<Self> {
        let (name, None) = (rest.next()?.into_string().ok()?, rest.next()) else {
            return None;
        };
        (!name.starts_with('-')).then(|| Self::Restore(restore::RestoreArgs::of(name)))
    }
}

/// Does it.
///
/// # Errors
/// If there is no kernel and none can be had; if no guest runs; if a snapshot does not fit.
pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Disk(args) => disk::run(&args),
        Command::Hello(args) => hello::run(&args),
        Command::Kernel(args) => kernel::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Ps(args) => ps::run(&args),
        Command::Stop(args) => stop::run(&args),
        Command::Logs(args) => stop::logs(&args),
        Command::Snapshot(args) => snapshot::run(args),
        Command::Restore(args) => restore::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::{Cli, alike};

    #[test]
    fn a_verb_that_is_looked_for_first_is_the_same_as_among_all() {
        let help = |all, verb| alike::help(all, &["vm", verb]);
        let all = Cli::command;
        assert_eq!(help(Alone::<Run>::command(), "run"), help(all(), "run"));
        let restore = help(Alone::<Restore>::command(), "restore");
        assert_eq!(restore, help(all(), "restore"));
    }

    #[test]
    fn a_name_alone_is_read_as_the_parser_reads_it() {
        let read = |words: &[&str]| Command::of_a_name(words.iter().map(OsString::from));
        for name in ["a", "default", "", "a b", "ä"] {
            let Alone::Vm(Restore::Restore(parsed)) =
                Alone::<Restore>::try_parse_from(["isolab", "vm", "restore", name]).unwrap();
            let Some(Command::Restore(ours)) = read(&[name]) else {
                panic!("{name:?} is a name");
            };
            assert_eq!(ours, parsed);
        }
        for others in [
            &[][..],
            &["--json"],
            &["a", "--json"],
            &["a", "b"],
            &["-h"],
            &["--", "a"],
        ] {
            assert!(read(others).is_none(), "{others:?} is the parser's");
        }
    }

    #[test]
    fn what_is_wrong_is_told_the_same() {
        let restore = alike::told::<Alone<Restore>>;
        assert!(restore(&["isolab", "vm", "restore", "a", "--cont", "2"]).contains("--count"));
        assert!(restore(&["isolab", "vm", "restore", "a", "b"]).contains("'b'"));
        restore(&["isolab", "vm", "restore"]);
        let run = alike::told::<Alone<Run>>;
        run(&["isolab", "vm", "run", "--help"]);
        assert!(run(&["isolab", "vm", "run", "--memry", "1G"]).contains("--memory"));
    }
}
