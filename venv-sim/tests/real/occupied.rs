//! Two processes that change one environment: the second waits, and goes on with what is there
//! then.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::InstallOptions;
use venv_sim::{Cache, Environment, Error, Options, Store, create};

use crate::machine::{any_python, expect, options, scratch, trial};
use crate::wheels::{Draft, picture, put, same};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "an_environment_that_is_being_changed_is_neither_replaced_nor_upgraded",
            missing(),
            refused,
        ),
        trial(
            "a_replacement_waits_for_an_installation_and_says_so",
            missing(),
            waits,
        ),
        trial(
            "an_installation_that_waited_for_a_replacement_goes_into_the_new_one",
            missing(),
            goes_on,
        ),
    ]
}

/// As an installer holds it.
fn hold(dir: &Path) -> Result<File, Failed> {
    let held = File::open(dir)?;
    held.try_lock()?;
    Ok(held)
}

fn refused() -> Result<(), Failed> {
    let (python, scratch) = (any_python()?, scratch());
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let before = picture(&made.dir);
    let held = hold(&made.dir)?;
    let mut asked = Options {
        patience: Duration::ZERO,
        clear: true,
        ..options()
    };
    for upgrade in [false, true] {
        asked.upgrade = upgrade;
        match create(&made.dir, &python, &asked) {
            Err(error @ Error::InUse { .. }) if error.hint().is_some() => {}
            other => return Err(format!("upgrade {upgrade}: {other:?}").into()),
        }
        same("as it was", &picture(&made.dir), &before)?;
        let left = fs::read_dir(scratch.path())?.count();
        expect("beside it", &left, &1)?;
    }
    drop(held);
    for upgrade in [false, true] {
        asked.upgrade = upgrade;
        create(&made.dir, &python, &asked)?;
    }
    Ok(())
}

fn waits() -> Result<(), Failed> {
    static HELD: Mutex<Option<File>> = Mutex::new(None);
    static SAID: AtomicUsize = AtomicUsize::new(0);
    let (python, scratch) = (any_python()?, scratch());
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let old = fs::metadata(&made.dir)?.ino();
    for (times, upgrade) in [(1, false), (2, true)] {
        *HELD.lock()? = Some(hold(&made.dir)?);
        let asked = Options {
            clear: true,
            upgrade,
            // The installer ends when the other has begun to wait.
            say: |_| {
                SAID.fetch_add(1, Ordering::SeqCst);
                drop(HELD.lock().expect("no panic").take());
            },
            ..options()
        };
        create(&made.dir, &python, &asked)?;
        expect("said", &SAID.load(Ordering::SeqCst), &times)?;
    }
    let new = fs::metadata(&made.dir)?.ino();
    expect("it is another", &(old != new), &true)
}

fn goes_on() -> Result<(), Failed> {
    static WAITS: AtomicUsize = AtomicUsize::new(0);
    let (python, scratch) = (any_python()?, scratch());
    let dir = scratch.path().join("env");
    let made = create(&dir, &python, &options())?;
    let store = Store::of(&Cache::at(scratch.path().join("cache")))?;
    let stored = Draft::new("late", "1.0")
        .file("late.py", "")
        .stored(&store, scratch.path())?;
    let held = hold(&dir)?;
    thread::scope(|scope| {
        let installer = scope.spawn(|| {
            let options = InstallOptions {
                say: |_| {
                    WAITS.fetch_add(1, Ordering::SeqCst);
                },
                ..InstallOptions::default()
            };
            put(&made, &python, &store, &[&stored], &options)
        });
        while WAITS.load(Ordering::SeqCst) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        // As a replacement does, which has it meanwhile.
        let aside = scratch.path().join("aside");
        fs::rename(&dir, &aside)?;
        create(&dir, &python, &options())?;
        drop(held);
        installer.join().expect("no panic")?;
        let module = |dir: &Path| -> Result<bool, Failed> {
            let made = Environment::open(dir)?;
            Ok(made.site_packages.join("late.py").exists())
        };
        expect("in the new one", &module(&dir)?, &true)?;
        expect("in the old one", &module(&aside)?, &false)
    })
}
