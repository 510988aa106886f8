//! The demo without anybody at the keys: a stream of plain text, for a screen
//! that nobody attends, a log, a pipe, and for whoever reads with their ears.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::clock::minutes;
use super::ink::Palette;
use super::live::Size;
use super::performance::{Performance, Source};
use super::reveal::with_unit;
use super::script::Step;
use super::signals::Signals;
use super::stage::Stage;

/// The terminal that commands are given, and that recordings are made with: a
/// little narrower than the usual one, so that none of their lines is folded.
pub const SIZE: Size = Size {
    width: 72,
    height: 24,
};

/// How fast a demo goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tempo {
    /// So many times as fast as planned.
    Times(f64),
    /// Without waiting, but for commands that run.
    Fast,
}

impl Tempo {
    /// How long `planned` takes at this tempo.
    fn of(self, planned: Duration) -> Duration {
        match self {
            Self::Times(factor) => planned.div_f64(factor),
            Self::Fast => Duration::ZERO,
        }
    }
}

/// Runs through the script from the beat `first`; the exit status.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(stage: &Stage<'_>, first: usize, tempo: Tempo) -> Result<u8> {
    let signals = Signals::listen()?;
    let mut stream = Stream {
        palette: Palette::of_environment(),
        open: true,
    };
    let script = stage.script;
    let count = script.beats.len();
    stream.say(&format!(
        "{}, {} minutes\n",
        script.title,
        minutes(script.planned())
    ))?;
    for (index, beat) in script.beats.iter().enumerate().skip(first) {
        let begun = Instant::now();
        let planned = minutes(script.planned_before(index));
        stream.say(&format!(
            "\n== beat {} of {count}, planned at {planned}: {}\n",
            index + 1,
            beat.heading
        ))?;
        if !beat.text.is_empty() {
            stream.say(&format!("{}\n", beat.text))?;
        }
        if let Some(step) = &beat.step {
            // Half of a beat's time is for what is said before its command.
            rest(tempo.of(beat.planned / 2), begun, &signals, &mut stream)?;
            if signals.ending().is_none() {
                perform(stage, step, tempo, &signals, &mut stream)?;
            }
        }
        rest(tempo.of(beat.planned), begun, &signals, &mut stream)?;
        if let Some(status) = signals.ending() {
            stream.say(&format!("\nleft at beat {} of {count}\n", index + 1))?;
            return Ok(status);
        }
        if !stream.open {
            break;
        }
    }
    stream.say("\nthe end\n")?;
    Ok(0)
}

/// Waits until `length` has passed since `begun`, or a signal comes.
fn rest(length: Duration, begun: Instant, signals: &Signals, stream: &mut Stream) -> Result<()> {
    while let Some(left) = length
        .checked_sub(begun.elapsed())
        .filter(|left| !left.is_zero())
    {
        if signals.ending().is_some() || !stream.open {
            return Ok(());
        }
        take_a_stop(signals);
        wait_for(&[], signals, left)?;
    }
    Ok(())
}

/// Runs a step or shows its recording, to its end.
fn perform(
    stage: &Stage<'_>,
    step: &Step,
    tempo: Tempo,
    signals: &Signals,
    stream: &mut Stream,
) -> Result<()> {
    if let Some(asked) = &step.prediction {
        stream.say(&format!("\n? {}\n", asked.question))?;
    }
    stream.say(&format!("\n$ {}\n", step.typed()))?;
    let mut performance = stage.perform(step, SIZE);
    let mut printed = Printed::default();
    loop {
        performance.advance(Instant::now());
        if tempo == Tempo::Fast {
            performance.hurry();
        }
        printed.go_on(&performance, stream)?;
        if performance.is_over() || signals.ending().is_some() || !stream.open {
            break;
        }
        take_a_stop(signals);
        wait_for(
            &performance.sources(),
            signals,
            performance.due(Instant::now()),
        )?;
    }
    if let (Some(asked), Some(value)) = (&step.prediction, performance.value()) {
        stream.say(&format!("= {}\n", with_unit(value, &asked.unit)))?;
    }
    let took = performance.elapsed(Instant::now()).as_secs_f64();
    if *performance.source() == Source::Live && performance.is_over() {
        stream.say(&format!("measured here, in {took:.1} s\n"))?;
    }
    Ok(())
}

/// What of a performance has been printed.
#[derive(Default)]
struct Printed {
    lines: usize,
    /// The banner is out; the output began anew with it.
    banner: bool,
}

impl Printed {
    /// Prints the banner once it is due, and the lines that are finished. A live
    /// step's are held back to its end: a recording may still take its place.
    fn go_on(&mut self, performance: &Performance<'_>, stream: &mut Stream) -> Result<()> {
        if !self.banner {
            match performance.source() {
                Source::Live => {}
                Source::Recorded { banner, why } => {
                    stream.say(&format!("{banner}\nbecause {why}\n"))?;
                    self.banner = true;
                }
                Source::Absent { why } => {
                    stream.say(&format!(
                        "NOT SHOWN: there is no recording\nbecause {why}\n"
                    ))?;
                    self.banner = true;
                }
            }
        }
        let lines = performance.transcript().lines();
        let finished = match (performance.source(), performance.is_over()) {
            (_, true) => lines.len(),
            (Source::Live, false) => 0,
            _ => lines.len().saturating_sub(1),
        };
        for index in self.lines..finished {
            let text = stream.palette.plain(&lines[index]);
            // The end of a text is no line of its own.
            if index + 1 < lines.len() || !text.is_empty() {
                stream.say(&format!("{}\n", text.trim_end()))?;
            }
        }
        self.lines = self.lines.max(finished);
        Ok(())
    }
}

/// Standard output, for as long as somebody reads it.
struct Stream {
    palette: Palette,
    open: bool,
}

impl Stream {
    fn say(&mut self, text: &str) -> Result<()> {
        let text: String = text.chars().map(|c| self.palette.shown(c)).collect();
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.open = false;
                Ok(())
            }
            written => written.context("cannot write to standard output"),
        }
    }
}

/// Ctrl-Z: here nothing has to be put back.
fn take_a_stop(signals: &Signals) {
    if signals.stopping() {
        signals.stop();
    }
}

/// Waits for something to read, a signal, or the time.
fn wait_for(
    sources: &[std::os::fd::BorrowedFd<'_>],
    signals: &Signals,
    most: Duration,
) -> Result<()> {
    let all = sources.iter().copied().chain([signals.source()]);
    let mut waited: Vec<PollFd<'_>> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
    let timeout = u16::try_from(most.as_millis() + 1).unwrap_or(u16::MAX);
    match poll(&mut waited, PollTimeout::from(timeout)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).context("cannot wait for a command"),
    }
    signals.awake();
    // A terminal whose command has closed it is ready at all times.
    if waited.iter().any(|fd| {
        fd.revents()
            .is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }) {
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
