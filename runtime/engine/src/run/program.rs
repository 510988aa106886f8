//! Whether a root has the program that is asked for: runtimes of others say that
//! it is missing in many ways, a shell shows it as 127 or 126.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};

/// Looks for `program` as the container's first process would: below `cwd` where
/// its name has a slash, else in the `PATH` of `env`.
///
/// # Errors
/// `NotFound` where there is none, `PermissionDenied` where what is there cannot be
/// executed.
pub(super) fn find(root: &Path, program: &str, env: &[String], cwd: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = fs::open(root, flags, Mode::empty())?;
    let mut answer = io::ErrorKind::NotFound;
    for path in places(program, env, cwd) {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Ok(file) = fs::openat2(&root, &path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
        else {
            continue;
        };
        let mode = fs::fstat(&file)?.st_mode;
        if FileType::from_raw_mode(mode) == FileType::RegularFile && mode & 0o111 != 0 {
            return Ok(());
        }
        answer = io::ErrorKind::PermissionDenied;
    }
    Err(answer.into())
}

fn places(program: &str, env: &[String], cwd: &Path) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![cwd.join(program)];
    }
    let path = env
        .iter()
        .rev()
        .find_map(|entry| entry.strip_prefix("PATH="));
    let directories = path.unwrap_or_default().split(':');
    directories
        .map(|directory| cwd.join(directory).join(program))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_program_is_found_in_the_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        symlink("/usr/bin", root.join("bin")).unwrap();
        symlink("/bin/sh", root.join("usr/bin/out")).unwrap();
        let make = |name: &str, mode| {
            let path = root.join("usr/bin").join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        make("run", 0o755);
        make("text", 0o644);
        let env = ["PATH=/nowhere:/bin".to_owned()];
        let check = |program: &str, expected: Option<io::ErrorKind>| {
            let found = find(root, program, &env, Path::new("/usr"));
            assert_eq!(found.err().map(|error| error.kind()), expected, "{program}");
        };
        check("run", None);
        check("/bin/run", None);
        check("bin/run", None);
        check("text", Some(io::ErrorKind::PermissionDenied));
        check("/usr/bin", Some(io::ErrorKind::PermissionDenied));
        check("out", Some(io::ErrorKind::NotFound));
        check("missing", Some(io::ErrorKind::NotFound));
    }
}
