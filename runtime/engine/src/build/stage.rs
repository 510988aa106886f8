//! Stages, built one after the other; each step is taken, or was.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::key::Key;
use super::source::Source;
use super::state::State;
use super::{Event, Fetch, Request, created, layers_of};
use crate::dockerfile::{Dockerfile, Globals, Graph, Instruction, Origin, Trigger};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Digest, Platform, Reference};
use crate::room::Room;
use crate::stack::Stack;
use crate::store::{Image, Layer, Step, Store};

/// The stages of a build, and what is built of them.
pub(super) struct Stages<'a> {
    pub(super) store: &'a Store,
    pub(super) room: &'a Room,
    pub(super) request: &'a Request,
    file: &'a Dockerfile,
    globals: &'a Globals,
    graph: &'a Graph,
    fetch: Fetch<'a>,
    done: BTreeMap<usize, State<'a>>,
    /// The image that each stage is built upon.
    bases: BTreeMap<usize, (String, Digest)>,
    images: BTreeMap<String, Image>,
    number: usize,
    of: usize,
    /// How many steps made layers, and how many of those were taken before.
    pub(super) made: usize,
    pub(super) cached: usize,
}

impl<'a> Stages<'a> {
    pub(super) fn new(
        store: &'a Store,
        room: &'a Room,
        request: &'a Request,
        file: &'a Dockerfile,
        globals: &'a Globals,
        graph: &'a Graph,
        fetch: Fetch<'a>,
    ) -> Self {
        Self {
            store,
            room,
            request,
            file,
            globals,
            graph,
            fetch,
            done: BTreeMap::new(),
            bases: BTreeMap::new(),
            images: BTreeMap::new(),
            number: 0,
            of: 0,
            made: 0,
            cached: 0,
        }
    }

    /// How many steps there will be, for those who watch.
    pub(super) fn count(&mut self, order: &[usize]) {
        let steps = order
            .iter()
            .map(|index| 1 + self.file.stages[*index].steps.len());
        self.of = steps.sum();
    }

    /// What became of a stage, and what it was built upon.
    pub(super) fn into_result(mut self, index: usize) -> (State<'a>, Option<(String, Digest)>) {
        let base = self.bases.remove(&index);
        let state = self.done.remove(&index);
        (state.expect("the stage was built"), base)
    }

    /// Builds a stage whose needs are built.
    pub(super) fn build(&mut self, index: usize, tell: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let stage = &self.file.stages[index];
        let name = stage.name.clone().unwrap_or_else(|| index.to_string());
        self.announce(&name, &stage.original, tell);
        let mut state = self
            .begin(index)
            .map_err(|fault| self.failed(stage.line(), &stage.original, fault))?;
        // What the base asks of those who build upon it.
        let triggers = std::mem::take(&mut state.config.config.on_build);
        for text in triggers {
            let taken = Trigger::parse(&text)
                .map_err(|problems| Fault::new(format!("ONBUILD of the base image: {problems}")))
                .and_then(|trigger| self.take(&mut state, trigger.instruction(), &text, tell));
            taken.map_err(|fault| self.failed(stage.line(), &text, fault))?;
        }
        for step in &stage.steps {
            self.announce(&name, &step.original, tell);
            let taken = self.take(&mut state, &step.instruction, &step.original, tell);
            taken.map_err(|fault| self.failed(step.line(), &step.original, fault))?;
        }
        self.done.insert(index, state);
        Ok(())
    }

    fn announce(&mut self, stage: &str, text: &str, tell: &mut dyn FnMut(Event<'_>)) {
        self.number += 1;
        tell(Event::Step {
            number: self.number,
            of: self.of,
            stage,
            text,
        });
    }

    fn failed(&self, line: usize, text: &str, fault: Fault) -> Error {
        Error::Step {
            file: self.request.file.clone(),
            line,
            text: text.lines().next().unwrap_or_default().to_owned(),
            reason: fault.reason,
            code: fault.code,
        }
    }

    fn begin(&mut self, index: usize) -> Result<State<'a>, Fault> {
        let stage = &self.file.stages[index];
        let escape = self.file.directives.escape;
        let platform = self.globals.platform(stage);
        let platform = platform.map_err(|problem| Fault::new(problem.what))?;
        let platform = platform.unwrap_or_else(|| self.request.given.target.clone());
        match self.graph.base(index) {
            Origin::Scratch => Ok(State::scratch(self.globals, platform, escape)),
            Origin::Stage(other) => {
                if let Some(base) = self.bases.get(other) {
                    self.bases.insert(index, base.clone());
                }
                Ok(State::upon(&self.done[other]))
            }
            Origin::Image(name) => {
                let image = self.image(name, &platform)?;
                let base = (name.clone(), image.target.digest.clone());
                self.bases.insert(index, base);
                let layers = layers_of(&image);
                Ok(State::new(self.globals, image.config, layers, escape))
            }
        }
    }

    /// An image by its name, fetched where it is not here.
    pub(super) fn image(&mut self, name: &str, platform: &Platform) -> Result<Image, Fault> {
        let key = format!("{name} {platform}");
        if let Some(image) = self.images.get(&key) {
            return Ok(image.clone());
        }
        let image = match self.image_here(name, platform) {
            Err(Error::NotFound { .. } | Error::Missing { .. }) => {
                let reference: Reference = name.parse().map_err(Error::from)?;
                (self.fetch)(self.store, &reference, platform)?;
                self.image_here(name, platform)?
            }
            found => found?,
        };
        self.images.insert(key, image.clone());
        Ok(image)
    }

    /// An image by its name, where it is here for the platform. What begins an id is
    /// no name: a Dockerfile means the same on every machine.
    fn image_here(&self, name: &str, platform: &Platform) -> Result<Image> {
        let version = self.store.resolve_name(name)?;
        self.store.image(&version.descriptor, platform)
    }

    fn take(
        &mut self,
        state: &mut State<'a>,
        instruction: &Instruction,
        text: &str,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Fault> {
        let configured = state.configure(instruction)?;
        let made = match instruction {
            Instruction::Workdir(_) => self.make_directory(state, tell)?,
            _ if configured => None,
            Instruction::Copy(copy) => Some(self.copy(state, &copy.into(), tell)?),
            Instruction::Add(add) => Some(self.copy(state, &add.into(), tell)?),
            Instruction::Run(run) => Some(self.run(state, run, tell)?),
            _ => None,
        };
        state.note(&flattened(text), made.as_ref().map(|step| &*step.made));
        if let Some(step) = made {
            self.made += 1;
            state.add_layer(step.layer, step.diff_id);
        }
        Ok(())
    }

    /// The step that has this key, taken now if it never was.
    pub(super) fn step(
        &mut self,
        mut key: Key,
        because: &str,
        tell: &mut dyn FnMut(Event<'_>),
        make: impl FnOnce(&mut Self) -> Result<(Descriptor, Digest), Fault>,
    ) -> Result<Step, Fault> {
        // Where owners are not the image's own, its layers differ.
        key.say("owners", self.room.owners().name());
        let key = key.finish();
        let known = match self.request.no_cache {
            true => None,
            false => self.store.step(&key),
        };
        if let Some(step) = known {
            self.cached += 1;
            tell(Event::Cached { because });
            return Ok(step);
        }
        let (layer, diff_id) = make(self)?;
        tell(Event::Layer { bytes: layer.size });
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
    pub(super) fn source(&mut self, from: Option<&str>) -> Result<Source, Fault> {
        let Some(from) = from else {
            let context = &self.request.context;
            return Ok(Source::context(context, self.request.ignore.clone()));
        };
        let layers = match self.graph.from(from) {
            Origin::Scratch => Vec::new(),
            Origin::Stage(index) => self.done[&index].layers.clone(),
            Origin::Image(name) => {
                let platform = self.request.given.target.clone();
                layers_of(&self.image(&name, &platform)?)
            }
        };
        Ok(Source::layers(self.stack(&layers)?))
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
