//! `--trace`: the time line of a start, a JSON object a line, for whoever draws
//! it. Reading a clock at each step costs time, so a build has it or has not.

use std::time::Instant;

use isolab_oci::Running;

use crate::arguments::{Given, Key};
use crate::failure::Failure;
use crate::log::Log;

/// Refuses the option where this build has no clock readings to write.
pub(crate) fn check(given: &Given<'_>) -> Result<(), Failure> {
    if cfg!(feature = "trace") || given.value(Key::Trace).is_none() {
        return Ok(());
    }
    Err(Failure::new(
        "--trace: this isorun was built without the feature `trace`",
        "build one with it: cargo build --release -p isolab-oci --features trace",
    ))
}

/// Writes what was done to start a process.
#[cfg(feature = "trace")]
pub(crate) fn write(given: &Given<'_>, running: &Running, log: &mut Log<'_>) {
    use isolab_oci::process::By;
    let events = running.trace().iter().map(|event| Line {
        step: &event.what,
        start: event.begin_ns,
        end: event.end_ns,
        who: match event.by {
            By::Runtime => "parent",
            By::Child => "child",
        },
    });
    lines(given, events, log);
}

/// There is nothing to write.
#[cfg(not(feature = "trace"))]
pub(crate) fn write(_: &Given<'_>, _: &Running, _: &mut Log<'_>) {}

/// Writes how long it took until the program of a created container ran.
#[cfg(feature = "trace")]
pub(crate) fn write_start(given: &Given<'_>, begun: Instant, log: &mut Log<'_>) {
    let line = Line {
        step: "run the hooks and have the program executed",
        start: 0,
        end: u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX),
        who: "parent",
    };
    lines(given, std::iter::once(line), log);
}

/// There is nothing to write.
#[cfg(not(feature = "trace"))]
pub(crate) fn write_start(_: &Given<'_>, _: Instant, _: &mut Log<'_>) {}

/// One thing that was done.
#[cfg(feature = "trace")]
#[derive(serde::Serialize)]
struct Line<'a> {
    step: &'a str,
    /// In nanoseconds since the start.
    start: u64,
    end: u64,
    who: &'a str,
}

/// The process runs by now: that its time line cannot be written is a warning.
#[cfg(feature = "trace")]
fn lines<'a>(given: &Given<'_>, all: impl Iterator<Item = Line<'a>>, log: &mut Log<'_>) {
    let Some(file) = given.path(Key::Trace) else {
        return;
    };
    let text: String = all
        .filter_map(|line| serde_json::to_string(&line).ok())
        .flat_map(|line| [line, "\n".to_owned()])
        .collect();
    if let Err(error) = std::fs::write(file, text) {
        log.warn(Failure::file("write --trace", file, &error).message);
    }
}
