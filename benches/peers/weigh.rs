//! How much memory a command takes at most.
//!
//! The kernel tells a parent the largest resident set of all its children that
//! have ended, so a command whose peak is wanted gets a parent of its own: this
//! program again. Until it executes its own program a child counts as large as its
//! parent, so what is told is at least what this program takes.
//!
//! Source: `getrusage(2)`, `RUSAGE_CHILDREN`.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

/// Names the file for the result, and so asks for this.
const VARIABLE: &str = "ISOLAB_PEERS_WEIGH";

/// `command` below a parent that writes its peak into `result`.
pub(crate) fn wrapped(command: &Command, result: &Path) -> Result<Command> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let mut wrapped = Command::new(own);
    wrapped.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(dir) = command.get_current_dir() {
        wrapped.current_dir(dir);
    }
    wrapped.env(VARIABLE, result);
    Ok(wrapped)
}

/// The peak in bytes that such a parent wrote into `result`.
pub(crate) fn read(result: &Path) -> Result<u64> {
    let text = fs::read_to_string(result).context("cannot read how much memory it took")?;
    let bytes = text
        .parse()
        .context("how much memory it took is no number")?;
    ensure!(bytes > 0, "the kernel counted no memory");
    Ok(bytes)
}

/// What becomes of this process where it is such a parent.
pub(crate) fn asked() -> Option<ExitCode> {
    let result = std::env::var_os(VARIABLE)?;
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    Some(run(&result, &arguments).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    }))
}

fn run(result: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = arguments.split_first().context("there is no command")?;
    let status = Command::new(program)
        .args(arguments)
        .env_remove(VARIABLE)
        .status()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot ask for the memory")?;
    fs::write(result, (usage.max_rss() * 1024).to_string())
        .context("cannot write how much memory it took")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
