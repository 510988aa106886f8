//! Environments filled with real projects, from the index that the interpreter's own pip
//! would ask.
//!
//! What was fetched stays in the user's store of wheels, and what the index said in the
//! cache: the next run asks nobody. Which release of a series it is does not matter here.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use venv_sim::fill::{Means, Order, fill};
use venv_sim::index::variables_of_process;
use venv_sim::install::InstallOptions;
use venv_sim::{Cache, Environment, IndexFlags, Interpreter, Rules};

use crate::interrupt::Interrupt;

/// How long an index may say nothing, and how often it is asked again: whoever is offline
/// should learn so soon, and a mirror may have to fetch a file itself first.
const PATIENCE: Duration = Duration::from_secs(15);
const RETRIES: u32 = 1;
/// How long we look away before we ask whether to stop.
const GLANCE: Duration = Duration::from_millis(20);

/// Whether the index is asked, or only remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asking {
    /// What is remembered and kept has to do.
    Nobody,
    /// First that, then the index.
    TheIndex,
}

/// How we ask an index.
#[must_use]
pub fn flags(asking: Asking) -> IndexFlags {
    IndexFlags {
        timeout: Some(PATIENCE),
        retries: Some(RETRIES),
        offline: asking == Asking::Nobody,
        ..IndexFlags::default()
    }
}

/// Makes an environment at `place` for `python` and installs `wanted` into it, with all that it
/// needs; the environment, and what came, `name version` each.
///
/// # Errors
/// If it cannot be made, what is wanted cannot be had, or the user interrupts.
pub fn environment_with(
    place: &Path,
    python: &Interpreter,
    wanted: &str,
    interrupt: &Interrupt,
) -> Result<(Environment, Vec<String>)> {
    let made = venv_sim::create(place, python, &venv_sim::Options::default())?;
    let (environment, words) = (made.clone(), [wanted.to_owned()]);
    let came = unless_interrupted(interrupt, move || {
        let options = InstallOptions::default();
        install(&environment, &words, options, Asking::TheIndex)
    })?;
    Ok((made, came))
}

/// Installs `wanted` into `environment`, with all that it needs; what came, `name version` each.
///
/// # Errors
/// If what is wanted cannot be had.
pub fn install(
    environment: &Environment,
    wanted: &[String],
    options: InstallOptions,
    asking: Asking,
) -> Result<Vec<String>> {
    let variables = variables_of_process();
    let order = Order::read(wanted, &[], &[], Rules::default(), &variables)?;
    let cache = Cache::of_user();
    let asked = |asking| {
        let means = Means {
            cache: &cache,
            variables: &variables,
            index: &flags(asking),
            install: options,
            progress: &|_| {},
        };
        fill(environment, &order, &means)
    };
    let filled = match (asked(Asking::Nobody), asking) {
        (Err(_), Asking::TheIndex) => asked(Asking::TheIndex),
        (filled, _) => filled,
    };
    let added = filled?
        .changed
        .into_iter()
        .flat_map(|changed| changed.added);
    Ok(added
        .map(|(name, version)| format!("{name} {version}"))
        .collect())
}

/// What `work` gives, unless the user wants to stop first: who waits for an index that is silent
/// should not have to wait with it. What the work was about then comes to nothing, as the
/// directory that it writes to is removed.
///
/// # Errors
/// Those of `work`, and if the user interrupts.
pub fn unless_interrupted<T: Send + 'static>(
    interrupt: &Interrupt,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let _ = sender.send(work());
    });
    loop {
        match receiver.recv_timeout(GLANCE) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) => ensure!(!interrupt.raised(), "interrupted"),
            Err(RecvTimeoutError::Disconnected) => bail!("the index was not asked to the end"),
        }
    }
}
