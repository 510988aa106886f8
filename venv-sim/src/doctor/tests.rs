//! Directories that look like environments, each with one thing wrong.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// What looks like an environment for a Python that nobody can start here.
fn environment() -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("env");
    fs::create_dir_all(dir.join("bin")).expect("made");
    fs::create_dir_all(dir.join("lib/python3.3/site-packages")).expect("made");
    fs::create_dir_all(home.path().join("base/bin")).expect("made");
    fs::write(home.path().join("base/bin/python3.3"), "#!/bin/false\n").expect("written");
    symlink(
        home.path().join("base/bin/python3.3"),
        dir.join("bin/python"),
    )
    .expect("linked");
    let config = format!(
        "home = {}\ninclude-system-site-packages = false\nversion = 3.3.7\n",
        home.path().join("base/bin").display()
    );
    fs::write(dir.join("pyvenv.cfg"), config).expect("written");
    home
}

fn kinds(home: &TempDir) -> Vec<&'static str> {
    let health = examine(&home.path().join("env"), &search()).expect("examined");
    let kinds = health.ailments.iter().map(|ailment| ailment.kind.name());
    kinds.filter(|kind| *kind != "python-fails").collect()
}

/// Where no interpreter is found.
fn search() -> Search {
    Search::new(Vec::<PathBuf>::new())
}

#[test]
fn what_is_no_environment_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let refused = examine(home.path(), &search());
    assert!(matches!(refused, Err(Error::NotAnEnvironment { .. })));
}

#[test]
fn a_healthy_one_has_no_ailments() {
    assert_eq!(kinds(&environment()), [""; 0]);
}

#[test]
fn a_missing_key_is_added_and_the_rest_is_kept() {
    let home = environment();
    let file = home.path().join("env/pyvenv.cfg");
    let text = "# mine\nversion = 3.3.7\nprompt = 'x'";
    fs::write(&file, text).expect("written");
    let health = examine(&home.path().join("env"), &search()).expect("examined");
    assert_eq!(health.ailments[0].kind, AilmentKind::Configuration);
    health.mend(&search(), |_| {}).expect("mended");
    let mended = fs::read_to_string(&file).expect("read");
    assert!(mended.starts_with(text), "{mended}");
    assert!(
        mended.contains("\nhome = ") && mended.contains("\ninclude-system-site-packages = false\n")
    );
    let kept = fs::read_to_string(home.path().join("env/kept/pyvenv.cfg"));
    assert_eq!(kept.expect("kept"), text);
    assert_eq!(kinds(&home), [""; 0]);
}

#[test]
fn a_whole_pyvenv_cfg_is_made_from_what_the_rest_tells() {
    let home = environment();
    fs::remove_file(home.path().join("env/pyvenv.cfg")).expect("removed");
    let health = examine(&home.path().join("env"), &search()).expect("examined");
    health.mend(&search(), |_| {}).expect("mended");
    assert_eq!(kinds(&home), [""; 0]);
}

#[test]
fn a_lost_interpreter_is_named_with_what_its_user_can_do() {
    let home = environment();
    fs::remove_dir_all(home.path().join("base")).expect("removed");
    let health = examine(&home.path().join("env"), &search()).expect("examined");
    let ailment = &health.ailments[0];
    assert_eq!(ailment.kind, AilmentKind::InterpreterGone);
    assert!(!ailment.is_mendable() && ailment.remedy.contains("3.3"));
}

#[test]
fn scripts_of_a_moved_environment_are_rewritten_with_their_record() {
    let home = environment();
    let (old, dir) = (home.path().join("old"), home.path().join("env"));
    let script = format!("#!{}/bin/python\nprint('hello')\n", old.display());
    fs::write(dir.join("bin/hello"), &script).expect("written");
    fs::write(dir.join("bin/mine"), "#!/usr/bin/python3\n").expect("written");
    let activate = format!("VIRTUAL_ENV='{}'\nexport VIRTUAL_ENV\n", old.display());
    fs::write(dir.join("bin/activate"), &activate).expect("written");
    let info = dir.join("lib/python3.3/site-packages/hello-1.dist-info");
    fs::create_dir(&info).expect("made");
    fs::write(
        info.join("METADATA"),
        "Metadata-Version: 2.1\nName: hello\nVersion: 1\n",
    )
    .expect("");
    let digest = crate::wheel::Digest::of(script.as_bytes());
    let record = format!("../../../bin/hello,{digest},{}\n", script.len());
    fs::write(info.join("RECORD"), record).expect("written");

    assert_eq!(kinds(&home), ["moved"]);
    let health = examine(&dir, &search()).expect("examined");
    health.mend(&search(), |_| {}).expect("mended");
    assert_eq!(kinds(&home), [""; 0]);
    let text = |path: &str| fs::read_to_string(dir.join(path)).expect("read");
    assert!(text("bin/hello").ends_with("print('hello')\n"));
    assert!(text("bin/hello").contains("env/bin/python") || text("bin/hello").contains("realpath"));
    assert_eq!(text("bin/mine"), "#!/usr/bin/python3\n");
    assert_eq!(text("kept/bin/hello"), script);
    assert!(text("bin/activate").contains(&format!("VIRTUAL_ENV='{}'", dir.display())));
    // A second repair keeps beside what the first kept.
    fs::write(dir.join("bin/hello"), &script).expect("written");
    examine(&dir, &search())
        .expect("examined")
        .mend(&search(), |_| {})
        .expect("mended");
    assert_eq!(text("kept/bin/hello.1"), script);
}

#[test]
fn a_link_that_leads_nowhere_and_what_pip_left_are_found_and_mended() {
    let home = environment();
    let dir = home.path().join("env");
    symlink("gone", dir.join("lib64")).expect("linked");
    symlink("/gone/away", dir.join("bin/tool")).expect("linked");
    let packages = dir.join("lib/python3.3/site-packages");
    fs::create_dir_all(packages.join("~jango/core")).expect("made");
    assert_eq!(kinds(&home), ["broken-link", "broken-link", "damaged"]);
    let health = examine(&dir, &search()).expect("examined");
    health.mend(&search(), |_| {}).expect("mended");
    // The tool's link is its user's to remove.
    assert_eq!(kinds(&home), ["broken-link"]);
    assert!(dir.join("lib64/python3.3").is_dir());
    assert!(
        dir.join("kept/lib/python3.3/site-packages/~jango/core")
            .is_dir()
    );
}
