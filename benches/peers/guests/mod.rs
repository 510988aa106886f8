//! Guests: a boot and a restore, ours beside QEMU by hand; what guests take of memory; and the
//! smallest guest.
//!
//! All boot one kernel with one archive and end when its program has said its byte (or, restored,
//! has been told to go on and has ended). By hand, the guest ends by itself and QEMU with it; ours
//! is the whole command, which also finds everything, watches, and tells what came of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab::isolation::guest;
use isolab::program;
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::kvm::Grade;
use vm_model::qemu;

use crate::contestant::{Contestant, Race, Role, State, Target};
use crate::crowd::quietly;

mod by_hand;
pub(crate) mod memory;

use by_hand::{LINES, Line, Setting};

/// The memory of each guest, in MiB.
const MEMORY: u32 = 128;
/// What ours may take at most of what a guest by hand takes.
const AT_MOST: f64 = 1.05;
/// What the smallest guest may take where a processor executes it.
const HELLO_AT_MOST: Duration = Duration::from_millis(5);
/// QEMU's status when the guest has ended its machine.
const ENDED_BY_GUEST: i32 = 85;
/// How long a guest by hand may take: what hangs would do so for ever.
const WATCHDOG: Duration = Duration::from_secs(30);
/// The name of the snapshot.
const SAVED: &str = "held";

/// Whether a filter can mean one of these races.
pub(crate) fn is_meant(filter: &str) -> bool {
    let names = [
        "guests", "boot", "restore", "by hand", "q35", "microvm", "hello",
    ];
    names
        .iter()
        .any(|name| name.contains(filter) || filter.starts_with(name))
}

/// Whether a filter means nothing else.
pub(crate) fn is_all_that_is_meant(filter: &str) -> bool {
    filter.starts_with("guests") || "guests: restore".ends_with(filter)
}

/// Everything that guests are raced with.
pub(crate) struct Guests {
    setting: Setting,
    guest: Guest,
    scratch: PathBuf,
}

impl Guests {
    /// Finds QEMU and a kernel, and makes the archive.
    pub(crate) fn find(scratch: &Path) -> Result<Self> {
        let scratch = scratch.join("guests");
        fs::create_dir(&scratch)?;
        let (qemu, kernel) = (qemu::find()?, guest::find_kernel()?);
        let mut archive = Archive::guest(program::TRUE)?;
        archive.add_file("true", 0o755, program::TRUE)?;
        let initrd = scratch.join("initramfs");
        archive.write_file(&initrd)?;
        let setting = Setting {
            qemu: qemu.path.clone(),
            kernel: kernel.path.clone(),
            initrd: initrd.clone(),
            memory: MEMORY,
            clock: vm_model::guest::emulated_clock_khz(),
        };
        let guest = Guest::new(qemu, kernel, initrd, scratch.join("console"))
            .args(["guest", "/true", "hold"])
            .memory_mib(MEMORY);
        Ok(Self {
            setting,
            guest,
            scratch,
        })
    }

    /// What guests take of memory.
    pub(crate) fn memory(&self) -> Result<Vec<memory::Weighed>> {
        memory::of(&self.guest, &self.scratch)
    }

    /// The races. A guest is saved for one of them.
    pub(crate) fn races(&self) -> Result<Vec<Race>> {
        Ok(vec![self.boot()?, self.restore()?])
    }

    fn boot(&self) -> Result<Race> {
        let memory = self.scratch.join("memory");
        fs::File::create(&memory)?.set_len(u64::from(MEMORY) << 20)?;
        let version = isolab_version();
        let ours = Contestant::new("isolab vm run", Role::Ours, version, |_| {
            let size = format!("{MEMORY}M");
            isolab(&["vm", "run", "--accel", "tcg", "-m", &size])
        });
        let by_hand = LINES.map(|line| {
            let (setting, memory) = (self.setting.clone(), memory.clone());
            ending(&line, move |_| line.boot(&setting, &memory))
        });
        let contestants = std::iter::once(with_memory(ours)).chain(by_hand).collect();
        Ok(self.race(
            "guests: boot",
            "a distribution's kernel with our smallest archive, emulated: from just before the \
             command is spawned, through the program's byte, until it is reaped",
            contestants,
            &LINES,
        ))
    }

    fn restore(&self) -> Result<Race> {
        let data = self.scratch.join("data");
        let program = self.scratch.join("true");
        fs::write(&program, program::TRUE)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        if let Some(kernels) = vm_model::kernel::store() {
            fs::create_dir_all(data.join("isolab"))?;
            std::os::unix::fs::symlink(kernels, data.join("isolab/kernels"))?;
        }
        let size = format!("{MEMORY}M");
        let mut take = isolab(&["vm", "snapshot", "--name", SAVED, "-m", &size]);
        take.args(["--machine", "microvm"])
            .arg(&program)
            .arg("hold");
        quietly(take.env("XDG_DATA_HOME", &data)).context("cannot save a guest")?;
        let version = isolab_version();
        let ours = Contestant::new("isolab vm restore", Role::Ours, version, move |_| {
            let mut command = isolab(&["vm", "restore", SAVED]);
            command.env("XDG_DATA_HOME", &data);
            command
        });
        let mut contestants = vec![with_memory(ours)];
        let lines: Vec<_> = LINES.into_iter().filter(Line::is_restored).collect();
        for &line in &lines {
            let dir = self.scratch.join(line.name.replace([' ', ','], "-"));
            line.save(&self.setting, &dir)
                .with_context(|| format!("cannot save {}", line.name))?;
            let (setting, saved) = (self.setting.clone(), dir.clone());
            let mut one = ending(&line, move |_| line.restore(&setting, &saved));
            one.input = Some(dir.join("state"));
            contestants.push(one);
        }
        Ok(self.race(
            "guests: restore",
            "a guest that was saved when it was ready, emulated: from just before the command is \
             spawned, told to go on, through its program's end, until the command is reaped",
            contestants,
            &lines,
        ))
    }

    fn race(
        &self,
        name: &'static str,
        about: &'static str,
        contestants: Vec<Contestant>,
        lines: &[Line],
    ) -> Race {
        let target = |line: &Line| Target {
            peer: line.name,
            state: State::Cold,
            at_most: AT_MOST,
        };
        Race {
            name,
            about,
            contestants,
            targets: lines.iter().map(target).collect(),
            inspection: None,
            notes: vec![format!("each guest has one processor and {MEMORY} MiB")],
            weighs: false,
            turn: &[State::Cold],
            scratch: self.scratch.clone(),
            crowd: None,
        }
    }
}

/// A contestant whose guest ends its machine.
fn ending(
    line: &Line,
    command: impl Fn(&crate::contestant::Turn) -> Command + 'static,
) -> Contestant {
    let mut one = Contestant::new(line.name, Role::Peer, String::new(), command).noting(line.note);
    one.status = ENDED_BY_GUEST;
    one.at_most = Some(WATCHDOG);
    with_memory(one)
}

/// The same contestant, before each of whose trials the machine's free memory is there: what a
/// guest takes of it is most of what two boots differ by.
fn with_memory(one: Contestant) -> Contestant {
    one.around_trial(|_| Ok(()), |_| Ok(()))
}

/// What became of the smallest guest, as a line.
pub(crate) fn hello() -> Result<String> {
    let output = isolab(&["vm", "hello", "--json"]).output()?;
    let grade: Grade = serde_json::from_slice(&output.stdout).context("what `vm hello` said")?;
    let bound = HELLO_AT_MOST.as_millis();
    Ok(match &grade {
        Grade::Usable { hello } => {
            let took = hello.whole.as_secs_f64() * 1e3;
            let reached = hello.whole <= HELLO_AT_MOST;
            let verdict = if reached { "reached" } else { "missed" };
            format!("the smallest guest, under KVM: {took:.2} ms, at most {bound}: {verdict}")
        }
        _ => format!("the smallest guest is not timed here (at most {bound} ms): {grade}"),
    })
}

fn isolab(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.args(words);
    command
}

fn isolab_version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
