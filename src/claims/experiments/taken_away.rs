//! What goes from under a program that runs: the interpreter's files while an environment is
//! used, and the system's libraries under its modules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use isolab_oci::Spec;
use serde::Deserialize;
use venv_sim::Interpreter;

use super::python_root::PythonRoot;
use super::{contained, host_view};
use crate::claims::experiment::Context;
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap};
use crate::hide;

const USED: &str = include_str!("used.py");
const NATIVE: &str = include_str!("native.py");

/// Modules that are not loaded at the start: two to load before, two after. A container's root
/// has them all, for the lab's own workload.
const MODULES: [&str; 4] = ["base64", "datetime", "sqlite3", "ssl"];
/// Modules that stand on libraries of the system, and are in that root as well.
const NATIVES: [&str; 2] = ["sqlite3", "ssl"];

pub(super) const ENVIRONMENT: &str = "venv";
pub(super) const CONTAINER: &str = "container";
const ASKED: &str = "modules to load once the system's Python was taken away";
const LOADED: &str = "modules that were loaded then";
const TRIED: &str = "modules that stand on the system's libraries";
const HIDDEN: &str = "modules loaded with those libraries hidden";
const PLAIN: &str = "modules loaded with nothing hidden";

/// What a program could load.
#[derive(Deserialize)]
struct Half {
    asked: u32,
    loaded: u32,
    complaint: Option<String>,
}

pub(super) struct Trial<'a> {
    pub(super) context: &'a Context<'a>,
    /// The environment's interpreter.
    pub(super) python: &'a Path,
    /// The files of the interpreter that it was made for.
    pub(super) base: &'a [PathBuf],
    /// The interpreter for a root of a container's own.
    pub(super) interpreter: &'a Interpreter,
}

impl Trial<'_> {
    /// Starts a program in the environment and one in a container, takes the base interpreter
    /// away where the environment is, and has both go on.
    pub(super) fn take_the_interpreter(&self, findings: &mut Findings) -> Result<()> {
        let place = self.context.scratch.join("used");
        let root = PythonRoot::make(&place, self.interpreter.clone(), "used.py", USED)?;
        let script = place.join("used.py");
        fs::write(&script, USED).context("cannot write the program that is used")?;
        let interrupt = self.context.interrupt;
        let spec = self.in_host_view(&place, &script, &[], &MODULES)?;
        let mut environment = contained::start(&place.join("venv"), spec)?;
        let mut container = contained::start(&place.join("own"), root.spec(&MODULES))?;
        for (name, program) in [
            ("the environment's program", &mut environment),
            ("the container's program", &mut container),
        ] {
            let half: Half = half(&program.line(0, interrupt)?)?;
            ensure!(
                half.loaded == half.asked,
                "{name} does not run with everything there: {}",
                half.complaint.unwrap_or_default()
            );
        }
        hide::from(environment.pid(), self.base)?;
        for (subject, mut program) in [(ENVIRONMENT, environment), (CONTAINER, container)] {
            program.tell("go on")?;
            let half = half(&program.line(1, interrupt)?)?;
            let command = format!("python -I used.py {}", MODULES.join(" "));
            findings.fact(ASKED, subject, f64::from(half.asked), &*command);
            findings.fact(LOADED, subject, f64::from(half.loaded), &*command);
            if let Some(complaint) = half.complaint {
                findings.fact("its complaint then", subject, complaint, command);
            }
        }
        findings.step(
            "started a program in the environment and one in a container, hid the base \
             interpreter from the first while it ran, and had both load more modules",
        );
        Ok(())
    }

    /// Finds the system's libraries under the environment's modules, hides them, and loads the
    /// modules again; beside it the same modules in a container with copies of its own.
    pub(super) fn take_the_libraries(&self, findings: &mut Findings) -> Result<()> {
        let place = self.context.scratch.join("native");
        let root = PythonRoot::make(&place, self.interpreter.clone(), "native.py", NATIVE)?;
        let script = place.join("native.py");
        fs::write(&script, NATIVE).context("cannot write the program that loads a module")?;
        let (mut tried, mut plain, mut hidden, mut own) = (0, 0, 0, 0);
        for module in NATIVES {
            self.context.doing(0.7)?;
            let run = |spec: Spec| contained::run(&place.join("run"), spec, self.context.interrupt);
            let seen = |libraries: &[PathBuf]| {
                run(self.in_host_view(&place, &script, libraries, &[module])?)
            };
            let ended = seen(&[])?;
            ensure!(
                ended.status.success(),
                "{module} cannot be loaded at all: {}",
                ended.told()
            );
            let libraries: Vec<PathBuf> = serde_json::from_str(&ended.stdout)
                .context("cannot read which libraries came with it")?;
            let command = format!("python -I native.py {module}");
            let names: Vec<String> = libraries.iter().map(|l| l.display().to_string()).collect();
            let what = format!("libraries of the system under {module}");
            findings.fact(&what, ENVIRONMENT, names.join(", "), &*command);
            if libraries.is_empty() {
                continue;
            }
            tried += 1;
            plain += 1;
            let ended = seen(&libraries)?;
            hidden += u32::from(ended.status.success());
            if !ended.status.success() {
                let what = format!("{module} without them");
                findings.fact(&what, ENVIRONMENT, ended.told(), command);
            }
            let ended = run(root.spec(&[module]))?;
            own += u32::from(ended.status.success());
        }
        ensure!(
            tried > 0,
            "{} stand on no library of the system in this interpreter",
            NATIVES.join(" and ")
        );
        let command = format!("python -I native.py, for each of {}", NATIVES.join(", "));
        for (name, subject, count) in [
            (TRIED, ENVIRONMENT, tried),
            (PLAIN, ENVIRONMENT, plain),
            (HIDDEN, ENVIRONMENT, hidden),
            (HIDDEN, CONTAINER, own),
        ] {
            findings.fact(name, subject, f64::from(count), &*command);
        }
        findings.step(
            "hid the libraries of the system that the environment's modules stand on, one module \
             after the other, and loaded it; beside it in a container with copies of its own",
        );
        Ok(())
    }

    /// A container that runs `script` with the environment's interpreter where all of the host
    /// is to be seen but `hidden`.
    fn in_host_view(
        &self,
        place: &Path,
        script: &Path,
        hidden: &[PathBuf],
        arguments: &[&str],
    ) -> Result<Spec> {
        let words = [self.python, Path::new("-I"), script].map(Path::to_str);
        let words: Option<Vec<&str>> = words.into_iter().collect();
        let words = words.context("a path is not UTF-8")?;
        host_view::spec(&place.join("view"), &[&words, arguments].concat(), hidden)
    }
}

fn half(line: &str) -> Result<Half> {
    serde_json::from_str(line).context("cannot read what a program could load")
}

/// What of both was tried: the effects that the claim is judged by, and those that say whether
/// the trials were any.
pub(super) fn effects(
    claim: &Claim,
    findings: &Findings,
) -> Result<(Vec<Effect>, Vec<Effect>), Gap> {
    let (mut effects, mut controls) = (Vec::new(), Vec::new());
    if let (Ok(loaded), Ok(asked)) = (
        findings.amount(LOADED, CONTAINER),
        findings.amount(ASKED, CONTAINER),
    ) {
        let used = findings.amount(LOADED, ENVIRONMENT)?;
        effects.push(Effect::counted(claim, "used", used)?);
        controls.push(Effect::counted(claim, "goes-on", loaded / asked.max(1.0))?);
    }
    if let Ok(tried) = findings.amount(TRIED, ENVIRONMENT) {
        let hidden = findings.amount(HIDDEN, ENVIRONMENT)?;
        let plain = findings.amount(PLAIN, ENVIRONMENT)?;
        let own = findings.amount(HIDDEN, CONTAINER)?;
        effects.push(Effect::counted(claim, "native", hidden)?);
        let share = (plain + own) / (2.0 * tried.max(1.0));
        controls.push(Effect::counted(claim, "native-control", share)?);
    }
    Ok((effects, controls))
}

/// Adds to `findings` what a machine finds where the environment loses `lost` of two modules
/// with each of what is taken, and the container none.
#[cfg(test)]
pub(super) fn found(findings: &mut Findings, lost: f64) {
    for (name, subject, count) in [
        (ASKED, ENVIRONMENT, 2.0),
        (LOADED, ENVIRONMENT, 2.0 - lost),
        (ASKED, CONTAINER, 2.0),
        (LOADED, CONTAINER, 2.0),
        (TRIED, ENVIRONMENT, 2.0),
        (PLAIN, ENVIRONMENT, 2.0),
        (HIDDEN, ENVIRONMENT, 2.0 - lost),
        (HIDDEN, CONTAINER, 2.0),
    ] {
        findings.fact(name, subject, count, "c");
    }
}
