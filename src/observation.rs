//! What the lab says about the world: one metric of one subject, with the
//! evidence for it.
//!
//! The three kinds of [`Evidence`] are separate variants so that nothing
//! downstream can take an estimate for a measurement: whoever wants samples has
//! to say what happens when there are none.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What is compared. The bare process is the baseline of every comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A program started on the host with nothing around it.
    Process,
    /// The same program through a Python virtual environment (PEP 405).
    Venv,
    /// The same program in our own runtime's container.
    Container,
    /// The same program in a guest under QEMU.
    Vm,
}

impl Subject {
    /// Every subject, in the order in which reports show them.
    pub const ALL: [Self; 4] = [Self::Process, Self::Venv, Self::Container, Self::Vm];

    /// The word used on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Venv => "venv",
            Self::Container => "container",
            Self::Vm => "vm",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What every subject runs, the same in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// A static program of about a kilobyte: the cost of the subject alone.
    True,
    /// The Python interpreter's start and `import json, ssl, sqlite3`.
    Python,
    /// The Library, a Django site with a REST API, until its first correct answer.
    Library,
}

impl Workload {
    /// Every workload, in the order in which reports show them.
    pub const ALL: [Self; 3] = [Self::True, Self::Python, Self::Library];

    /// The word used on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Python => "python",
            Self::Library => "library",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is measured of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// From just before the start to the workload's ready byte.
    Startup,
    /// From telling a held workload to end until all of the subject is gone.
    Teardown,
    /// Making what the subject needs before it can first start.
    Provision,
    /// Allocated blocks of a full copy, hard links counted once.
    Disk,
    /// Allocated blocks of one more that shares what can be shared.
    DiskOneMore,
    /// Proportional set size of one held subject.
    Memory,
    /// What each further held subject takes from the host's `MemAvailable`.
    MemorySlope,
}

impl Metric {
    /// Every metric, in the order in which reports show them.
    pub const ALL: [Self; 7] = [
        Self::Startup,
        Self::Teardown,
        Self::Provision,
        Self::Disk,
        Self::DiskOneMore,
        Self::Memory,
        Self::MemorySlope,
    ];

    /// The word used in reports and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Teardown => "teardown",
            Self::Provision => "provision",
            Self::Disk => "disk",
            Self::DiskOneMore => "disk-one-more",
            Self::Memory => "memory",
            Self::MemorySlope => "memory-slope",
        }
    }

    /// A heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Start-up to the ready byte",
            Self::Teardown => "Teardown",
            Self::Provision => "Provisioning",
            Self::Disk => "Disk, a full copy",
            Self::DiskOneMore => "Disk, one more that shares",
            Self::Memory => "Memory of one held (PSS)",
            Self::MemorySlope => "Memory of each further one (MemAvailable)",
        }
    }

    /// The unit in which this metric's numbers are kept.
    #[must_use]
    pub fn unit(self) -> Unit {
        match self {
            Self::Startup | Self::Teardown | Self::Provision => Unit::Seconds,
            Self::Disk | Self::DiskOneMore | Self::Memory | Self::MemorySlope => Unit::Bytes,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The state a start-up was measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A fresh environment, caches dropped where that is permitted.
    First,
    /// A pause of 150 ms before each start, as when a person types commands.
    AfterIdle,
    /// One start right after another, as in a loop.
    BackToBack,
}

impl State {
    /// Every state, in the order in which reports show them.
    pub const ALL: [Self; 3] = [Self::First, Self::AfterIdle, Self::BackToBack];

    /// The word used in reports and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::AfterIdle => "after-idle",
            Self::BackToBack => "back-to-back",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The unit in which numbers are kept; reports scale them for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
}

/// A figure that a model rests on, with where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// What the figure is called in the model.
    pub name: String,
    /// Its value, with its unit.
    pub value: String,
    /// The conditions under which it was taken.
    pub conditions: String,
    /// Where it was published.
    pub citation: String,
}

/// Why a number should be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Evidence {
    /// Taken on this machine, in this run, in the order in which it was taken.
    Measured {
        /// The samples, in the observation's unit.
        samples: Vec<f64>,
    },
    /// A real guest under an emulator: it ran, but its times are no measure of
    /// virtualization.
    Emulated {
        /// The samples, in the observation's unit.
        samples: Vec<f64>,
        /// The emulator, such as `QEMU TCG 7.2.22`.
        by: String,
    },
    /// Calculated from sourced figures; nothing was run.
    Modelled {
        /// The least that the sources support.
        low: f64,
        /// The most likely value.
        likely: f64,
        /// The most that the sources support.
        high: f64,
        /// Every figure the estimate rests on.
        sources: Vec<Source>,
    },
}

impl Evidence {
    /// The samples of something that ran, under an emulator or not.
    #[must_use]
    pub fn of_run(metric: Metric, samples: Vec<f64>, emulated_by: Option<&str>) -> Self {
        // An emulator's translations take time and memory, but no disk, and what
        // is made before it runs is made without it.
        let of_the_emulator = matches!(
            metric,
            Metric::Startup | Metric::Teardown | Metric::Memory | Metric::MemorySlope
        );
        match emulated_by.filter(|_| of_the_emulator) {
            Some(by) => Self::Emulated {
                samples,
                by: by.to_owned(),
            },
            None => Self::Measured { samples },
        }
    }

    /// The samples of something that really ran, measured or emulated.
    #[must_use]
    pub fn samples(&self) -> Option<&[f64]> {
        match self {
            Self::Measured { samples } | Self::Emulated { samples, .. } => Some(samples),
            Self::Modelled { .. } => None,
        }
    }

    /// The samples that may enter a ratio or a verdict about speed.
    #[must_use]
    pub fn measured(&self) -> Option<&[f64]> {
        match self {
            Self::Measured { samples } => Some(samples),
            Self::Emulated { .. } | Self::Modelled { .. } => None,
        }
    }

    /// `measured`, `emulated` or `modelled`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Measured { .. } => "measured",
            Self::Emulated { .. } => "emulated",
            Self::Modelled { .. } => "modelled",
        }
    }
}

/// One metric of one subject, with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observation {
    /// What was observed.
    pub subject: Subject,
    /// What it ran.
    pub workload: Workload,
    /// What was measured of it.
    pub metric: Metric,
    /// The state it was measured in, for metrics that have states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The unit of the numbers in `evidence`.
    pub unit: Unit,
    /// Why the number should be believed.
    pub evidence: Evidence,
    /// What held while it was taken: accelerator, caches, the command line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub conditions: BTreeMap<String, String>,
    /// Reasons not to trust it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
