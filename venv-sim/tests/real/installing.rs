//! What is installed is what Python, pip and the shell take for installed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{Addition, InstallOptions, LinkMode, install, uninstall};
use venv_sim::{Environment, Error, Store, create};

use crate::machine::{any_python, cache, expect, options, output, python, scratch, trial};
use crate::wheels::{Draft, picture, put, put_one, same};

const VERSIONS: [&str; 9] = [
    "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14",
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in VERSIONS {
        let missing = python(version)
            .err()
            .map(|_| format!("no Python {version} here"));
        for (claim, run) in [
            (
                "imports_and_runs_what_is_installed",
                whole as fn(&str) -> Result<(), Failed>,
            ),
            ("takes_bytecode_that_was_compiled_before", bytecode),
        ] {
            let name = format!("python_{}_{claim}", version.replace('.', "_"));
            trials.push(trial(name, missing.clone(), move || run(version)));
        }
    }
    let missing = || any_python().err();
    for (claim, run) in [
        (
            "installing_and_uninstalling_leaves_the_environment_as_it_was",
            there_and_back as fn() -> Result<(), Failed>,
        ),
        ("an_addition_replaces_the_version_that_is_there", upgrade),
        ("each_link_mode_does_what_it_says", link_modes),
        ("packages_of_one_namespace_share_its_directory", namespace),
        ("a_moved_relocatable_environment_runs_its_commands", moved),
        ("a_wheel_for_another_python_is_refused", another_python),
        (
            "who_installed_why_and_from_where_is_written_down",
            written_down,
        ),
        (
            "what_was_written_into_an_installed_package_stays",
            foreign_file,
        ),
    ] {
        trials.push(trial(claim, missing(), run));
    }
    trials
}

pub(crate) fn store() -> venv_sim::Result<Store> {
    Store::of(&cache())
}

fn environment(dir: &Path) -> Result<(venv_sim::Interpreter, Environment), Failed> {
    let python = any_python()?;
    let made = create(dir, &python, &options())?;
    Ok((python, made))
}

/// One that brings something to every place.
fn everything() -> Draft {
    Draft::new("every_thing", "1.0")
        .file(
            "every_thing/__init__.py",
            "def main():\n    print('called', __name__)\n",
        )
        .file("every_thing/été, or \"not\".txt", "text")
        .file("every_module.py", "VALUE = 7\n")
        .script("every-thing = every_thing:main")
        .script("every.thing2=every_thing:main [extra]")
        .data("purelib/in_purelib.py", "VALUE = 'pure'\n")
        .data("platlib/in_platlib.py", "VALUE = 'plat'\n")
        .data("headers/every.h", "/* header */\n")
        .data("data/share/every/thing.txt", "shared\n")
        .data("data/etc/every.conf", "configured\n")
        .data(
            "scripts/asks-for-python",
            "#!python\nimport sys, every_module\nprint(sys.prefix, every_module.VALUE)\n",
        )
        .data("scripts/asks-for-sh", "#!/bin/sh\necho from sh\n")
}

fn whole(version: &str) -> Result<(), Failed> {
    let interpreter = python(version)?;
    let scratch = scratch();
    let store = store()?;
    let long = "l".repeat(120);
    for name in ["plain", "été $HOME 'x' \"y\" \\z `w`", "new\nline", &long] {
        let dir = scratch.path().join(name).join("env");
        let made = create(&dir, &interpreter, &options())?;
        let stored = everything().stored(&store, scratch.path())?;
        put_one(&made, &interpreter, &store, &stored)?;
        let program = "
import every_thing, every_module, in_purelib, in_platlib
assert (every_module.VALUE, in_purelib.VALUE, in_platlib.VALUE) == (7, 'pure', 'plat')
import base64, csv, hashlib, os, sys
site = os.path.dirname(os.path.dirname(every_thing.__file__))
info = os.path.join(site, 'every_thing-1.0.dist-info')
rows = list(csv.reader(open(os.path.join(info, 'RECORD'), encoding='utf-8', newline='')))
for path, digest, size in rows:
    path = os.path.join(site, path)
    assert os.path.isfile(path), path
    if not path.endswith('RECORD'):
        content = open(path, 'rb').read()
        seen = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        assert digest == 'sha256=' + seen and size == str(len(content)), path
# Nothing that is not listed came.
listed = {os.path.realpath(os.path.join(site, row[0])) for row in rows}
for top, _, files in os.walk(sys.prefix):
    for file in files:
        path = os.path.join(top, file)
        new = 'every' in path[len(sys.prefix):] or 'asks' in file or file.startswith('in_')
        if new and not file.endswith('.pyc'):
            assert os.path.realpath(path) in listed, path
print(len(rows))
";
        let said = output(
            Command::new(&made.python)
                .args(["-B", "-c", program])
                .env("PYTHONUTF8", "1")
                .env("LC_ALL", "C.UTF-8"),
        )?;
        // Eleven files of its own, two commands, METADATA and four more of its .dist-info.
        expect("files", &said.trim(), &"18")?;
        for (script, said) in [
            ("every-thing", "called every_thing\n".to_owned()),
            ("every.thing2", "called every_thing\n".to_owned()),
            ("asks-for-sh", "from sh\n".to_owned()),
            ("asks-for-python", format!("{} 7\n", dir.display())),
        ] {
            let mut command = Command::new(dir.join("bin").join(script));
            let seen = output(
                command
                    .env("LC_ALL", "C.UTF-8")
                    .env("PYTHONUTF8", "1")
                    .arg("-x"),
            )?;
            expect(script, &seen, &said)?;
        }
        let (major, minor, _) = interpreter.version;
        let header = format!("include/site/python{major}.{minor}/every-thing/every.h");
        expect(&header, &dir.join(&header).is_file(), &true)?;
        expect("conf", &dir.join("etc/every.conf").is_file(), &true)?;
    }
    Ok(())
}

fn bytecode(version: &str) -> Result<(), Failed> {
    let interpreter = python(version)?;
    let scratch = scratch();
    let store = store()?;
    let stored = Draft::new("compiled", "1.0")
        .file("compiled/__init__.py", "VALUE = 7\n")
        .file("compiled/template.py", "{{ this is no Python }}\n")
        // Some compilers do not survive it; what comes behind it is compiled all the same.
        .file("compiled/crash.py", format!("{}1\n", "-".repeat(300_000)))
        .file("compiled/zlast.py", "")
        .file(
            "compiled/__pycache__/brought.cpython-311.pyc",
            "brought along",
        )
        .stored(&store, scratch.path())?;
    let options_ = InstallOptions {
        compile_bytecode: true,
        ..InstallOptions::default()
    };
    let mut inodes = Vec::new();
    for link_mode in [LinkMode::HardLink, LinkMode::Copy] {
        let dir = scratch.path().join(format!("{link_mode:?}"));
        let made = create(&dir, &interpreter, &options())?;
        let options = InstallOptions {
            link_mode,
            ..options_
        };
        put(&made, &interpreter, &store, &[&stored], &options)?;
        let program = "import compiled; print(compiled.__cached__, compiled.VALUE)";
        let see = || {
            let mut command = Command::new(&made.python);
            command.args(["-W", "ignore", "-c", program]);
            output(command.env_remove("PYTHONDONTWRITEBYTECODE"))
        };
        let tag = interpreter.cache_tag.clone().unwrap_or_default();
        let cached = made
            .site_packages
            .join(format!("compiled/__pycache__/__init__.{tag}.pyc"));
        let before = fs::metadata(&cached)?.ino();
        expect("said", &see()?, &format!("{} 7\n", cached.display()))?;
        // A Python that does not believe it writes another.
        expect("the file", &fs::metadata(&cached)?.ino(), &before)?;
        inodes.push(before);
        let record = fs::read_to_string(made.site_packages.join("compiled-1.0.dist-info/RECORD"))?;
        let line = format!("compiled/__pycache__/__init__.{tag}.pyc,,\n");
        expect("its line", &record.contains(&line), &true)?;
        expect(
            "the template's",
            &record.contains("template.cpython"),
            &false,
        )?;
        let last = format!("compiled/__pycache__/zlast.{tag}.pyc,,\n");
        expect("the last's", &record.contains(&last), &true)?;
        // And one that has another source does not believe it.
        let source = made.site_packages.join("compiled/__init__.py");
        fs::remove_file(&source)?;
        fs::write(&source, "VALUE = 88\n")?;
        expect("edited", &see()?, &format!("{} 88\n", cached.display()))?;
    }
    expect("a copy is another file", &(inodes[0] != inodes[1]), &true)
}

fn there_and_back() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let before = picture(&made.dir);
    let stored = everything().stored(&store, scratch.path())?;
    for link_mode in [LinkMode::Auto, LinkMode::Copy, LinkMode::Symlink] {
        for compile_bytecode in [false, true] {
            let options = InstallOptions {
                link_mode,
                compile_bytecode,
                ..InstallOptions::default()
            };
            put(&made, &python, &store, &[&stored], &options)?;
            // Python writes what nobody lists.
            let mut command = Command::new(&made.python);
            command.args(["-c", "import every_thing, every_module, in_purelib"]);
            output(command.env_remove("PYTHONDONTWRITEBYTECODE"))?;
            let changed = uninstall(&made, &["Every.Thing".parse()?], &options)?;
            expect("removed", &changed.removed.len(), &1)?;
            same(&format!("{link_mode:?}"), &picture(&made.dir), &before)?;
        }
    }
    let changed = uninstall(&made, &["nothing".parse()?], &InstallOptions::default())?;
    expect("absent", &changed.absent.len(), &1)
}

fn upgrade() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let (one, two) = (scratch.path().join("other"), scratch.path().join("fresh"));
    let draft = |version: &str| {
        Draft::new("grown", version)
            .file("grown/__init__.py", format!("VERSION = '{version}'\n"))
            .file("grown/same.py", "SAME = 1\n")
            .file(&format!("grown/only_{}.py", version.replace('.', "_")), "")
    };
    fs::create_dir(&one)?;
    let old = draft("1.0").stored(&store, &one)?;
    let new = draft("2.0").stored(&store, &one)?;
    let options_ = InstallOptions::default();
    put(&made, &python, &store, &[&old], &options_)?;
    let changed = put(&made, &python, &store, &[&new], &options_)?;
    expect(
        "removed",
        &format!("{:?}", changed.removed),
        &"[(Name(\"grown\"), \"1.0\")]".to_owned(),
    )?;
    // As one that never had the old.
    let fresh = create(&two, &python, &options())?;
    put(&fresh, &python, &store, &[&new], &options_)?;
    same(
        "site-packages",
        &picture(&made.site_packages),
        &picture(&fresh.site_packages),
    )?;
    // The same again, and back.
    put(&made, &python, &store, &[&new], &options_)?;
    same(
        "again",
        &picture(&made.site_packages),
        &picture(&fresh.site_packages),
    )?;
    put(&made, &python, &store, &[&old], &options_)?;
    let program = "import grown, grown.only_1_0; print(grown.VERSION)";
    let said = output(Command::new(&made.python).args(["-B", "-c", program]))?;
    expect("version", &said.trim(), &"1.0")
}

fn link_modes() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let stored = Draft::new("linked", "1.0")
        .file("linked/__init__.py", "import linked.below\n")
        .file("linked/below/__init__.py", "")
        .file("space/inner/__init__.py", "")
        .stored(&store, scratch.path())?;
    let original = stored.tree().join("linked/__init__.py");
    let (python, _) = environment(&scratch.path().join("first"))?;
    for link_mode in [
        LinkMode::HardLink,
        LinkMode::Copy,
        LinkMode::Symlink,
        LinkMode::Clone,
    ] {
        let dir = scratch.path().join(format!("{link_mode:?}"));
        let made = create(&dir, &python, &options())?;
        let before = picture(&made.dir);
        let options = InstallOptions {
            link_mode,
            ..InstallOptions::default()
        };
        match put(&made, &python, &store, &[&stored], &options) {
            // Most file systems have no clones; then nothing is there.
            Err(Error::Io { .. }) if link_mode == LinkMode::Clone => {
                same("refused", &picture(&made.dir), &before)?;
                continue;
            }
            changed => drop(changed?),
        }
        let package = made.site_packages.join("linked");
        let file = fs::metadata(package.join("__init__.py"))?;
        let is_store = file.ino() == fs::metadata(&original)?.ino();
        expect(
            "is the store's file",
            &is_store,
            &matches!(link_mode, LinkMode::HardLink | LinkMode::Symlink),
        )?;
        expect("mtime", &file.mtime(), &fs::metadata(&original)?.mtime())?;
        let is_link = fs::symlink_metadata(&package)?.is_symlink();
        expect("is a link", &is_link, &(link_mode == LinkMode::Symlink))?;
        // A namespace may get other parts, so only what is in it is a link.
        let space = fs::symlink_metadata(made.site_packages.join("space"))?;
        expect("the namespace is a directory", &space.is_dir(), &true)?;
        output(Command::new(&made.python).args(["-B", "-c", "import linked, space.inner"]))?;
    }
    Ok(())
}

fn namespace() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let part = |name: &str| {
        Draft::new(&format!("space_{name}"), "1.0")
            .file(&format!("space/{name}/__init__.py"), "")
            .file("space/LICENSE.txt", "one for all\n")
            .stored(&store, scratch.path())
    };
    let (one, two) = (part("one")?, part("two")?);
    let options = InstallOptions::default();
    put(&made, &python, &store, &[&one], &options)?;
    let with_one = picture(&made.dir);
    put(&made, &python, &store, &[&two], &options)?;
    output(Command::new(&made.python).args(["-B", "-c", "import space.one, space.two"]))?;
    uninstall(&made, &["space-two".parse()?], &options)?;
    // The file that both have is the other's still.
    same("without the second", &picture(&made.dir), &with_one)?;
    uninstall(&made, &["space-one".parse()?], &options)?;
    expect("space", &made.site_packages.join("space").exists(), &false)?;
    // Both at once, and one of them out.
    put(&made, &python, &store, &[&one, &two], &options)?;
    uninstall(&made, &["space-two".parse()?], &options)?;
    same("as if it never was", &picture(&made.dir), &with_one)
}

fn moved() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let python = any_python()?;
    let relocatable = venv_sim::Options {
        relocatable: true,
        ..options()
    };
    let made = create(&scratch.path().join("before"), &python, &relocatable)?;
    let stored = everything().stored(&store, scratch.path())?;
    put_one(&made, &python, &store, &stored)?;
    let after = scratch.path().join("after it moved");
    fs::rename(&made.dir, &after)?;
    let said = output(&mut Command::new(after.join("bin/every-thing")))?;
    expect("said", &said.trim(), &"called every_thing")?;
    let said = output(&mut Command::new(after.join("bin/asks-for-python")))?;
    expect(
        "said",
        &said.trim(),
        &format!("{} 7", after.display()).as_str(),
    )
}

fn another_python() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let before = picture(&made.dir);
    for (draft, why) in [
        (
            Draft::new("old", "1.0").requires_python("<3.0"),
            "it is for Python <3.0",
        ),
        (
            Draft::new("old", "1.0")
                .tag("cp27-cp27m-manylinux1_x86_64")
                .platlib(),
            "cp27-cp27m",
        ),
        (
            Draft::new("old", "1.0").tag("py3-none-win_amd64"),
            "win_amd64",
        ),
    ] {
        let stored = draft.stored(&store, scratch.path())?;
        match put_one(&made, &python, &store, &stored) {
            Err(error @ Error::Impossible { .. }) if error.to_string().contains(why) => {}
            other => return Err(format!("{why}: {other:?}").into()),
        }
        same("unchanged", &picture(&made.dir), &before)?;
    }
    Ok(())
}

fn written_down() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let lying = Draft::new("told", "1.0")
        .file("told.py", "")
        .file("told-1.0.dist-info/INSTALLER", "someone else")
        .file("told-1.0.dist-info/REQUESTED", "")
        .file("told-1.0.dist-info/direct_url.json", "{}");
    let stored = lying.stored(&store, scratch.path())?;
    let info = made.site_packages.join("told-1.0.dist-info");
    let url = "{\"url\": \"file:///w/told-1.0-py3-none-any.whl\", \"archive_info\": {}}";
    for (requested, direct_url) in [(false, None), (true, Some(url))] {
        let addition = Addition {
            stored: &stored,
            requested,
            direct_url,
        };
        install(
            &made,
            &python,
            &[addition],
            &[],
            &store,
            &InstallOptions::default(),
        )?;
        expect(
            "installer",
            &&*fs::read_to_string(info.join("INSTALLER"))?,
            &"isolab\n",
        )?;
        expect("requested", &info.join("REQUESTED").exists(), &requested)?;
        let seen = fs::read_to_string(info.join("direct_url.json")).ok();
        expect("url", &seen.as_deref(), &direct_url)?;
    }
    Ok(())
}

fn foreign_file() -> Result<(), Failed> {
    let scratch = scratch();
    let store = store()?;
    let (python, made) = environment(&scratch.path().join("env"))?;
    let stored = everything().stored(&store, scratch.path())?;
    let options = InstallOptions::default();
    put(&made, &python, &store, &[&stored], &options)?;
    let mine = made.site_packages.join("every_thing/mine.py");
    fs::write(&mine, "years of work")?;
    uninstall(&made, &["every-thing".parse()?], &options)?;
    expect("mine", &&*fs::read_to_string(&mine)?, &"years of work")?;
    let left = fs::read_dir(mine.parent().unwrap_or(&mine))?.count();
    expect("left beside it", &left, &1)?;
    put(&made, &python, &store, &[&stored], &options)?;
    expect("mine", &&*fs::read_to_string(&mine)?, &"years of work")?;
    output(Command::new(&made.python).args(["-B", "-c", "import every_thing"])).map(drop)
}
