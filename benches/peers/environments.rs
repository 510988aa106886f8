//! The makers of virtual environments: all for one interpreter; first without a
//! package, then with pip.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use venv_sim::{Cache, Interpreter, Options};

use crate::contestant::{Contestant, Race, Role, State, Target, Turn};
use crate::find_program;
use crate::runtimes::first_line;
use crate::trial;

/// The races of those that make virtual environments.
pub(crate) fn races(scratch: &Path) -> Result<Vec<Race>> {
    let mut races = vec![bare(&venv_sim::discover(None)?, scratch)?];
    // With an older one some makers add setuptools, and others do not.
    let newer = ["3.13", "3.12", "3.14"];
    let found = newer
        .iter()
        .find_map(|it| venv_sim::discover(Some(it)).ok());
    races.extend(found.map(|found| seeded(&found, scratch)));
    Ok(races)
}

fn bare(interpreter: &Interpreter, scratch: &Path) -> Result<Race> {
    let uv = ["venv", "--quiet", "--offline", "--no-config"].map(str::to_owned);
    let mut contestants = vec![
        isolab(interpreter, scratch, &[]),
        peer("uv", &uv, interpreter, scratch),
        peer(
            "virtualenv",
            &["--quiet", "--no-seed"].map(str::to_owned),
            interpreter,
            scratch,
        ),
    ];
    contestants.push(Some(venv(interpreter, scratch, &["--without-pip"])));
    let version = Contestant::new("isolab --version", Role::Floor, String::new(), |_| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command.arg("--version");
        command
    });
    contestants.push(Some(version));
    contestants.push(Some(floor(interpreter, scratch)?));
    let mut race = race(
        "environments",
        "an environment without packages in a new directory, from just before its maker is \
         spawned until it is reaped",
        contestants,
        0.25,
        scratch,
    );
    race.targets.push(Target {
        peer: FLOOR,
        // Cold, all that is timed is how much of a program the kernel has to find again.
        state: State::Hot,
        at_most: 1.5,
    });
    Ok(race)
}

/// The kernel's part of it.
const FLOOR: &str = "the kernel's floor";

/// What no maker goes below: the program of workload/environment.rs.
fn floor(python: &Interpreter, scratch: &Path) -> Result<Contestant> {
    let program = scratch.join("environment");
    fs::write(
        &program,
        include_bytes!(concat!(env!("OUT_DIR"), "/environment")),
    )?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let model = scratch.join("model");
    let options = Options {
        cache: Cache::at(scratch.join("isolab")),
        ..Options::default()
    };
    venv_sim::create(&model, python, &options)?;
    let (site, executable) = (python.site_packages.clone(), python.executable.clone());
    let words = move |dir: &Path| {
        [
            model.clone(),
            dir.to_owned(),
            site.clone(),
            executable.clone(),
        ]
    };
    let copy = scratch.join("copy");
    let made = Command::new(&program).args(words(&copy)).status()?;
    ensure!(made.success(), "the floor's program {made}");
    ensure!(
        names(&copy)? == names(&scratch.join("model"))?,
        "the floor's environment has other files than ours"
    );
    let commands = move |turn: &Turn| {
        let mut command = Command::new(&program);
        command.args(words(&turn.dir));
        command
    };
    Ok(Contestant::new(FLOOR, Role::Limit, String::new(), commands)
        .noting("the same files, links and directories, made by a program that knows them"))
}

/// Every name below `dir`, and where it leads if it is a link.
fn names(dir: &Path) -> Result<BTreeSet<(PathBuf, Option<PathBuf>)>> {
    let mut names = BTreeSet::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let (kind, path) = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())))?;
            names.insert((
                path.strip_prefix(dir)?.to_owned(),
                fs::read_link(&path).ok(),
            ));
            if kind.is_dir() {
                pending.push(path);
            }
        }
    }
    Ok(names)
}

fn seeded(interpreter: &Interpreter, scratch: &Path) -> Race {
    let bundled = interpreter.stdlib.join("ensurepip/_bundled");
    let words = [
        "venv",
        "--quiet",
        "--offline",
        "--no-config",
        "--seed",
        "--no-index",
    ];
    let mut uv = words.map(str::to_owned).to_vec();
    uv.push(format!("--find-links={}", bundled.display()));
    let contestants = vec![
        isolab(interpreter, scratch, &["--seed"]),
        peer("uv", &uv, interpreter, scratch),
        peer("virtualenv", &["--quiet".to_owned()], interpreter, scratch),
        Some(venv(interpreter, scratch, &[])),
    ];
    let about = "an environment with pip in a new directory, from the wheel that the interpreter \
                 carries (virtualenv's has its own)";
    race("environments: with pip", about, contestants, 0.4, scratch)
}

fn race(
    name: &'static str,
    about: &'static str,
    contestants: Vec<Option<Contestant>>,
    at_most: f64,
    scratch: &Path,
) -> Race {
    let target = |state| Target {
        peer: "uv",
        state,
        at_most,
    };
    Race {
        name,
        about,
        contestants: contestants.into_iter().flatten().collect(),
        targets: vec![target(State::Hot), target(State::Cold)],
        inspection: None,
        notes: Vec::new(),
        scratch: scratch.to_owned(),
        crowd: None,
        weighs: true,
        turn: &trial::TURN,
    }
}

fn isolab(interpreter: &Interpreter, scratch: &Path, flags: &[&str]) -> Option<Contestant> {
    let words = ["venv", "create"].iter().chain(flags);
    let words: Vec<String> = words.map(|&word| word.to_owned()).collect();
    let program = Path::new(env!("CARGO_BIN_EXE_isolab"));
    Some(maker(
        "isolab",
        Role::Ours,
        program,
        &words,
        Some(interpreter),
        scratch,
    ))
}

fn peer(
    name: &'static str,
    words: &[String],
    interpreter: &Interpreter,
    scratch: &Path,
) -> Option<Contestant> {
    let program = find_program(name)?;
    Some(maker(
        name,
        Role::Peer,
        &program,
        words,
        Some(interpreter),
        scratch,
    ))
}

fn venv(interpreter: &Interpreter, scratch: &Path, flags: &[&str]) -> Contestant {
    let words = ["-m", "venv"].iter().chain(flags);
    let words: Vec<String> = words.map(|&word| word.to_owned()).collect();
    maker(
        "python -m venv",
        Role::Peer,
        &interpreter.executable,
        &words,
        None,
        scratch,
    )
}

/// One that is called with `words`, the interpreter where it has to be told, and the directory.
fn maker(
    name: &'static str,
    role: Role,
    program: &Path,
    words: &[String],
    interpreter: Option<&Interpreter>,
    scratch: &Path,
) -> Contestant {
    let (program, version) = (program.to_owned(), first_line(program));
    let python = interpreter.map(|interpreter| interpreter.executable.clone());
    let (words, own) = (words.to_owned(), scratch.to_owned());
    Contestant::new(name, role, version, move |turn: &Turn| {
        let mut command = Command::new(&program);
        command.args(&words);
        if let Some(python) = &python {
            command.arg("--python").arg(python);
        }
        command
            .arg(&turn.dir)
            // What it would leave out then, a user's would not.
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env_remove("VIRTUAL_ENV")
            // Caches: warm after the first trial, gone with us.
            .env("XDG_CACHE_HOME", own.join("isolab"))
            .env("UV_CACHE_DIR", own.join("uv"))
            .env("VIRTUALENV_OVERRIDE_APP_DATA", own.join("virtualenv"));
        command
    })
}
