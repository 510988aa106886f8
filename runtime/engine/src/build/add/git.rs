//! Repositories that `ADD` takes files from, fetched by the program `git`.
//!
//! What a repository holds is a stranger's: no hook of it runs, and nothing is asked
//! at the terminal. What its user keeps for git (keys, passwords, settings) is not
//! the build's: it has the agent that it was given, and what the address says.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::fault::Fault;
use super::super::stage::interrupted;
use super::address::Repository;

/// How often it is asked whether it is still wanted.
const OFTEN: Duration = Duration::from_millis(20);
/// What is shown of what git says.
const MOST_WORDS: usize = 400;
/// Settings of every run. A server that says nothing for a minute is given up.
const SETTINGS: [&str; 7] = [
    "core.hooksPath=/dev/null",
    "core.symlinks=true",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "log.showSignature=false",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
];
/// What git heeds beside settings, and says how this machine reaches servers.
const KEPT: [&str; 2] = ["GIT_SSL_CAINFO", "GIT_SSL_CAPATH"];
/// Neither the user's settings of ssh nor his keys; nobody is there to be asked.
const SSH: &str = "ssh -F /dev/null -o BatchMode=yes -o IdentityFile=none";

/// A repository that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    /// Its name.
    pub(super) id: String,
    /// When it was made, in seconds since 1970.
    pub(super) time: u64,
}

/// Who fetches, and for whom.
pub(super) struct Git<'a> {
    pub(super) repository: &'a Repository,
    /// The socket of the agent that has keys.
    pub(super) agent: Option<&'a Path>,
    pub(super) is_unwanted: &'a dyn Fn() -> bool,
}

impl Git<'_> {
    /// Fetches the repository into `to`, which is made, and checks out what is meant.
    /// Where the server can, no more than the one commit comes.
    pub(super) fn fetch(&self, to: &Path) -> Result<Commit, Fault> {
        present()?;
        fs::create_dir(to)
            .map_err(|error| Fault::new(format!("cannot make {}: {error}", to.display())))?;
        let git = |words: &[&str]| self.run(to, words);
        let Repository {
            remote, reference, ..
        } = self.repository;
        git(&["init", "-q"])?;
        git(&["remote", "add", "--", "origin", remote])?;
        let wanted = reference.as_deref().unwrap_or("HEAD");
        let shallow = git(&["fetch", "-q", "--depth=1", "--no-tags", "origin", wanted]);
        let commit = match shallow {
            Ok(_) => git(&["rev-parse", "--verify", "-q", "FETCH_HEAD^{commit}"])?,
            Err(fault) if fault.code.is_none() && may_be_below(wanted, &fault) => {
                let all = git(&["fetch", "-q", "--tags", "origin"]);
                all.map_err(|second| either(second, fault))?;
                let named = |name: &str| {
                    let name = format!("{name}^{{commit}}");
                    git(&["rev-parse", "--verify", "-q", &name])
                };
                let found = named(wanted).or_else(|_| named(&format!("origin/{wanted}")));
                found.map_err(|fault| {
                    either(fault, Fault::new(format!("{remote} has no `{wanted}`")))
                })?
            }
            Err(fault) => return Err(fault),
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
        let said = git(&["log", "-1", "--format=%ct", &commit])?;
        let time = said.parse().map_err(|_| {
            Fault::new(format!(
                "{remote}: `{said}` is no time that a commit was made"
            ))
        })?;
        Ok(Commit { id: commit, time })
    }

    /// Runs git in `directory`; what it prints.
    fn run(&self, directory: &Path, words: &[&str]) -> Result<String, Fault> {
        let failed = |error: io::Error| Fault::new(format!("git cannot be run: {error}"));
        // A pipe that nobody reads would fill up while its end is waited for.
        let [said, complained] = ["said", "complained"].map(|name| directory.with_extension(name));
        let mut command = self.command(directory);
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(File::create(&said).map_err(failed)?)
            .stderr(File::create(&complained).map_err(failed)?);
        let mut child = command.spawn().map_err(failed)?;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(failed)? {
                break status;
            }
            if (self.is_unwanted)() {
                end(&mut child);
                return Err(interrupted());
            }
            std::thread::sleep(OFTEN);
        };
        let read =
            |path| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        if status.success() {
            return read(said).map_err(failed);
        }
        let mut why = read(complained).map_err(failed)?;
        if let Some(secret) = &self.repository.credentials {
            why = why.replace(&format!("{secret}@"), "");
        }
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        let why: String = why.chars().map(plain).take(MOST_WORDS).collect();
        Err(Fault::new(format!("git {}: {why}", words[0])))
    }

    /// Git with nothing of its user's.
    fn command(&self, directory: &Path) -> Command {
        // Its own umask decides over the modes of files.
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 022; exec git \"$@\"", "git", "-C"])
            .arg(directory)
            // It starts others, which end with it.
            .process_group(0);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for (name, _) in std::env::vars_os() {
            if is_for_git(&name) {
                command.env_remove(name);
            }
        }
        for (name, value) in [
            ("HOME", "/dev/null"),
            ("LC_ALL", "C"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_SSH_COMMAND", SSH),
        ] {
            command.env(name, value);
        }
        if let Some(socket) = self.agent {
            command.env("SSH_AUTH_SOCK", socket);
        }
        // Words of a command can be seen by everybody, and what git is told is `origin`
        // is kept in the repository.
        if let Some((with, without)) = self.repository.server() {
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("url.{with}.insteadOf"))
                .env("GIT_CONFIG_VALUE_0", without);
        }
        command
    }
}

/// Whether a variable tells git, or ssh for it, what its user wants.
fn is_for_git(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_kept = KEPT.contains(&&*name);
    !is_kept && (name.starts_with("GIT_") || name.starts_with("SSH_") || name == "XDG_CONFIG_HOME")
}

/// Whether what could not be fetched alone may be there all the same: a commit that is
/// no branch's, or one of a server that cannot be asked for a part.
fn may_be_below(wanted: &str, why: &Fault) -> bool {
    let is_commit = wanted.len() >= 4 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit || why.reason.contains("does not support shallow")
}

/// The one that ended the build, or else what is `usual`.
fn either(fault: Fault, usual: Fault) -> Fault {
    match fault.code {
        Some(_) => fault,
        None => usual,
    }
}

/// Ends it and all that it started.
fn end(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
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
