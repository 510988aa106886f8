//! What is written down about a saved guest: all that must agree where it is restored.
//!
//! It is data, and a directory with it may come from anywhere: none of its words becomes a word
//! of a command line. What QEMU is told follows from the typed fields, and a snapshot whose words
//! would be others today is refused.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::files::{Content, Identity};
use super::{TAKE_AGAIN, refused};
use crate::error::{Error, Result};
use crate::guest::{Accel, Guest, Hardware};
use crate::qemu::Qemu;
use crate::whole_file;

/// What a manifest says that it is.
const SCHEMA: &str = "isolab.vm.snapshot/1";

/// The file's name in the directory of a snapshot.
pub(super) const NAME: &str = "manifest.json";

/// The longest manifest that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// What is known of a saved guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The schema that this follows.
    schema: String,
    /// When it was saved, in seconds since 1970.
    pub created: u64,
    /// The QEMU that saved it, which alone restores it.
    pub qemu: Saver,
    /// The processor whose registers are in the state; none where it was emulated.
    pub host_cpu: Option<String>,
    /// What the guest is made of.
    pub hardware: Hardware,
    /// The words that followed from it.
    words: Vec<String>,
    /// The kernel that it booted.
    pub kernel: Booted,
    /// The archive that the kernel unpacked.
    pub initrd: Booted,
    /// The kernel's command line.
    pub kernel_command_line: String,
    /// The command line of the boot, as a shell takes it.
    pub command: String,
    /// From the spawn to the ready byte, in milliseconds.
    pub startup_ms: f64,
    /// From the ready byte until all was saved, in milliseconds.
    pub saving_ms: f64,
    /// The state of its devices.
    pub state: Content,
    /// Its memory.
    pub memory: Content,
    /// The space that its memory takes on the disk, in bytes.
    pub memory_allocated: u64,
    /// By what the file of its memory is known again.
    pub(super) memory_identity: Identity,
}

/// The QEMU that saved a guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saver {
    /// Where the program was.
    pub path: PathBuf,
    /// How it names itself, packaging included.
    pub name: String,
    /// By what the program is known again without being run.
    identity: Identity,
}

/// A file that a guest was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booted {
    /// Where it was.
    pub path: PathBuf,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// What was found out while a guest was saved.
pub(super) struct Found {
    pub(super) command: String,
    pub(super) startup_ms: f64,
    pub(super) saving_ms: f64,
    pub(super) state: Content,
    pub(super) memory: Content,
}

impl Manifest {
    /// That of `guest`, saved into `dir`.
    pub(super) fn of(guest: &Guest, dir: &Path, found: Found) -> Result<Self> {
        let qemu = super::take::qemu_of(guest, dir)?;
        let Some(hardware) = guest.hardware() else {
            unreachable!("QEMU runs it")
        };
        let memory = dir.join(super::MEMORY);
        let metadata = fs::metadata(&memory).map_err(Error::file("read", &memory))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let booted = |path: &Path| {
            Ok(Booted {
                path: path.to_owned(),
                sha256: crate::kernel::sha256_of(path)?,
            })
        };
        Ok(Self {
            schema: SCHEMA.to_owned(),
            created: now.map_or(0, |now| now.as_secs()),
            qemu: Saver::of(qemu)?,
            host_cpu: host_cpu(hardware.accel),
            words: words(&hardware),
            hardware,
            kernel: booted(&guest.kernel().path)?,
            initrd: booted(guest.initrd())?,
            kernel_command_line: guest.kernel_command_line(),
            command: found.command,
            startup_ms: found.startup_ms,
            saving_ms: found.saving_ms,
            state: found.state,
            memory: found.memory,
            memory_allocated: metadata.blocks() * 512,
            memory_identity: Identity::of(&metadata),
        })
    }

    /// Writes it into `dir`.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(NAME);
        let text = serde_json::to_vec_pretty(self).map_err(std::io::Error::from);
        whole_file::write(&path, &text.map_err(Error::file("write", &path))?)?;
        let synced = fs::File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(Error::file("write", &path))
    }

    /// Reads that of `dir`.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there is none or it is damaged, or if it was written by another
    /// version of this library.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let mut text = Vec::new();
        let read = super::files::open(&dir.join(NAME))
            .and_then(|file| file.take(LONGEST).read_to_end(&mut text));
        read.map_err(|error| {
            refused(
                dir,
                format!("its {NAME} cannot be read: {error}"),
                TAKE_AGAIN,
            )
        })?;
        let manifest = Self::parse(&text);
        manifest.map_err(|reason| refused(dir, reason, TAKE_AGAIN))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(text)
            .map_err(|error| format!("its {NAME} is damaged: {error}"))?;
        if manifest.schema != SCHEMA {
            let schema = &manifest.schema;
            return Err(format!("it follows the schema `{schema}`, not `{SCHEMA}`"));
        }
        // It becomes a word of a command line.
        let is_word = |c: char| c.is_ascii_alphanumeric() || ",=+-_.".contains(c);
        let cpu = &manifest.hardware.cpu;
        if cpu.starts_with('-') || !cpu.chars().all(is_word) {
            return Err("it names no processor".to_owned());
        }
        if manifest.words != words(&manifest.hardware) {
            return Err("another version of this program took it".to_owned());
        }
        Ok(manifest)
    }

    /// This machine's QEMU, seen to be the one that took this snapshot. A manifest names no
    /// program to run: it may be anybody's.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if it is another; as [`crate::qemu::find`].
    pub(super) fn checked_qemu(&self, dir: &Path) -> Result<PathBuf> {
        let saver = &self.qemu;
        let found = crate::qemu::find()?;
        if found.name == saver.name {
            return Ok(found.path);
        }
        let (was, is) = (&saver.name, &found.name);
        let reason = format!("`{was}` took it, and here is `{is}`");
        Err(refused(dir, reason, TAKE_AGAIN))
    }

    /// Refuses a snapshot whose registers are those of another processor.
    pub(super) fn check_processor(&self, dir: &Path) -> Result<()> {
        let here = host_cpu(self.hardware.accel);
        if here == self.host_cpu {
            return Ok(());
        }
        let name = |cpu: &Option<String>| cpu.clone().unwrap_or_else(|| "unknown".to_owned());
        let (was, is) = (name(&self.host_cpu), name(&here));
        let reason = format!("it was taken on the processor `{was}`, and this is `{is}`");
        Err(refused(dir, reason, TAKE_AGAIN))
    }
}

impl Saver {
    fn of(qemu: &Qemu) -> Result<Self> {
        let found = fs::metadata(&qemu.path).map_err(Error::file("read", &qemu.path))?;
        Ok(Self {
            path: qemu.path.clone(),
            name: qemu.name.clone(),
            identity: Identity::of(&found),
        })
    }
}

/// The words of `hardware`, the memory's file left out.
fn words(hardware: &Hardware) -> Vec<String> {
    let words = hardware.words(None);
    let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
    words.into_iter().map(text).collect()
}

/// The name of this machine's processor, by whose clock an emulated kernel tells the time,
/// and its features, where guests run on it.
fn host_cpu(accel: Accel) -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let value = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = value("model name")?;
    if accel == Accel::Tcg {
        return Some(name);
    }
    let features = super::files::sha256(value("flags").unwrap_or_default().as_bytes());
    Some(format!("{name} ({})", &features[..8]))
}
