//! The store under edits, kills, and several processes at once.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{InstallOptions, LinkMode};
use venv_sim::{Cache, Environment, Error, Interpreter, Prune, Store, create};

use crate::machine::{any_python, expect, options, scratch, trial};
use crate::wheels::{Draft, picture, put, same};

/// Names the directory for [`store_for_ever`], in a child of this program.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_STORES_IN";

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    let mut trials = Vec::new();
    for (claim, run) in [
        (
            "an_edit_through_a_hard_link_is_found_and_mended",
            edited as fn() -> Result<(), Failed>,
        ),
        (
            "an_edit_that_keeps_size_and_time_is_found_by_its_digest",
            hidden_edit,
        ),
        (
            "a_store_that_was_tampered_with_gives_what_the_wheel_has",
            tampered,
        ),
        ("a_store_without_its_archive_says_what_to_do", no_archive),
        ("pruning_keeps_what_environments_need", pruned),
        (
            "pruning_keeps_what_links_lead_to_wherever_their_environment_is",
            pruned_beside_links,
        ),
        ("a_store_that_others_can_write_to_is_not_used", open_store),
        ("a_wheel_is_known_again_until_its_file_changes", known),
        ("a_kill_at_any_moment_leaves_a_store_that_works", kills),
        ("many_at_once_share_one_fresh_store", many),
        ("without_a_cache_the_store_goes_with_its_user", private),
    ] {
        trials.push(trial(claim, missing(), run));
    }
    trials
}

fn draft() -> Draft {
    Draft::new("shared", "1.0")
        .file("shared/__init__.py", "VALUE = 1\n")
        .file("shared/other.py", "OTHER = 1\n")
}

struct Ground {
    scratch: tempfile::TempDir,
    python: Interpreter,
    store: Store,
}

impl Ground {
    fn new() -> Result<Self, Failed> {
        let scratch = scratch();
        Ok(Self {
            python: any_python()?,
            store: Store::of(&Cache::at(scratch.path().join("cache")))?,
            scratch,
        })
    }

    /// A new environment with the wheel in it, and what was said of that.
    fn install(&self, name: &str) -> Result<(Environment, Vec<String>), Failed> {
        let made = create(&self.scratch.path().join(name), &self.python, &options())?;
        let stored = draft().stored(&self.store, self.scratch.path())?;
        let options = InstallOptions {
            link_mode: LinkMode::HardLink,
            ..InstallOptions::default()
        };
        let changed = put(&made, &self.python, &self.store, &[&stored], &options)?;
        Ok((made, changed.warnings))
    }
}

fn module(environment: &Environment) -> std::path::PathBuf {
    environment.site_packages.join("shared/__init__.py")
}

fn edited() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let (one, warnings) = ground.install("one")?;
    expect("warnings", &warnings.len(), &0)?;
    for edit in ["VALUE = 1000\n", "VALUE = 2\n"] {
        // In place, as `echo >` and some editors do it.
        fs::write(module(&one), edit)?;
        let (two, warnings) = ground.install(&format!("after {}", edit.len()))?;
        expect("warnings", &warnings.len(), &1)?;
        let tells = warnings[0].contains("shared/__init__.py") && warnings[0].contains("changed");
        expect(&warnings[0], &tells, &true)?;
        expect(
            "the new one",
            &&*fs::read_to_string(module(&two))?,
            &"VALUE = 1\n",
        )?;
        expect(
            "the edited one",
            &&*fs::read_to_string(module(&one))?,
            &edit,
        )?;
        // The next shares with the store again, and hears nothing.
        let (three, warnings) = ground.install(&format!("then {}", edit.len()))?;
        expect("warnings", &warnings.len(), &0)?;
        let inode = |environment| Ok::<_, Failed>(fs::metadata(module(environment))?.ino());
        expect("shared", &inode(&three)?, &inode(&two)?)?;
        fs::remove_file(module(&one))?;
        fs::hard_link(module(&two), module(&one))?;
    }
    Ok(())
}

fn hidden_edit() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let (one, _) = ground.install("one")?;
    let before = fs::metadata(module(&one))?;
    fs::write(module(&one), "VALUE = 2\n")?;
    let time = UNIX_EPOCH + Duration::from_secs(before.mtime().unsigned_abs());
    File::options()
        .append(true)
        .open(module(&one))?
        .set_modified(time)?;
    expect("by size and time", &ground.store.verify(false)?.len(), &0)?;
    let mended = ground.store.verify(true)?;
    expect("by digest", &mended.len(), &1)?;
    expect("which", &&*mended[0].file, &Path::new("shared/__init__.py"))?;
    let (two, _) = ground.install("two")?;
    expect(
        "the new one",
        &&*fs::read_to_string(module(&two))?,
        &"VALUE = 1\n",
    )?;
    expect("again", &ground.store.verify(true)?.len(), &0)
}

fn tampered() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let stored = draft().stored(&ground.store, ground.scratch.path())?;
    let file = stored.tree().join("shared/__init__.py");
    let secret = ground.scratch.path().join("secret");
    fs::write(&secret, "VALUE = 1\n")?;
    fs::remove_file(&file)?;
    symlink(&secret, &file)?;
    let (one, warnings) = ground.install("one")?;
    expect("warnings", &warnings.len(), &1)?;
    let found = fs::symlink_metadata(module(&one))?;
    expect("a file", &found.is_file(), &true)?;
    expect(
        "no other's",
        &(found.ino() == fs::metadata(&secret)?.ino()),
        &false,
    )?;
    fs::remove_file(&file)?;
    ground.install("gone")?;
    // A manifest that leads elsewhere is none; the wheel is unpacked anew.
    let manifest = stored.tree().with_file_name("manifest");
    let text = fs::read_to_string(&manifest)?;
    fs::write(&manifest, text.replace("d shared", "d ../../../shared"))?;
    expect("taken", &ground.store.get(&stored.sha256).is_some(), &false)?;
    ground.install("anew")?;
    expect("whole again", &fs::read_to_string(&manifest)?, &text)
}

fn no_archive() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let (one, _) = ground.install("one")?;
    let stored = draft().stored(&ground.store, ground.scratch.path())?;
    ground.store.prune(Prune::Archives)?;
    fs::write(module(&one), "VALUE = 1000\n")?;
    let made = create(
        &ground.scratch.path().join("two"),
        &ground.python,
        &options(),
    )?;
    let before = picture(&made.dir);
    let options = InstallOptions::default();
    match put(&made, &ground.python, &ground.store, &[&stored], &options) {
        Err(error @ Error::Spoiled { .. }) if error.hint().is_some() => {}
        other => return Err(format!("{other:?}").into()),
    }
    same("unchanged", &picture(&made.dir), &before)?;
    // What the hint says. Nothing vouched for the entry, so all of it is unpacked anew and nothing
    // is left to be mended.
    let (three, warnings) = ground.install("three")?;
    expect("warnings", &warnings.len(), &0)?;
    expect(
        "mended",
        &&*fs::read_to_string(module(&three))?,
        &"VALUE = 1\n",
    )
}

fn pruned() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let (one, _) = ground.install("one")?;
    let made = create(
        &ground.scratch.path().join("linked"),
        &ground.python,
        &options(),
    )?;
    let draft = Draft::new("linked", "1.0").file("linked/__init__.py", "");
    let linked = draft.stored(&ground.store, ground.scratch.path())?;
    let options = InstallOptions {
        link_mode: LinkMode::Symlink,
        ..InstallOptions::default()
    };
    put(&made, &ground.python, &ground.store, &[&linked], &options)?;
    let unused = Draft::new("unused", "1.0").file("unused.py", "");
    let unused = unused.stored(&ground.store, ground.scratch.path())?;
    expect("wheels", &ground.store.size()?.wheels, &3)?;
    let gone = ground.store.prune(Prune::Unused)?;
    expect("unused", &(gone.wheels, gone.kept), &(1, 1))?;
    expect(
        "the unused",
        &ground.store.get(&unused.sha256).is_some(),
        &false,
    )?;
    expect("freed", &(gone.bytes > 0), &true)?;
    // Also where it had to be unpacked anew, and the environment's other files are no more its own.
    fs::write(linked.tree().with_file_name("manifest"), "")?;
    draft.stored(&ground.store, ground.scratch.path())?;
    let gone = ground.store.prune(Prune::All)?;
    expect("all", &(gone.wheels, gone.kept), &(1, 1))?;
    expect("hard links stay", &module(&one).is_file(), &true)?;
    expect(
        "links, too",
        &made.site_packages.join("linked/__init__.py").is_file(),
        &true,
    )?;
    // Gone with its environment.
    fs::remove_dir_all(&made.dir)?;
    expect("then", &ground.store.prune(Prune::All)?.wheels, &1)?;
    let size = ground.store.size()?;
    expect(
        "left",
        &(size.wheels, size.archive_bytes, size.bytecode_bytes),
        &(0, 0, 0),
    )?;
    // Not while another uses it.
    let other = Store::of(&Cache::at(ground.scratch.path().join("cache")))?;
    match ground.store.prune(Prune::All) {
        Err(Error::InUse { .. }) => drop(other),
        other => return Err(format!("{other:?}").into()),
    }
    ground.install("after")?;
    Ok(())
}

fn pruned_beside_links() -> Result<(), Failed> {
    let Ground {
        scratch,
        python,
        store,
    } = Ground::new()?;
    // A path is no line.
    let made = create(&scratch.path().join("one\ntwo"), &python, &options())?;
    let stored = draft().stored(&store, scratch.path())?;
    let links = InstallOptions {
        link_mode: LinkMode::Symlink,
        ..InstallOptions::default()
    };
    put(&made, &python, &store, &[&stored], &links)?;
    let kept = |store: &Store| -> Result<usize, Failed> { Ok(store.prune(Prune::All)?.kept) };
    expect("kept", &kept(&store)?, &1)?;
    let moved = scratch.path().join("moved");
    fs::rename(&made.dir, &moved)?;
    expect("kept for the moved", &kept(&store)?, &1)?;
    let made = Environment::open(&moved)?;
    expect("its module", &module(&made).is_file(), &true)?;
    drop(store);
    // The store by another name, from which no link leads there.
    let alias = scratch.path().join("alias");
    symlink(scratch.path().join("cache"), &alias)?;
    put(
        &made,
        &python,
        &Store::of(&Cache::at(&alias))?,
        &[&stored],
        &links,
    )?;
    fs::remove_file(&alias)?;
    expect("its module", &module(&made).is_file(), &true)?;
    let store = Store::of(&Cache::at(scratch.path().join("cache")))?;
    // Nor does another name of its files tell of it.
    for name in ["METADATA", "WHEEL"] {
        let path = made.site_packages.join("shared-1.0.dist-info").join(name);
        let content = fs::read(&path)?;
        fs::remove_file(&path)?;
        fs::write(&path, content)?;
    }
    expect("kept by its link", &kept(&store)?, &1)?;
    fs::remove_dir_all(&moved)?;
    expect("gone with it", &store.prune(Prune::All)?.wheels, &1)
}

fn open_store() -> Result<(), Failed> {
    use std::os::unix::fs::PermissionsExt;
    let scratch = scratch();
    let cache = Cache::at(scratch.path().join("cache"));
    drop(Store::of(&cache)?);
    let wheels = scratch.path().join("cache/wheels");
    fs::set_permissions(&wheels, fs::Permissions::from_mode(0o777))?;
    match Store::of(&cache) {
        Err(Error::Io { .. }) => {}
        other => return Err(format!("{other:?}").into()),
    }
    fs::remove_dir(&wheels)?;
    symlink("/tmp", &wheels)?;
    match Store::of(&cache) {
        Err(Error::Io { .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn known() -> Result<(), Failed> {
    let ground = Ground::new()?;
    let wheel = draft().write(ground.scratch.path());
    let first = ground.store.add(&wheel)?;
    expect("again", &ground.store.add(&wheel)?, &first)?;
    // Another content under the same name, in place.
    let other = draft().file("shared/more.py", "");
    let elsewhere = ground.scratch.path().join("elsewhere");
    fs::create_dir(&elsewhere)?;
    fs::write(&wheel, fs::read(other.write(&elsewhere))?)?;
    let second = ground.store.add(&wheel)?;
    expect("another", &(second.sha256 == first.sha256), &false)?;
    // Under another name it is for whom that name says, and no other project's.
    let renamed = ground.scratch.path().join("shared-1.0-py2-none-any.whl");
    fs::copy(&wheel, &renamed)?;
    let third = ground.store.add(&renamed)?;
    expect("digest", &third.sha256, &second.sha256)?;
    expect(
        "tag",
        &third.name.tags[0].to_string(),
        &"py2-none-any".to_owned(),
    )?;
    let wrong = ground.scratch.path().join("shared-2.0-py3-none-any.whl");
    fs::copy(&wheel, &wrong)?;
    match ground.store.add(&wrong) {
        Err(Error::BadWheel { .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// A wheel that takes a while to unpack.
fn large(name: &str) -> Draft {
    let mut draft = Draft::new(name, "1.0");
    for number in 0..300 {
        let path = format!("{name}/part_{}/module_{number}.py", number % 20);
        draft = draft.file(&path, format!("NUMBER = {number}\n").repeat(20));
    }
    draft
}

/// Fills a new store with the wheels in `dir` again and again until killed.
pub(crate) fn store_for_ever(dir: &Path) -> ExitCode {
    loop {
        let cache = Cache::at(dir.join("cache"));
        let added = Store::of(&cache).and_then(|store| {
            store.add(&dir.join("one-1.0-py3-none-any.whl"))?;
            store.add(&dir.join("two-1.0-py3-none-any.whl"))?;
            store.prune(Prune::All)
        });
        match added {
            // The parent looks at the store just now.
            Ok(_) | Err(Error::InUse { .. }) => {}
            Err(error) => {
                eprintln!("{error}: {:?}", std::error::Error::source(&error));
                return ExitCode::FAILURE;
            }
        }
    }
}

fn kills() -> Result<(), Failed> {
    let scratch = scratch();
    let wheels = [
        large("one").write(scratch.path()),
        large("two").write(scratch.path()),
    ];
    let cache = Cache::at(scratch.path().join("cache"));
    let whole = Store::of(&Cache::at(scratch.path().join("other")))?;
    let whole: Vec<_> = wheels
        .iter()
        .map(|wheel| Ok(picture(&whole.add(wheel)?.tree())))
        .collect::<Result<_, Failed>>()?;
    let mut midway = 0;
    for round in 0..40_u64 {
        let mut child = Command::new(std::env::current_exe()?)
            .env(CHILD, scratch.path())
            .stderr(Stdio::piped())
            .spawn()?;
        thread::sleep(Duration::from_micros(4_000 + round * 7_919 % 60_000));
        child.kill()?;
        let said = child.wait_with_output()?;
        expect(
            "the child said",
            &String::from_utf8_lossy(&said.stderr).into_owned(),
            &String::new(),
        )?;
        midway += usize::from(has_unfinished(&scratch.path().join("cache")));
        let store = Store::of(&cache)?;
        for (wheel, whole) in wheels.iter().zip(&whole) {
            let stored = store.add(wheel)?;
            same("unpacked", &picture(&stored.tree()), whole)?;
        }
        expect("verified", &store.verify(true)?.len(), &0)?;
        store.prune(Prune::All)?;
        let size = store.size()?;
        let bytes = (size.wheels, size.archive_bytes, size.bytecode_bytes);
        expect("left", &bytes, &(0, 0, 0))?;
        let left = has_unfinished(&scratch.path().join("cache"));
        expect("left", &left, &false)?;
    }
    expect("a kill met an unpacking", &(midway > 0), &true)
}

fn has_unfinished(cache: &Path) -> bool {
    ["wheels", "archives", "bytecode"].iter().any(|name| {
        let entries = fs::read_dir(cache.join(name))
            .into_iter()
            .flatten()
            .flatten();
        entries.into_iter().any(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with('.')
        })
    })
}

fn many() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let cache = Cache::at(scratch.path().join("cache"));
    let wheels = [
        large("one").write(scratch.path()),
        large("two").write(scratch.path()),
    ];
    // Two into one environment, two into others; each with a store of its own, as processes have.
    let same_one = create(&scratch.path().join("same"), &python, &options())?;
    let environments = [
        same_one.clone(),
        same_one.clone(),
        create(&scratch.path().join("three"), &python, &options())?,
        create(&scratch.path().join("four"), &python, &options())?,
    ];
    thread::scope(|scope| {
        let work: Vec<_> = environments
            .iter()
            .map(|environment| {
                scope.spawn(|| {
                    let store = Store::of(&cache)?;
                    let stored = [store.add(&wheels[0])?, store.add(&wheels[1])?];
                    let options = InstallOptions {
                        patience: Duration::from_secs(60),
                        compile_bytecode: true,
                        ..InstallOptions::default()
                    };
                    put(
                        environment,
                        &python,
                        &store,
                        &[&stored[0], &stored[1]],
                        &options,
                    )
                })
            })
            .collect();
        work.into_iter()
            .try_for_each(|work| work.join().expect("no panic").map(drop))
    })?;
    let first = picture(&environments[0].site_packages);
    expect(
        "modules",
        &first
            .keys()
            .filter(|path| path.extension().is_some_and(|e| e == "py"))
            .count(),
        &600,
    )?;
    for environment in &environments {
        expect("left", &environment.dir.join(".isolab").exists(), &false)?;
        same("alike", &picture(&environment.site_packages), &first)?;
    }
    // Who does not wait is told.
    let lock = File::open(&same_one.dir)?;
    lock.lock()?;
    let options = InstallOptions {
        patience: Duration::from_millis(20),
        ..InstallOptions::default()
    };
    match venv_sim::install::uninstall(&same_one, &["one".parse()?], &options) {
        Err(error @ Error::InUse { .. }) if error.hint().is_some() => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn private() -> Result<(), Failed> {
    let scratch = scratch();
    let store = Store::of(&Cache::none())?;
    let stored = draft().stored(&store, scratch.path())?;
    let tree = stored.tree();
    expect("there", &tree.is_dir(), &true)?;
    drop(store);
    expect("there", &tree.exists(), &false)
}
