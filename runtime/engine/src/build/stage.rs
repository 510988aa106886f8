//! A stage, built step by step; each step is taken, or was.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::add::without_credentials;
use super::fault::{Failure, Fault};
use super::key::Key;
use super::source::Source;
use super::state::State;
use super::{At, Attending, Event, Request, created, layers_of};
use crate::dockerfile::{Dockerfile, Globals, Graph, Instruction, Origin, Trigger};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Platform, Reference};
use crate::room::Room;
use crate::stack::Stack;
use crate::store::{self, Image, Layer, Step, Store, Version};

/// The stages of a build, several of which may be built at once.
pub(super) struct Stages<'a> {
    pub(super) store: &'a Store,
    pub(super) room: &'a Room,
    pub(super) request: &'a Request,
    pub(super) file: &'a Dockerfile,
    pub(super) globals: &'a Globals,
    pub(super) graph: &'a Graph,
    pub(super) attending: Attending<'a>,
    /// How many steps come before those of a stage, and how many there are.
    pub(super) numbers: (BTreeMap<usize, usize>, usize),
    pub(super) progress: Progress<'a>,
}

/// What has become of them.
#[derive(Default)]
pub(super) struct Progress<'a> {
    done: Mutex<BTreeMap<usize, State<'a>>>,
    images: Mutex<BTreeMap<String, Arc<Mutex<Option<Image>>>>>,
    /// How many steps made layers, and how many of those were taken before.
    made: AtomicUsize,
    cached: AtomicUsize,
    /// Whether one of them failed.
    stopped: AtomicBool,
}

/// Counts the steps of the stages in `order`.
pub(super) fn number(file: &Dockerfile, order: &[usize]) -> (BTreeMap<usize, usize>, usize) {
    let mut before = BTreeMap::new();
    let mut count = 0;
    for index in order {
        before.insert(*index, count);
        count += 1 + file.stages[*index].steps.len();
    }
    (before, count)
}

impl<'a> Stages<'a> {
    /// What became of a stage, how many steps made layers, and how many of those
    /// were taken before.
    pub(super) fn into_result(self, index: usize) -> (State<'a>, usize, usize) {
        let state = lock(&self.progress.done).remove(&index);
        let counted = |count: AtomicUsize| count.into_inner();
        let (made, cached) = (counted(self.progress.made), counted(self.progress.cached));
        (state.expect("the stage was built"), made, cached)
    }

    /// Lets all that is under way end.
    pub(super) fn stop(&self) {
        self.progress.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether nothing more of it is wanted.
    pub(super) fn is_unwanted(&self) -> bool {
        self.progress.stopped.load(Ordering::Relaxed) || (self.attending.is_interrupted)()
    }

    /// Builds a stage whose needs are built.
    pub(super) fn build(&self, index: usize) -> Result<(), Failure> {
        let stage = &self.file.stages[index];
        let name = stage.name.clone().unwrap_or_else(|| index.to_string());
        let (before, of) = (self.numbers.0[&index], self.numbers.1);
        let at = |step: usize| At {
            number: before + step,
            of,
            stage: &name,
            stages: self.numbers.0.len(),
        };
        self.announce(at(1), &stage.original);
        let failed = |line, text: &str, fault| self.failed(line, text, fault);
        let begun = self.begin(index);
        let mut state = begun.map_err(|fault| failed(stage.line(), &stage.original, fault))?;
        // What the base asks of those who build upon it.
        let triggers = std::mem::take(&mut state.config.config.on_build);
        for text in triggers {
            let taken = Trigger::parse(&text)
                .map_err(|problems| Fault::new(format!("ONBUILD of the base image: {problems}")))
                .and_then(|trigger| self.take(&mut state, trigger.instruction(), &text, at(1)));
            taken.map_err(|fault| failed(stage.line(), &text, fault))?;
        }
        for (number, step) in stage.steps.iter().enumerate() {
            let at = at(number + 2);
            self.announce(at, &step.original);
            let taken = self.take(&mut state, &step.instruction, &step.original, at);
            taken.map_err(|fault| failed(step.line(), &step.original, fault))?;
        }
        lock(&self.progress.done).insert(index, state);
        Ok(())
    }

    fn announce(&self, at: At<'_>, text: &str) {
        let text = &*shown(text);
        (self.attending.tell)(Event::Step { at, text });
    }

    fn failed(&self, line: usize, text: &str, fault: Fault) -> Failure {
        // Whatever it looks like from where it was noticed.
        let fault = match (self.attending.is_interrupted)() {
            true => interrupted(),
            false => fault,
        };
        let error = Error::Step {
            file: self.request.file.clone(),
            line,
            text: shown(text.lines().next().unwrap_or_default()).into_owned(),
            reason: fault.reason,
            code: fault.code,
            output: fault.output,
        };
        Failure {
            error,
            broken: fault.broken,
        }
    }

    fn begin(&self, index: usize) -> Result<State<'a>, Fault> {
        let stage = &self.file.stages[index];
        let escape = self.file.directives.escape;
        let platform = self.globals.platform(stage);
        let platform = platform.map_err(|problem| Fault::new(problem.what))?;
        let platform = platform.unwrap_or_else(|| self.request.given.target.clone());
        match self.graph.base(index) {
            Origin::Scratch => Ok(State::scratch(self.globals, platform, escape)),
            Origin::Stage(other) => Ok(State::upon(&lock(&self.progress.done)[other])),
            Origin::Image(name) => {
                let image = self.image(name, &platform)?;
                let base = Some((name.clone(), image.target.digest.clone()));
                let layers = layers_of(&image);
                let mut state = State::new(self.globals, image.config, layers, escape);
                state.base = base;
                Ok(state)
            }
        }
    }

    /// An image by its name, fetched where it is not here; once, whoever else needs
    /// it meanwhile.
    pub(super) fn image(&self, name: &str, platform: &Platform) -> Result<Image, Fault> {
        let key = format!("{name} {platform}");
        let slot = Arc::clone(lock(&self.progress.images).entry(key).or_default());
        let mut known = lock(&slot);
        if let Some(image) = &*known {
            return Ok(image.clone());
        }
        let here = self.image_here(name, platform);
        let image = match here {
            // A name stands for an image of one machine where it was not pulled.
            Ok(image) if image.config.platform.is_like(platform) => image,
            // What the user made or brought himself is not replaced by a stranger's.
            Ok(image) if self.is_own(name) => image,
            Err(error @ (Error::NotFound { .. } | Error::Missing { .. })) if self.is_own(name) => {
                return Err(error.into());
            }
            Ok(_) | Err(Error::NotFound { .. } | Error::Missing { .. }) => {
                let reference: Reference = name.parse().map_err(Error::from)?;
                (self.attending.fetch)(self.store, &reference, platform, &|| self.is_unwanted())?;
                self.image_here(name, platform)?
            }
            Err(error) => return Err(error.into()),
        };
        let of = &image.config.platform;
        if !of.is_like(platform) {
            return Err(Fault::new(format!(
                "image {name} is for {of}, and {platform} was asked for: build or pull that one \
                 under another name"
            )));
        }
        Ok(known.insert(image).clone())
    }

    /// Whether the name stands for something that comes from no registry.
    fn is_own(&self, name: &str) -> bool {
        let is_pulled = |version: &Version| {
            let known = version.provenance.as_ref();
            known.is_some_and(|known| known.origin == store::Origin::Pulled)
        };
        let version = self.store.resolve_name(name);
        version.is_ok_and(|version| !is_pulled(&version))
    }

    /// An image by its name, where it is here for the platform. What begins an id is
    /// no name: a Dockerfile means the same on every machine.
    fn image_here(&self, name: &str, platform: &Platform) -> Result<Image> {
        let version = self.store.resolve_name(name)?;
        self.store.image(&version.descriptor, platform)
    }

    fn take(
        &self,
        state: &mut State<'a>,
        instruction: &Instruction,
        text: &str,
        at: At<'_>,
    ) -> Result<(), Fault> {
        if self.is_unwanted() {
            return Err(interrupted());
        }
        let configured = state.configure(instruction)?;
        let made = match instruction {
            Instruction::Workdir(_) => self.make_directory(state, at)?,
            _ if configured => None,
            Instruction::Copy(copy) => Some(self.copy(state, &copy.into(), at)?),
            Instruction::Add(add) => Some(self.copy(state, &add.into(), at)?),
            Instruction::Run(run) => Some(self.run(state, run, at)?),
            _ => None,
        };
        state.note(
            &flattened(&shown(text)),
            made.as_ref().map(|step| &*step.made),
        );
        if let Some(step) = made {
            self.progress.made.fetch_add(1, Ordering::Relaxed);
            state.add_layer(step.layer, step.diff_id);
        }
        Ok(())
    }

    /// The step that has this key, taken now if it never was.
    pub(super) fn step(
        &self,
        mut key: Key,
        because: &str,
        at: At<'_>,
        make: impl FnOnce() -> Result<(Descriptor, Digest), Fault>,
    ) -> Result<Step, Fault> {
        // Where owners are not the image's own, its layers differ.
        key.say("owners", self.room.owners().name());
        let key = key.finish();
        let known = match self.request.no_cache {
            true => None,
            false => self.store.step(&key),
        };
        if let Some(step) = known {
            self.progress.cached.fetch_add(1, Ordering::Relaxed);
            (self.attending.tell)(Event::Cached { at, because });
            return Ok(step);
        }
        let (layer, diff_id) = make()?;
        let bytes = layer.size;
        (self.attending.tell)(Event::Layer { at, bytes });
        let step = Step {
            layer,
            diff_id,
            made: created(),
        };
        self.store.keep_step(&key, &step)?;
        Ok(step)
    }

    /// The layers of a state, unpacked.
    pub(super) fn unpacked(&self, layers: &[(Descriptor, Digest)]) -> Result<Vec<Layer>, Fault> {
        let owners = self.room.owners();
        let unpacked = layers
            .iter()
            .map(|(layer, diff_id)| self.store.layer(layer, diff_id, owners));
        Ok(unpacked.collect::<Result<_>>()?)
    }

    /// What the layers of a state look like on each other.
    pub(super) fn stack(&self, layers: &[(Descriptor, Digest)]) -> Result<Stack, Fault> {
        let unpacked = self.unpacked(layers)?;
        let layers = unpacked.into_iter().map(|layer| layer.path);
        Ok(Stack::new(layers).owned_by(self.room.owners()))
    }

    /// Where the files of a `from` lie; the context where there is none.
    pub(super) fn source(&self, from: Option<&str>) -> Result<Source, Fault> {
        let Some(from) = from else {
            let context = &self.request.context;
            return Ok(Source::context(context, self.request.ignore.clone()));
        };
        let layers = match self.graph.from(from) {
            Origin::Scratch => Vec::new(),
            // A trigger of the base names a stage that is only known once that is here.
            Origin::Stage(index) => match lock(&self.progress.done).get(&index) {
                Some(stage) => stage.layers.clone(),
                None => return Err(not_built(from)),
            },
            Origin::Image(name) => {
                let platform = self.request.given.target.clone();
                layers_of(&self.image(&name, &platform)?)
            }
        };
        Ok(Source::layers(self.stack(&layers)?))
    }
}

/// Why a step ended that nobody wanted any more.
pub(super) fn interrupted() -> Fault {
    Fault {
        code: Some(130),
        ..Fault::new("it was interrupted")
    }
}

/// Why files of a stage are not there: only an `ONBUILD` of an image asks for them
/// without having been seen to.
fn not_built(stage: &str) -> Fault {
    Fault::new(format!(
        "the stage `{stage}` is not built yet, and only an ONBUILD of the base image needs it: \
         have a COPY --from={stage} in the stage, or ask the image's maker"
    ))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An instruction as others may see it.
fn shown(text: &str) -> Cow<'_, str> {
    let may_name = |word: &str| {
        ["ADD", "ARG"]
            .iter()
            .any(|own| word.eq_ignore_ascii_case(own))
    };
    match text.split_whitespace().next().is_some_and(may_name) {
        true => without_credentials(text).into(),
        false => text.into(),
    }
}

/// An instruction as one line.
fn flattened(text: &str) -> String {
    match text.contains("<<") {
        // A heredoc's lines are its content.
        true => text.to_owned(),
        false => {
            let lines = text
                .lines()
                .map(|line| line.trim().trim_end_matches('\\').trim_end());
            lines.collect::<Vec<_>>().join(" ").trim().to_owned()
        }
    }
}
