//! Popular projects of the real index: installed, imported, checked, and gone again.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::place::{Home, expect, installed, no_python, ok, trial};

/// What is asked for, and what is imported of it.
const PROJECTS: [(&str, &str); 15] = [
    ("Django", "django"),
    ("djangorestframework", "rest_framework"),
    ("numpy", "numpy"),
    ("psycopg[binary]", "psycopg"),
    ("cryptography", "cryptography.fernet"),
    ("requests", "requests"),
    ("Flask", "flask"),
    ("fastapi", "fastapi"),
    ("SQLAlchemy", "sqlalchemy"),
    ("pydantic", "pydantic"),
    ("Pillow", "PIL.Image"),
    ("PyYAML", "yaml"),
    ("lxml", "lxml.etree"),
    ("pytest", "pytest"),
    ("gunicorn", "gunicorn"),
];

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "fifteen_popular_projects_install_import_check_and_leave_no_trace",
        no_python().or_else(no_index),
        popular,
    )]
}

/// Why no index can be asked, if so: found out by asking it for one file's metadata.
fn no_index() -> Option<String> {
    let home = Home::new();
    home.environment().ok()?;
    let mut asked = home.venv(&[
        "install",
        "--dry-run",
        "--retries",
        "0",
        "--timeout",
        "10",
        "sqlparse",
    ]);
    let output = asked.output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let why = said.lines().next().unwrap_or_default().to_owned();
    (!output.status.success()).then(|| format!("no index answers: {why}"))
}

fn popular() -> Result<(), Failed> {
    let home = Home::new();
    let before = home.environment()?;
    let names = PROJECTS.map(|(name, _)| name);
    ok(home.venv(&["install"]).args(names))?;
    let modules = PROJECTS.map(|(_, module)| module).join(", ");
    let python = home.in_venv("bin/python");
    ok(Command::new(&python).args(["-c", &format!("import {modules}")]))?;
    ok(&mut home.venv(&["check"]))?;
    // What is remembered and stored is enough for a second environment.
    let second = home.path().join("second");
    let base = venv_sim::discover(None)?.executable;
    ok(home.venv(&["create", "--python"]).arg(base).arg(&second))?;
    ok(home
        .venv(&["install", "--offline", "--env"])
        .arg(&second)
        .args(names))?;
    ok(Command::new(second.join("bin/python")).args(["-c", &format!("import {modules}")]))?;
    let all = installed(&home)?;
    let all = all.iter().filter_map(|line| line.split("==").next());
    ok(home.venv(&["uninstall", "-y"]).args(all))?;
    let after = home.contents();
    let left: Vec<_> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    expect("what is left", left, vec![])?;
    expect(
        "what is lost",
        before.keys().find(|path| !after.contains_key(*path)),
        None,
    )
}
