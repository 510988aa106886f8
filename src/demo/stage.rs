//! What a demo plays with: the script, the recordings, and a directory for its
//! commands that goes with the demo.

use std::time::Instant;

use super::library::Recordings;
use super::live::Size;
use super::orphans;
use super::performance::Performance;
use super::script::{Script, Step};
use crate::scratch::Scratch;

/// What a demo plays with.
#[derive(Debug)]
pub struct Stage<'a> {
    /// What is shown.
    pub script: &'a Script,
    recordings: Recordings,
    /// Whether nothing is run, only recordings are shown.
    recorded: bool,
    /// Where commands run, or why there is no such place.
    scratch: Result<Scratch, String>,
}

impl<'a> Stage<'a> {
    /// A stage for `script`. Without a directory to write to there is one all the
    /// same: then every command is shown from its recording.
    #[must_use]
    pub fn new(script: &'a Script, recordings: Recordings, recorded: bool) -> Self {
        orphans::adopt();
        let scratch = if recorded {
            Err("only recordings are shown".to_owned())
        } else {
            Scratch::new().map_err(|error| format!("{error:#}"))
        };
        Self {
            script,
            recordings,
            recorded,
            scratch,
        }
    }

    /// Starts `step`.
    #[must_use]
    pub fn perform<'b>(&self, step: &'b Step, size: Size) -> Performance<'b> {
        if self.recorded {
            return self.replay(step, "the demo was started with --recorded");
        }
        let dir = self.scratch.as_ref().map(Scratch::path);
        let recording = self.recordings.of(&step.words);
        let dir = dir.map_err(String::as_str);
        Performance::live(step, dir, size, recording, Instant::now())
    }

    /// Shows the recording of `step`.
    #[must_use]
    pub fn replay<'b>(&self, step: &'b Step, why: &str) -> Performance<'b> {
        let recording = self.recordings.of(&step.words);
        Performance::recorded(step, recording, why, Instant::now())
    }

    /// Whether `step` has a recording to take over.
    #[must_use]
    pub fn has_recording(&self, step: &Step) -> bool {
        self.recordings.of(&step.words).is_some()
    }
}

impl Drop for Stage<'_> {
    /// Removes what a command left that had to be killed: making a new directory
    /// sweeps those of the dead.
    fn drop(&mut self) {
        if self.scratch.is_ok() {
            drop(Scratch::new());
            let _ = isolab_oci::cgroup::sweep();
        }
    }
}
