//! The smallest guest, on whatever `/dev/kvm` this machine has.

use std::env;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use isolab::isolation::guest::find_kernel;
use isolab::program;
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::kernel::Kernel;
use vm_model::kvm::{Asked, BOUND, Grade, Hello, grade};
use vm_model::qemu::{self, Qemu};

use super::{Tested, check, doctor, json};

/// Whether the device opens: without, there is no guest to ask.
pub(crate) fn opens() -> bool {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open("/dev/kvm").is_ok()
}

/// What `isolab` does in a process of its own.
fn probe() -> Command {
    let mut probe = Command::new(env::current_exe().expect("our own path"));
    probe.args(["__probe", "kvm-hello"]);
    probe
}

pub(crate) fn says_hello_and_its_exits_are_counted() -> Tested {
    let output = probe().output()?;
    let hello: Result<Hello, String> = serde_json::from_slice(&output.stdout)?;
    let hello = hello?;
    let exits = Asked::default().exits;
    assert_eq!(hello.said, "hello\n");
    // A letter each, those for nothing, and the one that starts the loop's clock.
    assert_eq!(hello.exits.port, 6 + u64::from(exits) + 1);
    assert_eq!(hello.exits.halt, 1);
    let parts = hello.created + hello.first_letter + hello.per_exit * exits;
    assert!(parts < hello.whole, "{hello:?}");
    assert!(hello.instructions_per_second > 0.0, "{hello:?}");
    Ok(())
}

pub(crate) fn the_doctor_believes_what_was_executed() -> Tested {
    let graded = grade(&mut probe())?;
    let found = json(&doctor(&["vm", "--json"]).output()?)?;
    match graded {
        // Whether Linux boots under it, too, is asked of Linux.
        Grade::Usable { .. } => Ok(()),
        Grade::Interpreted { .. } => check(&found, "kvm", "limited", "interprets guests"),
        _ => check(&found, "kvm", "limited", "/dev/kvm"),
    }
}

pub(crate) fn one_that_hangs_is_killed_in_time() -> Tested {
    let begun = Instant::now();
    let graded = grade(Command::new("sleep").arg("60"))?;
    let took = begun.elapsed();
    assert_eq!(graded, Grade::TimesOut);
    assert!(
        took >= BOUND && took < BOUND + Duration::from_secs(2),
        "{took:?}"
    );
    Ok(())
}

/// The modules of KVM for processors with SVM, each after what it needs.
const MODULES: [&str; 3] = ["irqbypass", "kvm", "kvm-amd"];

/// What a guest takes that has hardware virtualization of its own.
pub(crate) struct Nested {
    qemu: Qemu,
    kernel: Kernel,
    modules: Vec<Vec<u8>>,
    busybox: Vec<u8>,
}

/// All of it, or what is missing.
pub(crate) fn nested() -> Result<Nested, String> {
    let qemu = qemu::find().map_err(|_| "QEMU".to_owned())?;
    let kernel = find_kernel().map_err(|_| "a kernel for guests".to_owned())?;
    let busybox = ["/usr/bin/busybox", "/bin/busybox"];
    let busybox = busybox.iter().find_map(|path| fs::read(path).ok());
    let beside = kernel
        .path
        .parent()
        .unwrap_or(Path::new("/"))
        .join("modules");
    let host = Path::new("/lib/modules").join(&kernel.release);
    let module = |name: &&str| {
        let found = [&beside, &host]
            .into_iter()
            .find_map(|root| file_below(root, name));
        let read = found.and_then(|path| fs::read(path).ok());
        read.ok_or_else(|| format!("the kernel's module {name}"))
    };
    Ok(Nested {
        modules: MODULES.iter().map(module).collect::<Result<_, _>>()?,
        busybox: busybox.ok_or("busybox")?,
        qemu,
        kernel,
    })
}

/// The file of a module that is not packed, anywhere below `root`.
fn file_below(root: &Path, module: &str) -> Option<PathBuf> {
    fs::read_dir(root).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        match path.is_dir() {
            true => file_below(&path, module),
            false => (entry.file_name() == *format!("{module}.ko")).then_some(path),
        }
    })
}

/// The translator plays a processor with hardware virtualization, whose kernel has a
/// working `/dev/kvm`: the guest in the guest is executed. For its function alone.
pub(crate) fn one_runs_where_a_processor_executes_it() -> Tested {
    let long = Duration::from_secs(100);
    let nested = nested()?;
    let dir = tempfile::tempdir()?;
    let mut archive = Archive::guest(program::TRUE)?;
    archive.add_file("busybox", 0o755, nested.busybox)?;
    archive.add_file("isolab", 0o755, fs::read(env!("CARGO_BIN_EXE_isolab"))?)?;
    let mut script = "busybox=/busybox; printf R; $busybox mount -t proc none /proc; \
                      $busybox mount -t devtmpfs none /dev; "
        .to_owned();
    for (name, module) in MODULES.iter().zip(nested.modules) {
        archive.add_file(format!("{name}.ko"), 0o644, module)?;
        script += &format!("$busybox insmod /{name}.ko; ");
    }
    script += "/isolab vm hello --json";
    archive.add_file("run", 0o755, script.into_bytes())?;
    let initrd = dir.path().join("initrd");
    archive.write_file(&initrd)?;
    let console = dir.path().join("console");
    let guest = Guest::new(nested.qemu, nested.kernel, initrd, console)
        .args(["guest", "/busybox", "sh", "/run"])
        .translated_cpu("EPYC,+svm,+npt")
        .memory_mib(1024);
    let mut guest = guest.boot_with_retries(long, 3)?.guest;
    guest.wait(long)?;
    let said = String::from_utf8_lossy(guest.said()).into_owned();
    let json = said.find('{').map_or("", |at| &said[at..]);
    let grade: Grade = serde_json::from_str(json).map_err(|error| format!("{error}: {said}"))?;
    let hello = grade.hello().ok_or(format!("{grade}"))?;
    assert_eq!((&*hello.said, hello.exits.port), ("hello\n", 1007));
    Ok(())
}
