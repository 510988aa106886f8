//! From a directory of wheels into an environment, and out of it again.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::place::{Home, expect, fails, installed, json, no_python, ok, text, trial};
use super::wheels::{directory, wheel};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "what_is_installed_runs_checks_and_leaves_no_trace_when_uninstalled",
            no_python(),
            there_and_back,
        ),
        trial(
            "sync_makes_exactly_what_the_file_asks_for",
            no_python(),
            sync,
        ),
        trial(
            "what_is_frozen_installs_the_same_again",
            no_python(),
            frozen,
        ),
        trial(
            "what_is_downloaded_installs_without_an_index",
            no_python(),
            downloaded,
        ),
        trial(
            "what_is_there_is_upgraded_only_when_asked",
            no_python(),
            upgraded,
        ),
        trial(
            "a_dry_run_changes_nothing_and_says_what_would",
            no_python(),
            dry,
        ),
        trial(
            "a_wheel_by_its_path_is_recorded_with_its_address",
            no_python(),
            by_path,
        ),
        trial(
            "what_two_environments_share_is_counted_as_shared",
            no_python(),
            shared,
        ),
    ]
}

/// A home with an environment, and the flags that make the directory of wheels the only source.
fn begun() -> Result<(Home, Vec<String>), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = directory(&home.path());
    let from = [
        "--no-index".to_owned(),
        "--find-links".to_owned(),
        text(&wheels),
    ];
    Ok((home, from.to_vec()))
}

fn there_and_back() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let wheels = text(&directory(&home.path()));
    let printed = ok(home
        .venv(&["install", "--no-index", "-f", &wheels, "app"])
        .env_remove("PYTHONDONTWRITEBYTECODE"))?;
    expect(
        "what came",
        printed
            .lines()
            .filter(|line| line.starts_with("+ "))
            .count(),
        2,
    )?;
    expect(
        "the list",
        installed(&home)?,
        vec!["app==1.0".into(), "core==2.0".into()],
    )?;
    let said = ok(Command::new(home.in_venv("bin/app")).env_remove("PYTHONDONTWRITEBYTECODE"))?;
    expect("what its command prints", said.trim(), "app 1.0")?;
    ok(&mut home.venv(&["check"]))?;
    let tree = ok(home.venv(&["tree"]).env("LC_ALL", "C"))?;
    expect(
        "the tree",
        tree.as_str(),
        "app 1.0\n`-- core 2.0 [core>=1]\n",
    )?;
    let shown = json(&mut home.venv(&["show", "core", "--json"]))?;
    expect(
        "who needs it",
        shown["packages"][0]["required_by"][0].as_str(),
        Some("app"),
    )?;
    expect(
        "whether it was named",
        shown["packages"][0]["requested"].as_bool(),
        Some(false),
    )?;
    ok(&mut home.venv(&["uninstall", "-y", "app", "core"]))?;
    let after = home.contents();
    let differing: Vec<_> = before
        .keys()
        .chain(after.keys())
        .filter(|path| before.get(*path) != after.get(*path))
        .collect();
    expect("what is different afterwards", differing, vec![])
}

fn sync() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["install", "app"]).args(&from))?;
    fs::write(home.project().join("only.txt"), "core==1.0 # and no more\n")?;
    ok(home.venv(&["sync", "only.txt"]).args(&from))?;
    expect("the list", installed(&home)?, vec!["core==1.0".into()])?;
    let again = ok(home.venv(&["sync", "only.txt"]).args(&from))?;
    expect(
        "whether it says so",
        again.contains("everything asked for is there"),
        true,
    )
}

fn frozen() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["install", "app", "core<2"]).args(&from))?;
    let frozen = ok(&mut home.venv(&["freeze"]))?;
    expect("the lines", frozen.as_str(), "app==1.0\ncore==1.0\n")?;
    fs::write(home.project().join("same.txt"), frozen)?;
    ok(&mut home.venv(&["uninstall", "-y", "app", "core"]))?;
    ok(home.venv(&["install", "-r", "same.txt"]).args(&from))?;
    expect(
        "the list",
        installed(&home)?,
        vec!["app==1.0".into(), "core==1.0".into()],
    )
}

fn downloaded() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["download", "-d", "away", "app"]).args(&from))?;
    let mut files: Vec<_> = fs::read_dir(home.project().join("away"))?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    files.sort();
    let expected = ["app-1.0-py3-none-any.whl", "core-2.0-py3-none-any.whl"];
    expect("the files", files, expected.map(str::to_owned).to_vec())?;
    ok(&mut home.venv(&["install", "--no-index", "-f", "away", "--offline", "app"]))?;
    expect("how many there are", installed(&home)?.len(), 2)
}

fn upgraded() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["install", "core<2"]).args(&from))?;
    ok(home.venv(&["install", "core", "app"]).args(&from))?;
    expect(
        "what stays",
        installed(&home)?,
        vec!["app==1.0".into(), "core==1.0".into()],
    )?;
    ok(home.venv(&["install", "-U", "core"]).args(&from))?;
    expect(
        "what is new",
        installed(&home)?,
        vec!["app==1.0".into(), "core==2.0".into()],
    )?;
    let printed = ok(home.venv(&["install", "-U", "core"]).args(&from))?;
    expect(
        "whether the newest comes again",
        printed.contains("core 2.0"),
        false,
    )?;
    fs::write(home.project().join("empty.txt"), "# cut off\n")?;
    let ended = home.venv(&["sync", "empty.txt"]).args(&from).output()?;
    expect("whether it is refused", ended.status.code(), Some(1))?;
    expect("how many stay", installed(&home)?.len(), 2)
}

fn dry() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let before = home.contents();
    let printed = ok(home.venv(&["install", "--dry-run", "app"]).args(&from))?;
    expect(
        "whether it says so",
        printed.contains("nothing was changed"),
        true,
    )?;
    expect("whether something changed", home.contents() == before, true)
}

fn by_path() -> Result<(), Failed> {
    let (home, _) = begun()?;
    let path = wheel(&home.path().join("built here"), "demo", "0.1", "", false);
    ok(&mut home.venv(&["install", "--no-index", &text(&path)]))?;
    let frozen = ok(&mut home.venv(&["freeze"]))?;
    let begins = frozen.starts_with("demo @ file:///") && frozen.contains("built%20here");
    expect("the line", begins && frozen.contains("#sha256="), true)?;
    fs::write(home.project().join("same.txt"), frozen)?;
    ok(&mut home.venv(&["uninstall", "-y", "demo"]))?;
    ok(&mut home.venv(&["install", "--no-index", "-r", "same.txt"]))?;
    // The file has changed since, and the list names the content that it had: a store that never
    // saw that cannot give it.
    wheel(
        &home.path().join("built here"),
        "demo",
        "0.1",
        "Summary: another",
        false,
    );
    ok(&mut home.venv(&["uninstall", "-y", "demo"]))?;
    let mut again = home.venv(&["install", "--no-index", "-r", "same.txt"]);
    again.env("XDG_CACHE_HOME", home.path().join("another cache"));
    fails(&mut again, &["demo"])?;
    expect("what is there", installed(&home)?.len(), 0)
}

fn shared() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home
        .venv(&["install", "--link-mode", "hardlink", "app"])
        .args(&from))?;
    let used = json(&mut home.venv(&["du", "--json"]))?;
    let app = used["packages"].as_array().into_iter().flatten();
    let shared: Vec<_> = app.filter_map(|one| one["shared_bytes"].as_u64()).collect();
    expect(
        "whether each shares",
        shared.iter().all(|bytes| *bytes > 0),
        true,
    )?;
    ok(home
        .venv(&[
            "install",
            "--link-mode",
            "copy",
            "--reinstall",
            "app",
            "core",
        ])
        .args(&from))?;
    let used = json(&mut home.venv(&["du", "--json"]))?;
    let app = used["packages"].as_array().into_iter().flatten();
    let shared: u64 = app.filter_map(|one| one["shared_bytes"].as_u64()).sum();
    expect("what copies share", shared, 0)
}
