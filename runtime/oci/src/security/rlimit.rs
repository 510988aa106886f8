//! Resource limits by the names of `setrlimit(2)`.

use std::fmt;

use crate::error::{Error, Result};
use crate::spec::Rlimit;
use crate::sys;

/// The kernel's numbers are the positions (`asm-generic/resource.h`, which
/// x86 and aarch64 follow).
const NAMES: [&str; 16] = [
    "RLIMIT_CPU",
    "RLIMIT_FSIZE",
    "RLIMIT_DATA",
    "RLIMIT_STACK",
    "RLIMIT_CORE",
    "RLIMIT_RSS",
    "RLIMIT_NPROC",
    "RLIMIT_NOFILE",
    "RLIMIT_MEMLOCK",
    "RLIMIT_AS",
    "RLIMIT_LOCKS",
    "RLIMIT_SIGPENDING",
    "RLIMIT_MSGQUEUE",
    "RLIMIT_NICE",
    "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME",
];

/// One limit, ready for the kernel.
#[derive(Debug)]
pub(crate) struct Limit {
    number: u32,
    soft: u64,
    hard: u64,
}

impl Limit {
    pub(crate) fn from_spec(limit: &Rlimit) -> Result<Self> {
        let invalid = |reason| Error::Invalid {
            field: "process.rlimits".to_owned(),
            reason,
            remedy: "names are those of setrlimit(2), and `soft` may not exceed `hard`".to_owned(),
        };
        let number = NAMES.iter().position(|&n| n == limit.kind);
        let number = number.and_then(|n| u32::try_from(n).ok());
        let number = number.ok_or_else(|| invalid(format!("`{}` is no limit", limit.kind)))?;
        if limit.soft > limit.hard {
            return Err(invalid(format!("{}: soft is above hard", limit.kind)));
        }
        Ok(Self {
            number,
            soft: limit.soft,
            hard: limit.hard,
        })
    }

    /// Lowering always works; raising `hard` needs CAP_SYS_RESOURCE. Runs in the child.
    pub(crate) fn apply(&self) -> sys::Result<()> {
        sys::resource::set_limit(self.number, self.soft, self.hard)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.get(self.number as usize).unwrap_or(&"a limit");
        write!(f, "set {name} to soft {}, hard {}", self.soft, self.hard)
    }
}
