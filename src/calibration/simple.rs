//! Containers and processes: what a start takes, what one holds, and how much they
//! are in each other's way. They start in milliseconds, so all of it takes a second.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use vm_model::model::fit::single;
use vm_model::model::parameters::{Origin, Parameter};

use super::{Found, extremes, look};
use crate::footprint::{kernel_bytes, proportional_set_bytes};
use crate::interrupt::Interrupt;
use crate::isolation::container::Container;
use crate::isolation::process::BareProcess;
use crate::isolation::{Isolation, Provisioned, Running};
use crate::mappings::code_bytes;
use crate::program::Program;
use crate::statistics::{median, middle_90};

const DEADLINE: Duration = Duration::from_secs(5);
/// Starts of one alone.
const STARTS: usize = 15;
/// How many are started at once, and how often.
const AT_ONCE: usize = 8;
const ROUNDS: usize = 3;

/// What one kind showed. Times in seconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Simple {
    /// From the start to the ready byte.
    pub starts: Vec<f64>,
    /// What each held.
    pub memory: Vec<f64>,
    /// From the first start until the last of eight was ready.
    pub at_once: Vec<f64>,
    /// What the kernel held for each of those eight.
    pub kernel: Vec<f64>,
}

/// The parameters of containers and processes; what cannot be had is noted.
pub(super) fn calibrate(dir: &Path, interrupt: &Interrupt, found: &mut Found) {
    let processors = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let kinds: [(&str, &dyn Isolation); 2] = [("process", &BareProcess), ("container", &Container)];
    for (name, isolation) in kinds {
        match samples(isolation, &dir.join(name), interrupt) {
            Ok(seen) => parameters(name, &seen, processors, found),
            Err(error) => found.miss(&format!("{name}.start"), &error),
        }
    }
}

fn samples(isolation: &dyn Isolation, dir: &Path, interrupt: &Interrupt) -> Result<Simple> {
    fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let program = Program::make_true(dir)?;
    let home = dir.join("home");
    fs::create_dir(&home)?;
    let standing = isolation.provision(&program, &home)?;
    let mut seen = Simple {
        starts: Vec::new(),
        memory: Vec::new(),
        at_once: Vec::new(),
        kernel: Vec::new(),
    };
    for _ in 0..=STARTS {
        let (startup, memory) = one(standing.as_ref(), interrupt)?;
        seen.starts.push(startup);
        seen.memory.push(memory);
    }
    // The first found nothing in caches.
    seen.starts.remove(0);
    for _ in 0..ROUNDS {
        let (all, kernel) = together(standing.as_ref(), interrupt)?;
        seen.at_once.push(all);
        seen.kernel.push(kernel);
    }
    Ok(seen)
}

/// One alone: what its start took, and what it held.
fn one(standing: &dyn Provisioned, interrupt: &Interrupt) -> Result<(f64, f64)> {
    let begun = Instant::now();
    let mut running = standing.start()?;
    let ready = running.wait_ready(DEADLINE, interrupt)?;
    let startup = ready.duration_since(begun).as_secs_f64();
    let mut memory = 0;
    for pid in running.processes() {
        memory += proportional_set_bytes(pid)?;
    }
    end(running.as_mut(), interrupt)?;
    Ok((startup, memory as f64))
}

/// Eight at once: until the last is ready, and what the kernel then holds for each.
fn together(standing: &dyn Provisioned, interrupt: &Interrupt) -> Result<(f64, f64)> {
    let before = kernel_bytes()?;
    let begun = Instant::now();
    let started = (0..AT_ONCE).map(|_| standing.start());
    let mut running = started.collect::<Result<Vec<_>>>()?;
    let mut last = begun;
    for one in &mut running {
        last = last.max(one.wait_ready(DEADLINE, interrupt)?);
    }
    let kernel = kernel_bytes()?.saturating_sub(before) as f64 / AT_ONCE as f64;
    for one in &mut running {
        end(one.as_mut(), interrupt)?;
    }
    Ok((last.duration_since(begun).as_secs_f64(), kernel))
}

fn end(running: &mut dyn Running, interrupt: &Interrupt) -> Result<()> {
    running.release()?;
    running.wait_gone(DEADLINE, interrupt)
}

/// The parameters of one kind on so many processors.
fn parameters(name: &str, seen: &Simple, processors: f64, found: &mut Found) {
    let origin = |samples: &[f64], how: &str| Origin::Calibrated {
        samples: samples.len(),
        how: how.to_owned(),
        emulated_by: None,
    };
    let (Some(start), Some(held)) = (median(&seen.starts), median(&seen.memory)) else {
        return;
    };
    // A start has a long right tail: the interval is of its quantiles, not of a normal's.
    let mut sorted = seen.starts.clone();
    sorted.sort_by(f64::total_cmp);
    let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
    let reach = single(&seen.memory).map_or(0.0, |(_, reach)| reach);
    let mut add = |what: &str, value: f64, interval: [f64; 2], origin: Origin| {
        let name = format!("{name}.{what}");
        found
            .parameters
            .push(Parameter::new(&name, value, interval, origin));
    };
    let how = "the median of starts, its interval by bootstrap";
    let ends = middle_90(&seen.starts).unwrap_or((least, most));
    add("start", start, [ends.0, ends.1], origin(&seen.starts, how));
    let how = format!(
        "the starts by their median, {}",
        extremes(seen.starts.len())
    );
    add(
        "spread",
        1.0,
        [least / start, most / start],
        origin(&seen.starts, &how),
    );
    let how = "proportional set size, by Student's distribution, and the median of what the \
               kernel held for each of eight, from the least to the most";
    let kernel = median(&seen.kernel).unwrap_or(0.0);
    let of = |f: fn(f64, f64) -> f64, first| seen.kernel.iter().copied().fold(first, f);
    let (fewest, more) = (of(f64::min, kernel), of(f64::max, kernel));
    let interval = [held - reach + fewest, held + reach + more];
    add("memory", held + kernel, interval, origin(&seen.memory, how));
    if let Some(all) = median(&seen.at_once) {
        let others = processors.min(AT_ONCE as f64) - 1.0;
        let shares = (AT_ONCE as f64 / processors).max(1.0);
        let of = |all: f64| (all / (start * shares) - 1.0) / others;
        if others > 0.0 {
            let ends = |f: fn(f64, f64) -> f64, first| seen.at_once.iter().copied().fold(first, f);
            let interval = [of(ends(f64::min, f64::INFINITY)), of(ends(f64::max, 0.0))];
            let how = format!(
                "eight started one after the other without waiting, by processor sharing, {}",
                extremes(seen.at_once.len())
            );
            add("contention", of(all), interval, origin(&seen.at_once, &how));
        }
    }
}

/// What a program takes as a bare process until it is ready. Times in seconds, sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alone {
    /// On a processor, its own and what the kernel does for it.
    pub processor: f64,
    /// Of that, what the kernel does.
    pub kernel: f64,
    /// What it holds.
    pub memory: f64,
    /// The code of files that it has in memory.
    pub code: f64,
}

/// What `program` takes as a bare process, in the median of `count` starts.
///
/// Of one start the kernel tells the parts by where its ticks fell, of which there are a few. So the
/// whole is of each start and exact, and the parts are of all starts together, their ends included.
///
/// # Errors
/// If it does not start.
///
/// Source: `getrusage(2)`, `RUSAGE_CHILDREN`.
pub fn alone(program: &Program, dir: &Path, count: usize, interrupt: &Interrupt) -> Result<Alone> {
    let standing = BareProcess.provision(program, dir)?;
    let mut seen: [Vec<f64>; 3] = Default::default();
    let before = of_children()?;
    for _ in 0..count {
        let mut running = standing.start()?;
        running.wait_ready(DEADLINE, interrupt)?;
        let mut sums = [0.0; 3];
        for pid in running.processes() {
            sums[0] += look::used(pid).processor;
            sums[1] += proportional_set_bytes(pid)? as f64;
            sums[2] += code_bytes(pid)? as f64;
        }
        end(running.as_mut(), interrupt)?;
        for (all, one) in seen.iter_mut().zip(sums) {
            all.push(one);
        }
    }
    let after = of_children()?;
    let [own, kernel] = [after[0] - before[0], after[1] - before[1]];
    let [processor, memory, code] = seen.map(|samples| median(&samples));
    let processor = processor.context("it was not started")?;
    Ok(Alone {
        processor,
        kernel: processor * part(kernel, own + kernel),
        memory: memory.unwrap_or(0.0),
        code: code.unwrap_or(0.0),
    })
}

/// The processor time of all children that have ended: their own, and the kernel's for them.
fn of_children() -> Result<[f64; 2]> {
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).context("cannot read what children used")?;
    let seconds = |time: TimeVal| time.num_microseconds() as f64 * 1e-6;
    Ok([seconds(used.user_time()), seconds(used.system_time())])
}

/// `some` of `all`, as a part; nothing where there is nothing.
fn part(some: f64, all: f64) -> f64 {
    match all > 0.0 {
        true => (some / all).clamp(0.0, 1.0),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibrated(seen: &Simple, processors: f64) -> Vec<Parameter> {
        let mut found = Found::default();
        parameters("process", seen, processors, &mut found);
        let checked = found.parameters.iter().map(Parameter::check);
        assert!(checked.into_iter().all(|checked| checked.is_ok()));
        found.parameters
    }

    #[test]
    fn what_starts_alone_and_at_once_gives_a_contention() {
        let seen = Simple {
            starts: vec![0.9, 1.0, 1.1],
            memory: vec![10.0, 12.0, 11.0],
            at_once: vec![10.0, 12.0, 20.0],
            kernel: vec![3.0, 4.0, 50.0],
        };
        let all = calibrated(&seen, 4.0);
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let expected = ["start", "spread", "memory", "contention"];
        assert_eq!(names, expected.map(|name| format!("process.{name}")));
        // Eight on four processors take two seconds by sharing alone. The twelve of the median are
        // six times that: five more, by the three others that run. So for ten and twenty.
        let contention = &all[3];
        for (found, expected) in [
            (contention.value, 5.0 / 3.0),
            (contention.low, 4.0 / 3.0),
            (contention.high, 9.0 / 3.0),
        ] {
            assert!((found - expected).abs() < 1e-12, "{contention:?}");
        }
        let alone = calibrated(&seen, 1.0);
        assert_eq!(alone.len(), 3, "of one processor there are no others");
    }

    #[test]
    fn an_interval_is_of_90_percent_and_where_it_is_not_says_what_it_holds() {
        let seen = Simple {
            starts: (1..=17).map(f64::from).collect(),
            memory: vec![10.0, 12.0, 11.0],
            at_once: Vec::new(),
            kernel: Vec::new(),
        };
        let all = calibrated(&seen, 2.0);
        // A resampled median is at most the k-th of seventeen if nine or more of as many draws are
        // among the k least: for 5 in 3.6 of 100 cases, for 6 in 10.4. So the 5 % quantile is 6, and
        // by symmetry that of 95 % is 12; an interval of 95 % would reach from 5 to 13.
        assert_eq!((all[0].low, all[0].high), (6.0, 12.0));
        // An eighteenth start is as likely as any other the least or the most of all: 16 of 18.
        let Origin::Calibrated { how, .. } = &all[1].origin else {
            panic!("{all:?}")
        };
        assert!(how.contains("89 of 100"), "{how}");
    }

    #[test]
    fn a_process_is_calibrated_here() {
        let dir = tempfile::tempdir().unwrap();
        let seen = samples(&BareProcess, &dir.path().join("p"), &Interrupt::default()).unwrap();
        assert_eq!((seen.starts.len(), seen.at_once.len()), (STARTS, ROUNDS));
        assert!(seen.starts.iter().all(|start| *start > 0.0));
    }

    #[test]
    fn a_program_alone_has_parts_that_are_no_more_than_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let program = Program::make_true(dir.path()).unwrap();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let seen = alone(&program, &home, 3, &Interrupt::default()).unwrap();
        assert!(seen.processor > 0.0 && seen.memory > 0.0, "{seen:?}");
        assert!((0.0..=seen.processor).contains(&seen.kernel), "{seen:?}");
        // It is a page of code, and nothing else.
        assert_eq!(seen.code, 4096.0);
        assert_eq!(
            (part(1.0, 4.0), part(0.0, 0.0), part(2.0, 1.0)),
            (0.25, 0.0, 1.0)
        );
    }
}
