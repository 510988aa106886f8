//! What the lab measures with and does not make itself: an interpreter, the
//! emulator, hardware virtualization and a guest's kernel.

use std::process::Command;
use std::time::Duration;

use vm_model::accel::{self, AccelChoice, CacheKey};
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::kernel::Kernel;
use vm_model::kvm::Grade;
use vm_model::qemu::{self, Qemu};

use super::facts::{Found, Program, Python, with_causes};
use super::hello::kvm_grade;
use crate::environment::bounded::{self, Ended};
use crate::isolation::guest;
use crate::scratch::Scratch;
use crate::{guard, program};

/// The longest that an interpreter may take to import the workload's modules,
/// from a cold disk.
const PYTHON_BOUND: Duration = Duration::from_secs(3);

/// How long a guest gets to show that KVM runs this kernel; as in `compare`.
const KVM_BOUND: Duration = Duration::from_secs(4);

/// Prints each module of the workload, and of its environment, that is missing.
const ASK_PYTHON: &str = "\
for module in ('json', 'ssl', 'sqlite3', 'venv'):
    try:
        __import__(module)
    except ImportError:
        print(module)
";

fn missing<T>(why: impl Into<String>) -> Found<T> {
    Found::Missing { why: why.into() }
}

/// An error's first line, its causes included: some quote a console below it.
fn refused<T>(error: &dyn std::error::Error) -> Found<T> {
    let text = with_causes(error);
    missing(text.lines().next().unwrap_or_default())
}

/// The interpreter that environments are made for, and what it lacks.
pub(super) fn python() -> Found<Python> {
    let interpreter = match venv_sim::discover(None) {
        Ok(interpreter) => interpreter,
        Err(error) => return refused(&error),
    };
    let path = interpreter.executable;
    let (major, minor, patch) = interpreter.version;
    let name = path.display().to_string();
    let mut command = Command::new(&path);
    command.args(["-I", "-c", ASK_PYTHON]);
    match bounded::run(&mut command, PYTHON_BOUND) {
        Ok(Ended::Exited {
            code: Some(0),
            stdout,
            ..
        }) => Found::Here(Python {
            path,
            version: format!("{major}.{minor}.{patch}"),
            lacks: stdout.lines().map(str::to_owned).collect(),
        }),
        Ok(Ended::TimedOut) => missing(format!("{name} did not answer within 3 s")),
        Ok(Ended::Exited { stderr, .. }) => {
            let said = stderr.lines().last().unwrap_or("nothing");
            missing(format!("{name} does not run: it said {said}"))
        }
        Err(error) => missing(format!("{name} does not run: {error}")),
    }
}

/// The emulator, whether a guest runs under KVM, and a kernel for guests.
pub(super) fn guests() -> (Found<Program>, Found<String>, Found<Program>) {
    let (qemu, kernel) = (qemu::find(), guest::find_kernel());
    let unusable = match kvm_grade() {
        Ok(Grade::Usable { .. }) | Err(_) => None,
        Ok(grade) => Some(grade.to_string()),
    };
    let runs = match (unusable, &qemu, &kernel) {
        // No kernel is booted where not even the smallest guest runs as it should.
        (Some(why), ..) => missing(why),
        (None, Ok(qemu), Ok(kernel)) => match under_kvm(qemu, kernel) {
            Ok(choice) if choice.kvm() => Found::Here(choice.why),
            Ok(choice) => missing(choice.why),
            Err(error) => missing(format!("{error:#}")),
        },
        _ => Found::NotAsked,
    };
    (
        found(qemu, |qemu| Program {
            path: qemu.path,
            version: qemu.version.to_string(),
        }),
        runs,
        found(kernel, |kernel| Program {
            path: kernel.path,
            version: kernel.release,
        }),
    )
}

fn found<T>(looked: vm_model::Result<T>, program: impl FnOnce(T) -> Program) -> Found<Program> {
    match looked {
        Ok(it) => Found::Here(program(it)),
        Err(error) => refused(&error),
    }
}

/// Whether KVM runs this very kernel to our init: tried each time, for whoever
/// asks the doctor may just have changed something. What `compare` remembers is
/// renewed by the answer.
fn under_kvm(qemu: &Qemu, kernel: &Kernel) -> anyhow::Result<AccelChoice> {
    let scratch = Scratch::new()?;
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_file("true", 0o755, program::TRUE)?;
    let initrd = scratch.path().join("initramfs");
    archive.write_file(&initrd)?;
    let console = scratch.path().join("console");
    let guest = Guest::new(qemu.clone(), kernel.clone(), initrd, console)
        .args(["guest", "/true", "hold"])
        .launcher(guard::quick_words()?);
    let choice = accel::probe(&guest, KVM_BOUND)?;
    if let Some(directory) = CacheKey::directory() {
        // An answer that cannot be kept is asked for again next time.
        let _ = CacheKey::of(&guest).and_then(|key| key.store(&directory, &choice));
    }
    Ok(choice)
}
