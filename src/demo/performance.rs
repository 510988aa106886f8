//! A step on the stage: it runs, and where it cannot, its recording does.

use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::cast::Cast;
use super::live::{Live, Said, Size};
use super::replay::Replay;
use super::reveal::{self, JSON_LIMIT};
use super::script::Step;
use super::transcript::Transcript;
use crate::report::text::shown;

/// Where what is seen comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// It runs here and now.
    Live,
    /// A recording of a real run, because of what `why` says.
    Recorded {
        /// Where and when it was made.
        banner: String,
        /// Why it is seen.
        why: String,
    },
    /// Neither could be had.
    Absent {
        /// Why.
        why: String,
    },
}

/// A step from its start to its end.
#[derive(Debug)]
pub struct Performance<'a> {
    step: &'a Step,
    /// What takes over, until it has.
    recording: Option<Cast>,
    act: Act,
    source: Source,
    transcript: Transcript,
    json: Vec<u8>,
    /// What a live step said, and when: what a recording is made of.
    events: Vec<(Duration, Vec<u8>)>,
    begun: Instant,
    took: Option<Duration>,
    value: Option<f64>,
}

#[derive(Debug)]
enum Act {
    Live(Live),
    Replay(Box<Replay>),
    Over,
}

impl<'a> Performance<'a> {
    /// Starts `step` in `dir`; without a directory there is nowhere to run it.
    #[must_use]
    pub fn live(
        step: &'a Step,
        dir: Result<&Path, &str>,
        size: Size,
        recording: Option<Cast>,
        now: Instant,
    ) -> Self {
        let mut own = Self::new(step, recording, now);
        let started = dir
            .map_err(str::to_owned)
            .and_then(|dir| Live::start(step, dir, size).map_err(|error| format!("{error:#}")));
        match started {
            Ok(live) => {
                own.begun = live.begun();
                own.act = Act::Live(live);
            }
            Err(error) => own.fail(&format!("it could not be started: {error}"), now),
        }
        own
    }

    /// Shows the recording of `step`, for the reason `why`.
    #[must_use]
    pub fn recorded(step: &'a Step, recording: Option<Cast>, why: &str, now: Instant) -> Self {
        let mut own = Self::new(step, recording, now);
        own.fail(why, now);
        own
    }

    fn new(step: &'a Step, recording: Option<Cast>, now: Instant) -> Self {
        Self {
            step,
            recording,
            act: Act::Over,
            source: Source::Live,
            transcript: Transcript::default(),
            json: Vec::new(),
            events: Vec::new(),
            begun: now,
            took: None,
            value: None,
        }
    }

    /// The step.
    #[must_use]
    pub fn step(&self) -> &'a Step {
        self.step
    }

    /// Where what is seen comes from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What it has said for people.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What the prediction was about, once it is known.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// Whether there is nothing more to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.act, Act::Over)
    }

    /// Whether it runs here and now.
    #[must_use]
    pub fn is_live(&self) -> bool {
        matches!(self.act, Act::Live(_))
    }

    /// How long the step has been running, or took; of a recording, its time.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        self.took
            .unwrap_or_else(|| now.saturating_duration_since(self.begun))
    }

    /// What a live step said, and when.
    #[must_use]
    pub fn events(&self) -> &[(Duration, Vec<u8>)] {
        &self.events
    }

    /// What becomes readable when there is more to see.
    #[must_use]
    pub fn sources(&self) -> Vec<BorrowedFd<'_>> {
        match &self.act {
            Act::Live(live) => live.sources().collect(),
            _ => Vec::new(),
        }
    }

    /// After how long [`advance`](Self::advance) is to be called at the latest.
    #[must_use]
    pub fn due(&self, now: Instant) -> Duration {
        /// How soon an end that says nothing is noticed.
        const TICK: Duration = Duration::from_millis(50);
        match &self.act {
            Act::Replay(replay) => replay.due(now).unwrap_or(Duration::ZERO),
            _ => TICK,
        }
    }

    /// Takes in what has happened by `now`.
    pub fn advance(&mut self, now: Instant) {
        match self.act {
            Act::Live(_) => self.advance_live(now),
            Act::Replay(_) => self.replay_until(Some(now)),
            Act::Over => {}
        }
    }

    /// Shows the rest of a recording at once.
    pub fn hurry(&mut self) {
        if matches!(self.act, Act::Replay(_)) {
            self.replay_until(None);
        }
    }

    fn advance_live(&mut self, now: Instant) {
        let Act::Live(live) = &mut self.act else {
            return;
        };
        let ended = live.ended();
        // Asked after the end is known: what was said before it is all there.
        let said = live.said();
        self.hear(&said, now);
        match ended {
            Ok(None) if now.saturating_duration_since(self.begun) > self.step.bound => {
                let bound = self.step.bound.as_secs();
                self.fail(&format!("it took longer than {bound} s here"), now);
            }
            Ok(None) => {}
            Ok(Some(status)) if status.success() => {
                self.took = Some(now.saturating_duration_since(self.begun));
                self.act = Act::Over;
                if let Err(why) = self.find_value() {
                    self.fail(&why, now);
                }
            }
            Ok(Some(status)) => {
                let code = status.code();
                let how =
                    code.map_or_else(|| status.to_string(), |code| format!("exit code {code}"));
                let why = self.complaint();
                self.fail(&format!("it failed here: {}", why.unwrap_or(how)), now);
            }
            Err(error) => self.fail(&format!("it was lost: {error}"), now),
        }
    }

    fn hear(&mut self, said: &Said, now: Instant) {
        let at = now.saturating_duration_since(self.begun);
        self.transcript.feed(&said.screen);
        // Of a step whose output is for programs, that is what it says.
        let kept = if self.step.says_json() {
            &said.json
        } else {
            &said.screen
        };
        if !kept.is_empty() && self.json.len() + kept.len() <= JSON_LIMIT {
            self.events.push((at, kept.clone()));
            self.json.extend(&said.json);
        }
    }

    /// The error message in what the step said.
    fn complaint(&self) -> Option<String> {
        let text = self.transcript.text();
        let line = text.lines().find_map(|line| line.strip_prefix("error: "))?;
        Some(line.chars().take(200).collect())
    }

    /// The recording takes over, if there is one.
    fn fail(&mut self, why: &str, now: Instant) {
        // Ends what still runs.
        self.act = Act::Over;
        let why = shown(why).into_owned();
        let Some(cast) = self.recording.take() else {
            self.source = Source::Absent { why };
            self.took
                .get_or_insert(now.saturating_duration_since(self.begun));
            return;
        };
        self.source = Source::Recorded {
            banner: cast.header.isolab.banner(),
            why,
        };
        self.transcript = Transcript::default();
        self.json.clear();
        let replay = Replay::new(cast, now);
        self.took = Some(replay.length());
        self.act = Act::Replay(Box::new(replay));
    }

    /// Shows what is due at `now`; without a time, all of it.
    fn replay_until(&mut self, now: Option<Instant>) {
        let Act::Replay(replay) = &mut self.act else {
            return;
        };
        while let Some(data) = replay.next(now) {
            if self.step.says_json() {
                self.json.extend(data.as_bytes());
            } else {
                self.transcript.feed(data.as_bytes());
            }
        }
        if !replay.is_over() {
            return;
        }
        self.act = Act::Over;
        if let Err(why) = self.find_value() {
            self.transcript.feed(format!("{why}\n").as_bytes());
        }
    }

    /// Looks for the value that the prediction was about; output for programs
    /// that nobody asked about is shown as it is.
    fn find_value(&mut self) -> Result<(), String> {
        if let Some(asked) = &self.step.prediction {
            self.value = Some(reveal::value(asked, &self.json)?);
        } else if self.step.says_json() {
            self.transcript = Transcript::default();
            self.transcript.feed(&self.json);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::cast::tests::example;
    use crate::demo::script::Prediction;

    fn step(words: &[&str], prediction: Option<Prediction>) -> Step {
        Step {
            words: words.iter().map(|&word| word.to_owned()).collect(),
            bound: Duration::from_secs(5),
            prediction,
        }
    }

    #[test]
    fn a_step_that_cannot_start_is_recorded_under_a_banner_at_its_own_pace() {
        let step = step(&["doctor"], None);
        let cast = example(&["doctor"], &[(100, "one\r\n"), (300, "two\r\n")]);
        let now = Instant::now();
        let size = Size {
            width: 80,
            height: 24,
        };
        let mut shown = Performance::live(&step, Err("no room"), size, Some(cast), now);
        let Source::Recorded { banner, why } = shown.source() else {
            panic!("{:?}", shown.source());
        };
        assert!(banner.starts_with("RECORDED on A CPU") && why.contains("no room"));
        shown.advance(now + Duration::from_millis(150));
        assert_eq!(
            (shown.transcript().text().as_str(), shown.is_over()),
            ("one", false)
        );
        assert_eq!(
            shown.due(now + Duration::from_millis(150)),
            Duration::from_millis(150)
        );
        shown.hurry();
        assert_eq!(
            (shown.transcript().text().as_str(), shown.is_over()),
            ("one\ntwo", true)
        );
        assert_eq!(shown.elapsed(now), Duration::from_millis(300));
    }

    #[test]
    fn without_a_recording_it_says_so() {
        let step = step(&["doctor"], None);
        let shown = Performance::recorded(&step, None, "asked for", Instant::now());
        assert!(shown.is_over());
        assert_eq!(
            *shown.source(),
            Source::Absent {
                why: "asked for".into()
            }
        );
    }

    #[test]
    fn a_recording_answers_the_prediction() {
        let asked = Prediction {
            question: "?".into(),
            pointer: "/a".into(),
            matching: Vec::new(),
            scale: 2.0,
            unit: String::new(),
        };
        let step = step(&["compare", "--json"], Some(asked));
        let cast = example(&["compare", "--json"], &[(1, "{\"a\":"), (2, "21}")]);
        let mut shown = Performance::recorded(&step, Some(cast), "asked for", Instant::now());
        shown.hurry();
        assert_eq!(shown.value(), Some(42.0));
        assert_eq!(shown.transcript().text(), "");
    }
}
