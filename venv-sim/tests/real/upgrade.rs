//! An environment gets another interpreter and keeps everything else, or nothing happens.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Cache, Environment, Error, Interpreter, Options, Search, create};

use crate::machine::{any_python, cache, expect, files, options, output, scratch, trial};

/// Names the directory for [`upgrade_for_ever`], in a child of this program.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_UPGRADES_IN";

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    let one_of_each = || {
        let none = two_of_a_kind().is_none();
        none.then(|| "no two interpreters here have one minor version".to_owned())
    };
    vec![
        trial(
            "an_upgrade_leads_to_the_new_interpreter_and_keeps_the_packages",
            one_of_each(),
            changes,
        ),
        trial(
            "an_environment_whose_base_is_gone_is_mended_by_an_upgrade",
            missing(),
            mends,
        ),
        trial("an_upgrade_keeps_what_is_not_asked_for", missing(), keeps),
        trial(
            "an_upgrade_takes_an_environment_of_python_m_venv",
            missing(),
            foreign,
        ),
        trial(
            "an_upgrade_to_another_minor_version_is_refused",
            missing(),
            other_minor,
        ),
        trial(
            "an_upgrade_that_fails_midway_changes_nothing",
            missing(),
            fails,
        ),
        trial(
            "an_upgrade_killed_at_any_moment_leaves_an_environment_that_runs",
            missing(),
            killed,
        ),
        trial("an_upgrade_writes_through_no_link", missing(), through_link),
        trial(
            "what_is_no_environment_is_not_upgraded",
            missing(),
            no_environment,
        ),
    ]
}

fn upgrading() -> Options {
    Options {
        upgrade: true,
        ..options()
    }
}

/// Two interpreters of one minor version.
fn two_of_a_kind() -> Option<(Interpreter, Interpreter)> {
    let found = Search::of_process().cache(cache()).interpreters();
    let all: Vec<_> = found
        .into_iter()
        .filter_map(|found| found.interpreter.ok())
        .collect();
    let is_kin = |one: &Interpreter, other: &Interpreter| {
        (one.version.0, one.version.1) == (other.version.0, other.version.1)
            && one.site_packages == other.site_packages
            && one.base_prefix != other.base_prefix
    };
    all.iter().enumerate().find_map(|(place, one)| {
        let mut others = all[place + 1..].iter();
        let other = others.find(|other| is_kin(one, other))?;
        Some((one.clone(), other.clone()))
    })
}

/// An environment with a package in it, at `dir`.
fn with_package(
    dir: &Path,
    python: &Interpreter,
    options: &Options,
) -> Result<Environment, Failed> {
    let made = create(dir, python, options)?;
    add_package(&made)?;
    Ok(made)
}

fn add_package(made: &Environment) -> Result<(), Failed> {
    fs::write(made.site_packages.join("kept.py"), "value = 42\n")?;
    fs::write(made.dir.join("bin/tool"), "#!/bin/sh\n")?;
    Ok(())
}

/// The base prefix that the environment's Python has, when it finds the package.
fn base_prefix(dir: &Path) -> Result<String, Failed> {
    let program = "import sys, kept, json, ssl; assert kept.value == 42; print(sys.base_prefix)";
    let mut command = Command::new(dir.join("bin/python"));
    command.args(["-c", program]).env_remove("PYTHONPATH");
    Ok(output(&mut command)?.trim_end().to_owned())
}

/// What lies below `dir`: targets of links, contents and modes of files.
fn snapshot(dir: &Path) -> Result<BTreeMap<PathBuf, (u32, Vec<u8>)>, Failed> {
    let mut seen = BTreeMap::new();
    for name in files(dir) {
        let path = dir.join(&name);
        let metadata = fs::symlink_metadata(&path)?;
        let content = match metadata {
            _ if metadata.is_symlink() => {
                fs::read_link(&path)?.into_os_string().into_encoded_bytes()
            }
            _ if metadata.is_dir() => Vec::new(),
            _ => fs::read(&path)?,
        };
        seen.insert(name, (metadata.mode(), content));
    }
    Ok(seen)
}

fn changes() -> Result<(), Failed> {
    let (one, other) = two_of_a_kind().ok_or("they are gone")?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    with_package(&dir, &one, &options())?;
    let prefix = |python: &Interpreter| python.base_prefix.display().to_string();
    expect("before", &base_prefix(&dir)?, &prefix(&one))?;
    let names = files(&dir);
    let upgraded = create(&dir, &other, &upgrading())?;
    expect("after", &base_prefix(&dir)?, &prefix(&other))?;
    expect("opened", &Environment::open(&dir)?, &upgraded)?;
    expect(
        "interpreter",
        &upgraded.interpreter(&cache())?.executable,
        &other.executable,
    )?;
    let bytecode = |names: Vec<PathBuf>| -> Vec<PathBuf> {
        let is_source = |name: &PathBuf| {
            !name
                .components()
                .any(|part| part.as_os_str() == "__pycache__")
        };
        names.into_iter().filter(is_source).collect()
    };
    expect("files", &bytecode(files(&dir)), &bytecode(names))
}

fn mends() -> Result<(), Failed> {
    let python = any_python()?;
    for copies in [false, true] {
        let scratch = scratch();
        let dir = scratch.path().join("env");
        let options = Options {
            copies,
            ..options()
        };
        with_package(&dir, &python, &options)?;
        let mut whole = snapshot(&dir)?;
        let (major, minor, _) = python.version;
        let program = dir.join(format!("bin/python{major}.{minor}"));
        if !copies {
            fs::remove_file(&program)?;
            symlink("/nowhere/bin/python", &program)?;
        }
        let config = dir.join("pyvenv.cfg");
        let home = python
            .executable
            .parent()
            .ok_or("no parent")?
            .display()
            .to_string();
        fs::write(
            &config,
            fs::read_to_string(&config)?.replace(&home, "/nowhere/bin"),
        )?;
        if !copies {
            // A copy may still find the library where it was compiled for.
            expect("broken", &base_prefix(&dir).is_ok(), &false)?;
        }
        expect("version", &Environment::version_at(&dir)?, &(major, minor))?;
        create(&dir, &python, &upgrading())?;
        base_prefix(&dir)?;
        let mut mended = snapshot(&dir)?;
        mended.retain(|name, _| whole.contains_key(name)); // bytecode is new
        // The command says how it was made.
        let config = Path::new("pyvenv.cfg");
        for seen in [&mut mended, &mut whole] {
            let (_, text) = seen.get_mut(config).ok_or("no pyvenv.cfg")?;
            *text = String::from_utf8_lossy(text)
                .replace(" --upgrade", "")
                .into_bytes();
        }
        let differs = |name: &&PathBuf| mended.get(*name) != whole.get(*name);
        let differing: Vec<&PathBuf> = whole.keys().filter(differs).collect();
        expect("not as it was", &differing, &Vec::new())?;
    }
    Ok(())
}

fn keeps() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let asked = Options {
        prompt: Some("a 'prompt'".to_owned()),
        system_site_packages: true,
        relocatable: true,
        copies: true,
        ..options()
    };
    let made = with_package(&dir, &python, &asked)?;
    // As an editor saves: the file that is there is shared with the other tests' environments.
    fs::remove_file(dir.join(".gitignore"))?;
    fs::write(dir.join(".gitignore"), "mine\n")?;
    expect("upgraded", &create(&dir, &python, &upgrading())?, &made)?;
    expect("relocatable", &made.relocatable, &true)?;
    expect(
        "copy",
        &fs::symlink_metadata(&made.python)?.is_file(),
        &true,
    )?;
    expect(
        "git",
        &fs::read_to_string(dir.join(".gitignore"))?,
        &"mine\n".to_owned(),
    )?;
    let other = Options {
        prompt: Some("other".to_owned()),
        ..upgrading()
    };
    expect(
        "prompt",
        &create(&dir, &python, &other)?.prompt,
        &other.prompt,
    )
}

fn foreign() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let mut command = Command::new(&python.executable);
    output(command.args(["-m", "venv", "--without-pip"]).arg(&dir))?;
    add_package(&Environment::open(&dir)?)?;
    create(&dir, &python, &upgrading())?;
    base_prefix(&dir)?;
    expect("tool", &dir.join("bin/tool").is_file(), &true)?;
    expect("tag", &dir.join("CACHEDIR.TAG").is_file(), &true)
}

fn other_minor() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let mut other = python.clone();
    other.version.1 += 1;
    with_package(&dir, &python, &options())?;
    let before = snapshot(&dir)?;
    let refused = |other: &Interpreter| match create(&dir, other, &upgrading()) {
        Err(error @ Error::Stays { .. }) if error.hint().is_some() => Ok(()),
        other => Err(Failed::from(format!("{other:?}"))),
    };
    refused(&other)?;
    // The free-threaded build of the same version looks elsewhere.
    other.version = python.version;
    other.site_packages = "lib/python3.99t/site-packages".into();
    refused(&other)?;
    expect("unchanged", &(snapshot(&dir)? == before), &true)
}

fn fails() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    with_package(&dir, &python, &options())?;
    // The last of the scripts cannot be replaced: by then the interpreter is.
    let last = dir.join("bin/activate.fish");
    fs::remove_file(&last)?;
    fs::create_dir(&last)?;
    fs::write(last.join("mine"), "")?;
    let program = dir.join("bin/python");
    fs::remove_file(&program)?;
    symlink(&python.executable, &program)?;
    fs::remove_file(dir.join("CACHEDIR.TAG"))?;
    let before = snapshot(&dir)?;
    match create(&dir, &python, &upgrading()) {
        Err(Error::Io { path, .. }) => expect("path", &path, &last)?,
        other => return Err(format!("{other:?}").into()),
    }
    expect("unchanged", &(snapshot(&dir)? == before), &true)
}

/// Upgrades the environment `env` in `dir`, each time with another prompt, until killed.
pub(crate) fn upgrade_for_ever(dir: &Path) -> ExitCode {
    let cache = Cache::at(dir.join("cache"));
    let Ok(python) = Search::of_process().cache(cache.clone()).discover(None) else {
        return ExitCode::FAILURE;
    };
    for round in 0_u64.. {
        let options = Options {
            upgrade: true,
            prompt: Some(round.to_string()),
            copies: round % 2 == 1,
            cache: cache.clone(),
            ..Options::default()
        };
        if let Err(error) = create(&dir.join("env"), &python, &options) {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn killed() -> Result<(), Failed> {
    let scratch = scratch();
    let cache = Cache::at(scratch.path().join("cache"));
    let python = Search::of_process().cache(cache.clone()).discover(None)?;
    let dir = scratch.path().join("env");
    let options = Options {
        cache,
        ..Options::default()
    };
    with_package(&dir, &python, &options)?;
    let unfinished = || -> Vec<_> {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().into_encoded_bytes());
        names
            .filter(|name| name.starts_with(b".venv-sim"))
            .collect()
    };
    let mut midway = 0;
    for round in 0..30_u64 {
        let mut child = Command::new(std::env::current_exe()?)
            .env(CHILD, scratch.path())
            .spawn()?;
        thread::sleep(Duration::from_micros(8_000 + round * 397 % 12_000));
        child.kill()?;
        let ended = child.wait()?;
        expect("ended by itself", &ended.code(), &None)?;
        midway += usize::from(!unfinished().is_empty());
        Environment::open(&dir)?;
        base_prefix(&dir)?;
    }
    expect("a kill met an upgrade", &(midway > 0), &true)?;
    let last = Options {
        upgrade: true,
        ..options
    };
    create(&dir, &python, &last)?;
    base_prefix(&dir)?;
    expect("left inside", &unfinished(), &Vec::new())
}

fn no_environment() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let directory = scratch.path().join("directory");
    fs::create_dir(&directory)?;
    for dir in [&directory, &scratch.path().join("nothing")] {
        match create(dir, &python, &upgrading()) {
            Err(Error::NotAnEnvironment { .. }) => {}
            other => return Err(format!("{}: {other:?}", dir.display()).into()),
        }
    }
    expect("left", &files(scratch.path()), &vec!["directory".into()])
}

fn through_link() -> Result<(), Failed> {
    let (python, scratch) = (any_python()?, scratch());
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let outside = scratch.path().join("outside");
    fs::rename(made.dir.join("bin"), &outside)?;
    symlink(&outside, made.dir.join("bin"))?;
    fs::remove_file(outside.join("activate"))?; // or it would not be seen to come
    let seen = files(&outside);
    match create(&made.dir, &python, &upgrading()) {
        Err(Error::Io { .. }) => {}
        other => return Err(format!("{other:?}").into()),
    }
    expect("outside", &files(&outside), &seen)
}
