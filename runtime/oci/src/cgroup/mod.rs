//! Control groups: found, made, joined, limited and removed.
//!
//! The hierarchies are found through `/proc/self/cgroup` and
//! `/proc/self/mountinfo`, never by a fixed path: version 1, version 2 and both
//! side by side ("hybrid") look alike from here. One that cannot be used (not
//! mounted here, read-only, not delegated to this user) is left out: running
//! without a group is no failure, and a limit that is lost with it is a warning.
//!
//! Source: `cgroups(7)`.

mod apply;
mod below;
mod delegate;
mod devices;
mod directory;
mod discover;
mod freezer;
mod groups;
mod limits;
mod oom;
pub(crate) mod owner;
mod placement;
mod processes;
pub mod statistics;
mod sweep;
mod systemd;

pub use below::Below;
pub use discover::{Hierarchy, Version, discover};
pub(crate) use groups::Created;
pub use groups::{Groups, Joining};
pub use oom::{MemoryEvent, OomEvents};
pub(crate) use placement::Placement;
pub use statistics::Statistics;
pub use sweep::{owned_name, sweep};

/// Limits of any author, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(resources: &crate::spec::Resources, now: &str) {
    devices::fuzz(&resources.devices);
    let v1 = limits::v1::settings(resources);
    let v2 = limits::v2::settings(resources, &|_| Some(now.to_owned()));
    for settings in [&v1, &v2].into_iter().flatten() {
        systemd::fuzz(now.as_bytes(), settings, &resources.devices);
    }
    for setting in v1.into_iter().chain(v2).flatten() {
        // No file outside of the group's directory is ever written.
        assert!(!setting.choices.is_empty());
        assert!(
            setting
                .choices
                .iter()
                .all(|(file, _)| !file.contains('/') && file != "..")
        );
    }
}

/// What a bus sends, and names of units, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz_bus(bytes: &[u8]) {
    systemd::fuzz(bytes, &[], &[]);
}

#[cfg(fuzzing)]
pub(crate) use discover::fuzz as fuzz_hierarchies;
