//! A command that is killed at each of its system calls, and its container's
//! init at each of its own: what is left, `delete --force` removes.
//!
//! strace tells which calls there are, and does the killing: it counts the calls
//! of each name, stops the tracee at the N-th, and sends the signal before the
//! call is made.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, ExitStatus};

use isolab_oci::Spec;
use isolab_oci::spec::{Namespace, NamespaceType, TimeOffset};
use isolab_oci::sys::process::effective_ids;

use crate::Claim;
use crate::lab::{Lab, run};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_create_that_is_killed_leaves_what_delete_removes", || {
        each_call(
            "create",
            as_it_is,
            &["create"],
            Whom::Runtime,
            |_, _| Ok(()),
        )
    }),
    ("an_init_that_is_killed_leaves_nothing", || {
        each_call("init", as_it_is, &["create"], Whom::All, |_, _| Ok(()))
    }),
    ("a_run_that_is_killed_leaves_what_delete_removes", || {
        each_call(
            "run",
            as_it_is,
            &["run", "--detach"],
            Whom::Runtime,
            |_, _| Ok(()),
        )
    }),
    (
        "a_create_on_the_hosts_mounts_that_is_killed_leaves_what_delete_removes",
        || each_call("mounts", on_host, &["create"], Whom::Runtime, |_, _| Ok(())),
    ),
    (
        "a_create_in_a_time_namespace_that_is_killed_leaves_what_delete_removes",
        || each_call("time", in_time, &["create"], Whom::Runtime, |_, _| Ok(())),
    ),
    ("a_start_that_is_killed_leaves_what_delete_removes", || {
        each_call("start", as_it_is, &["start"], Whom::Runtime, |lab, id| {
            lab.succeed(&["create"], id)
        })
    }),
    ("a_delete_that_is_killed_leaves_what_delete_removes", || {
        each_call(
            "delete",
            as_it_is,
            &["delete", "--force"],
            Whom::Runtime,
            |lab, id| {
                lab.succeed(&["create"], id)?;
                lab.succeed(&["start"], id)
            },
        )
    }),
];

fn as_it_is(_: &mut Spec) {}

/// Without a mount namespace, which only root can do without.
fn on_host(spec: &mut Spec) {
    if effective_ids().0 == 0 {
        let linux = spec.linux.get_or_insert_default();
        linux.namespaces.retain(|n| n.kind != NamespaceType::Mount);
        // Hidden would be the host's.
        linux.masked_paths.clear();
        linux.readonly_paths.clear();
    }
}

fn in_time(spec: &mut Spec) {
    let linux = spec.linux.get_or_insert_default();
    linux.namespaces.push(Namespace {
        kind: NamespaceType::Time,
        path: None,
    });
    let offset = TimeOffset {
        secs: 86_400,
        nanosecs: 0,
    };
    linux.time_offsets.insert("boottime".to_owned(), offset);
}

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The command's first process only.
    Runtime,
    /// Whichever gets to that many calls of a name first.
    All,
}

/// The `nth` call of one name.
#[derive(PartialEq, Eq, Hash)]
struct Call {
    name: String,
    nth: u32,
}

/// Kills `verb` at each of its calls in turn; `prepare` makes what it needs.
fn each_call(
    name: &str,
    change: fn(&mut Spec),
    verb: &[&str],
    whom: Whom,
    prepare: impl Fn(&Lab, &str) -> Result<(), String>,
) -> Result<(), String> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Err("strace is not installed (Debian: strace)".to_owned());
    }
    let lab = Lab::with(name, &["/bin/sleep", "1000"], change)?;
    let id = format!("{}-0", lab.prefix);
    prepare(&lab, &id)?;
    let calls = calls_of(&lab, verb, &id, whom)?;
    nothing_is_left(&lab, &id).map_err(|left| format!("not killed, {left}"))?;

    let mut killed = 0;
    for (number, Call { name, nth }) in (1..).zip(&calls) {
        let id = format!("{}-{number}", lab.prefix);
        prepare(&lab, &id)?;
        let inject = format!("inject={name}:signal=SIGKILL:when={nth}");
        let status = traced(&lab, verb, &id, whom, &["-o", "/dev/null", "-e", &inject]);
        killed += u32::from(!status.success());
        nothing_is_left(&lab, &id)
            .map_err(|left| format!("killed at {name} number {nth}, {left}"))?;
    }
    // Two runs differ a little: one waits where the other need not.
    if (killed as usize) < calls.len() * 9 / 10 {
        return Err(format!(
            "of {} calls it was killed at {killed} only",
            calls.len()
        ));
    }
    Ok(())
}

fn nothing_is_left(lab: &Lab, id: &str) -> Result<(), String> {
    let deleted = lab.isorun(&["delete", "--force"], id);
    if !deleted.status.success() {
        return Err(format!("then: {deleted:?}"));
    }
    let left = lab.left();
    match left.is_empty() {
        true => Ok(()),
        false => Err(format!("left: {left:#?}")),
    }
}

/// The calls that `verb` makes.
fn calls_of(lab: &Lab, verb: &[&str], id: &str, whom: Whom) -> Result<Vec<Call>, String> {
    let file = lab.bundle().join("calls");
    let status = traced(lab, verb, id, whom, &["-o", &file.to_string_lossy()]);
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{verb:?}: {status}: {text}"));
    }
    let calls = calls_in(&text, whom == Whom::All);
    match calls.len() {
        0..20 => Err(format!("{verb:?} makes {} calls only", calls.len())),
        _ => Ok(calls),
    }
}

/// Reads strace's lines: `openat(...) = 3`, the process's id before it where it
/// follows several. A call that it tells of twice is resumed the second time.
fn calls_in(text: &str, several: bool) -> Vec<Call> {
    let mut counts: HashMap<(&str, &str), u32> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let (process, line) = match several {
            true => line.split_once(' ').unwrap_or(("", line)),
            false => ("", line),
        };
        let Some((name, _)) = line.trim_start().split_once('(') else {
            continue;
        };
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            continue;
        }
        let nth = counts.entry((process, name)).or_default();
        *nth += 1;
        let call = Call {
            name: name.to_owned(),
            nth: *nth,
        };
        // Strace cannot kill at the first: it is what starts the command.
        let is_start = call.name == "execve" && call.nth == 1;
        if !is_start && !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}

fn traced(lab: &Lab, verb: &[&str], id: &str, whom: Whom, options: &[&str]) -> ExitStatus {
    let mut words = vec!["strace", "-qqq"];
    if whom == Whom::All {
        // Until it executes: after that it is no longer ours.
        words.extend(["-f", "-b", "execve"]);
    }
    words.extend(options);
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    words.extend(lab.words(verb, id));
    run(&words).status
}
