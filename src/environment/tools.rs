//! Other people's tools: where they are and which version.
//!
//! They are asked at once, each in a thread and within a bound, for podman
//! alone takes a tenth of a second to say its name.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::bounded::{self, Ended};

/// The longest that a tool may take to say its version.
const BOUND: Duration = Duration::from_secs(2);

/// Each tool's name here, and the programs that it may go by.
const TOOLS: [(&str, &[&str]); 9] = [
    ("bwrap", &["bwrap"]),
    ("crun", &["crun"]),
    ("docker", &["docker"]),
    ("podman", &["podman"]),
    ("python", &["python3"]),
    ("qemu", &[QEMU]),
    ("runc", &["runc"]),
    ("uv", &["uv"]),
    ("virtualenv", &["virtualenv"]),
];

/// The emulator of this machine's own architecture.
pub const QEMU: &str = if cfg!(target_arch = "aarch64") {
    "qemu-system-aarch64"
} else {
    "qemu-system-x86_64"
};

/// The version of every tool that is found and answers; see [`version`].
#[must_use]
pub fn versions(temporary: &Path) -> BTreeMap<String, String> {
    thread::scope(|scope| {
        let asked: Vec<_> = TOOLS
            .iter()
            .map(|(name, programs)| {
                scope.spawn(move || {
                    let path = programs.iter().find_map(|program| find(program))?;
                    Some(((*name).to_owned(), version(&path, temporary)?))
                })
            })
            .collect();
        asked
            .into_iter()
            .filter_map(|thread| thread.join().ok().flatten())
            .collect()
    })
}

/// Where a program is: on `PATH`, or in the directories for root's programs,
/// which an ordinary user's `PATH` leaves out though runc is often there.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    find_in(&path, program)
}

fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    if path.is_empty() {
        return None;
    }
    env::split_paths(path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|candidate| executable(candidate))
}

fn executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// What a program answers to `--version`, reduced to the number; `None` if it
/// fails, hangs or says none.
///
/// Some make files before they answer (podman its run directory): `temporary` is
/// where they are told to.
#[must_use]
pub fn version(program: &Path, temporary: &Path) -> Option<String> {
    let mut question = Command::new(program);
    question.arg("--version").env("TMPDIR", temporary);
    match bounded::run(&mut question, BOUND).ok()? {
        Ended::Exited {
            code: Some(0),
            stdout,
            ..
        } => number(&stdout),
        Ended::Exited { .. } | Ended::TimedOut => None,
    }
}

/// The first word of the text that looks like a version.
fn number(text: &str) -> Option<String> {
    text.split([' ', '\n', ',', '('])
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_in_what_tools_say() {
        let check = |said: &str, expected: &str| {
            assert_eq!(number(said).as_deref(), Some(expected), "{said}");
        };
        check(
            "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright (c) 2003-2022",
            "7.2.22",
        );
        check(
            "runc version 1.1.5+ds1\ncommit: 1.1.5\nspec: 1.0.2-dev",
            "1.1.5+ds1",
        );
        check("crun version 1.8.1\ncommit: f8a096be", "1.8.1");
        check("bubblewrap 0.8.0", "0.8.0");
        check("Docker version 24.0.5, build ced0996", "24.0.5");
        check("virtualenv 20.26.6 from /usr/lib/python3", "20.26.6");
        check("Python 3.11.2", "3.11.2");
        check("uv 0.5.1 (f399a5271 2024-11-08)", "0.5.1");
        assert_eq!(number("no number here"), None);
    }

    #[test]
    fn an_empty_path_finds_nothing() {
        assert_eq!(find_in(OsStr::new(""), "sh"), None);
        assert!(find_in(OsStr::new("/nowhere:/bin"), "sh").is_some());
    }

    #[test]
    fn a_relative_entry_of_path_is_not_searched() {
        assert_eq!(find_in(OsStr::new("."), "Cargo.toml"), None);
    }
}
