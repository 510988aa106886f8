//! The guests that this user runs: what they boot, what is known of them while they do, and
//! their end.
//!
//! A guest is kept by the command that runs it, or by a [keeper] of its own when nobody
//! waits for it. Whoever keeps it holds the lock of its [directory], and QEMU dies with
//! its keeper: so a lock that is free means that nothing runs, however the keeper ended, and
//! whoever comes next removes what is left.

pub mod directory;
pub mod keeper;
pub mod life;
mod log;
pub mod process;
pub mod record;
pub mod root;
pub mod stop;
pub mod terminal;
pub mod wanted;

pub use wanted::Wanted;
