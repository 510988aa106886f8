//! An installation that fails or is killed leaves the environment as it was, or as it was to be.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{InstallOptions, LinkMode, recover, uninstall};
use venv_sim::{Cache, Environment, Error, Search, Store, create};

use crate::machine::{any_python, expect, options, output, scratch, trial};
use crate::wheels::{Draft, picture, put, put_one, same};

/// Names the directory for [`change_for_ever`], in a child of this program.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_INSTALLS_IN";

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    let no_mount = || can_mount().err().or_else(missing);
    vec![
        trial(
            "a_kill_at_any_moment_leaves_the_old_or_the_new",
            missing(),
            kills,
        ),
        trial(
            "a_full_disk_leaves_the_environment_as_it_was",
            no_mount(),
            full,
        ),
        trial(
            "a_read_only_environment_is_told_and_left",
            no_mount(),
            read_only,
        ),
        trial(
            "a_journal_that_leads_elsewhere_moves_nothing",
            missing(),
            hostile_journal,
        ),
    ]
}

/// Two versions, so that each change is a removal and an addition.
fn draft(version: &str) -> Draft {
    let mut draft = Draft::new("changing", version)
        .file("changing/__init__.py", format!("VERSION = '{version}'\n"))
        .file("changing_module.py", version)
        .script("changing = changing:main")
        .data("data/share/changing/x", version);
    for number in 0..150 {
        let path = format!("changing/v{}/m{number}.py", &version[..1]);
        draft = draft.file(&path, version);
    }
    draft
}

fn wheel(dir: &Path, version: &str) -> std::path::PathBuf {
    dir.join(format!("changing-{version}-py3-none-any.whl"))
}

/// Installs one version over the other, and takes it out again, until killed.
pub(crate) fn change_for_ever(dir: &Path) -> ExitCode {
    let change = || -> venv_sim::Result<()> {
        let cache = Cache::at(dir.join("cache"));
        let python = Search::of_process().cache(cache.clone()).discover(None)?;
        let made = Environment::open(&dir.join("env"))?;
        let store = Store::of(&cache)?;
        let options = InstallOptions::default();
        loop {
            for version in ["1.0", "2.0"] {
                let stored = store.add(&wheel(dir, version))?;
                put(&made, &python, &store, &[&stored], &options)?;
            }
            let name = "changing".parse().expect("a name");
            uninstall(&made, &[name], &options)?;
        }
    };
    if let Err(error) = change() {
        eprintln!("{error}: {:?}", std::error::Error::source(&error));
    }
    ExitCode::FAILURE
}

fn kills() -> Result<(), Failed> {
    let scratch = scratch();
    let dir = scratch.path();
    let cache = Cache::at(dir.join("cache"));
    let python = Search::of_process().cache(cache.clone()).discover(None)?;
    let made = create(&dir.join("env"), &python, &options())?;
    let store = Store::of(&cache)?;
    let mut wholes = vec![picture(&made.dir)];
    for version in ["1.0", "2.0"] {
        let stored = draft(version).stored(&store, dir)?;
        put_one(&made, &python, &store, &stored)?;
        wholes.push(picture(&made.dir));
    }
    drop(store);
    let (mut midway, mut undone) = (0, 0);
    for round in 0..80_u64 {
        let mut child = Command::new(std::env::current_exe()?)
            .env(CHILD, dir)
            .stderr(Stdio::piped())
            .spawn()?;
        thread::sleep(Duration::from_micros(15_000 + round * 7_919 % 70_000));
        child.kill()?;
        let said = child.wait_with_output()?;
        expect(
            "the child said",
            &String::from_utf8_lossy(&said.stderr).into_owned(),
            &String::new(),
        )?;
        let staging = made.dir.join(".isolab");
        midway += usize::from(staging.exists());
        undone +=
            usize::from(staging.join("journal").exists() || staging.join("committed").exists());
        recover(&made)?;
        expect("left", &staging.exists(), &false)?;
        let seen = picture(&made.dir);
        if !wholes.contains(&seen) {
            same("neither the old nor the new", &seen, &wholes[1])?;
        }
    }
    expect("a kill met a change", &(midway > 0), &true)?;
    expect("a kill met its renames", &(undone > 0), &true)
}

/// Whether a small file system can be mounted here.
fn can_mount() -> Result<(), String> {
    let scratch = scratch();
    let small = Small::mount(scratch.path(), "size=64k")?;
    drop(small);
    Ok(())
}

/// A small file system, as long as this lives.
struct Small<'s>(&'s Path);

impl<'s> Small<'s> {
    fn mount(at: &'s Path, options: &str) -> Result<Self, String> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(at);
        match command.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(Self(at)),
            _ => Err("no file system can be mounted here".to_owned()),
        }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

fn full() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let store = Store::of(&Cache::at(scratch.path().join("cache")))?;
    let old = draft("1.0").stored(&store, scratch.path())?;
    let new = draft("2.0").file("changing/large.bin", vec![7; 300_000]);
    let new = new.stored(&store, scratch.path())?;
    let at = scratch.path().join("small");
    fs::create_dir(&at)?;
    let _small = Small::mount(&at, "size=1100k")?;
    let made = create(&at.join("env"), &python, &options())?;
    put_one(&made, &python, &store, &old)?;
    let before = picture(&made.dir);
    // As full as can be: less and less is left for the staged files.
    let filler = at.join("filler");
    for room in [0, 4, 40, 200, 500] {
        let _ = fs::write(&filler, vec![1; 2_000_000]);
        let filled = fs::metadata(&filler)?.len();
        fs::File::options()
            .write(true)
            .open(&filler)?
            .set_len(filled.saturating_sub(room * 1024))?;
        match put_one(&made, &python, &store, &new) {
            Err(Error::Io { .. }) => {}
            other => return Err(format!("{room} KiB: {other:?}").into()),
        }
        same("with a full disk", &picture(&made.dir), &before)?;
    }
    fs::remove_file(&filler)?;
    output(Command::new(made.python).args(["-B", "-c", "import changing"])).map(drop)
}

fn read_only() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let store = Store::of(&Cache::at(scratch.path().join("cache")))?;
    let stored = draft("1.0").stored(&store, scratch.path())?;
    let at = scratch.path().join("small");
    fs::create_dir(&at)?;
    let _small = Small::mount(&at, "size=4m")?;
    let made = create(&at.join("env"), &python, &options())?;
    put_one(&made, &python, &store, &stored)?;
    let before = picture(&made.dir);
    output(Command::new("mount").args(["-o", "remount,ro"]).arg(&at))?;
    for link_mode in [LinkMode::Auto, LinkMode::Copy, LinkMode::Symlink] {
        let options = InstallOptions {
            link_mode,
            ..InstallOptions::default()
        };
        match put(&made, &python, &store, &[&stored], &options) {
            Err(Error::Io { source, .. }) => {
                expect(
                    "why",
                    &source.kind(),
                    &std::io::ErrorKind::ReadOnlyFilesystem,
                )?;
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    match uninstall(&made, &["changing".parse()?], &InstallOptions::default()) {
        Err(Error::Io { .. }) => same("as it was", &picture(&made.dir), &before),
        other => Err(format!("{other:?}").into()),
    }
}

fn hostile_journal() -> Result<(), Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let victim = scratch.path().join("victim");
    fs::write(&victim, "years of work")?;
    let outside = scratch.path().join("outside");
    fs::create_dir(&outside)?;
    fs::write(outside.join("victim"), "years of work")?;
    let before = picture(&made.dir);
    let kept = picture(&outside);
    let staging = made.dir.join(".isolab");
    for text in [
        "isolab-journal 1\0in \0../victim\0end\0",
        "isolab-journal 1\0out\0../victim\0end\0",
        "isolab-journal 1\0in \0lib/link/victim\0end\0",
        "isolab-journal 1\0in \0lib",
        "",
    ] {
        fs::create_dir_all(staging.join("new/lib/link"))?;
        fs::create_dir(staging.join("old"))?;
        fs::write(staging.join("old/0"), "evil")?;
        fs::write(staging.join("journal"), text)?;
        let link = made.dir.join("lib/link");
        std::os::unix::fs::symlink(&outside, &link)?;
        // It may be refused; it may not move anything out there.
        let _ = recover(&made);
        fs::remove_file(&link)?;
        let _ = fs::remove_dir_all(&staging);
        expect(
            text,
            &fs::read_to_string(&victim)?,
            &"years of work".to_owned(),
        )?;
        same(text, &picture(&outside), &kept)?;
        same(text, &picture(&made.dir), &before)?;
    }
    // The staging directory itself may be a link.
    std::os::unix::fs::symlink(&outside, &staging)?;
    let _ = recover(&made);
    same("behind a link", &picture(&outside), &kept)
}
