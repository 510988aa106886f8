//! The kinds of which several are held at once: each way to run a program apart
//! with each program that it can run.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::claims::findings::Findings;
use crate::compare::subjects::applies;
use crate::interrupt::Interrupt;
use crate::isolation::container::Container;
use crate::isolation::guest::VirtualMachine;
use crate::isolation::process::BareProcess;
use crate::isolation::venv::Venv;
use crate::isolation::{Isolation, Provisioned};
use crate::observation::{Subject, Workload};
use crate::program::Program;

/// A way to run a program apart, and the program.
pub(super) struct Kind {
    isolation: Box<dyn Isolation>,
    program: Program,
    emulated_by: Option<String>,
}

impl Kind {
    /// `isolation` with `workload`, whose files go into `place`.
    pub(super) fn new(
        isolation: Box<dyn Isolation>,
        workload: Workload,
        place: &Path,
    ) -> Result<Self> {
        fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
        let program = match workload {
            Workload::True => Program::make_true(place)?,
            Workload::Python => Program::make_python(venv_sim::discover(None)?, place)?,
            Workload::Library => bail!("the Library is not held by the dozen"),
        };
        let trial = place.join("trial");
        fs::create_dir(&trial).with_context(|| format!("cannot make {}", trial.display()))?;
        let emulated_by = isolation.provision(&program, &trial)?.emulated_by();
        // That was only to be asked.
        let _ = fs::remove_dir_all(&trial);
        Ok(Self {
            isolation,
            program,
            emulated_by,
        })
    }

    pub(super) fn subject(&self) -> Subject {
        self.isolation.subject()
    }

    pub(super) fn workload(&self) -> Workload {
        self.program.workload()
    }

    pub(super) fn is_slow(&self) -> bool {
        self.isolation.is_slow()
    }

    /// The emulator, if its guests have no processor of their own.
    pub(super) fn emulated_by(&self) -> Option<&str> {
        self.emulated_by.as_deref()
    }

    /// How findings call it.
    pub(super) fn name(&self) -> String {
        name(self.subject(), self.workload())
    }

    /// Makes in the empty directory `place` what it needs before it can start.
    pub(super) fn provision<'a>(&'a self, place: &Path) -> Result<Box<dyn Provisioned + 'a>> {
        self.isolation.provision(&self.program, place)
    }
}

/// `vm` with the smallest program, `vm with python` with another.
pub(super) fn name(subject: Subject, workload: Workload) -> String {
    match workload {
        Workload::True => subject.name().to_owned(),
        other => format!("{subject} with {other}"),
    }
}

/// What is held: a program that does nothing, and one that does something.
const WORKLOADS: [Workload; 2] = [Workload::True, Workload::Python];

/// Every kind that this machine has; what it lacks is noted. Their files go into
/// `place`.
pub(super) fn kinds(
    place: &Path,
    interrupt: &Interrupt,
    findings: &mut Findings,
) -> Result<Vec<Kind>> {
    fs::create_dir_all(place).with_context(|| format!("cannot make {}", place.display()))?;
    let mut kinds = Vec::new();
    // The guest first: it is what the claims are about, so its absence too.
    for subject in Subject::ALL.into_iter().rev() {
        for workload in WORKLOADS {
            if !applies(subject, workload)
                || (subject, workload) == (Subject::Process, Workload::True)
            {
                continue;
            }
            let name = name(subject, workload);
            let home = place.join(format!("{subject}-{workload}"));
            let made = isolation(subject, place, interrupt)
                .and_then(|one| Kind::new(one, workload, &home));
            match made {
                Ok(kind) => kinds.push(kind),
                Err(error) => findings.lack(&name, &error),
            }
        }
    }
    Ok(kinds)
}

/// The way to run apart that `subject` is.
pub(super) fn isolation(
    subject: Subject,
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<Box<dyn Isolation>> {
    Ok(match subject {
        Subject::Process => Box::new(BareProcess),
        Subject::Venv => Box::new(Venv),
        Subject::Container => Box::new(Container),
        Subject::Vm => Box::new(VirtualMachine::find(scratch, interrupt)?),
    })
}
