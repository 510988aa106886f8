//! `isolab venv`: real virtual environments, made by `venv-sim`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::stdout;

/// What can be done with environments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a virtual environment (PEP 405)
    Create(CreateArgs),
}

/// What `venv create` is asked to make.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Where
    #[arg(default_value = ".venv")]
    dir: PathBuf,
    /// The interpreter: a version (3.12), a name (python3.12) or a path
    #[arg(short, long, value_name = "VERSION|PATH")]
    python: Option<String>,
    /// What the shell's prompt shows while the environment is active
    #[arg(long)]
    prompt: Option<String>,
    /// Let the environment see the system's packages
    #[arg(long)]
    system_site_packages: bool,
    /// Replace an environment that is already there
    #[arg(long)]
    clear: bool,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If no interpreter is found or the environment cannot be made.
pub fn run(command: Command) -> Result<ExitCode> {
    let Command::Create(args) = command;
    let interpreter = venv_sim::discover(args.python.as_deref())?;
    let options = venv_sim::Options {
        prompt: args.prompt,
        system_site_packages: args.system_site_packages,
        clear: args.clear,
        ..Default::default()
    };
    let environment = venv_sim::create(&args.dir, &interpreter, &options)?;
    let (major, minor, patch) = interpreter.version;
    let version = format!("{major}.{minor}.{patch}");
    stdout::print(if args.json {
        let made = json!({
            "dir": environment.dir,
            "python": environment.python,
            "interpreter": interpreter.executable,
            "version": version,
            "why": interpreter.why(),
        });
        format!("{made:#}\n")
    } else {
        format!(
            "CPython {version} at {} ({})\nmade {}\nactivate it with: source {}\n",
            interpreter.executable.display(),
            interpreter.why(),
            environment.dir.display(),
            environment.dir.join("bin/activate").display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
