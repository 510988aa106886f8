//! What is on a disk: the image's files as they are, in a file system without a fault.

use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::party::{Party, User};
use crate::place::{no, said};
use crate::{e2fs, trial, why_not, with_app};

pub(crate) fn trials() -> Vec<Trial> {
    let all = [User::Myself, User::Granted, User::Single];
    let trials = all.map(|user| {
        let name = format!(
            "a disk holds the image's files as they are, {}",
            user.name()
        );
        trial(&name, why_not(user), move || holds(user))
    });
    let mut trials = Vec::from(trials);
    let missing = why_not(User::Myself)
        .or_else(|| no("qemu-img"))
        .or_else(crate::guests::no_guests);
    let name = "a copy in QEMU's own format is the same disk";
    trials.push(trial(name, missing, copies));
    for user in [User::Myself, User::Granted] {
        let name = format!("a disk keeps capabilities and attributes, {}", user.name());
        let missing = why_not(user).or_else(|| no("python3"));
        trials.push(trial(&name, missing, move || keeps_attributes(user)));
    }
    trials
}

/// Writes an archive of one file, which may open raw sockets (`capabilities(7)`, version 2).
const TOOL: &str = "\
import io, sys, tarfile
entry = tarfile.TarInfo('bin/tool')
entry.size, entry.uid, entry.gid = 4, 5, 6
capability = '\\x01\\0\\0\\x02\\0\\x20' + '\\0' * 14
entry.pax_headers = {
    'SCHILY.xattr.security.capability': capability,
    'SCHILY.xattr.user.note': 'hello',
}
with tarfile.open(sys.argv[1], 'w', format=tarfile.PAX_FORMAT) as archive:
    archive.addfile(entry, io.BytesIO(b'tool'))
";

fn keeps_attributes(user: User) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = Party::new(place.path(), "home", user)?;
    let archive = party.home().join("tool.tar");
    said(Command::new("python3").args(["-c", TOOL]).arg(&archive))?;
    party.says(&["import", "tool.tar", "tool"])?;
    let made = party.json(&["vm", "disk", "--json", "tool"])?;
    let disk = Path::new(made["path"].as_str().ok_or("no path")?);
    let listed = asked(disk, "ea_list /bin/tool")?;
    let capability = "security.capability (20) = 01 00 00 02 00 20 00 00";
    for part in [capability, "user.note (5) = \"hello\""] {
        assert!(listed.contains(part), "no `{part}` in {listed}");
    }
    let stat = asked(disk, "stat /bin/tool")?;
    assert!(stat.contains("User:     5   Group:     6"), "{stat}");
    Ok(())
}

/// What `debugfs` says to a request.
fn asked(disk: &Path, request: &str) -> Result<String, Failed> {
    said(e2fs("debugfs").args(["-R", request]).arg(disk))
}

fn holds(user: User) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), user)?;
    let made = party.json(&["vm", "disk", "--json", "app"])?;
    assert_eq!(made["schema"], "isolab.vm.disk/1");
    assert_eq!(made["was_there"], false);
    let disk = Path::new(made["path"].as_str().ok_or("no path")?).to_owned();
    said(e2fs("e2fsck").args(["-f", "-n"]).arg(&disk))?;

    let stat = asked(&disk, "stat /data/b")?;
    let has = |text: &str, part: &str| match text.contains(part) {
        true => Ok(()),
        false => Err(Failed::from(format!("no `{part}` in {text}"))),
    };
    has(&stat, "Mode:  04750")?;
    has(&stat, "Links: 2")?;
    // Who has no ids but his own cannot keep others'.
    let (uid, gid) = if user == User::Single {
        (0, 0)
    } else {
        (1000, 1001)
    };
    has(&stat, &format!("User: {uid:5}   Group: {gid:5}"))?;
    let deep = asked(&disk, "stat /data/deep/a")?;
    let inode = |text: &str| text.split_whitespace().nth(1).map(str::to_owned);
    assert_eq!(inode(&stat), inode(&deep), "one file of two names");
    has(
        &asked(&disk, "stat /data/deep/link")?,
        "Fast link dest: \"../a\"",
    )?;
    has(&asked(&disk, "stat /data")?, "Mode:  01777")?;
    let listing = asked(&disk, "ls -p /data")?;
    has(&listing, "/odd name/")?;
    assert!(!listing.contains("gone"), "{listing}");
    has(&asked(&disk, "cat /data/b")?, "one")?;
    let root = asked(&disk, "ls -p /")?;
    has(&root, "/.isolab/")?;
    has(&root, "/proc/")?;
    has(&asked(&disk, "cat /.isolab/wanted")?, "COLOUR=blue")?;

    // It takes what its files take, and says so.
    let number = |name: &str| made[name].as_u64().ok_or("no number");
    let (content, allocated) = (number("content_bytes")?, number("allocated_bytes")?);
    assert!(content > 3_000_000, "{content}");
    assert!(allocated < content + (8 << 20), "{allocated} for {content}");
    assert!(number("bytes")? >= content + (512 << 20));
    Ok(())
}

fn copies() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    if let Some(why) = crate::guests::no_kernel(&party) {
        return Err(why.into());
    }
    let made = party.json(&["vm", "disk", "--json", "app"])?;
    let disk = made["path"].as_str().ok_or("no path")?;
    party.says(&["vm", "disk", "-o", "copy.qcow2", "--format", "qcow2", "app"])?;
    let compared = Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "qcow2", disk])
        .arg(party.home().join("copy.qcow2"))
        .output()?;
    assert!(compared.status.success(), "{compared:?}");
    Ok(())
}
