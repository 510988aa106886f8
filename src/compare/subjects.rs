//! What this machine has: the programs to run, the ways to isolate them, and
//! what is missing, with its remedy.

use std::fs;

use anyhow::{Context, Result};

use super::cell::Cell;
use crate::interrupt::Interrupt;
use crate::isolation::Isolation;
use crate::isolation::container::Container;
use crate::isolation::guest::VirtualMachine;
use crate::isolation::process::BareProcess;
use crate::isolation::venv::Venv;
use crate::observation::{Subject, Workload};
use crate::program::Program;
use crate::report::{Missing, Settings};
use crate::scratch::Scratch;

/// The programs and the isolations found on this machine.
#[derive(Default)]
pub struct Subjects {
    /// A program for every workload that can run here.
    pub programs: Vec<Program>,
    isolations: Vec<Box<dyn Isolation>>,
    /// The size of the guests' kernel, where there is one.
    pub guest_kernel_bytes: Option<u64>,
    /// What was asked for and is not here.
    pub missing: Vec<Missing>,
}

impl Subjects {
    /// Looks for what `settings` asks for.
    ///
    /// # Errors
    /// If the scratch directory cannot be written to.
    pub fn find(settings: &Settings, scratch: &Scratch, interrupt: &Interrupt) -> Result<Self> {
        let mut found = Self::default();
        let dir = scratch.path().join("programs");
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        for workload in &settings.workloads {
            let program = match workload {
                Workload::True => Program::make_true(&dir),
                Workload::Python => venv_sim::discover(None)
                    .map_err(Into::into)
                    .and_then(|interpreter| Program::make_python(interpreter, &dir)),
                Workload::Library => venv_sim::discover(None)
                    .map_err(Into::into)
                    .and_then(|interpreter| Program::make_library(interpreter, &dir, interrupt)),
            };
            match program {
                Ok(program) => found.programs.push(program),
                Err(error) => found.miss(&settings.subjects, &[*workload], &error),
            }
        }
        for subject in &settings.subjects {
            let isolation: Result<Box<dyn Isolation>> = match subject {
                Subject::Process => Ok(Box::new(BareProcess)),
                Subject::Venv => Ok(Box::new(Venv)),
                Subject::Container => Ok(Box::new(Container)),
                Subject::Vm => VirtualMachine::find(scratch.path(), interrupt).map(|machine| {
                    found.guest_kernel_bytes = Some(machine.kernel_bytes());
                    Box::new(machine) as _
                }),
            };
            match isolation {
                Ok(isolation) => found.isolations.push(isolation),
                Err(error) => found.miss(&[*subject], &settings.workloads, &error),
            }
        }
        Ok(found)
    }

    /// Every subject with every workload that it can run.
    pub fn pairs(&self) -> impl Iterator<Item = (&dyn Isolation, &Program)> {
        let all = self.isolations.iter().flat_map(|isolation| {
            let each = self.programs.iter();
            each.map(move |program| (isolation.as_ref(), program))
        });
        all.filter(|(isolation, program)| applies(isolation.subject(), program.workload()))
    }

    /// A cell for each of the [`pairs`](Self::pairs).
    pub(super) fn cells(&self, scratch: &Scratch) -> Vec<Cell<'_>> {
        self.pairs()
            .map(|(isolation, program)| {
                let (subject, workload) = (isolation.subject(), program.workload());
                let home = scratch.path().join(format!("{subject}-{workload}"));
                Cell::new(isolation, program, home)
            })
            .collect()
    }

    fn miss(&mut self, subjects: &[Subject], workloads: &[Workload], error: &anyhow::Error) {
        for &subject in subjects {
            for &workload in workloads
                .iter()
                .filter(|workload| applies(subject, **workload))
            {
                let (why, remedy) = (format!("{error:#}"), crate::hint::of(error));
                self.missing.push(Missing {
                    subject,
                    workload,
                    why,
                    remedy,
                });
            }
        }
    }
}

/// Whether a subject can run a workload at all: a virtual environment runs
/// nothing but Python.
#[must_use]
pub fn applies(subject: Subject, workload: Workload) -> bool {
    (subject, workload) != (Subject::Venv, Workload::True)
}
