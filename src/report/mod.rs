//! The report: everything that a run found out, and the only thing that leaves
//! the lab.
//!
//! JSON comes first, under the schema in `docs/report.schema.json`. The table,
//! the plots and the page are pure functions of it, so that a report can be
//! redrawn, mailed and merged without measuring again.

pub mod comparison;
mod error;
pub mod explainers;
pub mod input;
pub mod json;
pub mod output;
pub mod page;
pub mod plot;
pub mod quantity;
pub mod table;
pub mod text;
pub mod words;

use std::collections::BTreeMap;

pub use error::Error;
pub use json::{load, to_json};
pub use output::{Output, Target, write};

use serde::{Deserialize, Serialize};

use crate::observation::{Metric, Observation, State, Subject, Workload};
use crate::prediction::Prediction;

/// The schema that this version writes and reads.
pub const SCHEMA: &str = "isolab.report/1";

/// Everything that a run found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always [`SCHEMA`]; a report of another schema is refused by name.
    pub schema: String,
    /// When the run began, in UTC, by RFC 3339.
    pub created: String,
    /// Where it was measured.
    pub environment: Environment,
    /// What was asked for.
    pub settings: Settings,
    /// What was found.
    pub observations: Vec<Observation>,
    /// What was asked for and could not be had.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// Reasons not to trust the run as a whole.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The user interrupted the run: what had been measured by then is here.
    #[serde(default)]
    pub interrupted: bool,
    /// What was expected of the run before it, where the user asked for that to
    /// travel along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<Prediction>,
}

/// What a run was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Samples a subject, workload and state.
    pub runs: u32,
    /// The seed of the order in which subjects were started.
    pub seed: u64,
    /// Whether `--quick` was given.
    pub quick: bool,
    /// The subjects asked for.
    pub subjects: Vec<Subject>,
    /// The workloads asked for.
    pub workloads: Vec<Workload>,
}

/// A part of the comparison that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// The subject that is missing.
    pub subject: Subject,
    /// The workload it is missing for.
    pub workload: Workload,
    /// Why.
    pub why: String,
    /// How to get it, where there is a way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// The machine, as far as it bears on the numbers. No host name, no user name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The version of Isolab.
    pub isolab: String,
    /// Distribution, such as `Debian GNU/Linux 12 (bookworm)`.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture, such as `x86_64`.
    pub arch: String,
    /// CPU model name.
    pub cpu: String,
    /// CPUs that this process may run on.
    pub cpus: usize,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// `v1`, `hybrid`, `v2` or `none`.
    pub cgroup: String,
    /// What the machine itself runs in (`none`, `kvm`, `docker`, `wsl`, ...).
    pub virtualization: String,
    /// Whether the run had root's privileges.
    pub root: bool,
    /// The file system that scratch files were on.
    pub filesystem: String,
    /// One-minute load average before and after.
    pub load_before: f64,
    /// One-minute load average after the run.
    pub load_after: f64,
    /// Tool name to version, for every tool that took part.
    pub tools: BTreeMap<String, String>,
}

impl Report {
    /// What was run and observed of a metric, measured or emulated.
    #[must_use]
    pub fn ran(
        &self,
        subject: Subject,
        workload: Workload,
        metric: Metric,
        state: Option<State>,
    ) -> Option<&Observation> {
        self.matching(subject, workload, metric, state)
            .find(|o| o.evidence.samples().is_some())
    }

    /// What the model says of a metric; it may stand beside what was run.
    #[must_use]
    pub fn modelled(
        &self,
        subject: Subject,
        workload: Workload,
        metric: Metric,
        state: Option<State>,
    ) -> Option<&Observation> {
        self.matching(subject, workload, metric, state)
            .find(|o| o.evidence.samples().is_none())
    }

    fn matching(
        &self,
        subject: Subject,
        workload: Workload,
        metric: Metric,
        state: Option<State>,
    ) -> impl Iterator<Item = &Observation> {
        self.observations.iter().filter(move |o| {
            o.subject == subject && o.workload == workload && o.metric == metric && o.state == state
        })
    }
}
