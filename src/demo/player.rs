//! The demo at a terminal: keys, commands, recordings and signals, in one loop
//! that never waits for one of them alone.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::stderr;

use super::clock::minutes;
use super::frame::{Canvas, compose};
use super::ink::Palette;
use super::keys::decode;
use super::live::Size;
use super::performance::{Performance, Source};
use super::screen::Screen;
use super::show::{Doing, Phase, Show, Wish};
use super::signals::Signals;
use super::stage::Stage;

/// The longest that the time on the screen may be late.
const TICK: Duration = Duration::from_millis(250);
/// What our own recordings were made with; a wider terminal gains nothing.
const WIDEST: usize = 100;

/// Shows the demo until it is left.
///
/// # Errors
/// If the terminal cannot be set up.
pub fn play(stage: &Stage<'_>, first: usize) -> Result<u8> {
    let signals = Signals::listen()?;
    let palette = Palette::of_environment();
    let mut player = Player {
        stage,
        signals,
        screen: Screen::enter(palette)?,
        palette,
        show: Show::new(stage.script, first, Instant::now()),
        performance: None,
        recorded: Vec::new(),
    };
    let left = player.run();
    // Ends what runs while the terminal is still ours, then gives it back.
    player.performance = None;
    player.screen.leave();
    let left = left?;
    player.farewell(left);
    Ok(left)
}

struct Player<'a> {
    stage: &'a Stage<'a>,
    signals: Signals,
    screen: Screen,
    palette: Palette,
    show: Show<'a>,
    performance: Option<Performance<'a>>,
    /// The beats whose recording was shown, for the last words.
    recorded: Vec<usize>,
}

impl Player<'_> {
    /// Until somebody leaves; the exit status.
    fn run(&mut self) -> Result<u8> {
        loop {
            let now = Instant::now();
            if let Some(performance) = &mut self.performance {
                performance.advance(now);
            }
            self.note_recording();
            self.paint(now)?;
            let keys = self.wait()?;
            if let Some(status) = self.signals.ending() {
                return Ok(status);
            }
            if self.signals.stopping() {
                self.stop()?;
            }
            if self.signals.painting() {
                self.screen.forget();
            }
            let Some(keys) = keys else {
                // The terminal is gone: as a hang-up.
                return Ok(129);
            };
            for key in decode(&keys) {
                let wish = self.show.press(key, self.doing(), Instant::now());
                if !self.fulfil(wish) {
                    return Ok(0);
                }
            }
        }
    }

    fn doing(&self) -> Doing {
        match &self.performance {
            Some(performance) if performance.is_live() => Doing::Live,
            Some(performance) if !performance.is_over() => Doing::Replay,
            _ => Doing::Over,
        }
    }

    /// `false` if the wish is to leave.
    fn fulfil(&mut self, wish: Wish) -> bool {
        let step = self.show.beat().step.as_ref();
        match wish {
            Wish::Nothing => {}
            Wish::Start => {
                let (columns, rows) = self.screen.size();
                let size = Size {
                    width: u16::try_from(columns.clamp(40, WIDEST)).unwrap_or(80),
                    height: u16::try_from(rows.clamp(10, 100)).unwrap_or(24),
                };
                self.performance = None;
                self.performance = step.map(|step| self.stage.perform(step, size));
            }
            Wish::Replay => {
                self.performance = None;
                self.performance = step.map(|step| self.stage.replay(step, "you asked for it"));
            }
            Wish::Hurry => {
                if let Some(performance) = &mut self.performance {
                    performance.hurry();
                }
            }
            Wish::Clear => self.performance = None,
            Wish::Quit => return false,
        }
        true
    }

    fn note_recording(&mut self) {
        let at = self.show.at;
        let recorded = self
            .performance
            .as_ref()
            .is_some_and(|performance| *performance.source() != Source::Live);
        if recorded && !self.recorded.contains(&at) {
            self.recorded.push(at);
        }
    }

    fn paint(&mut self, now: Instant) -> Result<()> {
        let (columns, rows) = self.screen.size();
        let canvas = Canvas {
            columns,
            rows,
            palette: self.palette,
        };
        let lines = compose(&self.show, self.performance.as_ref(), canvas, now);
        match self.screen.paint(&lines) {
            // Interrupted by a signal that is answered in a moment.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            painted => painted.context("cannot write to the terminal"),
        }
    }

    /// Waits for a key, a signal, something to show or the next tick: the keys, or
    /// `None` if the terminal is gone.
    fn wait(&mut self) -> Result<Option<Vec<u8>>> {
        let stdin = io::stdin();
        let due = self.performance.as_ref().filter(|p| !p.is_over());
        let due = due.map_or(TICK, |performance| {
            performance.due(Instant::now()).min(TICK)
        });
        let mut waited = vec![
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.source(), PollFlags::POLLIN),
        ];
        let sources = self.performance.iter().flat_map(Performance::sources);
        waited.extend(sources.map(|source| PollFd::new(source, PollFlags::POLLIN)));
        // Rounded up: a moment too early would be waited for in a busy loop.
        let timeout = u16::try_from(due.as_millis() + 1).unwrap_or(u16::MAX);
        match poll(&mut waited, PollTimeout::from(timeout)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("cannot wait for keys"),
        }
        let pressed = waited[0].revents().unwrap_or(PollFlags::empty());
        let said = waited[2..].iter().any(|source| {
            let events = source.revents().unwrap_or(PollFlags::empty());
            events.contains(PollFlags::POLLHUP) && !events.contains(PollFlags::POLLIN)
        });
        drop(waited);
        self.signals.awake();
        if said {
            // The end of a command's output stays readable until it has ended.
            std::thread::sleep(Duration::from_millis(2));
        }
        if pressed.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let mut keys = [0; 256];
        match stdin.lock().read(&mut keys) {
            Ok(0) => Ok(None),
            Ok(n) => Ok(Some(keys[..n].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(Vec::new())),
            Err(_) => Ok(None),
        }
    }

    /// Ctrl-Z: the shell gets its terminal, and the clock stops meanwhile.
    fn stop(&mut self) -> Result<()> {
        let stopped = self.show.clock.is_stopped();
        self.show.clock.stop(Instant::now());
        self.screen.leave();
        self.signals.stop();
        self.screen.return_to()?;
        if !stopped {
            self.show.clock.go_on(Instant::now());
        }
        Ok(())
    }

    /// What stays on the shell's screen.
    fn farewell(&self, status: u8) {
        let elapsed = minutes(self.show.elapsed(Instant::now()));
        let planned = minutes(self.show.script.planned());
        let count = self.show.script.beats.len();
        if self.show.phase == Phase::End {
            stderr::tell(format_args!(
                "{elapsed} of {planned} minutes, all {count} beats"
            ));
        } else if status == 0 || status == 130 {
            let at = self.show.at + 1;
            stderr::tell(format_args!(
                "left at beat {at} of {count}, after {elapsed} of {planned} minutes"
            ));
            stderr::tell(format_args!(" hint: go on there with --from {at}"));
        }
        if !self.recorded.is_empty() {
            let beats: Vec<String> = self
                .recorded
                .iter()
                .map(|at| (at + 1).to_string())
                .collect();
            stderr::tell(format_args!(
                "shown from a recording: beat {}",
                beats.join(", ")
            ));
        }
    }
}
