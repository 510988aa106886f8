//! A command that is killed at each of its system calls, and its container's
//! init at each of its own: what is left, `delete --force` removes.
//!
//! strace does the killing: it stops the tracee at its N-th call and sends the
//! signal before the call is made.

use std::process::Command;

use crate::Claim;
use crate::lab::{Lab, run};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_create_that_is_killed_leaves_what_delete_removes", || {
        each_call("create", &["create"], Whom::Runtime, |_, _| Ok(()))
    }),
    ("an_init_that_is_killed_leaves_nothing", || {
        each_call("init", &["create"], Whom::All, |_, _| Ok(()))
    }),
    ("a_run_that_is_killed_leaves_what_delete_removes", || {
        each_call("run", &["run", "--detach"], Whom::Runtime, |_, _| Ok(()))
    }),
    ("a_start_that_is_killed_leaves_what_delete_removes", || {
        each_call("start", &["start"], Whom::Runtime, |lab, id| {
            lab.succeed(&["create"], id)
        })
    }),
    ("a_delete_that_is_killed_leaves_what_delete_removes", || {
        each_call(
            "delete",
            &["delete", "--force"],
            Whom::Runtime,
            |lab, id| {
                lab.succeed(&["create"], id)?;
                lab.succeed(&["start"], id)
            },
        )
    }),
];

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// The command's first process only.
    Runtime,
    /// Whichever gets to that many calls first.
    All,
}

/// Kills `verb` at its first call, its second, and so on, until it gets
/// through; `prepare` makes what it needs.
fn each_call(
    name: &str,
    verb: &[&str],
    whom: Whom,
    prepare: impl Fn(&Lab, &str) -> Result<(), String>,
) -> Result<(), String> {
    if Command::new("strace").arg("-V").output().is_err() {
        return Err("strace is not installed (Debian: strace)".to_owned());
    }
    let lab = Lab::new(name, &["/bin/sleep", "1000"])?;
    for call in 1..2000 {
        let id = format!("{}-{call}", lab.prefix);
        prepare(&lab, &id)?;
        let got_through = killed_at(&lab, verb, &id, whom, call);
        let deleted = lab.isorun(&["delete", "--force"], &id);
        if !deleted.status.success() {
            return Err(format!("killed at call {call}: {deleted:?}"));
        }
        let left = lab.left();
        if !left.is_empty() {
            return Err(format!("killed at call {call}, left: {left:#?}"));
        }
        if got_through {
            if call < 20 {
                return Err(format!("it was killed {} times only", call - 1));
            }
            return Ok(());
        }
    }
    Err("it makes more than 2000 calls".to_owned())
}

/// Whether nobody was killed.
fn killed_at(lab: &Lab, verb: &[&str], id: &str, whom: Whom, call: u32) -> bool {
    let inject = format!("inject=all:signal=SIGKILL:when={call}");
    let mut words: Vec<String> = ["strace", "-qqq", "-o", "/dev/null", "-e", &inject]
        .map(str::to_owned)
        .to_vec();
    if whom == Whom::All {
        // Until it executes: after that it is no longer ours.
        words.extend(["-f", "-b", "execve"].map(str::to_owned));
    }
    words.extend(lab.words(verb, id));
    run(&words).status.success()
}
