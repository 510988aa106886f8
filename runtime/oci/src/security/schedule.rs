//! The scheduling attributes of a process, ready for the kernel.

use crate::error::{Error, Result};
use crate::spec::parse_cpus;
use crate::spec::{CpuAffinity, Domain, IoClass, IoPriority, Policy, Scheduler, SchedulerFlag};
use crate::sys::schedule::Attributes;

/// The attributes for [`crate::sys::schedule::set_attributes`]. The spec has been validated.
pub(super) fn attributes(scheduler: &Scheduler) -> Attributes {
    let flag = |flag: &SchedulerFlag| match flag {
        SchedulerFlag::ResetOnFork => 0x01,
        SchedulerFlag::Reclaim => 0x02,
        SchedulerFlag::DeadlineOverrun => 0x04,
        SchedulerFlag::KeepPolicy => 0x08,
        SchedulerFlag::KeepParameters => 0x10,
        SchedulerFlag::UtilizationAtLeast => 0x20,
        SchedulerFlag::UtilizationAtMost => 0x40,
    };
    Attributes {
        size: 0,
        policy: match scheduler.policy {
            Policy::Other => 0,
            Policy::Fifo => 1,
            Policy::RoundRobin => 2,
            Policy::Batch => 3,
            Policy::Iso => 4,
            Policy::Idle => 5,
            Policy::Deadline => 6,
        },
        flags: scheduler
            .flags
            .iter()
            .map(flag)
            .fold(0, |all, one| all | one),
        nice: scheduler.nice,
        priority: u32::try_from(scheduler.priority).unwrap_or(0),
        runtime: scheduler.runtime,
        deadline: scheduler.deadline,
        period: scheduler.period,
    }
}

/// Class and priority for [`crate::sys::schedule::set_io_priority`].
pub(super) fn io_priority(io: IoPriority) -> (u32, u32) {
    let class = match io.class {
        IoClass::RealTime => 1,
        IoClass::BestEffort => 2,
        IoClass::Idle => 3,
    };
    (class, u32::try_from(io.priority).unwrap_or(0))
}

/// The number for [`crate::sys::schedule::set_personality`].
pub(super) const fn personality(domain: Domain) -> u32 {
    match domain {
        Domain::Linux => 0,   // PER_LINUX
        Domain::Linux32 => 8, // PER_LINUX32
    }
}

/// The CPUs of a process before it joins its control group, and from then on.
pub(crate) fn affinity(cpus: &CpuAffinity) -> Result<[Option<super::Step>; 2]> {
    let parse = |name: &str, list: &Option<String>| {
        let list = list.as_deref().filter(|list| !list.is_empty());
        let mask = list.map(parse_cpus).transpose();
        let mask = mask.map_err(|reason| Error::Invalid {
            field: format!("process.execCPUAffinity.{name}"),
            reason,
            remedy: "as in 0-3,7".to_owned(),
        })?;
        Ok(mask.map(super::Step::Affinity))
    };
    Ok([
        parse("initial", &cpus.initial)?,
        parse("final", &cpus.last)?,
    ])
}
