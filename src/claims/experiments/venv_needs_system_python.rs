//! `venv-needs-system-python`: take the interpreter away, and see what falls.
//!
//! The environment runs in a container that sees all of the host, once with
//! nothing hidden and once without the interpreter that it was made for. The
//! container with a Python of its own runs from its own files; that none of them
//! is the host's is seen from outside, in what its process has mapped.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use venv_sim::{Environment, Interpreter};

use super::python_root::PythonRoot;
use super::{contained, host_view};
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};

pub(super) struct VenvNeedsSystemPython;

/// How often each is started.
const STARTS: u32 = 3;
/// What has to be said for a start to count.
const SAID: &str = "it runs";

/// The program that says it.
const SCRIPT: &str = include_str!("starts.py");

const ENVIRONMENT: &str = "venv";
const COPIED: &str = "venv --copies";
const CONTAINER: &str = "container";
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
         same with nothing hidden, and a container with a Python of its own"
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
        let trial = Trial { context };
        trial.in_host_view(ENVIRONMENT, PLAIN, &environment.python, &[], &mut findings)?;
        context.doing(0.3)?;
        trial.in_host_view(
            ENVIRONMENT,
            HIDDEN,
            &environment.python,
            &hidden,
            &mut findings,
        )?;
        context.doing(0.5)?;
        // A copied interpreter is there, and its library is still the system's.
        let copied = made(context, "copied", &base, true)?;
        trial.in_host_view(COPIED, HIDDEN, &copied.python, &hidden, &mut findings)?;
        context.doing(0.7)?;
        trial.in_own_root(base, &mut findings)?;
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
        let borrowed = findings.amount(BORROWED, CONTAINER)?;
        if borrowed > 0.0 {
            return Err(Gap::new("the container used the system's Python itself"));
        }
        let effects = vec![
            Effect::counted(claim, "environment", without)?,
            Effect::counted(claim, "control", control / controls)?,
            Effect::counted(claim, "container", contained / containers)?,
        ];
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
            findings.fact(BORROWED, CONTAINER, borrowed, "c");
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
}

impl Trial<'_> {
    /// Starts `python` where all of the host is to be seen but `hidden`.
    fn in_host_view(
        &self,
        subject: &str,
        name: &str,
        python: &Path,
        hidden: &[PathBuf],
        findings: &mut Findings,
    ) -> Result<()> {
        let python = python.to_str().context("a path is not UTF-8")?;
        let script = self.context.scratch.join("starts.py");
        let script = script.to_str().context("a path is not UTF-8")?;
        let words = [python, "-I", script];
        let place = self.context.scratch.join("view");
        let (mut ran, mut failure) = (0, None);
        for _ in 0..STARTS {
            let spec = host_view::spec(&place.join("root"), &words, hidden)?;
            match contained::run(&place, spec, self.context.interrupt) {
                Ok(ended) if ended.status.success() && ended.stdout.trim_end() == SAID => ran += 1,
                Ok(ended) => failure = Some(ended.told()),
                // That there is nothing to execute is an answer.
                Err(error) if is_exec(&error) => failure = Some(format!("{error:#}")),
                Err(error) => return Err(error),
            }
        }
        let command = format!("{subject}/bin/python -I starts.py");
        findings.fact(
            &format!("started, {name}"),
            subject,
            f64::from(STARTS),
            &*command,
        );
        findings.fact(name, subject, f64::from(ran), &*command);
        if let Some(failure) = failure {
            findings.fact("how it failed", subject, failure, &*command);
        }
        Ok(())
    }

    /// Starts a Python that is the container's own.
    fn in_own_root(&self, base: Interpreter, findings: &mut Findings) -> Result<()> {
        let systems = files_of(&base);
        let place = self.context.scratch.join("own");
        fs::create_dir_all(&place).context("cannot make the container's directory")?;
        let root = PythonRoot::make(&place, base, "starts.py", SCRIPT)?;
        findings.step("copied the interpreter and what it loads into a container's own root");
        let mut ran = 0;
        for _ in 0..STARTS {
            let ended = contained::run(&place, root.spec(&[]), self.context.interrupt)?;
            ran += u32::from(ended.status.success() && ended.stdout.trim_end() == SAID);
        }
        let command = "container: python -I starts.py";
        let name = format!("started, {HIDDEN}");
        findings.fact(&name, CONTAINER, f64::from(STARTS), command);
        findings.fact(HIDDEN, CONTAINER, f64::from(ran), command);

        let mut held = contained::start(&place, root.spec(&["hold"]))?;
        held.wait_for_output(self.context.interrupt)?;
        let mapped = mapped_files(held.pid())?;
        let borrowed = mapped.intersection(&systems).count() as f64;
        let command = "/proc/PID/maps, by device and inode";
        findings.fact("files mapped", CONTAINER, mapped.len() as f64, command);
        findings.fact(BORROWED, CONTAINER, borrowed, command);
        findings.step("held one and looked whether any file it has mapped is the system's");
        Ok(())
    }
}

fn is_exec(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(isolab_oci::Error::Exec { .. }))
}

/// A file, whatever it is called: its device and inode.
type Identity = (u64, u64);

/// Everything below the standard library, and the program.
fn files_of(python: &Interpreter) -> BTreeSet<Identity> {
    let mut pending = vec![python.executable.clone(), python.stdlib.clone()];
    let mut files = BTreeSet::new();
    while let Some(path) = pending.pop() {
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let real = entries.filter(|e| e.file_type().is_ok_and(|kind| !kind.is_symlink()));
            pending.extend(real.map(|entry| entry.path()));
        } else {
            files.insert((metadata.dev(), metadata.ino()));
        }
    }
    files
}

/// The files that a process has mapped.
///
/// Source: `proc_pid_map_files(5)` needs a privilege, so each path of
/// `proc_pid_maps(5)` is looked up through the process's own root.
fn mapped_files(pid: i32) -> Result<BTreeSet<Identity>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))
        .with_context(|| format!("cannot read the maps of process {pid}"))?;
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let paths = maps.lines().filter_map(|line| line.split_once('/'));
    let files = paths.filter_map(|(_, path)| fs::metadata(root.join(path)).ok());
    Ok(files.map(|file| (file.dev(), file.ino())).collect())
}
