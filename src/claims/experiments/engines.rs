//! Docker and Podman, where they run: real engines set beside ours for claims
//! that are about Docker.
//!
//! Nothing is downloaded. Podman starts from a directory and gets a storage of
//! its own; Docker imports the same directory as an image, which is removed
//! again. Either has to answer within a bound.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::podman::Podman;
use crate::claims::findings::Findings;
use crate::environment::bounded::{self, Ended};
use crate::environment::tools;
use crate::{guard, hint};

/// The longest that an engine may take for one command.
const BOUND: Duration = Duration::from_secs(30);

/// An engine that answers, ready to run programs from one directory.
pub(super) enum Engine {
    Podman(Podman),
    Docker(Docker),
}

/// Docker with the directory as an image.
pub(super) struct Docker {
    program: PathBuf,
    image: String,
}

/// The engines to try, by the names that findings give them.
pub(super) const NAMES: [&str; 2] = ["docker", "podman"];

impl Engine {
    /// Finds the engine `name` and readies it to run programs from `root`.
    pub(super) fn find(name: &str, root: &Path) -> Result<Self> {
        let Some(program) = tools::find(name) else {
            let install = match name {
                "podman" => "apt install podman",
                _ => "https://docs.docker.com/engine/install/",
            };
            return Err(hint::with(format!("{name} is not installed"), install));
        };
        match name {
            "podman" => Ok(Self::Podman(Podman::new(program, root)?)),
            _ => Ok(Self::Docker(Docker::import(program, root)?)),
        }
    }

    /// Runs the program that `words` name to its end; its standard output.
    pub(super) fn run(&self, words: &[&str]) -> Result<String> {
        match self {
            Self::Podman(podman) => podman.run(words),
            Self::Docker(docker) => said(&mut docker.command(words)?),
        }
    }
}

/// What `command` answers, if it succeeds in time.
pub(super) fn said(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match bounded::run(command, BOUND).with_context(|| format!("cannot run {name}"))? {
        Ended::Exited {
            code: Some(0),
            stdout,
            ..
        } => Ok(stdout),
        Ended::Exited { stderr, .. } => {
            let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
            bail!("it failed: {}", last.unwrap_or("it said nothing").trim())
        }
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
        let image = format!("isolab-claims:{}", std::process::id());
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

/// Runs the same in every engine found, and notes each that cannot.
pub(super) fn each(
    root: &Path,
    findings: &mut Findings,
    mut ask: impl FnMut(&str, &Engine, &mut Findings) -> Result<()>,
) {
    for name in NAMES {
        let asked = Engine::find(name, root).and_then(|engine| ask(name, &engine, findings));
        if let Err(error) = asked {
            findings.lack(name, &error);
        }
    }
}
