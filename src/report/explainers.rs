//! What each metric means: where its clock ran, or what its bytes count.

use crate::observation::{Metric, State, Workload};

/// One sentence on how `metric` was taken.
#[must_use]
pub fn metric(metric: Metric) -> &'static str {
    match metric {
        Metric::Startup => {
            "From just before the start until the workload's own ready byte arrives: \
             the same point in every subject."
        }
        Metric::Teardown => {
            "From telling a held workload to end until nothing of the subject is left: \
             no process, mount or cgroup."
        }
        Metric::Provision => {
            "Making what the subject needs before it can first start: nothing for a process, \
             an environment, a root file system or a guest's image."
        }
        Metric::Disk => {
            "Allocated blocks of a full copy, hard links counted once; not the apparent size."
        }
        Metric::DiskOneMore => {
            "Allocated blocks that one more of the kind takes when it shares all that it can."
        }
        Metric::Memory => {
            "Proportional set size of one held subject: pages shared with others are divided \
             among their sharers."
        }
        Metric::MemorySlope => {
            "What each further held subject takes from the host's available memory: the slope \
             over 1, 2, 4 and 8 of them."
        }
    }
}

/// One sentence on what `state` means for a start.
#[must_use]
pub fn state(state: State) -> &'static str {
    match state {
        State::First => "a fresh environment, caches dropped where that is permitted",
        State::AfterIdle => "a pause of 150 ms before each start, as when a person types commands",
        State::BackToBack => "one start right after another, as in a loop",
    }
}

/// What `workload` does.
#[must_use]
pub fn workload(workload: Workload) -> &'static str {
    match workload {
        Workload::True => "a static program of about a kilobyte: the cost of the subject alone",
        Workload::Python => "the Python interpreter's start and `import json, ssl, sqlite3`",
        Workload::Library => {
            "a Django site with a REST API, served on loopback: ready at its first correct answer"
        }
    }
}

/// What a kind of evidence means, by its [name](crate::observation::Evidence::kind).
#[must_use]
pub fn evidence(kind: &str) -> &'static str {
    match kind {
        "measured" => "it ran on this machine in this run",
        "emulated" => "a real guest ran, but under an emulator: no measure of virtualization",
        _ => "calculated from published figures, likely value and range; nothing ran",
    }
}
