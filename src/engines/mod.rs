//! Docker and Podman, where they run: real engines set beside ours.
//!
//! Nothing is downloaded. Podman starts from a directory and gets a storage of
//! its own; Docker imports the same directory as an image, which is removed
//! again. Either has to answer within a bound.

mod podman;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use podman::Podman;

use crate::environment::bounded::{self, Ended};
use crate::environment::tools;
use crate::{guard, hint};

/// The longest that an engine may take for one command.
const BOUND: Duration = Duration::from_secs(30);

/// An engine that answers, ready to run programs from one directory.
#[derive(Debug)]
pub struct Engine(Kind);

#[derive(Debug)]
enum Kind {
    Podman(Podman),
    Docker(Docker),
}

/// Docker with the directory as an image.
#[derive(Debug)]
struct Docker {
    program: PathBuf,
    image: String,
}

/// The engines to try, by the names that findings give them.
pub const NAMES: [&str; 2] = ["docker", "podman"];

impl Engine {
    /// Finds the engine `name` and readies it to run programs from `root`.
    ///
    /// # Errors
    /// If it is not installed, or its daemon does not answer.
    pub fn find(name: &str, root: &Path) -> Result<Self> {
        let Some(program) = tools::find(name) else {
            let install = match name {
                "podman" => "apt install podman",
                _ => "https://docs.docker.com/engine/install/",
            };
            return Err(hint::with(format!("{name} is not installed"), install));
        };
        match name {
            "podman" => Ok(Self(Kind::Podman(Podman::new(program, root)?))),
            _ => Ok(Self(Kind::Docker(Docker::import(program, root)?))),
        }
    }

    /// Runs the program that `words` name to its end; its standard output.
    ///
    /// # Errors
    /// If it fails, or does not end within the bound.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        self.run_unless(words, &|| false)
    }

    /// As [`run`](Self::run), but asks all the while whether to stop.
    ///
    /// # Errors
    /// As there, and where it was told to stop.
    pub fn run_unless(&self, words: &[&str], stop: &dyn Fn() -> bool) -> Result<String> {
        match &self.0 {
            Kind::Podman(podman) => podman.run(words, stop),
            Kind::Docker(docker) => said_unless(&mut docker.command(words)?, stop),
        }
    }

    /// The command line that [`run`](Self::run) comes down to, without the options
    /// that only say where books are kept.
    #[must_use]
    pub fn describe(&self, words: &[&str]) -> String {
        let (engine, image) = match &self.0 {
            Kind::Podman(podman) => ("podman", format!("--rootfs {}", podman.root().display())),
            Kind::Docker(docker) => ("docker", docker.image.clone()),
        };
        format!(
            "{engine} run --rm --network none {image} {}",
            words.join(" ")
        )
    }
}

/// Removes what engines left where a command of ours was killed.
pub fn sweep() {
    podman::sweep();
}

/// What `command` answers, if it succeeds in time.
///
/// # Errors
/// If it does not start, fails, or takes longer than the bound.
pub fn said(command: &mut Command) -> Result<String> {
    said_unless(command, &|| false)
}

fn said_unless(command: &mut Command, stop: &dyn Fn() -> bool) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let ended = bounded::run_unless(command, BOUND, stop);
    match ended.with_context(|| format!("cannot run {name}"))? {
        Ended::Exited {
            code: Some(0),
            stdout,
            ..
        } => Ok(stdout),
        Ended::Exited { stderr, .. } => {
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
            bail!("it failed: {}", last.unwrap_or("it said nothing").trim())
        }
        Ended::TimedOut if stop() => bail!("interrupted"),
        Ended::TimedOut => bail!("it did not answer within {} s", BOUND.as_secs()),
    }
}

impl Docker {
    fn import(program: PathBuf, root: &Path) -> Result<Self> {
        let mut question = Command::new(&program);
        question.args(["version", "--format", "{{.Server.Version}}"]);
        said(&mut question).map_err(|error| {
            let what = format!("docker's daemon does not answer: {error:#}");
            hint::with(what, "systemctl start docker, or join the group `docker`")
        })?;
        let image = format!("isolab-lab:{}", std::process::id());
        let mut import = Command::new("/bin/sh");
        import
            .args(["-c", "tar -C \"$1\" -c . | \"$2\" import - \"$3\"", "sh"])
            .arg(root)
            .args([program.as_os_str(), image.as_ref()]);
        said(&mut import).context("cannot import an image into docker")?;
        Ok(Self { program, image })
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = guard::command(&self.program)?;
        command
            .args(["run", "--rm", "--network", "none", &self.image])
            .args(words);
        Ok(command)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let mut remove = Command::new(&self.program);
        let _ = said(remove.args(["image", "rm", "--force", &self.image]));
    }
}
