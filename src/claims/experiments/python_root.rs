//! A root file system with a Python of its own and one of our programs in it:
//! what containers of every runtime, and guests, run from alike.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::Spec;
use venv_sim::Interpreter;

use crate::program::{self, Program};

/// The root, on the host.
pub(super) struct PythonRoot {
    pub(super) path: PathBuf,
    /// The command that runs the program, inside.
    pub(super) words: Vec<String>,
}

impl PythonRoot {
    /// Copies what `interpreter` loads into `place/rootfs`, and adds the program
    /// `script` under `name`.
    pub(super) fn make(
        place: &Path,
        interpreter: Interpreter,
        name: &str,
        script: &str,
    ) -> Result<Self> {
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        let path = place.join("rootfs");
        let program = Program::make_python(interpreter, place)?;
        program.lay_out_root(&path)?;
        let inside = format!("/{name}");
        let file = path.join(name);
        fs::write(&file, script).with_context(|| format!("cannot write {}", file.display()))?;
        let command = program.root_command();
        let python = command.first().and_then(|word| word.to_str());
        let python = python.context("the interpreter's path is not UTF-8")?;
        Ok(Self {
            path,
            words: [python, "-I", &inside].map(str::to_owned).into(),
        })
    }

    /// The words of the command, to pass on.
    pub(super) fn command(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// A container of ours that runs the program with `arguments`.
    pub(super) fn spec(&self, arguments: &[&str]) -> Spec {
        let words = [&self.command(), arguments].concat();
        default_spec(&Settings {
            env: program::environment(),
            ..Settings::new(&self.path, words)
        })
    }
}
