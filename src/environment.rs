//! The machine that a number was taken on.
//!
//! A figure without its machine is an anecdote, so every report carries this
//! block. It is read from `/proc` and `/sys` alone, for an answer that needs no
//! command is the same in a container, in a guest and on a bare host; only the
//! versions of [`tools`] are asked of the tools, each within a bound.

use std::fs;
use std::path::Path;

use crate::report::Environment;

pub mod bounded;
pub mod cgroup;
pub mod mounts;
pub mod tools;
pub mod virtualization;

impl Environment {
    /// Describes this machine; `scratch` is where the run keeps its files.
    ///
    /// Takes about as long as the slowest `--version` among the tools. The load
    /// after the run is not known yet: [`Environment::finish`] adds it.
    #[must_use]
    pub fn capture(scratch: &Path) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let mounts = mounts::parse(&read("/proc/self/mountinfo"));
        let hierarchies = cgroup::hierarchies(&read("/proc/self/cgroup"), &mounts);
        let load = load();
        Self {
            isolab: env!("CARGO_PKG_VERSION").to_owned(),
            os: os_name(&read("/etc/os-release")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: cpu_model(&cpuinfo).unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: allowed_cpus(&read("/proc/self/status")).map_or_else(
                || std::thread::available_parallelism().map_or(1, Into::into),
                |named| named.len(),
            ),
            memory_bytes: memory_total_bytes(&read("/proc/meminfo")).unwrap_or(0),
            cgroup: cgroup::mode(&hierarchies).name().to_owned(),
            virtualization: virtualization::Signs::read().describe(),
            root: nix::unistd::geteuid().is_root(),
            filesystem: scratch
                .canonicalize()
                .ok()
                .and_then(|path| Some(mounts::holding(&mounts, &path)?.fstype.clone()))
                .unwrap_or_else(|| "unknown".to_owned()),
            load_before: load,
            load_after: load,
            tools: tools::versions(scratch),
        }
    }

    /// Notes the load at the end of the run.
    pub fn finish(&mut self) {
        self.load_after = load();
    }
}

/// A small file's text, or nothing: a machine that hides a file from us is
/// described with one line less, not with an error.
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// The one-minute load average; 0 where `/proc/loadavg` is hidden.
fn load() -> f64 {
    read("/proc/loadavg")
        .split(' ')
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0.0)
}

/// `PRETTY_NAME` of os-release(5).
fn os_name(os_release: &str) -> String {
    os_release_field(os_release, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned())
}

/// A field of os-release(5), without its quotes.
pub(crate) fn os_release_field(os_release: &str, name: &str) -> Option<String> {
    let line = os_release
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

/// The CPU's name. x86 says `model name`; Arm boards say `Model` or `Hardware`,
/// and many say nothing.
fn cpu_model(cpuinfo: &str) -> Option<String> {
    ["model name", "Model", "Hardware", "cpu model"]
        .iter()
        .find_map(|key| colon_field(cpuinfo, key))
        .map(str::to_owned)
}

/// The value of the first `key : value` line of a `/proc` file.
pub(crate) fn colon_field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then_some(value.trim())
    })
}

/// The CPUs that the affinity mask lets us run on, from `Cpus_allowed_list`.
pub(crate) fn allowed_cpus(status: &str) -> Option<Vec<usize>> {
    let ranges = colon_field(status, "Cpus_allowed_list")?.split(',');
    let each = ranges.map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<usize>().ok()?, last.parse::<usize>().ok()?);
        (first <= last).then_some(first..=last)
    });
    let ranges = each.collect::<Option<Vec<_>>>()?;
    Some(ranges.into_iter().flatten().collect())
}

/// `MemTotal` of `/proc/meminfo`, which counts in KiB.
fn memory_total_bytes(meminfo: &str) -> Option<u64> {
    let kib = colon_field(meminfo, "MemTotal")?.strip_suffix(" kB")?;
    kib.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_counted_by_affinity_not_by_number_present() {
        let named = |list: &str| allowed_cpus(&format!("Cpus_allowed_list:\t{list}\n"));
        assert_eq!(named("0-1"), Some(vec![0, 1]));
        assert_eq!(named("3"), Some(vec![3]));
        assert_eq!(named("0-3,8,10-11"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(named("nonsense"), None);
        assert_eq!(named("3-1"), None);
    }

    #[test]
    fn the_name_of_the_distribution_loses_its_quotes() {
        let text = "ID=ubuntu\nPRETTY_NAME=\"Ubuntu 24.04.2 LTS\"\n";
        assert_eq!(os_name(text), "Ubuntu 24.04.2 LTS");
        assert_eq!(os_release_field(text, "ID").as_deref(), Some("ubuntu"));
        assert_eq!(os_name(""), "Linux");
    }

    #[test]
    fn memory_is_kept_in_bytes() {
        assert_eq!(
            memory_total_bytes("MemTotal:       2048 kB\n"),
            Some(2 << 20)
        );
    }

    #[test]
    fn a_cpu_without_a_name_is_called_by_its_architecture() {
        assert_eq!(
            cpu_model("model name\t: AMD EPYC\n").as_deref(),
            Some("AMD EPYC")
        );
        assert_eq!(cpu_model("CPU part\t: 0xd40\n"), None);
    }

    #[test]
    fn this_machine_is_described_without_a_gap() {
        let here = Environment::capture(Path::new("/"));
        assert!(!here.kernel.is_empty() && !here.filesystem.is_empty());
        assert!(here.cpus > 0 && here.memory_bytes > 0);
    }
}
