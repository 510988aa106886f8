//! `venv-isolates-packages`: two versions of one package, at the same time.
//!
//! Each environment gets a version whose functions the other does not have, and
//! one gets a second package besides. All programs hold until every one has
//! answered, so the versions were seen at the same time; what an environment or
//! the base interpreter sees that was not put there is a leak. The same with real
//! projects, which answer over HTTP, is added where an index gives them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use venv_sim::Interpreter;

use super::distribution::Distribution;
use super::held_python::Held;
use super::served_django;
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::{Fact, Findings, Outcome};
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::hint;

pub(super) struct VenvIsolatesPackages;

/// The program that asks.
const SCRIPT: &str = include_str!("versions_seen.py");

const OLD: Distribution = Distribution {
    name: "isolab_greeting",
    version: "1.5",
    module: "def greet(whom):\n    return 'good day, ' + whom\n",
};
/// It renamed its only function, as a major version may.
const NEW: Distribution = Distribution {
    name: "isolab_greeting",
    version: "2.1",
    module: "def hail(whom):\n    return 'hello, ' + whom\n",
};
const COMPANION: Distribution = Distribution {
    name: "isolab_companion",
    version: "1.0",
    module: "",
};

/// What a program sees.
#[derive(Deserialize)]
struct Seen {
    version: Option<String>,
    says: Option<String>,
    companion: bool,
    python: String,
}

/// A program to ask: under which name, with which interpreter, and which version
/// was put there.
struct Asked {
    name: &'static str,
    python: std::path::PathBuf,
    put: Option<&'static str>,
    companion: bool,
}

impl Experiment for VenvIsolatesPackages {
    fn id(&self) -> &'static str {
        "venv-isolates-packages"
    }

    fn about(&self) -> &'static str {
        "makes two environments with conflicting versions of a package, runs a program in both \
         and in the interpreter that they were made for at the same time, and asks each what it \
         sees; with a second interpreter, where there is one, a third environment; then serves \
         real Djangos that conflict, from environments of one interpreter and of two, and asks \
         all over HTTP while they run"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let base = venv_sim::discover(None)?;
        let script = context.scratch.join("versions_seen.py");
        fs::write(&script, SCRIPT).context("cannot write the program that asks")?;

        let old = made(context.scratch, "old", &base, &[&OLD])?;
        let new = made(context.scratch, "new", &base, &[&NEW, &COMPANION])?;
        findings.step(
            "made two environments; put isolab_greeting 1.5 into one, 2.1 and another package \
             into the other, as a wheel would be",
        );
        let asked = |name, python: &Path, put: Option<&Distribution>, companion| Asked {
            name,
            python: python.to_owned(),
            put: put.map(|put| put.version),
            companion,
        };
        let mut all = vec![
            asked("first environment", &old, Some(&OLD), false),
            asked("second environment", &new, Some(&NEW), true),
            asked("base interpreter", &base.executable, None, false),
        ];
        context.doing(0.3)?;
        match second(&base) {
            Ok(other) => {
                let third = made(context.scratch, "other", &other, &[&NEW])?;
                all.push(asked(
                    "environment of another Python",
                    &third,
                    Some(&NEW),
                    false,
                ));
                findings.step(format!(
                    "made a third for {}, with isolab_greeting 2.1",
                    other.executable.display()
                ));
            }
            Err(error) => findings.lack("a second interpreter", &error),
        }
        ask_at_once(&all, &script, context, &mut findings)?;
        findings.step("held every program until all had answered");
        served_django::serve(&base, context, &mut findings)?;
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        if !findings.is("all ran at the same time", "programs")? {
            return Err(Gap::new("the programs did not run at the same time"));
        }
        let named = |name: &'static str| {
            let facts = findings.facts.iter();
            facts.filter(move |fact: &&Fact| fact.name == name)
        };
        let mut versions: Vec<&str> = named("version that ran")
            .filter_map(|fact| match &fact.outcome {
                Outcome::Text(version) => Some(version.as_str()),
                Outcome::Bool(_) | Outcome::Number(_) => None,
            })
            .collect();
        versions.sort_unstable();
        versions.dedup();
        let asked = named("sees what was not put there").count();
        if asked < 3 {
            return Err(Gap::new("too few places were asked what they see"));
        }
        let leaks = named("sees what was not put there")
            .filter(|fact| fact.outcome == Outcome::Bool(true))
            .count();
        let mut effects = vec![
            Effect::counted(claim, "versions", versions.len() as f64)?,
            Effect::counted(claim, "leaks", leaks as f64)?,
        ];
        let mut because = format!(
            "{} ran side by side, and {leaks} of {asked} places saw more than was put there",
            versions.join(" and ")
        );
        // Where no index gives real ones, our own have to do, and `missing` says why.
        let (djangos, pythons) = served_django::counted(findings)?;
        if let Some(djangos) = djangos {
            effects.push(Effect::counted(claim, "djangos", djangos)?);
            let answered = served_django::PROJECTS
                .map(|project| findings.text(served_django::DJANGO, project))
                .into_iter()
                .collect::<Result<Vec<_>, _>>()?;
            because += &format!("; Django {} answered at once", answered.join(" and "));
        }
        if let Some(pythons) = pythons {
            effects.push(Effect::counted(claim, "pythons", pythons)?);
        }
        Ok(Ruling::of(effects, because))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |second: &str, leak: bool, together: bool| {
            let mut findings = Findings::default();
            findings.fact("all ran at the same time", "programs", together, "c");
            findings.fact("version that ran", "first environment", "1.5", "c");
            findings.fact("version that ran", "second environment", second, "c");
            for (subject, leaks) in [
                ("first environment", leak),
                ("second environment", false),
                ("base interpreter", false),
            ] {
                findings.fact("sees what was not put there", subject, leaks, "c");
            }
            findings
        };
        crate::claims::experiment::Cases {
            supports: found("2.1", false, true),
            refutes: found("1.5", true, true),
            too_little: found("2.1", false, false),
        }
    }
}

/// An environment for `python` with `packages`; its interpreter.
fn made(
    scratch: &Path,
    name: &str,
    python: &Interpreter,
    packages: &[&Distribution],
) -> Result<std::path::PathBuf> {
    let options = venv_sim::Options::default();
    let environment = venv_sim::create(&scratch.join(name), python, &options)?;
    for package in packages {
        package.install(&environment.site_packages)?;
    }
    Ok(environment.python)
}

/// An interpreter of another minor version, the newest there is.
fn second(base: &Interpreter) -> Result<Interpreter> {
    let minor = |python: &Interpreter| (python.version.0, python.version.1);
    let mut others: Vec<Interpreter> = venv_sim::interpreters()
        .into_iter()
        .filter_map(|candidate| candidate.interpreter.ok())
        // Older ones cannot be asked for a package's version.
        .filter(|found| minor(found) != minor(base) && minor(found) >= (3, 8))
        .collect();
    others.sort_by_key(minor);
    others.pop().ok_or_else(|| {
        let what = "no interpreter of another version is installed";
        hint::with(what, "install one, for example with pyenv or uv")
    })
}

/// Starts every program, waits until all have answered, and sees that all still
/// run.
fn ask_at_once(
    all: &[Asked],
    script: &Path,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let started = all.iter().map(|asked| Held::start(&asked.python, script));
    let mut started = started.collect::<Result<Vec<_>>>()?;
    for (asked, program) in all.iter().zip(&started) {
        context.doing(0.6)?;
        let seen: Seen = program
            .answer(context.interrupt)
            .with_context(|| format!("cannot ask the {}", asked.name))?;
        note(asked, &seen, findings);
    }
    let mut together = true;
    for program in &mut started {
        together &= program.runs()?;
    }
    findings.fact(
        "all ran at the same time",
        "programs",
        together,
        "waitpid(PID, WNOHANG) of each, once all had answered",
    );
    Ok(())
}

fn note(asked: &Asked, seen: &Seen, findings: &mut Findings) {
    let command = "python -I versions_seen.py";
    findings.fact("Python", asked.name, &*seen.python, command);
    if let (Some(version), Some(says)) = (&seen.version, &seen.says) {
        findings.fact("version that ran", asked.name, &**version, command);
        findings.fact("says", asked.name, &**says, command);
    }
    let leaks = seen.version.as_deref() != asked.put
        || seen.says.is_some() != asked.put.is_some()
        || seen.companion != asked.companion;
    findings.fact("sees what was not put there", asked.name, leaks, command);
}

#[cfg(test)]
mod tests {
    use served_django::{DJANGO, PROJECTS, PYTHON, PYTHONS, SERVERS, TOGETHER};

    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    /// The verdict where the packages are kept apart, and real projects answer so.
    fn judged(djangos: &[&str], pythons: &[&str], together: bool) -> Verdict {
        let mut findings = VenvIsolatesPackages.cases().supports;
        for (subject, version) in PROJECTS.iter().zip(djangos) {
            findings.fact(DJANGO, subject, *version, "c");
        }
        for (subject, version) in PYTHONS.iter().zip(pythons) {
            findings.fact(PYTHON, subject, *version, "c");
        }
        findings.fact(TOGETHER, SERVERS, together, "c");
        let ledger = Ledger::own();
        let claim = ledger.find("venv-isolates-packages").unwrap();
        rule(claim, &VenvIsolatesPackages, &findings).verdict
    }

    #[test]
    fn real_projects_turn_the_verdict_where_they_were_tried() {
        let (two, one) = (["4.1.13", "4.2.1"], ["4.1.13", "4.1.13"]);
        let (old, same) = (["2.7.18", "3.6.15"], ["3.6.15", "3.6.1"]);
        for (djangos, pythons, verdict) in [
            (&two[..], &old[..], Verdict::Supported),
            (&one, &old, Verdict::Refuted),
            (&two, &same, Verdict::Refuted),
            (&two, &[], Verdict::Supported),
            (&two[..1], &[], Verdict::Supported),
        ] {
            assert_eq!(judged(djangos, pythons, true), verdict, "{djangos:?}");
        }
        assert_eq!(judged(&two, &old, false), Verdict::Inconclusive);
    }
}
