//! The places that are no more than a process: a bare one, and one in a virtual
//! environment.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::site::VERB;
use super::{Asked, Place, PlaceName, Site, ask_by, in_order};
use crate::inside::attempt::{Attempt, Request};
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;

/// A process with nothing around it.
pub(super) struct Process<'a> {
    site: &'a Site,
}

impl<'a> Process<'a> {
    pub(super) fn new(site: &'a Site) -> Self {
        Self { site }
    }
}

impl Place for Process<'_> {
    fn name(&self) -> PlaceName {
        PlaceName::Process
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let interpreter = self.site.interpreter().ok();
        let request = on_host(
            self.site,
            attempts,
            traces,
            interpreter.map(|found| found.executable.clone()),
        );
        let path = self.site.write_request("process", &request)?;
        let mut command = Command::new(self.site.program());
        command.arg(VERB).arg(path);
        ask_by(&command, &request.attempts, interrupt)
    }
}

/// A process that the interpreter of a virtual environment becomes.
pub(super) struct Venv<'a> {
    site: &'a Site,
    python: PathBuf,
}

/// What that interpreter is told: to become the program that it is given.
const BECOME: &str = "import os, sys; os.execv(sys.argv[1], sys.argv[1:])";

impl<'a> Venv<'a> {
    pub(super) fn new(site: &'a Site) -> Result<Self> {
        let dir = site.directory("venv")?.join("env");
        let options = venv_sim::Options::default();
        let environment = venv_sim::create(&dir, site.interpreter()?, &options)?;
        Ok(Self {
            site,
            python: environment.python,
        })
    }
}

impl Place for Venv<'_> {
    fn name(&self) -> PlaceName {
        PlaceName::Venv
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let request = on_host(self.site, attempts, traces, Some(self.python.clone()));
        let path = self.site.write_request("venv", &request)?;
        let mut command = Command::new(&self.python);
        command
            .args(["-I", "-c", BECOME])
            .arg(self.site.program())
            .arg(VERB)
            .arg(path);
        ask_by(&command, &request.attempts, interrupt)
    }
}

/// The request for a place that sees the host's files.
fn on_host(site: &Site, attempts: &[Attempt], traces: &Traces, python: Option<PathBuf>) -> Request {
    Request {
        attempts: in_order(attempts),
        traces: traces.clone(),
        python,
        nodes: site.scratch().to_owned(),
    }
}
