//! Containers that are there while something else is timed.

use std::cell::RefCell;
use std::io::{PipeWriter, pipe};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::runtimes::Runtime;

/// Containers of one runtime whose program waits on its standard input.
pub(crate) struct Crowd {
    runtime: Runtime,
    bundle: PathBuf,
    size: usize,
    raised: RefCell<Option<Raised>>,
}

struct Raised {
    ids: Vec<String>,
    /// At its end all of the programs' inputs end.
    _input: PipeWriter,
}

impl Crowd {
    /// None yet. `bundle` has the program that holds.
    pub(crate) fn new(runtime: &Runtime, bundle: PathBuf, size: usize) -> Self {
        Self {
            runtime: runtime.clone(),
            bundle,
            size,
            raised: RefCell::new(None),
        }
    }

    /// Creates and starts them. What was begun is ended if it fails.
    pub(crate) fn raise(&self, prefix: &str) -> Result<()> {
        let (reader, writer) = pipe().context("cannot make a pipe")?;
        let ids = (0..self.size).map(|n| format!("{prefix}-{n}")).collect();
        let raised = self.raised.replace(Some(Raised {
            ids,
            _input: writer,
        }));
        assert!(raised.is_none(), "a crowd is raised once");
        for id in self.ids() {
            let mut create = self.runtime.command_of("create", &self.bundle, &id);
            create.stdin(reader.try_clone().context("cannot share a pipe")?);
            let started = quietly(&mut create)
                .and_then(|()| quietly(&mut self.runtime.command(&["start", &id])));
            if started.is_err() {
                self.end()?;
                return started;
            }
        }
        Ok(())
    }

    /// Ends and deletes them.
    pub(crate) fn end(&self) -> Result<()> {
        let ids = self.ids();
        self.raised.replace(None);
        let delete = |id: &String| quietly(&mut self.runtime.command(&["delete", "--force", id]));
        ids.iter().try_for_each(delete)
    }

    /// Their names, while they are there.
    pub(crate) fn ids(&self) -> Vec<String> {
        let raised = self.raised.borrow();
        raised.as_ref().map_or_else(Vec::new, |r| r.ids.clone())
    }
}

/// Runs a command that is not timed; it must succeed.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let output = command
        .stdout(Stdio::null())
        // A file: a container that inherits a pipe keeps its reader waiting.
        .stderr(Stdio::null())
        .status();
    let status = output.with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
