//! Doors for the fuzzer to parsers that nobody else reaches from outside.
//!
//! It is there under `--cfg fuzzing` alone, which `cargo fuzz` sets.

use std::path::Path;

use crate::Result;
use crate::spec::{Linux, Resources, Spec};

/// As [`Spec::load`], from a text.
///
/// # Errors
/// As there.
pub fn config(text: &[u8]) -> Result<Spec> {
    crate::spec::parse(text, Path::new("config.json"), "")
}

/// What `update` asks of limits before it writes any.
///
/// # Errors
/// [`crate::Error::Invalid`].
pub fn check_resources(resources: &Resources) -> Result<()> {
    crate::spec::validate::check_resources(resources)
}

/// A name and a value of `linux.sysctl`.
pub fn sysctl(name: &str, value: &str, linux: &Linux) {
    let _ = crate::rootfs::Sysctl::prepare(name, value, linux);
}

/// A list of CPUs.
pub fn cpus(list: &str) {
    if let Ok(mask) = crate::spec::parse_cpus(list) {
        assert!(!mask.is_empty() && mask.len() <= 128);
    }
}

/// Limits, where control files hold `now`.
pub fn limits(resources: &Resources, now: &str) {
    crate::cgroup::fuzz(resources, now);
}

/// What comes over a bus from systemd, and texts that become names of its units.
pub fn bus(bytes: &[u8]) {
    crate::cgroup::fuzz_bus(bytes);
}

/// The texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
pub fn hierarchies(membership: &str, mountinfo: &str) {
    crate::cgroup::fuzz_hierarchies(membership, mountinfo);
    crate::procfs::fuzz(mountinfo);
}

/// What is written down of a container.
pub fn record(text: &[u8]) {
    crate::container::fuzz(text);
}

/// An environment, or an `/etc/passwd`.
pub fn program(text: &str) {
    crate::process::fuzz(text);
}

/// Mount options, paths, a table of mounts.
pub fn root(text: &str) {
    crate::rootfs::fuzz(text);
}
