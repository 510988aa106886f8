//! What is done in the room: the image's files are put together, counted, and copied into a file
//! system.
//!
//! What it finds out and what fails lies in its directory afterwards: a task of the room hands
//! back no more than a number.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use isolab_engine::room::task::Task;
use isolab_oci::Overlay;
use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use super::Facts;
use super::content::{count, words};

/// Makes a disk: its words are those of `Request`.
pub const TASK: Task = Task {
    name: "disk",
    perform,
    mounts: true,
    starts_others: true,
};

/// What the task is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// Its directory, in which the results are.
    pub(super) dir: PathBuf,
    /// The program that makes file systems.
    pub(super) mke2fs: PathBuf,
    /// The disk's identity.
    pub(super) uuid: String,
    /// How large it is to be, in bytes; the usual size where nothing is said.
    pub(super) bytes: Option<u64>,
    /// Where the files are, or are mounted.
    pub(super) root: PathBuf,
    /// The layers to mount there, the lowest first; none where the files are there.
    pub(super) layers: Vec<PathBuf>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    /// A disk.
    Made {
        /// What it is.
        facts: Facts,
        /// The image's `/etc/passwd`.
        passwd: String,
        /// The image's `/etc/group`.
        group: String,
    },
    /// No overlay can be mounted, for this reason.
    NoOverlay(String),
    /// The files take at least so many bytes.
    TooSmall(u64),
    /// It failed, for this reason.
    Failed(String),
}

/// The files of the result, in the task's directory.
pub(super) const DISK: &str = "disk.raw";
const OUTCOME: &str = "outcome.json";
/// How much is read of a file that says who the image's users are, in bytes.
pub(super) const MOST_USERS: u64 = 1 << 20;
/// How much of what the program says is kept, in bytes.
const MOST_SAID: u64 = 1 << 14;

impl Request {
    pub(super) fn words(&self) -> Vec<OsString> {
        let bytes = self
            .bytes
            .map_or_else(String::new, |bytes| bytes.to_string());
        let fixed: [OsString; 5] = [
            self.dir.clone().into(),
            self.mke2fs.clone().into(),
            self.uuid.clone().into(),
            bytes.into(),
            self.root.clone().into(),
        ];
        fixed
            .into_iter()
            .chain(self.layers.iter().map(OsString::from))
            .collect()
    }

    fn read(words: &[OsString]) -> Option<Self> {
        let ([dir, mke2fs, uuid, bytes, root], layers) = words.split_first_chunk()?;
        let bytes = bytes.to_str()?;
        Some(Self {
            dir: dir.into(),
            mke2fs: mke2fs.into(),
            uuid: uuid.to_str()?.to_owned(),
            bytes: if bytes.is_empty() {
                None
            } else {
                Some(bytes.parse().ok()?)
            },
            root: root.into(),
            layers: layers.iter().map(PathBuf::from).collect(),
        })
    }
}

impl Outcome {
    /// Removes what an earlier one left in `dir`.
    pub(super) fn forget(dir: &Path) -> anyhow::Result<()> {
        let path = dir.join(OUTCOME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// What the task left in `dir`, if it came to that.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(OUTCOME)).ok()?).ok()
    }
}

/// Inside.
fn perform(given: &[OsString]) -> isolab_engine::Result<u8> {
    let Some(request) = Request::read(given) else {
        return Ok(1);
    };
    let outcome = made(&request).unwrap_or_else(|failed| failed);
    if !matches!(outcome, Outcome::Made { .. }) {
        // On a full disk there is room to say so again.
        let _ = fs::remove_file(request.dir.join(DISK));
    }
    let path = request.dir.join(OUTCOME);
    let text = serde_json::to_vec(&outcome).unwrap_or_default();
    fs::write(&path, text).map_err(|source| isolab_engine::Error::Write { path, source })?;
    Ok(u8::from(!matches!(outcome, Outcome::Made { .. })))
}

fn made(request: &Request) -> Result<Outcome, Outcome> {
    let failed = |what: &str, why: &dyn Display| Outcome::Failed(format!("cannot {what}: {why}"));
    if !request.layers.is_empty() {
        mount_layers(&request.layers, &request.root)
            .map_err(|error| Outcome::NoOverlay(error.to_string()))?;
    }
    let counted = count(&request.root).map_err(|(path, error)| {
        failed(&format!("read {}", within(&path, &request.root)), &error)
    })?;
    let facts = counted.sized(request.bytes).map_err(Outcome::TooSmall)?;
    let disk = request.dir.join(DISK);
    let all = words(&request.mke2fs, &request.root, &disk, facts, &request.uuid);
    let output = Command::new(&all[0])
        .args(&all[1..])
        .env("LC_ALL", "C")
        // The program brings what it needs: what this machine's own file systems are to be like is
        // nothing to a disk that is the same everywhere.
        .env("MKE2FS_CONFIG", "/nonexistent/mke2fs.conf")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(|mut child| {
            let mut said = String::new();
            if let Some(errors) = child.stderr.take() {
                let _ = errors.take(MOST_SAID).read_to_string(&mut said);
            }
            Ok((child.wait()?, said))
        });
    match output {
        Ok((status, _)) if status.success() => {}
        Ok((_, said)) => {
            let line = said.lines().rfind(|line| !line.trim().is_empty());
            return Err(Outcome::Failed(
                line.unwrap_or("mke2fs fails").trim().to_owned(),
            ));
        }
        Err(error) => return Err(failed("run mke2fs", &error)),
    }
    let etc = |name: &str| read_etc(&request.root, name).unwrap_or_default();
    Ok(Outcome::Made {
        facts,
        passwd: etc("passwd"),
        group: etc("group"),
    })
}

/// A path as the image has it.
fn within(path: &Path, root: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path);
    Path::new("/").join(inside).display().to_string()
}

/// A file in the image's `/etc`. Neither of them may be a link, which could lead out of it;
/// nobody changes them meanwhile, as they are of layers mounted to be read.
fn read_etc(root: &Path, name: &str) -> Option<String> {
    let etc = root.join("etc");
    let path = etc.join(name);
    let kind = |path: &Path| {
        fs::symlink_metadata(path)
            .map(|found| found.file_type())
            .ok()
    };
    if !kind(&etc)?.is_dir() || !kind(&path)?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(&path)
        .ok()?
        .take(MOST_USERS)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Mounts `layers`, the lowest first, to be read. Nothing is written, so there is neither an upper
/// directory nor what the kernel leaves in one; what stands for a directory is its descriptor, for
/// the option's length is bounded.
fn mount_layers(layers: &[PathBuf], at: &Path) -> io::Result<()> {
    let open: Vec<File> = layers
        .iter()
        .rev()
        .map(File::open)
        .collect::<io::Result<_>>()?;
    let names: Vec<String> = open
        .iter()
        .map(|dir| format!("/proc/self/fd/{}", dir.as_raw_fd()))
        .collect();
    let mut options = format!("lowerdir={}", names.join(":"));
    if Overlay::has_user_attributes() {
        options += ",userxattr";
    }
    let overlay = Some("overlay");
    mount(overlay, at, overlay, MsFlags::MS_RDONLY, Some(&*options)).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_task_is_told_is_what_was_asked_for() {
        let mut request = Request {
            dir: "/d".into(),
            mke2fs: "/sbin/mke2fs".into(),
            uuid: "u".to_owned(),
            bytes: None,
            root: "/d/root".into(),
            layers: Vec::new(),
        };
        assert_eq!(Request::read(&request.words()), Some(request.clone()));
        request.bytes = Some(1 << 30);
        request.layers = vec!["/a".into(), "/b,c:d".into()];
        assert_eq!(Request::read(&request.words()), Some(request.clone()));
        assert_eq!(Request::read(&["/d".into()]), None);
    }
}
