//! What is shown on standard error of what takes its time: nothing in the first second.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use venv_sim::fill::{Plan, Step};

use super::outcome;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::report::text::shown;
use crate::stderr;

/// So long nobody wants to know.
const QUIET: Duration = Duration::from_secs(1);

/// Watches an order being carried out.
pub(super) struct Watch(Mutex<State>);

struct State {
    begun: Instant,
    bar: Option<ProgressBar>,
    is_quiet: bool,
    is_verbose: bool,
    seen: Seen,
    message: String,
    wheels: usize,
    stored: usize,
    bytes: u64,
    came: u64,
    files: BTreeMap<String, i64>,
}

impl Watch {
    /// One that shows nothing where it `is_quiet`, and says more where it `is_verbose`.
    pub(super) fn new(is_quiet: bool, is_verbose: bool) -> Self {
        Self(Mutex::new(State {
            begun: Instant::now(),
            bar: None,
            is_quiet,
            is_verbose,
            seen: Seen::default(),
            message: String::new(),
            wheels: 0,
            stored: 0,
            bytes: 0,
            came: 0,
            files: BTreeMap::new(),
        }))
    }

    /// Told by the library, from any thread.
    pub(super) fn step(&self, step: Step<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.take(step);
        state.draw();
    }

    /// How long it took until now.
    pub(super) fn elapsed(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.begun.elapsed()
    }

    /// Takes the bar away; what was seen.
    pub(super) fn end(self) -> Seen {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen.next("");
        std::mem::take(&mut state.seen)
    }
}

/// What took how long, and what came.
#[derive(Default)]
pub(super) struct Seen {
    since: Option<(&'static str, Instant)>,
    took: Vec<(&'static str, Duration)>,
    came: BTreeSet<String>,
}

impl Seen {
    fn next(&mut self, what: &'static str) {
        let now = Instant::now();
        if let Some((what, since)) = self.since.replace((what, now)) {
            self.took.push((what, now - since));
        }
    }

    /// Where each wheel of `plan` came from, and how long it took: a line each.
    pub(super) fn told(&self, plan: &Plan) -> String {
        let mut text = String::new();
        for offer in plan.additions().filter_map(|pick| pick.offer.as_ref()) {
            let from = match self.came.contains(&offer.file_name) {
                true => offer.location.to_string(),
                false => "what is kept".to_owned(),
            };
            let line = format!("{} from {from}", offer.file_name);
            let _ = writeln!(text, "{}", shown(&line));
        }
        for (what, took) in &self.took {
            let _ = writeln!(text, "{what} took {:.3} s", took.as_secs_f64());
        }
        text
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let state = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &state.bar {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn take(&mut self, step: Step<'_>) {
        match step {
            Step::Asking(settings) => {
                if self.is_verbose {
                    settings
                        .lines()
                        .for_each(|line| stderr::tell(format_args!("{}", shown(line))));
                }
            }
            Step::Choosing => {
                self.seen.next("choosing");
                self.message = "choosing versions".to_owned();
            }
            Step::Gathering(wheels, bytes) => {
                self.seen.next("getting wheels");
                (self.wheels, self.bytes) = (wheels, bytes);
            }
            Step::Came(file, count) => {
                let of_file = self.files.entry(file.to_owned()).or_default();
                *of_file += count;
                self.came = self.files.values().sum::<i64>().try_into().unwrap_or(0);
            }
            Step::Stored(file) => {
                self.seen.came.insert(file.to_owned());
                self.stored += 1;
            }
            Step::Installing(count) => {
                self.seen.next("installing");
                self.message = format!("installing {}", outcome::packages(count));
            }
            Step::Changing => {}
        }
        if self.wheels > 0 && !matches!(step, Step::Installing(_) | Step::Changing) {
            let (wheels, stored) = (self.wheels, self.stored);
            let came = human(self.came as f64, Unit::Bytes);
            self.message = format!("{stored} of {}, {came}", outcome::wheels(wheels));
        }
    }

    fn draw(&mut self) {
        if self.is_quiet || self.begun.elapsed() < QUIET || !std::io::stderr().is_terminal() {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let bar = ProgressBar::with_draw_target(None, target);
            if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg:<40}") {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        bar.set_length(self.bytes.max(self.came).max(1));
        bar.set_position(self.came);
        bar.set_message(self.message.clone());
    }
}
