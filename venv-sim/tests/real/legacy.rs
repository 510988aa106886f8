//! Python 2.7, which knows no `pyvenv.cfg`, takes an environment of the legacy layout for its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Environment, Error, Options, create};

use crate::machine::{cache, expect, options, output, python, scratch, trial};
use crate::seeding::seeding;

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || python("2.7").err().map(|_| "no Python 2.7 here".to_owned());
    vec![
        trial(
            "python_2_7_takes_it_for_its_own",
            missing(),
            takes_it_for_its_own,
        ),
        trial(
            "python_2_7_finds_packages_of_the_environment_first",
            missing(),
            packages,
        ),
        trial(
            "python_2_7_has_a_pip_that_installs_inside",
            no_wheels(),
            pip,
        ),
        trial("python_2_7_is_activated", missing(), activated),
        trial(
            "python_2_7_is_not_chosen_unless_asked_for",
            missing(),
            unasked,
        ),
    ]
}

fn no_wheels() -> Option<String> {
    match python("2.7") {
        Err(_) => Some("no Python 2.7 here".to_owned()),
        Ok(python) if !python.stdlib.join("ensurepip/_bundled").is_dir() => {
            Some("this Python 2.7 brings no pip".to_owned())
        }
        Ok(_) => None,
    }
}

fn say(program: &Path, text: &str) -> Result<String, Failed> {
    let mut command = Command::new(program);
    command.args(["-c", text]).env_remove("PYTHONPATH");
    Ok(output(&mut command)?.trim_end().to_owned())
}

fn takes_it_for_its_own() -> Result<(), Failed> {
    let interpreter = python("2.7")?;
    expect("legacy", &interpreter.is_legacy(), &true)?;
    let scratch = scratch();
    let dir = scratch.path().join("été $HOME 'x'");
    let made = create(&dir, &interpreter, &options())?;
    expect("opened again", &Environment::open(&dir)?, &made)?;
    let base = made.interpreter(&cache())?;
    expect("base", &base.executable, &interpreter.executable)?;
    let program = "
import sys, os, json, ssl, sqlite3, site, sysconfig, distutils.sysconfig
dir, base, packages = sys.argv[1:]
assert sys.prefix == sys.exec_prefix == dir, (sys.prefix, sys.exec_prefix)
assert sys.real_prefix == sys.base_prefix == base, sys.real_prefix
assert sys.executable == dir + '/bin/python', sys.executable
assert site.getsitepackages()[0] == packages, site.getsitepackages()
assert packages in sys.path and not site.ENABLE_USER_SITE
assert sysconfig.get_path('purelib') == distutils.sysconfig.get_python_lib() == packages
assert os.path.exists(sysconfig.get_config_h_filename()), sysconfig.get_config_h_filename()
assert not [entry for entry in sys.path if 'site-packages' in entry and entry != packages], sys.path
assert os.__file__.startswith(base), os.__file__
print('fine')";
    let mut command = Command::new(&made.python);
    command.arg("-c").arg(program).arg(&dir);
    command
        .arg(&interpreter.base_prefix)
        .arg(&made.site_packages);
    expect("python", &output(&mut command)?, &"fine\n".to_owned())?;
    for name in ["python2", "python2.7"] {
        let prefix = say(&dir.join("bin").join(name), "import sys; print(sys.prefix)")?;
        expect(name, &&prefix[..], &dir.to_str().unwrap_or_default())?;
    }
    // What it has built in, it has the same: flags, and variables but for the prefix.
    let program = "
import sys, sysconfig
base = getattr(sys, 'real_prefix', sys.prefix)
def same(value):
    return str(value).replace(sys.prefix, 'PREFIX').replace(base, 'PREFIX')
print(sys.flags, [(name, same(value)) for name, value in sorted(sysconfig.get_config_vars().items())])";
    let (ours, theirs) = (
        say(&made.python, program)?,
        say(&interpreter.executable, program)?,
    );
    expect("variables", &ours, &theirs)
}

fn packages() -> Result<(), Failed> {
    let interpreter = python("2.7")?;
    let scratch = scratch();
    for system in [false, true] {
        let dir = scratch.path().join(system.to_string());
        let asked = Options {
            system_site_packages: system,
            ..options()
        };
        let made = create(&dir, &interpreter, &asked)?;
        fs::write(made.site_packages.join("mine.py"), "value = 42\n")?;
        fs::write(made.site_packages.join("setuptools.py"), "mine = True\n")?;
        fs::write(
            made.site_packages.join("more.pth"),
            "import sys; sys.by_pth = True\n",
        )?;
        let program =
            "import sys, mine, setuptools; print(mine.value, setuptools.mine, sys.by_pth)";
        expect(
            "mine",
            &say(&made.python, program)?,
            &"(42, True, True)".to_owned(),
        )?;
        let base = interpreter.base_prefix.join(&interpreter.site_packages);
        let program = format!(
            "import sys; print({:?} in sys.path)",
            base.display().to_string()
        );
        let expected = if system { "True" } else { "False" };
        expect(
            "the system's",
            &&say(&made.python, &program)?[..],
            &expected,
        )?;
    }
    Ok(())
}

fn pip() -> Result<(), Failed> {
    let interpreter = python("2.7")?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let made = create(&dir, &interpreter, &seeding())?;
    let project = scratch.path().join("project");
    fs::create_dir(&project)?;
    fs::write(project.join("tiny.py"), "value = 42\n")?;
    let setup =
        "from setuptools import setup; setup(name='tiny', version='1', py_modules=['tiny'])";
    fs::write(project.join("setup.py"), setup)?;
    let pip = |arguments: &[&str]| {
        let mut command = Command::new(dir.join("bin/pip"));
        command
            .args(arguments)
            .args(["--disable-pip-version-check", "-q"]);
        output(command.current_dir(&project).env_remove("PYTHONPATH"))
    };
    pip(&["install", "--no-index", "--no-deps", "."])?;
    expect(
        "value",
        &say(&made.python, "import tiny; print(tiny.value)")?,
        &"42".to_owned(),
    )?;
    let inside = made.site_packages.join("tiny.py").is_file();
    expect("inside", &inside, &true)?;
    pip(&["uninstall", "--yes", "tiny"])?;
    expect("gone", &made.site_packages.join("tiny.py").exists(), &false)
}

fn activated() -> Result<(), Failed> {
    let interpreter = python("2.7")?;
    let scratch = scratch();
    create(&scratch.path().join("env"), &interpreter, &options())?;
    let body =
        ". env/bin/activate && python -c 'import sys; print(sys.version_info[:2], sys.prefix)'";
    let mut shell = Command::new("sh");
    let said = output(shell.args(["-c", body]).current_dir(scratch.path()))?;
    let expected = format!("((2, 7), '{}')\n", scratch.path().join("env").display());
    expect("said", &said, &expected)
}

fn unasked() -> Result<(), Failed> {
    let interpreter = python("2.7")?;
    let scratch = scratch();
    std::os::unix::fs::symlink(&interpreter.executable, scratch.path().join("python"))?;
    let search = venv_sim::Search::new([scratch.path()]).cache(cache());
    match search.discover(None) {
        Err(Error::NoInterpreter { tried, .. }) => {
            expect("tried", &tried.concat().contains("is 2.7."), &true)?;
        }
        other => return Err(format!("{other:?}").into()),
    }
    expect(
        "asked",
        &search.discover(Some("2.7"))?.executable,
        &interpreter.executable,
    )
}
