//! Where a start's time goes: the same milestones of every runtime, seen from
//! outside, and each step of ours, by its own clock.

use std::collections::BTreeMap;
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

/// What is seen of a start from outside, by the system calls that make it.
const MILESTONES: [&str; 5] = [
    "makes its first process",
    "exchanges the root",
    "executes the program",
    "the program ends",
    "the runtime ends",
];

/// The system calls that are stopped at; the others run undisturbed.
const STOPPED_AT: &str = "trace=execve,execveat,clone,clone3,fork,vfork,pivot_root,exit_group";

/// What a runtime's starts looked like.
struct Seen {
    name: &'static str,
    /// Milliseconds from the runtime's execution, one list a milestone.
    milestones: [Vec<f64>; 5],
    calls: usize,
    tasks: usize,
}

/// Measures `runs` starts of each runtime and says what was found.
pub(crate) fn of(field: &Field, runs: u32) -> Result<String> {
    let mut out = String::new();
    match find_program("strace") {
        Some(strace) => {
            let mut seen = Vec::new();
            for runtime in &field.runtimes {
                seen.push(watch(&strace, runtime, field, runs)?);
            }
            render_milestones(&mut out, &seen);
        }
        None => out += "strace is not installed: no milestones\n\n",
    }
    render_steps(&mut out, &steps(field, runs)?);
    Ok(out)
}

fn watch(strace: &Path, runtime: &Runtime, field: &Field, runs: u32) -> Result<Seen> {
    let log = field.scratch.join("strace.log");
    let run = |options: &[&str]| -> Result<String> {
        let turn = trial::next_turn(&field.scratch);
        let run = runtime.command_of("run", &field.bundle.timed, &turn.id);
        let mut command = Command::new(strace);
        command.args(options).arg("-o").arg(&log).arg("--");
        command.arg(run.get_program()).args(run.get_args());
        quietly(command.stdin(Stdio::null()))?;
        fs::read_to_string(&log).context("cannot read what strace wrote")
    };
    let all = run(&["-f"])?;
    let tasks: std::collections::BTreeSet<_> = all.lines().filter_map(first_word).collect();
    let is_call = |line: &&str| !line.contains(" resumed>") && line.contains('(');
    let mut seen = Seen {
        name: runtime.name,
        milestones: Default::default(),
        calls: all.lines().filter(is_call).count(),
        tasks: tasks.len(),
    };
    for _ in 0..runs {
        let text = run(&["-f", "-ttt", "--seccomp-bpf", "-e", STOPPED_AT])?;
        let times = milestones(&text).with_context(|| format!("what {} did", runtime.name))?;
        for (list, time) in seen.milestones.iter_mut().zip(times) {
            list.push(time);
        }
    }
    Ok(seen)
}

fn first_word(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}

/// The times of the milestones in a trace, in milliseconds from its first line.
fn milestones(trace: &str) -> Result<[f64; 5]> {
    // PID SECONDS.MICROSECONDS CALL(ARGUMENTS) = RESULT
    let lines: Vec<(&str, f64, &str)> = trace
        .lines()
        .filter_map(|line| {
            let (pid, rest) = line.trim_start().split_once(' ')?;
            let (time, call) = rest.trim_start().split_once(' ')?;
            Some((pid, time.parse().ok()?, call))
        })
        .collect();
    let &(_, begin, _) = lines.first().context("an empty trace")?;
    let find = |what: &str, test: &dyn Fn(&str, &str) -> bool| {
        let found = lines.iter().find(|(pid, _, call)| test(pid, call));
        found
            .map(|&(pid, time, _)| (pid, (time - begin) * 1e3))
            .with_context(|| format!("no {what}"))
    };
    let starts = |call: &str, names: &[&str]| names.iter().any(|name| call.starts_with(name));
    let makes = ["clone(", "clone3(", "fork(", "vfork("];
    let (_, made) = find("clone", &|_, call| starts(call, &makes))?;
    let (_, rooted) = find("pivot_root", &|_, call| starts(call, &["pivot_root("]))?;
    let program = format!("\"{}\"", crate::bundle::PROGRAM);
    let (own, executed) = find("execution of the program", &|_, call| {
        starts(call, &["execve(", "execveat("]) && call.contains(&format!("({program}"))
            || call.contains(&format!(", {program}, [{program}"))
    })?;
    let is_end = |call: &str| call.starts_with("exit_group(");
    let (_, ended) = find("end of the program", &|pid, call| {
        pid == own && is_end(call)
    })?;
    // Any thread of the runtime may be the one that ends it, and it ends last.
    let over = lines
        .iter()
        .rfind(|(pid, _, call)| *pid != own && is_end(call));
    let &(_, over, _) = over.context("no end of the runtime")?;
    let over = (over - begin) * 1e3;
    Ok([made, rooted, executed, ended, over])
}

fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn render_milestones(out: &mut String, seen: &[Seen]) {
    let _ = write!(out, "{:<28}", "ms since its execution");
    for one in seen {
        let _ = write!(out, "{:>10}", one.name);
    }
    out.push('\n');
    for (index, name) in MILESTONES.iter().enumerate() {
        let _ = write!(out, "  {name:<26}");
        for one in seen {
            let _ = write!(out, "{:>10}", digits(median(&one.milestones[index])));
        }
        out.push('\n');
    }
    for (name, count) in [
        ("system calls", (|one| one.calls) as fn(&Seen) -> usize),
        ("tasks", |one| one.tasks),
    ] {
        let _ = write!(out, "  {name:<26}");
        for one in seen {
            let _ = write!(out, "{:>10}", count(one));
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "- by strace, which stops at these calls alone; medians\n"
    );
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
