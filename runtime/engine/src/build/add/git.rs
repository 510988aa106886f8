//! Repositories that `ADD` takes files from, fetched by the program `git`.
//!
//! What a repository holds is a stranger's: no hook of it runs, and nothing is asked
//! at the terminal.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::super::fault::Fault;
use super::super::stage::interrupted;
use super::address::Repository;

/// How often it is asked whether it is still wanted.
const OFTEN: Duration = Duration::from_millis(20);
/// What is shown of what git says.
const MOST_WORDS: usize = 400;

/// A repository that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    /// Its name.
    pub(super) id: String,
    /// When it was made, in seconds since 1970.
    pub(super) time: u64,
}

/// Fetches `repository` into `to`, which is made, and checks out what is meant. Where
/// the server can, no more than the one commit comes.
pub(super) fn fetch(
    repository: &Repository,
    to: &Path,
    is_unwanted: &dyn Fn() -> bool,
) -> Result<Commit, Fault> {
    present()?;
    fs::create_dir(to)
        .map_err(|error| Fault::new(format!("cannot make {}: {error}", to.display())))?;
    let git = |words: &[&str]| run(to, words, is_unwanted);
    let remote = &*repository.remote;
    git(&["init", "-q"])?;
    git(&["remote", "add", "--", "origin", remote])?;
    let wanted = repository.reference.as_deref().unwrap_or("HEAD");
    let shallow = git(&["fetch", "-q", "--depth=1", "--no-tags", "origin", wanted]);
    let commit = match shallow {
        Ok(_) => git(&["rev-parse", "--verify", "-q", "FETCH_HEAD^{commit}"])?,
        Err(fault) if fault.code.is_some() => return Err(fault),
        // A commit that is no branch's, or a server that cannot be asked for a part.
        Err(fault) => {
            git(&["fetch", "-q", "--tags", "origin"]).map_err(|_| fault)?;
            let named = |name: &str| {
                let name = format!("{name}^{{commit}}");
                git(&["rev-parse", "--verify", "-q", &name])
            };
            let found = named(wanted).or_else(|_| named(&format!("origin/{wanted}")));
            found.map_err(|_| Fault::new(format!("{remote} has no `{wanted}`")))?
        }
    };
    git(&["checkout", "-q", "--detach", &commit])?;
    if to.join(".gitmodules").exists() {
        git(&[
            "submodule",
            "-q",
            "update",
            "--init",
            "--recursive",
            "--depth=1",
        ])?;
    }
    let time = git(&["log", "-1", "--format=%ct", &commit])?;
    Ok(Commit {
        id: commit,
        time: time.parse().unwrap_or_default(),
    })
}

fn present() -> Result<(), Fault> {
    let mut asked = Command::new("git");
    let asked = asked.arg("--version").stdout(Stdio::null());
    match asked.stderr(Stdio::null()).status() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Fault::new(
            "there is no program `git` here, which fetches repositories: install it",
        )),
        _ => Ok(()),
    }
}

/// Runs git in `directory`; what it prints.
fn run(directory: &Path, words: &[&str], is_unwanted: &dyn Fn() -> bool) -> Result<String, Fault> {
    let failed = |error: io::Error| Fault::new(format!("git cannot be run: {error}"));
    // A pipe that nobody reads would fill up while its end is waited for.
    let [said, complained] = ["said", "complained"].map(|name| directory.with_extension(name));
    // Its own umask decides over the modes of files.
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 022; exec git \"$@\"", "git", "-C"])
        .arg(directory)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true"])
        .args(["-c", "protocol.ext.allow=never", "-c", "gc.auto=0"])
        .args(words)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .stdout(File::create(&said).map_err(failed)?)
        .stderr(File::create(&complained).map_err(failed)?);
    let mut child = command.spawn().map_err(failed)?;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if is_unwanted() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(interrupted());
        }
        std::thread::sleep(OFTEN);
    };
    let read = |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    if status.success() {
        return read(said).map_err(failed);
    }
    let why = read(complained).map_err(failed)?;
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let why: String = why.chars().map(plain).take(MOST_WORDS).collect();
    Err(Fault::new(format!("git {}: {why}", words[0])))
}
