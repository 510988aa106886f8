//! From a Dockerfile to an image.
//!
//! Each step that makes a layer is known by what it depends on: the layers below it,
//! the files that it copies, the program that it runs and what that program sees.
//! Where a step of the same key was taken before, its layer is taken instead. The
//! key is made of content, not of the lines above: a step that comes to the same
//! layer in another way does not make later ones run again.
//!
//! ```text
//! Dockerfile ─► stages, at once  ─► for each step: configure,
//!                                  or copy ─► archive ─► layer
//!                                  or run ─► container over the layers ─► upper ─► layer
//! ```
//!
//! Stages that need nothing of each other are built at once (`schedule`); the first
//! failure ends them all. Nothing of a build has a name before all of it is there.

mod add;
mod changes;
mod compared;
mod copy;
mod copying;
mod fault;
mod key;
mod mode;
mod mount;
mod output;
mod running;
mod schedule;
mod shell;
mod source;
mod stage;
mod state;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bootstrap::source_date_epoch;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{self, Checks, Given, Globals, Graph};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Manifest, MediaType, Platform, Reference};
use crate::registry::Client;
use crate::room::Room;
use crate::run::Network;
use crate::store::{Image, Store};
pub use add::without_credentials;
pub use changes::configured;
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
    /// Sockets of agents that have keys, by id.
    pub agents: BTreeMap<String, PathBuf>,
    /// Labels of the image, beside the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// Whether the user gets a shell in the state of a program that failed. The
    /// standard streams have to be a terminal then.
    pub shell_on_fail: bool,
}

/// Which step it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At<'a> {
    /// Its number, from 1, in the order of the file.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// The stage's name, or its number.
    pub stage: &'a str,
    /// How many stages are built.
    pub stages: usize,
}

/// What happens, as it happens; of several stages at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A step begins.
    Step {
        /// Which one.
        at: At<'a>,
        /// The instruction.
        text: &'a str,
    },
    /// Its program said a line.
    Output {
        /// Which one.
        at: At<'a>,
        /// The line.
        line: &'a str,
    },
    /// What it would make is here already.
    Cached {
        /// Which one.
        at: At<'a>,
        /// Why: what its key stands for.
        because: &'a str,
    },
    /// It made a layer.
    Layer {
        /// Which one.
        at: At<'a>,
        /// How many bytes that has, packed.
        bytes: u64,
    },
    /// Something is otherwise than one would think.
    Note {
        /// What.
        text: &'a str,
    },
    /// The Dockerfile may not say what is meant.
    Warning {
        /// The line.
        line: usize,
        /// The name of the rule, as docker has it.
        rule: &'a str,
        /// What is doubtful.
        text: &'a str,
    },
    /// A program failed, and its user gets a shell where it ran.
    Shell {
        /// The shell.
        program: &'a str,
        /// What failed.
        why: &'a str,
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

/// As [`Attending::fetch`] is called.
pub type Fetch<'a> =
    dyn Fn(&Store, &Reference, &Platform, &(dyn Fn() -> bool + Sync)) -> Result<()> + Sync + 'a;

/// Who stands by while something is built; asked and told from several threads.
#[derive(Clone, Copy)]
pub struct Attending<'a> {
    /// Fetches an image that is not here, until it hears that it is unwanted.
    pub fetch: &'a Fetch<'a>,
    /// Fetches files of `ADD`.
    pub client: &'a Client,
    /// Is told what happens.
    pub tell: &'a (dyn Fn(Event<'_>) + Sync),
    /// Knows whether it is to end.
    pub is_interrupted: &'a (dyn Fn() -> bool + Sync),
}

/// Builds what `request` asks for. The image is in the store then, under no name.
///
/// # Errors
/// [`Error::Dockerfile`] for a Dockerfile that is wrong, with every line that is;
/// [`Error::Step`] for a step that failed.
pub fn build(
    store: &Store,
    room: &Room,
    request: &Request,
    attending: Attending<'_>,
) -> Result<Built> {
    let wrong = |problems: dockerfile::Problems| Error::Dockerfile {
        file: request.file.clone(),
        problems,
    };
    let file = dockerfile::parse(&request.text).map_err(wrong)?;
    let globals = Globals::new(&file, &request.given).map_err(|problem| wrong(problem.into()))?;
    let graph = Graph::new(&file, &globals).map_err(wrong)?;
    let target = graph.target(request.target.as_deref());
    let target = target.map_err(|error| Error::NotFound {
        what: match &error.remedy {
            Some(remedy) => format!("stage {} of {}: {remedy}", error.name, request.file),
            None => format!("stage {} of {}", error.name, request.file),
        },
    })?;
    let checks = Checks {
        file: &file,
        globals: &globals,
        graph: &graph,
        target,
        ignore: &request.ignore,
        environment: &|image| environment(store, request, image),
    };
    for warning in checks.warnings() {
        (attending.tell)(Event::Warning {
            line: warning.line,
            rule: warning.rule,
            text: &warning.what,
        });
    }
    let order = graph.order(target);
    let stages = Stages {
        store,
        room,
        request,
        file: &file,
        globals: &globals,
        graph: &graph,
        attending,
        numbers: stage::number(&file, &order),
        progress: stage::Progress::default(),
    };
    let built = schedule::all(
        &order,
        |index| graph.stages_of(index).collect(),
        |index| stages.build(index),
        || stages.stop(),
    );
    if let Err(failure) = built {
        return Err(failure.end(&stages));
    }
    finish(store, request, stages, target)
}

/// What an image sets, where it is here.
fn environment(store: &Store, request: &Request, image: &str) -> Option<Vec<String>> {
    let version = store.resolve_name(image).ok()?;
    let image = store.image(&version.descriptor, &request.given.target);
    Some(image.ok()?.config.config.env)
}

fn finish(store: &Store, request: &Request, stages: Stages<'_>, target: usize) -> Result<Built> {
    let (mut state, layers, cached) = stages.into_result(target);
    let base = state.base.take();
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

#[cfg(test)]
mod tests;
