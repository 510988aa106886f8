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
use crate::interrupt::Interrupt;
use crate::observation::Workload;
use library::Library;

pub mod library;

/// The static program that the build script compiled.
pub const TRUE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/true"));
/// The smallest guard of a command ([`crate::guard`]).
pub const GUARD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/guard"));
/// The program that times its own loops, on the host and in a guest.
pub const SPEED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/speed"));
/// The Python workload.
const PYTHON: &str = include_str!("../../workload/python.py");

/// Where the static program lies in a root file system of its own.
const TRUE_IN_ROOT: &str = "/true";
/// Where the Python workload lies in a root file system of its own.
const SCRIPT_IN_ROOT: &str = "/workload.py";

/// The variable in which the Library is told where to serve, `HOST:PORT`, where loopback and any
/// port will not do.
pub const ADDRESS: &str = "ISOLAB_ADDRESS";

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
    /// The Library, with its packages.
    Library(Box<Library>),
}

/// How a program says that it is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// By a byte on its standard output.
    Byte,
    /// By its first correct answer, at the address that it says on its standard output.
    Answer,
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

    /// Makes the Library ready in `dir`.
    ///
    /// # Errors
    /// If `dir` cannot be written to, its packages cannot be had or do not run with `interpreter`,
    /// or the user interrupts.
    pub fn make_library(
        interpreter: Interpreter,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let library = Library::make(interpreter, dir, interrupt)?;
        Ok(Self::Library(Box::new(library)))
    }

    /// Which workload this is.
    #[must_use]
    pub fn workload(&self) -> Workload {
        match self {
            Self::True { .. } => Workload::True,
            Self::Python { .. } => Workload::Python,
            Self::Library(_) => Workload::Library,
        }
    }

    /// How it says that it is ready.
    #[must_use]
    pub fn ready(&self) -> Ready {
        match self {
            Self::True { .. } | Self::Python { .. } => Ready::Byte,
            Self::Library(_) => Ready::Answer,
        }
    }

    /// The interpreter that runs it, if it is in Python, and what that needs where there is no
    /// host.
    #[must_use]
    pub fn python(&self) -> Option<(&Interpreter, &Closure)> {
        match self {
            Self::True { .. } => None,
            Self::Python {
                interpreter,
                closure,
                ..
            } => Some((interpreter, closure)),
            Self::Library(library) => Some((&library.interpreter, &library.closure)),
        }
    }

    /// What is to be installed into an environment for it.
    #[must_use]
    pub fn requirements(&self) -> Vec<String> {
        match self {
            Self::True { .. } | Self::Python { .. } => Vec::new(),
            Self::Library(_) => library::requirements(),
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
            Self::Library(library) => library.host_command(python),
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
            Self::Library(library) => library.root_command(),
        }
    }

    /// The files and folders on the host that the command reads.
    #[must_use]
    pub fn host_files(&self) -> Vec<PathBuf> {
        let mut files = self.files_without_packages();
        if let Self::Library(library) = self {
            files.push(library.packages().to_owned());
        }
        files
    }

    /// The same where the packages are installed into an environment.
    #[must_use]
    pub fn files_without_packages(&self) -> Vec<PathBuf> {
        match self {
            Self::True { binary } => vec![binary.clone()],
            Self::Python {
                closure, script, ..
            } => closure.files.iter().chain([script]).cloned().collect(),
            Self::Library(library) => library.files_without_packages(),
        }
    }

    /// Lays out in the empty directory `root` everything that
    /// [`root_command`](Self::root_command) needs, as full copies.
    ///
    /// # Errors
    /// If a file cannot be read or written.
    pub fn lay_out_root(&self, root: &Path) -> Result<()> {
        let mut entries = self
            .python()
            .map_or_else(Vec::new, |(_, closure)| files_of(closure));
        match self {
            Self::True { binary } => entries.push(Entry::copy(binary, TRUE_IN_ROOT)),
            Self::Python { script, .. } => entries.push(Entry::copy(script, SCRIPT_IN_ROOT)),
            Self::Library(library) => entries.extend(library.entries()?),
        }
        Ok(rootfs::lay_out(root, &entries)?)
    }
}

/// An interpreter's files, at the paths that they have on the host.
fn files_of(closure: &Closure) -> Vec<Entry> {
    // Links first: where /usr is merged, `/lib` itself is one.
    let links = closure
        .links
        .iter()
        .map(|(at, target)| Entry::link(target, at));
    let folders = closure.folders.iter().map(Entry::directory);
    let files = closure.files.iter().map(|file| Entry::copy(file, file));
    links.chain(folders).chain(files).collect()
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
