//! One real interpreter: its facts, asked once and remembered as long as its file is the same.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ask::ask;
use crate::cache::{Cache, name_of};
use crate::error::{Error, Result};
use crate::facts::Facts;

/// A Python interpreter that an environment can be made for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interpreter {
    /// The program itself, absolute: no shim, no environment's link.
    pub executable: PathBuf,
    /// Major, minor and patch, as in `sys.version_info`.
    pub version: (u8, u8, u8),
    /// `sys.implementation.name`: `cpython`, `pypy`.
    pub implementation: String,
    /// `sys.base_prefix`: the installation's root.
    pub base_prefix: PathBuf,
    /// The directory of the standard library.
    pub stdlib: PathBuf,
    /// Where packages go in an environment, relative to it.
    pub site_packages: PathBuf,
    /// `sys.abiflags`; `t` is the free-threaded build.
    pub abiflags: String,
    /// Whether pointers have 64 bits.
    pub is_64bit: bool,
    why: String,
}

impl Interpreter {
    /// Why this interpreter and no other, in words: where it was found, and what each shim or
    /// environment on the way led to.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The names under which environments call it, the one with the version first.
    pub(crate) fn names(&self) -> Vec<String> {
        let (major, minor, _) = self.version;
        let mut names = vec![
            format!("python{major}.{minor}"),
            "python".to_owned(),
            format!("python{major}"),
        ];
        if self.implementation == "pypy" {
            names.extend([
                "pypy".to_owned(),
                format!("pypy{major}"),
                format!("pypy{major}.{minor}"),
            ]);
        }
        names
    }

    /// The interpreter that the program at `path` is or leads to.
    pub(crate) fn at(path: &Path, why: &str, cache: &Cache) -> Result<Self> {
        let facts = facts_of(path, cache)?;
        Ok(Self {
            executable: facts.executable,
            version: facts.version,
            implementation: facts.implementation,
            base_prefix: facts.base_prefix,
            stdlib: facts.stdlib,
            site_packages: facts.site_packages,
            abiflags: facts.abiflags,
            is_64bit: facts.wide,
            why: why.to_owned(),
        })
    }
}

/// What must be unchanged for an answer to hold: a new build of Python has another inode, size
/// or time, and nobody can set the change time (`ctime`) back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    path: Vec<u8>,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.as_os_str().as_bytes().to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    identity: Identity,
    facts: Facts,
}

fn facts_of(path: &Path, cache: &Cache) -> Result<Facts> {
    let metadata = fs::metadata(path).map_err(|error| Error::NotAnInterpreter {
        path: path.to_owned(),
        cause: format!("it cannot be found ({error})"),
    })?;
    let identity = Identity::of(path, &metadata);
    let name = format!("interpreters/{}.json", name_of(path.as_os_str().as_bytes()));
    if let Some(facts) = remembered(&name, &identity, cache) {
        return Ok(facts);
    }
    let facts = settle(ask(path)?, path)?;
    // A script leads to one interpreter today and, as PATH, directory or variables have it, to
    // another tomorrow. Its answer is not its own.
    if !is_script(path) {
        let remembered = Remembered { identity, facts };
        if let Ok(content) = serde_json::to_vec(&remembered) {
            // A cache that cannot be written costs time, nothing else.
            let _ = cache.write(&name, &content, 0o600);
        }
        return Ok(remembered.facts);
    }
    Ok(facts)
}

/// The answer of before, if it is about this very file. Anything else there is as good as
/// nothing, and is overwritten.
fn remembered(name: &str, identity: &Identity, cache: &Cache) -> Option<Facts> {
    let remembered: Remembered = serde_json::from_slice(&cache.read(name)?).ok()?;
    (remembered.identity == *identity).then_some(())?;
    let facts = remembered.facts.checked().ok()?;
    facts.executable.exists().then_some(facts)
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == *b"#!"
}

/// Chooses the name by which environments call the program.
///
/// `bin/pythonX.Y` of its own prefix if that is the same file: a link to `python3` would lead
/// elsewhere after an upgrade, and Python looks for its library from where the program lies.
fn settle(mut facts: Facts, asked: &Path) -> Result<Facts> {
    let real = fs::canonicalize(&facts.executable)
        .map_err(Error::io("resolve the interpreter", &facts.executable))?;
    let bin = facts.base_prefix.join("bin");
    let (major, minor, _) = facts.version;
    let names = [
        Some(format!("python{major}.{minor}{}", facts.abiflags).into()),
        Some(format!("python{major}.{minor}").into()),
        asked.file_name().map(ToOwned::to_owned),
    ];
    let same = |path: &PathBuf| fs::canonicalize(path).is_ok_and(|path| path == real);
    let known = names
        .into_iter()
        .flatten()
        .map(|name: std::ffi::OsString| bin.join(name))
        .find(same);
    facts.executable = known.unwrap_or(real);
    Ok(facts)
}
