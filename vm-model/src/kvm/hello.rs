//! Running the smallest guest, and counting what it costs.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the guest is to do besides saying hello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// How often it is to leave the guest for nothing: the cost of an exit. At least 1.
    pub exits: u32,
    /// How many rounds of two instructions it is to make without leaving it. At least 1.
    pub rounds: u64,
}

impl Default for Asked {
    /// Enough to tell a processor from an interpreter, in a fraction of a second of either.
    fn default() -> Self {
        Self {
            exits: 1000,
            rounds: 500_000,
        }
    }
}

/// How often the guest was left, by why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exits {
    /// It wrote to a port.
    pub port: u64,
    /// It halted.
    pub halt: u64,
}

/// What the guest did and took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// What it said.
    pub said: String,
    /// How often it was left.
    pub exits: Exits,
    /// From opening `/dev/kvm` to a processor that is ready to begin; as all its times, in
    /// seconds where it is written down.
    #[serde(with = "seconds")]
    pub created: Duration,
    /// From there to its first letter.
    #[serde(with = "seconds")]
    pub first_letter: Duration,
    /// What leaving the guest and entering it again takes, in the mean of those for nothing.
    #[serde(with = "seconds")]
    pub per_exit: Duration,
    /// Its speed in the loop, in instructions per second.
    pub instructions_per_second: f64,
    /// From opening `/dev/kvm` until nothing of the machine was left.
    #[serde(with = "seconds")]
    pub whole: Duration,
}

/// Runs it, in this very process: under a kernel that interprets guests this can take as long as
/// it likes, so [`grade`](super::grade) has it done in another.
///
/// # Errors
/// If `/dev/kvm` does not open or the machine cannot be made, if it is left for a reason that the
/// program gives none for, and on processors that the program is not written for.
#[cfg(target_arch = "x86_64")]
pub fn hello(asked: Asked) -> io::Result<Hello> {
    super::run::hello(asked)
}

/// Says that the program is not written for this processor.
///
/// # Errors
/// Always.
#[cfg(not(target_arch = "x86_64"))]
pub fn hello(_: Asked) -> io::Result<Hello> {
    let reason = "the guest's program is written for x86-64";
    Err(io::Error::new(io::ErrorKind::Unsupported, reason))
}

/// A duration as a number of seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds).map_err(de::Error::custom)
    }
}
