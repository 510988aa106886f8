//! What an environment takes of the disk, and what of that it shares.
//!
//! A file may have several names. One whose other names lie in the store, or in other
//! environments, costs this environment nothing: it would still be there without it. What all
//! names in the environment and nothing outside refers to is its own.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::statfs;
use pep440_rs::Version;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::installed::{Form, Installed};
use crate::requirement::Name;

/// What an environment takes of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// All of it.
    pub all: Amount,
    /// What each distribution takes of it, in the order of the names.
    pub packages: Vec<PackageUsage>,
    /// What belongs to no distribution: interpreter, activation, directories of several.
    pub rest: Amount,
    /// The file system, where it can share parts of files without their names saying so; what it
    /// shares is counted as exclusive here.
    pub may_share_extents: Option<&'static str>,
}

/// What one distribution takes of the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageUsage {
    /// Its name.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// What it takes.
    pub amount: Amount,
}

/// Bytes of the disk, in blocks that are allocated, and the names that they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Bytes that would be free without the environment.
    pub exclusive: u64,
    /// Bytes that something outside of it refers to as well.
    pub shared: u64,
    /// Files, links and directories.
    pub entries: u64,
}

/// Measures `environment`, and each distribution in it.
///
/// # Errors
/// [`Error::Io`] where a directory of it cannot be read.
pub fn usage(environment: &Environment) -> Result<Usage> {
    let dir = &environment.dir;
    let installed = Installed::of(environment)?;
    let mut survey = Survey {
        packages: &environment.site_packages,
        device: look(dir)?.dev(),
        owners: owners(&installed),
        found: HashMap::new(),
        entries: BTreeMap::new(),
    };
    survey.directory(dir)?;
    let mut amounts: BTreeMap<Option<usize>, Amount> = BTreeMap::new();
    for (owner, entries) in survey.entries {
        amounts.entry(owner).or_default().entries += entries;
    }
    for inode in survey.found.values() {
        let amount = amounts.entry(inode.owner).or_default();
        match inode.names_here < inode.names {
            true => amount.shared += inode.bytes,
            false => amount.exclusive += inode.bytes,
        }
    }
    let all = amounts
        .values()
        .fold(Amount::default(), |sum, amount| Amount {
            exclusive: sum.exclusive + amount.exclusive,
            shared: sum.shared + amount.shared,
            entries: sum.entries + amount.entries,
        });
    let package = |(index, one): (usize, &crate::installed::Distribution)| PackageUsage {
        name: one.name().clone(),
        version: one.version().clone(),
        amount: amounts.get(&Some(index)).copied().unwrap_or_default(),
    };
    let packages = installed.distributions.iter().enumerate();
    Ok(Usage {
        all,
        packages: packages.map(package).collect(),
        rest: amounts.get(&None).copied().unwrap_or_default(),
        may_share_extents: may_share_extents(dir),
    })
}

/// The distribution of each path: what its RECORD lists, and its `.dist-info` or `.egg-info`.
fn owners(installed: &Installed) -> HashMap<PathBuf, usize> {
    let mut owners = HashMap::new();
    for (index, one) in installed.distributions.iter().enumerate() {
        let files = one.files().unwrap_or_default();
        owners.extend(files.into_iter().map(|file| (file.path, index)));
        if one.form != Form::EggLink {
            owners.insert(one.path.clone(), index);
        }
    }
    owners
}

struct Inode {
    bytes: u64,
    names: u64,
    names_here: u64,
    owner: Option<usize>,
}

struct Survey<'a> {
    /// Where packages lie: it and what is above it is everybody's.
    packages: &'a Path,
    device: u64,
    owners: HashMap<PathBuf, usize>,
    found: HashMap<u64, Inode>,
    entries: BTreeMap<Option<usize>, u64>,
}

/// Whose everything in a directory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owned {
    Nobodys,
    By(usize),
    BySeveral,
}

impl Owned {
    fn or(self, other: Self) -> Self {
        if self == Self::Nobodys { other } else { self }
    }
}

impl Survey<'_> {
    /// Counts what is in `path`, then `path` itself: a directory is whose everything in it is.
    fn directory(&mut self, path: &Path) -> Result<Owned> {
        let known = match self.owners.get(path) {
            Some(owner) => Owned::By(*owner),
            None if self.packages.starts_with(path) => Owned::BySeveral,
            None => Owned::Nobodys,
        };
        let mut owned = known;
        let mut others = Vec::new();
        let entries = fs::read_dir(path).map_err(Error::io("read directory", path))?;
        for entry in entries {
            let entry = entry.map_err(Error::io("read directory", path))?.path();
            let Ok(metadata) = fs::symlink_metadata(&entry) else {
                continue; // gone meanwhile
            };
            let here = if metadata.is_dir() && metadata.dev() == self.device {
                self.directory(&entry)?
            } else if let Some(owner) = self.owner(&entry) {
                self.count(&metadata, Some(owner));
                Owned::By(owner)
            } else {
                others.push(metadata);
                known.or(Owned::BySeveral)
            };
            owned = match (owned, here) {
                (owned, here) if owned == here || here == Owned::Nobodys => owned,
                (Owned::Nobodys, here) => here,
                _ => Owned::BySeveral,
            };
        }
        // What only `known` claims, such as files in a .dist-info that RECORD does not list.
        let owner = |owned| match owned {
            Owned::By(owner) => Some(owner),
            _ => None,
        };
        for metadata in others {
            self.count(&metadata, owner(known));
        }
        let metadata = look(path)?;
        self.count(&metadata, owner(owned));
        Ok(owned)
    }

    /// Whose a file is: its RECORD's, or, of bytecode, its source's.
    fn owner(&self, path: &Path) -> Option<usize> {
        let of = |path: &Path| self.owners.get(path).copied();
        of(path).or_else(|| {
            let cache = path
                .parent()
                .filter(|cache| cache.ends_with("__pycache__"))?;
            let name = path.file_name()?.to_str()?;
            let source = format!("{}.py", name.split('.').next()?);
            of(&cache.parent()?.join(source))
        })
    }

    fn count(&mut self, metadata: &Metadata, owner: Option<usize>) {
        *self.entries.entry(owner).or_default() += 1;
        // Of a directory the second and further names are those of `.` and `..`.
        let names = if metadata.is_dir() {
            1
        } else {
            metadata.nlink()
        };
        let inode = self.found.entry(metadata.ino()).or_insert(Inode {
            bytes: metadata.blocks() * 512, // st_blocks, whatever the file system's are
            names,
            names_here: 0,
            owner,
        });
        inode.names_here += 1;
    }
}

fn look(path: &Path) -> Result<Metadata> {
    fs::symlink_metadata(path).map_err(Error::io("look at", path))
}

/// The name of the file system at `path`, if files on it may share extents (`ioctl_ficlone(2)`).
fn may_share_extents(path: &Path) -> Option<&'static str> {
    // Source: linux/magic.h; bcachefs and zfs have theirs in their own sources.
    const KNOWN: [(i64, &str); 4] = [
        (0x9123_683E, "btrfs"),
        (0x5846_5342, "xfs"),
        (0xca45_1a4e, "bcachefs"),
        (0x2fc1_2fc1, "zfs"),
    ];
    let kind = statfs(path).ok()?.filesystem_type().0;
    let found = KNOWN.iter().find(|(magic, _)| *magic == kind);
    found.map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with one package whose one module is also linked from outside.
    fn environment(dir: &Path) -> Environment {
        let packages = dir.join("env/lib/python3.11/site-packages");
        fs::create_dir_all(packages.join("demo/__pycache__")).expect("made");
        fs::create_dir_all(packages.join("demo-1.dist-info")).expect("made");
        fs::create_dir_all(dir.join("env/bin")).expect("made");
        fs::write(dir.join("env/bin/python"), "").expect("written");
        fs::write(
            dir.join("env/pyvenv.cfg"),
            "home = /usr/bin\nversion = 3.11\n",
        )
        .expect("");
        let write = |file: &str, text: &[u8]| fs::write(packages.join(file), text).expect("");
        write("demo/__init__.py", &[b'#'; 9000]);
        write("demo/__pycache__/__init__.cpython-311.pyc", &[1; 5000]);
        write("demo/own.py", &[b'#'; 100]);
        write(
            "demo-1.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: demo\nVersion: 1\n",
        );
        write(
            "demo-1.dist-info/RECORD",
            b"demo/__init__.py,,\ndemo/own.py,,\ndemo/again.py,,\ndemo-1.dist-info/METADATA,,\n",
        );
        let linked = packages.join("demo/__init__.py");
        fs::hard_link(&linked, dir.join("store")).expect("linked");
        // Two names within the environment: its own, and counted once.
        fs::hard_link(packages.join("demo/own.py"), packages.join("demo/again.py")).expect("");
        Environment::open(&dir.join("env")).expect("an environment")
    }

    fn blocks(path: &Path) -> u64 {
        fs::symlink_metadata(path).expect("there").blocks() * 512
    }

    #[test]
    fn what_has_a_name_outside_is_shared_and_two_names_inside_count_once() {
        let home = tempfile::tempdir().expect("a directory");
        let environment = environment(home.path());
        let used = usage(&environment).expect("measured");
        assert_eq!(used.all.shared, blocks(&home.path().join("store")));
        let demo = environment.site_packages.join("demo");
        let info = environment.site_packages.join("demo-1.dist-info");
        let own = [
            demo.clone(),
            demo.join("own.py"),
            demo.join("__pycache__"),
            demo.join("__pycache__/__init__.cpython-311.pyc"),
            info.clone(),
            info.join("METADATA"),
            info.join("RECORD"),
        ];
        let package = &used.packages[0].amount;
        assert_eq!(
            package.exclusive,
            own.iter().map(|path| blocks(path)).sum::<u64>()
        );
        assert_eq!(package.shared, used.all.shared);
        assert_eq!(package.entries, 9);
    }

    #[test]
    fn the_parts_are_the_whole_and_that_is_what_du_says() {
        let home = tempfile::tempdir().expect("a directory");
        let environment = environment(home.path());
        let used = usage(&environment).expect("measured");
        let parts = used.packages[0].amount.exclusive + used.rest.exclusive;
        assert_eq!(parts, used.all.exclusive);
        let said = std::process::Command::new("du")
            .args(["-s", "-B1"])
            .arg(&environment.dir)
            .output()
            .expect("du runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let said: u64 = said
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .expect("bytes");
        assert_eq!(used.all.exclusive + used.all.shared, said);
    }
}
