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
    /// Takes the limit that stands at `index` of the list.
    pub(crate) fn from_spec(index: usize, limit: &Rlimit) -> Result<Self> {
        let invalid = |name, reason, remedy: &str| Error::Invalid {
            field: format!("process.rlimits[{index}].{name}"),
            reason,
            remedy: remedy.to_owned(),
        };
        let number = NAMES.iter().position(|&n| n == limit.kind);
        let number = number.and_then(|n| u32::try_from(n).ok());
        let number = number.ok_or_else(|| {
            let reason = format!("wrong rlimit value: {}", limit.kind.escape_debug());
            invalid("type", reason, "as in RLIMIT_NOFILE: see setrlimit(2)")
        })?;
        if limit.soft > limit.hard {
            let reason = format!(
                "the soft {} of {} is above its hard {}",
                limit.soft, limit.kind, limit.hard
            );
            return Err(invalid("soft", reason, "lower it, or raise the hard one"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_is_refused_by_its_field() {
        let check = |kind: &str, soft, hard, expected: &str| {
            let kind = kind.to_owned();
            let limit = Limit::from_spec(3, &Rlimit { kind, hard, soft });
            let error = limit.unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.hint().is_some());
        };
        check(
            "RLIMIT_FLY",
            1,
            1,
            "process.rlimits[3].type: wrong rlimit value: RLIMIT_FLY",
        );
        check("nofile", 1, 1, "process.rlimits[3].type");
        check("RLIMIT_CPU", 2, 1, "process.rlimits[3].soft");
    }

    #[test]
    fn a_step_that_fails_names_the_limit_and_both_values() {
        let (kind, hard, soft) = ("RLIMIT_NOFILE".to_owned(), 2, 1);
        let limit = Limit::from_spec(0, &Rlimit { kind, hard, soft }).unwrap();
        assert_eq!(limit.to_string(), "set RLIMIT_NOFILE to soft 1, hard 2");
    }
}
