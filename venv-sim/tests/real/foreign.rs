//! The tests that CPython has of its `venv`, and virtualenv of its activation scripts, run on
//! environments that we make. They are read where they are found, and none is copied here.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use venv_sim::{Cache, Options, Search, create};

use crate::machine::{cache, expect, program, python, scratch, trial};
use crate::python::VERSIONS;

/// Tells the child what to make, and where the cache is.
pub(crate) const MAKER: &str = "ISOLAB_TEST_FOREIGN_MAKER";
const CACHE: &str = "ISOLAB_TEST_FOREIGN_CACHE";

/// Where virtualenv's sources were unpacked, if not below `target/peers`.
const PEERS: &str = "ISOLAB_TEST_PEERS";

/// The shells that virtualenv's tests are named for, and their programs.
const SHELLS: [(&str, &str); 5] = [
    ("bash", "bash"),
    ("csh", "csh"),
    ("fish", "fish"),
    ("nushell", "nu"),
    ("powershell", "pwsh"),
];

/// What CPython tests and ours does otherwise.
const OTHERWISE: [&str; 5] = [
    // Nothing is written into a directory that is no environment.
    "test_overwrite_existing",
    // Nor upgraded.
    "test_config_file_command_key",
    // Every environment has its note to git, and to no other.
    "test_create_scm_ignore_files_empty",
    "test_create_scm_ignore_files_multiple",
    "test_cli_without_scm_ignore_files",
];

/// From 3.13 on these want to see in the command that there is no note to git.
const SINCE_NOTES: [&str; 2] = ["test_defaults_with_str_path", "test_defaults_with_pathlike"];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = VERSIONS
        .into_iter()
        .filter(|version| !version.starts_with('2'))
        .map(|version| {
            trial(
                format!(
                    "the_tests_of_venv_of_python_{}_hold_of_ours",
                    version.replace('.', "_")
                ),
                no_tests(version),
                move || cpythons(version),
            )
        })
        .collect();
    let sources = virtualenvs();
    for (shell, name) in SHELLS {
        let missing = program(name).is_none().then(|| format!("no {name} here"));
        let sources = sources.clone();
        trials.push(trial(
            format!("the_test_of_activation_that_virtualenv_has_for_{shell}_holds_of_ours"),
            missing.or_else(|| sources.as_ref().err().cloned()),
            move || activation(&sources?, shell),
        ));
    }
    trials
}

/// Makes the environment that a foreign test asks for; in a process of its own.
pub(crate) fn make(wanted: &str) -> ExitCode {
    match made(wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn made(wanted: &str) -> Result<(), Box<dyn std::error::Error>> {
    let wanted: Value = serde_json::from_str(wanted)?;
    let text = |key: &str| wanted[key].as_str().unwrap_or_default();
    let flag = |key: &str| wanted[key].as_bool().unwrap_or_default();
    let cache = std::env::var_os(CACHE).ok_or("no cache")?;
    let cache = Cache::at(PathBuf::from(cache));
    let search = Search::of_process().cache(cache.clone());
    let python = search.discover(Some(text("python")))?;
    let options = Options {
        prompt: wanted["prompt"].as_str().map(str::to_owned),
        system_site_packages: flag("system_site_packages"),
        clear: flag("clear"),
        upgrade: flag("upgrade"),
        copies: flag("copies"),
        seed: flag("seed"),
        cache,
        ..Options::default()
    };
    create(Path::new(text("dir")), &python, &options)?;
    Ok(())
}

/// A command whose children make environments by this program.
fn foreign(program: &Path) -> Result<(Command, PathBuf), Failed> {
    let maker = std::env::current_exe()?;
    let mut command = Command::new(program);
    if let Some(directory) = cache().directory() {
        command.env(CACHE, directory);
    }
    command.env_remove("PYTHONDONTWRITEBYTECODE");
    Ok((command, maker))
}

/// Why this interpreter's own tests cannot be run, if so.
fn no_tests(version: &str) -> Option<String> {
    let python = match python(version) {
        Ok(python) => python,
        Err(error) => return Some(error.to_string()),
    };
    let mut asked = Command::new(&python.executable);
    let asked = asked.args(["-I", "-c", "import test.test_venv"]).output();
    let has = asked.is_ok_and(|said| said.status.success());
    (!has).then(|| format!("{} has no tests of venv", python.executable.display()))
}

fn cpythons(version: &str) -> Result<(), Failed> {
    let python = python(version)?;
    let work = scratch();
    let (mut command, maker) = foreign(&python.executable)?;
    command.args(["-c", include_str!("foreign/cpython.py")]);
    command.arg(maker).args(OTHERWISE);
    if python.version >= (3, 13, 0) {
        command.args(SINCE_NOTES);
    }
    let ran = command
        .current_dir(&work)
        .env("TMPDIR", work.path())
        .output()?;
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    let result: Value = serde_json::from_slice(&ran.stdout).map_err(|_| told.clone())?;
    if result["failed"] != Value::Array(Vec::new()) {
        return Err(format!("{}\n{told}", result["failed"]).into());
    }
    // A harness that runs nothing proves nothing.
    let many = |key: &str| result[key].as_u64().is_some_and(|count| count >= 10);
    expect("ran and made", &(many("ran"), many("made")), &(true, true))
}

/// The sources of virtualenv with their tests, and an interpreter that can run them.
#[derive(Clone)]
struct Sources {
    directory: PathBuf,
    python: PathBuf,
}

fn virtualenvs() -> Result<Sources, String> {
    let peers = std::env::var_os(PEERS).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers"),
        PathBuf::from,
    );
    let entries = std::fs::read_dir(peers.join("src"));
    let directory = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("tests/unit/activation/conftest.py").is_file())
        .ok_or_else(|| {
            format!(
                "no sources of virtualenv with tests below {}",
                peers.join("src").display()
            )
        })?;
    let python = peers.join("bin/python");
    let mut asked = Command::new(&python);
    asked.env("PYTHONPATH", directory.join("src"));
    let asked = asked
        .args(["-c", "import pytest, pytest_mock, virtualenv.run"])
        .output();
    match asked.is_ok_and(|said| said.status.success()) {
        true => Ok(Sources { directory, python }),
        false => Err(format!(
            "{} has no pytest, pytest-mock and what virtualenv needs",
            python.display()
        )),
    }
}

/// One file of virtualenv's tests, which activates in one shell.
fn activation(sources: &Sources, shell: &str) -> Result<(), Failed> {
    let work = scratch();
    let plugins = work.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    std::fs::write(
        plugins.join("made_by_us.py"),
        include_str!("foreign/virtualenv.py"),
    )?;
    let (mut command, maker) = foreign(&sources.python)?;
    let path = [sources.directory.join("src"), plugins];
    command.env("PYTHONPATH", std::env::join_paths(path)?);
    command.env("PYTHONDONTWRITEBYTECODE", "1"); // nothing is left in their directory
    command.env("ISOLAB_TEST_MAKER", maker);
    command.args(["-m", "pytest", "-p", "made_by_us", "-p", "no:cacheprovider"]);
    command.args(["-c", "/dev/null", "-rA", "--color=no", "--rootdir"]);
    command.arg(&sources.directory).arg("--basetemp");
    command.arg(work.path().join("temporary"));
    let test = format!("tests/unit/activation/test_{shell}.py::test_{shell}");
    command.arg(sources.directory.join(test)).current_dir(&work);
    let said = String::from_utf8_lossy(&command.output()?.stdout).into_owned();
    let passed = said.lines().filter(|line| line.starts_with("PASSED"));
    // With a prompt and without.
    let failed = said
        .lines()
        .any(|line| line.starts_with("FAILED") || line.starts_with("ERROR"));
    match passed.count() {
        2.. if !failed => Ok(()),
        _ => Err(said.into()),
    }
}
