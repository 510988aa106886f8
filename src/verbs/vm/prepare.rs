//! From what was typed to a guest that can be booted: everything that can be refused is refused
//! here, before QEMU is started.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use vm_model::accel::AccelChoice as Choice;
use vm_model::guest::{Accel, Machine, RUN_FILE, RunFile};
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel};
use vm_model::qemu;

use super::of_image;
use super::run::{AccelChoice, RunArgs};
use crate::footprint::{self, total_bytes};
use crate::guest_disk::start;
use crate::guests::directory::Held;
use crate::guests::root::{self, Root};
use crate::guests::wanted::Base;
use crate::guests::{Wanted, terminal};
use crate::interrupt::Interrupt;
use crate::isolation::guest::{accelerator, find_kernel};
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::{hint, program, stderr};

/// The archive, in the guest's directory.
const INITRD: &str = "initramfs";
/// What a guest has if nothing is said, in MiB.
const MEMORY_MIB: u32 = 256;
/// What it needs beside an archive and what that unpacks to, in MiB.
const BESIDE_MIB: u64 = 128;
/// The least that our kernels boot with, in MiB.
const LEAST_MIB: u32 = 64;

/// The guest that was asked for, with its files in the directory that `held` has.
pub(super) fn wanted(args: &RunArgs, held: &Held, interrupt: &Interrupt) -> Result<Wanted> {
    // The cheapest first: a mistyped word must not wait for a probe.
    let of_ours = match (&args.initrd, &args.of_image.image) {
        (None, None) => Some(archive(args)?),
        _ => None,
    };
    let qemu = qemu::find()?;
    let start = of_image::start(args)?;
    let (kernel, suits) = kernel(args)?;
    let (kernel, archive) = match &start {
        None => (kernel, of_ours),
        Some(start) => {
            let kernel = of_image::kernel(args, kernel)?;
            let archive = start::archive(&kernel, start)?;
            (kernel, Some((archive, true)))
        }
    };
    let (initrd, bytes) = match (archive, &args.initrd) {
        (Some((archive, _)), _) => (
            PathBuf::from(INITRD),
            archive.write_file(&held.path().join(INITRD))?,
        ),
        (None, Some(path)) => {
            let path = std::path::absolute(path)?;
            let found = std::fs::metadata(&path);
            let found = found.with_context(|| format!("cannot read {}", path.display()))?;
            (path, found.len())
        }
        (None, None) => unreachable!("an archive was made above"),
    };
    let memory_mib = memory(args.memory, bytes, MEMORY_MIB)?;
    let accel = match args.accel {
        AccelChoice::Tcg => asked(Accel::Tcg),
        AccelChoice::Kvm => asked(Accel::Kvm),
        AccelChoice::Auto => accelerator(&qemu, &kernel, held.path(), interrupt)?,
    };
    // The small machine has no power button for an init that is not ours, and no bus for a disk.
    let usual = match (&args.initrd, &start) {
        (None, None) => soonest(&kernel, suits, accel.accel),
        (None, Some(_)) => Machine::Q35,
        (Some(_), _) => suits,
    };
    let machine = args.machine.or(usual);
    Ok(Wanted {
        name: held.name(),
        command: match &start {
            Some(start) => start.wanted.args.clone(),
            None => args
                .program
                .iter()
                .map(|word| word.to_string_lossy().into_owned())
                .collect(),
        },
        release: kernel.release,
        kernel: kernel.path,
        initrd,
        machine,
        accel,
        memory_mib,
        cpus: args.cpus,
        init: init(args),
        env: match (&args.initrd, &start) {
            (None, None) => program::environment(),
            _ => Vec::new(),
        },
        disk: start.as_ref().map(|start| Base {
            path: start.disk.clone(),
            bytes: start.bytes,
        }),
        network: start.and_then(|start| start.network),
        append: args.append.clone(),
        speaks: args.initrd.is_none(),
        timeout_ms: args
            .timeout
            .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        forget: args.rm,
    })
}

/// Whether every key goes to the guest.
pub(super) fn has_terminal(args: &RunArgs) -> bool {
    args.has_program() && !args.detach && !args.json && terminal::is_interactive()
}

fn asked(accel: Accel) -> Choice {
    Choice {
        accel,
        why: format!("--accel {accel} was asked for"),
        remedy: None,
        definite: true,
    }
}

/// What init is told. Where nothing is to be described, the shorter way boots faster.
fn init(args: &RunArgs) -> Vec<String> {
    let words: &[&str] = match () {
        // The init of others, and that of a disk, which reads a file.
        () if args.initrd.is_some() || args.of_image.image.is_some() => &[],
        () if has_file(args) => &["run"],
        () => &["guest", "/true", "exit"],
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn has_file(args: &RunArgs) -> bool {
    !args.program.is_empty() || args.phases
}

/// The guest's files, and whether there is a program among them.
fn archive(args: &RunArgs) -> Result<(Archive, bool)> {
    let mut root = Root::new()?;
    for text in &args.file {
        root.add_named(text)?;
    }
    if has_file(args) {
        let file = run_file(args, &mut root)?;
        root.archive().add_file(RUN_FILE, 0o600, file.to_bytes()?)?;
    }
    Ok((root.into_archive(), !args.program.is_empty()))
}

fn run_file(args: &RunArgs, root: &mut Root) -> Result<RunFile> {
    let Some((name, arguments)) = args.program.split_first() else {
        let nothing = RunFile::new(Path::new("/true"))
            .argument("true")
            .argument("exit");
        return Ok(nothing.kernel_times());
    };
    // What was put into it may be meant, and need not be here.
    let put = args.file.iter().any(|text| {
        let place = text
            .rsplit_once(':')
            .map_or(text.as_str(), |(_, place)| place);
        Path::new(place) == Path::new(name)
    });
    let path = if put {
        PathBuf::from(name)
    } else {
        let path = root::resolve(name)?;
        root.add_program(&path)?;
        path
    };
    let mut file = arguments
        .iter()
        .fold(RunFile::new(&path).argument(name), RunFile::argument);
    for variable in environment(args) {
        file = file.variable(variable);
    }
    if has_terminal(args) {
        file = file.terminal();
    }
    if args.phases {
        file = file.kernel_times();
    }
    Ok(file)
}

/// The program's variables: few, then those that were asked for.
fn environment(args: &RunArgs) -> Vec<String> {
    let place = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    let mut env = vec![
        format!("PATH={place}"),
        "HOME=/".to_owned(),
        "LC_ALL=C.UTF-8".to_owned(),
    ];
    if has_terminal(args) {
        env.extend(std::env::var("TERM").map(|term| format!("TERM={term}")));
    }
    for text in &args.env {
        let (name, variable) = match text.split_once('=') {
            Some((name, _)) => (name, Some(text.clone())),
            None => (
                text.as_str(),
                std::env::var(text)
                    .ok()
                    .map(|value| format!("{text}={value}")),
            ),
        };
        env.retain(|known| known.split_once('=').is_none_or(|(known, _)| known != name));
        env.extend(variable);
    }
    env
}

/// The kernel, and a machine that suits it.
fn kernel(args: &RunArgs) -> Result<(Kernel, Machine)> {
    let Some(path) = &args.kernel else {
        return Ok((find_kernel()?, Machine::Q35));
    };
    let own = kernel::own(&std::path::absolute(path)?)?;
    let machine = match own.is_a_distributions || own.kernel.is_compressed() {
        true => Machine::Q35,
        false => Machine::MicroVm,
    };
    Ok((own.kernel, machine))
}

/// The machine that `kernel` boots on soonest: under the emulator the small one, if the kernel need
/// not find out how fast its clock ticks. There, a distribution's may fail at that, and hang.
pub(super) fn soonest(kernel: &Kernel, suits: Machine, accel: Accel) -> Machine {
    let is_told = vm_model::guest::emulated_clock_khz().is_some();
    match accel == Accel::Tcg && is_told && !kernel.is_compressed() {
        true => Machine::MicroVm,
        false => suits,
    }
}

/// The guest's memory in MiB, `usual` if nothing is asked for: it keeps the archive and what it
/// unpacks at the same time.
pub(super) fn memory(asked: Option<u32>, archive_bytes: u64, usual: u32) -> Result<u32> {
    let needed = u32::try_from(BESIDE_MIB + 3 * archive_bytes / (1 << 20)).unwrap_or(u32::MAX);
    let mib = asked.unwrap_or_else(|| usual.max(needed));
    if mib < LEAST_MIB {
        let next = format!("give it {LEAST_MIB}M or more");
        return Err(hint::with(
            format!("cannot boot a guest with {mib} MiB"),
            next,
        ));
    }
    if asked.is_some()
        && archive_bytes > 0
        && u64::from(mib) < 2 * archive_bytes / (1 << 20) + u64::from(LEAST_MIB)
    {
        let next = format!("give it {needed}M, or leave -m out");
        return Err(hint::with(
            format!("cannot unpack its files in {mib} MiB"),
            next,
        ));
    }
    let bytes = u64::from(mib) << 20;
    let (total, free) = (total_bytes()?, footprint::available_bytes()?);
    let [total_text, free_text] = [total, free].map(|bytes| human(bytes as f64, Unit::Bytes));
    if bytes > total {
        let message = format!(
            "cannot give a guest {mib} MiB: this machine has {total_text}, of which {free_text} are free"
        );
        return Err(hint::with(message, "ask for less: -m 256M"));
    }
    if bytes > free {
        stderr::tell(format_args!(
            "note: {mib} MiB are more than the {free_text} that are free here"
        ));
    }
    Ok(mib)
}

/// `512`, `512M`, `2G`: a whole number of MiB.
pub(super) fn mebibytes(text: &str) -> Result<u32, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[number.len()..].to_ascii_uppercase();
    let unit = unit
        .strip_suffix("IB")
        .or(unit.strip_suffix('B'))
        .unwrap_or(&unit);
    let bytes_of_unit: u64 = match unit {
        "K" => 1 << 10,
        "" | "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1 << 40,
        _ => return Err("write it as 512M or 2G".to_owned()),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "write it as 512M or 2G".to_owned())?;
    let mib = number
        .checked_mul(bytes_of_unit)
        .map(|bytes| bytes.div_ceil(1 << 20));
    mib.and_then(|mib| u32::try_from(mib).ok())
        .ok_or_else(|| "no machine has that much".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, expected) in [
            ("512", 512),
            ("512M", 512),
            ("512MiB", 512),
            ("2g", 2048),
            ("1025K", 2),
            ("1GB", 1024),
        ] {
            assert_eq!(mebibytes(text), Ok(expected), "{text}");
        }
        for text in ["", "M", "1.5G", "-1", "1X", "99999999999T", "1 G"] {
            assert!(mebibytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_beyond_the_machines_is_refused_with_what_is_free() {
        let error = memory(Some(u32::MAX), 0, MEMORY_MIB)
            .unwrap_err()
            .to_string();
        assert!(error.contains("free"), "{error}");
        assert!(memory(Some(16), 0, MEMORY_MIB).is_err());
        assert!(memory(Some(64), 100 << 20, MEMORY_MIB).is_err());
        assert_eq!(memory(None, 0, MEMORY_MIB).unwrap(), MEMORY_MIB);
        assert_eq!(memory(None, 100 << 20, MEMORY_MIB).unwrap(), 428);
    }
}
