//! The emulator: which one is installed, and whether it is recent enough.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::{cached, tool, whole_file};

/// The program's name for guests of this architecture.
const PROGRAM: &str = "qemu-system-x86_64";

/// The oldest release that boots an uncompressed kernel by its PVH entry.
const OLDEST: Version = Version { major: 4, minor: 2 };

/// A release of QEMU; what follows the minor number never matters to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// An installed QEMU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Qemu {
    /// The program.
    pub path: PathBuf,
    /// Its release.
    pub version: Version,
    /// The line with which it names itself, packaging included.
    pub name: String,
    /// Whether the small firmware qboot is installed with it.
    pub qboot: bool,
}

/// Looks for QEMU along `$PATH` and asks it for its version.
///
/// A relative entry, such as `.`, is left out: what lies in whatever directory one happens to
/// stand in must not be run unasked.
///
/// # Errors
/// [`Error::Qemu`] if there is none, if it does not run, or if it is older than 4.2.
pub fn find() -> Result<Qemu> {
    match tool::find(PROGRAM) {
        Some(program) => Qemu::remembered(&program, cached::directory().as_deref()),
        None => Err(refused(
            Path::new(PROGRAM),
            "it is not installed (not found along PATH)",
        )),
    }
}

/// What a QEMU said when it was asked, and which file that was.
#[derive(Serialize, Deserialize)]
struct Asked {
    file: String,
    name: String,
}

impl Qemu {
    /// The QEMU at `path`, which is asked once for as long as its file is the same: that takes
    /// longer than all else before a boot.
    fn remembered(path: &Path, cache: Option<&Path>) -> Result<Self> {
        let (Some(file), Some(cache)) = (cached::identity(path), cache) else {
            return Self::at(path);
        };
        let kept = cache.join("qemu.json");
        let asked = std::fs::read(&kept).ok();
        let asked = asked.and_then(|json| serde_json::from_slice::<Asked>(&json).ok());
        if let Some(asked) = asked.filter(|asked| asked.file == file) {
            return Self::named(path, asked.name);
        }
        let qemu = Self::at(path)?;
        let name = qemu.name.clone();
        let json = serde_json::to_vec(&Asked { file, name }).unwrap_or_default();
        // An answer that cannot be kept is asked for again next time.
        let _ = whole_file::write(&kept, &json);
        Ok(qemu)
    }

    /// The QEMU at `path`.
    ///
    /// # Errors
    /// [`Error::Qemu`] if it does not run, or if it is older than 4.2.
    pub fn at(path: &Path) -> Result<Self> {
        let name = tool::version(path).map_err(|reason| refused(path, reason))?;
        Self::named(path, name)
    }

    /// The QEMU at `path`, which calls itself `name`.
    fn named(path: &Path, name: String) -> Result<Self> {
        let version = parse_version(&name)
            .ok_or_else(|| refused(path, format!("it names no version: `{name}`")))?;
        if version < OLDEST {
            return Err(refused(
                path,
                format!("it is {version}, and {OLDEST} is the oldest that serves"),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            version,
            name,
            qboot: brings_qboot(path),
        })
    }
}

/// Whether qboot lies where this QEMU looks for firmware: `share/qemu` beside its `bin`.
fn brings_qboot(path: &Path) -> bool {
    let program = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let prefix = program.parent().and_then(Path::parent);
    prefix.is_some_and(|prefix| prefix.join("share/qemu/qboot.rom").is_file())
}

/// The version in `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)`.
fn parse_version(line: &str) -> Option<Version> {
    let numbers = line.strip_prefix("QEMU emulator version ")?;
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit());
    Some(Version {
        major: numbers.next()?.parse().ok()?,
        minor: numbers.next()?.parse().ok()?,
    })
}

fn refused(program: &Path, reason: impl Into<String>) -> Error {
    Error::Qemu {
        program: program.display().to_string(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(u32, u32)>) {
        assert_eq!(
            parse_version(line),
            expected.map(|(major, minor)| Version { major, minor })
        );
    }

    #[test]
    fn a_version_is_read_from_what_distributions_print() {
        check(
            "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)",
            Some((7, 2)),
        );
        check(
            "QEMU emulator version 10.0.0 (qemu-10.0.0-1.fc42)",
            Some((10, 0)),
        );
        check("QEMU emulator version 9.1-rc1", Some((9, 1)));
        check("bash: not a qemu", None);
        check("", None);
    }

    #[test]
    fn a_newer_minor_does_not_outweigh_an_older_major() {
        assert!(Version { major: 3, minor: 9 } < OLDEST);
        assert!(
            Version {
                major: 10,
                minor: 0
            } > OLDEST
        );
    }

    #[test]
    fn a_qemu_is_asked_again_only_if_its_file_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("cache");
        let program = dir.path().join(PROGRAM);
        let write = |version: &str| {
            use std::os::unix::fs::PermissionsExt;
            let count = dir.path().join("count");
            let says = format!(
                "echo x >> {}; echo QEMU emulator version {version}",
                count.display()
            );
            let new = dir.path().join("new");
            std::fs::write(&new, format!("#!/bin/sh\n{says}\n")).unwrap();
            std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
            std::fs::rename(&new, &program).unwrap();
        };
        let ask = || {
            Qemu::remembered(&program, Some(&cache))
                .unwrap()
                .version
                .major
        };
        let asked = || {
            std::fs::read_to_string(dir.path().join("count"))
                .unwrap()
                .lines()
                .count()
        };
        write("7.2.0");
        assert_eq!((ask(), ask(), asked()), (7, 7, 1));
        write("9.0.0");
        assert_eq!((ask(), asked()), (9, 2));
    }

    #[test]
    fn a_program_that_is_no_qemu_is_refused_with_a_remedy() {
        let error = Qemu::at(Path::new("/nonexistent/qemu")).unwrap_err();
        assert!(error.hint().unwrap().contains("apt-get install"));
        assert!(Qemu::at(Path::new("/bin/true")).is_err());
    }
}
