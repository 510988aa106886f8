//! By how much a guest slows a program down, by what the program does.
//!
//! The same loops run on the host and in a guest (`workload/speed.rs`). In the guest
//! each waits until it is told to begin, and its time is the processor time that
//! QEMU used meanwhile: whatever others do to the machine, and whatever the guest's
//! own clock makes of that, is not in it.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use vm_model::initramfs::Archive;
use vm_model::model::parameters::{Origin, Parameter};

use super::Found;
use super::bench::Bench;
use super::look;
use crate::program;
use crate::statistics::median;

/// How often the loops run on the host.
const NATIVE: usize = 5;
/// How long one of them may take in a guest, before it counts as stuck.
const STUCK: Duration = Duration::from_secs(8);
/// How far beyond its loops a program's slowdown may lie.
const BEYOND: f64 = 0.15;
/// How far from what these functions took the translation of other code may lie: of twice as long
/// stretches without a branch each byte took two thirds of it.
const OTHER_CODE: [f64; 2] = [0.67, 1.5];
/// Which part of the code that a program has in memory it has run when it is ready: the least and
/// the most of twenty programs, none of which is run here; see `docs/MODEL.md`.
const RUN: [f64; 2] = [0.02, 0.12];

/// What the pieces of work take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// A program's own: computing in registers, following a chain through memory, and an
    /// interpreter's jumps.
    pub own: [f64; 3],
    /// The kernel's for it: files, and memory.
    pub kernel: [f64; 2],
    /// Each byte of code, when it is met for the first time, beyond what it takes later.
    pub fresh: f64,
}

impl Speed {
    /// From the time of each piece of work, and the bytes of code that are fresh in the last but
    /// one.
    fn of(times: &[f64], fresh: f64) -> Option<Self> {
        let [_, own_1, own_2, own_3, files, pages, first, later] = *times else {
            return None;
        };
        let loops = [own_1, own_2, own_3, files, pages];
        let whole = loops.iter().all(|time| *time > 0.0) && fresh > 0.0;
        whole.then(|| Self {
            own: [own_1, own_2, own_3],
            kernel: [files, pages],
            fresh: (first - later).max(0.0) / fresh,
        })
    }
}

/// How many pieces of work there are.
const PIECES: usize = 8;

/// What they take here, each time, and in a guest.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Speeds {
    pub(super) native: Vec<Speed>,
    pub(super) guest: Option<Speed>,
}

/// Runs them.
pub(super) fn take(bench: &Bench<'_>) -> Result<Speeds> {
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_file("speed", 0o755, program::SPEED)?;
    let words = ["guest", "/speed", "asked"].map(str::to_owned).into();
    let setup = bench.setup(128, &archive, words)?;
    let binary = setup.archive.with_extension("speed");
    program::write_executable(&binary, program::SPEED)?;
    let native: Result<Vec<Speed>> = (0..NATIVE).map(|_| native(&binary)).collect();
    let mut running = bench.ready(&setup)?;
    let pid = i32::try_from(running.pid())?;
    let (mut times, mut said) = (Vec::new(), String::new());
    while times.len() < PIECES {
        let (told, before) = (Instant::now(), look::used(pid).processor);
        running.release()?;
        while lines(&said).len() <= times.len() {
            bench.check_time()?;
            ensure!(
                told.elapsed() < STUCK,
                "the speed loops stay silent in the guest"
            );
            ensure!(
                running.look(Duration::from_millis(100))?,
                "the guest ended before its speed loops"
            );
            said.push_str(&String::from_utf8_lossy(&running.take_said()));
        }
        times.push(look::used(pid).processor - before);
    }
    let fresh = lines(&said).iter().find_map(|(_, bytes)| *bytes);
    Ok(Speeds {
        native: native?,
        guest: Speed::of(&times, fresh.unwrap_or(0.0)),
    })
}

/// The loops on the host.
///
/// # Errors
/// If the program does not run.
pub(crate) fn native(binary: &Path) -> Result<Speed> {
    let output = Command::new(binary)
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    ensure!(
        output.status.success(),
        "the speed loops ended with {}",
        output.status
    );
    parse(&String::from_utf8_lossy(&output.stdout)).context("the speed loops said no times")
}

fn parse(said: &str) -> Option<Speed> {
    let lines = lines(said.trim_start_matches('R'));
    let times: Vec<f64> = lines.iter().map(|(time, _)| time * 1e-9).collect();
    let fresh = lines.iter().find_map(|(_, bytes)| *bytes)?;
    Speed::of(&times, fresh)
}

/// The whole lines of `T12345` or `T12345 678` among what was said: nanoseconds, and bytes.
fn lines(said: &str) -> Vec<(f64, Option<f64>)> {
    let whole = said
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let read = whole.filter_map(|line| {
        let mut words = line.trim().strip_prefix('T')?.split(' ');
        let time = words
            .next()?
            .parse()
            .ok()
            .filter(|time: &f64| *time > 0.0)?;
        Some((time, words.next().and_then(|word| word.parse().ok())))
    });
    read.collect()
}

/// The parameters of programs in guests; what cannot be had is noted.
pub(super) fn parameters(
    seen: &Speeds,
    late: Option<&str>,
    emulated_by: Option<&String>,
    found: &mut Found,
) {
    let [least, most] = RUN;
    let why = "assumed: the least and the most of twenty programs, see docs/MODEL.md".to_owned();
    found.parameters.push(Parameter::new(
        "program.run",
        (least * most).sqrt(),
        RUN,
        Origin::Given { why },
    ));
    let (Some(guest), false) = (seen.guest, seen.native.is_empty()) else {
        let why = late.unwrap_or("the speed loops said nothing in the guest");
        let error = anyhow::anyhow!("{why}");
        for name in ["vm.slowdown", "vm.slowdown.kernel", "vm.translation"] {
            found.miss(name, &error);
        }
        return;
    };
    let samples = seen.native.len() + 1;
    let origin = |how: String| Origin::Calibrated {
        samples,
        how,
        emulated_by: emulated_by.cloned(),
    };
    let slower = |in_guest: f64, of: &dyn Fn(&Speed) -> f64| {
        let native: Vec<f64> = seen.native.iter().map(of).collect();
        in_guest / median(&native).unwrap_or(in_guest)
    };
    let own: Vec<f64> = (0..3)
        .map(|at| slower(guest.own[at], &|one| one.own[at]))
        .collect();
    let how = format!(
        "three loops in a guest by the same on the host: {:.1} in registers, {:.1} through memory, {:.1} by \
         an interpreter's jumps; what a program is made of is not known, so the interval holds them all",
        own[0], own[1], own[2]
    );
    found
        .parameters
        .push(between("vm.slowdown", &own, origin(how)));
    let kernel: Vec<f64> = (0..2)
        .map(|at| slower(guest.kernel[at], &|one| one.kernel[at]))
        .collect();
    let how = format!(
        "two loops in a guest by the same on the host: {:.1} asking for files, {:.1} for memory; the \
         interval holds both",
        kernel[0], kernel[1]
    );
    found
        .parameters
        .push(between("vm.slowdown.kernel", &kernel, origin(how)));
    let how = "four thousand small functions, each executed once, less the same once more; from two thirds \
               of it for code of longer stretches to half as much again"
        .to_owned();
    let fresh = guest.fresh;
    let interval = OTHER_CODE.map(|part| part * fresh);
    found.parameters.push(Parameter::new(
        "vm.translation",
        fresh,
        interval,
        origin(how),
    ));
}

/// What lies between loops of several kinds: their geometric mean, and an interval that holds all.
fn between(name: &str, slower: &[f64], origin: Origin) -> Parameter {
    let mean = slower.iter().map(|one| one.ln()).sum::<f64>() / slower.len() as f64;
    let ends = |f: fn(f64, f64) -> f64, first| slower.iter().copied().fold(first, f);
    let interval = [
        ends(f64::min, f64::INFINITY) * (1.0 - BEYOND),
        ends(f64::max, 0.0) * (1.0 + BEYOND),
    ];
    Parameter::new(name, mean.exp(), interval, origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str =
        "RT1\nT2000000000\nT500000000\nT3000000000\nT4000000000\nT5000000000\nT900 100\nT400\n";

    #[test]
    fn what_the_loops_say_is_read() {
        let read = parse(SAID).unwrap();
        assert_eq!(read.own, [2.0, 0.5, 3.0]);
        assert_eq!(read.kernel, [4.0, 5.0]);
        assert!((read.fresh - 5e-9).abs() < 1e-18, "{read:?}");
        for none in [
            "",
            "R",
            "RT1\n",
            &SAID.replace("T3000000000\n", "T0\n"),
            &SAID.replace(" 100", ""),
        ] {
            assert_eq!(parse(none), None, "{none}");
        }
    }

    #[test]
    fn a_line_that_is_not_whole_is_waited_for_and_an_echo_is_none() {
        assert_eq!(lines("\r\nT12\r\n\r\nT345"), [(12.0, None)]);
        assert_eq!(lines("T7 8\r\n"), [(7.0, Some(8.0))]);
    }

    #[test]
    fn the_loops_run_on_this_host() {
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("speed");
        // Another process makes it: a file that this one has open for writing while another test
        // forks cannot be executed.
        let source = dir.path().join("source");
        std::fs::write(&source, program::SPEED).unwrap();
        let mut install = std::process::Command::new("install");
        install.args(["-m", "755"]).arg(&source).arg(&binary);
        assert!(install.status().unwrap().success());
        let speed = native(&binary).unwrap();
        let all = speed.own.iter().chain(&speed.kernel);
        assert!(all.into_iter().all(|time| *time > 1e-4), "{speed:?}");
        // To execute a byte takes a processor no microsecond, whether it knew it or not.
        assert!(speed.fresh < 1e-6, "{speed:?}");
    }

    #[test]
    fn a_slowdown_holds_all_loops_and_what_the_kernel_does_is_another() {
        let native = Speed {
            own: [1.0, 1.0, 2.0],
            kernel: [0.5, 0.25],
            fresh: 0.0,
        };
        let guest = Speed {
            own: [1.0, 8.0, 16.0],
            kernel: [10.0, 20.0],
            fresh: 3e-7,
        };
        let seen = Speeds {
            native: vec![native; 3],
            guest: Some(guest),
        };
        let mut found = Found::default();
        parameters(&seen, None, None, &mut found);
        let of = |name| {
            found
                .parameters
                .iter()
                .find(|one| one.name == name)
                .unwrap()
        };
        let own = of("vm.slowdown");
        assert!(
            (own.value - 4.0).abs() < 1e-9,
            "the cube root of 1, 8 and 8: {own:?}"
        );
        assert!(own.low < 1.0 && own.high > 8.0);
        let kernel = of("vm.slowdown.kernel");
        assert!(
            (kernel.value - 40.0).abs() < 1e-9,
            "of 20 and 80: {kernel:?}"
        );
        assert!(kernel.low < 20.0 && kernel.high > 80.0);
        assert_eq!(of("vm.translation").value, 3e-7);
        assert!(found.parameters.iter().all(|one| one.check().is_ok()));
    }

    #[test]
    fn a_guest_that_said_nothing_gives_no_slowdown() {
        let mut found = Found::default();
        parameters(
            &Speeds::default(),
            Some("the time was up"),
            None,
            &mut found,
        );
        assert_eq!(
            found.parameters.len(),
            1,
            "what is assumed, and nothing else"
        );
        assert_eq!(found.missing.len(), 3);
        assert_eq!(found.missing[0].why, "the time was up");
    }
}
