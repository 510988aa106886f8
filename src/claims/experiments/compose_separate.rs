//! `compose-separate`, as far as it can be looked into before the lab has a compose of its own:
//! what the tutorial's `sudo pip install docker-compose` does on a machine that marks its Python
//! as externally managed, and what an environment does instead.
//!
//! The refusal comes before anything is looked for, so that nobody has to be root for it,
//! nothing has to be reached, and nothing could be changed.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use venv_sim::Interpreter;

use crate::claims::experiment::{Context, Inquiry};
use crate::claims::findings::Findings;
use crate::environment::bounded::{self, Ended};
use crate::hint;
use crate::packages::environment_with;
use crate::report::text::shown;

pub(super) struct ComposeSeparate;

/// What the tutorial installs.
const PROJECT: &str = "docker-compose";
/// The longest that pip may take: it reaches for nothing.
const BOUND: Duration = Duration::from_secs(30);
/// By which pip's refusal is known, whatever the distributor says besides.
const REFUSAL: &str = "externally-managed-environment";

const SYSTEM: &str = "the system's Python";
const ENVIRONMENT: &str = "venv";

/// How pip ended.
struct Said {
    command: String,
    code: i32,
    stderr: String,
}

impl Said {
    fn refused(&self) -> bool {
        self.code != 0 && self.stderr.contains(REFUSAL)
    }

    /// The first error that it tells.
    fn error(&self) -> String {
        let mut lines = self.stderr.lines().map(str::trim);
        let error = lines.find(|line| line.to_lowercase().starts_with("error"));
        shown(error.unwrap_or("it tells no error")).into_owned()
    }
}

impl Inquiry for ComposeSeparate {
    fn id(&self) -> &'static str {
        "compose-separate"
    }

    fn about(&self) -> &'static str {
        "has the pip of an interpreter that its distributor manages try to install what the \
         tutorial installs, without reaching for anything or changing anything; then the same \
         for an environment of that interpreter, and our own installer"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        context.doing(0.1)?;
        let managed = venv_sim::interpreters()
            .into_iter()
            .filter_map(|candidate| candidate.interpreter.ok())
            .find_map(|python| Some((python.externally_managed()?, python)));
        let Some((says, python)) = managed else {
            let what = "no interpreter here is marked as externally managed (PEP 668)";
            let remedy = "Debian 12, Ubuntu 23.04 and Fedora 38 mark theirs, and later ones too";
            findings.lack(
                "a Python that its distributor manages",
                &hint::with(what, remedy),
            );
            return Ok(findings);
        };
        let file = format!("cat {}/EXTERNALLY-MANAGED", python.stdlib.display());
        let says = says.split_whitespace().collect::<Vec<_>>().join(" ");
        let says = shown(&says).into_owned();
        findings.fact("marked as externally managed", SYSTEM, true, &*file);
        findings.fact("its distributor says", SYSTEM, says, file);
        findings.step(format!(
            "found {}, which its distributor marks as externally managed",
            python.executable.display()
        ));
        context.doing(0.3)?;
        let environment = venv_sim::create(
            &context.scratch.join("env"),
            &python,
            &venv_sim::Options::default(),
        )?;
        let own = python.executable.as_path();
        for (subject, target) in [(SYSTEM, own), (ENVIRONMENT, &environment.python)] {
            match pip(&python, target, context) {
                Ok(said) => {
                    let command = &*said.command;
                    findings.fact(
                        "pip refused for the marker",
                        subject,
                        said.refused(),
                        command,
                    );
                    findings.fact("pip's error", subject, said.error(), command);
                }
                Err(error) => {
                    context.doing(0.3)?;
                    findings.lack(&format!("pip for {subject}"), &error);
                }
            }
        }
        findings.step(format!(
            "had its pip try to install {PROJECT} without an index: for the system's Python, and \
             for an environment, which the marker does not concern"
        ));
        context.doing(0.6)?;
        let place = context.scratch.join("installed");
        let command = format!("isolab venv install {PROJECT}");
        match environment_with(&place, &python, PROJECT, context.interrupt) {
            Ok((_, came)) => findings.fact("what came", ENVIRONMENT, came.join(", "), command),
            // That its wheels do not fit together, or that there are none, is an answer.
            Err(error) if is_answer(&error) => {
                let why = error.to_string();
                let why: Vec<&str> = why
                    .lines()
                    .map(str::trim)
                    .filter(|l| !l.is_empty())
                    .collect();
                let why: String = shown(&why.join("; ")).chars().take(1_000).collect();
                findings.fact("why nothing came", ENVIRONMENT, why, command);
            }
            Err(error) => {
                context.doing(0.9)?;
                findings.lack("what an index has of it", &error);
                return Ok(findings);
            }
        }
        findings.step(format!("asked the index for {PROJECT}, for an environment"));
        Ok(findings)
    }
}

fn is_answer(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<venv_sim::Error>();
    matches!(
        error,
        Some(venv_sim::Error::Unsatisfiable { .. } | venv_sim::Error::BadRequirement { .. })
    )
}

/// Has the pip of `python` try to install into `target`, with nothing of the user's settings, no
/// index, and no change if it came that far.
fn pip(python: &Interpreter, target: &Path, context: &Context<'_>) -> Result<Said> {
    let home = context.scratch.join("home");
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let mut words = vec!["-I", "-m", "pip"];
    let into = target.to_str().context("a path is not UTF-8")?;
    if target != python.executable {
        words.extend(["--python", into]);
    }
    words.extend(["install", "--dry-run", "--no-index", PROJECT]);
    let mut command = Command::new(&python.executable);
    command
        .args(&words)
        .env_clear()
        .env("HOME", &home)
        .envs([
            ("PATH", "/usr/bin:/bin"),
            ("LC_ALL", "C.UTF-8"),
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
        ])
        .current_dir(&home);
    let interrupt = context.interrupt;
    let ended = bounded::run_unless(&mut command, BOUND, &|| interrupt.raised())
        .with_context(|| format!("cannot run {}", python.executable.display()))?;
    match ended {
        Ended::Exited { stderr, .. } if stderr.contains("No module named pip") => Err(hint::with(
            format!("{} has no pip", python.executable.display()),
            "apt install python3-pip",
        )),
        Ended::Exited { code, stderr, .. } => Ok(Said {
            command: format!("{} {}", python.executable.display(), words.join(" ")),
            code: code.unwrap_or(-1),
            stderr,
        }),
        Ended::TimedOut => bail!("pip did not end within {} s", BOUND.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_markers_refusal_is_taken_for_one() {
        let said = |code, stderr: &str| Said {
            command: "c".to_owned(),
            code,
            stderr: stderr.to_owned(),
        };
        let refused = said(
            1,
            "error: externally-managed-environment\n\n× This environment is\n",
        );
        assert!(refused.refused());
        assert_eq!(refused.error(), "error: externally-managed-environment");
        let missing = said(
            1,
            "WARNING: x\nERROR: No matching distribution found for y\n",
        );
        assert!(!missing.refused());
        assert_eq!(
            missing.error(),
            "ERROR: No matching distribution found for y"
        );
        assert!(!said(0, "externally-managed-environment").refused());
    }
}
