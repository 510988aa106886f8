//! What one process has used and holds, looked at from outside: processor time, the
//! time that it waited for a processor, and its memory by what kind it is.
//!
//! Other programs on the machine take processors from guests, and share QEMU's own
//! file with it. Both are told apart here, so that what is measured is the guest's:
//! on an idle machine nothing waits, and nothing is taken off.
//!
//! Sources: the kernel's `Documentation/scheduler/sched-stats.rst` (`schedstat`: time
//! on a processor, time waiting for one); `proc_pid_smaps(5)`; `proc_stat(5)`.

use std::fs;

use anyhow::Result;

use crate::environment::{self, read};
use crate::footprint;
use crate::mappings;

/// What a process has used, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// On processors, all threads together.
    pub processor: f64,
    /// For how long its busiest thread could have run and waited for a processor: that thread is
    /// the guest's own processor.
    pub waited: f64,
    /// For how long its busiest thread ran: a guest's own processor is one thread.
    pub busiest: f64,
}

impl Used {
    /// What `wall` would have been without the waiting, that of the `others` who looked on included;
    /// no less than its busiest thread ran.
    #[must_use]
    pub fn undisturbed(&self, wall: f64, others: f64) -> f64 {
        (wall - self.waited - others).max(self.busiest).min(wall)
    }
}

/// What `pid` has used so far.
#[must_use]
pub(super) fn used(pid: i32) -> Used {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let each = tasks.filter_map(|task| times(&read(task.path().join("schedstat"))));
    each.fold(Used::default(), |sum, (ran, waited)| Used {
        processor: sum.processor + ran,
        waited: if ran > sum.busiest {
            waited
        } else {
            sum.waited
        },
        busiest: sum.busiest.max(ran),
    })
}

/// For how long this very thread could have run and waited for a processor: until it does run, a
/// guest that is ready is not seen to be.
#[must_use]
pub(super) fn own_waiting() -> f64 {
    times(&read("/proc/thread-self/schedstat")).map_or(0.0, |(_, waited)| waited)
}

/// `123456 7890 12`: nanoseconds on a processor, and waiting for one.
fn times(schedstat: &str) -> Option<(f64, f64)> {
    let mut words = schedstat
        .split_ascii_whitespace()
        .map(|word| word.parse::<f64>().ok());
    Some((words.next()?? * 1e-9, words.next()?? * 1e-9))
}

/// What a guest's process holds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Held {
    /// The guest's memory.
    pub ram: f64,
    /// The program that runs it, of its own.
    pub own: f64,
    /// Pages of files, which every process that has them shares.
    pub files: f64,
}

/// What `pid` holds, whose guest has `ram_bytes`.
///
/// # Errors
/// If the process is gone or may not be looked at.
pub fn held(pid: i32, ram_bytes: u64) -> Result<Held> {
    let ram = mappings::split(pid, ram_bytes)?.ram as f64;
    let kinds = footprint::kinds(pid)?;
    Ok(Held {
        ram,
        own: (kinds.anonymous as f64 - ram).max(0.0),
        files: kinds.files as f64,
    })
}

/// The processors that we and our guests may run on: others are no business of ours, and a guest
/// never waits for who runs on them.
#[derive(Debug)]
pub(super) struct Processors(Vec<usize>);

impl Processors {
    /// Those of this process; of what it starts, too.
    pub(super) fn ours() -> Self {
        let status = read("/proc/self/status");
        Self(environment::allowed_cpus(&status).unwrap_or_default())
    }

    /// How many they are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that they were busy, with whatever, in seconds.
    pub(super) fn busy(&self) -> f64 {
        self.of_stat(&read("/proc/stat"))
    }

    /// All of our lines but what is idle or waits for a disk, in hundredths.
    fn of_stat(&self, stat: &str) -> f64 {
        let each = stat.lines().filter_map(|line| {
            let (name, times) = line.split_once(' ')?;
            let number = name.strip_prefix("cpu")?.parse().ok()?;
            self.0.contains(&number).then_some(times)
        });
        let ticks = each.flat_map(|times| {
            let words = times.split_ascii_whitespace().take(8).enumerate();
            let busy = words.filter(|(place, _)| !matches!(place, 3 | 4));
            busy.filter_map(|(_, word)| word.parse::<f64>().ok())
        });
        ticks.sum::<f64>() / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read() {
        assert_eq!(times("1500000000 250000000 77\n"), Some((1.5, 0.25)));
        assert_eq!(times("x"), None);
    }

    #[test]
    fn only_the_processors_that_we_may_run_on_count() {
        let stat = "cpu  900 900 900 9 9 9 9 9 0 0\ncpu0 100 10 50 9999 99 5 5 30 0 0\n\
                    cpu1 0 0 300 7 7 0 0 0 0 0\ncpu10 500 0 0 0 0 0 0 0 0 0\nintr 1 2\n";
        assert_eq!(Processors(vec![0]).of_stat(stat), 2.0);
        assert_eq!(Processors(vec![0, 1]).of_stat(stat), 5.0);
        assert_eq!(Processors(vec![10]).of_stat(stat), 5.0);
        assert_eq!(Processors(vec![]).of_stat(stat), 0.0);
        assert_eq!(Processors(vec![0]).of_stat(""), 0.0);
    }

    #[test]
    fn what_was_waited_is_taken_off_and_no_more() {
        let used = Used {
            processor: 1.2,
            waited: 0.5,
            busiest: 1.0,
        };
        assert_eq!(used.undisturbed(2.0, 0.25), 1.25);
        assert_eq!(used.undisturbed(1.25, 0.0), 1.0);
        assert_eq!(used.undisturbed(0.9, 0.0), 0.9);
    }

    #[test]
    fn this_process_has_used_a_processor_and_cannot_be_a_guest() {
        let own = i32::try_from(std::process::id()).unwrap();
        let used = used(own);
        assert!(used.processor > 0.0 && used.busiest <= used.processor);
        let ours = Processors::ours();
        assert!(ours.count() > 0 && ours.busy() > 0.0);
        assert!(held(own, 1).is_err());
    }
}
