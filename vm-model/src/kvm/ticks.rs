//! The processor's counter of time stamps, which an emulated guest reads as its own.

/// What the counter says now.
#[must_use]
pub(crate) fn ticks() -> u64 {
    // SAFETY: the instruction reads a register and nothing else. Every processor with 64 bits
    // has it, and Linux lets programs execute it unless one asks not to (`PR_SET_TSC`).
    unsafe { core::arch::x86_64::_rdtsc() }
}
