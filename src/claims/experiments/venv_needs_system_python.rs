//! `venv-needs-system-python`: take the interpreter away, and see what falls.
//!
//! The environment runs in a container that sees all of the host, once with
//! nothing hidden and once without the interpreter that it was made for. The
//! container with a Python of its own runs from its own files; that none of them
//! is the host's is seen from outside, in what its process has mapped. Then the same goes
//! from under a program that runs already, and the system's libraries from under its modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use isolab_oci::Spec;
use venv_sim::{Environment, Interpreter};

use super::python_root::PythonRoot;
use super::{contained, host_view, mapped, taken_away};
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Met, Ruling};

pub(super) struct VenvNeedsSystemPython;

/// How often each is started.
const STARTS: u32 = 3;
/// What has to be said for a start to count.
const SAID: &str = "it runs";

/// The program that says it.
const SCRIPT: &str = include_str!("starts.py");

const ENVIRONMENT: &str = taken_away::ENVIRONMENT;
const COPIED: &str = "venv --copies";
const CONTAINER: &str = taken_away::CONTAINER;
const PLAIN: &str = "ran with nothing hidden";
const HIDDEN: &str = "ran without the system's Python";
const BORROWED: &str = "files of the system's Python mapped";

impl Experiment for VenvNeedsSystemPython {
    fn id(&self) -> &'static str {
        "venv-needs-system-python"
    }

    fn about(&self) -> &'static str {
        "follows pyvenv.cfg and the links of an environment to its interpreter, hides that and its \
         library in a mount namespace, and starts the environment's Python there; beside it the \
         same with nothing hidden, and a container with a Python of its own; hides it also from \
         a program that runs, and the system's libraries from the environment's modules"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let base = venv_sim::discover(None)?;
        let environment = made(context, "venv", &base, false)?;
        follow(&environment, &mut findings)?;

        let hidden = [fs::canonicalize(&base.executable)?, base.stdlib.clone()];
        let shown = |path: &Path| path.display().to_string();
        findings.step(format!(
            "hid {} and {} in a mount namespace, where everything else of the host is to be seen",
            shown(&hidden[0]),
            shown(&hidden[1])
        ));
        let script = context.scratch.join("starts.py");
        fs::write(&script, SCRIPT).context("cannot write the program to start")?;
        let trial = Trial {
            context,
            script,
            systems: mapped::files_below([&base.executable, &base.stdlib]),
        };
        // A copied interpreter is there, and its library is still the system's.
        let copied = made(context, "copied", &base, true)?;
        for (subject, name, python, hidden) in [
            (ENVIRONMENT, PLAIN, &environment.python, &[][..]),
            (ENVIRONMENT, HIDDEN, &environment.python, &hidden),
            (COPIED, HIDDEN, &copied.python, &hidden),
        ] {
            context.doing(0.3)?;
            let spec = |arguments: &[&str]| trial.in_host_view(python, hidden, arguments);
            trial.count(subject, name, spec, &mut findings)?;
        }
        context.doing(0.6)?;
        let interpreter = base.clone();
        let root = PythonRoot::make(&context.scratch.join("own"), base, "starts.py", SCRIPT)?;
        findings.step("copied the interpreter and what it loads into a container's own root");
        let own = |arguments: &[&str]| Ok(root.spec(arguments));
        trial.count(CONTAINER, HIDDEN, own, &mut findings)?;

        context.doing(0.8)?;
        let seen = |arguments: &[&str]| trial.in_host_view(&environment.python, &[], arguments);
        trial.look(ENVIRONMENT, seen, &mut findings)?;
        trial.look(CONTAINER, own, &mut findings)?;
        findings.step("held one of each and looked which files it has mapped are the system's");

        context.doing(0.9)?;
        let trial = taken_away::Trial {
            context,
            python: &environment.python,
            base: &hidden,
            interpreter: &interpreter,
        };
        if let Err(error) = trial.take_the_interpreter(&mut findings) {
            context.doing(0.9)?;
            findings.lack("a running program from under which Python goes", &error);
        }
        if let Err(error) = trial.take_the_libraries(&mut findings) {
            context.doing(0.9)?;
            findings.lack("a library of the system under a module", &error);
        }
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let of = |name, subject| -> Result<(f64, f64), Gap> {
            let started = findings.amount(&format!("started, {name}"), subject)?;
            if started < 1.0 {
                return Err(Gap::new(format!("{subject} was not started")));
            }
            Ok((findings.amount(name, subject)?, started))
        };
        let (control, controls) = of(PLAIN, ENVIRONMENT)?;
        let (without, starts) = of(HIDDEN, ENVIRONMENT)?;
        let (contained, containers) = of(HIDDEN, CONTAINER)?;
        if findings.amount(BORROWED, ENVIRONMENT)? < 1.0 {
            return Err(Gap::new(
                "the way of looking does not see the system's Python",
            ));
        }
        if findings.amount(BORROWED, CONTAINER)? > 0.0 {
            return Err(Gap::new("the container used the system's Python itself"));
        }
        let (taken, taken_controls) = taken_away::effects(claim, findings)?;
        let mut effects = vec![Effect::counted(claim, "environment", without)?];
        effects.extend(taken);
        let own = effects.len();
        effects.push(Effect::counted(claim, "control", control / controls)?);
        effects.push(Effect::counted(claim, "container", contained / containers)?);
        effects.extend(taken_controls);
        // Those say whether the trials were any, and nothing of the claim.
        if let Some(failed) = effects[own..]
            .iter()
            .find(|effect| effect.met() != Met::Yes)
        {
            return Err(Gap::new(format!(
                "a trial that has to go well did not: {}, {}",
                failed.name,
                failed.unit.shown(failed.value)
            )));
        }
        let because = format!(
            "with the system's Python hidden, the environment's started {without} times of {starts} \
             and the container's {contained} of {containers}; with nothing hidden, the \
             environment's {control} of {controls}"
        );
        Ok(Ruling::of(effects, because))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |without: f64, borrowed: f64| {
            let mut findings = Findings::default();
            for (name, subject, ran) in [
                (PLAIN, ENVIRONMENT, 3.0),
                (HIDDEN, ENVIRONMENT, without),
                (HIDDEN, CONTAINER, 3.0),
            ] {
                findings.fact(&format!("started, {name}"), subject, 3.0, "c");
                findings.fact(name, subject, ran, "c");
            }
            findings.fact(BORROWED, ENVIRONMENT, 3.0, "c");
            findings.fact(BORROWED, CONTAINER, borrowed, "c");
            // It loses what it cannot start without.
            taken_away::found(&mut findings, if without > 0.0 { 0.0 } else { 2.0 });
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(0.0, 0.0),
            refutes: found(3.0, 0.0),
            too_little: found(0.0, 4.0),
        }
    }
}

fn made(
    context: &Context<'_>,
    name: &str,
    base: &Interpreter,
    copies: bool,
) -> Result<Environment> {
    let options = venv_sim::Options {
        copies,
        ..venv_sim::Options::default()
    };
    Ok(venv_sim::create(
        &context.scratch.join(name),
        base,
        &options,
    )?)
}

/// Where the environment's interpreter leads, link by link.
fn follow(environment: &Environment, findings: &mut Findings) -> Result<()> {
    let home = environment.home.display().to_string();
    findings.fact(
        "home in pyvenv.cfg",
        ENVIRONMENT,
        home,
        "grep ^home pyvenv.cfg",
    );
    let mut links = Vec::new();
    let mut at = environment.python.clone();
    while let Ok(target) = fs::read_link(&at) {
        at = at.parent().unwrap_or(Path::new("/")).join(target);
        links.push(at.display().to_string());
        if links.len() > 40 {
            break; // as many as the kernel follows
        }
    }
    findings.step("followed the links of the environment's bin/python to the end");
    findings.fact(
        "bin/python is a link",
        ENVIRONMENT,
        !links.is_empty(),
        "readlink bin/python",
    );
    findings.fact(
        "leads to",
        ENVIRONMENT,
        links.join(", then "),
        "readlink -f bin/python",
    );
    let own = fs::canonicalize(&at)?.starts_with(fs::canonicalize(&environment.dir)?);
    findings.fact(
        "its program lies inside",
        ENVIRONMENT,
        own,
        "readlink -f bin/python",
    );
    Ok(())
}

/// Starts, a few of each.
struct Trial<'a> {
    context: &'a Context<'a>,
    /// The program to start, on the host.
    script: PathBuf,
    /// The files of the system's Python.
    systems: BTreeSet<mapped::Identity>,
}

impl Trial<'_> {
    /// A container that runs `python` where all of the host is to be seen but
    /// `hidden`.
    fn in_host_view(&self, python: &Path, hidden: &[PathBuf], arguments: &[&str]) -> Result<Spec> {
        let words = [python, Path::new("-I"), &self.script].map(Path::to_str);
        let words: Option<Vec<&str>> = words.into_iter().collect();
        let words = words.context("a path is not UTF-8")?;
        let root = self.context.scratch.join("view");
        host_view::spec(&root, &[&words, arguments].concat(), hidden)
    }

    /// Counts the starts that say what they should.
    fn count(
        &self,
        subject: &str,
        name: &str,
        spec: impl Fn(&[&str]) -> Result<Spec>,
        findings: &mut Findings,
    ) -> Result<()> {
        let place = self.context.scratch.join("run");
        let (mut ran, mut failure) = (0, None);
        for _ in 0..STARTS {
            match contained::run(&place, spec(&[])?, self.context.interrupt) {
                Ok(ended) if ended.status.success() && ended.stdout.trim_end() == SAID => ran += 1,
                Ok(ended) => failure = Some(ended.told()),
                // That there is nothing to execute is an answer.
                Err(error) if is_exec(&error) => failure = Some(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        let command = format!("{subject}: python -I starts.py");
        let started = format!("started, {name}");
        findings.fact(&started, subject, f64::from(STARTS), &*command);
        findings.fact(name, subject, f64::from(ran), &*command);
        if let Some(failure) = failure {
            findings.fact("how it failed", subject, failure, &*command);
        }
        Ok(())
    }

    /// Holds one and looks at the files that it has mapped.
    fn look(
        &self,
        subject: &str,
        spec: impl Fn(&[&str]) -> Result<Spec>,
        findings: &mut Findings,
    ) -> Result<()> {
        let place = self.context.scratch.join("run");
        let mut held = contained::start(&place, spec(&["hold"])?)?;
        held.wait_for_output(self.context.interrupt)?;
        let mapped = mapped::by(held.pid())?;
        let borrowed = mapped.intersection(&self.systems).count() as f64;
        let command = "/proc/PID/maps, by device and inode";
        findings.fact("files mapped", subject, mapped.len() as f64, command);
        findings.fact(BORROWED, subject, borrowed, command);
        Ok(())
    }
}

fn is_exec(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(isolab_oci::Error::Exec { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    /// One module that still loads is one that needed nothing of the system.
    #[test]
    fn a_program_that_does_not_notice_refutes() {
        let ledger = Ledger::own();
        let claim = ledger.find("venv-needs-system-python").unwrap();
        let mut findings = VenvNeedsSystemPython.cases().supports;
        let before = findings.facts.len();
        taken_away::found(&mut findings, 1.0);
        findings.facts.rotate_left(before); // of two facts the first counts
        let ruling = rule(claim, &VenvNeedsSystemPython, &findings);
        assert_eq!(ruling.verdict, Verdict::Refuted);
        let mut without = VenvNeedsSystemPython.cases().supports;
        without
            .facts
            .retain(|fact| !fact.name.starts_with("modules"));
        let ruling = rule(claim, &VenvNeedsSystemPython, &without);
        assert_eq!(
            (ruling.verdict, ruling.effects.len()),
            (Verdict::Supported, 3)
        );
    }

    /// What never ran proves nothing by not running, for the claim or against it.
    #[test]
    fn a_control_that_fails_refutes_nothing() {
        let ledger = Ledger::own();
        let claim = ledger.find("venv-needs-system-python").unwrap();
        for (name, subject) in [(PLAIN, ENVIRONMENT), (HIDDEN, CONTAINER)] {
            let mut findings = VenvNeedsSystemPython.cases().supports;
            let mut facts = findings.facts.iter_mut();
            let control = facts.find(|fact| fact.name == name && fact.subject == subject);
            control.unwrap().outcome = 2.0.into();
            let ruling = rule(claim, &VenvNeedsSystemPython, &findings);
            assert_eq!(ruling.verdict, Verdict::Inconclusive, "{name}, {subject}");
        }
    }
}
