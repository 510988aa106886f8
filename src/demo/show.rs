//! Where in the script a demo is, and what a key does there.
//!
//! Nothing here runs a command or touches a terminal: a key becomes a change of
//! this state and a [`Wish`], which the player fulfils.

use std::time::{Duration, Instant};

use super::clock::{Clock, Pace};
use super::keys::Key;
use super::script::{Beat, Prediction, Script};

/// The most answers of a room, and the longest of them.
const ANSWERS: usize = 12;
const DIGITS: usize = 12;

/// What is on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The title; the clock does not go yet.
    Title,
    /// A beat's text.
    Telling,
    /// The question ahead of its command.
    Asking,
    /// Its command.
    Running,
    /// The last word.
    End,
}

/// What the player is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing beyond painting.
    Nothing,
    /// Start the beat's command.
    Start,
    /// Show the recording of the beat's command.
    Replay,
    /// Show the rest of the recording at once.
    Hurry,
    /// End what runs.
    Clear,
    /// Leave.
    Quit,
}

/// How the command of the beat on the screen is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs here and now.
    Live,
    /// Its recording is shown.
    Replay,
    /// It is done.
    Over,
}

/// The state of a demo.
#[derive(Clone, Debug)]
pub struct Show<'a> {
    /// What is shown.
    pub script: &'a Script,
    /// The index of the beat on the screen.
    pub at: usize,
    /// What of it is on the screen.
    pub phase: Phase,
    /// The time.
    pub clock: Clock,
    /// What is being typed.
    pub typed: String,
    /// The room's answers to the question on the screen.
    pub answers: Vec<f64>,
    /// How many lines of the output are above the screen.
    pub scroll: usize,
    /// Whether the keys are explained.
    pub help: bool,
    /// Whether the notes are shown.
    pub notes: bool,
    /// Whether q was pressed once.
    pub leaving: bool,
}

impl<'a> Show<'a> {
    /// A demo of `script` that begins at the beat `first`.
    #[must_use]
    pub fn new(script: &'a Script, first: usize, now: Instant) -> Self {
        let mut clock = Clock::new(now, script.planned_before(first));
        clock.stop(now);
        Self {
            script,
            at: first,
            phase: Phase::Title,
            clock,
            typed: String::new(),
            answers: Vec::new(),
            scroll: 0,
            help: false,
            notes: false,
            leaving: false,
        }
    }

    /// The beat on the screen.
    #[must_use]
    pub fn beat(&self) -> &'a Beat {
        &self.script.beats[self.at]
    }

    /// The question of the beat on the screen.
    #[must_use]
    pub fn prediction(&self) -> Option<&'a Prediction> {
        self.beat().step.as_ref()?.prediction.as_ref()
    }

    /// How the beat on the screen stands beside its plan.
    #[must_use]
    pub fn pace(&self, now: Instant) -> Pace {
        let start = self.script.planned_before(self.at);
        let end = match self.phase {
            Phase::Title | Phase::End => self.script.planned(),
            _ => self.script.planned_before(self.at + 1),
        };
        let start = if self.phase == Phase::End { end } else { start };
        Pace::of(self.elapsed(now), start, end)
    }

    /// How long the demo has run.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        self.clock.elapsed(now)
    }

    /// Does what `key` means here.
    pub fn press(&mut self, key: Key, doing: Doing, now: Instant) -> Wish {
        if std::mem::take(&mut self.help) {
            return Wish::Nothing;
        }
        if std::mem::take(&mut self.leaving) {
            return if key == Key::Quit {
                Wish::Quit
            } else {
                Wish::Nothing
            };
        }
        match key {
            Key::Quit if self.phase == Phase::End => return Wish::Quit,
            Key::Quit => self.leaving = true,
            Key::Help => self.help = true,
            Key::Notes => self.notes = !self.notes,
            Key::Pause => self.pause(now),
            Key::Up => self.scroll = self.scroll.saturating_sub(1),
            Key::Down => self.scroll += 1,
            Key::Back => return self.back(),
            Key::Skip => return self.skip(),
            Key::Recording if self.has_step() => {
                self.enter(Phase::Running);
                return Wish::Replay;
            }
            Key::Digit(digit) if self.phase == Phase::Asking => {
                if self.typed.len() < DIGITS {
                    self.typed.push(digit);
                }
            }
            Key::Erase => drop(self.typed.pop()),
            Key::Enter if self.phase == Phase::Asking && !self.typed.is_empty() => self.answer(),
            Key::Next | Key::Enter => return self.next(doing, now),
            Key::Recording | Key::Digit(_) | Key::Other => {}
        }
        Wish::Nothing
    }

    fn has_step(&self) -> bool {
        !matches!(self.phase, Phase::Title | Phase::End) && self.beat().step.is_some()
    }

    fn pause(&mut self, now: Instant) {
        if self.phase == Phase::Title {
            return;
        }
        if self.clock.is_stopped() {
            self.clock.go_on(now);
        } else {
            self.clock.stop(now);
        }
    }

    /// Takes what was typed, if it is a number.
    fn answer(&mut self) {
        if let Ok(answer) = std::mem::take(&mut self.typed).parse::<f64>()
            && self.answers.len() < ANSWERS
        {
            self.answers.push(answer);
        }
    }

    fn next(&mut self, doing: Doing, now: Instant) -> Wish {
        match self.phase {
            Phase::Title => {
                self.clock.go_on(now);
                self.enter(Phase::Telling);
                Wish::Nothing
            }
            Phase::Telling if self.prediction().is_some() => {
                self.enter(Phase::Asking);
                Wish::Nothing
            }
            Phase::Telling | Phase::Asking if self.beat().step.is_some() => {
                // What was typed and not entered was meant.
                self.answer();
                self.enter(Phase::Running);
                Wish::Start
            }
            Phase::Running if doing == Doing::Replay => Wish::Hurry,
            // Its output is what the room waits for; s leaves it.
            Phase::Running if doing == Doing::Live => Wish::Nothing,
            Phase::End => Wish::Nothing,
            _ => self.skip(),
        }
    }

    /// To the next beat.
    fn skip(&mut self) -> Wish {
        self.answers.clear();
        if self.at + 1 < self.script.beats.len() {
            if self.phase != Phase::Title {
                self.at += 1;
            }
            self.enter(Phase::Telling);
        } else {
            self.enter(Phase::End);
        }
        Wish::Clear
    }

    /// To the beginning of the beat, and from there to the beat before.
    fn back(&mut self) -> Wish {
        match self.phase {
            Phase::Title => return Wish::Nothing,
            Phase::Telling => {
                self.at = self.at.saturating_sub(1);
                self.answers.clear();
            }
            Phase::Asking | Phase::Running | Phase::End => {}
        }
        self.enter(Phase::Telling);
        Wish::Clear
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.scroll = 0;
        self.typed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::script::Step;

    fn script() -> Script {
        let asked = Prediction {
            question: "How long?".into(),
            pointer: "/a".into(),
            matching: Vec::new(),
            scale: 1.0,
            unit: "ms".into(),
        };
        let beat = |prediction: Option<Option<Prediction>>| Beat {
            heading: "H".into(),
            text: String::new(),
            planned: Duration::from_secs(60),
            notes: None,
            step: prediction.map(|prediction| Step {
                words: vec!["compare".into(), "--json".into()],
                bound: Duration::from_secs(9),
                prediction,
            }),
        };
        Script {
            title: "T".into(),
            beats: vec![beat(None), beat(Some(None)), beat(Some(Some(asked)))],
        }
    }

    /// Presses `keys`; while `doing` is the case.
    fn pressed(show: &mut Show<'_>, keys: &[Key], doing: Doing) -> Wish {
        let mut last = Wish::Nothing;
        for key in keys {
            last = show.press(*key, doing, Instant::now());
        }
        last
    }

    #[test]
    fn space_alone_goes_through_the_whole_script() {
        let script = script();
        let mut show = Show::new(&script, 0, Instant::now());
        let mut seen = Vec::new();
        while show.phase != Phase::End {
            seen.push((show.at, show.phase));
            show.press(Key::Next, Doing::Over, Instant::now());
        }
        use Phase::{Asking, Running, Telling, Title};
        let expected = [
            (0, Title),
            (0, Telling),
            (1, Telling),
            (1, Running),
            (2, Telling),
            (2, Asking),
            (2, Running),
        ];
        assert_eq!(seen, expected);
        assert_eq!(pressed(&mut show, &[Key::Quit], Doing::Over), Wish::Quit);
    }

    #[test]
    fn a_live_command_is_not_hurried_and_a_recording_is() {
        let script = script();
        let mut show = Show::new(&script, 1, Instant::now());
        assert_eq!(
            pressed(&mut show, &[Key::Next, Key::Next], Doing::Over),
            Wish::Start
        );
        assert_eq!(pressed(&mut show, &[Key::Next], Doing::Live), Wish::Nothing);
        assert_eq!(pressed(&mut show, &[Key::Next], Doing::Replay), Wish::Hurry);
        assert_eq!(
            pressed(&mut show, &[Key::Recording], Doing::Live),
            Wish::Replay
        );
        assert_eq!(pressed(&mut show, &[Key::Skip], Doing::Live), Wish::Clear);
        assert_eq!((show.at, show.phase), (2, Phase::Telling));
    }

    #[test]
    fn back_goes_to_the_beginning_of_the_beat_and_then_to_the_one_before() {
        let script = script();
        let mut show = Show::new(&script, 1, Instant::now());
        pressed(&mut show, &[Key::Next, Key::Next], Doing::Over);
        assert_eq!(pressed(&mut show, &[Key::Back], Doing::Live), Wish::Clear);
        assert_eq!((show.at, show.phase), (1, Phase::Telling));
        pressed(&mut show, &[Key::Back, Key::Back, Key::Back], Doing::Over);
        assert_eq!((show.at, show.phase), (0, Phase::Telling));
    }

    #[test]
    fn answers_are_numbers_and_may_be_left_out() {
        let script = script();
        let mut show = Show::new(&script, 2, Instant::now());
        pressed(&mut show, &[Key::Next, Key::Next], Doing::Over);
        let digits = |text: &str| text.chars().map(Key::Digit).collect::<Vec<_>>();
        pressed(&mut show, &digits("1.55"), Doing::Over);
        pressed(&mut show, &[Key::Erase, Key::Enter], Doing::Over);
        pressed(&mut show, &digits("1..2"), Doing::Over);
        pressed(&mut show, &[Key::Enter], Doing::Over);
        assert_eq!(show.answers, [1.5]);
        pressed(&mut show, &digits("7"), Doing::Over);
        assert_eq!(pressed(&mut show, &[Key::Next], Doing::Over), Wish::Start);
        assert_eq!(show.answers, [1.5, 7.0]);
    }

    #[test]
    fn one_q_too_many_does_not_end_a_demo() {
        let script = script();
        let mut show = Show::new(&script, 0, Instant::now());
        assert_eq!(pressed(&mut show, &[Key::Quit], Doing::Over), Wish::Nothing);
        assert_eq!(pressed(&mut show, &[Key::Next], Doing::Over), Wish::Nothing);
        assert_eq!(show.phase, Phase::Title);
        assert_eq!(
            pressed(&mut show, &[Key::Quit, Key::Quit], Doing::Over),
            Wish::Quit
        );
    }

    #[test]
    fn the_clock_goes_from_the_first_beat_and_stops_when_asked() {
        let script = script();
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        let mut show = Show::new(&script, 1, now);
        assert_eq!(show.elapsed(after(100)), Duration::from_secs(60));
        show.press(Key::Next, Doing::Over, after(100));
        assert_eq!(show.pace(after(130)), Pace::OnTime);
        assert_eq!(show.pace(after(170)), Pace::Behind(Duration::from_secs(10)));
        show.press(Key::Pause, Doing::Over, after(170));
        assert_eq!(show.elapsed(after(900)), Duration::from_secs(130));
        show.press(Key::Pause, Doing::Over, after(900));
        show.press(Key::Skip, Doing::Over, after(900));
        show.press(Key::Skip, Doing::Over, after(900));
        assert_eq!(
            (show.phase, show.pace(after(900))),
            (Phase::End, Pace::Ahead(Duration::from_secs(50)))
        );
    }
}
