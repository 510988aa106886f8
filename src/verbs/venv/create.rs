//! `isolab venv create`: an environment, in about a millisecond; with pip, in a few.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::json;
use venv_sim::{Environment, Interpreter, Options, shell_word};

use super::asked::say;
use crate::stdout;

/// What `venv create` is asked to make.
#[derive(Debug, clap::Args)]
// Each is a flag of its own.
#[allow(clippy::struct_excessive_bools)]
pub struct Args {
    /// Where
    #[arg(default_value = ".venv")]
    dir: PathBuf,
    /// The interpreter: a version (3.12), versions ('>=3.10'), a name (python3.12) or a path
    #[arg(short, long, value_name = "VERSION|PATH")]
    python: Option<String>,
    /// What the shell's prompt shows while the environment is active; `.` is this directory's name
    #[arg(long)]
    prompt: Option<String>,
    /// Let the environment see the system's packages
    #[arg(long)]
    system_site_packages: bool,
    /// Replace an environment that is already there
    #[arg(long)]
    clear: bool,
    /// Keep the environment that is there and its packages; only change its interpreter
    #[arg(long, conflicts_with = "clear")]
    upgrade: bool,
    /// Copy the interpreter into the environment
    #[arg(long, overrides_with = "symlinks")]
    copies: bool,
    /// Link to the interpreter, as is done anyway
    #[arg(long, overrides_with = "copies")]
    symlinks: bool,
    /// Install pip, and for Python before 3.12 setuptools, as `python -m venv` does
    #[arg(long, overrides_with = "without_pip")]
    seed: bool,
    /// Install no pip, as is done anyway
    #[arg(long, overrides_with = "seed")]
    without_pip: bool,
    /// Let it be moved: programs installed into it find it by where they lie
    #[arg(long)]
    relocatable: bool,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
}

/// Makes it.
///
/// # Errors
/// If no interpreter is found or the environment cannot be made.
pub(super) fn run(args: Args) -> Result<ExitCode> {
    let interpreter = venv_sim::discover(request(&args)?.as_deref())?;
    let options = Options {
        prompt: args.prompt.map(prompt).transpose()?,
        system_site_packages: args.system_site_packages,
        clear: args.clear,
        upgrade: args.upgrade,
        copies: args.copies && !args.symlinks,
        relocatable: args.relocatable,
        seed: args.seed && !args.without_pip,
        say,
        ..Default::default()
    };
    let environment = venv_sim::create(&args.dir, &interpreter, &options)?;
    let layout = match interpreter.is_legacy() {
        true => " in the legacy layout, since this Python knows no pyvenv.cfg",
        false => "",
    };
    let done = if args.upgrade { "upgraded" } else { "made" };
    stdout::print(if args.json {
        let made = json!({
            "dir": environment.dir,
            "python": environment.python,
            "interpreter": interpreter.executable,
            "implementation": interpreter.markers.platform_python_implementation,
            "version": version(&interpreter),
            "layout": if interpreter.is_legacy() { "legacy" } else { "PEP 405" },
            "why": interpreter.why(),
        });
        format!("{made:#}\n")
    } else {
        format!(
            "{} {} at {} ({})\n{done} {}{layout}\nactivate it with: source {}\n",
            interpreter.markers.platform_python_implementation,
            version(&interpreter),
            interpreter.executable.display(),
            interpreter.why(),
            environment.dir.display(),
            shell_word(environment.dir.join("bin/activate").as_os_str())
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The interpreter asked for. An upgrade that asks for none gets one of the same minor version:
/// with another the packages would not be seen.
fn request(args: &Args) -> Result<Option<String>> {
    if !args.upgrade || args.python.is_some() {
        return Ok(args.python.clone());
    }
    let (major, minor) = Environment::version_at(&args.dir)?;
    Ok(Some(format!("{major}.{minor}")))
}

/// As `python -m venv` has it: `.` stands for the name of the working directory.
fn prompt(asked: String) -> Result<String> {
    if asked != "." {
        return Ok(asked);
    }
    let directory = std::env::current_dir().context("cannot find the working directory")?;
    let name = directory.file_name().unwrap_or_default();
    Ok(name.to_string_lossy().into_owned())
}

fn version(interpreter: &Interpreter) -> String {
    let (major, minor, patch) = interpreter.version;
    format!("{major}.{minor}.{patch}")
}
