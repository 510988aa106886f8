//! What the index that the interpreter's own pip would ask has of a project.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use venv_sim::index::{Inputs, variables_of_process};
use venv_sim::wheel::Wheel;
use venv_sim::{Cache, Catalogue as _, Index, IndexSettings, Interpreter, Kind, Offer};

use crate::packages::{Asking, flags};

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
        let settings = IndexSettings::of(&inputs, &flags(Asking::TheIndex))?;
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
