//! A disk that is full: it is said what is missing, and the store is as it was.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::place::{Home, no, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "what finds no room on the disk says how much it takes, and harms nothing",
        no("tar").or_else(no_small_disk),
        full,
    )]
}

/// A script in a mount namespace in which `$HOME/data` is a disk of eight MiB.
fn on_a_small_disk(home: &Home, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let mount = "mkdir data; mount -t tmpfs -o size=8m small data";
    command
        .args(["-m", "sh", "-ec", &format!("{mount}\n{script}")])
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("XDG_DATA_HOME", home.path().join("data"))
        .env("NO_COLOR", "1");
    command
}

fn no_small_disk() -> Option<String> {
    let tried = on_a_small_disk(&Home::new(), "true").output();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| "no disk can be mounted".to_owned())
}

fn full() -> Result<(), Failed> {
    let made = Home::new();
    // One that does not fit as it is, and one that does but for its files.
    let script = "head -c 20000000 /dev/urandom > noise; tar -cf noise-files.tar noise
                  yes | head -c 30000000 > zeros; tar -cf zeros-files.tar zeros";
    said(
        Command::new("sh")
            .args(["-ec", script])
            .current_dir(made.path()),
    )?;
    for name in ["noise", "zeros"] {
        made.says(&["import", &format!("{name}-files.tar"), name])?;
        made.says(&["save", name, "-o", &format!("{name}.tar")])?;
    }
    made.says(&["run", "hello-world"])?;
    made.says(&["save", "hello-world", "-o", "hello.tar"])?;
    let home = Home::new();
    let (isolab, from) = (env!("CARGO_BIN_EXE_isolab"), made.path().display());
    let script = format!(
        "isolab() {{ '{isolab}' \"$@\"; }}
         isolab load -q -i {from}/hello.tar
         isolab load -i {from}/noise.tar 2> noise.told && exit 3
         cat {from}/noise.tar | isolab load 2> pipe.told && exit 4
         isolab load -q -i {from}/zeros.tar 2> zeros.told && exit 5
         isolab import {from}/noise-files.tar again 2> import.told && exit 6
         isolab images --json > images.told
         ls -A data/isolab/images/ingest > left.told
         isolab run hello-world > ran.told
         mount -o remount,size=128m data
         isolab load -q -i {from}/noise.tar
         isolab load -q -i {from}/zeros.tar
         isolab export noise | tar -xO noise | cmp - {from}/noise"
    );
    said(&mut on_a_small_disk(&home, &script))?;
    let told = |name: &str| std::fs::read_to_string(home.path().join(format!("{name}.told")));
    for (name, needed) in [
        ("noise", "it takes 200"),
        ("pipe", "it takes 200"),
        ("zeros", "it takes 300"),
        ("import", "it takes more than the "),
    ] {
        let told = told(name)?;
        let free = told.split("are free in").count() == 2 || told.contains("that are free in");
        assert!(told.contains(needed) && free, "{name}: {told}");
        assert!(told.contains("isolab system prune"), "{name}: {told}");
        assert!(!told.contains(" 0 are free"), "{name}: {told}");
    }
    let images = told("images")?;
    assert!(
        images.contains("hello-world") && !images.contains("noise"),
        "{images}"
    );
    assert_eq!(told("left")?, "");
    assert!(told("ran")?.starts_with("Hello"), "{}", told("ran")?);
    Ok(())
}
