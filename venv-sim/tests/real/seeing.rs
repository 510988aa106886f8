//! What is read of an environment is what its own interpreter and tools say of it.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use venv_sim::{Environment, Installed, Interpreter, SysPathKind, create, sys_path, usage};

use crate::machine::{any_python, cache, expect, options, output, scratch, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "what_is_installed_is_what_importlib_metadata_and_pip_say",
            missing().or_else(no_ensurepip),
            as_they_say,
        ),
        trial(
            "sys_path_is_what_the_interpreter_has_and_each_entry_is_told",
            missing(),
            path_as_it_is,
        ),
        trial(
            "nothing_is_imported_from_the_working_directory",
            missing(),
            hijacked,
        ),
        trial(
            "usage_of_a_new_environment_is_its_own_but_for_activation",
            missing(),
            usage_of_new,
        ),
    ]
}

/// Why no environment with pip can be made, if so.
fn no_ensurepip() -> Option<String> {
    let python = any_python().ok()?;
    let mut asked = Command::new(&python.executable);
    let has = asked.args(["-c", "import ensurepip, venv"]).output();
    let has = has.is_ok_and(|output| output.status.success());
    (!has).then(|| format!("{} has no ensurepip", python.executable.display()))
}

fn as_they_say() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    output(
        Command::new(&python.executable)
            .args(["-m", "venv"])
            .arg(&dir),
    )?;
    let environment = Environment::open(&dir)?;
    let installed = Installed::of(&environment)?;
    let seen: Vec<String> = installed
        .distributions
        .iter()
        .map(|one| format!("{}=={}", one.written_name, one.version()))
        .collect();
    let python = || {
        let mut python = Command::new(&environment.python);
        python
            .env_remove("PYTHONPATH")
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        python
    };
    if environment.version >= (3, 8) {
        let list = "import importlib.metadata as m\n\
            print('\\n'.join(d.metadata['Name'] + '==' + d.version for d in m.distributions()))";
        let said = output(python().args(["-I", "-c", list]))?;
        let mut said: Vec<String> = said.lines().map(str::to_owned).collect();
        said.sort_by_key(|line| line.to_lowercase());
        expect("what importlib.metadata says", &seen, &said)?;
    }
    let lines = |all| -> Vec<String> {
        let frozen = installed.freeze(environment.version, all);
        frozen.iter().map(ToString::to_string).collect()
    };
    for (all, arguments) in [(true, &["freeze", "--all"][..]), (false, &["freeze"])] {
        let said = output(python().args(["-m", "pip"]).args(arguments))?;
        let said: Vec<String> = said.lines().map(str::to_owned).collect();
        expect("what pip freezes", &lines(all), &said)?;
    }
    let findings = installed.check_files(&environment.dir);
    expect("findings in what ensurepip installed", &findings.len(), &0)?;
    let facts = environment.interpreter(&cache())?;
    let tags = facts.tags();
    let suits = |tag: &venv_sim::wheel::Tag| tags.rank(tag).is_some();
    let findings = installed.check(&Installed::default(), &facts.markers, suits);
    expect("findings in what it needs", &findings.len(), &0)
}

fn new_environment() -> Result<(TempDir, Interpreter, Environment), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let environment = create(&scratch.path().join("an env"), &python, &options())?;
    Ok((scratch, python, environment))
}

fn path_as_it_is() -> Result<(), Failed> {
    let (scratch, python, environment) = new_environment()?;
    let sources = scratch.path().join("sources");
    fs::create_dir(&sources)?;
    let line = format!("# mine\n{}\nimport sys\n", sources.display());
    fs::write(environment.site_packages.join("mine.pth"), line)?;
    let seen = sys_path(&environment)?;
    let printed = "import sys\nprint('\\n'.join(sys.path[1:]))";
    let said = output(Command::new(&environment.python).args(["-c", printed]))?;
    let said: Vec<&str> = said.lines().collect();
    let paths = seen
        .entries
        .iter()
        .map(|entry| entry.path.display().to_string());
    expect(
        "the entries",
        &paths.collect::<Vec<_>>(),
        &said.iter().map(|s| (*s).to_owned()).collect(),
    )?;
    expect("its prefix", &seen.prefix, &environment.dir)?;
    expect("its base", &seen.base_prefix, &python.base_prefix)?;
    let kind_of = |path: &std::path::Path| {
        let found = seen.entries.iter().find(|entry| entry.path == path);
        found.map(|entry| entry.kind.clone())
    };
    expect(
        "site-packages",
        &kind_of(&environment.site_packages),
        &Some(SysPathKind::Packages),
    )?;
    expect(
        "the library",
        &kind_of(&python.stdlib),
        &Some(SysPathKind::Library),
    )?;
    match kind_of(&sources) {
        Some(SysPathKind::Pth(line)) => expect("the line", &line.line, &2)?,
        other => return Err(format!("the line of mine.pth is {other:?}").into()),
    }
    expect("code at the start", &seen.code.len(), &1)
}

fn usage_of_new() -> Result<(), Failed> {
    let (_scratch, _, environment) = new_environment()?;
    let used = usage(&environment)?;
    let said = output(Command::new("du").args(["-s", "-B1"]).arg(&environment.dir))?;
    let said: u64 = said.split_whitespace().next().unwrap_or("").parse()?;
    expect(
        "all that it takes",
        &(used.all.exclusive + used.all.shared),
        &said,
    )?;
    // The cache of these tests lies on the same file system: activation files are links to it.
    expect("whether it shares", &(used.all.shared > 0), &true)?;
    expect("packages", &used.packages.len(), &0)
}

/// Asked by a process of its own, whose working directory has a `json.py`.
fn hijacked() -> Result<(), Failed> {
    let (scratch, _, environment) = new_environment()?;
    let work = scratch.path().join("work");
    fs::create_dir(&work)?;
    for module in ["json", "os", "sysconfig", "site"] {
        fs::write(
            work.join(format!("{module}.py")),
            "raise SystemExit('hijacked')",
        )?;
    }
    let asked = output(
        Command::new(std::env::current_exe()?)
            .current_dir(&work)
            .env(CHILD, &environment.dir),
    )?;
    expect("what it is told", &asked.trim(), &"asked")
}

/// What names the environment to the process that asks about it.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_ASKS_SYS_PATH";

/// The process that asks.
pub(crate) fn ask(dir: &std::path::Path) -> std::process::ExitCode {
    let asked = Environment::open(dir).and_then(|environment| sys_path(&environment));
    match asked {
        Ok(_) => {
            println!("asked");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
