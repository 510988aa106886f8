//! `portability`: one root file system, in every place that can run it.
//!
//! The program says what it is made of and what it computes. Whoever runs it, the
//! line has to be the same to the letter, and the files the same afterwards. A
//! guest brings a kernel of its own. Where it ends is tried too: the same program
//! for another architecture.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use isolab_engine::bundle;
use isolab_engine::spec::{Settings, default_spec};
use sha2::{Digest as _, Sha256};
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::qemu;

use super::python_root::PythonRoot;
use super::{contained, engines, runtimes};
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::{Findings, Outcome};
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::isolation::guest::{accelerator, find_kernel};
use crate::{guard, program};

pub(super) struct Portability;

/// The program that says what it is made of.
const SCRIPT: &str = include_str!("portable.py");

const SAID: &str = "said";
const OURS: &str = "container";
const FOREIGN: &str = "runs a program for another architecture";

/// How long a guest may take to boot and compute.
const BOOT: Duration = Duration::from_secs(60);
/// How long it may take to power off.
const OFF: Duration = Duration::from_secs(20);

impl Experiment for Portability {
    fn id(&self) -> &'static str {
        "portability"
    }

    fn about(&self) -> &'static str {
        "makes one root file system and runs it with our runtime, with runc, crun and youki, docker \
         and podman, where they are, and in a guest with another kernel; compares what each said \
         and the digest of the files, and tries a program for another architecture"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let base = venv_sim::discover(None)?;
        let root = PythonRoot::make(context.scratch, base, "portable.py", SCRIPT)?;
        let files = files_below(&root.path)?;
        let before = digest(&root.path, &files)?;
        findings.step("made one root file system with Python and a program that sums up its files");

        let place = context.scratch.join("bundle");
        bundle::write(&place, &root.spec(&[]))?;
        let ended = contained::run(
            &context.scratch.join("ours"),
            root.spec(&[]),
            context.interrupt,
        )?;
        ensure!(ended.status.success(), "cannot run it: {}", ended.told());
        note(OURS, &ended.stdout, &mut findings);
        for (index, name) in runtimes::NAMES.into_iter().enumerate() {
            context.doing(0.2 + 0.1 * index as f64)?;
            match runtimes::run(name, &place, &context.scratch.join("state")) {
                Ok(said) => note(name, &said, &mut findings),
                Err(error) => findings.lack(name, &error),
            }
        }
        context.doing(0.5)?;
        engines::each(&root.path, &mut findings, |name, engine, findings| {
            note(name, &engine.run(&root.command())?, findings);
            Ok(())
        });
        context.doing(0.7)?;
        if let Err(error) = in_a_guest(&root, context, &mut findings) {
            ensure!(!context.interrupt.raised(), "interrupted");
            findings.lack("vm", &error);
        }
        findings.step("ran it in every place that there is, and compared what it said there");

        let unchanged = digest(&root.path, &files)? == before;
        let command = "sha256 of every file's path and content, before and after";
        findings.fact("digest of the root", "files", &*before, command);
        findings.fact("the same afterwards", "files", unchanged, command);
        let foreign = runs_foreign(&root.path, context)?;
        findings.step("tried the static program with another architecture in its header");
        findings.fact(FOREIGN, OURS, foreign, "/foreign exit");
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let ours = findings.text(SAID, OURS)?;
        let others = findings
            .facts
            .iter()
            .filter(|fact| fact.name == SAID && fact.subject != OURS);
        let others: Vec<(&str, bool)> = others
            .map(|fact| {
                let same = matches!(&fact.outcome, Outcome::Text(said) if said == ours);
                (fact.subject.as_str(), same)
            })
            .collect();
        if others.is_empty() {
            return Err(Gap::untried("no other place ran it"));
        }
        let unchanged = findings.is("the same afterwards", "files")?;
        let same = others.iter().filter(|(_, same)| *same && unchanged).count();
        let effect = Effect::counted(claim, "identical", same as f64 / others.len() as f64)?;
        let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
        let because = format!(
            "{same} of {} others said what our container said: {}",
            others.len(),
            names.join(", ")
        );
        let ruling = Ruling::of(vec![effect], because);
        Ok(match findings.is(FOREIGN, OURS) {
            Ok(false) => ruling.but("not on another architecture"),
            _ => ruling,
        })
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |places: &[(&str, &str)]| {
            let mut findings = Findings::default();
            for (place, said) in places {
                findings.fact(SAID, place, *said, "c");
            }
            findings.fact("the same afterwards", "files", true, "c");
            findings.fact(FOREIGN, OURS, false, "c");
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(&[(OURS, "a"), ("podman", "a"), ("vm", "a")]),
            refutes: found(&[(OURS, "a"), ("podman", "a"), ("vm", "b")]),
            too_little: found(&[(OURS, "a")]),
        }
    }
}

/// Notes what the program said, without the ready byte.
fn note(place: &str, said: &str, findings: &mut Findings) {
    let said = said.trim().trim_start_matches('R');
    findings.fact(SAID, place, said, "python -I /portable.py");
}

/// Boots a guest from the same files and lets it say the same line.
fn in_a_guest(root: &PythonRoot, context: &Context<'_>, findings: &mut Findings) -> Result<()> {
    let (qemu, kernel) = (qemu::find()?, find_kernel()?);
    let accelerator = accelerator(&qemu, &kernel, context.scratch, context.interrupt)?;
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_tree(&root.path, "")?;
    let initrd = context.scratch.join("initramfs");
    let bytes = archive.write_file(&initrd)?;
    let words = [&["guest"], &*root.command(), &["hold"]].concat();
    let release = kernel.release.clone();
    // It keeps the archive and what it unpacks at the same time.
    let memory_mib = 128 + u32::try_from(3 * bytes / (1 << 20)).unwrap_or(u32::MAX / 2);
    let guest = Guest::new(qemu, kernel, &initrd, context.scratch.join("console"))
        .args(words)
        .env(program::environment())
        .memory_mib(memory_mib)
        .accel(accelerator.accel)
        .launcher(guard::quick_words()?);
    let mut running = guest.start()?;
    let stop = || context.interrupt.raised();
    running.wait_ready_unless(BOOT, &stop)?;
    running.release()?;
    running.wait_unless(OFF, &stop)?;
    note("vm", &String::from_utf8_lossy(running.said()), findings);
    findings.fact("kernel", "vm", release, "the kernel that the guest booted");
    let host = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    findings.fact("kernel", "host", host.trim(), "uname -r");
    Ok(())
}

/// Whether this machine runs our static program with the name of another
/// architecture in its header (`elf(5)`, `e_machine`).
fn runs_foreign(root: &Path, context: &Context<'_>) -> Result<bool> {
    const MACHINE: usize = 18;
    const X86_64: u8 = 62;
    const AARCH64: u8 = 183;
    let place = context.scratch.join("foreign");
    let inside = root.join("foreign");
    let mut foreign = program::TRUE.to_vec();
    let machine = foreign
        .get_mut(MACHINE)
        .context("our program is no ELF file")?;
    *machine = if *machine == X86_64 { AARCH64 } else { X86_64 };
    program::write_executable(&inside, &foreign)?;
    let spec = default_spec(&Settings::new(root, ["/foreign", "exit"]));
    Ok(match contained::run(&place, spec, context.interrupt) {
        Ok(ended) => ended.status.success(),
        Err(error) if matches!(error.downcast_ref(), Some(isolab_oci::Error::Exec { .. })) => false,
        Err(error) => return Err(error),
    })
}

/// Every file below `root`, by its path inside.
///
/// An engine may add to a directory that it starts from, such as mount points:
/// what was there before is what must not change.
fn files_below(root: &Path) -> Result<Vec<PathBuf>> {
    let (mut pending, mut files) = (vec![PathBuf::new()], Vec::new());
    while let Some(inside) = pending.pop() {
        let path = root.join(&inside);
        let entries = fs::read_dir(&path);
        for entry in entries.with_context(|| format!("cannot read {}", path.display()))? {
            let entry = entry?;
            let inside = inside.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                pending.push(inside);
            } else {
                files.push(inside);
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// A digest of each of `files` below `root`, path and content.
fn digest(root: &Path, files: &[PathBuf]) -> Result<String> {
    let mut sum = Sha256::new();
    for inside in files {
        let path = root.join(inside);
        let content = if path.is_symlink() {
            fs::read_link(&path).map(|target| target.into_os_string().into_encoded_bytes())
        } else {
            fs::read(&path)
        };
        let content = content.with_context(|| format!("cannot read {}", path.display()))?;
        for part in [inside.as_os_str().as_encoded_bytes(), &content] {
            sum.update((part.len() as u64).to_le_bytes());
            sum.update(part);
        }
    }
    let digest = sum.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_changes_the_digest_and_one_more_does_not() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("d")).unwrap();
        fs::write(place.path().join("d/a"), "x").unwrap();
        let files = files_below(place.path()).unwrap();
        let before = digest(place.path(), &files).unwrap();
        fs::write(place.path().join("b"), "y").unwrap();
        assert_eq!(digest(place.path(), &files).unwrap(), before);
        fs::write(place.path().join("d/a"), "z").unwrap();
        assert_ne!(digest(place.path(), &files).unwrap(), before);
    }
}
