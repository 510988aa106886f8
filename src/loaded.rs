//! What a program of the system loads before it runs: its shared libraries and their loader.
//!
//! The loader says so itself when it is asked by an environment variable, and does not start
//! the program then. So it is asked of the system's own programs alone: what a stranger's names as
//! its loader would be executed. Of a stranger's, the system's loader is asked by its own name.
//!
//! Source: `ld.so(8)`, `LD_TRACE_LOADED_OBJECTS` and `--list`; `ldd(1)`, section Security.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::environment::bounded::{self, Ended};

const BOUND: Duration = Duration::from_secs(10);

/// The files that `program` of the system loads, under the names by which it looks for them.
pub(crate) fn by(program: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new(program);
    command.env_clear().env("LD_TRACE_LOADED_OBJECTS", "1");
    asked(&mut command, program)
}

/// The same of anybody's `program`, as `loader` of the system's lists it.
pub(crate) fn listed_by(loader: &Path, program: &Path) -> Result<Vec<PathBuf>> {
    let mut command = Command::new(loader);
    command.env_clear().arg("--list").arg(program);
    let mut files = asked(&mut command, program)?;
    files.push(loader.to_owned());
    Ok(files)
}

fn asked(command: &mut Command, program: &Path) -> Result<Vec<PathBuf>> {
    let shown = program.display();
    let ended = bounded::run(command, BOUND).with_context(|| format!("cannot ask {shown}"))?;
    let Ended::Exited {
        code: Some(0),
        stdout,
        ..
    } = ended
    else {
        bail!("the loader does not say what {shown} loads");
    };
    ensure!(
        !stdout.contains("not found"),
        "{shown} lacks a library: {}",
        stdout
            .lines()
            .find(|l| l.contains("not found"))
            .unwrap_or_default()
            .trim()
    );
    let files = listed(&stdout);
    ensure!(
        !files.is_empty(),
        "the loader does not say what {shown} loads"
    );
    Ok(files)
}

/// The files in lines such as `libz.so.1 => /lib/libz.so.1 (0x…)` and `/lib/ld.so (0x…)`.
fn listed(said: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let line = line.trim();
        let line = line.split_once(" => ").map_or(line, |(_, path)| path);
        let path = line.rsplit_once(" (0x").map_or(line, |(path, _)| path);
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    said.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_list_is_read() {
        let said = "\tlinux-vdso.so.1 (0x00007f1a63019000)\n\
                    \tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f1a62c9b000)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f1a6301b000)\n";
        let files = [
            "/lib/x86_64-linux-gnu/libz.so.1",
            "/lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(listed(said), files.map(PathBuf::from));
        assert_eq!(listed("\tstatically linked\n"), Vec::<PathBuf>::new());
    }
}
