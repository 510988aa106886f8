//! What went wrong is told with what it is about, and what helps.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::{Home, expect, fails, installed, json, no_python, ok, text, trial};
use super::wheels::{directory, wheel};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "contradicting_lines_are_told_by_their_files",
            no_python(),
            contradiction,
        ),
        trial(
            "without_an_index_the_places_are_told",
            no_python(),
            no_index,
        ),
        trial(
            "a_remedy_names_the_environment_that_was_named",
            no_python(),
            named,
        ),
        trial("what_is_missing_ails_an_environment", no_python(), unmet),
        trial(
            "a_deleted_bin_python_is_no_lost_interpreter",
            no_python(),
            no_bin_python,
        ),
        trial(
            "what_is_kept_is_counted_with_answers_and_cleaned",
            no_python(),
            kept,
        ),
        trial(
            "a_cache_that_cannot_be_written_has_a_way_out",
            no_python().or_else(may_write_anywhere),
            closed,
        ),
        trial(
            "without_a_cache_everything_works_and_nothing_is_kept",
            no_python(),
            nothing_kept,
        ),
        trial("names_are_told_as_they_are_written", no_python(), written),
        trial(
            "an_upgrade_of_what_is_not_meant_is_told",
            no_python(),
            upgrade_of_nothing,
        ),
        trial(
            "an_interrupt_says_that_nothing_changed",
            no_python(),
            interrupted,
        ),
    ]
}

/// Why nothing is closed to this user, if so.
fn may_write_anywhere() -> Option<String> {
    nix::unistd::geteuid()
        .is_root()
        .then(|| "root can write everywhere".to_owned())
}

fn contradiction() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    fs::write(home.project().join("one.txt"), "# first\ncore==1.0\n")?;
    fs::write(home.project().join("two.txt"), "core==2.0\n")?;
    let install = ["install", "--no-index", "-f", &wheels];
    fails(
        home.venv(&install).args(["-r", "one.txt", "-r", "two.txt"]),
        &["core==1.0 (one.txt:2) and core==2.0 (two.txt:1) exclude each other"],
    )?;
    fs::write(home.project().join("bad.txt"), "core\n-i ftp:/nowhere\n")?;
    fails(
        home.venv(&install).args(["-r", "bad.txt"]),
        &["bad.txt:2", "hint"],
    )?;
    fs::write(home.project().join("lost.txt"), "core\n-f not-there\n")?;
    fails(
        home.venv(&install).args(["-r", "lost.txt"]),
        &["lost.txt:2", "`not-there` is not there"],
    )?;
    Ok(())
}

fn no_index() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    fails(
        &mut home.venv(&["install", "--no-index", "-f", &wheels, "gone", "lost"]),
        &["gone lies in", "lost lies in", &wheels, "`--no-index`"],
    )?;
    Ok(())
}

/// A second environment, `other`, with `app` and without what it needs.
fn other() -> Result<Home, Failed> {
    let home = Home::new();
    let wheels = text(&directory(&home.path()));
    let python = venv_sim::discover(None)?.executable;
    ok(home.venv(&["create", "other", "--python"]).arg(python))?;
    let flags = ["--env", "other", "--no-index", "-f", &wheels, "--no-deps"];
    ok(home.venv(&["install", "app"]).args(flags))?;
    Ok(home)
}

fn named() -> Result<(), Failed> {
    let home = other()?;
    fails(
        &mut home.venv(&["check", "--env", "other"]),
        &["`isolab venv install --env other 'core>=1'`"],
    )?;
    for verb in ["show", "tree", "uninstall"] {
        fails(
            &mut home.venv(&[verb, "gone", "--env", "other"]),
            &["`isolab venv list --env other`"],
        )?;
    }
    Ok(())
}

fn unmet() -> Result<(), Failed> {
    let home = other()?;
    let said = fails(
        &mut home.isolab(&["doctor", "venv", "other"]),
        &["unmet", "app 1.0 needs core>=1, which is not there"],
    )?;
    let fix = "isolab venv install --env";
    expect("whether the fix is told", said.contains(fix), true)?;
    expect("where", said.contains("/other"), true)
}

fn no_bin_python() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    fs::remove_file(home.in_venv("bin/python"))?;
    let output = home.venv(&["list", "--env", ".venv"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = said.contains("no bin/python") && said.contains("`isolab doctor venv .venv --fix`");
    expect(&format!("whether that is told in {said}"), told, true)
}

fn kept() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    let there = text(&home.path().join("kept here"));
    let at = ["--cache-dir", &there];
    ok(home
        .venv(&["install", "--no-index", "-f", &wheels, "core"])
        .args(at))?;
    let dir = ok(home.venv(&["cache", "dir"]).args(at))?;
    expect("where it is", dir.trim(), there.as_str())?;
    // One that was true until a second after the epoch, one that still is, and one that is for ever.
    for (name, head) in [
        (
            format!("index/aa/{:062}", 0),
            r#"{"url":"https://i.test/","content_type":"","etag":null,"modified":null,"fetched":0,"until":1,"length":0,"condensed":0,"checksum":0}"#,
        ),
        (
            format!("index/aa/{:062}", 1),
            r#"{"url":"https://i.test/","content_type":"","etag":null,"modified":null,"fetched":0,"until":99999999999,"length":0,"condensed":0,"checksum":0}"#,
        ),
        (format!("metadata/aa/{:062}", 0), "Name: a"),
    ] {
        let path = home.path().join("kept here").join(name);
        fs::create_dir_all(path.parent().expect("a directory"))?;
        fs::write(path, format!("{head}\n"))?;
    }
    let size = json(home.venv(&["cache", "size", "--json"]).args(at))?;
    expect("how many answers", size["answers"].as_u64(), Some(3))?;
    expect("how many wheels", size["wheels"].as_u64(), Some(1))?;
    let parts = [
        "unpacked_bytes",
        "archive_bytes",
        "bytecode_bytes",
        "answer_bytes",
    ];
    let sum: u64 = parts.iter().filter_map(|part| size[*part].as_u64()).sum();
    expect("the sum", size["bytes"].as_u64(), Some(sum))?;
    let said = ok(home.venv(&["cache", "size"]).args(at))?;
    expect(
        "whether one is one",
        said.contains("of 1 wheel and 3 answers"),
        true,
    )?;
    let pruned = json(home.venv(&["cache", "prune", "--json"]).args(at))?;
    expect("which are stale", pruned["answers"].as_u64(), Some(1))?;
    let cleaned = json(home.venv(&["cache", "clean", "--json"]).args(at))?;
    expect("what was left", cleaned["answers"].as_u64(), Some(2))?;
    let size = json(home.venv(&["cache", "size", "--json"]).args(at))?;
    expect(
        "what is left",
        (size["wheels"].as_u64(), size["answers"].as_u64()),
        (Some(0), Some(0)),
    )?;
    // What was installed by hard link is there still.
    expect("what is installed", installed(&home)?.len(), 1)
}

fn closed() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    let there = home.path().join("closed");
    fs::create_dir(&there)?;
    fs::set_permissions(&there, fs::Permissions::from_mode(0o555))?;
    let install = ["install", "--no-index", "-f", &wheels, "core"];
    fails(
        home.venv(&install).args(["--cache-dir", &text(&there)]),
        &["closed", "`--cache-dir DIR`", "`--no-cache`"],
    )?;
    ok(home.venv(&install).arg("--no-cache"))?;
    Ok(())
}

fn nothing_kept() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    let cache = home.path().join("cache");
    fs::remove_dir_all(&cache)?;
    // A file is no directory, whoever asks.
    fs::write(&cache, "")?;
    let install = ["install", "--no-index", "-f", &wheels, "app"];
    fails(&mut home.venv(&install), &["cache", "`--no-cache`"])?;
    ok(home.venv(&install).arg("--no-cache-dir"))?;
    expect("what is installed", installed(&home)?.len(), 2)?;
    let links = ["--no-cache", "--link-mode", "symlink"];
    fails(home.venv(&install).args(links), &["--link-mode copy"])?;
    Ok(())
}

fn written() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = home.path().join("written");
    wheel(
        &wheels,
        "Zope_Like",
        "1.0",
        "Requires-Dist: Inner.Part",
        false,
    );
    wheel(&wheels, "Inner_Part", "1.0", "", false);
    ok(&mut home.venv(&["install", "--no-index", "-f", &text(&wheels), "zope-like"]))?;
    let tree = ok(home.venv(&["tree"]).env("LC_ALL", "C"))?;
    expect(
        "the tree",
        tree.as_str(),
        "Zope_Like 1.0\n`-- Inner_Part 1.0\n",
    )?;
    let away = ["download", "--no-index", "-f", &text(&wheels), "-d", "away"];
    let said = ok(home.venv(&away).arg("inner-part"))?;
    expect("how many", said.contains("1 wheel in"), true)
}

fn upgrade_of_nothing() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    let install = ["install", "--no-index", "-f", &wheels, "core", "-P"];
    let output = home.venv(&install).arg("cor").output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        &said,
        said.contains("cor is neither asked for nor needed"),
        true,
    )?;
    let output = home.venv(&install).arg("core").output()?;
    expect("what is said of what is meant", output.stderr.len(), 0)
}

/// An index that takes the question and never answers.
fn interrupted() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let index = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://127.0.0.1:{}/simple/", index.local_addr()?.port());
    let mut install = home
        .venv(&["install", "core", "--trusted-host", "127.0.0.1", "-i", &url])
        .stderr(Stdio::piped())
        .spawn()?;
    let _asked = index.accept()?;
    kill(Pid::from_raw(install.id().cast_signed()), Signal::SIGINT)?;
    let mut said = String::new();
    let mut stderr = install.stderr.take().expect("piped");
    stderr.read_to_string(&mut said)?;
    expect("how it ends", install.wait()?.code(), Some(130))?;
    expect(&said, said.contains("interrupted; nothing changed"), true)?;
    expect("whether something changed", home.contents() == before, true)
}
