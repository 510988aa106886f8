//! Each interpreter takes the environment for its own, as it takes one of `python -m venv`.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Environment, Options, create};

use crate::machine::{any_python, expect, files, options, output, python, scratch, trial};

pub(crate) const VERSIONS: [&str; 10] = [
    "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "pypy3",
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in VERSIONS {
        let missing = python(version)
            .err()
            .map(|_| format!("no Python {version} here"));
        for (claim, run) in [
            (
                "takes_it_for_its_own",
                takes_it_for_its_own as fn(&str) -> Result<(), Failed>,
            ),
            ("sees_what_it_sees_in_one_of_its_own", sees_the_same),
            ("runs_as_a_copy", runs_as_a_copy),
        ] {
            let name = format!("python_{}_{claim}", version.replace('.', "_"));
            trials.push(trial(name, missing.clone(), move || run(version)));
        }
    }
    let missing = || any_python().err();
    trials.push(trial(
        "system_packages_are_seen_when_asked_for",
        missing(),
        system_packages,
    ));
    trials.push(trial(
        "an_environment_in_an_environment_has_the_real_base",
        missing(),
        nested,
    ));
    trials
}

fn takes_it_for_its_own(version: &str) -> Result<(), Failed> {
    let interpreter = python(version)?;
    let scratch = scratch();
    let dir = scratch.path().join("été $HOME 'x'");
    let made = create(&dir, &interpreter, &options())?;
    expect("opened again", &Environment::open(&dir)?, &made)?;
    let program = "
import sys, os, json, ssl, sqlite3, site
assert sys.prefix == sys.argv[1], sys.prefix
assert sys.base_prefix == sys.argv[2], sys.base_prefix
assert sys.prefix != sys.base_prefix
assert sys.executable == os.path.join(sys.argv[1], 'bin', 'python'), sys.executable
assert site.getsitepackages()[0] == sys.argv[3], site.getsitepackages()  # Debian has more
assert sys.argv[3] in sys.path and not site.ENABLE_USER_SITE
print('fine')";
    let mut command = Command::new(&made.python);
    command
        .arg("-c")
        .arg(program)
        .arg(&dir)
        .arg(&interpreter.base_prefix)
        .arg(&made.site_packages);
    expect("python", &output(&mut command)?, &"fine\n".to_owned())?;
    let own = match version {
        "pypy3" => "pypy3".to_owned(),
        version => format!("python{version}"),
    };
    for name in ["python3", &own] {
        let program = "import sys; print(sys.prefix)";
        let said = output(Command::new(dir.join("bin").join(name)).args(["-c", program]))?;
        expect(name, &said.trim_end(), &dir.to_str().unwrap_or_default())?;
    }
    output(Command::new(&made.python).args(["-m", "venv", "--help"])).map(drop)
}

/// Everything that `sys`, `site`, `sysconfig` and others derive from the environment's place.
const LOOK: &str = "
import sys, sysconfig, site, json, os, subprocess
try:
    from importlib.metadata import distributions
    found = sorted(str(found.metadata['Name']) + str(found.version) for found in distributions())
except ImportError:
    found = None  # before 3.8
# A process that this one starts as Python does is in the same environment.
from multiprocessing import get_context, spawn
again = [spawn.get_executable(), '-c', 'import sys; print(sys.prefix, sys.executable, sys.path)']
again = subprocess.check_output(again).decode()
print(json.dumps([sys.path, sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, sys.executable,
  getattr(sys, '_base_executable', None), list(sys.flags), sys.platlibdir if hasattr(sys, 'platlibdir') else None,
  site.PREFIXES, site.getsitepackages(), site.getusersitepackages(), site.ENABLE_USER_SITE,
  sysconfig.get_paths(), sysconfig.get_config_vars(), sysconfig.get_makefile_filename(),
  sysconfig.get_config_h_filename(), sysconfig.is_python_build(), os.__file__, found, again],
  sort_keys=True, default=str))";

fn sees_the_same(version: &str) -> Result<(), Failed> {
    let interpreter = python(version)?;
    for (flag, system_site_packages, copies) in [
        ("--symlinks", false, false),
        ("--system-site-packages", true, false),
        ("--copies", false, true),
    ] {
        if copies && version == "pypy3" {
            continue; // PyPy's own copies all of /usr/lib, or fails
        }
        let scratch = scratch();
        // One directory after the other under one name, so that no path differs.
        let dir = scratch.path().join("env");
        let look = || {
            let mut command = Command::new(dir.join("bin/python"));
            output(command.args(["-c", LOOK]).env_remove("PYTHONPATH"))
        };
        let theirs_aside = scratch.path().join("theirs");
        let mut venv = Command::new(&interpreter.executable);
        output(venv.args(["-m", "venv", "--without-pip", flag]).arg(&dir))?;
        let theirs = look()?;
        std::fs::rename(&dir, &theirs_aside)?;
        let opened = Environment::open(&theirs_aside)?;
        let (major, minor, _) = interpreter.version;
        expect("version of theirs", &opened.version, &(major, minor))?;
        let asked = Options {
            system_site_packages,
            copies,
            ..options()
        };
        create(&dir, &interpreter, &asked)?;
        expect(flag, &look()?, &theirs)?;

        // Theirs has nothing that ours lacks, but a directory for headers.
        let header = format!("include/python{major}.{minor}");
        let ours = files(&dir);
        let mut lacking = files(&theirs_aside);
        lacking.retain(|path| !ours.contains(path) && path != Path::new(&header));
        expect("lacking", &lacking, &Vec::new())?;
    }
    Ok(())
}

fn runs_as_a_copy(version: &str) -> Result<(), Failed> {
    let interpreter = python(version)?;
    let scratch = scratch();
    let dir = scratch.path().join("env");
    let made = create(
        &dir,
        &interpreter,
        &Options {
            copies: true,
            ..options()
        },
    )?;
    expect("a link", &made.python.is_symlink(), &false)?;
    let program = "import sys, ssl; print(sys.prefix, sys.base_prefix)";
    let said = output(Command::new(&made.python).args(["-c", program]))?;
    expect(
        "python",
        &said,
        &format!("{} {}\n", dir.display(), interpreter.base_prefix.display()),
    )
}

fn system_packages() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let paths = |name: &str, system_site_packages| -> Result<String, Failed> {
        let made = create(
            &scratch.path().join(name),
            &interpreter,
            &Options {
                system_site_packages,
                ..options()
            },
        )?;
        output(Command::new(made.python).args(["-c", "import site; print(site.PREFIXES)"]))
    };
    let base = format!("'{}'", interpreter.base_prefix.display());
    expect("without", &paths("without", false)?.contains(&base), &false)?;
    expect("with", &paths("with", true)?.contains(&base), &true)
}

fn nested() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let outer = create(&scratch.path().join("outer"), &interpreter, &options())?;
    let search = venv_sim::Search::new([outer.dir.join("bin")]);
    let found = search.discover(None)?;
    expect("base", &found.executable, &interpreter.executable)?;
    expect(
        "why",
        &found.why().contains("in an environment made for"),
        &true,
    )?;
    // By its directory too, as `--python DIR`.
    let found = search.discover(outer.dir.to_str())?;
    expect("base", &found.executable, &interpreter.executable)
}
