//! `isolab system` where nobody can be asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn isolab(home: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isolab"))
        .args(arguments)
        .env("HOME", home)
        .env("TMPDIR", home.join("tmp"))
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME")
        .output()
        .unwrap()
}

fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    for dir in [
        "tmp",
        ".cache/isolab/images",
        ".local/share/isolab/kernels/6.1",
    ] {
        fs::create_dir_all(home.path().join(dir)).unwrap();
    }
    let kernel = home.path().join(".local/share/isolab/kernels/6.1/vmlinuz");
    fs::write(kernel, vec![1; 100_000]).unwrap();
    fs::write(home.path().join("report.json"), "the user's own").unwrap();
    home
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn without_a_terminal_nothing_goes_unless_told_so() {
    let home = home();
    let output = isolab(home.path(), &["system", "clean"]);
    assert!(!output.status.success() && output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("no terminal") && message.contains("--yes"),
        "{message}"
    );
    let preview = isolab(home.path(), &["system", "clean", "--dry-run", "--json"]);
    assert!(preview.status.success());
    assert!(json(&preview)["bytes"].as_u64().unwrap() >= 100_000);
    assert!(
        home.path()
            .join(".local/share/isolab/kernels/6.1/vmlinuz")
            .exists()
    );
}

#[test]
fn what_cannot_be_looked_at_is_not_called_nothing() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("tmp")).unwrap();
    let cache = home.path().join(".cache");
    std::os::unix::fs::symlink(&cache, &cache).unwrap();
    let said = String::from_utf8(isolab(home.path(), &["system", "df"]).stdout).unwrap();
    assert!(said.contains("it cannot be looked at"), "{said}");
    assert!(!said.contains("keeps nothing"), "{said}");
    fs::remove_file(cache).unwrap();
    let said = String::from_utf8(isolab(home.path(), &["system", "df"]).stdout).unwrap();
    assert!(said.contains("keeps nothing"), "{said}");
}

#[test]
fn told_so_everything_of_ours_goes_and_nothing_else() {
    let home = home();
    let output = isolab(home.path(), &["system", "clean", "--yes", "--json"]);
    assert!(output.status.success(), "{output:?}");
    assert!(json(&output)["freed_bytes"].as_u64().unwrap() >= 100_000);
    assert!(!home.path().join(".cache/isolab").exists());
    assert!(!home.path().join(".local/share/isolab").exists());
    assert!(home.path().join("report.json").exists() && home.path().join(".cache").exists());
    let again = isolab(home.path(), &["system", "clean", "--force", "--json"]);
    assert_eq!(json(&again)["freed_bytes"], 0);
    let nothing = isolab(home.path(), &["system", "df"]);
    assert!(String::from_utf8_lossy(&nothing.stdout).contains("keeps nothing"));
}

/// Whatever a comparison, an environment and a look for kernels have written.
#[test]
fn after_real_commands_a_clean_leaves_the_home_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join("tmp")).unwrap();
    let arguments = ["compare", "--quick", "--runs", "1", "--subjects", "process"];
    assert!(isolab(home.path(), &arguments).status.success());
    assert!(home.path().join(".cache/isolab").exists());
    assert!(
        isolab(home.path(), &["system", "clean", "-y"])
            .status
            .success()
    );
    let left: Vec<_> = walk(home.path())
        .into_iter()
        .filter(|path| !path.is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn walk(dir: &Path) -> Vec<std::path::PathBuf> {
    let entries: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    let below = entries
        .iter()
        .filter(|path| path.is_dir())
        .flat_map(|path| walk(path));
    let below: Vec<_> = below.collect();
    entries.into_iter().chain(below).collect()
}
