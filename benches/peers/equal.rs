//! Whether the runtimes do the same work: each starts the same bundle with a
//! program that holds, the host looks at the container from outside, and what
//! crun's has and another's has not is held against that other.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::bundle::Bundle;
use crate::contestant::{Contestant, Role, Turn};
use crate::{facts, trial};

/// Who says what a container has to have, the first of them that runs here.
const REFERENCES: [&str; 2] = ["crun", "runc"];

/// A container to be looked at: how to start it, and the file of its program.
pub(crate) struct Held {
    pub(crate) command: Command,
    pub(crate) program: PathBuf,
}

/// How a contestant's container is started so that it holds.
type HowHeld = fn(&str, &Bundle, &Turn) -> Option<Held>;

/// The comparison, and what it found.
pub(crate) struct Inspection {
    bundle: Bundle,
    held: HowHeld,
    /// Whose container was the measure, and how many facts it had.
    pub(crate) reference: Option<(&'static str, usize)>,
    /// Who was seen to have all of it.
    pub(crate) equal: Vec<&'static str>,
}

impl Inspection {
    pub(crate) fn new(bundle: Bundle, held: HowHeld) -> Self {
        Self {
            bundle,
            held,
            reference: None,
            equal: Vec::new(),
        }
    }

    /// Looks at each contestant's container and notes what it lacks. One that
    /// cannot be looked at is held to lack everything.
    pub(crate) fn compare(&mut self, contestants: &mut [Contestant]) {
        let mut seen = Vec::new();
        for (index, contestant) in contestants.iter_mut().enumerate() {
            if contestant.absent.is_some() || matches!(contestant.role, Role::Floor | Role::Limit) {
                continue;
            }
            match self.look_at(contestant.name) {
                Ok(Some(facts)) => seen.push((index, contestant.name, facts)),
                Ok(None) => {}
                Err(error) => contestant.lacks = vec![format!("cannot be looked at: {error:#}")],
            }
        }
        let by_name = |name: &&str| seen.iter().find(|(_, own, _)| own == name);
        let Some((_, name, reference)) = REFERENCES.iter().find_map(by_name) else {
            let ours = contestants.iter_mut().filter(|c| c.role == Role::Ours);
            ours.for_each(|c| c.lacks = vec!["neither crun nor runc runs here to say".to_owned()]);
            return;
        };
        self.reference = Some((name, reference.len()));
        for (index, own, facts) in &seen {
            let lacks: Vec<String> = reference.difference(facts).cloned().collect();
            if lacks.is_empty() && own != name {
                self.equal.push(own);
            }
            contestants[*index].lacks = lacks;
        }
    }

    /// The facts of a contestant's container; `None` for one that is not held to
    /// the bundle.
    fn look_at(&self, name: &str) -> Result<Option<BTreeSet<String>>> {
        let scratch = self
            .bundle
            .held
            .parent()
            .context("a bundle lies somewhere")?;
        let turn = trial::next_turn(scratch);
        let Some(mut held) = (self.held)(name, &self.bundle, &turn) else {
            return Ok(None);
        };
        held.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = held.command.spawn().context("cannot start it")?;
        let facts = wait_and_look(&mut child, &held.program, &self.bundle);
        // The end of its standard input ends the program, whatever was seen.
        drop(child.stdin.take());
        child.wait().context("cannot wait for it")?;
        facts.map(Some)
    }
}

fn wait_and_look(child: &mut Child, program: &Path, bundle: &Bundle) -> Result<BTreeSet<String>> {
    let output = child.stdout.as_mut().context("its output is piped")?;
    output
        .read_exact(&mut [0])
        .context("it ended before its program was ready")?;
    facts::of(find_process(program)?, &bundle.spec)
}

/// The process that executes `program`, wherever it is: a runtime need not be
/// its parent.
fn find_process(program: &Path) -> Result<i32> {
    let file = fs::metadata(program)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Of processes that are gone or not ours to look at, there is no answer.
        let Ok(executable) = fs::metadata(entry.path().join("exe")) else {
            continue;
        };
        if (executable.dev(), executable.ino()) == (file.dev(), file.ino()) {
            return Ok(pid);
        }
    }
    bail!("its program is not among the host's processes")
}
