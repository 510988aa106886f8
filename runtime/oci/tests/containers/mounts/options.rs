//! Options of a mount, and what a later entry changes of it.

use std::fs;
use std::process::{Command, Stdio};

use isolab_oci::sys::process::effective_ids;

use super::{SHOW, mount, with};
use crate::support::{containers, name, options, root};
use crate::{Claim, example};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "each_option_of_a_bind_mount_has_its_effect",
        containers,
        flags,
    ),
    (
        "a_recursive_option_reaches_the_mounts_below_and_a_plain_one_does_not",
        root,
        recursive,
    ),
    ("a_bind_mount_keeps_what_its_source_forbids", root, locked),
    ("remount_changes_a_mount_that_is_there", containers, remount),
    (
        "remount_changes_the_file_system_and_keeps_the_flags_of_the_mount",
        containers,
        remount_data,
    ),
];

fn flags() {
    let cases: [(&[&str], &str); 12] = [
        (&["bind", "ro"], "ro,relatime"),
        (&["bind", "nosuid"], "rw,nosuid,relatime"),
        (&["bind", "nodev", "noexec"], "rw,nodev,noexec,relatime"),
        (&["bind", "noatime"], "rw,noatime"),
        (&["bind", "strictatime"], "rw"),
        (&["bind", "nodiratime"], "rw,nodiratime,relatime"),
        (&["bind", "noatime", "atime"], "rw,relatime"),
        (&["bind", "strictatime", "nostrictatime"], "rw,relatime"),
        (&["bind", "norelatime"], "rw,relatime"),
        (&["bind", "ro", "rw", "nosuid", "suid"], "rw,relatime"),
        (&["bind", "nosymfollow"], "rw,relatime,nosymfollow"),
        (
            &["rbind", "rro", "rnosuid", "rnoatime"],
            "ro,nosuid,noatime",
        ),
    ];
    // What the source's own mount says already comes on top.
    let (place, spec) = with(SHOW, vec![mount("/m", "none", "data", &["bind"])]);
    let plain = place.run(&spec).0;
    if plain != "/m rw,relatime\n" {
        println!("the source is mounted with options of its own: {plain}");
    }
    for (words, expected) in cases {
        // In a user namespace the kernel locks how a mount keeps access times.
        if effective_ids().0 != 0 && words.iter().any(|word| word.contains("atime")) {
            continue;
        }
        let (place, spec) = with(SHOW, vec![mount("/m", "none", "data", words)]);
        assert_eq!(place.run(&spec).0, format!("/m {expected}\n"), "{words:?}");
    }
    // A file system's own mount takes the same words.
    let words = ["nosuid", "noexec", "noatime", "nosymfollow", "size=4k"];
    let (place, spec) = with(SHOW, vec![mount("/m", "tmpfs", "tmpfs", &words)]);
    let shown = place.run(&spec).0;
    assert_eq!(shown, "/m rw,nosuid,noexec,noatime,nosymfollow\n");
}

fn recursive() {
    // /dev of the host has mounts below it: /dev/pts at least.
    for (word, below) in [("ro", "rw"), ("rro", "ro")] {
        let (place, spec) = with(SHOW, vec![mount("/m", "none", "/dev", &["rbind", word])]);
        let text = place.run(&spec).0;
        let options = |at: &str| {
            let line = text.lines().find(|l| l.starts_with(&format!("{at} ")));
            line.unwrap_or_else(|| panic!("no {at}: {text}")).to_owned()
        };
        assert!(options("/m").starts_with("/m ro"), "{text}");
        let pts = options("/m/pts");
        assert!(
            pts.starts_with(&format!("/m/pts {below}")),
            "{word}: {text}"
        );
    }
}

/// In a user namespace the kernel locks the flags of the host's mounts: asking
/// for one more must not ask for the others to be cleared. As root, whose
/// mounts are copied before the namespace is made, and as an ordinary user.
fn locked() {
    for user in [0, 65_533] {
        let (place, _) = with("", Vec::new());
        let mut spec = example::rootless(user, user, &["sh", "-c", SHOW]);
        spec.mounts
            .push(mount("/m", "bind", "data", &["bind", "ro"]));
        place.write(&spec);
        let runtime = place.path().join("runtime");
        fs::copy(env!("CARGO_BIN_EXE_isorun"), &runtime).unwrap();
        let script = "mount -t tmpfs -o nosuid,nodev,noexec,noatime t data; chown -R $0:$0 . 2>/dev/null; \
            export XDG_RUNTIME_DIR=$PWD; exec setpriv --reuid $0 --regid $0 --clear-groups \"$@\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script, &user.to_string()])
            .arg(runtime)
            .args(["run", "-b"])
            .arg(place.path())
            .arg(name())
            .current_dir(place.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            text, "/m ro,nosuid,nodev,noexec,noatime\n",
            "user {user}: {said}"
        );
    }
}

fn remount() {
    let again = mount("/m", "none", "", &["remount", "ro", "nosuid"]);
    let mounts = vec![mount("/m", "tmpfs", "tmpfs", &[]), again.clone()];
    let (place, spec) = with(SHOW, mounts);
    assert_eq!(place.run(&spec).0, "/m ro,nosuid,relatime\n");
    let (place, spec) = with("true", vec![again]);
    fs::create_dir(place.root().join("m")).unwrap();
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("remount"), "{error}");
}

fn remount_data() {
    let size = "df -k /m | awk 'END { print $2 }'";
    let show = format!("{SHOW}; {size}");
    let at_first = mount("/m", "tmpfs", "tmpfs", &["nosuid", "noexec", "size=64k"]);
    for (words, flags) in [
        (&["remount", "size=128k"][..], "rw,nosuid,noexec,relatime"),
        (
            &["remount", "ro", "size=128k,nr_inodes=9"],
            "ro,nosuid,noexec,relatime",
        ),
    ] {
        let again = mount("/m", "tmpfs", "", words);
        let (place, spec) = with(&show, vec![at_first.clone(), again]);
        assert_eq!(place.run(&spec).0, format!("/m {flags}\n128\n"));
    }
    // What a bind mount shares with its source stays.
    let again = mount("/m", "", "", &["remount", "bind", "ro", "size=128k"]);
    let (place, spec) = with(&show, vec![at_first.clone(), again]);
    let shown = "/m ro,nosuid,noexec,relatime\n64\n";
    assert_eq!(place.run(&spec).0, shown);
    let again = mount("/m", "tmpfs", "", &["remount", "no-such-option"]);
    let (place, spec) = with("true", vec![at_first, again]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("option"), "{error}");
}
