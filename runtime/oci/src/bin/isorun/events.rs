//! `isorun events`: what a container uses, and when the kernel kills in it for
//! lack of memory; a JSON object a line, as containerd reads them.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use isolab_oci::Container;
use isolab_oci::cgroup::MemoryEvent;
use serde::Serialize;

use crate::arguments::{Given, Key};
use crate::exit::ExitCode;
use crate::failure::{Failure, in_words};
use crate::{container, time};

/// How often it is looked whether the container still runs.
const LOOK: Duration = Duration::from_millis(200);

/// One line.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<isolab_oci::cgroup::Statistics>,
}

/// Prints events until the container has ended, or statistics once.
pub(crate) fn events(given: &Given<'_>) -> Result<ExitCode, Failure> {
    let interval = time::duration(given.value(Key::Interval).unwrap_or("5s"))?;
    let container = container::load(given)?;
    if container.pid().is_none() {
        return Err(Failure::new(
            format!("container with id {} is not running", container.id()),
            "a stopped container uses nothing; `isorun list` shows what runs",
        ));
    }
    if given.flag(Key::Stats) {
        statistics(&container)?;
    } else {
        follow(&container, interval)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints as long as the container runs and somebody reads.
fn follow(container: &Container, interval: Duration) -> Result<(), Failure> {
    // A host that does not count memory tells of no lack of it.
    let mut memory = container.groups().oom_events().ok();
    let mut next = Instant::now() + interval;
    while container.pid().is_some() {
        let left = next.saturating_duration_since(Instant::now());
        if left.is_zero() {
            next += interval;
            if !statistics(container)? {
                break;
            }
            continue;
        }
        let wait = left.min(LOOK);
        let Some(events) = &mut memory else {
            std::thread::sleep(wait);
            continue;
        };
        // A wait of no milliseconds would be no wait.
        let milliseconds = i32::try_from(wait.as_millis()).unwrap_or(1).max(1);
        let goes_on = match events.wait(milliseconds)? {
            Some(MemoryEvent::OutOfMemory) => print(container, "oom", None)?,
            Some(MemoryEvent::Gone) => false,
            None => true,
        };
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Whether somebody read them.
fn statistics(container: &Container) -> Result<bool, Failure> {
    print(container, "stats", Some(container.groups().statistics()))
}

/// Prints a line at once; whether somebody reads.
fn print(
    container: &Container,
    kind: &str,
    data: Option<isolab_oci::cgroup::Statistics>,
) -> Result<bool, Failure> {
    let event = Event {
        kind,
        id: container.id(),
        data,
    };
    let mut line = serde_json::to_string(&event)
        .map_err(|error| Failure::plain(format!("cannot write JSON: {error}")))?;
    line.push('\n');
    let mut out = io::stdout().lock();
    let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::plain(format!(
            "cannot write to the standard output: {}",
            in_words(&error)
        ))),
    }
}
