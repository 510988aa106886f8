//! When a process has its turn: on the CPU, at the disk, and on which CPUs.

use super::Result;
use super::raw::syscall;

/// `struct sched_attr` in its first version (`linux/sched/types.h`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The structure's size; [`set_attributes`] fills it in.
    pub size: u32,
    /// `SCHED_OTHER` and its like.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// −20 to 19.
    pub nice: i32,
    /// 1 to 99 for the real-time policies, else 0.
    pub priority: u32,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub runtime: u64,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub deadline: u64,
    /// Nanoseconds, of `SCHED_DEADLINE`.
    pub period: u64,
}

/// `int sched_setattr(0, const struct sched_attr *, unsigned flags)`, `sched_setattr(2)`,
/// on this process.
///
/// # Errors
/// `EPERM` without CAP_SYS_NICE, or where the control group has no real-time
/// budget; `EINVAL` for attributes that do not fit; `EBUSY` where
/// `SCHED_DEADLINE` cannot be guaranteed.
pub fn set_attributes(attributes: &Attributes) -> Result<()> {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        ..*attributes
    };
    // SAFETY: `attributes` has the kernel's layout, tells its true size, and
    // outlives the call, which only reads it.
    unsafe { syscall!(SYS_sched_setattr, 0i32, &raw const attributes, 0u32) }.map(drop)
}

/// `int ioprio_set(IOPRIO_WHO_PROCESS, 0, int ioprio)`, `ioprio_set(2)`, on this process.
///
/// # Errors
/// `EPERM` for the real-time class without CAP_SYS_ADMIN or CAP_SYS_NICE.
pub fn set_io_priority(class: u32, priority: u32) -> Result<()> {
    const WHO_PROCESS: u32 = 1;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_ioprio_set, WHO_PROCESS, 0u32, class << 13 | priority) }.map(drop)
}

/// `int sched_setaffinity(0, size_t size, const cpu_set_t *)`, `sched_setaffinity(2)`,
/// on this process: bit *n* for CPU *n*.
///
/// # Errors
/// `EINVAL` where none of them may be used (`cpuset(7)`).
pub fn set_affinity(cpus: &[u64]) -> Result<()> {
    // SAFETY: the kernel reads as many bytes from a live slice as it has.
    unsafe {
        syscall!(
            SYS_sched_setaffinity,
            0i32,
            size_of_val(cpus),
            cpus.as_ptr()
        )
    }
    .map(drop)
}

/// `int personality(unsigned long persona)`, `personality(2)`.
///
/// # Errors
/// `EINVAL` for a domain that the kernel was built without.
pub fn set_personality(persona: u32) -> Result<()> {
    // SAFETY: a number only.
    unsafe { syscall!(SYS_personality, persona) }.map(drop)
}
