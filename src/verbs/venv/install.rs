//! `isolab venv install`: what is asked for and what it needs, all or nothing.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use venv_sim::fill::{self, Step, fill};
use venv_sim::index::variables_of_process;
use venv_sim::{Chosen, Name, Projects};

use super::asked::{self, Choice, Index, Means};
use super::foreign::Foreign;
use super::kept::Kept;
use super::outcome;
use super::parts::Parts;
use super::show::names;
use super::stop::Stop;
use super::target::Target;
use super::watch::Watch;
use crate::stderr;
use crate::stdout;

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
    /// Also what a file of requirements, a pyproject.toml or a script asks for
    #[arg(short, long, value_name = "FILE")]
    requirement: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    #[command(flatten)]
    target: Target,
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
    kept: Kept,
    #[command(flatten)]
    means: Means,
    #[command(flatten)]
    foreign: Foreign,
}

/// Does it.
///
/// # Errors
/// Where something cannot be had, chosen or installed; then nothing is.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    args.foreign.check()?;
    if args.parts.is_empty() {
        asked::check_not_empty(&args.wanted, &args.requirement)?;
    }
    let chosen = args.target.choose()?;
    let mut order = args
        .choice
        .order(&args.wanted, &args.requirement, &args.parts)?;
    order.is_dry_run = args.means.dry_run;
    let named: Vec<Name> = order.names().cloned().collect();
    let single = names(&args.upgrade_package)?;
    let mut upgraded = single.clone();
    if args.upgrade {
        upgraded.extend(named.iter().cloned());
    }
    order.rules.upgrade = Projects::These(upgraded);
    if args.reinstall {
        order.rules.reinstall = Projects::These(named);
    }
    let (plan, status) = change(&chosen, &order, &args.index, &args.kept, &args.means)?;
    for name in single {
        if !plan.picks.iter().any(|pick| pick.name == name) {
            stderr::tell(format_args!(
                "warning: `--upgrade-package {name}` does nothing: {name} is neither asked for nor needed"
            ));
        }
    }
    Ok(status)
}

/// Carries out the order, and tells what came of it.
pub(super) fn change(
    chosen: &Chosen,
    order: &fill::Order,
    index: &Index,
    kept: &Kept,
    means: &Means,
) -> Result<(fill::Plan, ExitCode)> {
    let environment = &chosen.environment;
    kept.check_links(means)?;
    let watch = Watch::new(means.quiet, means.verbose);
    let stop = Stop::watch("nothing changed".to_owned())?;
    let filled = {
        let (cache, variables, flags) = (kept.cache()?, variables_of_process(), index.flags());
        let means = fill::Means {
            cache: &cache,
            variables: &variables,
            index: &flags,
            install: means.options(),
            progress: &|step| {
                match step {
                    // Once more, where another process was faster.
                    Step::Choosing => stop.is_changing(false),
                    Step::Changing => stop.is_changing(true),
                    _ => {}
                }
                watch.step(step);
            },
        };
        fill(environment, order, &means)
    };
    let took = watch.elapsed();
    let seen = watch.end(); // its bar goes before anything is printed
    let filled = filled?;
    if means.verbose {
        stderr::write(seen.told(&filled.plan));
    }
    outcome::warn(&filled.plan.notes);
    outcome::warn(filled.changed.iter().flat_map(|changed| &changed.warnings));
    if !means.quiet {
        stdout::print(match means.json {
            true => format!("{:#}\n", outcome::described(&filled, &environment.dir)),
            false => outcome::text(&filled, &environment.dir, took),
        })?;
    }
    let status = stop.exit_status().map_or(ExitCode::SUCCESS, ExitCode::from);
    Ok((filled.plan, status))
}
