//! The counters of version 2, in the words of version 1 that runc's clients know.

use std::fs;
use std::path::Path;

use super::parse::{keyed, list, number, pressure};
use super::{BlkioEntry, Hugetlb, MemoryEntry, Statistics};

/// Adds what a version 2 group counts.
pub(super) fn read(group: &Path, all: &mut Statistics) {
    cpu(group, all);
    all.cpuset.cpus = list(group, "cpuset.cpus.effective");
    all.cpuset.mems = list(group, "cpuset.mems.effective");
    memory(group, all);
    all.pids.current = number(group, "pids.current");
    let limit = number(group, "pids.max");
    all.pids.limit = if limit == u64::MAX { 0 } else { limit };
    io(group, all);
    for size in page_sizes(group, ".current") {
        let failed = keyed(group, &format!("hugetlb.{size}.events"));
        let entry = Hugetlb {
            usage: number(group, &format!("hugetlb.{size}.current")),
            max: 0,
            failcnt: failed.get("max").copied().unwrap_or(0),
        };
        all.hugetlb.insert(size, entry);
    }
}

fn cpu(group: &Path, all: &mut Statistics) {
    let stat = keyed(group, "cpu.stat");
    let of = |key: &str| stat.get(key).copied().unwrap_or(0);
    let cpu = &mut all.cpu;
    cpu.usage.total = of("usage_usec") * 1000;
    cpu.usage.user = of("user_usec") * 1000;
    cpu.usage.kernel = of("system_usec") * 1000;
    cpu.throttling.periods = of("nr_periods");
    cpu.throttling.throttled_periods = of("nr_throttled");
    cpu.throttling.throttled_time = of("throttled_usec") * 1000;
    cpu.psi = pressure(group, "cpu.pressure");
}

fn memory(group: &Path, all: &mut Statistics) {
    let raw = keyed(group, "memory.stat");
    if raw.is_empty() {
        return; // the controller is not handed down, or it is one of version 1
    }
    let entry = |kind: &str| MemoryEntry {
        limit: number(group, &format!("memory.{kind}max")),
        usage: number(group, &format!("memory.{kind}current")),
        max: number(group, &format!("memory.{kind}peak")),
        failcnt: 0,
    };
    let memory = &mut all.memory;
    memory.cache = raw.get("file").copied().unwrap_or(0);
    memory.usage = entry("");
    let events = keyed(group, "memory.events");
    memory.usage.failcnt = events.get("max").copied().unwrap_or(0);
    // Version 1 counts both together, and so do its readers.
    memory.swap = entry("swap.");
    memory.swap.usage += memory.usage.usage;
    memory.swap.limit = memory.swap.limit.saturating_add(memory.usage.limit);
    memory.psi = pressure(group, "memory.pressure");
    memory.raw = raw;
}

/// Lines such as `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn io(group: &Path, all: &mut Statistics) {
    let text = fs::read_to_string(group.join("io.stat")).unwrap_or_default();
    for line in text.lines() {
        let Some((device, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((Ok(major), Ok(minor))) =
            device.split_once(':').map(|(a, b)| (a.parse(), b.parse()))
        else {
            continue;
        };
        for (key, value) in rest
            .split_whitespace()
            .filter_map(|word| word.split_once('='))
        {
            let blkio = &mut all.blkio;
            let (list, op) = match key {
                "rbytes" => (&mut blkio.io_service_bytes_recursive, "Read"),
                "wbytes" => (&mut blkio.io_service_bytes_recursive, "Write"),
                "rios" => (&mut blkio.io_serviced_recursive, "Read"),
                "wios" => (&mut blkio.io_serviced_recursive, "Write"),
                _ => continue,
            };
            list.push(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value: value.parse().unwrap_or(0),
            });
        }
    }
    all.blkio.psi = pressure(group, "io.pressure");
}

/// The sizes of huge pages that have a file `hugetlb.SIZE` and `end`.
pub(super) fn page_sizes(group: &Path, end: &str) -> Vec<String> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let sizes = names.filter_map(|name| {
        let size = name.strip_prefix("hugetlb.")?.strip_suffix(end)?;
        (!size.contains('.')).then(|| size.to_owned())
    });
    sizes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_2_is_told_in_the_words_of_version_1() {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "cpu.stat",
                "usage_usec 3\nuser_usec 2\nsystem_usec 1\nnr_throttled 4\nthrottled_usec 5\n",
            ),
            (
                "cpu.pressure",
                "some avg10=2.00 avg60=0.00 avg300=0.00 total=8\nfull avg10=1.00 avg60=0.00 avg300=0.00 total=4\n",
            ),
            ("memory.stat", "anon 1\nfile 4096\n"),
            ("memory.current", "100\n"),
            ("memory.max", "200\n"),
            ("memory.peak", "150\n"),
            ("memory.swap.current", "10\n"),
            ("memory.swap.max", "max\n"),
            ("memory.events", "low 0\nmax 6\noom_kill 1\n"),
            ("pids.current", "3\n"),
            ("pids.max", "max\n"),
            (
                "io.stat",
                "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n",
            ),
            ("hugetlb.2MB.current", "0\n"),
            ("hugetlb.2MB.rsvd.current", "0\n"),
            ("hugetlb.2MB.events", "max 9\n"),
        ] {
            fs::write(root.path().join(file), text).unwrap();
        }
        let mut all = Statistics::default();
        read(root.path(), &mut all);
        assert_eq!((all.cpu.usage.total, all.cpu.usage.kernel), (3000, 1000));
        assert_eq!(all.cpu.throttling.throttled_time, 5000);
        assert_eq!(all.cpu.psi.unwrap().full.total, 4);
        let memory = &all.memory;
        assert_eq!(
            (memory.usage.limit, memory.usage.max, memory.usage.failcnt),
            (200, 150, 6)
        );
        assert_eq!((memory.swap.usage, memory.swap.limit), (110, u64::MAX));
        assert_eq!(memory.cache, 4096);
        assert_eq!((all.pids.current, all.pids.limit), (3, 0));
        assert_eq!(all.blkio.io_serviced_recursive[1].value, 4);
        assert_eq!(all.hugetlb.len(), 1);
        assert_eq!(all.hugetlb["2MB"].failcnt, 9);
    }
}
