//! Unpacking a wheel into a tree, on all processors, each content checked in the same pass.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fchmod, mkdirat};

use super::manifest::{Directory, Manifest, StoredFile};
use super::reader::SharedFile;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::threads::help;
use crate::wheel::{Digest, ExtractError, Member, Wheel};

/// Files of a `.dist-info` that an environment gets from who installs, not from the wheel.
const NOT_KEPT: [&str; 6] = [
    "RECORD",
    "RECORD.jws",
    "RECORD.p7s",
    "INSTALLER",
    "REQUESTED",
    "direct_url.json",
];

/// How many threads unpack at most; beyond that the disk is what is waited for.
const MOST_THREADS: usize = 4;

/// How many members a thread takes at once.
const PORTION: usize = 8;

/// Unpacks `wheel` to `tree` in `entry` and tells what is there.
pub(crate) fn unpack(
    file: &str,
    wheel: &Wheel<SharedFile>,
    entry: &Path,
    path: &Path,
) -> Result<Manifest> {
    let bad = |cause| Error::BadWheel {
        path: path.to_owned(),
        cause,
    };
    let members = wheel.members().to_vec();
    let directories = directories(&members, &wheel.dist_info).map_err(bad)?;
    let scripts = wheel.entry_points.scripts().map_err(bad)?;
    let scripts = scripts.into_iter().cloned().collect();
    let tree = entry.join("tree");
    fs::create_dir(&tree).map_err(Error::io("create directory", &tree))?;
    let manifest = Manifest {
        file: file.to_owned(),
        name: wheel.name.clone(),
        dist_info: wheel.dist_info.clone(),
        is_pure: wheel.is_pure,
        requires_python: wheel.metadata.requires_python.clone(),
        scripts,
        directories,
    };
    Work::of(&members, &manifest.directories, &tree)?.run(wheel, path)?;
    Ok(manifest)
}

/// All members that are kept, by their directories.
fn directories(members: &[Member], dist_info: &str) -> Result<Vec<Directory>, Refusal> {
    let mut directories: BTreeMap<String, Vec<StoredFile>> = BTreeMap::new();
    directories.insert(String::new(), Vec::new());
    for member in members {
        if !is_kept(member, dist_info) {
            continue;
        }
        let not_text = || Refusal::new("a path in it is no text");
        let path = member.path.to_str().ok_or_else(not_text)?;
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let digest = member.digest.as_ref().ok_or_else(not_text)?;
        for (end, _) in directory.match_indices('/') {
            directories.entry(directory[..end].to_owned()).or_default();
        }
        let files = directories.entry(directory.to_owned()).or_default();
        files.push(StoredFile {
            name: name.to_owned(),
            size: member.size,
            modified: modified(member.day, digest),
            is_executable: is_executable(member),
            digest: digest.to_string(),
        });
    }
    // A directory's path begins with that of the one it is in, and so comes after it.
    let directory = |(path, files)| Directory { path, files };
    Ok(directories.into_iter().map(directory).collect())
}

fn is_kept(member: &Member, dist_info: &str) -> bool {
    let of_info = member.path.strip_prefix(dist_info).ok();
    !of_info.is_some_and(|name| NOT_KEPT.iter().any(|other| name == Path::new(other)))
}

/// The archive's day, and a second of that day which follows from the content.
///
/// Bytecode is valid for a source of the same time and size. Many wheels date all their files
/// alike: with their time alone, a new version of a file of the same length would seem to be
/// what was compiled before.
fn modified(day: u32, digest: &Digest) -> i64 {
    let bytes = match digest {
        Digest::Sha256(bytes) => &bytes[..],
        Digest::Sha384(bytes) => &bytes[..],
        Digest::Sha512(bytes) => &bytes[..],
    };
    let number = bytes
        .iter()
        .take(4)
        .fold(0, |sum, byte| sum << 8 | i64::from(*byte));
    i64::from(day) * 86_400 + number % 86_400
}

/// What the archive says, and whatever is to lie in `bin`.
fn is_executable(member: &Member) -> bool {
    let mut parts = member.path.iter();
    let top = parts.next().and_then(|part| part.to_str());
    let in_data = top.is_some_and(|top| top.ends_with(".data"));
    member.is_executable || in_data && parts.next().is_some_and(|part| part == "scripts")
}

/// What is to be written, and how far it is.
struct Work<'w> {
    tree: &'w Path,
    root: File,
    directories: &'w [Directory],
    /// Each member with the place of its directory, in the order of these.
    members: Vec<(usize, &'w Member)>,
    /// How many directories are there; the first is the tree itself.
    made: AtomicUsize,
    /// The next member to be written.
    next: AtomicUsize,
    failure: OnceLock<Error>,
}

impl<'w> Work<'w> {
    fn of(members: &'w [Member], directories: &'w [Directory], tree: &'w Path) -> Result<Self> {
        let places = directories.iter().enumerate();
        let places: HashMap<&Path, usize> = places
            .map(|(place, directory)| (Path::new(&directory.path), place))
            .collect();
        let place = |member: &Member| {
            let directory = member.path.parent().unwrap_or(Path::new(""));
            // Without a directory there is what is not kept, and written nowhere.
            places.get(directory).copied().unwrap_or(0)
        };
        let members = members.iter().map(|member| (place(member), member));
        let mut members: Vec<_> = members.collect();
        members.sort_by_key(|(place, _)| *place);
        Ok(Self {
            root: File::open(tree).map_err(Error::io("open directory", tree))?,
            tree,
            directories,
            members,
            made: AtomicUsize::new(1),
            next: AtomicUsize::new(0),
            failure: OnceLock::new(),
        })
    }

    /// One thread makes directories and then writes with the others, which write into each as
    /// soon as it is made.
    fn run(mut self, wheel: &Wheel<SharedFile>, path: &Path) -> Result<()> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let most = MOST_THREADS.min(self.members.len() / PORTION + 1);
        let work = &self;
        thread::scope(|scope| {
            help(scope, threads.min(most) - 1, || work.write_all(wheel, path));
            work.make_directories();
            work.write_all(wheel, path);
        });
        match self.failure.take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn fail(&self, error: Error) {
        let _ = self.failure.set(error);
    }

    fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    fn make_directories(&self) {
        for directory in &self.directories[1..] {
            let mode = Mode::from_bits_truncate(0o777);
            if let Err(error) = mkdirat(&self.root, &directory.path[..], mode) {
                let path = self.tree.join(&directory.path);
                return self.fail(Error::io("create directory", path)(error.into()));
            }
            self.made.fetch_add(1, Ordering::Release);
        }
    }

    fn write_all(&self, wheel: &Wheel<SharedFile>, path: &Path) {
        let mut wheel = wheel.clone();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let from = self.next.fetch_add(PORTION, Ordering::Relaxed);
            let Some(portion) = self.members.get(from..) else {
                return;
            };
            for (place, member) in portion.iter().take(PORTION) {
                while self.made.load(Ordering::Acquire) <= *place && !self.has_failed() {
                    thread::yield_now();
                }
                if self.has_failed() {
                    return;
                }
                if let Err(error) = write_one(&mut wheel, member, &self.root, &mut buffer) {
                    return self.fail(match error {
                        ExtractError::Refused(cause) => Error::BadWheel {
                            path: path.to_owned(),
                            cause,
                        },
                        ExtractError::Write(error) => {
                            Error::io("write", self.tree.join(&member.path))(error)
                        }
                    });
                }
            }
        }
    }
}

fn write_one(
    wheel: &mut Wheel<SharedFile>,
    member: &Member,
    root: &File,
    buffer: &mut [u8],
) -> Result<(), ExtractError> {
    let Some(digest) = member
        .digest
        .as_ref()
        .filter(|_| is_kept(member, &wheel.dist_info))
    else {
        return wheel.extract(member, &mut io::sink(), buffer);
    };
    let time = modified(member.day, digest);
    let mut file =
        create(root, &member.path, is_executable(member)).map_err(ExtractError::Write)?;
    wheel.extract(member, &mut file, buffer)?;
    set_modified(&file, time).map_err(ExtractError::Write)
}

/// A new file below `root`, readable by everyone whatever the umask: its directory is not, and
/// through a hard link it will have other users.
pub(crate) fn create(root: &File, path: &Path, is_executable: bool) -> io::Result<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = if is_executable { 0o755 } else { 0o644 };
    let mode = Mode::from_bits_truncate(mode);
    let file = openat(root, path, flags, mode)?;
    if !umask_leaves(mode) {
        fchmod(&file, mode)?;
    }
    Ok(file.into())
}

/// Whether new files get this mode as it is.
///
/// Source: `proc_pid_status(5)`, field `Umask`.
fn umask_leaves(mode: Mode) -> bool {
    static UMASK: OnceLock<Option<Mode>> = OnceLock::new();
    let umask = UMASK.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mut lines = status.lines();
        let digits = lines.find_map(|line| line.strip_prefix("Umask:"))?;
        let bits = u32::from_str_radix(digits.trim(), 8).ok()?;
        Some(Mode::from_bits_truncate(bits))
    });
    umask.is_some_and(|umask| !umask.intersects(mode))
}

pub(crate) fn set_modified(file: &File, seconds: i64) -> io::Result<()> {
    let since = Duration::from_secs(seconds.unsigned_abs());
    file.set_modified(UNIX_EPOCH + since)
}
