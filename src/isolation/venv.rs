//! The virtual environment: the same interpreter, its packages apart.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{Footprint, Isolation, Provisioned, Running, process};
use crate::footprint::{allocated_bytes, exclusive_bytes};
use crate::observation::Subject;
use crate::packages::{self, Asking};
use crate::program::{Program, library};

/// A real PEP 405 environment for the interpreter of the workload.
#[derive(Debug)]
pub struct Venv;

impl Isolation for Venv {
    fn subject(&self) -> Subject {
        Subject::Venv
    }

    fn provision<'a>(
        &'a self,
        program: &'a Program,
        dir: &Path,
    ) -> Result<Box<dyn Provisioned + 'a>> {
        let Some((interpreter, _)) = program.python() else {
            bail!("a virtual environment runs nothing but Python");
        };
        let dir = dir.join("venv");
        let environment = venv_sim::create(&dir, interpreter, &venv_sim::Options::default())?;
        let wanted = program.requirements();
        if !wanted.is_empty() {
            // From the store: they were there when the program was made ready.
            let options = library::install_options();
            packages::install(&environment, &wanted, options, Asking::Nobody)?;
        }
        Ok(Box::new(Created {
            program,
            dir,
            python: environment.python,
        }))
    }
}

/// An environment that exists.
struct Created<'a> {
    program: &'a Program,
    dir: PathBuf,
    python: PathBuf,
}

impl Provisioned for Created<'_> {
    fn footprint(&self) -> Result<Footprint> {
        // The environment points at an interpreter that it does not contain: a
        // full copy has to have both, one more shares the interpreter, and its
        // activation scripts and packages with every other environment.
        let own = allocated_bytes(&[&self.dir])?;
        let interpreter = allocated_bytes(&self.program.files_without_packages())?;
        Ok(Footprint {
            full_bytes: own + interpreter,
            one_more_bytes: exclusive_bytes(&[&self.dir])?,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files = self.program.files_without_packages();
        files.push(self.dir.clone());
        files
    }

    fn start(&self) -> Result<Box<dyn Running>> {
        Ok(Box::new(process::start(self.program, Some(&self.python))?))
    }
}
