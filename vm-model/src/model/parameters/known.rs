//! Every parameter that the model knows: its unit, what it may be, and what it means.
//!
//! A name that is not here is a mistake, in a file as in the code.

use super::Unit;
use super::Unit::{Bytes, BytesPerSecond, Money, One, PerSecond, Seconds, SecondsPerByte, Watts};

/// No quantity of a computer is greater, in any of the units.
const GREATEST: f64 = 1e18;

/// No kernel runs on more: what Linux can be built for, on any architecture.
const MOST_PROCESSORS: f64 = 8192.0;

/// What is known of a parameter beforehand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// The least that it can be.
    pub least: f64,
    /// The most.
    pub most: f64,
    /// What it is.
    pub meaning: &'static str,
}

const fn any(name: &'static str, unit: Unit, meaning: &'static str) -> Known {
    Known {
        name,
        unit,
        least: 0.0,
        most: GREATEST,
        meaning,
    }
}

/// A part of a whole.
const fn part(name: &'static str, meaning: &'static str) -> Known {
    Known {
        most: 1.0,
        ..any(name, One, meaning)
    }
}

/// A factor around 1, which is neither nothing nor beyond belief.
const fn factor(name: &'static str, meaning: &'static str) -> Known {
    Known {
        least: 0.01,
        most: 1e6,
        ..any(name, One, meaning)
    }
}

/// All of them, by what they are of.
pub const KNOWN: [Known; 67] = [
    factor(
        "host.speed",
        "the host's time for the same work, by what it was at the calibration",
    ),
    any(
        "host.memory",
        Bytes,
        "the host's memory that guests may have",
    ),
    Known {
        least: 0.01,
        most: MOST_PROCESSORS,
        ..any(
            "host.processors",
            One,
            "the host's processors that guests may have",
        )
    },
    any("host.disk", Bytes, "the host's disk that guests may have"),
    any(
        "host.iops",
        PerSecond,
        "the requests that the host's disk answers",
    ),
    any(
        "host.bandwidth",
        BytesPerSecond,
        "how fast all that boot read from the host's disk or cache",
    ),
    any(
        "vm.boot",
        Seconds,
        "from the spawn to the workload at the reference memory: monitor, firmware, kernel and init, not timed apart",
    ),
    any(
        "vm.boot.memory",
        SecondsPerByte,
        "what each further byte of the guest's memory adds to its start",
    ),
    any(
        "vm.boot.archive",
        SecondsPerByte,
        "what each byte of the initial RAM file system adds to its start",
    ),
    any(
        "vm.reference",
        Bytes,
        "the guest's memory for which `vm.boot` and `vm.memory.kernel` stand",
    ),
    any(
        "vm.vmm",
        Seconds,
        "the program that runs the guest, and its firmware where that is not apart",
    ),
    any("vm.firmware", Seconds, "the firmware"),
    any("vm.decompression", Seconds, "the kernel unpacking itself"),
    any("vm.kernel", Seconds, "the kernel's own start, to init"),
    any("vm.init", Seconds, "from the first process to the workload"),
    any(
        "vm.device",
        Seconds,
        "what each device adds to the kernel's start",
    ),
    factor("vm.spread", "a single start, by the mean of many"),
    factor(
        "vm.slowdown",
        "the time of a program's own code in a guest, by its time on the host",
    ),
    factor(
        "vm.slowdown.kernel",
        "the time that a guest's kernel takes for a program, by what the host's takes",
    ),
    any(
        "vm.translation",
        SecondsPerByte,
        "what each byte of a program's code takes when a guest meets it for the first time",
    ),
    part(
        "program.run",
        "the part of its code in memory that a program has run when it is ready",
    ),
    part("vm.work", "the part of a boot that needs a processor"),
    part(
        "vm.contention",
        "by which part each further guest that boots at the same time makes the work of all longer, where `vm.contention.guests` were started",
    ),
    any(
        "vm.contention.guests",
        One,
        "how many guests were started at once for `vm.contention`",
    ),
    part(
        "vm.contention.few",
        "as `vm.contention`, where fewer were started",
    ),
    any(
        "vm.contention.few-guests",
        One,
        "how many guests were started at once for `vm.contention.few`",
    ),
    part(
        "vm.contention.trend",
        "the part of what contention grew by for each doubling of guests that it grows by for the next",
    ),
    part(
        "vm.share.monitor",
        "the part of a boot until the firmware begins",
    ),
    part(
        "vm.share.firmware",
        "the part of a boot that is the firmware's",
    ),
    part(
        "vm.share.kernel",
        "the part of a boot that is the kernel's, with its devices",
    ),
    part(
        "vm.share.init",
        "the part of a boot from init to the workload's byte",
    ),
    any("vm.exit", Seconds, "leaving a guest and entering it again"),
    any("vm.hello", Seconds, "the smallest guest, whole"),
    any(
        "vm.memory.vmm",
        Bytes,
        "the program that runs the guest, each its own, besides the guest's memory",
    ),
    any(
        "vm.memory.shared",
        Bytes,
        "the pages of files that all guests' programs share, counted once",
    ),
    any(
        "vm.memory.kernel",
        Bytes,
        "what a guest touches of its memory at the reference memory",
    ),
    part(
        "vm.memory.accounts",
        "which part of its memory the guest's kernel touches to keep account of it",
    ),
    any(
        "vm.memory.archive",
        One,
        "what a guest touches for each byte of its initial RAM file system, in bytes",
    ),
    any(
        "vm.memory.archive-shared",
        One,
        "what all guests' programs share for each byte of an initial RAM file system, in bytes, counted once",
    ),
    factor(
        "vm.memory.workload",
        "what a guest and its monitor hold of a workload, by what it holds as a process",
    ),
    any(
        "vm.memory.split",
        Bytes,
        "what a guest takes besides, whose memory lies below and above a PC's devices",
    ),
    factor(
        "vm.memory.spread",
        "the memory of a single guest, by the mean of many",
    ),
    any(
        "vm.memory.merged-within",
        Bytes,
        "how much of each guest is equal to more of itself",
    ),
    any(
        "vm.memory.merged-between",
        Bytes,
        "how much of each guest is equal to what each other has",
    ),
    any(
        "vm.restore",
        Seconds,
        "from the spawn to a guest that goes on from a saved state",
    ),
    any(
        "vm.restore.vmm",
        Seconds,
        "of that, until the state is asked for",
    ),
    any(
        "vm.restore.state",
        Bytes,
        "the state that is read before anything runs",
    ),
    any(
        "vm.restore.bandwidth",
        BytesPerSecond,
        "how fast it is read",
    ),
    any(
        "vm.restore.faults",
        One,
        "how many pages are fetched when they are first touched",
    ),
    any("vm.restore.fault", Seconds, "what one of them takes"),
    any(
        "vm.clone.state",
        Bytes,
        "the saved state that clones share, counted once",
    ),
    any("vm.clone.own", Bytes, "what each clone has of its own"),
    any(
        "vm.disk.kernel",
        Bytes,
        "the kernel's image, shared by all guests",
    ),
    any(
        "vm.disk.overlay",
        Bytes,
        "an image over another, before anything is written",
    ),
    any(
        "vm.disk.metadata",
        Bytes,
        "what an image takes besides the bytes that are in it",
    ),
    any(
        "vm.disk.table",
        Bytes,
        "what an overlay takes besides, once something is written to it",
    ),
    any(
        "container.start",
        Seconds,
        "a container's start, to a workload that does nothing",
    ),
    factor(
        "container.spread",
        "a single container's start, by the mean of many",
    ),
    any(
        "container.memory",
        Bytes,
        "a container with a workload that does nothing, its supervisor and what the kernel keeps for it included",
    ),
    any(
        "container.contention",
        One,
        "as `vm.contention`, of containers",
    ),
    any(
        "process.start",
        Seconds,
        "a process's start, that does nothing",
    ),
    factor(
        "process.spread",
        "a single process's start, by the mean of many",
    ),
    any("process.memory", Bytes, "a process that does nothing"),
    any(
        "process.contention",
        One,
        "as `vm.contention`, of processes",
    ),
    any("money.capital", Money, "the host's price"),
    any(
        "money.power",
        Watts,
        "what the host draws, with its cooling",
    ),
    any("money.energy", Money, "the price of a kilowatt-hour"),
];

/// The parameter called `name`.
#[must_use]
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_name_stands_twice_and_each_means_something() {
        let names: BTreeSet<&str> = KNOWN.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), KNOWN.len());
        assert!(KNOWN.iter().all(|known| known.meaning.len() > 8));
        assert!(KNOWN.iter().all(|known| known.least < known.most));
    }
}
