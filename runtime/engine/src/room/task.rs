//! What is done inside the room, by this program executed there with a hidden
//! word before all others.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};

use isolab_oci::Program;

use crate::error::{Error, Result};

/// The word. No verb of a command line begins like this.
const WORD: &str = "__room";

/// Something to do inside.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// What it is called by.
    pub name: &'static str,
    /// Does it, with the words that it was given; an exit code.
    pub perform: fn(&[OsString]) -> Result<u8>,
    /// Whether it mounts: else root does it without a room.
    pub mounts: bool,
    /// Whether what it starts is to end with it: it gets a pid namespace.
    pub starts_others: bool,
}

/// Removes trees, whoever owns what is in them.
pub const REMOVE: Task = Task {
    name: "remove",
    perform: super::remove::perform,
    mounts: false,
    starts_others: false,
};

/// The task that this process was executed for; its exit code, or `None` where
/// it was executed for something else. `more` are those beside [`REMOVE`].
/// [`crate::inside`] knows all of this crate.
///
/// To be called before anything else: threads, a parser of arguments and what a
/// command does at its beginning cost time and are not for here.
#[must_use]
pub fn perform(more: &[Task]) -> Option<u8> {
    let mut words = env::args_os().skip(1);
    if words.next()? != *WORD {
        return None;
    }
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let task = more.iter().chain(&[REMOVE]).find(|task| name == *task.name);
    let done = match task {
        Some(task) => (task.perform)(&words),
        None => Err(Error::NotFound {
            what: format!("task `{}`", name.to_string_lossy()),
        }),
    };
    Some(done.unwrap_or_else(|error| {
        // Whoever reads it may have gone; the code says it, too.
        let _ = writeln!(io::stderr(), "error: {}", error.in_one_line());
        1
    }))
}

/// The program that performs `task` with `words`.
pub(super) fn program(task: &Task, words: &[OsString]) -> Result<Program> {
    let mut all = vec!["isolab".to_owned(), WORD.to_owned(), task.name.to_owned()];
    for word in words {
        let word = word.to_str().ok_or_else(|| Error::Outside {
            path: word.into(),
            reason: "the name is not UTF-8",
        })?;
        all.push(word.to_owned());
    }
    Ok(super::program_at(super::OWN_FILE.as_ref(), all))
}
