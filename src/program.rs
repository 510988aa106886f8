//! A workload made ready for this machine: the program to execute on the host,
//! and the root file system to execute it in elsewhere.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab_engine::rootfs::{self, Entry};
use venv_sim::Interpreter;

use crate::closure::{self, Closure};
use crate::observation::Workload;

/// The static program that the build script compiled.
pub const TRUE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/true"));
/// The Python workload.
const PYTHON: &str = include_str!("../workload/python.py");

/// Where the static program lies in a root file system of its own.
const TRUE_IN_ROOT: &str = "/true";
/// Where the Python workload lies in a root file system of its own.
const SCRIPT_IN_ROOT: &str = "/workload.py";

/// The environment of every subject, so that none starts with more to read.
#[must_use]
pub fn environment() -> Vec<String> {
    ["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]
        .map(str::to_owned)
        .into()
}

/// A workload made ready for this machine.
#[derive(Debug)]
pub enum Program {
    /// The static program.
    True {
        /// The program on the host.
        binary: PathBuf,
    },
    /// The Python workload.
    Python {
        /// The interpreter found on the host.
        interpreter: Box<Interpreter>,
        /// What it needs where there is no host.
        closure: Closure,
        /// The workload on the host.
        script: PathBuf,
    },
}

impl Program {
    /// Writes the static program into `dir`.
    ///
    /// # Errors
    /// If `dir` cannot be written to.
    pub fn make_true(dir: &Path) -> Result<Self> {
        let binary = dir.join("true");
        write_executable(&binary, TRUE)?;
        Ok(Self::True { binary })
    }

    /// Writes the Python workload into `dir` and asks `interpreter` for its
    /// closure.
    ///
    /// # Errors
    /// If `dir` cannot be written to or the interpreter lacks a module.
    pub fn make_python(interpreter: Interpreter, dir: &Path) -> Result<Self> {
        let script = dir.join("workload.py");
        fs::write(&script, PYTHON).with_context(|| format!("cannot write {}", script.display()))?;
        let closure = closure::of(&interpreter.executable)?;
        Ok(Self::Python {
            interpreter: Box::new(interpreter),
            closure,
            script,
        })
    }

    /// Which workload this is.
    #[must_use]
    pub fn workload(&self) -> Workload {
        match self {
            Self::True { .. } => Workload::True,
            Self::Python { .. } => Workload::Python,
        }
    }

    /// The command on the host, holding after the ready byte; `python` stands in
    /// for the interpreter, as a virtual environment's does.
    #[must_use]
    pub fn host_command(&self, python: Option<&Path>) -> Vec<OsString> {
        match self {
            Self::True { binary } => vec![binary.into(), "hold".into()],
            Self::Python {
                interpreter,
                script,
                ..
            } => {
                let python = python.unwrap_or(&interpreter.executable);
                python_command(python, script)
            }
        }
    }

    /// The same command in a root file system of its own.
    #[must_use]
    pub fn root_command(&self) -> Vec<OsString> {
        match self {
            Self::True { .. } => vec![TRUE_IN_ROOT.into(), "hold".into()],
            Self::Python { closure, .. } => {
                python_command(&closure.binary, Path::new(SCRIPT_IN_ROOT))
            }
        }
    }

    /// The files on the host that the command reads.
    #[must_use]
    pub fn host_files(&self) -> Vec<PathBuf> {
        match self {
            Self::True { binary } => vec![binary.clone()],
            Self::Python {
                closure, script, ..
            } => closure.files.iter().chain([script]).cloned().collect(),
        }
    }

    /// Lays out in the empty directory `root` everything that
    /// [`root_command`](Self::root_command) needs, as full copies.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn lay_out_root(&self, root: &Path) -> Result<()> {
        let entries = match self {
            Self::True { binary } => vec![Entry::copy(binary, TRUE_IN_ROOT)],
            Self::Python {
                closure, script, ..
            } => {
                // Links first: where /usr is merged, `/lib` itself is one.
                let links = closure
                    .links
                    .iter()
                    .map(|(at, target)| Entry::link(target, at));
                let folders = closure.folders.iter().map(Entry::directory);
                let files = closure.files.iter().map(|file| Entry::copy(file, file));
                let script = Entry::copy(script, SCRIPT_IN_ROOT);
                links.chain(folders).chain(files).chain([script]).collect()
            }
        };
        Ok(rootfs::lay_out(root, &entries)?)
    }
}

/// `-I` keeps the user's own settings and packages out of every subject alike.
fn python_command(python: &Path, script: &Path) -> Vec<OsString> {
    vec![python.into(), "-I".into(), script.into(), "hold".into()]
}

/// Writes a file that everybody may execute.
///
/// # Errors
/// If it cannot be written.
pub fn write_executable(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot write {}", path.display()))
}
