//! `isolab doctor venv`: what ails an environment, and its mending.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::place::{Home, expect, fails, json, no_python, ok, text, trial};
use super::wheels::directory;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("nothing_ails_a_new_environment", no_python(), healthy),
        trial(
            "a_lost_interpreter_is_found_again",
            no_python(),
            lost_interpreter,
        ),
        trial(
            "what_was_edited_is_restored_from_the_store_and_kept",
            no_python(),
            edited,
        ),
        trial(
            "a_copied_environment_is_mended_apart_from_the_first",
            no_python(),
            copied,
        ),
    ]
}

/// A home with `app` installed.
fn filled() -> Result<Home, Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    ok(&mut home.venv(&["install", "--no-index", "-f", &wheels, "app"]))?;
    Ok(home)
}

fn healthy() -> Result<(), Failed> {
    let home = filled()?;
    let said = ok(&mut home.isolab(&["doctor", "venv", ".venv"]))?;
    expect("whether it says so", said.contains("nothing ails it"), true)
}

fn lost_interpreter() -> Result<(), Failed> {
    let home = filled()?;
    let config = home.in_venv("pyvenv.cfg");
    let old = fs::read_to_string(&config)?;
    let python = venv_sim::discover(None)?.executable;
    let bin = text(python.parent().expect("a directory"));
    fs::write(&config, old.replace(&bin, "/gone/away/bin"))?;
    let (major, minor, _) = venv_sim::discover(None)?.version;
    for name in ["python", "python3", &format!("python{major}.{minor}")] {
        let link = home.in_venv("bin").join(name);
        if fs::read_link(&link).is_ok_and(|to| to.is_absolute()) {
            fs::remove_file(&link)?;
            std::os::unix::fs::symlink("/gone/away/bin/python3", &link)?;
        }
    }
    fails(
        &mut home.venv(&["which"]),
        &["is gone", "isolab doctor venv"],
    )?;
    // From this list the packages can be had in another environment.
    let frozen = ok(&mut home.venv(&["freeze"]))?;
    expect("what is frozen", frozen.as_str(), "app==1.0\ncore==2.0\n")?;
    // By PATH: pyenv's shims look for pyenv in HOME.
    let path = format!("{bin}:/usr/bin:/bin");
    let doctor = |arguments: &[&str]| {
        let mut doctor = home.isolab(&["doctor", "venv"]);
        doctor.args(arguments).env("PATH", &path);
        doctor
    };
    fails(&mut doctor(&[".venv"]), &["python-gone", "--fix"])?;
    let said = ok(&mut doctor(&[".venv", "--fix"]))?;
    expect(
        "whether it says so",
        said.contains("mended: led it to Python"),
        true,
    )?;
    let run = ok(&mut Command::new(home.in_venv("bin/app")))?;
    expect("what its command prints", run.trim(), "app 1.0")?;
    let kept = fs::read_to_string(home.in_venv("kept/pyvenv.cfg"))?;
    expect(
        "whether the old one is kept",
        kept.contains("/gone/away/bin"),
        true,
    )
}

fn edited() -> Result<(), Failed> {
    let home = filled()?;
    let found = json(&mut home.venv(&["show", "app", "--json"]))?;
    let place = found["packages"][0]["location"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let module = std::path::Path::new(&place).join("app/__init__.py");
    let whole = fs::read_to_string(&module)?;
    // In place, as an editor may do it: through the hard link it is an edit of the store, too.
    let mine = "print('mine')\n";
    fs::write(&module, mine)?;
    fails(
        &mut home.venv(&["check"]),
        &["app/__init__.py", "--reinstall app"],
    )?;
    fails(
        home.isolab(&["doctor", "venv"]).arg(".venv"),
        &["edited", "--fix"],
    )?;
    ok(&mut home.isolab(&["doctor", "venv", ".venv", "--fix"]))?;
    expect("the module", fs::read_to_string(&module)?, whole)?;
    let inside = module.strip_prefix(fs::canonicalize(home.in_venv(""))?);
    let inside = inside.or_else(|_| module.strip_prefix(home.in_venv("")));
    let kept = fs::read_to_string(home.in_venv("kept").join(inside?))?;
    expect("what is kept", kept.as_str(), mine)?;
    ok(&mut home.venv(&["check"]))?;
    Ok(())
}

fn copied() -> Result<(), Failed> {
    let home = Home::new();
    // Without a space in its path, so that the launcher names the interpreter.
    let place = tempfile::tempdir()?;
    let (first, second) = (place.path().join("first"), place.path().join("second"));
    let python = venv_sim::discover(None)?.executable;
    ok(home.venv(&["create", "--python"]).arg(python).arg(&first))?;
    let wheels = text(&directory(&home.path()));
    ok(&mut home.venv(&[
        "install",
        "--env",
        &text(&first),
        "--no-index",
        "-f",
        &wheels,
        "app",
    ]))?;
    ok(Command::new("cp").arg("-a").arg(&first).arg(&second))?;
    fails(
        &mut home.isolab(&["doctor", "venv", &text(&second)]),
        &["copied from", "first"],
    )?;
    ok(&mut home.isolab(&["doctor", "venv", &text(&second), "--fix"]))?;
    ok(&mut home.venv(&["check", "--env", &text(&second)]))?;
    ok(&mut home.isolab(&["doctor", "venv", &text(&first)]))?;
    fs::remove_dir_all(&first)?;
    let said = ok(&mut Command::new(second.join("bin/app")))?;
    expect("what the copy's command prints", said.trim(), "app 1.0")
}
