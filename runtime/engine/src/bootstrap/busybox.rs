//! A small root file system: one static program that is three hundred commands.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{About, Node, Tree, of_tree, source_date_epoch};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Run};
use crate::store::Store;

/// Where distributions keep it, the static one first.
const PLACES: [&str; 4] = [
    "/bin/busybox.static",
    "/bin/busybox",
    "/usr/bin/busybox",
    "/sbin/busybox",
];

/// Makes an image of the machine's static busybox.
///
/// # Errors
/// [`Error::NotFound`] where there is none, or only one that needs libraries.
pub fn busybox(store: &Store) -> Result<Descriptor> {
    let program = find()?;
    let epoch = source_date_epoch();
    let tree = tree(&program, &applets(&program)?);
    let about = About {
        run: Run {
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ],
            cmd: Some(vec!["sh".to_owned()]),
            ..Run::default()
        },
        created_by: "isolab image bootstrap busybox".to_owned(),
        epoch,
    };
    of_tree(store, &tree, &about)
}

fn find() -> Result<PathBuf> {
    let mut places = PLACES.iter().map(PathBuf::from);
    let found = places.find(|path| is_static(path).unwrap_or(false));
    found.ok_or_else(|| Error::NotFound {
        what: "a static busybox: install one (Debian, Ubuntu: `apt install busybox-static`)"
            .to_owned(),
    })
}

/// Whether a file is a program that asks for no interpreter, which would load its
/// libraries.
///
/// # Errors
/// If it cannot be read, or is too short for a program.
pub fn is_static(path: &Path) -> io::Result<bool> {
    /// `PT_INTERP`, and where a 64-bit program's header table is told and its
    /// entries' size. Source: `elf(5)`.
    const INTERPRETER: u32 = 3;
    const ENTRY: usize = 56;
    let mut head = Vec::new();
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let bytes = |at: usize, count: usize| head.get(at..at + count).ok_or_else(short);
    if bytes(0, 5)? != b"\x7fELF\x02" {
        return Ok(false);
    }
    let number = |at: usize, count: usize| {
        let bytes = bytes(at, count)?.iter().rev();
        Ok::<_, io::Error>(bytes.fold(0usize, |n, byte| n << 8 | usize::from(*byte)))
    };
    let (table, count) = (number(32, 8)?, number(56, 2)?);
    for index in 0..count {
        let at = table.saturating_add(index * ENTRY);
        if at > head.len() {
            return Err(short());
        }
        if number(at, 4)? == INTERPRETER as usize {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The paths of its commands, as it tells them itself.
fn applets(program: &Path) -> Result<Vec<String>> {
    let output = Command::new(program)
        .arg("--list-full")
        .stdin(Stdio::null())
        .output()
        .map_err(Error::read(program))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let path = |line: &&str| {
        let part = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+[".contains(&byte);
        !line.is_empty() && !line.contains("..") && line.bytes().all(part)
    };
    let applets: Vec<_> = text.lines().filter(path).map(str::to_owned).collect();
    if applets.is_empty() {
        let silent = io::Error::other("it tells no commands (`--list-full`)");
        return Err(Error::read(program)(silent));
    }
    Ok(applets)
}

fn tree(program: &Path, applets: &[String]) -> Tree {
    const BUSYBOX: &str = "bin/busybox";
    let mut tree = Tree::skeleton();
    for applet in applets {
        let applet = applet.trim_start_matches('/');
        // Relative, so that it leads to the same where the tree is looked at from
        // outside.
        let up = "../".repeat(applet.matches('/').count());
        tree.put(applet, Node::Link(format!("{up}{BUSYBOX}")));
    }
    tree.put(BUSYBOX, Node::Copy(program.to_owned(), 0o755));
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_with_an_interpreter_is_not_static() {
        for shared in ["/bin/ls", "/usr/bin/env"] {
            if Path::new(shared).exists() {
                assert!(!is_static(Path::new(shared)).unwrap(), "{shared}");
            }
        }
        assert!(!is_static(Path::new("/proc/self/comm")).unwrap_or(false));
        // This very test is linked statically.
        let own = std::env::current_exe().unwrap();
        assert_eq!(
            is_static(&own).unwrap(),
            cfg!(target_feature = "crt-static")
        );
    }
}
