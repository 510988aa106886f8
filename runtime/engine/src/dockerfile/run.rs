//! `RUN`: a program, and what it has around it.

use super::copy::not_strings;
use super::flags::{Flags, Kind};
use super::heredoc::Mark;
use super::mount::MountOptions;
use super::problem::{Fault, did_you_mean, shown};
use super::read::Arguments;
use super::words::{Json, json};

/// `RUN [--mount=…] [--network=…] [--security=…] COMMAND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// What is mounted while it runs.
    pub mounts: Vec<MountOptions>,
    /// Which network it sees.
    pub network: Network,
    /// What it may do.
    pub security: Security,
    /// What runs.
    pub command: RunCommand,
}

/// What a `RUN` runs. Nothing in it expands: the shell does that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunCommand {
    /// A text for the shell: a line, a whole heredoc, or a line with its heredocs
    /// below, which the shell reads then.
    Shell(String),
    /// A program and its arguments, run as they are; never empty.
    Exec(Vec<String>),
    /// A heredoc that begins with `#!`: a file to be made and run.
    Script {
        /// The file's name.
        name: String,
        /// The file.
        text: String,
    },
}

/// `--network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// The build's.
    #[default]
    Default,
    /// Loopback alone.
    None,
    /// The host's.
    Host,
}

/// `--security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// As a container has it.
    #[default]
    Sandbox,
    /// All privileges.
    Insecure,
}

pub(super) fn read(arguments: &Arguments<'_>) -> Result<Run, Fault> {
    let known = [
        ("mount", Kind::Texts),
        ("network", Kind::Text),
        ("security", Kind::Text),
    ];
    let flags = Flags::read("RUN", arguments.flags, &known)?;
    let network = [
        ("default", Network::Default),
        ("none", Network::None),
        ("host", Network::Host),
    ];
    let security = [
        ("sandbox", Security::Sandbox),
        ("insecure", Security::Insecure),
    ];
    Ok(Run {
        mounts: flags
            .texts("mount")
            .map(|text| MountOptions::read(text, arguments.escape))
            .collect::<Result<_, _>>()?,
        network: one_of(&flags, "network", &network)?,
        security: one_of(&flags, "security", &security)?,
        command: read_command(arguments)?,
    })
}

fn one_of<T: Copy + Default>(flags: &Flags, name: &str, known: &[(&str, T)]) -> Result<T, Fault> {
    let Some(text) = flags.text(name) else {
        return Ok(T::default());
    };
    let found = known
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(text));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
        let fault = Fault::new(format!("--{name} cannot be `{}`", shown(text)));
        let nearest = did_you_mean(text, &known);
        fault.remedy(nearest.unwrap_or_else(|| format!("it is one of {}", known.join(", "))))
    })
}

fn read_command(arguments: &Arguments<'_>) -> Result<RunCommand, Fault> {
    match json(arguments.rest) {
        Json::Strings(words) if words.is_empty() => return Err(nothing()),
        Json::Strings(words) => return Ok(RunCommand::Exec(words)),
        Json::Others => return Err(not_strings()),
        Json::No if arguments.rest.is_empty() => return Err(nothing()),
        Json::No => {}
    }
    match arguments.heredocs {
        // The heredoc is all there is: what it holds is the command.
        [only] if matches!(Mark::parse(arguments.rest), Ok(Some(_))) => {
            let text = only.file();
            Ok(match text.starts_with("#!") {
                true => RunCommand::Script {
                    name: only.mark.name.clone(),
                    text,
                },
                false => RunCommand::Shell(text),
            })
        }
        heredocs => {
            let mut text = arguments.rest.to_owned();
            for heredoc in heredocs {
                text.push('\n');
                text.push_str(&heredoc.content);
                text.push_str(&heredoc.mark.name);
            }
            Ok(RunCommand::Shell(text))
        }
    }
}

fn nothing() -> Fault {
    Fault::new("RUN has nothing to run").remedy("write `RUN COMMAND`")
}
