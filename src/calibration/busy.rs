//! Whether the machine has time for us.
//!
//! A calibration beside somebody's build would hold for machines with such a
//! build. The kernel's pressure figures say for which part of the last ten seconds
//! something waited for a processor; where it keeps none, the load and the tasks
//! that are running now have to do.
//!
//! Sources: the kernel's `Documentation/accounting/psi.rst`; `proc_loadavg(5)`.

use anyhow::Error;

use crate::environment::read;
use crate::hint;

/// Above so many percent of waiting the machine is busy: where nothing else runs,
/// what waits is us.
const PRESSURE: f64 = 25.0;
/// The same of the load for each processor, where there are no pressure figures.
const LOAD: f64 = 0.7;

/// How busy it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy {
    /// The load average of one minute.
    pub load: f64,
    /// The tasks that run or could run now, this one not counted.
    pub running: u64,
    /// The processors.
    pub processors: usize,
    /// For which part of the last ten seconds something waited for a processor, in
    /// percent; `None` where the kernel does not say.
    pub pressure: Option<f64>,
}

/// How busy the machine is now.
#[must_use]
pub fn now() -> Busy {
    let processors = std::thread::available_parallelism().map_or(1, Into::into);
    of(
        &read("/proc/pressure/cpu"),
        &read("/proc/loadavg"),
        processors,
    )
}

fn of(pressure: &str, loadavg: &str, processors: usize) -> Busy {
    let mut words = loadavg.split(' ');
    let load = words.next().and_then(|word| word.parse().ok());
    let running = words.nth(2).and_then(|word| word.split('/').next());
    let running = running.and_then(|number| number.parse::<u64>().ok());
    Busy {
        load: load.unwrap_or(0.0),
        running: running.unwrap_or(1).saturating_sub(1),
        processors,
        pressure: some_avg10(pressure),
    }
}

/// The first number of `some avg10=1.23 avg60=… total=…`.
fn some_avg10(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let word = line
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    word.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Busy {
    /// Why a calibration now would not hold later; `None` where it would.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        match self.pressure {
            Some(pressure) if pressure > PRESSURE => Some(format!(
                "for {pressure:.0} % of the last ten seconds something waited for a processor, and {PRESSURE:.0} % is the most"
            )),
            Some(_) => None,
            None => {
                let most = LOAD * self.processors as f64;
                let busy = self.load > most && self.running >= self.processors as u64;
                busy.then(|| {
                    format!(
                        "the load is {:.1} with {} tasks running on {} processors, and {most:.1} is the most",
                        self.load, self.running, self.processors
                    )
                })
            }
        }
    }
}

/// The refusal, with what to do about it.
pub(super) fn refused(why: &str) -> Error {
    hint::with(
        format!("cannot calibrate now: the machine is busy ({why})"),
        "wait until it is idle, or insist with --force: the calibration will say that you did",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_decides_where_the_kernel_tells_of_it() {
        let psi = |avg10: &str| {
            format!("some avg10={avg10} avg60=9.00 avg300=1.00 total=5\nfull avg10=0.00\n")
        };
        let busy = of(&psi("60.50"), "0.10 0.2 0.3 1/80 77\n", 2);
        assert_eq!(busy.pressure, Some(60.5));
        assert!(busy.refusal().unwrap().contains("60 %"), "{busy:?}");
        assert_eq!(
            of(&psi("3.00"), "9.00 0.2 0.3 9/80 77\n", 2).refusal(),
            None
        );
    }

    #[test]
    fn without_it_the_load_and_the_tasks_do() {
        let idle = of("", "0.20 0.2 0.3 1/80 77\n", 2);
        assert_eq!((idle.running, idle.refusal()), (0, None));
        // A load that is over: nothing runs any more.
        assert_eq!(of("", "3.00 0.2 0.3 1/80 77\n", 2).refusal(), None);
        let busy = of("", "3.00 0.2 0.3 5/80 77\n", 2);
        assert!(busy.refusal().unwrap().contains("4 tasks"), "{busy:?}");
        assert_eq!(of("nonsense", "nonsense", 2).refusal(), None);
    }

    #[test]
    fn a_refusal_says_how_to_insist() {
        let error = refused("a reason");
        assert!(hint::of(&error).unwrap().contains("--force"));
    }
}
