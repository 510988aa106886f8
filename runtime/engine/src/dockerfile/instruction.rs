//! The instructions of a stage, each with what it may hold and nothing else.

use super::copy::{Add, Copy};
use super::healthcheck::Healthcheck;
use super::logical::lay_out;
use super::problem::{Fault, Problem, Problems};
use super::run::Run;
use super::{Template, read};

/// An instruction other than `FROM`, which begins a [`Stage`](super::Stage).
///
/// Texts that are [`Template`]s expand variables; the others do not.
///
/// Source: Dockerfile reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Files, archives and addresses into the image.
    Add(Add),
    /// Variables that whoever builds may set.
    Arg(Vec<Argument>),
    /// What a container runs, or the arguments of its entry point; an empty
    /// [`Command::Exec`] takes back what the base image had.
    Cmd(Command),
    /// Files into the image.
    Copy(Copy),
    /// What a container always runs; empty as for `CMD`.
    Entrypoint(Command),
    /// Variables of the image, from the next instruction on.
    Env(Vec<Pair>),
    /// Ports, each still to be expanded to words: `80`, `80/udp`, `8000-8010`.
    Expose(Vec<Template>),
    /// How to find out whether a container is well.
    Healthcheck(Healthcheck),
    /// Remarks.
    Label(Vec<Pair>),
    /// The author; a label should say it.
    Maintainer(String),
    /// An instruction for those who build on the image.
    Onbuild(Trigger),
    /// A program to run now.
    Run(Run),
    /// What takes the text of a shell form; never empty.
    Shell(Vec<String>),
    /// The signal that asks a container to end.
    StopSignal(Template),
    /// User, and group after a colon.
    User(Template),
    /// Directories whose content is not the image's.
    Volume(Vec<Template>),
    /// Where programs run; relative to the one before.
    Workdir(Template),
}

/// The name of each, and of `FROM`.
pub(super) const NAMES: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl Instruction {
    /// Its name, as the reference writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

impl Instruction {
    /// Everything in it whose variables the builder replaces. What a mount holds,
    /// and what an `ONBUILD` keeps for later, is not among it.
    #[must_use]
    pub fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Add(add) => {
                let flags = [&add.chown, &add.chmod, &add.checksum]
                    .into_iter()
                    .flatten();
                flags
                    .chain(&add.exclude)
                    .chain(add.sources.templates())
                    .collect()
            }
            Self::Copy(copy) => {
                let flags = [&copy.chown, &copy.chmod].into_iter().flatten();
                flags
                    .chain(&copy.exclude)
                    .chain(copy.sources.templates())
                    .collect()
            }
            Self::Arg(arguments) => arguments
                .iter()
                .filter_map(|argument| argument.default.as_ref())
                .collect(),
            Self::Env(pairs) | Self::Label(pairs) => pairs
                .iter()
                .flat_map(|pair| [&pair.name, &pair.value])
                .collect(),
            Self::Expose(list) | Self::Volume(list) => list.iter().collect(),
            Self::StopSignal(text) | Self::User(text) | Self::Workdir(text) => vec![text],
            Self::Cmd(_)
            | Self::Entrypoint(_)
            | Self::Healthcheck(_)
            | Self::Maintainer(_)
            | Self::Onbuild(_)
            | Self::Run(_)
            | Self::Shell(_) => Vec::new(),
        }
    }

    /// The stages and images that it takes files from, by what it calls them.
    pub(super) fn origins(&self) -> Vec<&str> {
        match self {
            Self::Copy(copy) => copy.from.iter().map(String::as_str).collect(),
            Self::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
            _ => Vec::new(),
        }
    }
}

/// `NAME=value`; both expand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The name.
    pub name: Template,
    /// The value.
    pub value: Template,
}

/// `NAME` or `NAME=default` of an `ARG`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name; nothing in it expands.
    pub name: String,
    /// What it is worth where nobody sets it.
    pub default: Option<Template>,
}

/// What `CMD`, `ENTRYPOINT` and `HEALTHCHECK CMD` run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A text for the shell; never empty.
    Shell(String),
    /// A program and its arguments, run as they are.
    Exec(Vec<String>),
}

/// What `ONBUILD` holds: any instruction but itself, `FROM` and `MAINTAINER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    text: String,
    instruction: Box<Instruction>,
}

impl Trigger {
    pub(super) fn new(text: String, instruction: Instruction) -> Result<Self, Fault> {
        let name = instruction.name();
        if matches!(name, "ONBUILD" | "MAINTAINER") {
            return Err(Fault::new(format!("ONBUILD cannot hold {name}")));
        }
        Ok(Self {
            text,
            instruction: Box::new(instruction),
        })
    }

    /// Reads what a base image's configuration has among its `OnBuild`.
    ///
    /// # Errors
    /// [`Problems`] of what is no single instruction, or one that cannot be there.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let layout = lay_out(text.as_bytes());
        Problems::unless_none(layout.problems)?;
        let [logical] = &layout.logical[..] else {
            let fault = Fault::new("a trigger is exactly one instruction");
            return Err(Problem::new(1, fault).into());
        };
        let escape = layout.directives.escape;
        let instruction = read::instruction(logical, escape, &mut Vec::new());
        instruction
            .and_then(|instruction| Self::new(text.trim().to_owned(), instruction))
            .map_err(|fault| Problem::new(*logical.lines.start(), fault).into())
    }

    /// As it goes into an image's configuration, heredocs included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it does.
    #[must_use]
    pub fn instruction(&self) -> &Instruction {
        &self.instruction
    }
}
