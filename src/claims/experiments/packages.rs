//! Real projects, from the index that the interpreter's own pip would ask.
//!
//! What was fetched stays in the user's store of wheels, and what the index said in the
//! cache: the next run asks nobody. Which release of a series it is does not matter here.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail, ensure};
use venv_sim::fill::{Means, Order, fill};
use venv_sim::index::{Inputs, variables_of_process};
use venv_sim::install::InstallOptions;
use venv_sim::wheel::Wheel;
use venv_sim::{
    Cache, Catalogue as _, Environment, Index, IndexFlags, IndexSettings, Interpreter, Kind, Offer,
    Rules,
};

use crate::interrupt::Interrupt;

/// How long an index may say nothing, and how often it is asked again: whoever is offline
/// should learn so soon, and a mirror may have to fetch a file itself first.
const PATIENCE: Duration = Duration::from_secs(15);
const RETRIES: u32 = 1;
/// How long we look away before we ask whether to stop.
const GLANCE: Duration = Duration::from_millis(20);

fn flags(offline: bool) -> IndexFlags {
    IndexFlags {
        timeout: Some(PATIENCE),
        retries: Some(RETRIES),
        offline,
        ..IndexFlags::default()
    }
}

/// What an index has.
pub(super) struct Packages {
    index: Index,
    /// Where wheels that are looked into lie.
    arriving: PathBuf,
}

impl Packages {
    /// The index that `interpreter`'s pip would ask; files that it gives lie in `place`.
    pub(super) fn of(interpreter: &Interpreter, place: &Path) -> Result<Self> {
        let variables = variables_of_process();
        let inputs = Inputs {
            environment: None,
            stdlib: Some(&interpreter.stdlib),
            variables: &variables,
            command: "install",
            root: Path::new("/"),
        };
        let settings = IndexSettings::of(&inputs, &flags(false))?;
        Ok(Self {
            index: Index::new(settings, &Cache::of_user()),
            arriving: place.to_owned(),
        })
    }

    /// How many files the index offers of `project`; none where it does not know it.
    pub(super) fn offered(&self, project: &str) -> Result<usize> {
        Ok(self.offers(project)?.len())
    }

    fn offers(&self, project: &str) -> Result<Vec<Offer>> {
        let name = project
            .parse()
            .map_err(|why| anyhow!("{project} is no name: {why}"))?;
        Ok(self.index.offers(&name)?)
    }

    /// The files in the newest wheel of `project` that is for `python`, and the wheel's name;
    /// `None` where there is no such wheel, or it is larger than `most` bytes. It is looked into
    /// and installed nowhere.
    pub(super) fn contents(
        &self,
        project: &str,
        python: &Interpreter,
        most: u64,
    ) -> Result<Option<(String, Vec<PathBuf>)>> {
        let tags = python.tags();
        let fits = |offer: &Offer| match &offer.kind {
            Kind::Wheel(name) => tags.best(&name.tags).is_some(),
            Kind::Source { .. } => false,
        };
        let offers = self.offers(project)?;
        let fitting = offers
            .into_iter()
            .filter(|offer| fits(offer) && offer.yanked.is_none());
        let newest = fitting.max_by_key(|offer| offer.version().clone());
        let Some(newest) = newest.filter(|offer| offer.size.is_none_or(|size| size <= most)) else {
            return Ok(None);
        };
        let file = self.index.fetch(&newest, &self.arriving)?;
        let wheel = Wheel::open(&file)?;
        let files = wheel.members().iter().map(|member| member.path.clone());
        Ok(Some((newest.file_name.clone(), files.collect())))
    }
}

/// Makes an environment at `place` for `python` and installs `wanted` into it, with all that it
/// needs; the environment, and what came, `name version` each.
pub(super) fn environment_with(
    place: &Path,
    python: &Interpreter,
    wanted: &str,
    interrupt: &Interrupt,
) -> Result<(Environment, Vec<String>)> {
    let made = venv_sim::create(place, python, &venv_sim::Options::default())?;
    let (words, variables) = ([wanted.to_owned()], variables_of_process());
    let order = Order::read(&words, &[], &[], Rules::default(), &variables)?;
    let environment = made.clone();
    let came = unless_interrupted(interrupt, move || {
        installed(&environment, &order, true).or_else(|_| installed(&environment, &order, false))
    })?;
    Ok((made, came))
}

fn installed(environment: &Environment, order: &Order, offline: bool) -> Result<Vec<String>> {
    let (cache, variables) = (Cache::of_user(), variables_of_process());
    let means = Means {
        cache: &cache,
        variables: &variables,
        index: &flags(offline),
        install: InstallOptions::default(),
        progress: &|_| {},
    };
    let changed = fill(environment, order, &means)?.changed;
    let added = changed.into_iter().flat_map(|changed| changed.added);
    Ok(added
        .map(|(name, version)| format!("{name} {version}"))
        .collect())
}

/// What `work` gives, unless the user wants to stop first: who waits for an index that is silent
/// should not have to wait with it. What the work was about then comes to nothing, as the
/// directory that it writes to is removed.
pub(super) fn unless_interrupted<T: Send + 'static>(
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
