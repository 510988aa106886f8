//! What a runtime keeps in memory for a container, beside the container's own
//! program: the process of a `run` in the foreground while it waits, and that
//! of a container which was created and not yet started.

use std::fs;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::footprint::proportional_set_bytes;
use isolab::observation::Unit;
use isolab::report::quantity::human;
use serde::Serialize;

use crate::contestant::Role;
use crate::crowd::quietly;
use crate::runtimes::{Field, Runtime};
use crate::trial;

/// How many containers run at once.
const COUNTS: [usize; 2] = [1, 100];
/// How long they are left alone before they are weighed: what a process has
/// needed to start is not what it keeps.
const REST: Duration = Duration::from_millis(500);
/// What ours may take for each (a supervisor's proportional set).
const AT_MOST: u64 = 2 << 20;

/// What a runtime was seen to keep.
#[derive(Debug, Serialize)]
pub(crate) struct Kept {
    name: &'static str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<String>,
    /// Containers running at once, and the bytes for each.
    running: Vec<(usize, u64)>,
    /// Bytes of a created container.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
}

/// Looks at each runtime.
pub(crate) fn of(field: &Field) -> Vec<Kept> {
    let look = |runtime: &Runtime| {
        let mut kept = Kept {
            name: runtime.name,
            version: runtime.version.clone(),
            absent: None,
            running: Vec::new(),
            created: None,
        };
        let seen = COUNTS.iter().try_for_each(|&count| {
            kept.running.push((count, running(runtime, field, count)?));
            Ok(())
        });
        let seen = seen.and_then(|()| created(runtime, field));
        match seen {
            Ok(bytes) => kept.created = Some(bytes),
            Err(error) => kept.absent = Some(format!("{error:#}")),
        }
        kept
    };
    field.runtimes.iter().map(look).collect()
}

/// The bytes for each of `count` containers, each with a `run` that waits for it.
fn running(runtime: &Runtime, field: &Field, count: usize) -> Result<u64> {
    let mut waiting = Vec::new();
    let started = (0..count).try_for_each(|_| {
        waiting.push(start(runtime, field)?);
        Ok(())
    });
    std::thread::sleep(REST);
    let bytes = started.and_then(|()| {
        let each = waiting.iter().map(|child| {
            let pid = i32::try_from(child.id()).context("a process id is positive")?;
            proportional_set_bytes(pid)
        });
        each.sum::<Result<u64>>()
    });
    for mut child in waiting {
        // The end of its standard input ends the program.
        drop(child.stdin.take());
        child.wait().context("cannot wait for a runtime")?;
    }
    Ok(bytes? / count as u64)
}

fn start(runtime: &Runtime, field: &Field) -> Result<Child> {
    let turn = trial::next_turn(&field.scratch);
    let mut child = runtime
        .command_of("run", &field.bundle.held, &turn.id)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start it")?;
    let mut ready = [0];
    let output = child.stdout.as_mut().context("its output is piped")?;
    if let Err(error) = output.read_exact(&mut ready) {
        drop(child.stdin.take());
        let status = child.wait().context("cannot wait for a runtime")?;
        return Err(error).with_context(|| format!("its program did not start: {status}"));
    }
    Ok(child)
}

fn created(runtime: &Runtime, field: &Field) -> Result<u64> {
    let turn = trial::next_turn(&field.scratch);
    let pid_file = field.scratch.join("pid");
    let mut create = runtime.create_with_pid_file(&field.bundle.timed, &turn.id, &pid_file);
    quietly(create.stdin(Stdio::null()))?;
    let pid = fs::read_to_string(&pid_file).context("cannot read the pid file")?;
    let bytes = pid
        .trim()
        .parse()
        .context("a pid is a number")
        .and_then(proportional_set_bytes);
    quietly(&mut runtime.command(&["delete", "--force", &turn.id]))?;
    bytes
}

/// As text of 80 columns.
pub(crate) fn render(kept: &[Kept], field: &Field) -> String {
    let mut out = String::from("memory of the runtime's own processes, for each container (PSS)\n");
    out += &format!("{:<28}{:<13}{:<13}created\n", "", "`run`, 1", "`run`, 100");
    for one in kept {
        let name = format!("  {} {}", one.name, one.version);
        if let Some(why) = &one.absent {
            out += &format!("{name:<26} does not run here: {why}\n");
            continue;
        }
        let bytes = |bytes: u64| human(bytes as f64, Unit::Bytes);
        let mut running = one.running.iter().map(|(_, each)| bytes(*each));
        let (alone, many) = (running.next(), running.next());
        let created = one.created.map(bytes);
        out += &format!(
            "{name:<26}  {:<12} {:<12} {}\n",
            alone.unwrap_or_default(),
            many.unwrap_or_default(),
            created.unwrap_or_default()
        );
    }
    let ours = kept
        .iter()
        .zip(&field.runtimes)
        .find(|(_, runtime)| runtime.role == Role::Ours);
    if let Some((ours, _)) = ours
        && let Some(most) = ours.running.iter().map(|(_, each)| *each).max()
    {
        let verdict = if most <= AT_MOST { "reached" } else { "missed" };
        let bound = human(AT_MOST as f64, Unit::Bytes);
        out += &format!("- at most {bound} for each of ours: {verdict}\n");
    }
    out + "\n"
}
