//! A creation that is killed, or meets another, leaves a whole environment or none.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Cache, Environment, Error, Options, Search, create};

use crate::machine::{any_python, expect, files, options, scratch, trial};
use crate::seeding::no_ensurepip;

/// Names the directory for [`create_for_ever`], in a child of this program.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_CREATES_IN";
/// Says that these have pip.
const SEED: &str = "VENV_SIM_TEST_SEEDS";

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "a_kill_at_any_moment_leaves_all_or_nothing",
            missing(),
            || kills(false),
        ),
        trial(
            "a_kill_at_any_moment_leaves_all_with_pip_or_nothing",
            no_ensurepip(any_python()),
            || kills(true),
        ),
        trial("of_two_creations_at_once_one_wins_whole", missing(), race),
    ]
}

/// Creates and replaces the environment `env` in `dir` until killed.
pub(crate) fn create_for_ever(dir: &Path) -> ExitCode {
    let cache = Cache::at(dir.join("cache"));
    let search = Search::of_process().cache(cache.clone());
    let Ok(python) = search.discover(None) else {
        return ExitCode::FAILURE;
    };
    let options = Options {
        clear: true,
        seed: std::env::var_os(SEED).is_some(),
        cache,
        ..Options::default()
    };
    loop {
        if let Err(error) = create(&dir.join("env"), &python, &options) {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            return ExitCode::FAILURE;
        }
        if fs::metadata(dir.join("remove")).is_ok() {
            let _ = fs::rename(dir.join("env"), dir.join("gone"));
            let _ = fs::remove_dir_all(dir.join("gone"));
        }
    }
}

fn kills(seed: bool) -> Result<(), Failed> {
    let scratch = scratch();
    let cache = Cache::at(scratch.path().join("cache"));
    // Known to the children, so that they begin at once.
    let search = Search::of_process().cache(cache.clone());
    let python = search.discover(None)?;
    let dir = scratch.path().join("env");
    let options = Options {
        clear: true,
        seed,
        cache,
        ..Options::default()
    };
    create(&dir, &python, &options)?;
    let whole = files(&dir);
    let mut midway = 0;
    for round in 0..60_u64 {
        // Odd rounds take the environment away each time, so that it also appears anew.
        if round % 2 == 1 {
            fs::write(scratch.path().join("remove"), "")?;
        } else {
            let _ = fs::remove_file(scratch.path().join("remove"));
        }
        let mut child = Command::new(std::env::current_exe()?);
        child.env(CHILD, scratch.path()).stderr(Stdio::piped());
        if seed {
            child.env(SEED, "yes");
        }
        let mut child = child.spawn()?;
        thread::sleep(Duration::from_micros(8_000 + round * 397 % 12_000));
        child.kill()?;
        let said = child.wait_with_output()?;
        expect(
            "the child said",
            &String::from_utf8_lossy(&said.stderr).into_owned(),
            &String::new(),
        )?;
        midway += usize::from(!unfinished(scratch.path()).is_empty());
        if dir.exists() {
            expect("files", &files(&dir), &whole)?;
            Environment::open(&dir)?;
        }
    }
    expect("a kill met a creation", &(midway > 0), &true)?;
    // What the last kill left is taken away by the next creation.
    create(&dir, &python, &options)?;
    expect("left beside it", &unfinished(scratch.path()), &Vec::new())
}

/// The directories in `parent` that creations are building, or left.
fn unfinished(parent: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    names
        .filter(|name| name.as_bytes().starts_with(b".venv-sim"))
        .collect()
}

fn race() -> Result<(), Failed> {
    let python = any_python()?;
    for _ in 0..20 {
        let scratch = scratch();
        let dir = scratch.path().join("env");
        let outcomes: Vec<_> = thread::scope(|scope| {
            let creators: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| create(&dir, &python, &options())))
                .collect();
            creators
                .into_iter()
                .map(|creator| creator.join().expect("no panic"))
                .collect()
        });
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        expect("winners", &won, &1)?;
        for outcome in outcomes {
            match outcome {
                Ok(made) => expect("whole", &Environment::open(&dir)?, &made)?,
                Err(Error::Busy { .. } | Error::Occupied { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let left: Vec<_> = fs::read_dir(scratch.path())?
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        expect("left", &left, &vec!["env".into()])?;
    }
    Ok(())
}
