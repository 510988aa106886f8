//! One real interpreter: its facts, asked once and remembered as long as its file is the same.

use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::utsname::uname;
use serde::{Deserialize, Serialize};

use crate::ask::ask;
use crate::cache::{Cache, name_of};
use crate::error::{Error, Result};
use crate::external;
use crate::facts::{Build, Facts, bytes_as_latin1};
use crate::linking::{Linking, loader_of};
use crate::requirement::MarkerEnvironment;
use crate::tags::{Tags, Traits};

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
    /// What markers ask about.
    pub markers: MarkerEnvironment,
    /// `sys.implementation.cache_tag`: part of the names of bytecode files. None where the
    /// interpreter keeps no bytecode.
    pub cache_tag: Option<String>,
    build: Build,
    linking: Linking,
    why: String,
}

impl Interpreter {
    /// Why this interpreter and no other, in words: where it was found, and what each shim or
    /// environment on the way led to.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// Whether it is older than `pyvenv.cfg` (PEP 405): its environments have a layout of their
    /// own, which tools of that time know from virtualenv.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        self.version < (3, 3, 0)
    }

    /// Which wheels it accepts, the best first.
    #[must_use]
    pub fn tags(&self) -> Tags {
        let (major, minor, _) = self.version;
        Tags::of(&Traits {
            implementation: &self.implementation,
            version: (major, minor),
            is_64bit: self.is_64bit,
            build: &self.build,
            linking: &self.linking,
        })
    }

    /// Why its own packages are not for installers to change, where its distributor says so
    /// (PEP 668); its environments are. Empty where no reason is given.
    ///
    /// Looked at each time: the file that says so comes and goes without the interpreter.
    #[must_use]
    pub fn externally_managed(&self) -> Option<String> {
        external::reason(&self.stdlib)
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
        let Known { facts, linking } = known(path, cache)?;
        let mut markers = facts.markers;
        if let Ok(kernel) = uname() {
            markers.platform_release = kernel.release().to_string_lossy().into_owned();
            markers.platform_version = kernel.version().to_string_lossy().into_owned();
        }
        Ok(Self {
            executable: facts.executable,
            version: facts.version,
            implementation: markers.implementation_name.clone(),
            base_prefix: facts.base_prefix,
            stdlib: facts.stdlib,
            site_packages: facts.site_packages,
            abiflags: facts.abiflags,
            is_64bit: facts.wide,
            markers,
            cache_tag: facts.cache_tag,
            build: facts.build,
            linking,
            why: why.to_owned(),
        })
    }
}

/// What must be unchanged for an answer to hold: a new build of Python has another inode, size
/// or time, and nobody can set the change time (`ctime`) back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    #[serde(with = "bytes_as_latin1")]
    path: PathBuf,
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn at(path: &Path) -> Option<Self> {
        Some(Self::of(path, &fs::metadata(path).ok()?))
    }

    fn of(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// All that is known of an interpreter, and remembered.
#[derive(Serialize, Deserialize)]
struct Known {
    facts: Facts,
    linking: Linking,
}

/// Raised with each change of what is remembered, so that older entries are as good as absent.
const FORMAT: u32 = 3;

#[derive(Serialize, Deserialize)]
struct Remembered {
    format: u32,
    identity: Identity,
    /// That of the loader, which is replaced with the C library: its version is among the facts.
    loader: Option<Identity>,
    known: Known,
}

fn known(path: &Path, cache: &Cache) -> Result<Known> {
    let metadata = fs::metadata(path).map_err(|error| Error::NotAnInterpreter {
        path: path.to_owned(),
        cause: format!("it cannot be found ({error})"),
    })?;
    let identity = Identity::of(path, &metadata);
    let name = format!("interpreters/{}.json", name_of(path.as_os_str().as_bytes()));
    if let Some(known) = remembered(&name, &identity, cache) {
        return Ok(known);
    }
    let facts = settle(ask(path)?, path)?;
    let linking = Linking::of(&facts.executable);
    let known = Known { facts, linking };
    // A script leads to one interpreter today and, as PATH, directory or variables have it, to
    // another tomorrow. Its answer is not its own.
    if is_script(path) {
        return Ok(known);
    }
    let loader = loader_of(&known.facts.executable);
    let remembered = Remembered {
        format: FORMAT,
        identity,
        loader: loader.as_deref().and_then(Identity::at),
        known,
    };
    if let Ok(content) = serde_json::to_vec(&remembered) {
        // A cache that cannot be written costs time, nothing else.
        let _ = cache.write(&name, &content, 0o600);
    }
    Ok(remembered.known)
}

/// The answer of before, if it is about this very file. Anything else there is as good as
/// nothing, and is overwritten.
fn remembered(name: &str, identity: &Identity, cache: &Cache) -> Option<Known> {
    let remembered: Remembered = serde_json::from_slice(&cache.read(name)?).ok()?;
    let is_same = |loader: &Identity| Identity::at(&loader.path).as_ref() == Some(loader);
    let holds = remembered.format == FORMAT
        && remembered.identity == *identity
        && remembered.loader.as_ref().is_none_or(is_same);
    let Known { facts, linking } = remembered.known;
    let facts = Some(facts).filter(|_| holds)?.checked().ok()?;
    let executable = &facts.executable;
    // The file just looked at exists.
    let exists = *executable == identity.path || executable.exists();
    exists.then_some(Known { facts, linking })
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
