//! Flags that fingers know from other installers: each does what it says, or is refused by name.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::place::{Home, expect, fails, installed, json, no_python, ok, text, trial};
use super::wheels::directory;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial(
            "what_is_not_done_here_is_refused_by_its_flag",
            no_python(),
            refused,
        ),
        trial("what_is_so_anyway_is_accepted", no_python(), accepted),
        trial("versions_choose_an_interpreter", no_python(), versions),
        trial(
            "an_environment_is_named_by_its_interpreter_on_path",
            no_python(),
            by_python,
        ),
        trial("what_is_outdated_is_listed", no_python(), outdated),
        trial("a_sync_can_upgrade", no_python(), sync_upgrade),
        trial(
            "verbose_tells_from_where_and_how_long",
            no_python(),
            verbose,
        ),
        trial(
            "a_projects_own_file_and_its_groups_are_installed",
            no_python(),
            pyproject,
        ),
        trial("what_a_script_needs_is_installed", no_python(), script),
        trial(
            "what_the_base_has_counts_as_installed",
            no_python(),
            base_packages,
        ),
    ]
}

fn begun() -> Result<(Home, Vec<String>), Failed> {
    let home = Home::new();
    home.environment()?;
    let wheels = text(&directory(&home.path()));
    Ok((home, vec!["--no-index".to_owned(), "-f".to_owned(), wheels]))
}

fn refused() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let before = home.contents();
    for (flags, parts) in [
        (
            &["-e", "git+https://me:secret@h/x"][..],
            ["`--editable`", "wheel"],
        ),
        (&["-t", "lib", "core"], ["`--target`", "--env DIR"]),
        (&["--prefix", "/x", "core"], ["`--prefix`", "--env DIR"]),
        (&["--user", "core"], ["--user", "isolab venv create"]),
        (
            &["--no-binary", ":all:", "core"],
            ["`--no-binary`", "wheel"],
        ),
    ] {
        let said = fails(home.venv(&["install"]).args(&from).args(flags), &parts)?;
        expect(
            "whether a password is shown",
            said.contains("secret"),
            false,
        )?;
    }
    expect("whether something changed", home.contents() == before, true)
}

fn accepted() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let flags = [
        "--only-binary",
        ":all:",
        "--no-binary",
        ":none:",
        "--prefer-binary",
    ];
    ok(home
        .venv(&["install", "core", "--no-cache-dir"])
        .args(&from)
        .args(flags))?;
    expect("what is there", installed(&home)?, vec!["core==2.0".into()])?;
    ok(&mut home.venv(&["uninstall", "-y", "core"]))?;
    let python = venv_sim::discover(None)?.executable;
    ok(home
        .venv(&["create", "bare", "--without-pip", "-p"])
        .arg(python))?;
    let list = json(&mut home.venv(&["list", "--env", "bare", "--json"]))?;
    expect(
        "how many",
        list["packages"].as_array().map(Vec::len),
        Some(0),
    )
}

fn versions() -> Result<(), Failed> {
    let home = Home::new();
    let base = venv_sim::discover(None)?;
    let (major, minor, patch) = base.version;
    let bin = base.executable.parent().expect("a directory");
    let create = |dir: &str, versions: &str| {
        let mut create = home.venv(&["create", dir, "--json", "-p", versions]);
        create.env("PATH", bin);
        create
    };
    let made = json(&mut create(
        "one",
        &format!(">={major}.{minor},<{major}.{}", minor + 1),
    ))?;
    let version = format!("{major}.{minor}.{patch}");
    expect("which", made["version"].as_str(), Some(version.as_str()))?;
    fails(&mut create("two", ">=99"), &["a Python >=99"])?;
    Ok(())
}

fn by_python() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let path = format!("{}:/usr/bin:/bin", text(&home.in_venv("bin")));
    let elsewhere = home.path();
    for python in ["python", "python3"] {
        let mut install = home.venv(&["install", "-p", python, "core"]);
        ok(install
            .args(&from)
            .current_dir(&elsewhere)
            .env("PATH", &path))?;
    }
    expect("what is there", installed(&home)?, vec!["core==2.0".into()])
}

fn outdated() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["install", "core<2", "app"]).args(&from))?;
    let list = json(home.venv(&["list", "--outdated", "--json"]).args(&from))?;
    expect(
        "how many",
        list["packages"].as_array().map(Vec::len),
        Some(1),
    )?;
    let core = &list["packages"][0];
    expect("which", core["name"].as_str(), Some("core"))?;
    expect("its version", core["version"].as_str(), Some("1.0"))?;
    expect("the newest", core["latest_version"].as_str(), Some("2.0"))?;
    ok(home.venv(&["install", "-U", "core"]).args(&from))?;
    let said = ok(home.venv(&["list", "-o"]).args(&from))?;
    expect(&said, said.starts_with("nothing in"), true)
}

fn sync_upgrade() -> Result<(), Failed> {
    let (home, from) = begun()?;
    ok(home.venv(&["install", "core<2"]).args(&from))?;
    fs::write(home.project().join("r.txt"), "core\n")?;
    let python = text(&home.in_venv("bin/python"));
    ok(home.venv(&["sync", "r.txt", "-p", &python]).args(&from))?;
    expect("what stays", installed(&home)?, vec!["core==1.0".into()])?;
    ok(home.venv(&["sync", "r.txt", "-U"]).args(&from))?;
    expect("what is new", installed(&home)?, vec!["core==2.0".into()])
}

fn verbose() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let install = |more: &[&str]| -> Result<String, Failed> {
        let output = home
            .venv(&["install", "-v", "app"])
            .args(&from)
            .args(more)
            .output()?;
        Ok(String::from_utf8(output.stderr)?)
    };
    let said = install(&[])?;
    for part in [
        "also files of",
        "from --find-links",
        "choosing took",
        "installing took",
    ] {
        expect(&format!("{part} in {said}"), said.contains(part), true)?;
    }
    let wheel = "app-1.0-py3-none-any.whl from";
    let line = said.lines().find(|line| line.contains(wheel));
    expect(
        "where from",
        line.is_some_and(|line| line.contains("some wheels")),
        true,
    )
}

fn base_packages() -> Result<(), Failed> {
    let home = Home::new();
    let wheels = directory(&home.path());
    // The packages of the user are those of the base, too.
    let base = venv_sim::discover(None)?.executable;
    ok(home
        .venv(&["create", "--system-site-packages", "--python"])
        .arg(&base))?;
    let (major, minor, _) = venv_sim::discover(None)?.version;
    let site = format!(".local/lib/python{major}.{minor}/site-packages");
    let info = home.path().join(site).join("core-1.0.dist-info");
    fs::create_dir_all(&info)?;
    fs::write(
        info.join("METADATA"),
        "Metadata-Version: 2.1\nName: core\nVersion: 1.0\n",
    )?;
    let from = ["--no-index", "-f", &text(&wheels)];
    let run = |arguments: &[&str]| {
        let mut run = home.venv(arguments);
        run.args(from).env_remove("PYTHONNOUSERSITE");
        run
    };
    ok(&mut run(&["install", "app"]))?;
    expect("what came", installed(&home)?, vec!["app==1.0".into()])?;
    // Another version than the base has comes into the environment, and back.
    ok(&mut run(&["install", "core>=2"]))?;
    let both = vec!["app==1.0".into(), "core==2.0".into()];
    expect("what comes beside it", installed(&home)?, both)?;
    fs::write(home.project().join("r.txt"), "app\n")?;
    ok(&mut home.venv(&["uninstall", "-y", "core"]))?;
    ok(run(&["sync", "r.txt"]).env("NO_COLOR", "1"))?;
    expect("what is there", installed(&home)?, vec!["app==1.0".into()])?;
    expect("whether the base's stays", info.is_dir(), true)?;
    Ok(())
}

fn pyproject() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let file = home.project().join("pyproject.toml");
    fs::write(
        &file,
        "[project]\nname = 'mine'\ndependencies = ['core<2']\n\
         [project.optional-dependencies]\nall = ['app']\n\
         [dependency-groups]\ntest = ['core>=2', {include-group = 'more'}]\nmore = ['app']\n",
    )?;
    let install = |flags: &[&str]| {
        let mut install = home.venv(&["install"]);
        install.args(&from).args(flags);
        install
    };
    ok(&mut install(&["-r", "pyproject.toml"]))?;
    expect("its own", installed(&home)?, vec!["core==1.0".into()])?;
    ok(&mut install(&["-r", "pyproject.toml", "--extra", "all"]))?;
    expect(
        "with an extra",
        installed(&home)?,
        vec!["app==1.0".into(), "core==1.0".into()],
    )?;
    ok(home.venv(&["sync", "pyproject.toml"]).args(&from))?;
    ok(&mut install(&["--group", "Test"]))?;
    expect(
        "a group",
        installed(&home)?,
        vec!["app==1.0".into(), "core==2.0".into()],
    )?;
    fs::rename(&file, home.project().join("there.toml"))?;
    ok(home
        .venv(&["sync", "--group", "there.toml:more"])
        .args(&from))?;
    expect("a group of another file", installed(&home)?.len(), 2)?;
    fails(
        &mut install(&["--group", "there.toml:gone"]),
        &["no group gone", "more, test"],
    )?;
    fails(
        &mut install(&["--extra", "all", "core"]),
        &["-r pyproject.toml"],
    )?;
    fs::write(
        &file,
        "[project]\nname = 'mine'\ndynamic = ['dependencies']\n",
    )?;
    fails(
        &mut install(&["-r", "pyproject.toml"]),
        &["pyproject.toml:3", "dynamic", "python -m build"],
    )?;
    Ok(())
}

fn script() -> Result<(), Failed> {
    let (home, from) = begun()?;
    let text =
        "# /// script\n# dependencies = ['core<2']\n# ///\nimport core\nprint(core.version)\n";
    fs::write(home.project().join("tool.py"), text)?;
    ok(home.venv(&["install", "-r", "tool.py"]).args(&from))?;
    let mut run = Command::new(home.in_venv("bin/python"));
    let said = ok(run.arg(home.project().join("tool.py")))?;
    expect("what it prints", said.trim(), "1.0")
}
