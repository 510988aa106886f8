//! What was typed becomes what is meant, once; nothing further down sees argv.

use std::ffi::OsString;
use std::path::PathBuf;

use super::Failure;

/// The text of `isorun --help`.
pub(super) const HELP: &str = "\
Runs a container from an OCI bundle.

Usage: isorun run [--bundle DIR] [options] ID
       isorun spec [--rootless] [--bundle DIR]
       isorun features

Options of run:
  -b, --bundle DIR      the bundle's directory (default: the current one)
      --pid-file FILE   write the init's process id there
      --no-new-keyring  stay in the caller's session keyring

Options of spec:
  -b, --bundle DIR      where to write config.json
      --rootless        for an ordinary user

Everywhere:
  -h, --help            this text
  -v, --version         the version

The exit status of `run` is the container's: its program's, or 128 and the
number of the signal that ended it. A failure of isorun itself is 1.
";

/// What is meant.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Run(Run),
    Spec { bundle: PathBuf, rootless: bool },
    Features,
    Version,
    Help,
}

/// The options of `run`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) keep_keyring: bool,
}

/// Reads the arguments after the program's name. Options and positionals may
/// come in any order; `--name=value` is `--name value`.
pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, Failure> {
    let mut arguments = arguments;
    let mut positionals: Vec<String> = Vec::new();
    let mut run = Run {
        bundle: PathBuf::from("."),
        ..Run::default()
    };
    let mut rootless = false;
    let mut spec_only = None;
    let mut run_only = None;
    let mut only_positionals = false;
    while let Some(argument) = arguments.next() {
        let text = argument.to_str().ok_or_else(|| {
            Failure::new(
                "cannot read an argument: it is not UTF-8",
                "ids and paths must be UTF-8",
            )
        })?;
        if only_positionals || !text.starts_with('-') || text == "-" {
            positionals.push(text.to_owned());
            continue;
        }
        let (name, inline) = match text.split_once('=') {
            Some((name, value)) => (name, Some(OsString::from(value))),
            None => (text, None),
        };
        let mut value = || {
            inline.clone().or_else(|| arguments.next()).ok_or_else(|| {
                Failure::new(format!("`{name}` needs a value"), "see `isorun --help`")
            })
        };
        match name {
            "-b" | "--bundle" => run.bundle = value()?.into(),
            "--pid-file" => {
                run.pid_file = Some(value()?.into());
                run_only = Some(name.to_owned());
            }
            "--no-new-keyring" => {
                run.keep_keyring = true;
                run_only = Some(name.to_owned());
            }
            "--rootless" => {
                rootless = true;
                spec_only = Some(name.to_owned());
            }
            "-h" | "--help" => return Ok(Command::Help),
            "-v" | "--version" => return Ok(Command::Version),
            "--" => only_positionals = true,
            _ => {
                return Err(Failure::new(
                    format!("`{name}` is not an option of isorun"),
                    "`isorun --help` lists them",
                ));
            }
        }
    }
    let misplaced = |option: Option<String>, command: &str| match option {
        Some(option) => Err(Failure::new(
            format!("`{option}` is not an option of `isorun {command}`"),
            "`isorun --help` lists them",
        )),
        None => Ok(()),
    };
    let positionals: Vec<&str> = positionals.iter().map(String::as_str).collect();
    match positionals.as_slice() {
        ["run", id] => {
            misplaced(spec_only, "run")?;
            run.id = (*id).to_owned();
            Ok(Command::Run(run))
        }
        ["run"] => Err(Failure::new(
            "`isorun run` needs an id",
            "isorun run --bundle DIR ID",
        )),
        ["spec"] => {
            misplaced(run_only, "spec")?;
            Ok(Command::Spec {
                bundle: run.bundle,
                rootless,
            })
        }
        ["features"] => Ok(Command::Features),
        [] => Err(Failure::new(
            "no command is given",
            "isorun run --bundle DIR ID",
        )),
        ["run" | "spec" | "features", .., extra] => Err(Failure::new(
            format!("`{extra}` is one argument too many"),
            "isorun run --bundle DIR ID",
        )),
        [other, ..] => Err(Failure::new(
            format!("`{other}` is not a command of isorun"),
            "the commands are run, spec and features",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &Command) {
        let parsed = parse(line.split_whitespace().map(OsString::from));
        assert_eq!(
            &parsed.unwrap_or_else(|f| panic!("{}", f.message)),
            expected
        );
    }

    fn refused(line: &str, word: &str) {
        let failure = parse(line.split_whitespace().map(OsString::from)).unwrap_err();
        assert!(failure.message.contains(word), "{}", failure.message);
        assert!(failure.hint.is_some());
    }

    #[test]
    fn options_come_before_and_after_positionals() {
        let run = Command::Run(Run {
            id: "x".into(),
            bundle: "/b".into(),
            ..Run::default()
        });
        for line in [
            "run -b /b x",
            "run x -b /b",
            "--bundle=/b run x",
            "run --bundle /b -- x",
        ] {
            check(line, &run);
        }
    }

    #[test]
    fn spec_takes_rootless_and_a_directory() {
        check(
            "spec --rootless -b /d",
            &Command::Spec {
                bundle: "/d".into(),
                rootless: true,
            },
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        refused("run x --frob", "--frob");
        refused("fly x", "fly");
        refused("run", "id");
        refused("run x y", "`y`");
        refused("run x --rootless", "--rootless");
        refused("run x -b", "-b");
    }
}
