//! What published measurements say that a virtual machine costs.
//!
//! The model adds terms, each a range spanned by the figures that somebody published for it: the
//! lowest, the median and the highest. It carries its sources with each answer, and declines
//! where a term has none, rather than guess. It speaks of hardware virtualization: nobody
//! published how much slower an emulator boots, so it says nothing of guests under one.
//!
//! Its answers are never mixed with measurements: the figures come from papers, specifications
//! and repositories; what the caller adds about the workload is marked as given.
//!
//! Beside that stand the equations for what a calibrated model answers, pure functions whose
//! quantities carry their [`units`]: [`startup`], [`footprint`], [`slowdown`], [`queue`], [`storm`]
//! and [`money`]. They hold no figure. [`parameters`] are what they are fed with, [`question`] puts
//! them together, and [`answer`] carries the parameters' intervals into the answer's.

pub mod answer;
pub mod density;
mod figures;
pub mod fit;
pub mod footprint;
pub mod money;
pub mod parameters;
pub mod question;
pub mod queue;
mod random;
pub mod slowdown;
pub mod startup;
pub mod storm;
mod terms;
pub mod units;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
pub use figures::{Checked, Figures, Source};

/// Which configurations and figures a calibration sees, and which only a validation: TOML.
pub const SPLIT: &str = include_str!("../../data/split.toml");

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metric {
    /// From the spawn to the workload's ready byte, in milliseconds.
    Startup,
    /// The host's memory for one guest that holds its workload, in bytes.
    Memory,
    /// What a guest of its own occupies on the disk, in bytes.
    Disk,
    /// From the workload's end until nothing of the guest is left, in milliseconds.
    Teardown,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Startup => "the start-up",
            Self::Memory => "the memory",
            Self::Disk => "the disk space",
            Self::Teardown => "the teardown",
        })
    }
}

/// The program that runs the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vmm {
    /// QEMU as a PC with its usual firmware.
    Qemu,
    /// QEMU as a PC with the small firmware qboot.
    QemuQboot,
    /// QEMU's machine without PCI.
    QemuMicrovm,
    /// Firecracker.
    Firecracker,
    /// Cloud Hypervisor.
    CloudHypervisor,
}

/// The kernel that the guest boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestKernel {
    /// Built for small guests: few drivers, no modules.
    Minimal,
    /// A distribution's own.
    Distribution,
}

/// What is known of the workload; zero where nothing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkloadFacts {
    /// The time that the workload itself takes to be ready, as a bare process.
    pub own_time: Duration,
    /// The memory that it holds, as a bare process.
    pub resident_bytes: u64,
    /// The size of the guest's root: an initramfs or a disk image.
    pub root_bytes: u64,
}

/// What is known of the host and of the guest that it would run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// The program that runs the guest.
    pub vmm: Vmm,
    /// The kind of its kernel.
    pub kernel: GuestKernel,
    /// The size of the kernel's image, where there is one.
    pub kernel_bytes: Option<u64>,
    /// The guest's memory, in MiB.
    pub memory_mib: u32,
}

/// A part of an estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// What it is for, such as `kernel boot`.
    pub name: String,
    /// The lowest value that the sources allow, in the estimate's unit.
    pub low: f64,
    /// The median of the sources.
    pub likely: f64,
    /// The highest.
    pub high: f64,
    /// The names of the figures that it is spanned by.
    pub sources: Vec<String>,
}

/// An answer of the model, with all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The sum of the terms' lowest values.
    pub low: f64,
    /// The sum of the terms' likely values.
    pub likely: f64,
    /// The sum of the terms' highest values.
    pub high: f64,
    /// `ms` or `B`.
    pub unit: &'static str,
    /// What was added up.
    pub terms: Vec<Term>,
    /// Every figure that went in, each once.
    pub sources: Vec<Source>,
}

/// Answers from the published figures.
///
/// # Errors
/// [`crate::Error::NoFigure`] where a term has no sourced figure.
pub fn estimate(metric: Metric, workload: &WorkloadFacts, host: &HostFacts) -> Result<Estimate> {
    estimate_from(&Figures::published(), metric, workload, host)
}

/// Answers from other figures than the published ones.
///
/// # Errors
/// As [`estimate`].
pub fn estimate_from(
    figures: &Figures,
    metric: Metric,
    workload: &WorkloadFacts,
    host: &HostFacts,
) -> Result<Estimate> {
    terms::sum(figures, metric, workload, host)
}
