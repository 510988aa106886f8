//! Bytecode, compiled once for each wheel and interpreter, by that interpreter.
//!
//! A `.pyc` says of which source it is by that file's size and time (PEP 552), and what is
//! installed keeps both: what was compiled in the store is valid in each environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::manifest::{Directory, Manifest, StoredFile};
use super::mend::{Tree, changed};
use super::{PATIENCE, Store, Stored, hex};
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::pipe::{Pipe, wait_for};
use crate::staging::Staging;
use crate::threads::start;

/// How long one file may take. A source can be written to keep the compiler busy.
const LONGEST: Duration = Duration::from_secs(30);

/// How many files may crash or outstay a compiler, before the rest is left to be compiled when it
/// is imported.
const MOST_CRASHES: usize = 4;

/// How many processes compile.
const PROCESSES: usize = 2;

/// What one interpreter compiled of one wheel.
#[derive(Debug)]
pub(crate) struct Bytecode {
    pub(crate) tree: Tree,
    /// Its files, in the wheel's layout.
    pub(crate) directories: Vec<Directory>,
}

impl Bytecode {
    /// What was compiled to `directory`, if it is as it was then.
    fn read(directory: &Path, tree: &Tree) -> Option<Self> {
        let text = fs::read_to_string(directory.join("manifest")).ok()?;
        let directories = Manifest::parse(&text).ok()?.directories;
        let changed = changed(&directories, |path, file| {
            tree.is_unchanged(&super::join(&tree.prefix, path), file)
        });
        changed.is_empty().then(|| Self {
            tree: tree.clone(),
            directories,
        })
    }
}

impl Store {
    /// The bytecode of `stored` for `python`, which compiles it if it never did, or if a file of
    /// it was changed.
    ///
    /// What does not compile (a template, a module for Python 2) has none.
    pub(crate) fn bytecode(&self, stored: &Stored, python: &Interpreter) -> Result<Bytecode> {
        let (major, minor, patch) = python.version;
        let name = format!(
            "{}-{}-{major}.{minor}.{patch}",
            hex(&stored.sha256).unwrap_or_default(),
            python.cache_tag.as_deref().unwrap_or_default(),
        );
        let destination = self.place.bytecode().join(&name);
        let place = Tree {
            root: self.place.bytecode_root(),
            prefix: format!("{name}/tree"),
        };
        let waiting = Instant::now();
        let staging = loop {
            if let Some(found) = Bytecode::read(&destination, &place) {
                return Ok(found);
            }
            match Staging::begin(&destination) {
                Ok(staging) => break staging,
                Err(Error::Busy { .. }) if waiting.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(Error::Busy { dir }) => return Err(Error::InUse { dir }),
                Err(error) => return Err(error),
            }
        };
        let tree = staging.path().join("tree");
        fs::create_dir(&tree).map_err(Error::io("create directory", &tree))?;
        let sources = sources(stored);
        compile(python, &stored.tree(), &tree, &sources)?;
        let manifest = Manifest {
            requires_python: None,
            scripts: Vec::new(),
            directories: found(&tree)?,
            ..stored.manifest.clone()
        };
        let text = staging.path().join("manifest");
        fs::write(&text, manifest.to_text()).map_err(Error::io("write", &text))?;
        if fs::symlink_metadata(&destination).is_ok() {
            staging.replace()?;
        } else {
            staging.place()?;
        }
        Ok(Bytecode {
            tree: place,
            directories: manifest.directories,
        })
    }
}

/// The modules that an environment gets into `site-packages`; what is in `.data` is placed
/// elsewhere, or is compiled when it is first imported.
fn sources(stored: &Stored) -> Vec<String> {
    let mut sources = Vec::new();
    for directory in &stored.manifest.directories {
        let top = directory.path.split('/').next().unwrap_or_default();
        if top.ends_with(".data") || top == stored.manifest.dist_info {
            continue;
        }
        let modules = directory.files.iter().filter(|file| {
            let name = file.name.as_bytes();
            name.ends_with(b".py")
        });
        sources.extend(modules.map(|file| directory.join(&file.name)));
    }
    sources
}

/// Compiles `sources`, a share in each of two processes.
fn compile(python: &Interpreter, from: &Path, to: &Path, sources: &[String]) -> Result<()> {
    let share = sources.len().div_ceil(PROCESSES).max(1);
    thread::scope(|scope| {
        let mut helpers = Vec::new();
        let mut done = Ok(());
        let mut shares = sources.chunks(share).peekable();
        while let Some(share) = shares.next() {
            let work = move || compile_share(python, from, to, share);
            // The last is for whoever waits for the others.
            let helper = shares.peek().and_then(|_| start(scope, work).ok());
            match helper {
                Some(helper) => helpers.push(helper),
                None => done = done.and(work()),
            }
        }
        helpers
            .into_iter()
            .try_for_each(|helper| helper.join().unwrap_or(Ok(())))
            .and(done)
    })
}

/// A compiler that crashes on a source, or does not end, is started again behind it.
fn compile_share(
    python: &Interpreter,
    from: &Path,
    to: &Path,
    mut sources: &[String],
) -> Result<()> {
    for _ in 0..=MOST_CRASHES {
        if sources.is_empty() {
            break;
        }
        let answers = run(python, from, to, sources)
            .map_err(Error::io("run the interpreter", &python.executable))?;
        let behind = (answers + 1).min(sources.len());
        sources = &sources[behind..];
    }
    Ok(())
}

/// Runs one compiler; how many files it answered for.
fn run(python: &Interpreter, from: &Path, to: &Path, sources: &[String]) -> std::io::Result<usize> {
    let child = Command::new(&python.executable)
        .args(["-I", "-S", "-W", "ignore", "-c", include_str!("compile.py")])
        .arg(to)
        .current_dir(from)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = EndWithIt(child);
    if let Some(mut list) = child.0.stdin.take() {
        // One that ends before it has read all will say so by its answers.
        let _ = list.write_all((sources.join("\n") + "\n").as_bytes());
    }
    let mut answers = Pipe::of(child.0.stdout.take());
    let mut count = 0;
    let mut waiting = Instant::now();
    while count < sources.len() && !answers.is_closed() && waiting.elapsed() < LONGEST {
        wait_for(&[&answers], LONGEST.saturating_sub(waiting.elapsed()));
        let lines = answers.take().iter().filter(|byte| **byte == b'\n').count();
        if lines > 0 {
            (count, waiting) = (count + lines, Instant::now());
        }
    }
    Ok(count)
}

struct EndWithIt(Child);

impl Drop for EndWithIt {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What was compiled to `tree`.
fn found(tree: &Path) -> Result<Vec<Directory>> {
    let mut directories = BTreeMap::new();
    let mut left = vec![String::new()];
    while let Some(path) = left.pop() {
        let directory = tree.join(&path);
        let entries = fs::read_dir(&directory).map_err(Error::io("read directory", &directory))?;
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let at = entry.path();
            let found = entry.metadata().map_err(Error::io("look at", &at))?;
            if found.is_file() {
                // Whatever the umask is today: through a hard link it will have other users.
                let mode = fs::Permissions::from_mode(0o644);
                fs::set_permissions(&at, mode).map_err(Error::io("set the mode of", &at))?;
            }
            if found.is_dir() {
                left.push(super::join(&path, &name));
            } else if name.ends_with(".pyc") {
                files.push(StoredFile {
                    name,
                    size: found.size(),
                    modified: found.mtime(),
                    is_executable: false,
                    digest: "-".to_owned(),
                });
            }
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        directories.insert(path, files);
    }
    let directory = |(path, files)| Directory { path, files };
    Ok(directories.into_iter().map(directory).collect())
}
