//! `process.scheduler`, `process.ioPriority`, `process.execCPUAffinity`: when a process has its turn.

use serde::{Deserialize, Serialize};

use super::null_is_empty;

/// The CPU scheduler's attributes (`sched_setattr(2)`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler {
    /// The policy.
    pub policy: Policy,
    /// −20, the most favourable, to 19.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "null_is_empty"
    )]
    pub nice: i32,
    /// The static priority, 1 to 99, of `SCHED_FIFO` and `SCHED_RR`.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "null_is_empty"
    )]
    pub priority: i32,
    /// Flags.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds of CPU time in each period, of `SCHED_DEADLINE`.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "null_is_empty"
    )]
    pub runtime: u64,
    /// Nanoseconds from a period's begin until they must be had, of `SCHED_DEADLINE`.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "null_is_empty"
    )]
    pub deadline: u64,
    /// The period in nanoseconds, of `SCHED_DEADLINE`.
    #[serde(
        default,
        skip_serializing_if = "is_default",
        deserialize_with = "null_is_empty"
    )]
    pub period: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Scheduling policies (`sched(7)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Policy {
    /// Time sharing.
    #[default]
    #[serde(rename = "SCHED_OTHER")]
    Other,
    /// Real time, until it gives up the CPU.
    #[serde(rename = "SCHED_FIFO")]
    Fifo,
    /// Real time, in turns.
    #[serde(rename = "SCHED_RR")]
    RoundRobin,
    /// Time sharing for what never waits for a person.
    #[serde(rename = "SCHED_BATCH")]
    Batch,
    /// Reserved by the kernel and never implemented.
    #[serde(rename = "SCHED_ISO")]
    Iso,
    /// Only where nothing else wants the CPU.
    #[serde(rename = "SCHED_IDLE")]
    Idle,
    /// Earliest deadline first.
    #[serde(rename = "SCHED_DEADLINE")]
    Deadline,
}

impl Policy {
    /// The word of the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "SCHED_OTHER",
            Self::Fifo => "SCHED_FIFO",
            Self::RoundRobin => "SCHED_RR",
            Self::Batch => "SCHED_BATCH",
            Self::Iso => "SCHED_ISO",
            Self::Idle => "SCHED_IDLE",
            Self::Deadline => "SCHED_DEADLINE",
        }
    }
}

/// Flags of `sched_setattr(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SchedulerFlag {
    /// Children do not inherit a privileged policy.
    #[serde(rename = "SCHED_FLAG_RESET_ON_FORK")]
    ResetOnFork,
    /// Takes what other deadline tasks leave unused.
    #[serde(rename = "SCHED_FLAG_RECLAIM")]
    Reclaim,
    /// `SIGXCPU` where it overruns its runtime.
    #[serde(rename = "SCHED_FLAG_DL_OVERRUN")]
    DeadlineOverrun,
    /// Leaves the policy as it is.
    #[serde(rename = "SCHED_FLAG_KEEP_POLICY")]
    KeepPolicy,
    /// Leaves the parameters as they are.
    #[serde(rename = "SCHED_FLAG_KEEP_PARAMS")]
    KeepParameters,
    /// A lower bound of utilization, for which the specification has no field.
    #[serde(rename = "SCHED_FLAG_UTIL_CLAMP_MIN")]
    UtilizationAtLeast,
    /// An upper bound of utilization, for which the specification has no field.
    #[serde(rename = "SCHED_FLAG_UTIL_CLAMP_MAX")]
    UtilizationAtMost,
}

/// The I/O scheduler's class and the priority in it (`ioprio_set(2)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoPriority {
    /// The class.
    pub class: IoClass,
    /// 0, the highest, to 7.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub priority: i32,
}

/// Classes of the I/O scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoClass {
    /// Before all others.
    #[serde(rename = "IOPRIO_CLASS_RT")]
    RealTime,
    /// What everybody has.
    #[serde(rename = "IOPRIO_CLASS_BE")]
    BestEffort,
    /// Only where nobody else wants the disk.
    #[serde(rename = "IOPRIO_CLASS_IDLE")]
    Idle,
}

impl IoClass {
    /// The word of the specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RealTime => "IOPRIO_CLASS_RT",
            Self::BestEffort => "IOPRIO_CLASS_BE",
            Self::Idle => "IOPRIO_CLASS_IDLE",
        }
    }
}

/// The CPUs of a process started by `exec`, as lists like `0-3,7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuAffinity {
    /// Before it joins the container's control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<String>,
    /// From then on.
    #[serde(default, rename = "final", skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

impl CpuAffinity {
    /// Those of the two that are given, as masks in hexadecimal, for messages.
    #[must_use]
    pub fn masks(&self) -> Vec<String> {
        let given = [&self.initial, &self.last].into_iter().flatten();
        let parsed = given.filter_map(|list| super::parse_cpus(list).ok());
        let hex = parsed.map(|mask| {
            let digits: String = mask
                .iter()
                .rev()
                .map(|part| format!("{part:016x}"))
                .collect();
            format!("0x{}", digits.trim_start_matches('0'))
        });
        hex.collect()
    }
}
