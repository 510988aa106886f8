//! A disk is made once, by whoever comes first, is counted and freed, and what cannot be made
//! leaves nothing.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::party::{Party, User};
use crate::{trial, why_not, with_app};

pub(crate) fn trials() -> Vec<Trial> {
    let mine = || why_not(User::Myself);
    vec![
        trial("a disk is made once, however many ask", mine(), made_once),
        trial("a disk is counted, and freed with its image", mine(), freed),
        trial(
            "what cannot be made is told with its remedy",
            mine(),
            refused,
        ),
        trial(
            "a full disk is told, and nothing is left on it",
            mine().or_else(no_tmpfs),
            full,
        ),
        trial(
            "without mke2fs the package is named",
            mine().or_else(no_tmpfs),
            no_program,
        ),
        trial("a command that is killed leaves nothing", mine(), killed),
        trial(
            "a user's command that is killed leaves nothing",
            why_not(User::Granted),
            killed_of_user,
        ),
    ]
}

fn made_once() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    let start = |_| {
        let mut command = party.isolab(&["vm", "disk", "--json", "app"]);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
    };
    let all = (0..4).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut told = Vec::new();
    for child in all {
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        told.push(serde_json::from_slice::<serde_json::Value>(&output.stdout)?);
    }
    let paths: Vec<_> = told.iter().map(|told| &told["path"]).collect();
    assert!(paths.iter().all(|path| *path == paths[0]), "{paths:?}");
    let disks = files(&party.home().join("cache/isolab/disks"));
    let whole = disks
        .iter()
        .filter(|path| path.ends_with("disk.raw"))
        .count();
    assert_eq!(whole, 1, "{disks:?}");
    assert_eq!(
        party.json(&["vm", "disk", "--json", "app"])?["was_there"],
        true
    );
    let larger = party.json(&["vm", "disk", "--json", "--size", "2G", "app"])?;
    assert_eq!(
        (&larger["was_there"], &larger["bytes"]),
        (&false.into(), &(2u64 << 30).into())
    );
    Ok(())
}

fn freed() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    party.says(&["vm", "disk", "app"])?;
    party.says(&["vm", "disk", "busybox"])?;
    let held = party.json(&["system", "df", "--json"])?.to_string();
    assert!(held.contains("\"disks\""), "{held}");
    party.says(&["rmi", "app"])?;
    let pruned = party.json(&["system", "prune", "--versions", "--build-cache", "--json"])?;
    assert_eq!(pruned["disks"]["disks"], 1, "{pruned}");
    assert!(
        pruned["disks"]["bytes"].as_u64() > Some(1 << 20),
        "{pruned}"
    );
    assert_eq!(
        party.json(&["vm", "disk", "--json", "busybox"])?["was_there"],
        true
    );
    party.says(&["system", "clean", "--yes"])?;
    assert!(!party.home().join("cache/isolab/disks").exists());
    Ok(())
}

/// What a command says that fails, as it has to.
fn fails(party: &Party, words: &[&str]) -> Result<String, Failed> {
    let output = party.isolab(words).output()?;
    match output.status.success() {
        true => Err(format!("{words:?} succeeded").into()),
        false => Ok(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn refused() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    let says = |words: &[&str], parts: &[&str]| -> Result<(), Failed> {
        let told = fails(&party, words)?;
        match parts.iter().find(|part| !told.contains(**part)) {
            Some(part) => Err(format!("no `{part}` in what {words:?} says: {told}").into()),
            None => Ok(()),
        }
    };
    says(
        &["vm", "disk", "none"],
        &["no image none", "isolab pull none"],
    )?;
    says(
        &["vm", "disk", "--size", "1M", "app"],
        &["the files need", "--size"],
    )?;
    says(&["vm", "disk", "--size", "1.5G", "app"], &["800M"])?;
    says(&["vm", "disk", "--format", "qcow2", "app"], &["--output"])?;
    let context = party.home().join("foreign");
    fs::create_dir(&context)?;
    fs::write(
        context.join("Dockerfile"),
        "FROM --platform=linux/s390x scratch\nCOPY Dockerfile /\n",
    )?;
    party.says(&["build", "-q", "-t", "foreign", "foreign"])?;
    says(
        &["vm", "disk", "foreign"],
        &["linux/s390x", "isolab pull --platform"],
    )?;
    let mut blind = party.isolab(&["vm", "disk", "-o", "x", "--format", "qcow2", "app"]);
    let output = blind.env("PATH", "/nonexistent").output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("qemu-utils") && !output.status.success(),
        "{told}"
    );
    nothing_left(&party)?;
    assert!(!party.home().join("x").exists());
    Ok(())
}

/// Why no small file system can be mounted apart from everybody, if so.
fn no_tmpfs() -> Option<String> {
    let tried = Command::new("unshare")
        .args(["--mount", "mount", "-t", "tmpfs", "x", "/mnt"])
        .output();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| "no file system can be mounted".to_owned())
}

/// Runs `command` where `script` was run before, with mounts that nobody else sees.
fn apart(party: &Party, command: &Command, script: &str) -> Result<std::process::Output, Failed> {
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "sh", "-c", script, "sh"]);
    apart.arg(command.get_program()).args(command.get_args());
    apart.current_dir(party.home());
    let variables = command.get_envs();
    apart.envs(variables.filter_map(|(name, value)| Some((name, value?))));
    Ok(apart.output()?)
}

fn no_program() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    let script = "for dir in /sbin /usr/sbin; do \
                  test ! -f $dir/mke2fs || mount --bind /dev/null $dir/mke2fs; done; exec \"$@\"";
    let output = apart(&party, &party.isolab(&["vm", "disk", "app"]), script)?;
    let told = String::from_utf8_lossy(&output.stderr);
    let is_told = told.contains("mke2fs is not installed") && told.contains("e2fsprogs");
    assert!(is_told && !output.status.success(), "{told}");
    nothing_left(&party)
}

fn full() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    let cache = party.home().join("cache");
    fs::create_dir_all(&cache)?;
    let script = format!(
        "mount -t tmpfs -o size=2m full '{0}' && \"$@\"; code=$?; \
         find '{0}' -type f -size +100k; exit $code",
        cache.display()
    );
    let output = apart(&party, &party.isolab(&["vm", "disk", "app"]), &script)?;
    let (out, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(!output.status.success(), "{out}{told}");
    assert!(
        told.contains("No space left") && told.contains("free some space"),
        "{told}"
    );
    assert_eq!(out, "", "it left files");
    Ok(())
}

fn killed() -> Result<(), Failed> {
    kill_all(User::Myself)
}

fn killed_of_user() -> Result<(), Failed> {
    kill_all(User::Granted)
}

/// Kills a making at many moments; the next command clears away what that left.
fn kill_all(user: User) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), user)?;
    for tenths in 0..12 {
        let size = format!("{}M", 1000 + tenths);
        let mut command = party.isolab(&["vm", "disk", "--size", &size, "app"]);
        let mut child = command
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        thread::sleep(Duration::from_millis(15 * tenths));
        let group = Pid::from_raw(child.id().try_into()?);
        // Only its first process at every second time: the others have to end with it.
        match tenths % 2 {
            0 => killpg(group, Signal::SIGKILL)?,
            _ => child.kill()?,
        }
        child.wait()?;
    }
    party.says(&["vm", "disk", "app"])?;
    nothing_left(&party)
}

/// No working file of any command, and no process of ours that makes a disk.
fn nothing_left(party: &Party) -> Result<(), Failed> {
    let scratch = files(&party.home().join("cache/isolab/scratch"));
    let ingest = files(&party.store().join("ingest"));
    let left: Vec<_> = scratch.into_iter().chain(ingest).collect();
    if !left.is_empty() {
        return Err(format!("left behind: {left:?}").into());
    }
    let home = party.home().to_string_lossy().into_owned();
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        assert!(
            !(command.contains("mke2fs") && command.contains(&home)),
            "{command}"
        );
    }
    Ok(())
}

/// The files below a directory.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => pending.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found
}
