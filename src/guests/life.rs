//! A guest's life, from its first start to its end, again after a hang.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use vm_model::guest::{Guest, Phases, RunningGuest};

use super::Wanted;
use crate::interrupt::Interrupt;

/// How long a boot may take before it counts as hung: an emulated one takes two seconds, and many
/// at once on a small machine take as many times as long.
pub const WATCHDOG: Duration = Duration::from_secs(45);
/// How often a guest is started that hangs.
pub const TRIES: u32 = 3;
/// How long a program gets that was asked to end from a terminal.
const GRACE: Duration = Duration::from_secs(10);
/// How often signals and clocks are looked at.
const GLANCE: Duration = Duration::from_millis(50);
/// In this time QEMU ends that cannot run a guest.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What QEMU gets to be gone.
const LAST: Duration = Duration::from_secs(5);

/// What a command ends with that its own time limit ended, as `timeout(1)` does.
pub const TIMED_OUT: u8 = 124;

/// Whoever listens to a guest and talks to it.
pub trait Company {
    /// It was started.
    ///
    /// # Errors
    /// If that cannot be noted.
    fn started(&mut self, _guest: &RunningGuest, _hangs: &[String]) -> Result<()> {
        Ok(())
    }
    /// It hung, and is started again or not.
    fn hung(&mut self, _hang: &str) {}
    /// Its program begins: from now on it can be talked to.
    ///
    /// # Errors
    /// If it cannot be talked to.
    fn begun(&mut self, _guest: &mut RunningGuest) -> Result<()> {
        Ok(())
    }
    /// Its program said something. False if nobody wants to hear more.
    ///
    /// # Errors
    /// If it cannot be passed on.
    fn said(&mut self, bytes: &[u8]) -> Result<bool>;
    /// Its console showed something.
    fn shown(&mut self, bytes: &[u8]);
    /// Nobody reads what is passed on any more.
    fn is_unheard(&self) -> bool {
        false
    }
    /// Its program is to end: true if it was told.
    fn interrupt(&mut self) -> bool {
        false
    }
    /// Its power button is to be pressed, since its init is its own: true if it was.
    fn power_button(&mut self) -> bool {
        false
    }
    /// How long it gets then.
    fn grace(&self) -> Duration {
        GRACE
    }
    /// Whether somebody wants its end now.
    fn wants_end(&self) -> bool {
        false
    }
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its program ended, or it powered off.
    Program {
        /// With this.
        code: u8,
        /// It could not be executed: the error number.
        errno: Option<i32>,
    },
    /// Its time was over.
    TimedOut,
    /// A signal came, and this is what a command ends with then.
    Interrupted(u8),
    /// Nobody wanted to hear more of it.
    Unheard,
    /// It was ended by hand.
    ByHand,
}

/// A life that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lived {
    /// How it ended.
    pub end: End,
    /// Where the time of the last start went.
    pub phases: Phases,
    /// The starts before it, each with how it hung.
    pub hangs: Vec<String>,
}

/// Starts `guest`, which has its files in `directory`, and stays with it until it is gone.
///
/// # Errors
/// If it cannot be started, hung in each try, or ended by another hand than its own; nothing of it
/// runs then.
pub fn live(
    wanted: &Wanted,
    guest: &Guest,
    directory: &Path,
    company: &mut dyn Company,
    interrupt: &Interrupt,
) -> Result<Lived> {
    let _in_use = wanted.disk_in_use();
    let since = Instant::now();
    let mut hangs = Vec::new();
    loop {
        let mut running = guest.start()?;
        company.started(&running, &hangs)?;
        let mut life = Life {
            wanted,
            company,
            interrupt,
            since,
            begun: false,
            asked: None,
        };
        match life.stay(&mut running)? {
            Stayed::Over(end) => {
                let phases = running.phases();
                return Ok(Lived { end, phases, hangs });
            }
            Stayed::Hung => {
                // It says how far it came, and kills it.
                let error = running.wait_workload_unless(WATCHDOG, &|| true).err();
                let hang = error.map_or_else(String::new, |error| error.to_string());
                company.hung(&hang);
                hangs.push(hang);
                if hangs.len() >= TRIES as usize {
                    return Err(hung(&hangs));
                }
                wanted.clone_disk(directory)?;
            }
        }
    }
}

fn hung(hangs: &[String]) -> anyhow::Error {
    let last = hangs.last().map_or("", String::as_str);
    let tries = hangs.len();
    crate::hint::with(
        format!("the guest hung in each of {tries} tries; the last: {last}"),
        "choose the other machine (--machine q35), or see what its kernel says: \
         --append loglevel=7",
    )
}

/// What became of one start.
enum Stayed {
    Over(End),
    Hung,
}

struct Life<'a> {
    wanted: &'a Wanted,
    company: &'a mut dyn Company,
    interrupt: &'a Interrupt,
    /// When the first start began.
    since: Instant,
    begun: bool,
    /// When the program was asked to end.
    asked: Option<Instant>,
}

impl Life<'_> {
    fn stay(&mut self, running: &mut RunningGuest) -> Result<Stayed> {
        loop {
            let is_there = running.look(GLANCE)?;
            if !self.pass_on(running)? {
                running.kill();
                return Ok(Stayed::Over(End::Unheard));
            }
            if !self.begun && self.begins(running) {
                self.begun = true;
                self.company.begun(running)?;
            }
            if !is_there {
                break;
            }
            match self.has_to_end(running) {
                None => {}
                Some(Stayed::Hung) => return Ok(Stayed::Hung),
                Some(over) => {
                    running.kill();
                    return Ok(over);
                }
            }
        }
        let ended = running.wait(LAST)?;
        self.pass_on(running)?;
        let errno = running.heard().errno;
        Ok(Stayed::Over(
            match (ended.code, self.asked, self.interrupt.exit_status()) {
                (None, Some(_), Some(status)) => End::Interrupted(status),
                (None, None, _) if self.wanted.speaks => bail!(crate::hint::with(
                    "the guest powered off or restarted before its program had ended",
                    "see what its kernel says: --append loglevel=7",
                )),
                // Of another's init no word is expected: it has done what it was to do.
                (code, ..) => End::Program {
                    code: code.unwrap_or(0),
                    errno,
                },
            },
        ))
    }

    /// Whether its program runs: it is executed, or who starts one that cannot be is told so. Of
    /// another's init nobody tells that; QEMU runs it, unless it ended at once.
    fn begins(&self, running: &RunningGuest) -> bool {
        match self.wanted.speaks {
            true => running.heard().is_executed(),
            false => running.spawned().elapsed() > AT_ONCE,
        }
    }

    /// Passes on what came; false if nobody wants to hear it.
    fn pass_on(&mut self, running: &mut RunningGuest) -> Result<bool> {
        let shown = running.take_console();
        if !shown.is_empty() {
            self.company.shown(&shown);
        }
        let said = running.take_said();
        Ok((said.is_empty() || self.company.said(&said)?) && !self.company.is_unheard())
    }

    /// Why it has to be killed now, if it has.
    fn has_to_end(&mut self, running: &RunningGuest) -> Option<Stayed> {
        let age = running.spawned().elapsed();
        let timeout = self.wanted.timeout();
        if timeout.is_some_and(|timeout| self.since.elapsed() > timeout) {
            return Some(Stayed::Over(End::TimedOut));
        }
        if self.company.wants_end() {
            return Some(Stayed::Over(End::ByHand));
        }
        if let Some(status) = self.interrupt.exit_status() {
            if self.asked.is_none() && self.ask_to_end() {
                self.asked = Some(Instant::now());
            }
            let grace = self.company.grace();
            if self.asked.is_none_or(|at| at.elapsed() >= grace) {
                return Some(Stayed::Over(End::Interrupted(status)));
            }
        }
        self.is_hung(running, age)
    }

    /// Asks it to end. Before its program runs there is nothing in it that could end well.
    fn ask_to_end(&mut self) -> bool {
        match self.wanted.speaks {
            true => self.begun && self.company.interrupt(),
            false => self.company.power_button(),
        }
    }

    fn is_hung(&self, running: &RunningGuest, age: Duration) -> Option<Stayed> {
        let has_come = running.heard().workload.is_some();
        let is_hung = self.wanted.speaks && !has_come && age > WATCHDOG;
        is_hung.then_some(Stayed::Hung)
    }
}
