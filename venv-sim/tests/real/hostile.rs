//! Wheels, records and directories that lie in wait: refused, with nothing changed and nothing
//! lost.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{Addition, Changed, InstallOptions, install, uninstall};
use venv_sim::{Cache, Environment, Error, Interpreter, Store, create};

use crate::machine::{any_python, expect, options, scratch, trial};
use crate::wheels::{Draft, picture, put, same};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    let mut trials = Vec::new();
    for (claim, run) in [
        (
            "a_wheel_that_lies_leaves_nothing_in_the_store",
            lies as fn() -> Result<(), Failed>,
        ),
        (
            "a_wheel_that_would_replace_what_is_the_environments_own_is_refused",
            own_files,
        ),
        (
            "a_file_that_belongs_to_nobody_is_never_replaced",
            in_the_way,
        ),
        (
            "nothing_is_written_or_removed_through_a_link_in_the_environment",
            through_links,
        ),
        (
            "a_record_that_leads_elsewhere_removes_nothing",
            lying_record,
        ),
        (
            "of_two_projects_with_one_path_the_later_has_its_way_and_says_so",
            two_projects,
        ),
        ("what_lists_no_files_is_not_uninstalled", no_record),
        ("one_bad_wheel_among_good_ones_installs_none", all_or_none),
    ] {
        trials.push(trial(claim, missing(), run));
    }
    trials
}

struct Ground {
    scratch: tempfile::TempDir,
    python: Interpreter,
    made: Environment,
    store: Store,
}

fn ground() -> Result<Ground, Failed> {
    let scratch = scratch();
    let python = any_python()?;
    let made = create(&scratch.path().join("env"), &python, &options())?;
    let store = Store::of(&Cache::at(scratch.path().join("cache")))?;
    Ok(Ground {
        scratch,
        python,
        made,
        store,
    })
}

impl Ground {
    fn put(&self, draft: &Draft) -> venv_sim::Result<Changed> {
        let stored = draft.stored(&self.store, self.scratch.path())?;
        let options = InstallOptions::default();
        put(&self.made, &self.python, &self.store, &[&stored], &options)
    }

    /// Fails unless this is refused for this reason, with the environment as it was.
    fn refuses(&self, draft: &Draft, why: &str) -> Result<(), Failed> {
        let before = picture(&self.made.dir);
        match self.put(draft) {
            Err(error) if error.to_string().contains(why) && error.hint().is_some() => {}
            other => return Err(format!("{why}: {other:?}").into()),
        }
        same(why, &picture(&self.made.dir), &before)
    }
}

fn lies() -> Result<(), Failed> {
    let ground = ground()?;
    let cache = ground.scratch.path().join("cache");
    let before = picture(&cache);
    for (draft, why) in [
        (Draft::new("bad", "1.0").file("../out.py", ""), "leads out"),
        (Draft::new("bad", "1.0").file("/tmp/out.py", ""), "absolute"),
        (
            Draft::new("bad", "1.0")
                .file("a/B.py", "")
                .file("a/b.py", ""),
            "case only",
        ),
        (
            Draft::new("bad", "1.0").script("../x = a:b"),
            "no name of a file",
        ),
        (
            Draft::new("bad", "1.0").script("python3 = a:b"),
            "the environment's own",
        ),
    ] {
        ground.refuses(&draft, why)?;
        same(why, &picture(&cache), &before)?;
    }
    // A content that is not what RECORD says is met midway.
    let draft = Draft::new("bad", "1.0")
        .file("one.py", "x = 1\n")
        .file("two.py", "y = 1\n");
    let wheel = draft.write(ground.scratch.path());
    let bytes = fs::read(&wheel)?;
    // Stored, not compressed, would be needed to change it and keep its checksum; so the line of
    // RECORD is what is changed, in an archive that is written anew.
    let lying = lie(&bytes)?;
    fs::write(&wheel, lying)?;
    match ground.store.add(&wheel) {
        Err(error @ Error::BadWheel { .. })
            if error.to_string().contains("not what its RECORD") => {}
        other => return Err(format!("{other:?}").into()),
    }
    same("the store", &picture(&cache), &before)
}

/// The same archive with another digest in its RECORD.
fn lie(wheel: &[u8]) -> Result<Vec<u8>, Failed> {
    use std::io::{Cursor, Read, Write};
    let mut archive = zip::ZipArchive::new(Cursor::new(wheel))?;
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let name = file.name()?.into_owned();
        let mut content = String::new();
        file.read_to_string(&mut content)?;
        if name.ends_with("RECORD") {
            let (one, other) = (
                venv_sim::wheel::Digest::of(b"x = 1\n").to_string(),
                venv_sim::wheel::Digest::of(b"x = 2\n").to_string(),
            );
            assert!(content.contains(&one));
            content = content.replace(&one, &other);
        }
        writer.start_file(name, zip::write::SimpleFileOptions::default())?;
        writer.write_all(content.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}

fn own_files() -> Result<(), Failed> {
    let ground = ground()?;
    let own = "the environment's own";
    for path in [
        "data/pyvenv.cfg",
        "data/bin/python",
        "data/bin/python3.11",
        "data/bin/activate.fish",
        "data/.isolab/journal",
        "data/lib64",
        "scripts/python",
        "scripts/Activate.ps1",
    ] {
        ground.refuses(&Draft::new("bad", "1.0").data(path, "evil"), own)?;
    }
    ground.refuses(
        &Draft::new("bad", "1.0").data("elsewhere/x", ""),
        "known places",
    )?;
    ground.refuses(
        &Draft::new("bad", "1.0").script("tool = module"),
        "no function",
    )?;
    // Two names for one directory are one place: what is refused by the one is by the other.
    let twice = Draft::new("bad", "1.0")
        .file("twice.py", "1")
        .data("purelib/twice.py", "2");
    ground.refuses(&twice, "two of its files")
}

fn in_the_way() -> Result<(), Failed> {
    let ground = ground()?;
    let site = &ground.made.site_packages;
    let draft = Draft::new("coming", "1.0")
        .file("coming/__init__.py", "new\n")
        .file("coming/deep/file.py", "new\n")
        .script("coming = coming:main");
    fs::create_dir_all(site.join("coming/deep"))?;
    fs::write(site.join("coming/deep/file.py"), "years of work\n")?;
    ground.refuses(&draft, "belongs to nothing that is installed")?;
    // The same content is nobody's loss.
    fs::write(site.join("coming/deep/file.py"), "new\n")?;
    ground.put(&draft)?;
    uninstall(
        &ground.made,
        &["coming".parse()?],
        &InstallOptions::default(),
    )?;
    fs::write(ground.made.dir.join("bin/coming"), "years of work\n")?;
    ground.refuses(&draft, "`bin/coming`")?;
    fs::remove_file(ground.made.dir.join("bin/coming"))?;
    fs::write(site.join("coming"), "a file where a directory is to be")?;
    ground.refuses(&draft, "is no directory")?;
    fs::remove_file(site.join("coming"))?;
    fs::create_dir_all(ground.made.dir.join("bin/coming"))?;
    ground.refuses(&draft, "is a directory")
}

fn through_links() -> Result<(), Failed> {
    let ground = ground()?;
    let site = &ground.made.site_packages;
    let outside = ground.scratch.path().join("outside");
    fs::create_dir_all(outside.join("sub"))?;
    fs::write(outside.join("module.py"), "years of work")?;
    let kept = picture(&outside);
    let draft = Draft::new("linked", "1.0")
        .file("linked/module.py", "new")
        .file("linked/other.py", "new")
        .data("data/share/linked/x", "new");
    for link in [site.join("linked"), ground.made.dir.join("share")] {
        symlink(&outside, &link)?;
        ground.refuses(&draft, "is no directory")?;
        fs::remove_file(&link)?;
    }
    // Put there when it is installed: uninstalling leaves what is behind it.
    ground.put(&draft)?;
    fs::rename(site.join("linked"), ground.scratch.path().join("aside"))?;
    symlink(&outside, site.join("linked"))?;
    fs::write(outside.join("other.py"), "mine, too")?;
    let changed = uninstall(
        &ground.made,
        &["linked".parse()?],
        &InstallOptions::default(),
    )?;
    expect("warned", &changed.warnings.len(), &1)?;
    fs::remove_file(outside.join("other.py"))?;
    same("outside", &picture(&outside), &kept)?;
    // The whole of site-packages elsewhere.
    fs::remove_file(site.join("linked"))?;
    let moved = ground.scratch.path().join("moved");
    fs::rename(site, &moved)?;
    symlink(&moved, site)?;
    let before = picture(&moved);
    match ground.put(&draft) {
        Err(Error::NotAnEnvironment { .. }) => same("moved", &picture(&moved), &before),
        other => Err(format!("{other:?}").into()),
    }
}

fn lying_record() -> Result<(), Failed> {
    let ground = ground()?;
    let draft = Draft::new("lying", "1.0").file("lying.py", "");
    ground.put(&draft)?;
    let victim = ground.scratch.path().join("victim");
    fs::write(&victim, "years of work")?;
    let record = ground.made.site_packages.join("lying-1.0.dist-info/RECORD");
    let honest = fs::read_to_string(&record)?;
    for path in [
        "../../../../victim",
        "../../../../../../../../../../etc/hostname",
        "/etc/hostname",
        "../../../pyvenv.cfg",
        "../../../bin/python",
        "../../../lib64",
        "lying/../../../../bin/activate",
    ] {
        fs::write(&record, format!("{path},,\n{honest}"))?;
        let before = picture(&ground.made.dir);
        match uninstall(
            &ground.made,
            &["lying".parse()?],
            &InstallOptions::default(),
        ) {
            Err(Error::Impossible { .. }) => {}
            other => return Err(format!("{path}: {other:?}").into()),
        }
        same(path, &picture(&ground.made.dir), &before)?;
        expect(
            path,
            &fs::read_to_string(&victim)?,
            &"years of work".to_owned(),
        )?;
    }
    // One in another's package is its own only while the other does not list it.
    ground.put(&Draft::new("honest", "1.0").file("honest.py", ""))?;
    fs::write(&record, format!("honest.py,,\n{honest}"))?;
    uninstall(
        &ground.made,
        &["lying".parse()?],
        &InstallOptions::default(),
    )?;
    expect(
        "honest.py",
        &ground.made.site_packages.join("honest.py").exists(),
        &true,
    )
}

fn two_projects() -> Result<(), Failed> {
    let ground = ground()?;
    let draft = |name: &str, content: &str| {
        Draft::new(name, "1.0")
            .file("shared.py", content)
            .file(&format!("{name}.py"), "")
    };
    let shared = ground.made.site_packages.join("shared.py");
    let options = InstallOptions::default();
    // One after the other, and both at once.
    ground.put(&draft("first", "1\n"))?;
    let changed = ground.put(&draft("second", "2\n"))?;
    expect("warnings", &changed.warnings.len(), &1)?;
    let named = ["first", "second", "shared.py"];
    let names = named.iter().all(|name| changed.warnings[0].contains(name));
    expect(&changed.warnings[0], &names, &true)?;
    expect("content", &&*fs::read_to_string(&shared)?, &"2\n")?;
    uninstall(&ground.made, &["first".parse()?], &options)?;
    expect("still there", &&*fs::read_to_string(&shared)?, &"2\n")?;
    uninstall(&ground.made, &["second".parse()?], &options)?;
    expect("gone", &shared.exists(), &false)?;
    // What goes takes what it had put in the other's place with it, and nothing else.
    let (first, second) = (draft("first", "1\n"), draft("second", "2\n"));
    let first = first.script("tool = first:main");
    let second = second.script("tool = second:main");
    let tool = ground.made.dir.join("bin/tool");
    for (edit, warnings, left) in [(None, 2, false), (Some("mine"), 1, true)] {
        ground.put(&first)?;
        ground.put(&second)?;
        if let Some(edit) = edit {
            fs::remove_file(&tool)?;
            fs::write(&tool, edit)?;
        }
        let changed = uninstall(&ground.made, &["second".parse()?], &options)?;
        expect("told of", &changed.warnings.len(), &warnings)?;
        let remedy = "--reinstall first`";
        let tells = changed.warnings.iter().all(|one| one.contains(remedy));
        expect(&changed.warnings.concat(), &tells, &true)?;
        expect("shared.py", &shared.exists(), &false)?;
        expect("the command", &tool.exists(), &left)?;
        uninstall(&ground.made, &["first".parse()?], &options)?;
    }
    // An update brings its own again, and nothing is lost that was not.
    ground.put(&first)?;
    ground.put(&second)?;
    let changed = ground.put(&second)?;
    expect("told of", &changed.warnings, &Vec::new())?;
    expect("content", &&*fs::read_to_string(&shared)?, &"2\n")?;
    uninstall(
        &ground.made,
        &["first".parse()?, "second".parse()?],
        &options,
    )?;

    let stored = [
        draft("first", "1\n").stored(&ground.store, ground.scratch.path())?,
        draft("second", "2\n").stored(&ground.store, ground.scratch.path())?,
    ];
    let wheels = [&stored[1], &stored[0]];
    let changed = put(
        &ground.made,
        &ground.python,
        &ground.store,
        &wheels,
        &options,
    )?;
    expect("warnings", &changed.warnings.len(), &1)?;
    expect("content", &&*fs::read_to_string(&shared)?, &"1\n")?;
    // A file of the one where the other has a directory cannot be both.
    let file = Draft::new("file", "1.0").file("both", "");
    let directory = Draft::new("directory", "1.0").file("both/x.py", "");
    let stored = [
        file.stored(&ground.store, ground.scratch.path())?,
        directory.stored(&ground.store, ground.scratch.path())?,
    ];
    match put(
        &ground.made,
        &ground.python,
        &ground.store,
        &[&stored[0], &stored[1]],
        &options,
    ) {
        Err(Error::Impossible { .. }) => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

fn no_record() -> Result<(), Failed> {
    let ground = ground()?;
    let site = &ground.made.site_packages;
    fs::create_dir(site.join("egg-1.0.egg-info"))?;
    fs::write(site.join("linked.egg-link"), "/somewhere")?;
    fs::create_dir(site.join("bare-1.0.dist-info"))?;
    fs::write(site.join("bare-1.0.dist-info/METADATA"), "")?;
    let before = picture(&ground.made.dir);
    for name in ["egg", "linked", "bare"] {
        match uninstall(&ground.made, &[name.parse()?], &InstallOptions::default()) {
            Err(error @ Error::Impossible { .. }) if error.hint().is_some() => {}
            other => return Err(format!("{name}: {other:?}").into()),
        }
        same(name, &picture(&ground.made.dir), &before)?;
    }
    Ok(())
}

fn all_or_none() -> Result<(), Failed> {
    let ground = ground()?;
    let before = picture(&ground.made.dir);
    let good = Draft::new("good", "1.0").file("good.py", "");
    let bad = Draft::new("bad", "1.0").data("data/pyvenv.cfg", "evil");
    let stored = [
        good.stored(&ground.store, ground.scratch.path())?,
        bad.stored(&ground.store, ground.scratch.path())?,
    ];
    let additions: Vec<_> = stored
        .iter()
        .map(|stored| Addition {
            stored,
            requested: true,
            direct_url: None,
        })
        .collect();
    let none: &Path = ".isolab".as_ref();
    match install(
        &ground.made,
        &ground.python,
        &additions,
        &[],
        &ground.store,
        &InstallOptions::default(),
    ) {
        Err(Error::Impossible { .. }) => {}
        other => return Err(format!("{other:?}").into()),
    }
    expect("left", &ground.made.dir.join(none).exists(), &false)?;
    same("unchanged", &picture(&ground.made.dir), &before)
}
