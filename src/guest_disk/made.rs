//! Making a disk, seen from outside of the room.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use isolab_engine::room::Room;
use isolab_engine::run::{self, Container, Root, Settings};

use super::task::{DISK, Outcome, Request, TASK};
use super::{Facts, INIT};
use crate::environment::tools;
use crate::hint;

/// What a disk is made of.
#[derive(Clone, Debug)]
pub struct Source {
    /// Unpacked layers, the lowest first; or one directory that is the root itself.
    pub layers: Vec<PathBuf>,
    /// What the disk says is to be run, for `/.isolab/wanted`; without it the disk gets nothing of
    /// ours, since the directory is not ours to add to.
    pub wanted: Option<Vec<u8>>,
    /// What the disk's identity comes from: 32 hexadecimal digits or more.
    pub digest: String,
    /// How large it is to be, in bytes; large enough where nothing is said.
    pub bytes: Option<u64>,
}

/// A disk that was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The file, byte for byte the disk.
    pub path: PathBuf,
    /// What was counted.
    pub facts: Facts,
    /// The image's `/etc/passwd`, empty where it has none.
    pub passwd: String,
    /// The image's `/etc/group`.
    pub group: String,
}

/// Makes a disk of `source` in `dir`, which is there and empty; `copied` is an empty directory
/// for a copy of the files, where no overlay can be mounted: whoever made it removes it as
/// [the room](isolab_engine::room::remove) does.
///
/// # Errors
/// If `mke2fs` is missing, the files do not fit the size or the free space, or the room cannot be
/// entered; each with what can be done about it.
pub fn make(source: &Source, dir: &Path, copied: &Path, room: &Room) -> Result<Made> {
    let mke2fs = mke2fs()?;
    let failed = || format!("cannot write to {}", dir.display());
    let root = dir.join("root");
    let disk = dir.join(DISK);
    DirBuilder::new()
        .mode(0o755)
        .create(&root)
        .with_context(failed)?;
    // A guest's files may be somebody's secrets: the disk is for its user alone.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&disk)
        .with_context(failed)?;
    let mut request = Request {
        dir: dir.to_owned(),
        mke2fs,
        uuid: uuid(&source.digest),
        bytes: source.bytes,
        root,
        layers: Vec::new(),
    };
    match (&source.wanted, &source.layers[..]) {
        (None, [only]) => request.root.clone_from(only),
        (wanted, layers) => {
            request.layers = layers.to_vec();
            if let Some(wanted) = wanted {
                let highest = layers.last().context("the image has no layers")?;
                request
                    .layers
                    .push(own_layer(dir, highest, wanted).with_context(failed)?);
            }
        }
    }
    let mut outcome = perform(&request, room)?;
    if let Outcome::NoOverlay(why) = &outcome {
        crate::stderr::tell(format_args!(
            "note: the disk is made of a copy of the files: {why}"
        ));
        let container = Container::new(copied, request.layers.clone(), Settings::new(["none"]));
        let container = run::with_copied_root(&container, room)?;
        let Root::Directory(root) = container.root else {
            return Err(anyhow!("the files were not copied"));
        };
        request = Request {
            root,
            layers: Vec::new(),
            ..request
        };
        outcome = perform(&request, room)?;
    }
    match outcome {
        Outcome::Made {
            facts,
            passwd,
            group,
        } => Ok(Made {
            path: disk,
            facts,
            passwd,
            group,
        }),
        Outcome::TooSmall(least) => {
            let mib = least.div_ceil(1 << 20);
            Err(hint::with(
                format!("cannot make the disk so small: the files need {mib} MiB"),
                format!("--size {mib}M or more, or none"),
            ))
        }
        Outcome::NoOverlay(why) | Outcome::Failed(why) => Err(remedied(&why, dir)),
    }
}

/// Enters the room, and reads what came of it.
fn perform(request: &Request, room: &Room) -> Result<Outcome> {
    // What came of another try is no answer to this one.
    Outcome::forget(&request.dir)?;
    let code = room.enter(&TASK, &request.words())?;
    if let Some(outcome) = Outcome::read(&request.dir) {
        return Ok(outcome);
    }
    match code {
        129.. => Err(hint::interrupted(
            "cannot make the disk: it was interrupted",
            code,
        )),
        _ => Err(anyhow!("cannot make the disk: the room ended with {code}")),
    }
}

fn mke2fs() -> Result<PathBuf> {
    // An ordinary user's PATH may lack the system's directories, in which it lies.
    let system = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join("mke2fs"));
    let found = tools::find("mke2fs").or_else(|| system.into_iter().find(|path| path.is_file()));
    found.ok_or_else(|| {
        hint::with(
            "cannot make a disk: mke2fs is not installed (not found along PATH nor in /usr/sbin)",
            "sudo apt-get install e2fsprogs (Fedora: sudo dnf install e2fsprogs)",
        )
    })
}

/// What was said, with what can be done about it.
fn remedied(why: &str, dir: &Path) -> anyhow::Error {
    let message = format!("cannot make the disk: {why}");
    let full = ["No space left", "Disk quota exceeded", "File too large"];
    if full.iter().any(|sign| why.contains(sign)) {
        return hint::with(
            message,
            format!("free some space on the disk of {}", dir.display()),
        );
    }
    if why.contains("Could not allocate") {
        return hint::with(message, "a larger disk: --size");
    }
    anyhow!(message)
}

/// A layer with our own files, for the top; its root is as that of the layer beneath.
fn own_layer(dir: &Path, beneath: &Path, wanted: &[u8]) -> Result<PathBuf> {
    let layer = dir.join("own");
    let ours = layer.join(".isolab");
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&ours)?;
    let init = ours.join("init");
    fs::write(&init, INIT)?;
    fs::write(ours.join("wanted"), wanted)?;
    for (path, mode) in [
        (&ours, 0o755),
        (&init, 0o755),
        (&ours.join("wanted"), 0o644),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    // Times from the files' own making would make each disk another one.
    let epoch = std::time::UNIX_EPOCH;
    let mode = fs::metadata(beneath)?.permissions();
    fs::set_permissions(&layer, mode)?;
    for path in [&ours.join("wanted"), &init, &ours, &layer] {
        File::open(path)?.set_modified(epoch)?;
    }
    Ok(layer)
}

/// An identity of the first 32 digits, as RFC 9562 writes one of version 8.
fn uuid(digest: &str) -> String {
    let digits: String = digest
        .chars()
        .filter(char::is_ascii_hexdigit)
        .chain("0".repeat(32).chars())
        .take(32)
        .collect();
    let part = |from: usize, to: usize| &digits[from..to];
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_one_whatever_the_digest_is_like() {
        let digest = "0123456789abcdef0123456789abcdef0123";
        assert_eq!(uuid(digest), "01234567-89ab-8def-8123-456789abcdef");
        assert_eq!(uuid("").len(), 36);
    }

    #[test]
    fn what_the_program_says_gets_its_remedy() {
        let hint = |said: &str| hint::of(&remedied(said, Path::new("/cache")));
        let full = "mke2fs: No space left on device while writing out and closing file system";
        assert!(hint(full).unwrap().contains("/cache"));
        let small = "__populate_fs: Could not allocate inode in ext2 filesystem while populating";
        assert!(hint(small).unwrap().contains("--size"));
        assert_eq!(hint("something else"), None);
    }
}
