//! The places that the lab can look at the world from, and how each is asked.
//!
//! All of them execute the same file, this program, with the same request. A
//! place that has a root file system of its own gets both laid into it, beside
//! the closure of the interpreter, from which every container and the guest are
//! started alike.

mod bare;
mod bubblewrap;
mod container;
mod engine;
mod guest;
mod runtime;
mod site;

use std::fmt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

pub use container::Contained;
pub use site::Site;

use super::answer::Answer;
use super::attempt::Attempt;
use super::canary::Traces;
use crate::environment::bounded::{self, Ended};
use crate::guard;
use crate::interrupt::Interrupt;

/// The longest that a place without an emulator may take.
const BOUND: Duration = Duration::from_secs(60);

/// A place by its name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceName {
    /// A process with nothing around it
    Process,
    /// A virtual environment
    Venv,
    /// A container of ours
    Container,
    /// runc, as it is configured by `runc spec`
    Runc,
    /// crun, with the same configuration
    Crun,
    /// Podman, without a network
    Podman,
    /// Docker, without a network
    Docker,
    /// bubblewrap, with the host's /usr
    Bwrap,
    /// A guest
    Vm,
}

impl PlaceName {
    /// Every place, from the least apart to the most.
    pub const ALL: [Self; 9] = [
        Self::Process,
        Self::Venv,
        Self::Container,
        Self::Runc,
        Self::Crun,
        Self::Podman,
        Self::Docker,
        Self::Bwrap,
        Self::Vm,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Venv => "venv",
            Self::Container => "container",
            Self::Runc => "runc",
            Self::Crun => "crun",
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::Bwrap => "bwrap",
            Self::Vm => "vm",
        }
    }

    /// Whether it is a container of somebody else's making.
    #[must_use]
    pub fn is_peer(self) -> bool {
        matches!(
            self,
            Self::Runc | Self::Crun | Self::Podman | Self::Docker | Self::Bwrap
        )
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Somewhere that attempts can be made.
pub trait Place {
    /// Which one it is.
    fn name(&self) -> PlaceName;

    /// Makes `attempts` inside, and brings back what came of them. Nothing is left
    /// behind, whether that goes well or not.
    ///
    /// # Errors
    /// If it does not start, does not answer in time or not as asked, or the user
    /// interrupts.
    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked>;
}

/// What a place was asked with, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The command that makes the attempts, as it was started.
    pub command: String,
    /// What came of them.
    pub answer: Answer,
}

/// Makes the place `name` ready on `site`.
///
/// # Errors
/// If this machine lacks what it takes; [`crate::hint::of`] has the remedy, where
/// one is known. If `interrupt` came first.
pub fn find<'a>(
    name: PlaceName,
    site: &'a Site,
    interrupt: &Interrupt,
) -> Result<Box<dyn Place + 'a>> {
    Ok(match name {
        PlaceName::Process => Box::new(bare::Process::new(site)),
        PlaceName::Venv => Box::new(bare::Venv::new(site)?),
        PlaceName::Container => Box::new(Contained::whole(site)?),
        PlaceName::Runc | PlaceName::Crun => Box::new(runtime::Peer::find(name, site)?),
        PlaceName::Podman | PlaceName::Docker => Box::new(engine::Engine::new(name, site)),
        PlaceName::Bwrap => Box::new(bubblewrap::Bubblewrap::find(site)?),
        PlaceName::Vm => Box::new(guest::Machine::find(site, interrupt)?),
    })
}

/// `attempts`, each once and in the order in which they are made.
fn in_order(attempts: &[Attempt]) -> Vec<Attempt> {
    let mut attempts = attempts.to_vec();
    attempts.sort_unstable();
    attempts.dedup();
    attempts
}

/// A command as a shell would take it, near enough to read.
fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quoted = words.map(|word| {
        let word = word.to_string_lossy();
        if word.contains(|c: char| c.is_whitespace() || "'\"();".contains(c)) {
            format!("'{word}'")
        } else {
            word.into_owned()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// Runs `command`, which ends with the lab, and reads the answer to `attempts`.
fn ask_by(command: &Command, attempts: &[Attempt], interrupt: &Interrupt) -> Result<Asked> {
    let mut guarded = guard::command(command.get_program().as_ref())?;
    guarded.args(command.get_args());
    let shown = shown(command);
    let program = command.get_program().to_string_lossy().into_owned();
    let ended = bounded::run_unless(&mut guarded, BOUND, &|| interrupt.raised())
        .with_context(|| format!("cannot run {program}"))?;
    ensure!(!interrupt.raised(), "interrupted");
    match ended {
        Ended::Exited {
            code: Some(0),
            stdout,
            ..
        } => Ok(Asked {
            command: shown,
            answer: Answer::parse(stdout.as_bytes(), attempts)?,
        }),
        Ended::Exited { stderr, .. } => {
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
            let last = last.unwrap_or("it said nothing").trim();
            bail!("it failed: {}", crate::report::text::shown(last))
        }
        Ended::TimedOut => bail!("it did not answer within {} s", BOUND.as_secs()),
    }
}
