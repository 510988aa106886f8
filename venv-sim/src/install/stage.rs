//! Building what is new beside what is there: directories by one thread, files by all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, linkat, symlinkat, unlinkat};

use super::ground::{Ground, STAGING};
use super::layout::{Branch, Content, Layout, Leaf, Origin};
use super::{LinkMode, at, journal};
use crate::error::{Error, Result};
use crate::store::{Store, StoredFile, Tree, join};
use crate::threads::help;

/// How many threads link or copy at most.
const MOST_THREADS: usize = 4;

/// What was built.
#[derive(Debug)]
pub(crate) struct Staged {
    /// How files got there.
    pub(crate) link_mode: LinkMode,
    pub(crate) warnings: Vec<String>,
}

/// Builds `.isolab/new`, or leaves nothing.
pub(crate) fn build(
    ground: &Ground,
    layout: &Layout<'_>,
    store: &Store,
    mode: LinkMode,
) -> Result<Staged> {
    if layout.projects.is_empty() {
        return Ok(Staged {
            link_mode: mode,
            warnings: Vec::new(),
        });
    }
    let built = build_all(ground, layout, store, mode);
    if built.is_err() {
        let _ = journal::clear(ground);
    }
    built
}

fn build_all(
    ground: &Ground,
    layout: &Layout<'_>,
    store: &Store,
    mode: LinkMode,
) -> Result<Staged> {
    let staging = journal::make_staging(ground)?;
    let made = mkdirat(&staging, "new", Mode::from_bits_truncate(0o777));
    made.map_err(ground.io("create directory", ".isolab/new"))?;
    let new = format!("{STAGING}/new");
    let root = ground
        .directory(&new)
        .map_err(ground.io("open directory", &new))?;
    let mut work = Work {
        ground,
        layout,
        link_mode: usable(mode, &root, &layout.trees)?,
        root,
        made: AtomicUsize::new(1),
        next: AtomicUsize::new(0),
        failure: OnceLock::new(),
        changed: Mutex::new(Vec::new()),
    };
    work.run();
    if let Some(error) = work.failure.take() {
        return Err(error);
    }
    let warnings = work.mend(store)?;
    if mode == LinkMode::Symlink {
        for origin in &layout.trees {
            remember_user(ground, origin, layout)?;
        }
    }
    Ok(Staged {
        link_mode: work.link_mode,
        warnings,
    })
}

struct Work<'w> {
    ground: &'w Ground,
    layout: &'w Layout<'w>,
    link_mode: LinkMode,
    /// `.isolab/new`
    root: OwnedFd,
    /// How many directories there are; the top is there already.
    made: AtomicUsize,
    /// The next directory to be filled.
    next: AtomicUsize,
    /// The first thing that went wrong.
    failure: OnceLock<Error>,
    /// Files of the store that are not what they were: directory and place in it.
    changed: Mutex<Vec<(usize, usize)>>,
}

impl Work<'_> {
    /// One thread makes directories and then fills them with the others, which fill each as
    /// soon as it is made.
    fn run(&self) {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            help(scope, threads.min(MOST_THREADS) - 1, || self.fill_all());
            self.make_directories();
            self.fill_all();
        });
    }

    fn fail(&self, error: Error) {
        let _ = self.failure.set(error);
    }

    fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    fn make_directories(&self) {
        for branch in &self.layout.directories[1..] {
            let mode = Mode::from_bits_truncate(0o777);
            if let Err(error) = mkdirat(&self.root, &branch.path[..], mode) {
                return self.fail(self.ground.io("create directory", &branch.path)(error));
            }
            self.made.fetch_add(1, Ordering::Release);
        }
    }

    fn fill_all(&self) {
        let mut buffers = Buffers::default();
        loop {
            let place = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(branch) = self.layout.directories.get(place) else {
                return;
            };
            let mut turns = 0_u32;
            while self.made.load(Ordering::Acquire) <= place {
                if self.has_failed() {
                    return;
                }
                turns += 1;
                match turns {
                    0..64 => std::hint::spin_loop(),
                    _ => thread::yield_now(),
                }
            }
            if self.has_failed() {
                return;
            }
            for (index, leaf) in branch.leaves.iter().enumerate() {
                match self.put(branch, leaf, &mut buffers, true) {
                    Ok(true) => {}
                    Ok(false) => {
                        let mut changed =
                            self.changed.lock().unwrap_or_else(PoisonError::into_inner);
                        changed.push((place, index));
                    }
                    Err(error) => return self.fail(error),
                }
            }
        }
    }

    /// Puts one file where it is staged; not if it is to be looked at, and is not what it was.
    fn put(
        &self,
        branch: &Branch<'_>,
        leaf: &Leaf<'_>,
        buffers: &mut Buffers,
        look: bool,
    ) -> Result<bool> {
        if leaf.is_there {
            return Ok(true);
        }
        let to = Buffers::path(&mut buffers.to, &branch.path, &leaf.name);
        let done = match &leaf.content {
            Content::Link(target) => {
                symlinkat(&target[..], &self.root, to).map_err(io::Error::from)
            }
            Content::Text(text) => {
                create(&self.root, to, leaf.is_executable).and_then(|mut file| file.write_all(text))
            }
            Content::Stored {
                tree,
                directory,
                file,
            } => {
                let origin = &self.layout.trees[*tree];
                let from =
                    Buffers::long_path(&mut buffers.from, &origin.tree, directory, &file.name);
                if look && !origin.is_checked && !origin.tree.is_unchanged(from, file) {
                    return Ok(false);
                }
                let is_executable = leaf.is_executable;
                let copy = Copy {
                    tree: &origin.tree,
                    from,
                    file,
                    root: &self.root,
                    to,
                    is_executable,
                };
                copy.by(self.link_mode, &mut buffers.content)
            }
        };
        let path = join(&branch.path, &leaf.name);
        match done {
            Ok(()) => Ok(true),
            Err(error) => {
                let action = match self.link_mode {
                    LinkMode::Clone => "clone",
                    _ => "install",
                };
                Err(Error::io(action, at(self.ground, &path))(error))
            }
        }
    }

    /// Has the store mend what was changed in it, and puts that.
    fn mend(&self, store: &Store) -> Result<Vec<String>> {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        changed.sort_unstable();
        let mut warnings = Vec::new();
        let mut buffers = Buffers::default();
        for (place, index) in changed.drain(..) {
            let branch = &self.layout.directories[place];
            let leaf = &branch.leaves[index];
            if let Content::Stored {
                tree,
                directory,
                file,
            } = &leaf.content
            {
                let path = join(directory, &file.name);
                let mended = store.mend(self.layout.trees[*tree].stored, &[path])?;
                warnings.extend(mended.iter().map(ToString::to_string));
            }
            self.put(branch, leaf, &mut buffers, false)?;
        }
        Ok(warnings)
    }
}

/// What a thread needs again for each file.
#[derive(Default)]
struct Buffers {
    from: String,
    to: String,
    content: Vec<u8>,
}

impl Buffers {
    fn long_path<'b>(buffer: &'b mut String, tree: &Tree, directory: &str, name: &str) -> &'b str {
        buffer.clear();
        buffer.push_str(&tree.prefix);
        for part in [directory, name] {
            if !part.is_empty() {
                buffer.push('/');
                buffer.push_str(part);
            }
        }
        buffer
    }

    fn path<'b>(buffer: &'b mut String, directory: &str, name: &str) -> &'b str {
        buffer.clear();
        if !directory.is_empty() {
            buffer.push_str(directory);
            buffer.push('/');
        }
        buffer.push_str(name);
        buffer
    }
}

/// A file of the store on its way to the environment.
struct Copy<'c> {
    tree: &'c Tree,
    from: &'c str,
    file: &'c StoredFile,
    root: &'c OwnedFd,
    to: &'c str,
    is_executable: bool,
}

impl Copy<'_> {
    fn by(&self, mode: LinkMode, buffer: &mut Vec<u8>) -> io::Result<()> {
        match mode {
            LinkMode::Clone => self.clone_blocks(),
            // A link has the modes of the store, and a script may need others.
            LinkMode::HardLink | LinkMode::Auto | LinkMode::Symlink
                if self.is_executable == self.file.is_executable =>
            {
                match self.link() {
                    // As many names as a file can have (65,000 on ext4).
                    Err(Errno::EMLINK) => self.copy(buffer),
                    // Links lead to other file systems, and only these few files lie beside them.
                    Err(Errno::EXDEV) if mode == LinkMode::Symlink => self.copy(buffer),
                    linked => Ok(linked?),
                }
            }
            _ => self.copy(buffer),
        }
    }

    fn link(&self) -> Result<(), Errno> {
        linkat(
            &*self.tree.root,
            self.from,
            self.root,
            self.to,
            AtFlags::empty(),
        )
    }

    fn clone_blocks(&self) -> io::Result<()> {
        let to = create(self.root, self.to, self.is_executable)?;
        rustix::fs::ioctl_ficlone(&to, self.open()?)?;
        crate::store::set_modified(&to, self.file.modified)
    }

    fn copy(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut from = self.open()?;
        let mut to = create(self.root, self.to, self.is_executable)?;
        buffer.resize(128 * 1024, 0);
        let mut left = self.file.size;
        while left > 0 {
            match from.read(buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    to.write_all(&buffer[..count])?;
                    left = left.saturating_sub(count as u64);
                }
            }
        }
        crate::store::set_modified(&to, self.file.modified)
    }

    fn open(&self) -> io::Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        Ok(openat(&*self.tree.root, self.from, flags, Mode::empty())?.into())
    }
}

/// A new file, with what the umask leaves of its mode.
fn create(root: &OwnedFd, path: &str, is_executable: bool) -> io::Result<File> {
    let flags =
        OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = if is_executable { 0o777 } else { 0o666 };
    Ok(openat(root, path, flags, Mode::from_bits_truncate(mode))?.into())
}

/// The mode that works from the store's file system to this one.
fn usable(mode: LinkMode, root: &OwnedFd, trees: &[Origin<'_>]) -> Result<LinkMode> {
    if mode != LinkMode::Auto {
        return Ok(mode);
    }
    let mut from = String::new();
    let first = trees.first();
    let Some(probe) = first.and_then(|origin| probe(origin, &mut from, root)) else {
        return Ok(LinkMode::Copy);
    };
    let mut buffer = Vec::new();
    let remove = || {
        let _ = unlinkat(root, probe.to, UnlinkatFlags::NoRemoveDir);
    };
    let cloned = probe.by(LinkMode::Clone, &mut buffer);
    remove();
    if cloned.is_ok() {
        return Ok(LinkMode::Clone);
    }
    // A link shows everyone what the umask would hide from them.
    let hides = fstat(root).is_ok_and(|found| found.st_mode & 0o055 != 0o055);
    let linked = probe.link();
    remove();
    Ok(match linked {
        Ok(()) if !hides => LinkMode::HardLink,
        _ => LinkMode::Copy,
    })
}

/// A file to try with.
fn probe<'p>(origin: &'p Origin<'_>, from: &'p mut String, root: &'p OwnedFd) -> Option<Copy<'p>> {
    let directories = &origin.stored.manifest.directories;
    let directory = directories
        .iter()
        .find(|directory| !directory.files.is_empty())?;
    let file = directory.files.first()?;
    Some(Copy {
        tree: &origin.tree,
        from: Buffers::long_path(from, &origin.tree, &directory.path, &file.name),
        file,
        root,
        to: ".probe",
        is_executable: file.is_executable,
    })
}

/// Notes in the store which links lead there, so that pruning keeps what they need.
fn remember_user(ground: &Ground, origin: &Origin<'_>, layout: &Layout<'_>) -> Result<()> {
    let real = fs::canonicalize(&ground.dir).map_err(Error::io("find", &ground.dir))?;
    let tree = origin.stored.real_tree()?;
    let mut links = Vec::new();
    for branch in &layout.directories {
        for leaf in &branch.leaves {
            if let Content::Link(target) = &leaf.content
                && Path::new(target).starts_with(&tree)
            {
                links.push(real.join(join(&branch.path, &leaf.name)));
            }
        }
    }
    origin.stored.remember_links(&links)
}
