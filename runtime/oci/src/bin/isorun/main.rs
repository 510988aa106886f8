//! `isorun`: an OCI runtime's command line over the library.
//!
//! `arguments` turns what was typed into what is meant; each command then has
//! a file of its own, and `log` tells people and engines of what went wrong.
#![cfg_attr(not(test), no_main)]
#![deny(unsafe_code)]

mod arguments;
mod columns;
mod completion;
mod container;
mod debug;
mod events;
mod exec;
mod exit;
mod failure;
mod global;
mod help;
mod inherit;
mod log;
mod man;
mod owner;
mod ps;
mod signals;
mod spec;
mod start;
mod time;
mod trace;
mod update;

use std::ffi::{OsStr, OsString};

use arguments::{Given, Key, Verb};
use exit::ExitCode;
use failure::Failure;
use log::Log;

#[cfg(not(test))]
isolab_oci::entry!(isorun);

#[cfg_attr(test, allow(dead_code))]
fn isorun(words: Vec<OsString>) -> u8 {
    let mut text = Vec::with_capacity(words.len());
    let readable = words.into_iter().try_for_each(|word| {
        text.push(word.into_string().map_err(|word| not_unicode(&word))?);
        Ok(())
    });
    let mut given = Given::default();
    let scanned = given.scan(&text);
    let mut log = Log::new(&given);
    let outcome = readable
        .and(scanned)
        .and_then(|()| Log::check(&given))
        .and_then(|()| carry_out(&given, &mut log));
    match outcome {
        Ok(code) => {
            log.flush();
            code.number()
        }
        Err(failure) => {
            log.fail(&failure);
            failure.status
        }
    }
}

fn not_unicode(word: &OsStr) -> Failure {
    Failure::new(
        format!("cannot read the argument {word:?}: it is not UTF-8"),
        "ids and paths must be UTF-8",
    )
}

fn carry_out(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    let Some(verb) = given.verb() else {
        return print(if given.flag(Key::Version) {
            version()
        } else {
            help::overview()
        });
    };
    if given.flag(Key::Help) {
        return print(help::of(verb));
    }
    if given.flag(Key::Version) {
        return print(version());
    }
    global::check(given)?;
    log.debug(|| {
        format!(
            "state of containers: {}",
            container::root(given).path().display()
        )
    });
    match verb.verb {
        Verb::Create => start::create(given, log),
        Verb::Start => container::start(given, log),
        Verb::Run => start::run(given, log),
        Verb::Exec => start::exec(given, log).map_err(|failure| Failure {
            status: 255,
            ..failure
        }),
        Verb::Kill => container::kill(given),
        Verb::Delete => container::delete(given, log),
        Verb::State => container::state(given),
        Verb::List => container::list(given, log),
        Verb::Ps => container::processes(given),
        Verb::Pause => container::pause(given),
        Verb::Resume => container::resume(given),
        Verb::Update => update::update(given, log),
        Verb::Events => events::events(given),
        Verb::Spec => spec::write(given),
        Verb::Features => print(features()),
        Verb::Completion => print(completion::script(given.positional(0))?),
        Verb::Man => print(man::page(given.positional(0))?),
        Verb::Help => print(help_of(given.positional(0))?),
        Verb::Version => print(version()),
        Verb::Checkpoint => Err(Failure::new(
            format!("`isorun {}` is not supported", verb.name),
            "containers are not checkpointed: stop the container, and create it again",
        )),
    }
}

/// Writes to the standard output; a reader that has gone away is no failure.
fn print(text: impl AsRef<str>) -> Result<ExitCode, Failure> {
    use std::io::{self, Write as _};
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_ref().as_bytes())
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::plain(format!(
            "cannot write to the standard output: {}",
            failure::in_words(&error)
        ))),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn help_of(command: &str) -> Result<String, Failure> {
    if command.is_empty() {
        return Ok(help::overview());
    }
    let verb = arguments::table::find(command).ok_or_else(|| {
        Failure::new(
            format!("`{command}` is not a command of isorun"),
            "`isorun --help` lists them",
        )
    })?;
    Ok(help::of(verb))
}

fn features() -> String {
    format!("{:#}\n", isolab_oci::features())
}

/// runc's three lines: clients count them, and split them at the colons.
fn version() -> String {
    format!(
        "isorun version {}\ncommit: {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        option_env!("ISOLAB_COMMIT").unwrap_or("unknown"),
        isolab_oci::features::OCI_VERSION_MAX
    )
}
