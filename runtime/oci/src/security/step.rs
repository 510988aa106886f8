//! What the child does for one attribute of its process.

use std::fmt;

use super::apparmor::Profile;
use super::schedule;
use crate::error::Result;
use crate::spec::{Domain, IoPriority, Linux, Process, Scheduler};
use crate::sys::schedule::{self as kernel, Attributes};
use crate::sys::{self, Errno};

/// One attribute, ready for the kernel.
#[derive(Debug)]
pub(crate) enum Step {
    Scheduler(Scheduler, Attributes),
    IoPriority(IoPriority),
    /// Bit *n* for CPU *n*.
    Affinity(Vec<u64>),
    Personality(Domain),
    AppArmor(Profile),
}

impl Step {
    /// The steps for what `process` and `linux` ask for. They need the
    /// runtime's privileges, and so come before those are given up.
    pub(crate) fn prepare_all(process: &Process, linux: &Linux) -> Result<Vec<Self>> {
        let mut steps = Vec::new();
        if let Some(scheduler) = &process.scheduler {
            let attributes = schedule::attributes(scheduler);
            steps.push(Self::Scheduler(scheduler.clone(), attributes));
        }
        steps.extend(process.io_priority.map(Self::IoPriority));
        steps.extend(
            linux
                .personality
                .as_ref()
                .map(|p| Self::Personality(p.domain)),
        );
        let profile = process.apparmor_profile.as_deref();
        let profile = profile.map(Profile::prepare).transpose()?;
        steps.extend(profile.map(Self::AppArmor));
        Ok(steps)
    }

    /// Runs in the child.
    pub(crate) fn perform(&self) -> sys::Result<()> {
        match self {
            Self::Scheduler(_, attributes) => kernel::set_attributes(attributes),
            Self::IoPriority(io) => {
                let (class, priority) = schedule::io_priority(*io);
                kernel::set_io_priority(class, priority)
            }
            Self::Affinity(cpus) => kernel::set_affinity(cpus),
            Self::Personality(domain) => kernel::set_personality(schedule::personality(*domain)),
            Self::AppArmor(profile) => profile.request(),
        }
    }

    /// What the kernel's bare errno hides.
    pub(crate) fn remedy(&self, errno: Errno) -> Option<&'static str> {
        Some(match (self, errno.code()) {
            (Self::Scheduler(..), libc::EPERM) => {
                "it needs CAP_SYS_NICE, and for a real-time policy a budget of the control group \
                 (cpu.rt_runtime_us): change process.scheduler"
            }
            (Self::Scheduler(..), libc::EBUSY) => {
                "the CPUs cannot guarantee so much: lower process.scheduler.runtime"
            }
            (Self::IoPriority(_), libc::EPERM) => {
                "the real-time class needs CAP_SYS_ADMIN or CAP_SYS_NICE: use IOPRIO_CLASS_BE"
            }
            (Self::Affinity(_), libc::EINVAL) => {
                "none of the CPUs is there and allowed to it: see cpuset.cpus of its control group"
            }
            (Self::Personality(_), libc::EINVAL) => "this kernel has no such execution domain",
            (Self::AppArmor(_), libc::ENOENT) => "load the profile first: apparmor_parser -r FILE",
            (Self::AppArmor(_), libc::EINVAL | libc::EACCES | libc::EPERM) => {
                "AppArmor does not let this process change to that profile"
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduler(scheduler, _) => {
                let Scheduler {
                    policy,
                    nice,
                    priority,
                    ..
                } = scheduler;
                let policy = policy.name();
                write!(
                    f,
                    "set the scheduler to {policy}, nice {nice}, priority {priority}"
                )
            }
            Self::IoPriority(io) => {
                let class = io.class.name();
                write!(f, "set the I/O priority to {class}, {}", io.priority)
            }
            Self::Affinity(cpus) => {
                let has = |n: &usize| cpus[n / 64] & 1 << (n % 64) != 0;
                let list = (0..cpus.len() * 64).filter(has);
                let list: Vec<_> = list.map(|n| n.to_string()).collect();
                write!(f, "set the CPU affinity to {}", list.join(","))
            }
            Self::Personality(domain) => write!(f, "set the personality to {}", domain.name()),
            Self::AppArmor(profile) => {
                let name = profile.name().escape_debug();
                write!(f, "ask for the AppArmor profile {name}")
            }
        }
    }
}
