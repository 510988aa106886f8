//! The makers of virtual environments: all for one interpreter, none with a
//! package in it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::contestant::{Contestant, Race, Role, State, Target, Turn};
use crate::find_program;
use crate::runtimes::first_line;

/// The race of those that make virtual environments.
pub(crate) fn race(scratch: &Path) -> Result<Race> {
    let interpreter = venv_sim::discover(None)?.executable;
    let maker = |name, role, path: &Path, words: &[&str]| {
        let (path, version) = (path.to_owned(), first_line(path));
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let (python, own) = (interpreter.clone(), scratch.to_owned());
        Contestant::new(name, role, version, move |turn: &Turn| {
            let mut command = Command::new(&path);
            command.args(&words);
            if !words.iter().any(|word| word == "-m") {
                command.arg("--python").arg(&python);
            }
            command
                .arg(&turn.dir)
                // What it would leave out then, a user's would not.
                .env_remove("PYTHONDONTWRITEBYTECODE")
                .env_remove("VIRTUAL_ENV")
                // Caches of the peers: warm after the first trial, gone with us.
                .env("UV_CACHE_DIR", own.join("uv"))
                .env("VIRTUALENV_OVERRIDE_APP_DATA", own.join("virtualenv"));
            command
        })
    };
    let isolab = Path::new(env!("CARGO_BIN_EXE_isolab"));
    let mut contestants = vec![maker("isolab", Role::Ours, isolab, &["venv", "create"])];
    let uv: &[&str] = &["venv", "--quiet", "--offline", "--no-config"];
    let virtualenv: &[&str] = &["--quiet", "--no-seed"];
    for (name, words) in [("uv", uv), ("virtualenv", virtualenv)] {
        contestants.extend(find_program(name).map(|path| maker(name, Role::Peer, &path, words)));
    }
    let venv = ["-m", "venv", "--without-pip"];
    contestants.push(maker("python -m venv", Role::Peer, &interpreter, &venv));
    let version = Contestant::new("isolab --version", Role::Floor, String::new(), |_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command.arg("--version");
        command
    });
    contestants.push(version);
    let at_most = |state| Target {
        peer: "uv",
        state,
        at_most: 0.25,
    };
    Ok(Race {
        name: "environments",
        about: "an environment without packages in a new directory, from just before its maker is \
                spawned until it is reaped",
        contestants,
        targets: vec![at_most(State::Hot), at_most(State::Cold)],
        inspection: None,
        notes: Vec::new(),
        scratch: scratch.to_owned(),
        crowd: None,
    })
}
