//! The bare process: the baseline that everything else is compared with.
//!
//! It is started by the same code as the container, with nothing asked for, so
//! that what a container adds is what isolation adds and not another way to
//! start a program.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab_oci::process;

use super::started::Started;
use super::{Footprint, Isolation, Provisioned, Running};
use crate::footprint::allocated_bytes;
use crate::observation::Subject;
use crate::program::{self, Program};

/// A program started on the host with nothing around it.
#[derive(Debug)]
pub struct BareProcess;

impl Isolation for BareProcess {
    fn subject(&self) -> Subject {
        Subject::Process
    }

    fn provision<'a>(
        &'a self,
        program: &'a Program,
        _dir: &Path,
    ) -> Result<Box<dyn Provisioned + 'a>> {
        Ok(Box::new(OnHost { program }))
    }
}

/// A program on the host: nothing had to be made.
struct OnHost<'a> {
    program: &'a Program,
}

impl Provisioned for OnHost<'_> {
    fn footprint(&self) -> Result<Footprint> {
        let full_bytes = allocated_bytes(&self.program.host_files())?;
        Ok(Footprint {
            full_bytes,
            one_more_bytes: 0,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        self.program.host_files()
    }

    fn start(&self) -> Result<Box<dyn Running>> {
        Ok(Box::new(start(self.program, None)?))
    }
}

/// Starts `workload` as a bare process, with `python` for its interpreter if that is given.
pub(super) fn start(workload: &Program, python: Option<&Path>) -> Result<Started> {
    let command = workload.host_command(python);
    let words = command.iter().map(|word| word.to_str().map(str::to_owned));
    let args: Vec<String> = words
        .collect::<Option<_>>()
        .context("a path is not UTF-8")?;
    let program = process::Program {
        path: args.first().context("there is no command")?.into(),
        args,
        env: program::environment(),
        cwd: None,
    };
    Started::new(workload.ready(), |stdio, options| {
        process::spawn(&program, stdio, options)
    })
}
