//! Repairs by the doctor: nothing outside of the environment is touched, and nobody who is at
//! work in it is disturbed.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{InstallOptions, LinkMode};
use venv_sim::{Cache, Environment, Installed, Prune, Search, Store, create, examine};

use crate::machine::{any_python, expect, options, output, scratch, trial};
use crate::wheels::{Draft, picture, put, put_one, same};

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
        (
            "links_into_a_store_that_was_moved_are_found_and_led_back",
            store_moved,
        ),
        (
            "links_into_a_store_that_is_gone_are_found_and_installing_mends_them",
            store_gone,
        ),
    ] {
        trials.push(trial(claim, missing(), run));
    }
    trials
}

fn draft() -> Draft {
    Draft::new("edited", "1.0")
        .file("edited/__init__.py", "")
        .file("edited/mod.py", "VALUE = 1\n")
        .file("edited_one.py", "VALUE = 1\n")
        .file("space/part/__init__.py", "")
}

/// An environment with `edited` in it, whose wheel is in the store.
struct Ward {
    scratch: tempfile::TempDir,
    made: Environment,
    search: Search,
}

impl Ward {
    fn new() -> Result<Self, Failed> {
        Self::by(LinkMode::Copy)
    }

    fn by(link_mode: LinkMode) -> Result<Self, Failed> {
        let scratch = scratch();
        let (cache, python) = (Cache::at(scratch.path().join("cache")), any_python()?);
        let made = create(&scratch.path().join("env"), &python, &options())?;
        let store = Store::of(&cache)?;
        let stored = draft().stored(&store, scratch.path())?;
        let options = InstallOptions {
            link_mode,
            ..InstallOptions::default()
        };
        put(&made, &python, &store, &[&stored], &options)?;
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

/// The files that are not as they were, by what installed packages say of themselves.
fn harmed(made: &Environment) -> Result<usize, Failed> {
    Ok(Installed::of(made)?.check_files(&made.dir).len())
}

fn store_moved() -> Result<(), Failed> {
    let mut ward = Ward::by(LinkMode::Symlink)?;
    expect("kinds", &ward.kinds()?, &vec![])?;
    expect("harmed", &harmed(&ward.made)?, &0)?;
    let moved = ward.scratch.path().join("moved");
    fs::rename(ward.scratch.path().join("cache"), &moved)?;
    ward.search = Search::of_process().cache(Cache::at(&moved));
    // One for a package, one for a part of a namespace, and one ailment for both.
    expect("harmed", &harmed(&ward.made)?, &2)?;
    expect("kinds", &ward.kinds()?, &vec!["broken-link"])?;
    ward.mend()?;
    expect("kinds", &ward.kinds()?, &vec![])?;
    expect("harmed", &harmed(&ward.made)?, &0)?;
    let mut command = Command::new(&ward.made.python);
    output(command.args(["-B", "-c", "import edited.mod, space.part"]))?;
    // And pruning knows of them, whatever else their environment shares with the store.
    let info = ward.made.site_packages.join("edited-1.0.dist-info");
    for file in [
        info.join("METADATA"),
        info.join("WHEEL"),
        ward.made.site_packages.join("edited_one.py"),
    ] {
        let content = fs::read(&file)?;
        fs::remove_file(&file)?;
        fs::write(&file, content)?;
    }
    let pruned = Store::of(&Cache::at(&moved))?.prune(Prune::All)?;
    expect("kept", &pruned.kept, &1)
}

fn store_gone() -> Result<(), Failed> {
    let ward = Ward::by(LinkMode::Symlink)?;
    let cache = ward.scratch.path().join("cache");
    fs::remove_dir_all(&cache)?;
    let health = examine(&ward.made.dir, &ward.search)?;
    expect("ailments", &health.ailments.len(), &1)?;
    let ailment = &health.ailments[0];
    expect("mendable", &ailment.is_mendable(), &false)?;
    let tells = ailment.remedy.ends_with("--reinstall edited`");
    expect(&ailment.remedy, &tells, &true)?;
    // What the remedy does.
    let (python, store) = (any_python()?, Store::of(&Cache::at(&cache))?);
    let stored = draft().stored(&store, ward.scratch.path())?;
    put_one(&ward.made, &python, &store, &stored)?;
    expect("kinds", &ward.kinds()?, &vec![])
}
