//! Where wheels come from, settled only when somebody asks: what needs no index, must not fail
//! for want of one.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Means, inputs};
use crate::catalogue::{Asked, Catalogue, Listing, Offer};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::index::{Index, IndexSettings};
use crate::interpreter::Interpreter;
use crate::requirement::Name;
use crate::wheel::Metadata;

use super::order::Order;

/// The index, or that there is none.
pub(super) enum Supply {
    Index(Box<Index>),
    None { tried: Vec<String> },
}

impl Supply {
    pub(super) fn of(
        environment: Option<&Environment>,
        interpreter: &Interpreter,
        command: &str,
        order: &Order,
        means: &Means<'_>,
    ) -> Result<Self> {
        let flags = order.index_flags(means.index);
        let inputs = inputs(environment, interpreter, command, means.variables);
        match IndexSettings::of(&inputs, &flags) {
            Ok(settings) => Ok(Self::Index(Box::new(Index::new(settings, means.cache)))),
            Err(Error::NoIndex { tried }) => Ok(Self::None { tried }),
            Err(error) => Err(error),
        }
    }

    /// Whom it asks, and who says so.
    pub(super) fn explanation(&self) -> String {
        match self {
            Self::Index(index) => index.settings().explanation(),
            Self::None { .. } => String::new(),
        }
    }

    /// Brings the file into `directory`; `came` is told of its bytes.
    pub(super) fn fetch(
        &self,
        offer: &Offer,
        directory: &std::path::Path,
        came: &(dyn Fn(i64) + Sync),
    ) -> Result<PathBuf> {
        let offers = std::slice::from_ref(offer);
        let paths = self
            .index()?
            .fetch_all(offers, directory, &|_, count| came(count))?;
        Ok(paths.into_iter().next().unwrap_or_default())
    }

    fn index(&self) -> Result<&Index> {
        match self {
            Self::Index(index) => Ok(index),
            Self::None { tried } => Err(Error::NoIndex {
                tried: tried.clone(),
            }),
        }
    }
}

impl Catalogue for Supply {
    fn offers(&self, project: &Name) -> Result<Vec<Offer>> {
        self.index()?.offers(project)
    }

    fn listing(&self, project: &Name) -> Result<Listing> {
        self.index()?.listing(project)
    }

    fn metadata(&self, offer: &Offer) -> Result<Arc<Metadata>> {
        self.index()?.metadata(offer)
    }

    fn expect(&self, projects: &[Name]) {
        if let Self::Index(index) = self {
            index.expect(projects);
        }
    }

    fn expect_metadata(&self, offers: &[Offer]) {
        if let Self::Index(index) = self {
            index.expect_metadata(offers);
        }
    }

    fn elsewhere(&self, project: &Name) -> Result<Vec<Offer>> {
        self.index()?.elsewhere(project)
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Index(index) => index.asked(),
            Self::None { .. } => Asked::default(),
        }
    }
}
