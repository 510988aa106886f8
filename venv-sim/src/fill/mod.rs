//! Filling an environment: from what is asked for to what is installed.
//!
//! ```text
//! read what is asked for                              order
//! ask the interpreter, and what is installed          plan
//! choose versions that fit together                   plan
//! fetch, and unpack each wheel as soon as it is here  gather
//! install all of it, or nothing                       install
//! ```
//!
//! [`fill`] is these steps. Nothing is changed before the last, and no index is asked about what
//! is installed and satisfies. Only the last holds the environment: where another process has
//! changed it since it was looked at, all steps are taken again.

mod gather;
mod order;
mod outdated;
mod plan;
mod supply;

use std::path::{Path, PathBuf};

pub use order::{Order, Sources};
pub use outdated::{Newer, Outdated, outdated};
pub use plan::Plan;

use crate::cache::Cache;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::index::{IndexFlags, IndexSettings, Inputs, Variables};
use crate::install::{Addition, Changed, InstallOptions, Planned, State, install_planned, settle};
use crate::installed::Installed;
use crate::interpreter::Interpreter;
use crate::store::Store;
use supply::Supply;

/// How often a plan is made that another process may overtake.
const ATTEMPTS: usize = 3;

/// By which means an order is carried out.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// Where wheels and answers are kept.
    pub cache: &'a Cache,
    /// The variables that say which index is asked.
    pub variables: &'a Variables,
    /// Which index is asked, by the command line.
    pub index: &'a IndexFlags,
    /// How files get into the environment.
    pub install: InstallOptions,
    /// Told what is being done.
    pub progress: &'a (dyn Fn(Step<'_>) + Sync),
}

/// What is being done, for whoever watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Whom will be asked, and who says so: a line each, without secrets.
    Asking(&'a str),
    /// Versions are being chosen.
    Choosing,
    /// So many wheels have to be had; with their size in bytes, as far as it is known.
    Gathering(usize, u64),
    /// So many more bytes of a file came; less than nothing where they come again.
    Came(&'a str, i64),
    /// A wheel is in the store.
    Stored(&'a str),
    /// So many distributions are to be put into the environment, once nobody else changes it.
    Installing(usize),
    /// That is being done from now on.
    Changing,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filled {
    /// What was planned.
    pub plan: Plan,
    /// What is different now; nothing where it was only planned, or is all there already.
    pub changed: Option<Changed>,
}

/// Carries out `order` in `environment`: everything that it asks for and what that needs is there
/// afterwards, or the environment is as it was.
///
/// # Errors
/// Those of the requirements, of the resolver, of the index, of the store and of
/// [`install`](crate::install::install); [`Error::InUse`] also where other processes change the
/// environment again and again while it is planned.
pub fn fill(environment: &Environment, order: &Order, means: &Means<'_>) -> Result<Filled> {
    let mut environment = environment.clone();
    for _ in 0..ATTEMPTS {
        if !order.is_dry_run {
            settle(&environment, &means.install)?;
        }
        if let Some(filled) = fill_once(&environment, order, means)? {
            return Ok(filled);
        }
        environment = Environment::open(&environment.dir)?;
    }
    Err(Error::InUse {
        dir: environment.dir,
    })
}

/// Nothing where another process overtook the plan.
fn fill_once(
    environment: &Environment,
    order: &Order,
    means: &Means<'_>,
) -> Result<Option<Filled>> {
    let interpreter = environment.interpreter(means.cache)?;
    let state = State::of(environment)?; // before it is read
    let installed = Installed::of(environment)?;
    let base = Installed::of_base(environment)?;
    let supply = Supply::of(Some(environment), &interpreter, "install", order, means)?;

    (means.progress)(Step::Asking(&supply.explanation()));
    (means.progress)(Step::Choosing);
    let plan = Plan::make(order, &interpreter, &installed, &base, &supply)?;
    if order.is_dry_run || plan.is_empty() {
        let changed = None;
        return Ok(Some(Filled { plan, changed }));
    }
    let store = Store::of(means.cache)?;
    let wheels = gather::into_store(&plan, &supply, &store, means)?;

    (means.progress)(Step::Installing(wheels.len()));
    let origins = plan.origins(&wheels);
    let additions: Vec<Addition<'_>> = wheels
        .iter()
        .zip(plan.additions().zip(&origins))
        .map(|(stored, (pick, origin))| Addition {
            stored,
            requested: pick.requested,
            direct_url: origin.as_deref(),
        })
        .collect();
    let planned = Planned {
        state: &state,
        additions: &additions,
        remove: &plan.removals,
    };
    let begin = || (means.progress)(Step::Changing);
    let changed = install_planned(
        &planned,
        environment,
        &interpreter,
        &store,
        &means.install,
        begin,
    )?;
    Ok(changed.map(|changed| Filled {
        plan,
        changed: Some(changed),
    }))
}

/// Brings the wheels of `order`, and of what it needs, for `interpreter` into `directory`; their
/// paths.
///
/// # Errors
/// As [`fill`]; what was complete by then stays.
pub fn download(
    interpreter: &Interpreter,
    order: &Order,
    directory: &Path,
    means: &Means<'_>,
) -> Result<(Plan, Vec<PathBuf>)> {
    let supply = Supply::of(None, interpreter, "download", order, means)?;
    (means.progress)(Step::Asking(&supply.explanation()));
    (means.progress)(Step::Choosing);
    let nothing = Installed::default();
    let plan = Plan::make(order, interpreter, &nothing, &nothing, &supply)?;
    let paths = match order.is_dry_run {
        true => Vec::new(),
        false => gather::into_directory(&plan, &supply, directory, means)?,
    };
    Ok((plan, paths))
}

/// Which index `environment` is filled from where the command line says nothing, and who says so:
/// a line each, without secrets.
///
/// # Errors
/// Those of [`IndexSettings::of`].
pub fn index_of(
    environment: &Environment,
    interpreter: &Interpreter,
    variables: &Variables,
) -> Result<String> {
    let inputs = inputs(Some(environment), interpreter, "install", variables);
    Ok(IndexSettings::of(&inputs, &IndexFlags::default())?.explanation())
}

/// What the settings of an index are read from.
fn inputs<'a>(
    environment: Option<&'a Environment>,
    interpreter: &'a Interpreter,
    command: &'a str,
    variables: &'a Variables,
) -> Inputs<'a> {
    Inputs {
        environment: environment.map(|environment| environment.dir.as_path()),
        stdlib: Some(&interpreter.stdlib),
        variables,
        command,
        root: Path::new("/"),
    }
}
