//! One subject with one workload, and a directory for its environments.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab::isolation::{Conditions, Isolation, Provisioned};
use isolab::program::Program;

/// One subject with one workload.
pub(crate) struct Cell<'a> {
    pub(crate) isolation: &'a dyn Isolation,
    pub(crate) program: &'a Program,
    pub(crate) conditions: Conditions,
    pub(crate) emulated_by: Option<String>,
    home: PathBuf,
    made: u32,
}

impl<'a> Cell<'a> {
    /// A cell that makes its environments below `scratch`.
    pub(crate) fn new(isolation: &'a dyn Isolation, program: &'a Program, scratch: &Path) -> Self {
        let name = format!("{}-{}", isolation.subject(), program.workload());
        Self {
            isolation,
            program,
            conditions: Conditions::new(),
            emulated_by: None,
            home: scratch.join(name),
            made: 0,
        }
    }

    /// Makes the subject's environment in a new directory, and removes the one
    /// made before.
    pub(crate) fn provision(&mut self) -> Result<Box<dyn Provisioned + 'a>> {
        let old = self.home.join(self.made.to_string());
        if old.exists() {
            fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
        self.made += 1;
        let dir = self.home.join(self.made.to_string());
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let provisioned = self.isolation.provision(self.program, &dir)?;
        self.conditions = provisioned.conditions();
        self.emulated_by = provisioned.emulated_by();
        Ok(provisioned)
    }
}
