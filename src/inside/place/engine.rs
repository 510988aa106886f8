//! Containers of Podman and Docker, started from the same files.

use anyhow::Result;

use super::site::{PROGRAM, REQUEST, VERB};
use super::{Asked, Place, PlaceName, Site};
use crate::engines;
use crate::inside::answer::Answer;
use crate::inside::attempt::Attempt;
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;

/// An engine, found anew for each question: Docker's image holds the request.
pub(super) struct Engine<'a> {
    site: &'a Site,
    name: PlaceName,
}

impl<'a> Engine<'a> {
    pub(super) fn new(name: PlaceName, site: &'a Site) -> Self {
        Self { site, name }
    }
}

impl Place for Engine<'_> {
    fn name(&self) -> PlaceName {
        self.name
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let request = self.site.request_in_root(attempts, traces);
        let root = self.site.root(&request)?;
        let engine = engines::Engine::find(self.name.name(), root)?;
        let words = [PROGRAM, VERB, REQUEST];
        let said = engine.run_unless(&words, &|| interrupt.raised())?;
        Ok(Asked {
            command: engine.describe(&words),
            answer: Answer::parse(said.as_bytes(), &request.attempts)?,
        })
    }
}
