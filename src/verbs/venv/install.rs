//! `isolab venv install`: what is asked for and what it needs, all or nothing.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use venv_sim::fill::{self, fill};
use venv_sim::index::variables_of_process;
use venv_sim::{Cache, Chosen, Name, Projects, Search, Surroundings};

use super::asked::{self, Choice, Index, Means};
use super::outcome;
use super::show::names;
use super::watch::Watch;
use crate::{hint, stdout};

/// What `venv install` is asked for.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Installs wheels only; a project that has none is refused by name. Either everything \
    is installed,\nor the environment is as it was. Exits with 0 if everything asked for is there, with 1 if not."
)]
pub struct Args {
    /// Requirements ('django>=4.2,<6', psycopg[binary]), or wheels by path or address
    #[arg(value_name = "REQUIREMENT|WHEEL")]
    wanted: Vec<String>,
    /// Also what a file of requirements asks for
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    /// The environment [default: the active one, else .venv here or above]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["python", "system"])]
    env: Option<PathBuf>,
    /// The environment of this interpreter
    #[arg(short, long, value_name = "PATH", conflicts_with = "system")]
    python: Option<String>,
    /// The system's Python, which is refused: with what it says, and what to do instead
    #[arg(long)]
    system: bool,
    /// Take the newest of what is named, though an older one is installed and fits
    #[arg(short = 'U', long)]
    upgrade: bool,
    /// Take the newest of this one, though an older one is installed and fits
    #[arg(short = 'P', long, value_name = "NAME")]
    upgrade_package: Vec<String>,
    /// Install what is named anew, though it is there
    #[arg(long, visible_alias = "force-reinstall")]
    reinstall: bool,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    index: Index,
    #[command(flatten)]
    means: Means,
}

/// Does it.
///
/// # Errors
/// Where something cannot be had, chosen or installed; then nothing is.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    asked::check_not_empty(&args.wanted, &args.requirement)?;
    let chosen = place(args)?;
    let mut order = args.choice.order(&args.wanted, &args.requirement)?;
    order.is_dry_run = args.means.dry_run;
    let named: Vec<Name> = order.names().cloned().collect();
    let mut upgraded = names(&args.upgrade_package)?;
    if args.upgrade {
        upgraded.extend(named.iter().cloned());
    }
    order.rules.upgrade = Projects::These(upgraded);
    if args.reinstall {
        order.rules.reinstall = Projects::These(named);
    }
    change(&chosen, &order, &args.index, &args.means)
}

/// Carries out the order, and tells what came of it.
pub(super) fn change(
    chosen: &Chosen,
    order: &fill::Order,
    index: &Index,
    means: &Means,
) -> Result<ExitCode> {
    let environment = &chosen.environment;
    let watch = Watch::new(means.quiet);
    let filled = {
        let (cache, variables, flags) = (Cache::of_user(), variables_of_process(), index.flags());
        let means = fill::Means {
            cache: &cache,
            variables: &variables,
            index: &flags,
            install: means.options(),
            progress: &|step| watch.step(step),
        };
        fill(environment, order, &means)
    };
    let took = watch.elapsed();
    drop(watch); // its bar goes before anything is printed
    let filled = filled?;
    outcome::warn(&filled.plan.notes);
    outcome::warn(filled.changed.iter().flat_map(|changed| &changed.warnings));
    if !means.quiet {
        stdout::print(match means.json {
            true => format!("{:#}\n", outcome::described(&filled, &environment.dir)),
            false => outcome::text(&filled, &environment.dir, took),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The environment to install into; never the system's own Python.
fn place(args: &Args) -> Result<Chosen> {
    let asked = match (&args.python, args.system) {
        (None, false) => return Ok(Surroundings::of_process().choose(args.env.as_deref())?),
        (python, _) => python.as_deref(),
    };
    if let Some(python) = asked {
        let dir = asked::environment_of(Path::new(python));
        if dir.join("pyvenv.cfg").is_file() {
            return Ok(Surroundings::of_process().choose(Some(&dir))?);
        }
    }
    let found = Search::of_process().discover(asked)?;
    let (major, minor, _) = found.version;
    let path = found.executable.display();
    let remedy = format!(
        "make an environment and install there: `isolab venv create --python {path} && isolab venv install …`"
    );
    // Its distribution's own words.
    Err(match found.externally_managed() {
        Some(said) => {
            let message = format!(
                "cannot install into {path}, which is externally managed:\n\n{}\n",
                said.trim()
            );
            hint::with(message, remedy)
        }
        None => {
            let message = format!(
                "cannot install into {path}: it is Python {major}.{minor} itself and no environment, and \
                 whatever uses it would get the packages"
            );
            hint::with(message, remedy)
        }
    })
}
