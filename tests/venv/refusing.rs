//! What cannot be done is said, with the remedy, and nothing is changed.

use std::fs;
use std::os::unix::fs::symlink;

use libtest_mimic::{Failed, Trial};
use sha2::{Digest as _, Sha256};

use super::place::{Home, expect, fails, installed, no_python, ok, text, trial};
use super::wheels::{directory, wheel};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "where_no_environment_is_nothing_is_installed",
            None,
            nowhere,
        ),
        trial(
            "a_broken_active_environment_is_not_passed_over",
            no_python(),
            broken,
        ),
        trial("the_systems_python_is_refused", no_python(), system),
        trial(
            "what_cannot_be_had_whole_changes_nothing",
            no_python(),
            unsatisfiable,
        ),
        trial("a_wrong_hash_is_refused", no_python(), hash),
        trial("every_list_of_hashes_has_to_hold", no_python(), hash_lists),
        trial(
            "a_page_that_gives_another_wheels_digest_does_not_get_that_wheel_installed",
            no_python(),
            borrowed,
        ),
        trial(
            "a_fetched_wheel_is_written_through_no_link",
            no_python(),
            planted,
        ),
        trial("uninstall_asks_or_needs_a_yes", no_python(), unasked),
        trial(
            "a_missing_file_of_requirements_is_named",
            no_python(),
            absent_file,
        ),
    ]
}

fn nowhere() -> Result<(), Failed> {
    let home = Home::new();
    for verb in [
        &["install", "core"][..],
        &["list"],
        &["check"],
        &["which"],
        &["du"],
    ] {
        fails(
            &mut home.venv(verb),
            &["none is active", "isolab venv create"],
        )?;
    }
    fails(
        &mut home.venv(&["list", "--env", "gone"]),
        &["gone", "pyvenv.cfg"],
    )?;
    Ok(())
}

fn broken() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let gone = home.path().join("gone");
    let mut install = home.venv(&["install", "core"]);
    fails(
        install.env("VIRTUAL_ENV", &gone),
        &["active environment", "gone", "deactivate"],
    )?;
    expect("whether .venv changed", home.contents() == before, true)
}

fn system() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let base = venv_sim::discover(None)?;
    let managed = base.externally_managed().is_some();
    let words: &[&str] = match managed {
        true => &["externally managed", "isolab venv create"],
        false => &["no environment", "isolab venv create"],
    };
    let python = text(&base.executable);
    fails(
        &mut home.venv(&["install", "--python", &python, "core"]),
        words,
    )?;
    // Its environment, named by its interpreter, is not the system's.
    let wheels = text(&directory(&home.path()));
    let own = text(&home.in_venv("bin/python"));
    ok(&mut home.venv(&[
        "install",
        "--python",
        &own,
        "--no-index",
        "-f",
        &wheels,
        "core",
    ]))?;
    expect("what is there", installed(&home)?.len(), 1)
}

fn unsatisfiable() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let wheels = text(&directory(&home.path()));
    let install = ["install", "--no-index", "-f", &wheels];
    fails(home.venv(&install).args(["app", "lone"]), &["nowhere"])?;
    fails(home.venv(&install).args(["app", "core<1"]), &["core"])?;
    fails(
        home.venv(&install).args(["django=4"]),
        &["django=4", "hint"],
    )?;
    expect("whether something changed", home.contents() == before, true)
}

fn hash() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let wheels = text(&directory(&home.path()));
    let line = format!("core==1.0 --hash=sha256:{}\n", "0".repeat(64));
    fs::write(home.project().join("r.txt"), line)?;
    fails(
        &mut home.venv(&["install", "--no-index", "-f", &wheels, "-r", "r.txt"]),
        &["core"],
    )?;
    expect("whether something changed", home.contents() == before, true)
}

/// The line that pins a wheel's content, right in one file and wrong in the other.
fn hash_lists() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let wheels = directory(&home.path());
    let content = fs::read(wheels.join("core-1.0-py3-none-any.whl"))?;
    let right: String = Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let line = |hash: &str| format!("core==1.0 --hash=sha256:{hash}\n");
    fs::write(home.project().join("right.txt"), line(&right))?;
    fs::write(home.project().join("wrong.txt"), line(&"0".repeat(64)))?;
    let wheels = text(&wheels);
    let install = ["install", "--no-index", "-f", &wheels, "-r", "right.txt"];
    fails(home.venv(&install).args(["-r", "wrong.txt"]), &["core"])?;
    expect("whether something changed", home.contents() == before, true)?;
    ok(&mut home.venv(&install)).map(drop)
}

fn borrowed() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = directory(&home.path());
    let core = wheels.join("core-2.0-py3-none-any.whl");
    // The store knows it from here on.
    ok(&mut home.venv(&["install", "--no-index", &text(&core)]))?;
    ok(&mut home.venv(&["uninstall", "-y", "core"]))?;
    let digest: String = Sha256::digest(fs::read(&core)?)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let page = home.path().join("page.html");
    let link = format!("<a href='foo-3.0-py3-none-any.whl#sha256={digest}'>foo</a>");
    fs::write(&page, link)?;
    wheel(&home.path(), "foo", "3.0", "", false);
    let before = home.contents();
    let url = format!("file://{}", text(&page).replace(' ', "%20"));
    fails(
        &mut home.venv(&["install", "--no-index", "-f", &url, "foo"]),
        &["foo"],
    )?;
    expect("whether something changed", home.contents() == before, true)
}

fn planted() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    let away = home.project().join("away");
    fs::create_dir(&away)?;
    let mine = home.project().join("mine.txt");
    fs::write(&mine, "mine")?;
    for name in ["core-2.0-py3-none-any.whl.new", "core-2.0-py3-none-any.whl"] {
        symlink(&mine, away.join(name))?;
    }
    ok(&mut home.venv(&[
        "download",
        "--no-index",
        "-f",
        &wheels,
        "-d",
        "away",
        "core",
    ]))?;
    expect(
        "what the links lead to",
        fs::read_to_string(&mine)?,
        "mine".to_owned(),
    )?;
    let wheel = fs::symlink_metadata(away.join("core-2.0-py3-none-any.whl"))?;
    expect("whether the wheel is a file", wheel.is_file(), true)
}

fn unasked() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    ok(&mut home.venv(&["install", "--no-index", "-f", &wheels, "app"]))?;
    fails(
        &mut home.venv(&["uninstall", "app"]),
        &["no terminal", "--yes"],
    )?;
    fails(
        &mut home.venv(&["uninstall", "-y", "gone"]),
        &["not installed", "gone"],
    )?;
    let output = home.venv(&["uninstall", "-y", "core"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(
        "whether it warns",
        said.contains("core is needed by app"),
        true,
    )?;
    // And then `check` finds it.
    fails(
        &mut home.venv(&["check"]),
        &["app 1.0: needs core>=1", "isolab venv install"],
    )?;
    Ok(())
}

fn absent_file() -> Result<(), Failed> {
    let home = Home::new();
    home.environment()?;
    fails(
        &mut home.venv(&["install", "-r", "gone.txt"]),
        &["gone.txt"],
    )?;
    fails(
        &mut home.venv(&["install"]),
        &["nothing was asked for", "-r FILE"],
    )?;
    Ok(())
}
