//! Tells what a build does, on standard error: as lines, as JSON, or in place.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use isolab_engine::build::{At, Event};
use serde_json::json;

use super::super::size;
use super::BuildArgs;
use crate::stderr;

/// How steps are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// In place at a terminal, as lines elsewhere
    Auto,
    /// A line each, with all that programs say
    Plain,
    /// What is under way, drawn in place
    Tty,
    /// JSON, a line each
    Json,
}

/// Tells it; from several threads.
pub(super) struct Teller {
    progress: Progress,
    quiet: bool,
    explains: bool,
    state: Mutex<State>,
    drawn: MultiProgress,
}

#[derive(Default)]
struct State {
    /// The steps under way, by their numbers.
    begun: BTreeMap<usize, Begun>,
    warnings: Vec<String>,
}

struct Begun {
    title: String,
    since: Instant,
    bar: Option<ProgressBar>,
}

impl Teller {
    pub(super) fn new(args: &BuildArgs) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(10);
        // Where nothing can be drawn, lines are told.
        let (progress, target) = match args.progress {
            Progress::Auto | Progress::Tty if !target.is_hidden() => (Progress::Tty, target),
            Progress::Auto | Progress::Tty => (Progress::Plain, target),
            asked => (asked, ProgressDrawTarget::hidden()),
        };
        Self {
            progress,
            quiet: args.quiet,
            explains: args.explain_cache,
            state: Mutex::default(),
            drawn: MultiProgress::with_draw_target(target),
        }
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        match self.progress {
            _ if self.quiet => {}
            Progress::Json => stderr::tell(as_json(event)),
            Progress::Plain | Progress::Tty | Progress::Auto => self.to_people(event),
        }
    }

    /// Tells what is left to tell.
    pub(super) fn end(&self) {
        let mut state = self.state();
        self.clear(&mut state);
        let warnings = std::mem::take(&mut state.warnings);
        match warnings.len() {
            0 => return,
            1 => stderr::tell("1 warning found:"),
            many => stderr::tell(format_args!("{many} warnings found:")),
        }
        for warning in warnings {
            stderr::tell(format_args!(" - {warning}"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self, state: &mut State) {
        for begun in std::mem::take(&mut state.begun).into_values() {
            if let Some(bar) = begun.bar {
                bar.finish_and_clear();
            }
        }
        let _ = self.drawn.clear();
    }

    fn to_people(&self, event: &Event<'_>) {
        let mut state = self.state();
        match event {
            Event::Step { at, text } => self.begin(&mut state, at, text),
            Event::Output { at, line } => match state.begun.get(&at.number) {
                Some(Begun {
                    bar: Some(bar),
                    title,
                    ..
                }) => bar.set_message(format!("{title} \u{2502} {}", plain(line))),
                _ => self.line(&format!("{}{line}", of_stage(at))),
            },
            Event::Cached { at, because } => {
                let why = match self.explains {
                    true => format!(": {because}"),
                    false => String::new(),
                };
                self.finish(&mut state, at, &format!("taken before{why}"));
            }
            Event::Layer { at, bytes } => {
                let passed = state
                    .begun
                    .get(&at.number)
                    .map(|begun| begun.since.elapsed());
                let seconds = passed.unwrap_or_default().as_secs_f64();
                let new = match self.explains {
                    true => "; no step of the same files, program and layers was taken before",
                    false => "",
                };
                let text = format!("{} packed in {seconds:.2} s{new}", size(*bytes));
                self.finish(&mut state, at, &text);
            }
            Event::Note { text } => self.line(&format!("note: {text}")),
            Event::Warning { line, rule, text } => {
                let warning = format!("{rule}: {text} (line {line})");
                state.warnings.push(warning);
            }
            Event::Shell { program, why } => {
                self.clear(&mut state);
                stderr::tell(why);
                stderr::tell(format_args!(
                    "note: this is {program} where it failed; leave it with `exit`"
                ));
            }
        }
    }

    /// A step begins, which ends the one before it in its stage.
    fn begin(&self, state: &mut State, at: &At<'_>, text: &str) {
        let before = at.number.wrapping_sub(1);
        if let Some(Begun { bar: Some(bar), .. }) = state.begun.remove(&before) {
            bar.finish_and_clear();
        }
        let first = plain(text.lines().next().unwrap_or_default());
        let more = if text.lines().nth(1).is_some() {
            " \u{2026}"
        } else {
            ""
        };
        let title = format!("[{} {}/{}] {first}{more}", at.stage, at.number, at.of);
        let bar = match self.progress {
            Progress::Tty => Some(self.bar(&title)),
            _ => {
                self.line(&title);
                None
            }
        };
        let since = Instant::now();
        state.begun.insert(at.number, Begun { title, since, bar });
    }

    fn bar(&self, title: &str) -> ProgressBar {
        let bar = self.drawn.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// What became of a step. In place, its line goes above what is under way.
    fn finish(&self, state: &mut State, at: &At<'_>, what: &str) {
        match state.begun.remove(&at.number) {
            Some(Begun {
                bar: Some(bar),
                title,
                ..
            }) => {
                bar.finish_and_clear();
                self.line(&format!("{title}: {what}"));
            }
            _ => self.line(&format!("{}  {what}", of_stage(at))),
        }
    }

    fn line(&self, text: &str) {
        match self.progress {
            Progress::Tty => drop(self.drawn.println(text)),
            _ => stderr::tell(text),
        }
    }
}

/// Whose line it is, where several say some at once.
fn of_stage(at: &At<'_>) -> String {
    match at.stages {
        1 => String::new(),
        _ => format!("{} | ", at.stage),
    }
}

/// Without what would steer the terminal that is drawn on.
fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}

fn as_json(event: &Event<'_>) -> serde_json::Value {
    match event {
        Event::Step { at, text } => json!({
            "event": "step",
            "number": at.number,
            "of": at.of,
            "stage": at.stage,
            "text": text,
        }),
        Event::Output { at, line } => {
            json!({ "event": "output", "number": at.number, "stage": at.stage, "line": line })
        }
        Event::Cached { at, because } => {
            json!({ "event": "cached", "number": at.number, "stage": at.stage, "because": because })
        }
        Event::Layer { at, bytes } => {
            json!({ "event": "layer", "number": at.number, "stage": at.stage, "packed_bytes": bytes })
        }
        Event::Note { text } => json!({ "event": "note", "text": text }),
        Event::Warning { line, rule, text } => {
            json!({ "event": "warning", "line": line, "rule": rule, "text": text })
        }
        Event::Shell { program, why } => {
            json!({ "event": "shell", "program": program, "why": why })
        }
    }
}
