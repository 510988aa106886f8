//! Two processes that change one environment: the second waits, and goes on with what is there
//! then.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use venv_sim::fill::{Filled, Means, Order, Step, fill};
use venv_sim::index::{IndexFlags, Variables};
use venv_sim::install::InstallOptions;
use venv_sim::{Cache, Environment, Error, Installed, Options, Rules, Store, create};

use crate::machine::{any_python, expect, options, output, scratch, trial};
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
        trial(
            "a_plan_that_another_installation_overtook_is_made_again",
            missing(),
            overtaken,
        ),
        trial(
            "a_plan_that_is_overtaken_again_and_again_is_given_up",
            missing(),
            given_up,
        ),
        trial(
            "what_a_killed_installation_left_counts_for_nothing_in_a_plan",
            missing(),
            half_done,
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

/// An environment, and the directory that is its only index.
struct Shelf {
    scratch: tempfile::TempDir,
    made: Environment,
}

impl Shelf {
    fn with(drafts: &[Draft]) -> Result<Self, Failed> {
        let scratch = scratch();
        let made = create(&scratch.path().join("env"), &any_python()?, &options())?;
        for draft in drafts {
            draft.write(scratch.path());
        }
        Ok(Self { scratch, made })
    }

    fn fill(&self, wanted: &str, progress: &(dyn Fn(Step<'_>) + Sync)) -> venv_sim::Result<Filled> {
        let variables = Variables::new();
        let words = [wanted.to_owned()];
        let order = Order::read(&words, &[], &[], Rules::default(), &variables)?;
        let means = Means {
            cache: &Cache::at(self.scratch.path().join("cache")),
            variables: &variables,
            index: &IndexFlags {
                no_index: true,
                find_links: vec![self.scratch.path().display().to_string()],
                ..IndexFlags::default()
            },
            install: InstallOptions::default(),
            progress,
        };
        fill(&self.made, &order, &means)
    }

    /// What is installed, `NAME VERSION` each.
    fn names(&self) -> Result<Vec<String>, Failed> {
        let installed = Installed::of(&self.made)?;
        let one = installed.distributions.iter();
        Ok(one
            .map(|one| format!("{} {}", one.name(), one.version()))
            .collect())
    }
}

fn overtaken() -> Result<(), Failed> {
    let shelf = Shelf::with(&[
        Draft::new("base", "1.0"),
        Draft::new("base", "2.0"),
        Draft::new("new", "1.0").requires("base"),
        Draft::new("old", "1.0").requires("base<2"),
    ])?;
    let times = AtomicUsize::new(0);
    // By itself it would bring the newest of what it needs.
    let filled = shelf.fill("new", &|step| {
        if matches!(step, Step::Installing(_)) && times.fetch_add(1, Ordering::SeqCst) == 0 {
            shelf.fill("old", &|_| {}).expect("installed");
        }
    })?;
    expect("planned", &times.load(Ordering::SeqCst), &2)?;
    expect(
        "there",
        &shelf.names()?,
        &["base 1.0", "new 1.0", "old 1.0"]
            .map(str::to_owned)
            .to_vec(),
    )?;
    let added = filled.changed.map(|changed| changed.added.len());
    expect("of these by the second", &added, &Some(1))
}

fn given_up() -> Result<(), Failed> {
    let mut drafts = vec![Draft::new("new", "1.0")];
    drafts.extend((0..9).map(|number| Draft::new(&format!("other{number}"), "1.0")));
    let shelf = Shelf::with(&drafts)?;
    let times = AtomicUsize::new(0);
    let refused = shelf.fill("new", &|step| {
        if matches!(step, Step::Installing(_)) {
            let number = times.fetch_add(1, Ordering::SeqCst);
            shelf
                .fill(&format!("other{number}"), &|_| {})
                .expect("installed");
        }
    });
    match refused {
        Err(error @ Error::InUse { .. }) if error.hint().is_some() => {}
        other => return Err(format!("{other:?}").into()),
    }
    expect("planned", &times.load(Ordering::SeqCst), &3)?;
    let others = ["other0 1.0", "other1 1.0", "other2 1.0"].map(str::to_owned);
    expect("there", &shelf.names()?, &others.to_vec())
}

fn half_done() -> Result<(), Failed> {
    let shelf = Shelf::with(&[Draft::new("new", "1.0").file("new.py", "")])?;
    shelf.fill("new", &|_| {})?;
    // As a kill leaves it before the last of its renames: what says that it is installed is
    // there, and its module is not.
    let site = &shelf.made.site_packages;
    let inside = site.strip_prefix(&shelf.made.dir)?.display().to_string();
    let staged = shelf.made.dir.join(".isolab/new").join(&inside);
    fs::create_dir_all(&staged)?;
    fs::rename(site.join("new.py"), staged.join("new.py"))?;
    let journal =
        format!("isolab-journal 1\0in \0{inside}/new-1.0.dist-info\0in \0{inside}/new.py\0end\0");
    fs::write(shelf.made.dir.join(".isolab/journal"), journal)?;

    let filled = shelf.fill("new", &|_| {})?;
    expect("had to come", &filled.changed.is_some(), &true)?;
    let mut command = Command::new(&shelf.made.python);
    output(command.args(["-B", "-c", "import new"])).map(drop)
}
