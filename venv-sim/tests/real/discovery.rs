//! The interpreter asked for is found, and what only claims to be one is refused with its reason.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use venv_sim::{Cache, Error, Search};

use crate::machine::{any_python, expect, files, scratch, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "every_interpreter_is_listed_once_and_nothing_absent",
            missing(),
            listed,
        ),
        trial(
            "what_is_no_python_is_refused_with_its_reason",
            None,
            impostors,
        ),
        trial(
            "a_program_that_hangs_is_given_up_and_leaves_no_process",
            None,
            hanging,
        ),
        trial(
            "a_damaged_cache_is_ignored_and_rewritten",
            missing(),
            damaged_cache,
        ),
        trial(
            "a_cache_that_cannot_be_written_is_no_error",
            missing(),
            unwritable_cache,
        ),
        trial("a_replaced_interpreter_is_asked_again", missing(), replaced),
        trial(
            "a_pyenv_shim_is_followed_without_running_it",
            missing(),
            shim,
        ),
        trial("python_2_6_is_refused_by_name", None, python_2),
        trial(
            "a_version_that_nothing_has_names_what_was_tried",
            missing(),
            no_such_version,
        ),
        trial("an_environment_whose_base_is_gone_says_so", None, base_gone),
        trial(
            "the_stub_of_a_windows_store_is_not_tried",
            any_python().err(),
            windows_store,
        ),
    ]
}

fn script(path: &Path, body: &str) -> Result<(), Failed> {
    fs::write(path, format!("#!/bin/sh\n{body}\n"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

fn refusal(search: &Search, request: &Path) -> Result<String, Failed> {
    match search.discover(request.to_str()) {
        Ok(found) => Err(format!("{} was taken for Python", found.executable.display()).into()),
        Err(error) if error.hint().is_none() => Err(format!("{error} has no hint").into()),
        Err(error) => Ok(error.to_string()),
    }
}

fn impostors() -> Result<(), Failed> {
    let scratch = scratch();
    let search = Search::new([scratch.path()]);
    let program = scratch.path().join("python3");
    for (body, reason) in [
        ("exit 1", "ended with exit status: 1"),
        ("echo sorry >&2; exit 3", "sorry"),
        ("echo hello", "no facts"),
        (":", "printed nothing"),
        ("echo '{\"version\": [3, 11, 7]}'", "no facts"),
        ("cat /dev/zero", "far more"),
        ("kill -9 $$", "signal: 9"),
    ] {
        script(&program, body)?;
        let said = refusal(&search, &program)?;
        expect(&said, &said.contains(reason), &true)?;
    }
    fs::write(&program, "\x7fELF")?;
    let said = refusal(&search, &program)?;
    expect(&said, &said.contains("cannot be run"), &true)
}

fn hanging() -> Result<(), Failed> {
    let scratch = scratch();
    let program = scratch.path().join("python3");
    let mark = scratch.path().join("process");
    script(
        &program,
        &format!("sleep 1000 & echo $! >'{}'; wait", mark.display()),
    )?;
    let begun = Instant::now();
    let said = refusal(&Search::new([scratch.path()]), &program)?;
    expect(&said, &said.contains("no answer in 10 seconds"), &true)?;
    expect(
        "in time",
        &(begun.elapsed() < Duration::from_secs(15)),
        &true,
    )?;
    let child = Path::new("/proc")
        .join(fs::read_to_string(mark)?.trim())
        .join("cmdline");
    // Killed with its group, but the kernel may take a moment. Dead and not yet reaped by whoever
    // adopted it, it has an empty command line.
    let runs = || fs::read(&child).is_ok_and(|line| line.starts_with(b"sleep"));
    let dead = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        !runs()
    });
    expect("dead", &dead, &true)
}

fn damaged_cache() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let search = Search::new(Vec::<&str>::new()).cache(Cache::at(scratch.path()));
    let find = || search.discover(interpreter.executable.to_str());
    let first = find()?;
    let entries = || -> Vec<_> {
        let files = files(scratch.path())
            .into_iter()
            .map(|name| scratch.path().join(name));
        files.filter(|path| path.is_file()).collect()
    };
    let [entry] = entries()
        .try_into()
        .map_err(|found| format!("not one entry: {found:?}"))?;
    let good = fs::read(&entry)?;
    let long = vec![b'['; 1 << 20];
    let elsewhere = String::from_utf8_lossy(&good)
        .replace("site-packages", "../../../etc")
        .into_bytes();
    for damage in [
        &b""[..],
        b"{",
        &good[..good.len() / 2],
        b"\xff\xfe",
        &long,
        &elsewhere,
    ] {
        fs::write(&entry, damage)?;
        expect("found", &find()?, &first)?;
        expect("rewritten", &fs::read(&entry)?, &good)?;
    }
    fs::remove_file(&entry)?;
    fs::create_dir(&entry)?;
    expect("found past a directory", &find()?, &first)
}

fn unwritable_cache() -> Result<(), Failed> {
    let interpreter = any_python()?;
    // Not even root can make a directory below a file.
    let search = Search::new(Vec::<&str>::new()).cache(Cache::at("/dev/null/cache"));
    let found = search.discover(interpreter.executable.to_str())?;
    expect("found", &found.executable, &interpreter.executable)?;
    let scratch = scratch();
    let options = venv_sim::Options {
        cache: Cache::at("/dev/null/cache"),
        ..Default::default()
    };
    venv_sim::create(&scratch.path().join("env"), &found, &options)?;
    Ok(())
}

fn replaced() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let program = scratch.path().join("python3");
    let search = Search::new([scratch.path()]).cache(Cache::at(scratch.path().join("cache")));
    symlink(&interpreter.executable, &program)?;
    expect(
        "first",
        &search.discover(None)?.executable,
        &interpreter.executable,
    )?;
    fs::remove_file(&program)?;
    script(&program, "exit 7")?;
    let said = refusal(&search, &program)?;
    expect(&said, &said.contains("exit status: 7"), &true)
}

fn shim() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let root = scratch.path().join("pyenv");
    let shims = root.join("shims");
    let version = root.join("versions/9.9.1/bin");
    fs::create_dir_all(&shims)?;
    fs::create_dir_all(&version)?;
    symlink(&interpreter.executable, version.join("python3"))?;
    let ran = scratch.path().join("ran");
    script(
        &shims.join("python3"),
        &format!("touch '{}'; exit 1", ran.display()),
    )?;
    let search = |version: Option<&str>| {
        Search::new([&shims])
            .pyenv(Some(root.clone()), version.map(Into::into))
            .directory(scratch.path())
    };
    for (asked, set_by) in [
        (Some("9.9.1"), "PYENV_VERSION"),
        (Some("9.9"), "PYENV_VERSION"),
        (None, ".python-version"),
    ] {
        if asked.is_none() {
            fs::write(scratch.path().join(".python-version"), "# ours\n9.9.1\n")?;
        }
        let found = search(asked).discover(None)?;
        expect("executable", &found.executable, &interpreter.executable)?;
        expect(
            found.why(),
            &(found.why().contains("shim") && found.why().contains(set_by)),
            &true,
        )?;
    }
    for hostile in ["../../..", "/usr", "8.8"] {
        // The shim leads nowhere, yet the version is installed: pyenv's own are tried next.
        let found = search(Some(hostile)).discover(None)?;
        expect(
            found.why(),
            &found.why().contains("installed by pyenv"),
            &true,
        )?;
    }
    expect("the shim ran", &ran.exists(), &false)
}

fn python_2() -> Result<(), Failed> {
    let scratch = scratch();
    let program = scratch.path().join("python");
    // As Python 2.6 answers: it knows no -I, and its version goes to the standard error.
    script(
        &program,
        "case $1 in -V) echo 'Python 2.6.9' >&2;; *) echo 'Unknown option: -I' >&2; exit 2;; esac",
    )?;
    let search = Search::new([scratch.path()]);
    for request in [program.to_str(), None] {
        match search.discover(request) {
            Err(Error::UnsupportedPython { version, .. }) => {
                expect("version", &version.as_str(), &"2.6.9")?;
            }
            other => return Err(format!("{other:?}").into()),
        }
    }
    Ok(())
}

fn no_such_version() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let absent = refusal(&Search::new(["/nowhere"]), Path::new("/nowhere/python3"))?;
    expect(&absent, &absent.contains("cannot be found"), &true)?;
    let directory = interpreter.executable.parent().ok_or("no parent")?;
    match Search::new([directory]).discover(Some("3.99")) {
        Err(error @ Error::NoInterpreter { .. }) => expect(
            &error.to_string(),
            &error.to_string().contains("Python 3.99"),
            &true,
        ),
        other => Err(format!("{other:?}").into()),
    }
}

fn windows_store() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let stub = scratch.path().join("Microsoft/WindowsApps");
    fs::create_dir_all(&stub)?;
    let ran = scratch.path().join("ran");
    let body = format!("touch '{}'; exit 49", ran.display());
    script(&stub.join("python3"), &body)?;
    let real = interpreter.executable.parent().ok_or("no parent")?;
    let found = Search::new([&stub, real]).discover(None)?;
    expect("found", &found.executable, &interpreter.executable)?;
    expect("the stub ran", &ran.exists(), &false)
}

fn base_gone() -> Result<(), Failed> {
    let scratch = scratch();
    let dir = scratch.path().join("env");
    fs::create_dir_all(dir.join("bin"))?;
    fs::write(
        dir.join("pyvenv.cfg"),
        "home = /nowhere/bin\nversion = 3.11.7\n",
    )?;
    script(&dir.join("bin/python"), "exit 1")?;
    let said = refusal(&Search::new(Vec::<&str>::new()), &dir)?;
    expect(&said, &said.contains("is gone"), &true)?;
    // Made from itself: found out, not followed for ever.
    fs::write(
        dir.join("pyvenv.cfg"),
        format!("home = {}\n", dir.join("bin").display()),
    )?;
    let said = refusal(&Search::new(Vec::<&str>::new()), &dir)?;
    expect(&said, &said.contains("itself"), &true)
}

fn listed() -> Result<(), Failed> {
    let interpreter = any_python()?;
    let scratch = scratch();
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    for directory in [&one, &two] {
        fs::create_dir(directory)?;
        for name in ["python3", "python", "python3.99"] {
            symlink(&interpreter.executable, directory.join(name))?;
        }
    }
    fs::remove_file(two.join("python"))?;
    script(&two.join("python"), "exit 9")?;
    symlink("/nowhere", one.join("python3.98"))?;
    let absent = scratch.path().join("absent");
    let found = Search::new([absent, one.clone(), two.clone()]).interpreters();
    let seen: Vec<_> = found
        .iter()
        .map(|found| (found.path.clone(), found.interpreter.is_ok()))
        .collect();
    expect(
        "listed",
        &seen,
        &vec![(one.join("python3"), true), (two.join("python"), false)],
    )
}
