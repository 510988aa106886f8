//! Those who fill environments: Django, Django REST Framework and what these need,
//! from a directory of wheels and from an index on this machine.
//!
//! Every trial gets an environment of its own, made beforehand by the same maker
//! for all. What a trial leaves is moved away and removed at the race's end.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};
use venv_sim::Interpreter;

use crate::contestant::{Contestant, Race, Role, State, Target, Turn};
use crate::crowd::quietly;
use crate::find_program;
use crate::index::Index;
use crate::runtimes::first_line;
use crate::trial;

/// What is asked for.
const WANTED: [&str; 2] = ["django", "djangorestframework"];

/// Who fills environments.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Isolab,
    Uv,
    Pip,
}

/// How files are to come into the environment.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    HardLink,
    Copy,
    Symlink,
    /// By hard link, and with the bytecode of all of them.
    Compiled,
}

/// What all races have in common.
struct Field {
    interpreter: Interpreter,
    wheels: PathBuf,
    scratch: PathBuf,
    uv: Option<PathBuf>,
}

/// Whether a filter can mean one of these races or its peers.
pub(crate) fn is_meant(filter: &str) -> bool {
    "wheels".contains(filter) || filter.starts_with("wheels") || ["uv", "pip"].contains(&filter)
}

/// The races, or why there are none.
pub(crate) fn races(scratch: &Path) -> Result<Vec<Race>> {
    let interpreter = venv_sim::discover(None)?;
    let field = Rc::new(Field {
        wheels: wheels(scratch, &interpreter)?,
        interpreter,
        scratch: scratch.to_owned(),
        uv: find_program("uv"),
    });
    let ways = [
        ("wheels: install", Way::HardLink, 0.7),
        ("wheels: install, copies", Way::Copy, 0.7),
        ("wheels: install, symbolic links", Way::Symlink, 0.7),
        ("wheels: install with bytecode", Way::Compiled, 0.3),
    ];
    let mut races = Vec::new();
    for (name, way, at_most) in ways {
        let about = "Django and Django REST Framework with what they need, from wheels that were \
                     installed before into other environments, into an empty one";
        races.push(field.race(name, about, at_most, |who| field.warm(who, way)));
    }
    let index = Rc::new(Index::serve(&field.interpreter.executable, &field.wheels)?);
    let about = "the same, with an empty cache, from an index on this machine";
    races.push(field.race("wheels: install, cold", about, 0.8, |who| {
        field.cold(who, &index)
    }));
    let about = "which versions to install, nothing installed; metadata known from before";
    races.push(field.race("wheels: resolve", about, 0.7, |who| {
        field.resolve(who, &index)
    }));
    let about = "the same, taken out of the environment again";
    races.push(field.race("wheels: uninstall", about, 0.7, |who| field.uninstall(who)));
    Ok(races)
}

/// The wheels, from the index that the interpreter's pip would use.
fn wheels(scratch: &Path, interpreter: &Interpreter) -> Result<PathBuf> {
    let dir = scratch.join("wheels");
    let mut download = isolab(scratch);
    download
        .args(["venv", "download", "--python"])
        .arg(&interpreter.executable)
        .arg("--dest")
        .arg(&dir)
        .args(WANTED);
    quietly(&mut download).context("cannot get the wheels to install")?;
    Ok(dir)
}

fn isolab(scratch: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.env("XDG_CACHE_HOME", scratch.join("isolab"));
    command
}

impl Field {
    fn race(
        self: &Rc<Self>,
        name: &'static str,
        about: &'static str,
        at_most: f64,
        contestant: impl Fn(Who) -> Option<Contestant>,
    ) -> Race {
        let target = |state| Target {
            peer: "uv",
            state,
            at_most,
        };
        let all = [Who::Isolab, Who::Uv, Who::Pip];
        Race {
            name,
            about,
            contestants: all.into_iter().filter_map(contestant).collect(),
            targets: vec![target(State::Hot), target(State::Cold)],
            inspection: None,
            notes: Vec::new(),
            weighs: true,
            turn: &trial::TURN,
            scratch: self.scratch.clone(),
            crowd: None,
        }
    }

    /// A contestant whose environment is there before the clock runs.
    fn contestant(
        self: &Rc<Self>,
        who: Who,
        command: impl Fn(&Self, &Turn) -> Command + 'static,
        prepare: impl Fn(&Self, &Turn) -> Result<()> + 'static,
    ) -> Option<Contestant> {
        let (name, role, version) = match who {
            Who::Isolab => {
                let version = first_line(Path::new(env!("CARGO_BIN_EXE_isolab")));
                ("isolab", Role::Ours, version)
            }
            Who::Uv => ("uv", Role::Peer, first_line(self.uv.as_ref()?)),
            Who::Pip => ("pip", Role::Peer, String::new()),
        };
        let (own, before) = (self.clone(), self.clone());
        let contestant = Contestant::new(name, role, version, move |turn| command(&own, turn))
            .around_trial(
                move |turn| {
                    quietly(
                        isolab(&before.scratch)
                            .args(["venv", "create", "--python"])
                            .arg(&before.interpreter.executable)
                            .arg(&turn.dir),
                    )?;
                    prepare(&before, turn)
                },
                |_| Ok(()),
            );
        Some(contestant)
    }

    /// `install`, with everything that follows still to be said.
    fn command(&self, who: Who, verb: &str, turn: &Turn, cache: &Path) -> Option<Command> {
        let python = turn.dir.join("bin/python");
        let mut command = match who {
            Who::Isolab => {
                let mut command = isolab(&self.scratch);
                command.args(["venv", verb, "--env"]);
                command.arg(&turn.dir);
                command
            }
            Who::Uv => {
                let mut command = Command::new(self.uv.as_ref()?);
                command.args(["pip", verb, "--quiet", "--no-config", "--python"]);
                command.arg(&python);
                command
            }
            Who::Pip => {
                let mut command = Command::new(&self.interpreter.executable);
                command.args(["-m", "pip", "--quiet", "--isolated", "--python"]);
                command.arg(&python).arg(verb);
                command
            }
        };
        // What the user's own variables would change.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["PIP_", "UV_"]
                .iter()
                .any(|prefix| text.starts_with(prefix))
            {
                command.env_remove(&name);
            }
        }
        command
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env_remove("VIRTUAL_ENV")
            .env("XDG_CACHE_HOME", cache.join("isolab"))
            .env("UV_CACHE_DIR", cache.join("uv"))
            .env("PIP_CACHE_DIR", cache.join("pip"))
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        Some(command)
    }

    fn warm_command(&self, who: Who, way: Way, turn: &Turn) -> Option<Command> {
        let mut command = self.command(who, "install", turn, &self.scratch)?;
        command
            .args(["--no-index", "--find-links"])
            .arg(&self.wheels);
        let mode = match way {
            Way::HardLink | Way::Compiled => "hardlink",
            Way::Copy => "copy",
            Way::Symlink => "symlink",
        };
        match who {
            Who::Pip => drop(command.arg("--no-compile")),
            _ => drop(command.args(["--link-mode", mode])),
        }
        if way == Way::Compiled {
            command.arg("--compile-bytecode");
        }
        command.args(WANTED);
        Some(command)
    }

    fn warm(self: &Rc<Self>, who: Who, way: Way) -> Option<Contestant> {
        // pip knows one way only: it writes each file.
        if who == Who::Pip && way != Way::Copy {
            return None;
        }
        self.contestant(
            who,
            move |own, turn| {
                let command = own.warm_command(who, way, turn);
                command.unwrap_or_else(|| Command::new("false"))
            },
            |_, _| Ok(()),
        )
    }

    fn cold(self: &Rc<Self>, who: Who, index: &Rc<Index>) -> Option<Contestant> {
        let index = index.clone();
        self.contestant(
            who,
            move |own, turn| {
                // Beside the environment, so that files can be linked; gone with it.
                let cache = turn.dir.join(".cache");
                let command = own
                    .command(who, "install", turn, &cache)
                    .map(|mut command| {
                        command.arg("--index-url").arg(index.url()).args(WANTED);
                        if who == Who::Pip {
                            command.arg("--no-compile");
                        }
                        command
                    });
                command.unwrap_or_else(|| Command::new("false"))
            },
            |_, _| Ok(()),
        )
    }

    fn resolve(self: &Rc<Self>, who: Who, index: &Rc<Index>) -> Option<Contestant> {
        // It keeps no answers that could be known from before.
        if who == Who::Pip {
            return None;
        }
        let index = index.clone();
        self.contestant(
            who,
            move |own, turn| {
                let command = own.command(who, "install", turn, &own.scratch);
                let command = command.map(|mut command| {
                    command.arg("--index-url").arg(index.url());
                    command.arg("--dry-run").args(WANTED);
                    command
                });
                command.unwrap_or_else(|| Command::new("false"))
            },
            |_, _| Ok(()),
        )
    }

    fn uninstall(self: &Rc<Self>, who: Who) -> Option<Contestant> {
        self.contestant(
            who,
            move |own, turn| {
                let command = own.command(who, "uninstall", turn, &own.scratch);
                let command = command.map(|mut command| {
                    if who != Who::Uv {
                        command.arg("--yes");
                    }
                    command.args(WANTED).args(["asgiref", "sqlparse"]);
                    command
                });
                command.unwrap_or_else(|| Command::new("false"))
            },
            move |own, turn| {
                let mut install = own
                    .warm_command(who, Way::HardLink, turn)
                    .context("it is not there")?;
                quietly(&mut install)
            },
        )
    }
}
