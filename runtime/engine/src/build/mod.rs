//! From a Dockerfile to an image.
//!
//! Each step that makes a layer is known by what it depends on: the layers below it,
//! the files that it copies, the program that it runs and what that program sees.
//! Where a step of the same key was taken before, its layer is taken instead. The
//! key is made of content, not of the lines above: a step that comes to the same
//! layer in another way does not make later ones run again.
//!
//! ```text
//! Dockerfile ─► stages in order ─► for each step: configure,
//!                                  or copy ─► archive ─► layer
//!                                  or run ─► container over the layers ─► upper ─► layer
//! ```
//!
//! Nothing of a build has a name before all of it is there.

mod copy;
mod copying;
mod fault;
mod key;
mod mounting;
mod running;
mod source;
mod stage;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bootstrap::source_date_epoch;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{self, Given, Globals, Graph};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Manifest, MediaType, Platform, Reference};
use crate::room::Room;
use crate::run::Network;
use crate::store::{Image, Store};
use stage::Stages;

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Request {
    /// What the Dockerfile is called in messages.
    pub file: String,
    /// The Dockerfile.
    pub text: Vec<u8>,
    /// The directory that files are copied from.
    pub context: PathBuf,
    /// What of it stays at home.
    pub ignore: Ignore,
    /// Arguments and platforms.
    pub given: Given,
    /// The stage to build; the last where `None`.
    pub target: Option<String>,
    /// Take every step, whatever was taken before.
    pub no_cache: bool,
    /// Which network programs have.
    pub network: Network,
    /// Secrets, by id: what they are.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Labels of the image, beside the Dockerfile's.
    pub labels: BTreeMap<String, String>,
}

/// What happens, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A step begins.
    Step {
        /// Its number, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// The stage's name, or its number.
        stage: &'a str,
        /// The instruction.
        text: &'a str,
    },
    /// What it would make is here already.
    Cached {
        /// Why: what its key stands for.
        because: &'a str,
    },
    /// It made a layer.
    Layer {
        /// How many bytes that has, packed.
        bytes: u64,
    },
    /// The Dockerfile may not say what is meant.
    Warning {
        /// The line.
        line: usize,
        /// What is doubtful.
        text: &'a str,
    },
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The image's manifest.
    pub descriptor: Descriptor,
    /// The image that the last stage was built upon, and its manifest's digest.
    pub base: Option<(String, Digest)>,
    /// How many steps made a layer, and of those how many were taken before.
    pub layers: usize,
    /// As many of them were here already.
    pub cached: usize,
}

/// Who fetches an image that is not here.
pub type Fetch<'a> = &'a dyn Fn(&Store, &Reference, &Platform) -> Result<()>;

/// Builds what `request` asks for. The image is in the store then, under no name.
///
/// # Errors
/// [`Error::Dockerfile`] for a Dockerfile that is wrong, with every line that is;
/// [`Error::Step`] for a step that failed.
pub fn build(
    store: &Store,
    room: &Room,
    request: &Request,
    fetch: Fetch<'_>,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Built> {
    let wrong = |problems: dockerfile::Problems| Error::Dockerfile {
        file: request.file.clone(),
        problems,
    };
    let file = dockerfile::parse(&request.text).map_err(wrong)?;
    for warning in &file.warnings {
        tell(Event::Warning {
            line: warning.line,
            text: &warning.what,
        });
    }
    let globals = Globals::new(&file, &request.given).map_err(|problem| wrong(problem.into()))?;
    let graph = Graph::new(&file, &globals).map_err(wrong)?;
    let target = graph.target(request.target.as_deref());
    let target = target.map_err(|error| Error::NotFound {
        what: match &error.remedy {
            Some(remedy) => format!("stage {} of {}: {remedy}", error.name, request.file),
            None => format!("stage {} of {}", error.name, request.file),
        },
    })?;
    let mut stages = Stages::new(store, room, request, &file, &globals, &graph, fetch);
    let order = graph.order(target);
    stages.count(&order);
    for index in order {
        stages.build(index, tell)?;
    }
    finish(store, request, stages, target)
}

fn finish(store: &Store, request: &Request, stages: Stages<'_>, target: usize) -> Result<Built> {
    let (layers, cached) = (stages.made, stages.cached);
    let (mut state, base) = stages.into_result(target);
    state.config.config.labels.extend(request.labels.clone());
    state.config.created.get_or_insert_with(created);
    let config = store.put_json(MediaType::Config, &state.config)?;
    let blobs = state.layers.into_iter().map(|(layer, _)| layer);
    let mut manifest = Manifest::new(config, blobs.collect());
    if let Some((name, digest)) = &base {
        let mut say = |key: &str, value: String| {
            let key = format!("org.opencontainers.image.base.{key}");
            manifest.annotations.insert(key, value)
        };
        say("name", name.clone());
        say("digest", digest.to_string());
    }
    Ok(Built {
        descriptor: store.put_json(MediaType::Manifest, &manifest)?,
        base,
        layers,
        cached,
    })
}

/// When the image is made: what `SOURCE_DATE_EPOCH` says, or now.
fn created() -> String {
    let time = match epoch() {
        Some(seconds) => std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds),
        None => std::time::SystemTime::now(),
    };
    humantime::format_rfc3339_seconds(time).to_string()
}

/// No time in the image is later than this.
fn epoch() -> Option<u64> {
    let is_said = std::env::var_os("SOURCE_DATE_EPOCH").is_some();
    is_said.then(source_date_epoch)
}

/// The layers of an image with their diff ids.
fn layers_of(image: &Image) -> Vec<(Descriptor, Digest)> {
    let layers = image.layers();
    layers
        .map(|(layer, diff_id)| (layer.clone(), diff_id.clone()))
        .collect()
}
