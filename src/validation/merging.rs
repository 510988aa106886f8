//! Guests whose equal pages the kernel merges.
//!
//! Merging is a setting of the whole host. It is changed by a process of its own,
//! which puts back what it found when its standard input ends: however this one is
//! ended, the setting does not outlive it.
//!
//! Source: the kernel's `Documentation/admin-guide/mm/ksm.rst`.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::calibration::bench::{Bench, Setup};
use crate::calibration::held;
use crate::environment::read;
use crate::interrupt::Interrupt;

const DIR: &str = "/sys/kernel/mm/ksm";
/// What is set while guests are held: to be done in seconds, and not in minutes.
const WANTED: [(&str, &str); 3] = [
    ("pages_to_scan", "20000"),
    ("sleep_millisecs", "10"),
    ("run", "1"),
];
/// How often all pages are to be looked at: at the first time a page is only remembered.
const SCANS: u64 = 4;
const BOUND: Duration = Duration::from_secs(60);

/// What `count` guests take once their equal pages are merged, in bytes.
///
/// # Errors
/// If the kernel cannot merge or may not be told to, or somebody else has it merge.
pub(super) fn measure(
    bench: &Bench<'_>,
    setup: &Setup,
    count: u32,
    interrupt: &Interrupt,
) -> Result<f64> {
    let ram = u64::from(setup.memory_mib) << 20;
    let (_, all) = bench.held(setup, count, |pids| {
        let merger = Merger::start()?;
        wait(interrupt)?;
        let (mut all, mut files) = (0.0, 0.0_f64);
        for pid in pids {
            let held = held(*pid, ram)?;
            all += held.ram + held.own;
            files = files.max(held.files);
        }
        drop(merger);
        Ok(all + files)
    })?;
    Ok(all)
}

/// Waits until all pages were looked at often enough.
fn wait(interrupt: &Interrupt) -> Result<()> {
    let begun = Instant::now();
    let first = scans();
    while scans() < first + SCANS {
        ensure!(!interrupt.raised(), "interrupted");
        ensure!(
            begun.elapsed() < BOUND,
            "the kernel did not look at all pages in a minute"
        );
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn scans() -> u64 {
    read(format!("{DIR}/full_scans"))
        .trim()
        .parse()
        .unwrap_or(0)
}

/// The process that has the kernel merge for as long as this lives.
struct Merger(Child);

impl Merger {
    fn start() -> Result<Self> {
        let own = std::env::current_exe().context("cannot name this program's own file")?;
        let mut child = Command::new(own)
            .arg("__merge")
            // Not in the terminal's foreground: an interrupt is to end us, and it by that.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut ready = [0];
        let stdout = child.stdout.as_mut().context("it has no output")?;
        if stdout.read(&mut ready)? == 1 {
            return Ok(Self(child));
        }
        drop(child.stdin.take());
        let said = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&said.stderr);
        bail!("{}", said.trim().trim_start_matches("error: "))
    }
}

impl Drop for Merger {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Has the kernel merge until standard input ends: what `isolab __merge` does.
///
/// # Errors
/// If the kernel cannot merge or may not be told to, or already does for somebody.
pub fn hold() -> Result<ExitCode> {
    let path = |name: &str| format!("{DIR}/{name}");
    let run = fs::read_to_string(path("run")).context("this kernel merges no pages")?;
    ensure!(
        run.trim() == "0",
        "somebody else has this kernel merge pages"
    );
    let mut before = Vec::new();
    for (name, _) in WANTED {
        before.push((name, fs::read_to_string(path(name))?));
    }
    // The first that may not be written changes nothing yet.
    let changed = WANTED
        .iter()
        .try_for_each(|(name, value)| fs::write(path(name), value));
    let held = changed
        .context("only root may have the kernel merge pages")
        .and_then(|()| {
            let mut out = io::stdout();
            out.write_all(b"R").and_then(|()| out.flush())?;
            io::copy(&mut io::stdin(), &mut io::sink())?;
            Ok(())
        });
    for (name, value) in before.iter().rev() {
        let _ = fs::write(path(name), value.trim());
    }
    held.map(|()| ExitCode::SUCCESS)
}
