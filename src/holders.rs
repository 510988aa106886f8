//! Several of one kind, held at once: what they take together, each of them, and
//! one more.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::footprint::{self, proportional_set_bytes};
use crate::interrupt::Interrupt;
use crate::isolation::{Provisioned, Running};
use crate::mappings;

/// No start and no end may take longer.
const DEADLINE: Duration = Duration::from_secs(60);
/// How many are started at once: so many boots share the processors, and more
/// would only wait.
const AT_ONCE: usize = 4;
/// How often one that hangs is started before that counts as failure.
const TRIES: usize = 3;

/// Subjects that were started and hold their workload. Dropping them ends them.
pub struct Holders<'a> {
    standing: &'a dyn Provisioned,
    held: Vec<Box<dyn Running>>,
}

/// What one holder takes, proportional set size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// A guest's RAM; nothing for what is no guest.
    pub ram: u64,
    /// The part of it in huge pages.
    pub ram_in_huge_pages: u64,
    /// All else: the program, its libraries, what runs the guest.
    pub rest: u64,
}

impl Memory {
    /// All of it.
    #[must_use]
    pub fn total(self) -> u64 {
        self.ram + self.rest
    }
}

impl<'a> Holders<'a> {
    /// None as yet, of what stands ready in `standing`.
    #[must_use]
    pub fn of(standing: &'a dyn Provisioned) -> Self {
        Self {
            standing,
            held: Vec::new(),
        }
    }

    /// How many are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held.len()
    }

    /// Starts more until `count` are held.
    ///
    /// # Errors
    /// If one cannot be started, or the user interrupts.
    pub fn grow_to(&mut self, count: usize, interrupt: &Interrupt) -> Result<()> {
        let mut hangs = 0;
        while self.held.len() < count {
            let batch = (count - self.held.len()).min(AT_ONCE);
            let starting = (0..batch).map(|_| self.standing.start());
            for mut one in starting.collect::<Result<Vec<_>>>()? {
                match one.wait_ready(DEADLINE, interrupt) {
                    Ok(_) => self.held.push(one),
                    Err(error) if hung(&error) && !interrupt.raised() && hangs + 1 < TRIES => {
                        hangs += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// What each takes.
    ///
    /// # Errors
    /// If a process is gone or may not be looked at.
    pub fn memory(&self) -> Result<Vec<Memory>> {
        self.held
            .iter()
            .map(|one| memory_of(one.as_ref()))
            .collect()
    }

    /// How many tasks (processes and their threads) each has: what the kernel's
    /// limits on process ids count.
    #[must_use]
    pub fn tasks(&self) -> Vec<usize> {
        self.held
            .iter()
            .map(|one| {
                one.processes()
                    .into_iter()
                    .map(|pid| tasks(pid).len())
                    .sum()
            })
            .collect()
    }

    /// The processor time that all of them have used since they were started.
    ///
    /// # Errors
    /// If the kernel does not tell.
    pub fn processor_time(&self) -> Result<Duration> {
        let processes = self.held.iter().flat_map(|one| one.processes());
        let mut nanoseconds = 0;
        for pid in processes {
            for task in tasks(pid) {
                nanoseconds += on_processor(pid, task)?;
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Ends them all.
    ///
    /// # Errors
    /// If one fails or is still there at the deadline.
    pub fn end(mut self, interrupt: &Interrupt) -> Result<()> {
        for one in &mut self.held {
            one.release()?;
        }
        for one in &mut self.held {
            one.wait_gone(DEADLINE, interrupt)?;
        }
        Ok(())
    }
}

fn memory_of(one: &dyn Running) -> Result<Memory> {
    let mut memory = Memory::default();
    for pid in one.processes() {
        match one.guest_ram_bytes() {
            Some(bytes) => {
                let split = mappings::split(pid, bytes)?;
                memory.ram += split.ram;
                memory.ram_in_huge_pages += split.ram_in_huge_pages;
                memory.rest += split.rest;
            }
            None => memory.rest += proportional_set_bytes(pid)?,
        }
    }
    Ok(memory)
}

/// The ids of a process's threads.
fn tasks(pid: i32) -> Vec<i32> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The nanoseconds that a thread has spent on a processor, user and system time
/// together. Finer than the clock ticks of `proc_pid_stat(5)`, in which an idle
/// program used nothing.
///
/// Source: the kernel's `Documentation/scheduler/sched-stats.rst`,
/// `/proc/<pid>/schedstat`, first field.
fn on_processor(pid: i32, task: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/task/{task}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split_ascii_whitespace().next();
    first
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path} tells no time"))
}

/// Waits until the kernel has taken back what was ended: it takes namespaces and
/// control groups apart in its own time, and what it has not yet freed would be
/// missing from what the next holders take.
///
/// # Errors
/// If `/proc/meminfo` cannot be read.
pub fn let_kernel_memory_return() -> Result<()> {
    /// Less than this in a pause is no return but what else goes on.
    const CALM: u64 = 1 << 18;
    const PAUSE: Duration = Duration::from_millis(50);
    /// On a machine that is never calm the wait has to end too.
    const PAUSES: usize = 30;
    let mut before = footprint::kernel_bytes()?;
    for _ in 0..PAUSES {
        thread::sleep(PAUSE);
        let now = footprint::kernel_bytes()?;
        if before.saturating_sub(now) < CALM {
            break;
        }
        before = now;
    }
    Ok(())
}

/// Whether a guest stayed silent until its watchdog, as emulated ones may.
fn hung(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(vm_model::Error::Watchdog { .. }))
}

/// Whether `count` more of `each` bytes leave most of the memory to others.
///
/// # Errors
/// If `/proc/meminfo` cannot be read.
pub fn there_is_room(count: usize, each: u64) -> Result<bool> {
    /// The part of what is available that an experiment may take.
    const SHARE: u64 = 4;
    Ok(footprint::available_bytes()? / SHARE >= each * count as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::Isolation;
    use crate::isolation::process::BareProcess;
    use crate::program::Program;

    #[test]
    fn what_is_held_is_counted_measured_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::make_true(dir.path()).unwrap();
        let standing = BareProcess.provision(&program, dir.path()).unwrap();
        let interrupt = Interrupt::default();
        let mut holders = Holders::of(standing.as_ref());
        holders.grow_to(5, &interrupt).unwrap();
        assert_eq!(holders.tasks(), [1; 5]);
        let memory = holders.memory().unwrap();
        assert_eq!(memory.len(), 5);
        assert!(memory.iter().all(|one| one.ram == 0 && one.rest > 0));
        let used = holders.processor_time().unwrap();
        assert!(used > Duration::ZERO && used < Duration::from_secs(5));
        let pids: Vec<i32> = holders
            .held
            .iter()
            .flat_map(|one| one.processes())
            .collect();
        holders.end(&interrupt).unwrap();
        for pid in pids {
            assert!(tasks(pid).is_empty(), "{pid} is still there");
        }
    }

    #[test]
    fn an_experiment_takes_no_more_than_its_share() {
        assert!(there_is_room(1, 4096).unwrap());
        assert!(!there_is_room(1, u64::MAX / 8).unwrap());
    }
}
