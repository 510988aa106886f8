//! A root file system for containers under test: a static busybox, a name for
//! each of its commands, and the directories that mounts need.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// Why a test that needs it cannot run.
pub(crate) const MISSING: &str = "there is no static busybox (Debian: busybox-static)";

/// The commands that the tests use inside.
const COMMANDS: &[&str] = &[
    "awk", "basename", "cat", "chmod", "chown", "cut", "dd", "dirname", "echo", "env", "false",
    "grep", "head", "hostname", "id", "ionice", "ip", "kill", "ln", "ls", "mkdir", "mkfifo",
    "mknod", "mount", "mv", "nice", "printf", "ps", "readlink", "rm", "rmdir", "sed", "sh",
    "sleep", "sort", "stat", "stty", "tail", "taskset", "touch", "tr", "true", "tty", "ulimit",
    "umount", "uname", "wc",
];

/// A busybox that needs no library of the host.
pub(crate) fn find() -> Option<&'static Path> {
    static FOUND: LazyLock<Option<&Path>> = LazyLock::new(|| {
        ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static"]
            .into_iter()
            .map(Path::new)
            .find(|path| fs::read(path).is_ok_and(|elf| is_static(&elf)))
    });
    *FOUND
}

/// Puts it and the directories of a root into `root`.
pub(crate) fn install(root: &Path) {
    for directory in ["bin", "proc", "dev", "sys", "etc", "tmp"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let Some(busybox) = find() else { return };
    // Another process copies it: a child that another thread starts meanwhile
    // would inherit a file that we have open to write, and one that somebody
    // can write cannot be executed (ETXTBSY).
    let copied = Command::new("cp")
        .arg(busybox)
        .arg(root.join("bin/busybox"))
        .status();
    assert!(copied.unwrap().success());
    for command in COMMANDS {
        symlink("busybox", root.join("bin").join(command)).unwrap();
    }
}

/// Whether a 64-bit ELF file names no interpreter (`elf(5)`, `PT_INTERP`).
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, size: usize| {
        let bytes = elf.get(at..at + size)?;
        Some(bytes.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    };
    let headers = || Some((number(32, 8)?, number(54, 2)?, number(56, 2)?));
    let Some((start, size, count)) = headers() else {
        return false;
    };
    (0..count).all(|index| number(start + index * size, 4).is_some_and(|kind| kind != 3))
}
