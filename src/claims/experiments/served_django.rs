//! Real Django projects that answer over HTTP, all at the same time: two of conflicting
//! versions on one interpreter, and one on each of two interpreters.
//!
//! The tutorial's own pairs are Python 2.7 with Django 1.5 and Python 3.5 with 2.1. Where
//! they are not to be had, the nearest are taken, and the steps say so.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use serde::Deserialize;
use venv_sim::Interpreter;

use super::django_series;
use super::held_python::Held;
use crate::claims::experiment::Context;
use crate::claims::findings::{Findings, Outcome};
use crate::claims::ruling::Gap;
use crate::hint;
use crate::loopback;
use crate::packages::environment_with;
use django_series::Pair;

/// The projects.
const SCRIPT: &str = include_str!("served.py");

/// Two projects of one interpreter.
pub(super) const PROJECTS: [&str; 2] = ["first project", "second project"];
/// A project for each of two interpreters.
pub(super) const PYTHONS: [&str; 2] = ["project of an old Python", "project of a newer Python"];

pub(super) const DJANGO: &str = "Django that answered";
pub(super) const PYTHON: &str = "Python that answered";
pub(super) const TOGETHER: &str = "all answered and still ran";
/// Whose that fact is.
pub(super) const SERVERS: &str = "servers";

/// As many interpreters are tried for a pair.
const TRIES: usize = 3;

/// A project that is served.
struct Served {
    name: &'static str,
    held: Held,
    said: Said,
    series: String,
}

/// What a server says of itself.
#[derive(Deserialize)]
struct Said {
    port: u16,
    django: String,
    python: String,
}

/// Serves them all, asks each, and notes what came of it. What cannot be had here becomes
/// something that is missing.
///
/// # Errors
/// If the user interrupts, or there is nowhere to write to.
pub(super) fn serve(
    base: &Interpreter,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<()> {
    let place = context.scratch.join("django");
    fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let script = place.join("served.py");
    fs::write(&script, SCRIPT).context("cannot write the projects")?;
    let trial = Trial {
        context,
        place,
        script,
    };
    let mut served = Vec::new();
    context.doing(0.4)?;
    match trial.two_projects(base, findings) {
        Ok(two) => served.extend(two),
        Err(error) => findings.lack("two projects with real Djangos", &error),
    }
    context.doing(0.6)?;
    // Where the index gave nothing just now, it is not asked again.
    if !served.is_empty() && context.settings.quick {
        let error = anyhow!("a quick run leaves them out");
        findings.lack("two Pythons with a Django each", &error);
    } else if !served.is_empty() {
        match trial.two_pythons(findings) {
            Ok(two) => served.extend(two),
            Err(error) => findings.lack("two Pythons with a Django each", &error),
        }
    }
    context.doing(0.9)?;
    if served.is_empty() {
        return Ok(());
    }
    ask(&mut served, findings)
}

/// Asks every server while all run.
fn ask(served: &mut [Served], findings: &mut Findings) -> Result<()> {
    for server in &*served {
        let port = server.said.port;
        let version = loopback::get(port, "/version")?;
        let page = loopback::get(port, "/")?;
        ensure!(
            version == server.said.django,
            "the {} answers Django {version} and says of itself that it is {}",
            server.name,
            server.said.django
        );
        let series = &server.series;
        let command = |path| format!("served.py {series}; curl http://127.0.0.1:{port}{path}");
        findings.fact(DJANGO, server.name, version, command("/version"));
        findings.fact("page", server.name, page, command("/"));
        findings.fact(
            PYTHON,
            server.name,
            &*server.said.python,
            format!("served.py {series}"),
        );
    }
    let mut together = true;
    for server in served {
        together &= server.held.runs()?;
    }
    let command = "waitpid(PID, WNOHANG) of each, once all had answered";
    findings.fact(TOGETHER, SERVERS, together, command);
    findings.step("asked every server over HTTP for its Django and a page while all ran");
    Ok(())
}

/// How many Djangos answered from environments of one interpreter, and how many Pythons with a
/// Django of their own; `None` where that was not tried.
///
/// # Errors
/// A [`Gap`] if not all of them ran at the same time.
pub(super) fn counted(findings: &Findings) -> Result<(Option<f64>, Option<f64>), Gap> {
    let of = |name: &str, subjects: [&str; 2], kept: &dyn Fn(&str) -> String| {
        let answers = subjects.map(|subject| findings.text(name, subject).ok().map(kept));
        let [Some(one), Some(other)] = answers else {
            return None;
        };
        Some(BTreeSet::from([one, other]).len() as f64)
    };
    if findings.outcome(TOGETHER, SERVERS) == Ok(&Outcome::Bool(false)) {
        return Err(Gap::new("the servers did not run at the same time"));
    }
    if findings.outcome(TOGETHER, SERVERS).is_err() {
        return Ok((None, None));
    }
    let minor = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
    Ok((
        of(DJANGO, PROJECTS, &str::to_owned),
        of(PYTHON, PYTHONS, &minor),
    ))
}

struct Trial<'a> {
    context: &'a Context<'a>,
    place: PathBuf,
    script: PathBuf,
}

impl Trial<'_> {
    /// Two projects on the interpreter `base`.
    fn two_projects(&self, base: &Interpreter, findings: &mut Findings) -> Result<Vec<Served>> {
        let python = (base.version.0, base.version.1);
        let series = django_series::two_for(python).with_context(|| {
            format!(
                "no two series of Django are known for Python {}.{}",
                python.0, python.1
            )
        })?;
        let mut served = Vec::new();
        for ((name, wanted), series) in PROJECTS.into_iter().zip(django_series::OLD).zip(series) {
            let pair = Pair { python, series };
            served.push(self.start(name, base, pair)?);
            findings.step(told(name, wanted, pair));
        }
        Ok(served)
    }

    /// A project on each of two interpreters.
    fn two_pythons(&self, findings: &mut Findings) -> Result<Vec<Served>> {
        let all: Vec<Interpreter> = venv_sim::interpreters()
            .into_iter()
            .filter_map(|candidate| candidate.interpreter.ok())
            .collect();
        let minor = |python: &Interpreter| (python.version.0, python.version.1);
        let mut served: Vec<Served> = Vec::new();
        let mut used = BTreeSet::new();
        for (name, wanted) in PYTHONS.into_iter().zip(django_series::OLD) {
            let mut pythons: Vec<&Interpreter> = all
                .iter()
                .filter(|python| !used.contains(&minor(python)))
                .collect();
            pythons.sort_by_key(|python| django_series::distance(minor(python), wanted.python));
            pythons.dedup_by_key(|python| minor(python));
            let mut failure = None;
            for python in pythons.into_iter().take(TRIES) {
                self.context.doing(0.7)?;
                let python_version = minor(python);
                let Some(series) = django_series::nearest(wanted.series, python_version) else {
                    continue;
                };
                let pair = Pair {
                    python: python_version,
                    series,
                };
                match self.start(name, python, pair) {
                    Ok(one) => {
                        findings.step(told(name, wanted, pair));
                        used.insert(python_version);
                        served.push(one);
                        failure = None;
                        break;
                    }
                    Err(error) => {
                        findings.step(format!("{name}: {pair} does not serve here: {error:#}"));
                        failure = Some(error);
                    }
                }
            }
            if let Some(error) = failure {
                return Err(error);
            }
        }
        if served.len() < 2 {
            let what = "no two interpreters of different versions are installed";
            let remedy = "install another one, for example with pyenv or uv";
            return Err(hint::with(what, remedy));
        }
        Ok(served)
    }

    /// One project: its environment, its Django, its server.
    fn start(&self, name: &'static str, python: &Interpreter, pair: Pair) -> Result<Served> {
        let series = django_series::shown(pair.series);
        let place = self.place.join(format!("{name} {pair}").replace(' ', "-"));
        let wanted = format!("Django=={series}.*");
        let interrupt = self.context.interrupt;
        let (environment, _) = environment_with(&place, python, &wanted, interrupt)?;
        // What keeps the user's own settings out; Python 2 has no one flag for it.
        let flags: &[&str] = match pair.python {
            (2, _) => &["-E", "-s"],
            _ => &["-I"],
        };
        let python = environment.python;
        let held = Held::start_with(&python, flags, &self.script, &[&series])?;
        let said: Said = held
            .answer(self.context.interrupt)
            .with_context(|| anyhow!("the {name} does not start"))?;
        Ok(Served {
            name,
            held,
            said,
            series,
        })
    }
}

/// Which pair was taken for which of the tutorial's.
fn told(name: &str, wanted: Pair, taken: Pair) -> String {
    if wanted == taken {
        format!("{name}: served by {taken}, which is the tutorial's own pair")
    } else {
        format!(
            "{name}: the tutorial's is {wanted}; served by {taken}, the nearest that works here"
        )
    }
}
