//! What a start takes: the system calls of every runtime, counted, and the time
//! of each step of ours, by its own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use isolab::report::quantity::digits;
use serde::Deserialize;

use crate::crowd::quietly;
use crate::find_program;
use crate::runtimes::{Field, Runtime};
use crate::trial;

/// What one start of a runtime takes, as strace counts it.
struct Counted {
    name: &'static str,
    calls: usize,
    tasks: usize,
}

/// Counts one start of each runtime, measures `runs` of ours, and says what was
/// found.
pub(crate) fn of(field: &Field, runs: u32) -> Result<String> {
    let mut out = String::new();
    match find_program("strace") {
        Some(strace) => {
            let count = |runtime| count(&strace, runtime, field);
            let counted: Vec<_> = field.runtimes.iter().map(count).collect::<Result<_>>()?;
            render_counts(&mut out, &counted);
        }
        None => out += "strace is not installed: system calls are not counted\n\n",
    }
    render_steps(&mut out, &steps(field, runs)?);
    Ok(out)
}

// Counted and not timed: to be stopped at each call makes a start many times
// as long, and that of a runtime with many calls most of all.
fn count(strace: &Path, runtime: &Runtime, field: &Field) -> Result<Counted> {
    let log = field.scratch.join("strace.log");
    let turn = trial::next_turn(&field.scratch);
    let run = runtime.command_of("run", &field.bundle.timed, &turn.id);
    let mut command = Command::new(strace);
    command.args(["-f", "-o"]).arg(&log).arg("--");
    command.arg(run.get_program()).args(run.get_args());
    quietly(command.stdin(Stdio::null()))?;
    let all = fs::read_to_string(&log).context("cannot read what strace wrote")?;
    let first_word = |line: &'_ str| line.split_whitespace().next().map(str::to_owned);
    let tasks: BTreeSet<String> = all.lines().filter_map(first_word).collect();
    let is_call = |line: &&str| !line.contains(" resumed>") && line.contains('(');
    Ok(Counted {
        name: runtime.name,
        calls: all.lines().filter(is_call).count(),
        tasks: tasks.len(),
    })
}

fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn render_counts(out: &mut String, counted: &[Counted]) {
    let _ = writeln!(out, "{:<28}{:>14}{:>10}", "a run", "system calls", "tasks");
    for one in counted {
        let _ = writeln!(out, "  {:<26}{:>14}{:>10}", one.name, one.calls, one.tasks);
    }
    out.push_str("- the container's program among them; by strace\n\n");
}

/// A line of `isorun --trace`.
#[derive(Deserialize)]
struct Step {
    step: String,
    start: u64,
    end: u64,
    who: String,
}

/// The steps of ours in order: who, what, microseconds of each run.
type Steps = Vec<(String, String, Vec<f64>)>;

fn steps(field: &Field, runs: u32) -> Result<Steps> {
    let isorun = build_with_trace()?;
    let file = field.scratch.join("trace.jsonl");
    let mut all: Steps = Vec::new();
    let mut places = BTreeMap::new();
    for _ in 0..runs {
        let turn = trial::next_turn(&field.scratch);
        let mut command = Command::new(&isorun);
        command.arg("--trace").arg(&file).args(["run", "--bundle"]);
        command.arg(&field.bundle.timed).arg(&turn.id);
        quietly(command.stdin(Stdio::null()))?;
        let text = fs::read_to_string(&file).context("cannot read the trace")?;
        fs::remove_file(&file).context("cannot remove the trace")?;
        for line in text.lines() {
            let step: Step = serde_json::from_str(line).context("a line of the trace")?;
            let key = (step.who, step.step);
            let place = *places.entry(key.clone()).or_insert_with(|| {
                all.push((key.0, key.1, Vec::new()));
                all.len() - 1
            });
            let nanoseconds = step.end.saturating_sub(step.start);
            all[place].2.push(nanoseconds as f64 / 1e3);
        }
    }
    Ok(all)
}

/// Another build, in a place of its own: the usual one reads no clock.
fn build_with_trace() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").context("run by `cargo bench`, which names cargo")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/trace");
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--quiet", "-p", "isolab-oci"])
        .args(["--bin", "isorun", "--features", "trace", "--target-dir"])
        .arg(&target)
        .current_dir(root);
    ensure!(command.status()?.success(), "cannot build isorun --trace");
    let own = Path::new(env!("CARGO_BIN_EXE_isolab"));
    // .../TRIPLE/release/isolab
    let triple = own
        .parent()
        .and_then(Path::parent)
        .and_then(Path::file_name);
    let triple = triple.context("the build's place has no triple")?;
    Ok(target.join(triple).join("release/isorun"))
}

fn render_steps(out: &mut String, steps: &Steps) {
    for (who, title) in [
        ("parent", "isorun itself, beside its child"),
        ("child", "the container's first process"),
    ] {
        let own = || steps.iter().filter(|(by, _, _)| by == who);
        let _ = writeln!(out, "{title:<66} {:>8}", "us");
        for (_, what, times) in own() {
            let _ = writeln!(out, "  {what:<64} {:>8}", digits(median(times)));
        }
        let sum: f64 = own().map(|(_, _, times)| median(times)).sum();
        let _ = writeln!(out, "  {:<64} {:>8}\n", "sum", digits(sum));
    }
}
