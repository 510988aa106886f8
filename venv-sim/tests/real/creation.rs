//! Nothing but an environment is ever replaced, and what is made is small and movable.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Error, Options, create};

use crate::machine::{any_python, expect, files, options, output, scratch, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "what_is_no_environment_is_never_replaced",
            missing(),
            occupied,
        ),
        trial(
            "clear_replaces_an_environment_and_follows_no_link",
            missing(),
            clear,
        ),
        trial(
            "an_empty_directory_becomes_the_environment",
            missing(),
            empty,
        ),
        trial(
            "what_pyvenv_cfg_cannot_hold_is_refused",
            missing(),
            unwritable,
        ),
        trial(
            "an_environment_takes_at_most_thirty_kilobytes_of_its_own",
            missing(),
            footprint,
        ),
        trial("a_failed_creation_leaves_nothing", missing(), failed),
        trial("a_moved_environment_still_activates", missing(), moved),
    ]
}

fn occupied() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let clear = Options {
        clear: true,
        ..options()
    };
    let refused = |dir: &Path, options: &Options| match create(dir, &python, options) {
        Err(error @ (Error::Occupied { .. } | Error::BadLocation { .. }))
            if error.hint().is_some() =>
        {
            Ok(())
        }
        other => Err(Failed::from(format!("{}: {other:?}", dir.display()))),
    };
    let directory = scratch.path().join("directory");
    fs::create_dir(&directory)?;
    fs::write(directory.join("thesis.txt"), "years of work")?;
    let file = scratch.path().join("file");
    fs::write(&file, "text")?;
    let link = scratch.path().join("link");
    symlink(&directory, &link)?;
    let dangling = scratch.path().join("dangling");
    symlink("nowhere", &dangling)?;
    let colon = scratch.path().join("a:b");
    for dir in [
        &directory,
        &file,
        &link,
        &dangling,
        &colon,
        Path::new("/"),
        Path::new(".."),
    ] {
        refused(dir, &options())?;
        refused(dir, &clear)?;
    }
    expect(
        "kept",
        &fs::read_to_string(directory.join("thesis.txt"))?,
        &"years of work".to_owned(),
    )?;
    let environment = scratch.path().join("env");
    create(&environment, &python, &options())?;
    refused(&environment, &options())
}

fn clear() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let precious = scratch.path().join("precious");
    fs::create_dir(&precious)?;
    fs::write(precious.join("file"), "kept")?;
    let dir = scratch.path().join("env");
    let first = create(&dir, &python, &options())?;
    fs::write(first.site_packages.join("old.py"), "")?;
    symlink(&precious, dir.join("lib/out"))?;
    symlink(&precious, first.site_packages.join("out"))?;
    let second = create(
        &dir,
        &python,
        &Options {
            clear: true,
            ..options()
        },
    )?;
    expect(
        "old package",
        &second.site_packages.join("old.py").exists(),
        &false,
    )?;
    expect(
        "behind the link",
        &fs::read_to_string(precious.join("file"))?,
        &"kept".to_owned(),
    )?;
    let mut left: Vec<_> = fs::read_dir(scratch.path())?
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    left.sort();
    expect("left", &left, &vec!["env".into(), "precious".into()])
}

fn empty() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("deep/er/env");
    fs::create_dir_all(&dir)?;
    let made = create(&dir, &python, &options())?;
    output(Command::new(made.python).args(["-c", "import json"])).map(drop)
}

fn unwritable() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    for prompt in ["two\nlines", "home = /x\r", "\u{1b}[31m", "\0"] {
        let options = Options {
            prompt: Some(prompt.to_owned()),
            ..options()
        };
        match create(&scratch.path().join("env"), &python, &options) {
            Err(Error::Unwritable { .. }) => {}
            other => return Err(format!("{prompt:?}: {other:?}").into()),
        }
    }
    expect("left", &files(scratch.path()), &Vec::new())?;
    // A directory's name cannot add a line either: it is in `command`, escaped.
    let dir = scratch.path().join("a\nhome = /evil\n");
    let made = create(&dir, &python, &options())?;
    let config = fs::read_to_string(dir.join("pyvenv.cfg"))?;
    expect(
        "homes",
        &config
            .lines()
            .filter(|line| line.starts_with("home"))
            .count(),
        &1,
    )?;
    output(Command::new(made.python).args(["-c", "import json"])).map(drop)
}

fn footprint() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let other = create(&scratch.path().join("other"), &python, &options())?;
    let dir = scratch.path().join("env");
    create(&dir, &python, &options())?;
    let mut paths = files(&dir);
    paths.push("".into());
    let mut bytes = 0;
    for path in paths {
        let metadata = fs::symlink_metadata(dir.join(path))?;
        if metadata.is_dir() || metadata.nlink() == 1 {
            bytes += metadata.blocks() * 512;
        }
    }
    expect(
        "shared",
        &(fs::metadata(other.dir.join("bin/activate"))?.nlink() > 2),
        &true,
    )?;
    if bytes <= 30_000 {
        Ok(())
    } else {
        Err(format!("{bytes} bytes").into())
    }
}

fn failed() -> Result<(), Failed> {
    let mut python = any_python()?;
    python.executable = "/nowhere/python3.11".into();
    let scratch = scratch();
    let options = Options {
        copies: true,
        ..options()
    };
    match create(&scratch.path().join("env"), &python, &options) {
        Err(Error::Io { .. }) => expect("left", &files(scratch.path()), &Vec::new()),
        other => Err(format!("{other:?}").into()),
    }
}

fn moved() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let (before, after) = (scratch.path().join("before"), scratch.path().join("after"));
    create(&before, &python, &options())?;
    fs::rename(&before, &after)?;
    let body = ". after/bin/activate && python -c 'import sys; print(sys.prefix)'";
    let said = output(
        Command::new("sh")
            .args(["-c", body])
            .current_dir(scratch.path()),
    )?;
    expect(
        "prefix",
        &said.trim_end(),
        &after.to_str().unwrap_or_default(),
    )
}
