//! `isolab doctor`: which parts of the lab run on this machine, and what mends
//! the others.
//!
//! It finds out by doing. [`examine`] gathers [facts](facts::Facts), running
//! each [stage](stage::Stage) that needs the kernel in a process of its own
//! ([`probe`]); [`diagnosis`] turns the facts into causes and remedies without
//! touching the machine; and the rest is words.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

pub mod diagnosis;
pub mod examine;
pub mod facts;
mod health;
mod hello;
mod instruments;
mod probe;
mod probe_cgroup;
mod probe_container;
mod render;
pub mod stage;

pub use hello::kvm_grade;
pub use probe::probe;

use crate::compare::privacy::Redactor;
use crate::hint;
use crate::observation::Subject;
use diagnosis::{Finding, Part, Runs};
use facts::Facts;
use stage::Stage;

/// Find out which parts of the lab run here, and what mends the others
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Examine only what this part needs
    #[arg(value_enum)]
    pub focus: Option<Focus>,

    /// With `venv`: the environment to examine, in place of the machine
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// With `venv`: mend what can be mended of the environment; what is replaced is kept
    #[arg(long)]
    pub fix: bool,

    /// Print the findings as JSON
    #[arg(long)]
    pub json: bool,
}

/// The part of the lab that the question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Focus {
    /// Containers: namespaces, mounts, cgroups, seccomp
    Container,
    /// Virtual environments: an interpreter
    Venv,
    /// Virtual machines: QEMU, KVM, a kernel
    Vm,
}

impl Focus {
    fn subject(self) -> Subject {
        match self {
            Self::Container => Subject::Container,
            Self::Venv => Subject::Venv,
            Self::Vm => Subject::Vm,
        }
    }
}

/// The stages that a question needs, in order.
#[must_use]
pub fn stages(focus: Option<Focus>) -> Vec<Stage> {
    match focus {
        None => Stage::value_variants().to_vec(),
        Some(Focus::Container) => [&Stage::PROBED[..], &[Stage::Files]].concat(),
        Some(Focus::Venv) => vec![Stage::Python, Stage::Files],
        Some(Focus::Vm) => vec![Stage::Qemu, Stage::Kvm, Stage::GuestKernel, Stage::Files],
    }
}

/// Everything that `--json` prints.
#[derive(Debug, Serialize)]
struct Examination {
    schema: &'static str,
    isolab: &'static str,
    findings: Vec<Finding>,
    parts: Vec<Part>,
    facts: Facts,
    /// Of the environment that is active or here, if that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<serde_json::Value>,
}

/// Examines this machine and prints what was found.
///
/// Must be called in the `isolab` binary, which `__probe` dispatches to
/// [`probe`]: the stages are run by executing `/proc/self/exe` again.
///
/// The exit code is 1 if the container cannot run, or the part in focus; with a
/// directory, if something ails the environment there.
///
/// # Errors
/// Only if standard output cannot be written; a machine that lacks everything
/// is a finding, not an error. With a directory, if that is no environment.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.dir.is_some() || args.fix {
        return match args.focus {
            Some(Focus::Venv) => health::run(args.dir.as_deref(), args.fix, args.json),
            _ => Err(hint::with(
                "only an environment has a DIR and can be mended with --fix",
                "`isolab doctor venv DIR --fix`",
            )),
        };
    }
    // What a killed probe left; how much does not matter.
    let _ = isolab_oci::cgroup::sweep();
    let stages = stages(args.focus);
    let facts = examine::examine(&stages);
    let findings = diagnosis::diagnose(&facts, &stages);
    let parts = diagnosis::parts(&findings);
    let asked = args.focus.map_or(Subject::Container, Focus::subject);
    let runs = parts
        .iter()
        .any(|p| p.subject == asked && matches!(p.runs, Runs::Measured | Runs::Emulated));
    let health = match args.focus {
        Some(Focus::Venv) => health::of_here(),
        _ => None,
    };
    let runs = runs
        && health
            .as_ref()
            .is_none_or(|health| health.ailments.is_empty());
    let text = if args.json {
        let examination = Examination {
            schema: "isolab.doctor/1",
            isolab: env!("CARGO_PKG_VERSION"),
            findings,
            parts,
            facts,
            environment: health.as_ref().map(|health| health::described(health, &[])),
        };
        let mut examination = serde_json::to_value(examination)?;
        // What a student sends to an instructor names no user.
        Redactor::of_process().tell_all(&mut examination);
        serde_json::to_string_pretty(&examination)? + "\n"
    } else {
        let style = render::Style::of_environment(io::stdout().is_terminal());
        let page = render::text(&findings, &parts, style);
        health.map_or(page.clone(), |health| {
            page + "\n" + &health::text(&health, style)
        })
    };
    match io::stdout().write_all(text.as_bytes()) {
        // `isolab doctor | head` is not a failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ if runs => Ok(ExitCode::SUCCESS),
        _ => Ok(ExitCode::FAILURE),
    }
}
