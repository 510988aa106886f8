//! `isolab venv create`: an environment without packages, in about a millisecond.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;
use venv_sim::Interpreter;

use crate::stdout;

/// What `venv create` is asked to make.
#[derive(Debug, clap::Args)]
pub struct Args {
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

/// Makes it.
///
/// # Errors
/// If no interpreter is found or the environment cannot be made.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    let interpreter = venv_sim::discover(args.python.as_deref())?;
    let options = venv_sim::Options {
        prompt: args.prompt,
        system_site_packages: args.system_site_packages,
        clear: args.clear,
        ..Default::default()
    };
    let environment = venv_sim::create(&args.dir, &interpreter, &options)?;
    stdout::print(if args.json {
        let made = json!({
            "dir": environment.dir,
            "python": environment.python,
            "interpreter": interpreter.executable,
            "implementation": interpreter.markers.platform_python_implementation,
            "version": version(&interpreter),
            "why": interpreter.why(),
        });
        format!("{made:#}\n")
    } else {
        format!(
            "{} {} at {} ({})\nmade {}\nactivate it with: source {}\n",
            interpreter.markers.platform_python_implementation,
            version(&interpreter),
            interpreter.executable.display(),
            interpreter.why(),
            environment.dir.display(),
            environment.dir.join("bin/activate").display()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn version(interpreter: &Interpreter) -> String {
    let (major, minor, patch) = interpreter.version;
    format!("{major}.{minor}.{patch}")
}
