//! Repairs by the doctor: nothing outside of the environment is touched, and nobody who is at
//! work in it is disturbed.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Mutex;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{InstallOptions, LinkMode};
use venv_sim::{Cache, Environment, Search, Store, create, examine};

use crate::machine::{any_python, expect, options, scratch, trial};
use crate::wheels::{Draft, picture, put, same};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    let mut trials = Vec::new();
    for (claim, run) in [
        (
            "a_repair_follows_no_link_out_of_the_environment",
            through_links as fn() -> Result<(), Failed>,
        ),
        ("a_link_in_the_place_of_a_file_is_kept_as_one", file_link),
        ("a_repair_waits_for_an_installation", waits),
    ] {
        trials.push(trial(claim, missing(), run));
    }
    trials
}

/// An environment with `edited` in it, whose wheel is in the store.
struct Ward {
    scratch: tempfile::TempDir,
    made: Environment,
    search: Search,
}

impl Ward {
    fn new() -> Result<Self, Failed> {
        let scratch = scratch();
        let (cache, python) = (Cache::at(scratch.path().join("cache")), any_python()?);
        let made = create(&scratch.path().join("env"), &python, &options())?;
        let store = Store::of(&cache)?;
        let stored = Draft::new("edited", "1.0")
            .file("edited/__init__.py", "")
            .file("edited/mod.py", "VALUE = 1\n")
            .file("edited_one.py", "VALUE = 1\n")
            .stored(&store, scratch.path())?;
        let copies = InstallOptions {
            link_mode: LinkMode::Copy,
            ..InstallOptions::default()
        };
        put(&made, &python, &store, &[&stored], &copies)?;
        let search = Search::of_process().cache(cache);
        Ok(Self {
            scratch,
            made,
            search,
        })
    }

    fn kinds(&self) -> Result<Vec<&'static str>, Failed> {
        let health = examine(&self.made.dir, &self.search)?;
        let kinds = health.ailments.iter().map(|ailment| ailment.kind.name());
        Ok(kinds.collect())
    }

    /// Mends what can be, and gives what was said of it.
    fn mend(&self) -> venv_sim::Result<Vec<String>> {
        examine(&self.made.dir, &self.search)?.mend(&self.search, |_| {})
    }

    /// A directory beside the environment with a file of somebody's in it.
    fn outside(&self) -> Result<PathBuf, Failed> {
        let outside = self.scratch.path().join("outside");
        fs::create_dir(&outside)?;
        fs::write(outside.join("mod.py"), "years of work\n")?;
        Ok(outside)
    }
}

fn through_links() -> Result<(), Failed> {
    let ward = Ward::new()?;
    let outside = ward.outside()?;
    let before = picture(&outside);
    let package = ward.made.site_packages.join("edited");
    // A directory that leads out, and one that leads to another in the environment.
    let other = ward.made.dir.join("other");
    fs::rename(&package, &other)?;
    fs::write(other.join("mod.py"), "somebody's\n")?;
    let inside = picture(&other);
    for target in [&outside, &other] {
        symlink(target, &package)?;
        ward.mend()?;
        same("outside", &picture(&outside), &before)?;
        same("inside", &picture(&other), &inside)?;
        fs::remove_file(&package)?;
    }
    // What is kept is kept in the environment.
    fs::rename(&other, &package)?;
    fs::write(package.join("mod.py"), "edited\n")?;
    symlink(&outside, ward.made.dir.join("kept"))?;
    expect("refused", &ward.mend().is_err(), &true)?;
    same("outside", &picture(&outside), &before)?;
    expect(
        "the edit",
        &&*fs::read_to_string(package.join("mod.py"))?,
        &"edited\n",
    )?;
    fs::remove_file(ward.made.dir.join("kept"))?;
    ward.mend()?;
    expect("kinds", &ward.kinds()?, &vec![])
}

fn file_link() -> Result<(), Failed> {
    let ward = Ward::new()?;
    let outside = ward.outside()?;
    let before = picture(&outside);
    let module = ward.made.site_packages.join("edited_one.py");
    fs::remove_file(&module)?;
    symlink(outside.join("mod.py"), &module)?;
    ward.mend()?;
    same("outside", &picture(&outside), &before)?;
    expect("a file again", &module.is_symlink(), &false)?;
    let inside = module.strip_prefix(&ward.made.dir)?;
    let kept = fs::read_link(ward.made.dir.join("kept").join(inside))?;
    expect("kept", &kept, &outside.join("mod.py"))
}

fn waits() -> Result<(), Failed> {
    static HELD: Mutex<Option<File>> = Mutex::new(None);
    let ward = Ward::new()?;
    fs::write(ward.made.site_packages.join("edited_one.py"), "edited\n")?;
    let held = File::open(&ward.made.dir)?;
    held.try_lock()?;
    *HELD.lock()? = Some(held);
    // The installer ends when the repair has begun to wait.
    let say = |_: &str| drop(HELD.lock().expect("no panic").take());
    examine(&ward.made.dir, &ward.search)?.mend(&ward.search, say)?;
    expect("it waited", &HELD.lock()?.is_none(), &true)?;
    expect("kinds", &ward.kinds()?, &vec![])
}
