//! An environment with pip is what `python -m venv` makes, and appears whole.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Environment, Error, Installed, Interpreter, Options, create};

use crate::machine::{any_python, expect, files, options, output, python, scratch, trial};
use crate::python::VERSIONS;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in VERSIONS {
        let name = version.replace('.', "_");
        trials.push(trial(
            format!("python_{name}_lists_what_its_own_venv_would_have"),
            no_ensurepip(python(version)),
            move || as_its_own(version),
        ));
    }
    let missing = || no_ensurepip(any_python());
    trials.push(trial(
        "pip_is_called_by_the_name_that_the_environment_gets",
        missing(),
        called,
    ));
    trials.push(trial(
        "an_interpreter_that_brings_no_pip_seeds_nothing_and_leaves_nothing",
        any_python().err(),
        no_pip,
    ));
    trials.push(trial(
        "a_seeded_environment_replaces_another_whole",
        missing(),
        replaces,
    ));
    trials
}

/// Why this interpreter cannot install pip by itself.
pub(crate) fn no_ensurepip<E: ToString>(python: Result<Interpreter, E>) -> Option<String> {
    let python = match python {
        Ok(python) => python,
        Err(error) => return Some(error.to_string()),
    };
    let mut asked = Command::new(&python.executable);
    let asked = asked.args(["-I", "-c", "import ensurepip, venv; ensurepip.version()"]);
    let has = asked.output().is_ok_and(|said| said.status.success());
    (!has).then(|| format!("{} has no ensurepip", python.executable.display()))
}

pub(crate) fn seeding() -> Options {
    Options {
        seed: true,
        ..options()
    }
}

/// Packages with their versions, and the commands.
fn seen(dir: &Path) -> Result<(String, Vec<String>), Failed> {
    let mut list = Command::new(dir.join("bin/python"));
    list.args(["-I", "-m", "pip", "list", "--format=freeze"])
        .args(["--disable-pip-version-check"]);
    let mut commands: Vec<_> = files(&dir.join("bin"))
        .into_iter()
        .filter_map(|name| name.into_os_string().into_string().ok())
        .filter(|name| name.starts_with("pip") || name.starts_with("easy_install"))
        .collect();
    commands.sort();
    Ok((output(&mut list)?, commands))
}

fn as_its_own(version: &str) -> Result<(), Failed> {
    let python = python(version)?;
    let scratch = scratch();
    let (ours, theirs) = (scratch.path().join("ours"), scratch.path().join("theirs"));
    let made = create(&ours, &python, &seeding())?;
    output(
        Command::new(&python.executable)
            .args(["-I", "-m", "venv"])
            .arg(&theirs),
    )?;
    expect("packages and commands", &seen(&ours)?, &seen(&theirs)?)?;
    expect("opened", &Environment::open(&ours)?, &made)?;
    // Each file is in a RECORD: pip can take itself out.
    let pip = [
        "-I",
        "-m",
        "pip",
        "uninstall",
        "--yes",
        "--disable-pip-version-check",
        "pip",
        "setuptools",
    ];
    output(Command::new(&made.python).args(pip))?;
    let left: Vec<_> = files(&made.site_packages)
        .into_iter()
        .filter(|name| {
            !name
                .components()
                .any(|part| part.as_os_str() == "__pycache__")
        })
        .collect();
    expect("left", &left, &Vec::new())
}

fn called() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    for name in ["plain", "with space and 'quote'"] {
        let dir = scratch.path().join(name);
        create(&dir, &python, &seeding())?;
        let said = output(Command::new(dir.join("bin/pip")).arg("--version"))?;
        let inside = dir.display().to_string();
        expect(&said, &said.contains(&inside), &true)?;
        let script = fs::read_to_string(dir.join("bin/pip"))?;
        expect(&script, &script.contains(".venv-sim"), &false)?;
    }
    expect("left beside", &fs::read_dir(scratch.path())?.count(), &2)
}

fn no_pip() -> Result<(), Failed> {
    let mut python = any_python()?;
    let scratch = scratch();
    if Path::new("/usr/share/python-wheels").exists() {
        // What distributions keep there seeds any interpreter; one that pip is not for, is refused.
        python.version = (3, 4, 0);
    }
    python.stdlib = scratch.path().to_owned();
    let dir = scratch.path().join("env");
    match create(&dir, &python, &seeding()) {
        Err(error @ Error::Impossible { .. }) if error.hint().is_some() => {}
        other => return Err(format!("{other:?}").into()),
    }
    expect("left", &files(scratch.path()), &Vec::new())
}

fn replaces() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let clear = Options {
        clear: true,
        ..seeding()
    };
    for _ in 0..2 {
        let made = create(&dir, &python, &clear)?;
        let pip = Installed::of(&made)?.find(&"pip".parse()?).is_some();
        expect("pip", &pip, &true)?;
        fs::write(made.site_packages.join("old.py"), "")?;
    }
    create(
        &dir,
        &python,
        &Options {
            seed: false,
            ..clear
        },
    )?;
    let pip = dir.join(&python.site_packages).join("pip");
    expect("pip", &pip.exists(), &false)?;
    expect("left", &fs::read_dir(scratch.path())?.count(), &1)
}
