//! pip, uv and virtualenv see what we install, and we see what they install.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{InstallOptions, LinkMode, uninstall};
use venv_sim::{Environment, create};

use crate::installing::store;
use crate::machine::{any_python, expect, options, output, program, scratch, trial};
use crate::wheels::{Draft, picture, put, put_one, same};

pub(crate) fn trials() -> Vec<Trial> {
    let no_pip = || pip().err();
    let no_uv = || peer("uv").is_none().then(|| "no uv here".to_owned());
    let no_virtualenv = || {
        let missing = peer("virtualenv").is_none();
        missing.then(|| "no virtualenv here".to_owned())
    };
    vec![
        trial(
            "pip_lists_checks_and_uninstalls_what_we_install",
            no_pip(),
            pip_sees_ours,
        ),
        trial("we_uninstall_what_pip_installs", no_pip(), ours_sees_pips),
        trial(
            "uv_lists_and_uninstalls_what_we_install",
            no_uv(),
            uv_sees_ours,
        ),
        trial("we_uninstall_what_uv_installs", no_uv(), ours_sees_uvs),
        trial(
            "we_install_into_an_environment_of_virtualenv",
            no_virtualenv(),
            virtualenvs,
        ),
    ]
}

/// A program of others, on PATH or where CI puts them.
fn peer(name: &str) -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin");
    let built = built.join(name);
    let runs = |path: &PathBuf| {
        let ran = Command::new(path).arg("--version").output();
        ran.is_ok_and(|output| output.status.success())
    };
    [Some(built), program(name)]
        .into_iter()
        .flatten()
        .find(runs)
}

/// The base interpreter, if its pip can work on another environment.
fn pip() -> Result<PathBuf, String> {
    let python = any_python()?.executable;
    let said = Command::new(&python)
        .args(["-m", "pip", "--version"])
        .output();
    let said = said.map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said
        .strip_prefix("pip ")
        .and_then(|rest| rest.split('.').next());
    match version.and_then(|major| major.parse::<u32>().ok()) {
        Some(23..) => Ok(python),
        _ => Err(format!("no pip 23 or later in {}", python.display())),
    }
}

fn pip_in(environment: &Environment, arguments: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(pip()?);
    command.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--no-input",
        "--python",
    ]);
    command.arg(&environment.python).args(arguments);
    output(command.env("PIP_NO_INDEX", "1"))
}

fn draft() -> Draft {
    Draft::new("peers_test", "1.5")
        .file(
            "peers_test/__init__.py",
            "def main():\n    print('called')\n",
        )
        .file("peers_test/deep/er/data.txt", "data\n")
        .script("peers-test = peers_test:main")
        .data("data/share/peers/thing.txt", "shared\n")
        .data("headers/peers.h", "/* header */\n")
        .data("scripts/peers-script", "#!python\nprint('script')\n")
}

fn pip_sees_ours() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let python = any_python()?;
    for link_mode in [LinkMode::Auto, LinkMode::Symlink] {
        let dir = scratch.path().join(format!("{link_mode:?}"));
        let made = create(&dir, &python, &options())?;
        // pip takes site-packages away where nothing is left in it.
        fs::write(made.site_packages.join("other.py"), "")?;
        let before = picture(&made.dir);
        let stored = draft().stored(&store, scratch.path())?;
        let kept = picture(&stored.tree());
        let options = InstallOptions {
            link_mode,
            compile_bytecode: true,
            ..InstallOptions::default()
        };
        put(&made, &python, &store, &[&stored], &options)?;
        let list = pip_in(&made, &["list", "--format=freeze"])?;
        let lists = list
            .lines()
            .any(|line| line.replace('_', "-") == "peers-test==1.5");
        expect("listed", &lists, &true)?;
        pip_in(&made, &["check"])?;
        let said = pip_in(&made, &["show", "--verbose", "peers-test"])?;
        expect("installer", &said.contains("Installer: isolab"), &true)?;
        pip_in(&made, &["uninstall", "-y", "peers-test"])?;
        let mut after = picture(&made.dir);
        // pip leaves the directories that are empty now.
        after.retain(|path, _| before.contains_key(path) || !made.dir.join(path).is_dir());
        same("after pip's uninstall", &after, &before)?;
        same("the store", &picture(&stored.tree()), &kept)?;
    }
    Ok(())
}

fn ours_sees_pips() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let before = picture(&made.dir);
    let wheel = draft().write(scratch.path());
    let wheel = wheel.to_str().unwrap_or_default();
    for flag in ["--compile", "--no-compile"] {
        pip_in(&made, &["install", "--no-deps", flag, wheel])?;
        let said = output(&mut Command::new(made.dir.join("bin/peers-test")))?;
        expect("said", &said.trim(), &"called")?;
        let changed = uninstall(&made, &["peers-test".parse()?], &InstallOptions::default())?;
        expect("removed", &changed.removed.len(), &1)?;
        same(flag, &picture(&made.dir), &before)?;
    }
    // And replaced by ours, with nothing of pip's left.
    pip_in(&made, &["install", "--no-deps", wheel])?;
    let store = store()?;
    let stored = draft().stored(&store, scratch.path())?;
    put_one(&made, &python, &store, &stored)?;
    let replaced = picture(&made.dir);
    uninstall(&made, &["peers-test".parse()?], &InstallOptions::default())?;
    put_one(&made, &python, &store, &stored)?;
    same("replaced", &replaced, &picture(&made.dir))
}

fn uv_in(environment: &Environment, arguments: &[&str]) -> Result<String, Failed> {
    let mut command = Command::new(peer("uv").ok_or("no uv")?);
    command
        .args(["--offline", "--no-cache", "pip"])
        .args(arguments);
    output(command.arg("--python").arg(&environment.python))
}

fn uv_sees_ours() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let python = any_python()?;
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let before = picture(&made.dir);
    let stored = draft().stored(&store, scratch.path())?;
    put_one(&made, &python, &store, &stored)?;
    let list = uv_in(&made, &["freeze"])?;
    expect("listed", &list.trim(), &"peers-test==1.5")?;
    uv_in(&made, &["check"])?;
    uv_in(&made, &["uninstall", "peers-test"])?;
    let mut after = picture(&made.dir);
    after.retain(|path, _| before.contains_key(path) || !made.dir.join(path).is_dir());
    after.remove(Path::new(".lock")); // uv's own, in the environment
    same("after uv's uninstall", &after, &before)
}

fn ours_sees_uvs() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let before = picture(&made.dir);
    let wheel = draft().write(scratch.path());
    for flag in ["--compile-bytecode", "--no-compile-bytecode"] {
        uv_in(
            &made,
            &[
                "install",
                "--no-deps",
                flag,
                wheel.to_str().unwrap_or_default(),
            ],
        )?;
        uninstall(&made, &["peers-test".parse()?], &InstallOptions::default())?;
        let mut after = picture(&made.dir);
        after.remove(Path::new(".lock")); // uv's own, in the environment
        same(flag, &after, &before)?;
    }
    Ok(())
}

fn virtualenvs() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let python = any_python()?;
    let dir = scratch.path().join("env");
    let mut command = Command::new(peer("virtualenv").ok_or("no virtualenv")?);
    command.args(["--no-download", "--no-periodic-update", "--python"]);
    output(command.arg(&python.executable).arg(&dir))?;
    let made = Environment::open(&dir)?;
    let before = picture(&made.dir);
    let stored = draft().stored(&store, scratch.path())?;
    put_one(&made, &python, &store, &stored)?;
    let said = output(&mut Command::new(dir.join("bin/peers-test")))?;
    expect("said", &said.trim(), &"called")?;
    uninstall(&made, &["peers-test".parse()?], &InstallOptions::default())?;
    let mut after = picture(&made.dir);
    after.retain(|path, _| !path.to_string_lossy().contains("__pycache__"));
    let mut before = before;
    before.retain(|path, _| !path.to_string_lossy().contains("__pycache__"));
    same("as before", &after, &before)?;
    // What it seeded goes like anything else.
    let changed = uninstall(&made, &["pip".parse()?], &InstallOptions::default())?;
    expect("removed", &changed.removed.len(), &1)?;
    expect("pip", &fs::exists(made.site_packages.join("pip"))?, &false)
}
