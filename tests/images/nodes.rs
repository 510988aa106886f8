//! Devices and fifos: what becomes of them in a build.

use std::fs;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::building::no_containers;
use crate::kills::party::{Party, User};
use crate::place::{no, no_busybox, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let users = [User::Myself, User::Granted, User::Single];
    let trials = users.map(|user| {
        let what = "devices and fifos of an archive are made where they may be";
        let missing = no_busybox()
            .or_else(no_containers)
            .or_else(|| user.why_not())
            .or_else(|| no("python3"));
        trial(&format!("{what}, {}", user.name()), missing, move || {
            nodes(user)
        })
    });
    trials.into()
}

/// Nobody but root could pack a device with `tar`.
const PACK: &str = "
import tarfile
kinds = {'fifo': tarfile.FIFOTYPE, 'zero': tarfile.CHRTYPE, 'disk': tarfile.BLKTYPE}
with tarfile.open('nodes.tar', 'w') as archive:
    for name in kinds:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.uid, entry.gid = kinds[name], 0o640, 5, 6
        entry.devmajor, entry.devminor = 1, 5
        archive.addfile(entry)
";

fn nodes(user: User) -> Result<(), Failed> {
    let party = Party::alone(user)?;
    party.says(&["image", "bootstrap", "busybox"])?;
    let context = party.home().join("context");
    fs::create_dir(&context)?;
    let mut pack = party.command("python3");
    said(pack.args(["-c", PACK]))?;
    fs::rename(party.home().join("nodes.tar"), context.join("nodes.tar"))?;
    let write = |name: &str, text: &str| fs::write(context.join(name), text);
    // They come from a stage as they come from an archive.
    write(
        "Dockerfile",
        "FROM busybox AS first\nADD nodes.tar /n/\n\
         FROM busybox\nCOPY --from=first /n /n\n",
    )?;
    let output = party.isolab(&["build", "-t", "app", "context"]).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{told}");
    let ask = "cd /n; for f in *; do stat -c '%n %F %a %u:%g %t,%T' $f; done";
    let found = party.says(&["run", "app", "sh", "-c", ask])?;
    let owner = match user {
        User::Single => "0:0",
        _ => "5:6",
    };
    let fifo = format!("fifo fifo 640 {owner} 0,0\n");
    if party.is_root() {
        let disk = format!("disk block special file 640 {owner} 1,5\n");
        let zero = format!("zero character special file 640 {owner} 1,5\n");
        assert_eq!(found, disk + &fifo + &zero);
    } else {
        assert_eq!(found, fifo);
        let note = "note: devices that this user may not make are left out of what /nodes.tar \
                    brings: 2";
        assert!(told.contains(note), "{told}");
    }
    // Of the context itself they are refused, by name and with what helps.
    said(Command::new("mkfifo").arg(context.join("pipe")))?;
    write("Dockerfile", "FROM busybox\nCOPY . /all/\n")?;
    let refused = party.isolab(&["build", "context"]).output()?;
    let told = String::from_utf8(refused.stderr)?;
    assert!(!refused.status.success(), "{told}");
    assert!(
        told.contains("pipe") && told.contains(".dockerignore"),
        "{told}"
    );
    write(".dockerignore", "pipe\n")?;
    party.says(&["build", "-t", "all", "context"])?;
    assert_eq!(fs::read_dir(party.store().join("ingest"))?.count(), 0);
    Ok(())
}
