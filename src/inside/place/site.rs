//! What all places are made from: this program, an interpreter, and a root file
//! system that holds both.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use isolab_engine::rootfs::{self, Entry};
use venv_sim::Interpreter;

use crate::closure::{self, Closure};
use crate::inside::attempt::{Attempt, Request};
use crate::inside::canary::Traces;

/// Where this program lies in a root file system of its own.
pub(super) const PROGRAM: &str = "/isolab";
/// Where the request lies there.
pub(super) const REQUEST: &str = "/request.json";
/// The verb that makes attempts.
pub(super) const VERB: &str = "__inside";

/// The files that places are made from, in a directory of the lab's.
#[derive(Debug)]
pub struct Site {
    scratch: PathBuf,
    program: PathBuf,
    python: Result<(Interpreter, Closure), String>,
    root: OnceCell<PathBuf>,
}

impl Site {
    /// Prepares in the directory `scratch`, and looks for an interpreter.
    ///
    /// # Errors
    /// If this program's own file cannot be named.
    pub fn prepare(scratch: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("cannot name this program's own file")?;
        let python = venv_sim::discover(None)
            .map_err(anyhow::Error::from)
            .and_then(|interpreter| {
                let closure = closure::of(&interpreter.executable)?;
                Ok((interpreter, closure))
            });
        Ok(Self {
            scratch: scratch.to_owned(),
            program,
            python: python.map_err(|error| format!("{error:#}")),
            root: OnceCell::new(),
        })
    }

    /// A directory for the files of one place, made anew.
    pub(super) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir(&path),
        }
        .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// This program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The interpreter that was found.
    ///
    /// # Errors
    /// If there is none; with what was found instead.
    pub fn interpreter(&self) -> Result<&Interpreter> {
        let found = self.python.as_ref().map(|(interpreter, _)| interpreter);
        found.map_err(|why| {
            crate::hint::with(
                format!("there is no Python to ask: {why}"),
                "apt install python3",
            )
        })
    }

    /// The interpreter as it is called in the root file system.
    pub(super) fn python_in_root(&self) -> Option<PathBuf> {
        let (_, closure) = self.python.as_ref().ok()?;
        Some(closure.binary.clone())
    }

    /// A root file system with this program and the interpreter's closure, made
    /// once, and the request in it.
    pub(super) fn root(&self, request: &Request) -> Result<&Path> {
        if self.root.get().is_none() {
            let root = self.scratch.join("rootfs");
            self.lay_out(&root)?;
            let _ = self.root.set(root);
        }
        let root = self.root.get().context("there is no root file system")?;
        write(&root.join(REQUEST.trim_start_matches('/')), request)?;
        Ok(root)
    }

    fn lay_out(&self, root: &Path) -> Result<()> {
        let mut entries = Vec::new();
        if let Ok((_, closure)) = &self.python {
            // Links first: where /usr is merged, `/lib` itself is one.
            let links = closure.links.iter();
            entries.extend(links.map(|(at, target)| Entry::link(target, at)));
            entries.extend(closure.folders.iter().map(Entry::directory));
            entries.extend(closure.files.iter().map(|file| Entry::copy(file, file)));
        }
        entries.push(Entry::copy(&self.program, PROGRAM));
        rootfs::lay_out(root, &entries).map_err(|error| anyhow!(error))
    }

    /// The request for a place with a root file system of its own.
    pub(super) fn request_in_root(&self, attempts: &[Attempt], traces: &Traces) -> Request {
        Request {
            attempts: super::in_order(attempts),
            traces: traces.clone(),
            python: self.python_in_root(),
            nodes: "/dev".into(),
        }
    }

    /// Writes the request of a place that sees the host's files; where.
    pub(super) fn write_request(&self, name: &str, request: &Request) -> Result<PathBuf> {
        let path = self.scratch.join(format!("{name}.request.json"));
        write(&path, request)?;
        Ok(path)
    }

    /// Where a process on the host may make a device node.
    pub(super) fn scratch(&self) -> &Path {
        &self.scratch
    }
}

fn write(path: &Path, request: &Request) -> Result<()> {
    fs::write(path, request.to_json()).with_context(|| format!("cannot write {}", path.display()))
}
