//! The clock: from just before a command is spawned until it is reaped.
//!
//! In every round each contestant has its turn, in shuffled order, so that what
//! drifts hits all alike. A turn is a pause, one trial that is cold because of it,
//! and a few right behind that are hot: some kernel work is done once for a batch
//! of requests, and costs nothing in a tight loop.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use isolab::footprint::{allocated_bytes, available_bytes, exclusive_bytes};
use isolab::interrupt::Interrupt;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, syncfs};

use crate::contestant::{Contestant, Left, Race, Role, State, Turn};
use crate::{find_program, weigh};

/// The pause before a cold trial.
const PAUSE: Duration = Duration::from_millis(150);
/// How much free memory is sure to be there before a cold trial that has work around it, in
/// bytes: more than any trial takes, for its files as well.
const BACKED: usize = 1 << 30;
/// How much of a file is asked for at once, in bytes: what a disk usually reads ahead by
/// default. Of more than it reads ahead the kernel drops the rest.
const AT_ONCE: u64 = 128 << 10;
/// The trials of a turn, where they are short.
pub(crate) const TURN: [State; 4] = [State::Cold, State::Hot, State::Hot, State::Hot];

/// Gives every contestant that can run `rounds` turns. An interrupt ends it
/// early; what was measured stays.
pub(crate) fn run(race: &mut Race, rounds: u32, seed: u64, interrupt: &Interrupt) -> Result<()> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut order: Vec<usize> = (0..race.contestants.len())
        .filter(|i| race.contestants[*i].wanted && race.contestants[*i].absent.is_none())
        .collect();
    for _ in 0..rounds {
        rng.shuffle(&mut order);
        for &index in &order {
            if interrupt.raised() {
                return Ok(());
            }
            let (scratch, turn) = (race.scratch.clone(), race.turn);
            let contestant = &mut race.contestants[index];
            let name = contestant.name;
            match take_turn(contestant, turn, &scratch) {
                // What others' programs fail at is theirs: the rest goes on.
                Err(error) if contestant.role == Role::Peer => {
                    println!("{name} is out of the race, a trial of it failed: {error:#}");
                    contestant.absent = Some(format!("{error:#}"));
                }
                taken => taken.with_context(|| format!("a trial of {name} failed"))?,
            }
        }
        order.retain(|&index| race.contestants[index].absent.is_none());
    }
    Ok(())
}

/// The pause, the trials behind it, and what they need around them.
fn take_turn(contestant: &mut Contestant, turn: &[State], scratch: &Path) -> Result<()> {
    let around = next_turn(scratch);
    if let Some((before, _)) = &contestant.around_turn {
        before(&around).context("before its turn")?;
    }
    thread::sleep(PAUSE);
    let taken = turn.iter().try_for_each(|&state| {
        let (seconds, _) = timed(contestant, scratch, state == State::Cold)?;
        contestant.samples.entry(state).or_default().push(seconds);
        Ok(())
    });
    // Also of a turn that failed: nothing may stay.
    let cleared = match &contestant.around_turn {
        Some((_, after)) => after(&around).context("after its turn"),
        None => Ok(()),
    };
    taken.and(cleared)
}

/// One trial that does not count; it says what a trial leaves on disk and, where
/// it `weighs`, takes of memory.
pub(crate) fn warm_up(contestant: &mut Contestant, weighs: bool, scratch: &Path) -> Result<()> {
    let around = next_turn(scratch);
    if let Some((before, _)) = &contestant.around_turn {
        before(&around)?;
    }
    let tried = match weighs {
        true => weighed(contestant, scratch),
        false => timed(contestant, scratch, false).map(|(_, left)| (left, None)),
    };
    if let Some((_, after)) = &contestant.around_turn {
        after(&around)?;
    }
    (contestant.left, contestant.peak_bytes) = tried?;
    Ok(())
}

/// One trial for what it leaves and for its memory: the most that one of its commands
/// had at once.
fn weighed(contestant: &Contestant, scratch: &Path) -> Result<(Option<Left>, Option<u64>)> {
    let result = scratch.join("peak");
    let mut most = 0;
    let (_, left) = tried(contestant, scratch, false, |command| {
        run_timed(&mut weigh::wrapped(command, &result)?, contestant, scratch)?;
        most = most.max(weigh::read(&result)?);
        Ok(0.0)
    })?;
    Ok((left, Some(most)))
}

/// One trial: its seconds, and what it left.
fn timed(contestant: &Contestant, scratch: &Path, cold: bool) -> Result<(f64, Option<Left>)> {
    tried(contestant, scratch, cold, |command| {
        run_timed(command, contestant, scratch)
    })
}

fn tried(
    contestant: &Contestant,
    scratch: &Path,
    cold: bool,
    run: impl FnMut(&mut Command) -> Result<f64>,
) -> Result<(f64, Option<Left>)> {
    let turn = next_turn(scratch);
    if let Some((before, _)) = &contestant.around_trial {
        before(&turn).context("before the trial")?;
    }
    let mut commands = (contestant.commands)(&turn);
    if cold && contestant.around_trial.is_some() {
        commands.iter().for_each(have_in_memory);
        // Who syncs would else pay for what others have left to be written.
        syncfs(File::open(scratch)?)?;
        // What made it ready warmed it up, more or less of each.
        thread::sleep(PAUSE);
        // Last, since what lies free is taken away within tenths of a second.
        back_memory()?;
    }
    let seconds: Result<f64> = commands.iter_mut().map(run).sum();
    if let Some((_, after)) = &contestant.around_trial {
        after(&turn).context("after the trial")?;
    }
    let left = turn.dir.exists().then(|| left(&turn.dir)).transpose()?;
    if left.is_some() {
        // Removing a tree slows down whoever makes the next one, on some file systems
        // several times. It is done when nothing is timed any more.
        let away = scratch.join("away");
        fs::create_dir_all(&away)
            .and_then(|()| fs::rename(&turn.dir, away.join(&turn.id)))
            .context("cannot move away what a trial made")?;
    }
    Ok((seconds?, left))
}

/// Sees to it that the memory which the machine has free is there. A virtual machine gets
/// a page of it from its host when it is first touched, and gives it back when it lies
/// idle (docs/MODEL.md): that would count for whoever comes first.
fn back_memory() -> Result<()> {
    let most = usize::try_from(available_bytes()? / 4)?;
    // Not of zeros, which are one page until they are written to.
    drop(black_box(vec![1u8; BACKED.min(most)]));
    Ok(())
}

/// Asks for all of the file that `command` executes to be in memory. A machine may take out what
/// was used little for a minute (Linux's DAMON does where it is told to), and of several
/// contestants that are one program with other options each has its turn to bring it back.
fn have_in_memory(command: &Command) {
    let program = command.get_program();
    let path = match Path::new(program) {
        path if path.is_absolute() => Some(path.to_owned()),
        _ => program.to_str().and_then(find_program),
    };
    // Without it the trial is slower, and says itself what is wrong.
    let Some(file) = path.and_then(|path| File::open(path).ok()) else {
        return;
    };
    let length = file.metadata().map_or(0, |found| found.len());
    for at in (0..length).step_by(AT_ONCE as usize) {
        let willneed = PosixFadviseAdvice::POSIX_FADV_WILLNEED;
        let _ = posix_fadvise(&file, at.cast_signed(), AT_ONCE.cast_signed(), willneed);
    }
}

fn left(dir: &Path) -> Result<Left> {
    let measured = || {
        Ok::<_, std::io::Error>(Left {
            allocated: allocated_bytes(&[dir])?,
            exclusive: exclusive_bytes(&[dir])?,
        })
    };
    measured().context("cannot find out what a trial takes on disk")
}

/// Removes what trials have made, when none follows.
pub(crate) fn clear_away(scratch: &Path) -> Result<()> {
    let away = scratch.join("away");
    match away.exists() {
        true => fs::remove_dir_all(&away).context("cannot remove what the trials made"),
        false => Ok(()),
    }
}

/// The seconds that a command of `contestant` took; it must end as it should.
fn run_timed(command: &mut Command, contestant: &Contestant, scratch: &Path) -> Result<f64> {
    let log_path = scratch.join("trial.log");
    let log = File::create(&log_path).context("cannot write to the scratch directory")?;
    let input = match &contestant.input {
        Some(path) => File::open(path)
            .context("cannot read a trial's input")?
            .into(),
        None => Stdio::null(),
    };
    command
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(log)
        // The terminal's Ctrl-C is for the bench, which ends after the trial.
        .process_group(0);

    let began = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot run {:?}", command.get_program()))?;
    let watched = contestant.at_most.map(|time| Watchdog::over(&child, time));
    let status = child.wait();
    let seconds = began.elapsed().as_secs_f64();

    drop(watched);
    let status = status.context("cannot wait for a trial")?;
    let said = fs::read_to_string(&log_path).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    ensure!(
        status.code() == Some(contestant.status),
        "{status}: {}",
        last.unwrap_or("it said nothing")
    );
    Ok(seconds)
}

/// Ends a command that takes too long.
struct Watchdog(#[expect(dead_code, reason = "its end is what counts")] Sender<()>);

impl Watchdog {
    /// Watches `child` until this is dropped.
    fn over(child: &Child, time: Duration) -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        let pid = Pid::from_raw(child.id().cast_signed());
        thread::spawn(move || {
            if receiver.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                // Gone already, if it fails.
                let _ = kill(pid, Signal::SIGKILL);
            }
        });
        Self(sender)
    }
}

/// A turn that no other has been.
pub(crate) fn next_turn(scratch: &Path) -> Turn {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("isolab-peers-{}-{number}", std::process::id());
    let dir = scratch.join(format!("turn-{number}"));
    Turn { id, dir }
}
