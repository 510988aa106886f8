//! Guests that are saved and restored: what they do then, and everything that is refused.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use vm_model::Error;
use vm_model::guest::Word;
use vm_model::saved::{self, Patience, Snapshot};

use crate::setting::{real, real_guest, scripted_guest, trial};

/// Far more than a boot or a restore takes, also on a busy machine.
const LONG: Duration = Duration::from_secs(60);
const PATIENT: Patience = Patience {
    watchdog: LONG,
    tries: 3,
};
const IMPATIENT: Patience = Patience {
    watchdog: Duration::from_millis(200),
    tries: 2,
};

type Test = fn() -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let real_tests: [(&str, Test); 8] = [
        (
            "a_restored_guest_goes_on_where_it_was_saved",
            a_restored_guest_goes_on,
        ),
        (
            "clones_write_to_their_own_memory_alone",
            clones_write_to_their_own_memory,
        ),
        (
            "a_snapshot_that_was_copied_is_read_again_and_restored",
            a_copy_is_restored,
        ),
        (
            "a_snapshot_that_was_damaged_is_refused_with_a_remedy",
            a_damaged_snapshot_is_refused,
        ),
        (
            "a_snapshot_of_another_qemu_is_refused",
            a_snapshot_of_another_qemu_is_refused,
        ),
        (
            "a_snapshot_with_more_memory_than_is_left_is_refused",
            more_memory_than_is_left_is_refused,
        ),
        (
            "what_qemu_says_of_a_state_that_it_cannot_load_is_told",
            what_qemu_says_is_told,
        ),
        (
            "a_name_that_is_taken_is_refused_and_what_is_there_stays",
            a_name_that_is_taken_is_refused,
        ),
    ];
    let scripted: [(&str, Test); 3] = [
        (
            "a_guest_that_hangs_is_not_saved_and_leaves_nothing",
            a_hang_leaves_nothing,
        ),
        (
            "a_qemu_that_ends_while_it_saves_leaves_nothing",
            an_end_while_saving_leaves_nothing,
        ),
        (
            "a_guest_with_a_disk_is_not_saved",
            a_guest_with_a_disk_is_not_saved,
        ),
    ];
    let missing = real().err();
    let real_trials = real_tests.map(|(name, test)| trial(name, missing.clone(), test));
    let scripted = scripted.map(|(name, test)| Trial::test(name, test));
    real_trials.into_iter().chain(scripted).collect()
}

/// A snapshot of a guest that holds, taken once; its directory outlives the tests.
fn taken() -> &'static Snapshot {
    static TAKEN: OnceLock<(TempDir, Snapshot)> = OnceLock::new();
    let (_, snapshot) = TAKEN.get_or_init(|| {
        let (_dir, guest) = real_guest(&["guest", "/true", "hold"]);
        let store = tempfile::tempdir().unwrap();
        let guest = guest.memory_mib(96);
        let taken = saved::take(&guest, &store.path().join("ready"), PATIENT, &|| false).unwrap();
        (store, taken.snapshot)
    });
    snapshot
}

/// A copy of it that a test may spoil.
fn copy() -> (TempDir, Snapshot) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["manifest.json", "state", "memory"] {
        fs::copy(taken().dir().join(name), dir.path().join(name)).unwrap();
    }
    let snapshot = Snapshot::open(dir.path()).unwrap();
    (dir, snapshot)
}

/// Rewrites the manifest in `dir`, and opens what it then is.
fn rewritten(dir: &Path, change: impl FnOnce(&mut Value)) -> vm_model::Result<Snapshot> {
    let path = dir.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).unwrap();
    Snapshot::open(dir)
}

/// Restores a guest and lets it go on until it has powered off.
fn restore_to_the_end(snapshot: &Snapshot) -> Result<(), Failed> {
    let mut guest = snapshot.ready()?.start(&[])?;
    let running = guest.wait_running_unless(LONG, &|| false)?;
    assert!(guest.said().is_empty(), "it was ready before it was saved");
    guest.go_on()?;
    let (word, ended) = guest.wait_word_unless(LONG, &|| false)?;
    assert_eq!(word, Word::Ended(Some(0)));
    assert!(running < ended, "{running:?} {ended:?}");
    Ok(())
}

fn a_restored_guest_goes_on() -> Result<(), Failed> {
    let snapshot = taken();
    restore_to_the_end(snapshot)?;
    restore_to_the_end(snapshot)?;
    let manifest = snapshot.manifest();
    assert!(manifest.startup_ms > 10.0, "no kernel boots so soon");
    assert_eq!(manifest.memory.bytes, 96 << 20);
    assert!(manifest.memory_allocated < manifest.memory.bytes);
    Ok(())
}

fn clones_write_to_their_own_memory() -> Result<(), Failed> {
    let (_dir, snapshot) = copy();
    let memory = snapshot.dir().join("memory");
    let before = fs::read(&memory)?;
    let ready = snapshot.ready()?;
    let start = || ready.start(&[]);
    let mut guests = [start()?, start()?, start()?];
    for guest in &mut guests {
        guest.wait_running_unless(LONG, &|| false)?;
    }
    // Each goes on by itself, and while the others are there.
    for guest in &mut guests {
        guest.go_on()?;
        let (word, _) = guest.wait_word_unless(LONG, &|| false)?;
        assert_eq!(word, Word::Ended(Some(0)));
    }
    assert!(before == fs::read(&memory)?, "a clone wrote to the file");
    Ok(())
}

fn a_copy_is_restored() -> Result<(), Failed> {
    let (_dir, snapshot) = copy();
    restore_to_the_end(&snapshot)
}

fn a_damaged_snapshot_is_refused() -> Result<(), Failed> {
    type Damage = fn(&Path);
    let flip = |path: &Path| {
        let file = fs::File::options()
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        let middle = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, middle).unwrap();
        file.write_all_at(&[!byte[0]], middle).unwrap();
    };
    let cut = |path: &Path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    };
    let gone = |path: &Path| fs::remove_file(path).unwrap();
    let damages: [(&str, Damage); 3] = [("flip", flip), ("cut", cut), ("gone", gone)];
    for file in ["state", "memory"] {
        for (name, damage) in damages {
            let (dir, snapshot) = copy();
            damage(&dir.path().join(file));
            let error = snapshot.ready().unwrap_err();
            let text = error.to_string();
            assert!(matches!(error, Error::Snapshot { .. }), "{text}");
            assert!(text.contains(&format!("`{file}`")), "{name}: {text}");
            assert!(error.hint().unwrap().contains("take it again"), "{name}");
            // And whoever begins before he looks changes nothing of it.
            let before = contents(dir.path());
            let begun = snapshot.begin(&[]);
            assert_eq!(begun.is_ok(), file == "state" || name == "flip", "{file}");
            std::thread::sleep(Duration::from_millis(300));
            drop(begun);
            assert_eq!(contents(dir.path()), before, "{file}, {name}");
        }
    }
    for (name, damage) in damages {
        let (dir, _) = copy();
        damage(&dir.path().join("manifest.json"));
        let error = Snapshot::open(dir.path()).unwrap_err();
        assert!(
            error.to_string().contains("manifest.json"),
            "{name}: {error}"
        );
    }
    let (dir, _) = copy();
    let words = "another version of this program";
    let error = rewritten(dir.path(), |it| it["words"][0] = "-snapshot".into()).unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    let error = rewritten(dir.path(), |it| it["schema"] = "x/2".into()).unwrap_err();
    assert!(error.to_string().contains("`x/2`"), "{error}");
    Ok(())
}

/// The names and sizes of what lies in a directory.
fn contents(dir: &Path) -> Vec<(std::ffi::OsString, u64)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.file_name(), entry.metadata().unwrap().len())
    });
    let mut contents: Vec<_> = entries.collect();
    contents.sort();
    contents
}

fn a_snapshot_of_another_qemu_is_refused() -> Result<(), Failed> {
    let (dir, _) = copy();
    let other = "QEMU emulator version 0.9.1";
    let snapshot = rewritten(dir.path(), |it| {
        it["qemu"]["name"] = other.into();
        it["qemu"]["identity"]["inode"] = 1.into();
    })?;
    let error = snapshot.ready().unwrap_err();
    assert!(error.to_string().contains(other), "{error}");
    // The same QEMU at another place, or installed anew, is the same.
    let snapshot = rewritten(dir.path(), |it| {
        it["qemu"]["name"] = taken().manifest().qemu.name.clone().into();
        it["qemu"]["path"] = "/nonexistent/qemu".into();
    })?;
    restore_to_the_end(&snapshot)
}

fn more_memory_than_is_left_is_refused() -> Result<(), Failed> {
    let (dir, _) = copy();
    let mebibytes = 1u64 << 22; // 4 TiB
    let snapshot = rewritten(dir.path(), |it| {
        it["hardware"]["memory_mib"] = mebibytes.into();
        let words = it["words"].as_array_mut().unwrap();
        let at = words.iter().position(|word| word == "-m").unwrap();
        words[at + 1] = mebibytes.to_string().into();
    })?;
    let error = snapshot.ready().unwrap_err();
    assert!(error.to_string().contains("MiB left"), "{error}");
    assert!(error.hint().unwrap().contains("less memory"));
    Ok(())
}

fn what_qemu_says_is_told() -> Result<(), Failed> {
    let (dir, _) = copy();
    let state = vec![b'?'; 4096];
    fs::write(dir.path().join("state"), &state)?;
    let digest = sha256(&dir.path().join("state"));
    let snapshot = rewritten(dir.path(), |it| {
        it["state"]["bytes"] = 4096.into();
        it["state"]["sha256"] = digest.into();
    })?;
    let mut guest = snapshot.ready()?.start(&[])?;
    let (pid, error) = (
        guest.pid(),
        guest.wait_running_unless(LONG, &|| false).unwrap_err(),
    );
    let text = error.to_string();
    assert!(text.contains("Not a migration stream"), "{text}");
    assert!(is_gone(pid), "it still runs");
    Ok(())
}

/// By a program that is not ours.
fn sha256(path: &Path) -> String {
    let output = std::process::Command::new("sha256sum").arg(path).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    text.split(' ').next().unwrap().to_owned()
}

fn a_name_that_is_taken_is_refused() -> Result<(), Failed> {
    let (dir, snapshot) = copy();
    let (_guest_dir, guest) = real_guest(&["guest", "/true", "hold"]);
    let error = saved::take(&guest, dir.path(), PATIENT, &|| false).unwrap_err();
    assert!(error.to_string().contains("there already"), "{error}");
    assert_eq!(Snapshot::open(dir.path())?, snapshot);
    Ok(())
}

/// Fails if anything is in the store.
fn nothing_is_left(store: &Path) -> Result<(), Failed> {
    assert!(saved::names(store).is_empty());
    let left: Vec<_> = fs::read_dir(store)?.map(|it| it.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

fn a_hang_leaves_nothing() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("echo $$ >> pids; exec sleep 60");
    let store = tempfile::tempdir()?;
    let error = saved::take(&guest, &store.path().join("x"), IMPATIENT, &|| false).unwrap_err();
    assert!(matches!(error, Error::Tries { tries: 2, .. }), "{error}");
    let pids = fs::read_to_string(_dir.path().join("pids"))?;
    assert_eq!(pids.lines().count(), 2);
    assert!(pids.lines().all(|pid| is_gone(pid.parse().unwrap())));
    nothing_is_left(store.path())
}

fn an_end_while_saving_leaves_nothing() -> Result<(), Failed> {
    // Ready, then gone at the first order.
    let (_dir, guest) = scripted_guest("printf R >&1; read line; echo out of space >&2; exit 1");
    let store = tempfile::tempdir()?;
    let error = saved::take(&guest, &store.path().join("x"), PATIENT, &|| false).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("exit status: 1"), "{text}");
    assert!(text.contains("out of space"), "{text}");
    nothing_is_left(store.path())
}

fn a_guest_with_a_disk_is_not_saved() -> Result<(), Failed> {
    let (_dir, guest) = scripted_guest("exit 0");
    let store = tempfile::tempdir()?;
    let guest = guest.disk("/nonexistent/disk");
    let error = saved::take(&guest, &store.path().join("x"), PATIENT, &|| false).unwrap_err();
    assert!(error.to_string().contains("has a disk"), "{error}");
    nothing_is_left(store.path())
}

fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}
