//! The closure of an interpreter: the files that the Python workload needs, and
//! nothing else.
//!
//! Container and guest run Python from a root file system of their own, made of
//! this closure. Running it from the host's root would make their disk and
//! their page cache look free. The interpreter itself says what it has loaded:
//! no package list could know it better.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::environment::bounded::{self, Ended};

/// Asked of the interpreter, after the workload's own imports.
const QUESTION: &str = include_str!("closure.py");

/// The longest that the answer may take, from a cold disk.
const BOUND: Duration = Duration::from_secs(10);

/// What has to be in a root file system for the interpreter to run.
#[derive(Clone, Debug, Deserialize)]
pub struct Closure {
    /// The interpreter's own path, all symbolic links resolved.
    pub binary: PathBuf,
    /// Folders that must exist, even if empty.
    pub folders: Vec<PathBuf>,
    /// Files, each at the path it has on the host.
    pub files: Vec<PathBuf>,
    /// Symbolic links: path to target.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Names of `.pth` files through which packages of the interpreter's own
    /// run code at every start. No other subject sees them.
    pub start_up_code: Vec<String>,
}

/// Asks `interpreter` (a path) for its closure.
///
/// # Errors
/// If it does not run, does not answer within 10 s, lacks one of the workload's modules, or answers with
/// something else than its closure.
pub fn of(interpreter: &Path) -> Result<Closure> {
    let question = Question {
        text: QUESTION,
        arguments: &[],
        environment: None,
        purpose: "import json, ssl and sqlite3",
    };
    within(interpreter, &question, BOUND)
}

/// The same after `work`, a program that is given `arguments` and no other variables than those
/// of `environment`, `NAME=value` each: with all that it loaded.
///
/// # Errors
/// As [`of`], and if `work` fails.
pub fn after(
    interpreter: &Path,
    work: &str,
    arguments: &[&Path],
    environment: &[String],
) -> Result<Closure> {
    let question = Question {
        text: &format!("{work}\n{QUESTION}"),
        arguments,
        environment: Some(environment),
        purpose: "answer",
    };
    within(interpreter, &question, BOUND)
}

/// What an interpreter is asked.
struct Question<'a> {
    text: &'a str,
    arguments: &'a [&'a Path],
    /// Its variables, if not ours.
    environment: Option<&'a [String]>,
    /// What it cannot do if it fails.
    purpose: &'a str,
}

fn within(interpreter: &Path, question: &Question<'_>, bound: Duration) -> Result<Closure> {
    let shown = interpreter.display();
    let mut command = Command::new(interpreter);
    command
        .args(["-I", "-c", question.text])
        .args(question.arguments);
    if let Some(variables) = question.environment {
        let pairs = variables.iter().filter_map(|pair| pair.split_once('='));
        command.env_clear().envs(pairs);
    }
    let ended = bounded::run(&mut command, bound).with_context(|| format!("cannot run {shown}"))?;
    let Ended::Exited {
        code,
        stdout,
        stderr,
        ..
    } = ended
    else {
        bail!("cannot ask {shown} for its files: no answer in {bound:?}");
    };
    ensure!(
        code == Some(0),
        "cannot {} in {shown}: {}",
        question.purpose,
        stderr.trim().lines().last().unwrap_or("no reason given")
    );
    let closure: Closure = serde_json::from_str(&stdout)
        .with_context(|| format!("cannot read what {shown} says of its files"))?;
    let named = closure
        .files
        .iter()
        .chain(closure.links.keys())
        .chain([&closure.binary]);
    let all_absolute = named.into_iter().all(|path| path.is_absolute());
    ensure!(all_absolute, "{shown} names a file by a relative path");
    Ok(closure)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_interpreter_that_never_answers_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let silent = dir.path().join("python3");
        fs::write(&silent, "#!/bin/sh\nexec sleep 60\n").unwrap();
        fs::set_permissions(&silent, fs::Permissions::from_mode(0o755)).unwrap();
        let question = Question {
            text: QUESTION,
            arguments: &[],
            environment: None,
            purpose: "answer",
        };
        let error = within(&silent, &question, Duration::from_millis(200)).unwrap_err();
        assert!(error.to_string().contains("no answer in 200ms"), "{error}");
    }

    /// What the interpreter of this machine answers to `ask`; `None`, and why, if
    /// there is none.
    fn answer(ask: &str) -> Option<Closure> {
        let Ok(interpreter) = venv_sim::discover(None) else {
            eprintln!("skipped: there is no interpreter");
            return None;
        };
        let output = Command::new(interpreter.executable)
            .args(["-I", "-S", "-c", ask])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        Some(serde_json::from_slice(&output.stdout).expect(&said))
    }

    #[test]
    fn a_start_up_file_in_two_folders_is_named_once() {
        // Twice the same folder on the path of the question itself.
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("site-packages");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.pth"), "import sys\n").unwrap();
        let ask = format!("import sys\nsys.path += [{folder:?}] * 2\n{QUESTION}");
        let Some(closure) = answer(&ask) else {
            return;
        };
        assert_eq!(closure.start_up_code, ["a.pth"]);
    }

    /// Python 3.13's `collections.abc` runs and then is another module.
    #[test]
    fn a_module_that_puts_another_in_its_place_is_among_the_files() {
        let dir = tempfile::tempdir().unwrap();
        let package = dir.path().join("package");
        fs::create_dir(&package).unwrap();
        fs::write(package.join("__init__.py"), "").unwrap();
        let replaces = "import sys, json\nsys.modules[__name__] = json\n";
        fs::write(package.join("gone.py"), replaces).unwrap();
        let folder = dir.path();
        let ask =
            format!("import sys\nsys.path.append({folder:?})\nimport package.gone\n{QUESTION}");
        let Some(closure) = answer(&ask) else {
            return;
        };
        let file = fs::canonicalize(package.join("gone.py")).unwrap();
        assert!(closure.files.contains(&file), "{:?}", closure.files);
    }

    #[test]
    fn a_program_that_is_no_interpreter_is_an_error_that_names_it() {
        let error = of(Path::new("/bin/false")).unwrap_err().to_string();
        assert!(error.contains("/bin/false"), "{error}");
    }
}
