//! Hooks: programs of the author's that run at points of a container's life,
//! told of its state on their standard input.
//!
//! Those of the runtime's namespaces are ordinary children. One of the
//! container's namespaces enters them through the container's first process;
//! at `createContainer` the root is not yet entered, so its file is still the
//! host's.
//!
//! Source: `config.md`, "POSIX-platform Hooks"; `runtime.md`, "Lifecycle".

use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::state::{State, Status};
use crate::error::{Error, Result};
use crate::process::{ExitStatus, Nobody, Options, Plan, Program, Running, Stdio, launch};
use crate::spec::{Hook, Spec};
use crate::sys::descriptor;

/// A process in whose namespaces a hook runs.
#[derive(Debug)]
pub(super) struct Inside<'a> {
    pub(super) pid: i32,
    pub(super) pidfd: BorrowedFd<'a>,
    /// Its root, not yet entered: a path of the host.
    pub(super) rootfs: &'a Path,
}

/// `prestart`, `createRuntime` and `createContainer`, in this order.
pub(super) fn run_while_creating(spec: &Spec, state: &State, inside: &Inside<'_>) -> Result<()> {
    let Some(hooks) = &spec.hooks else {
        return Ok(());
    };
    run_all("prestart", &hooks.prestart, state, on_the_host)?;
    run_all("createRuntime", &hooks.create_runtime, state, on_the_host)?;
    run_all(
        "createContainer",
        &hooks.create_container,
        state,
        |program, stdio| {
            let pidfd = inside.pidfd.try_clone_to_owned();
            let pidfd = pidfd.map_err(|source| Error::Supervise {
                action: "hold on to the container's first process",
                source,
            })?;
            // Where other runtimes have it begin, too.
            let program = &Program {
                cwd: Some(inside.rootfs.to_owned()),
                ..of_the_host(program)
            };
            let plan = Plan::for_hook(program, spec, inside.pid, pidfd, stdio)?;
            launch(plan, &mut Nobody)
        },
    )
}

/// `startContainer`: each hook is started by `start`.
pub(super) fn run_start_container(
    spec: &Spec,
    state: &State,
    start: impl FnMut(&Program, Stdio<'_>) -> Result<Running>,
) -> Result<()> {
    match &spec.hooks {
        Some(hooks) => run_all("startContainer", &hooks.start_container, state, start),
        None => Ok(()),
    }
}

/// `poststart`.
pub(super) fn run_poststart(spec: &Spec, state: &State) -> Result<()> {
    let hooks = spec
        .hooks
        .as_ref()
        .map_or(&[][..], |hooks| &hooks.poststart);
    run_all("poststart", hooks, state, on_the_host)
}

/// `poststop`: a failure does not keep the others from running. The first one.
pub(super) fn run_poststop(spec: &Spec, state: &State) -> Result<()> {
    let hooks = spec.hooks.as_ref().map_or(&[][..], |hooks| &hooks.poststop);
    let mut state = state.clone();
    (state.status, state.pid) = (Status::Stopped, 0);
    let mut first = Ok(());
    for (index, hook) in hooks.iter().enumerate() {
        let ran = run("poststop", index, hook, &state, &mut on_the_host);
        first = first.and(ran);
    }
    first
}

fn on_the_host(program: &Program, stdio: Stdio<'_>) -> Result<Running> {
    crate::process::spawn(&of_the_host(program), stdio, &Options::attached())
}

/// A hook that is given no environment has the runtime's, as with other runtimes.
/// Never the container's: its file is the host's, which an image's `LD_PRELOAD`
/// is no business of.
fn of_the_host(program: &Program) -> Program {
    if !program.env.is_empty() {
        return program.clone();
    }
    let pairs = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        Some(format!("{name}={value}"))
    });
    Program {
        env: pairs.collect(),
        ..program.clone()
    }
}

fn run_all(
    point: &'static str,
    hooks: &[Hook],
    state: &State,
    mut start: impl FnMut(&Program, Stdio<'_>) -> Result<Running>,
) -> Result<()> {
    for (index, hook) in hooks.iter().enumerate() {
        run(point, index, hook, state, &mut start)?;
    }
    Ok(())
}

fn run(
    point: &'static str,
    index: usize,
    hook: &Hook,
    state: &State,
    start: &mut impl FnMut(&Program, Stdio<'_>) -> Result<Running>,
) -> Result<()> {
    let failed = |reason: String| Error::Hook {
        field: format!("hooks.{point}[{index}]"),
        path: hook.path.clone(),
        reason,
    };
    let io = |error: std::io::Error| failed(error.to_string());
    // Files, not pipes: a hook that does not read its input, or writes more
    // than a pipe holds, does not keep us waiting.
    let mut input = fs::File::from(descriptor::memory(c"state").map_err(|e| io(e.into()))?);
    let text = serde_json::to_vec(state).map_err(|error| failed(error.to_string()))?;
    input.write_all(&text).map_err(io)?;
    input.rewind().map_err(io)?;
    let mut said = fs::File::from(descriptor::memory(c"said").map_err(|e| io(e.into()))?);
    let null = fs::OpenOptions::new().write(true).open("/dev/null");
    let null = null.map_err(io)?;
    let stdio = Stdio {
        stdin: input.as_fd(),
        stdout: null.as_fd(),
        stderr: said.as_fd(),
    };
    let path = hook.path.to_string_lossy().into_owned();
    let program = Program {
        path: hook.path.clone(),
        args: match hook.args.is_empty() {
            true => vec![path],
            false => hook.args.clone(),
        },
        env: hook.env.clone(),
        cwd: None,
    };
    let mut running = start(&program, stdio).map_err(|error| failed(with_cause(&error)))?;
    let status = wait(&mut running, hook.timeout)?
        .ok_or_else(|| failed(format!("no end after {} s", hook.timeout.unwrap_or(0))))?;
    if status.success() {
        return Ok(());
    }
    let mut words = Vec::new();
    let _ = said.rewind();
    let _ = (&said).take(4096).read_to_end(&mut words);
    let words = String::from_utf8_lossy(&words);
    let how = match (status.code, status.signal) {
        (Some(code), _) => format!("exit status {code}"),
        (None, signal) => format!("signal: {}", in_words(signal.unwrap_or(0))),
    };
    Err(failed(match words.trim() {
        "" => how,
        words => format!("{how}: {words}"),
    }))
}

/// Waits for the end; `None` where that did not come in time. Dropping
/// `running` ends it then.
fn wait(running: &mut Running, timeout: Option<i64>) -> Result<Option<ExitStatus>> {
    let Some(seconds) = timeout.and_then(|s| u64::try_from(s).ok()) else {
        return running.wait().map(Some);
    };
    // One that lies beyond the clock's end is none.
    let Some(deadline) = Instant::now().checked_add(Duration::from_secs(seconds)) else {
        return running.wait().map(Some);
    };
    loop {
        if let Some(status) = running.try_wait()? {
            return Ok(Some(status));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // What it waits for may be a child, which would stay.
            running.kill_group();
            return Ok(None);
        }
        let milliseconds = i32::try_from(left.as_millis().max(1)).unwrap_or(i32::MAX);
        running.wait_readable(milliseconds);
    }
}

/// A signal as Go, and so the messages that clients compare, has it.
fn in_words(signal: i32) -> String {
    let words = match signal {
        libc::SIGABRT => "aborted",
        libc::SIGKILL => "killed",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGSYS => "bad system call",
        libc::SIGTERM => "terminated",
        other => return format!("signal {other}"),
    };
    words.to_owned()
}

fn with_cause(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
