//! What can be asked, and how the equations and the parameters come together for it.
//!
//! The equations are the same for guests, containers and processes; the parameters are each kind's
//! own. A container has no kernel of its own and a process no file system, so their terms are fewer.

mod density;
mod disk;
mod memory;
mod money;
mod startup;
mod storm;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use density::Density;
pub use disk::Disk;
pub use memory::{Memory, Saving};
pub use money::Money;
pub use startup::Startup;
pub use storm::{Storm, Wait};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A guest.
    #[default]
    Vm,
    /// A container.
    Container,
    /// A process.
    Process,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Vm, Self::Container, Self::Process];

    /// The word for it, with which its parameters' names begin.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::Container => "container",
            Self::Process => "process",
        }
    }

    /// `count` of them, in words.
    #[must_use]
    pub fn counted(self, count: u32) -> String {
        let (one, many) = match self {
            Self::Vm => ("guest", "guests"),
            Self::Container => ("container", "containers"),
            Self::Process => ("process", "processes"),
        };
        format!("{count} {}", if count == 1 { one } else { many })
    }

    /// The name of one of its parameters.
    fn parameter(self, name: &str) -> String {
        format!("{}.{name}", self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What each of them is and does, whatever is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Each {
    /// What it is.
    pub kind: Kind,
    /// A guest's memory, in bytes.
    pub memory: f64,
    /// A guest's initial RAM file system, in bytes; nothing where it has a disk.
    pub archive: f64,
    /// The processor time that the workload itself takes to be ready, as a process on the host, in
    /// seconds.
    pub workload_time: f64,
    /// The part of it that the kernel takes for it, in seconds.
    pub workload_kernel: f64,
    /// The code that it has in memory when it is ready, in bytes.
    pub workload_code: f64,
    /// What its firmware and its kernel's unpacking take by hardware beyond those of the guests
    /// that were calibrated, in seconds.
    pub beyond: f64,
    /// The memory that it holds, in bytes.
    pub workload_memory: f64,
    /// The devices that a guest has beside the machine's own.
    pub devices: u32,
    /// Whether it goes on from a saved state instead of starting.
    pub restored: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parameters::{Origin, Parameter, Parameters};

    /// Parameters with round values and no uncertainty, to compute with by hand.
    pub(super) fn exact(values: &[(&str, f64)]) -> Parameters {
        let given = || Origin::Given {
            why: "for a test".to_owned(),
        };
        let one = |(name, value): &(&str, f64)| Parameter::exactly(name, *value, given());
        values.iter().map(one).collect()
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(Kind::Vm.counted(1), "1 guest");
        assert_eq!(Kind::Process.counted(3), "3 processes");
    }
}
