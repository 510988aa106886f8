//! The rehearsal: every command of a script is run on the room's machine, timed
//! and recorded, so that whoever shows the demo knows beforehand what will run
//! there and what will be shown from a recording.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use super::cast::{self, Cast, Header, Provenance};
use super::performance::{Performance, Source};
use super::script::Step;
use super::signals::Signals;
use super::stage::Stage;
use super::unattended::SIZE;
use crate::report::Environment;
use crate::scratch::Scratch;

/// What a rehearsal found out.
#[derive(Debug, Serialize)]
pub struct Rehearsal {
    /// Always `isolab.rehearsal/1`.
    pub schema: &'static str,
    /// The script's title.
    pub title: String,
    /// Its planned time, in seconds.
    pub planned_s: u64,
    /// Its steps, in order.
    pub steps: Vec<Rehearsed>,
    /// Whether a signal ended it early.
    pub interrupted: bool,
}

/// How one step went.
#[derive(Debug, Serialize)]
pub struct Rehearsed {
    /// The number of its beat, from 1.
    pub beat: usize,
    /// Its command as somebody would type it.
    pub command: String,
    /// The beat's planned time, in seconds.
    pub planned_s: u64,
    /// After how many seconds its recording takes over.
    pub bound_s: u64,
    /// How many seconds it took here; absent if it did not run to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_s: Option<f64>,
    /// `live`, `RECORDED`, or `missing`: neither.
    pub will_be: &'static str,
    /// Why it is not live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Runs every step of the script, and keeps the recordings of those that run in
/// `dir`. `progress` is told of each step before it begins.
///
/// # Errors
/// If a recording cannot be written.
pub fn rehearse(stage: &Stage<'_>, dir: &Path, progress: &dyn Fn(&str)) -> Result<Rehearsal> {
    let signals = Signals::listen()?;
    // Not in `dir`: some tools leave files where they are asked for their version.
    let here = Environment::capture(Scratch::new()?.path());
    let script = stage.script;
    let mut rehearsal = Rehearsal {
        schema: "isolab.rehearsal/1",
        title: script.title.clone(),
        planned_s: script.planned().as_secs(),
        steps: Vec::new(),
        interrupted: false,
    };
    for (index, step) in script.steps() {
        progress(&format!("beat {}: {}", index + 1, step.typed()));
        let begun = SystemTime::now();
        let Some(performance) = watch(stage, step, &signals)? else {
            rehearsal.interrupted = true;
            break;
        };
        let mut rehearsed = Rehearsed {
            beat: index + 1,
            command: step.typed(),
            planned_s: script.beats[index].planned.as_secs(),
            bound_s: step.bound.as_secs(),
            took_s: None,
            will_be: "live",
            why: None,
        };
        match performance.source() {
            Source::Live => {
                rehearsed.took_s = Some(performance.elapsed(Instant::now()).as_secs_f64());
                save(dir, &recording(&performance, &here, begun))?;
            }
            Source::Recorded { why, .. } => {
                rehearsed.will_be = "RECORDED";
                rehearsed.why = Some(why.clone());
            }
            Source::Absent { why } => {
                rehearsed.will_be = "missing";
                rehearsed.why = Some(why.clone());
            }
        }
        rehearsal.steps.push(rehearsed);
    }
    Ok(rehearsal)
}

/// Runs `step` to its end or until its recording would take over; `None` if a
/// signal came first.
fn watch<'a>(
    stage: &Stage<'_>,
    step: &'a Step,
    signals: &Signals,
) -> Result<Option<Performance<'a>>> {
    let mut performance = stage.perform(step, SIZE);
    while performance.is_live() {
        let mut waited: Vec<PollFd<'_>> = performance
            .sources()
            .into_iter()
            .chain([signals.source()])
            .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
            .collect();
        // Its errors are a signal's interruption, or will be seen in `advance`.
        let _ = poll(&mut waited, PollTimeout::from(20u8));
        drop(waited);
        std::thread::sleep(Duration::from_millis(1));
        signals.awake();
        if signals.ending().is_some() {
            return Ok(None);
        }
        performance.advance(Instant::now());
    }
    Ok(Some(performance))
}

/// What `performance` said, as a recording with its provenance.
fn recording(performance: &Performance<'_>, here: &Environment, begun: SystemTime) -> Cast {
    let step = performance.step();
    let since = begun
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let recorded = humantime::format_rfc3339_seconds(begun).to_string();
    // Cut at the ends of characters: an event's text is whole.
    let mut pending = Vec::new();
    let mut events = Vec::new();
    for (at, bytes) in performance.events() {
        pending.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&pending) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => pending.len(),
        };
        let rest = pending.split_off(whole);
        events.push((*at, String::from_utf8_lossy(&pending).into_owned()));
        pending = rest;
    }
    Cast {
        header: Header {
            version: 2,
            width: SIZE.width,
            height: SIZE.height,
            timestamp: since.as_secs(),
            idle_time_limit: 1.5,
            command: step.typed(),
            isolab: Provenance::new(here, &step.words, &recorded),
        },
        events,
    }
}

/// Writes `cast` into `dir`: whole, or not at all.
fn save(dir: &Path, cast: &Cast) -> Result<()> {
    let path = dir.join(cast::file_name(&cast.header.isolab.words));
    let write = || {
        let mut builder = tempfile::Builder::new();
        builder.permissions(Permissions::from_mode(0o644));
        let mut file = builder.prefix(".isolab-").tempfile_in(dir)?;
        file.write_all(cast.to_text().as_bytes())?;
        file.persist(&path)?;
        Ok::<(), std::io::Error>(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

impl Rehearsal {
    /// Whether a step would leave the room with nothing to see.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.steps.iter().any(|step| step.will_be == "missing")
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.title);
        for step in &self.steps {
            let took = step
                .took_s
                .map_or_else(|| "-".to_owned(), |took| format!("{took:.1} s"));
            text.push_str(&format!(
                "beat {:>2}  {:<8}  {took:>7} of at most {} s  {}\n",
                step.beat, step.will_be, step.bound_s, step.command
            ));
            if let Some(why) = &step.why {
                text.push_str(&format!("         because {why}\n"));
            }
        }
        let count = |what| {
            self.steps
                .iter()
                .filter(|step| step.will_be == what)
                .count()
        };
        let (live, recorded, missing) = (count("live"), count("RECORDED"), count("missing"));
        text.push_str(&format!(
            "\n{live} live, {recorded} RECORDED, {missing} missing\n"
        ));
        if self.interrupted {
            text.push_str("interrupted: the steps after these were not tried\n");
        }
        text
    }
}
