//! config.md: options of mounts.

use std::fs;

use crate::case::Case;
use crate::mounts::{Tree, bind, mounted, run, tmpfs};
use crate::subject::Subject;
use crate::{Claim, anyone, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "options_of_the_mount_are_set",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "ro, nosuid, nodev, noexec, noatime, nodiratime, relatime, strictatime are those of the mount, and work",
        need: anyone,
        test: flags,
    },
    Claim {
        name: "options_undo_what_stands_before_them",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "rw, suid, dev, exec, atime, diratime, norelatime, nostrictatime take back, as mount(8) does",
        need: anyone,
        test: opposites,
    },
    Claim {
        name: "options_of_the_file_system_are_set",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "sync, async, dirsync, lazytime, nolazytime, iversion, noiversion, loud and silent are accepted and do their work",
        need: anyone,
        test: super_flags,
    },
    Claim {
        name: "the_option_defaults_changes_nothing",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`defaults` is an option of the mount, not of the file system",
        need: anyone,
        test: defaults,
    },
    Claim {
        name: "a_mount_can_be_mounted_again",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`remount` changes the options of a mount that is there",
        need: anyone,
        test: remount,
    },
    Claim {
        name: "a_bind_mount_has_its_options",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "ro, nosuid, nodev, noexec, noatime hold for a bind mount and not for its source",
        need: anyone,
        test: bind_flags,
    },
    Claim {
        name: "a_mount_has_its_propagation",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "shared, slave, private, unbindable and their recursive forms",
        need: root,
        test: propagation,
    },
    Claim {
        name: "unknown_options_are_the_file_systems",
        section: "config.md, Linux mount options",
        level: "SHOULD",
        gist: "what is no option of mount(8) is handed to the file system, which may refuse it",
        need: anyone,
        test: data,
    },
    Claim {
        name: "recursive_options_reach_what_is_mounted_below",
        section: "config.md, Linux mount options",
        level: "SHOULD",
        gist: "rro, rnosuid, rnodev, rnoexec hold for the whole tree",
        need: root,
        test: recursive_flags,
    },
    Claim {
        name: "a_tmpfs_can_begin_with_what_it_covers",
        section: "config.md, Linux mount options",
        level: "MAY",
        gist: "`tmpcopyup` copies what was there into the tmpfs",
        need: anyone,
        test: copy_up,
    },
];

fn flags(subject: Subject) {
    let case = Case::new(subject);
    for (options, expected) in [
        (&["ro"][..], &["ro"][..]),
        (&["nosuid"], &["nosuid"]),
        (&["nodev"], &["nodev"]),
        (&["noexec"], &["noexec"]),
        (&["noatime"], &["noatime"]),
        (&["nodiratime"], &["nodiratime"]),
        (&["relatime"], &["relatime"]),
        (
            &["ro", "nosuid", "nodev", "noexec", "noatime"],
            &["ro", "nosuid", "nodev", "noexec", "noatime"],
        ),
    ] {
        let found = mounted(&case, &[tmpfs("/to", options)], "/to");
        for option in expected {
            assert!(found.has(option), "{options:?}: {found:?}");
        }
    }
    // The kernel shows the strict form by showing none.
    let found = mounted(&case, &[tmpfs("/to", &["strictatime"])], "/to");
    assert!(!found.has("relatime") && !found.has("noatime"), "{found:?}");
    let config = case.with_mount("touch /to/file 2>&1", tmpfs("/to", &["ro"]));
    assert!(case.output(&config).contains("Read-only"));
    let config = case.with_mount(
        "echo true >/to/file; chmod 755 /to/file; /to/file 2>&1",
        tmpfs("/to", &["noexec"]),
    );
    assert!(case.output(&config).contains("Permission denied"));
}

fn opposites(subject: Subject) {
    let case = Case::new(subject);
    let first = ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime"];
    let then = ["rw", "suid", "dev", "exec", "atime", "diratime"];
    let options: Vec<&str> = first.iter().chain(&then).copied().collect();
    let found = mounted(&case, &[tmpfs("/to", &options)], "/to");
    for option in first {
        // In a user namespace the kernel may lock some of them.
        let locked = subject.rootless && ["nosuid", "nodev"].contains(&option);
        assert!(locked || !found.has(option), "{option}: {found:?}");
    }
    assert!(found.has("rw"), "{found:?}");
    let found = mounted(
        &case,
        &[tmpfs("/to", &["strictatime", "nostrictatime"])],
        "/to",
    );
    assert!(found.has("relatime"), "{found:?}");
    let found = mounted(&case, &[tmpfs("/to", &["relatime", "norelatime"])], "/to");
    assert!(!found.has("noatime"), "{found:?}");
}

fn super_flags(subject: Subject) {
    let case = Case::new(subject);
    for option in [
        "async",
        "dirsync",
        "lazytime",
        "nolazytime",
        "iversion",
        "noiversion",
        "loud",
        "silent",
        "sync",
    ] {
        let found = mounted(&case, &[tmpfs("/to", &[option])], "/to");
        assert_eq!(found.kind, "tmpfs", "{option}");
        if ["sync", "dirsync", "lazytime"].contains(&option) {
            assert!(found.file_system_has(option), "{option}: {found:?}");
        }
    }
    let found = mounted(&case, &[tmpfs("/to", &["sync", "async"])], "/to");
    assert!(!found.file_system_has("sync"), "{found:?}");
}

fn defaults(subject: Subject) {
    let case = Case::new(subject);
    let found = mounted(&case, &[tmpfs("/to", &["defaults", "nosuid"])], "/to");
    assert!(found.has("nosuid") && found.has("rw"), "{found:?}");
}

fn remount(subject: Subject) {
    let case = Case::new(subject);
    let mounts = [
        tmpfs("/to", &["size=64k"]),
        tmpfs("/to", &["remount", "ro"]),
    ];
    let found = mounted(&case, &mounts, "/to");
    assert!(found.has("ro") || found.file_system_has("ro"), "{found:?}");
}

fn bind_flags(subject: Subject) {
    let case = Case::new(subject);
    case.directory("source");
    let mut options = vec!["ro", "nosuid", "nodev", "noexec"];
    if !subject.rootless {
        options.push("noatime"); // locked in a user namespace
    }
    for option in options {
        let found = mounted(&case, &[bind("source", "/to", &["bind", option])], "/to");
        assert!(found.has(option), "{option}: {found:?}");
    }
    let found = mounted(&case, &[bind("source", "/to", &["rbind", "rw"])], "/to");
    assert!(found.has("rw"), "{found:?}");
    let config = case.with_mount(
        "touch /to/file 2>&1",
        bind("source", "/to", &["rbind", "ro"]),
    );
    assert!(case.output(&config).contains("Read-only"));
    fs::write(case.beside("source/by-the-host"), "").unwrap();
}

fn propagation(subject: Subject) {
    let case = Case::new(subject);
    case.directory("source");
    for option in ["shared", "rshared"] {
        let found = mounted(&case, &[bind("source", "/to", &["bind", option])], "/to");
        assert!(found.has_tag("shared:"), "{option}: {found:?}");
    }
    for option in ["private", "rprivate"] {
        let found = mounted(&case, &[bind("source", "/to", &["bind", option])], "/to");
        assert!(found.tags.is_empty(), "{option}: {found:?}");
    }
    for option in ["unbindable", "runbindable"] {
        let found = mounted(&case, &[bind("source", "/to", &["bind", option])], "/to");
        assert!(found.has_tag("unbindable"), "{option}: {found:?}");
    }
    // A slave needs a master: the source is shared on the host.
    let source = case.beside("source").to_string_lossy().into_owned();
    run("mount", &["--bind", &source, &source]);
    run("mount", &["--make-shared", &source]);
    let found = ["slave", "rslave"].map(|option| {
        std::panic::catch_unwind(|| {
            mounted(&case, &[bind("source", "/to", &["bind", option])], "/to")
        })
    });
    run("umount", &[&source]);
    for found in found {
        let found = found.unwrap();
        assert!(
            found.has_tag("master:") && !found.has_tag("shared:"),
            "{found:?}"
        );
    }
}

fn data(subject: Subject) {
    let case = Case::new(subject);
    let found = mounted(
        &case,
        &[tmpfs("/to", &["size=128k", "nosuid", "mode=700"])],
        "/to",
    );
    assert!(found.file_system_has("size=128k"), "{found:?}");
    assert!(found.file_system_has("mode=700"), "{found:?}");
    assert!(found.has("nosuid"), "{found:?}");
    let config = case.with_mount("true", tmpfs("/to", &["no-such-option"]));
    case.refused("no-such-option", &config);
}

fn recursive_flags(subject: Subject) {
    let case = Case::new(subject);
    let _tree = Tree::new(&case);
    for (option, flag) in [
        ("rro", "ro"),
        ("rnosuid", "nosuid"),
        ("rnodev", "nodev"),
        ("rnoexec", "noexec"),
    ] {
        let mounts = [bind("tree", "/to", &["rbind", option])];
        for target in ["/to", "/to/below"] {
            let found = mounted(&case, &mounts, target);
            assert!(found.has(flag), "{option} {target}: {found:?}");
        }
    }
}

fn copy_up(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.rootfs().join("etc/file"), "copied").unwrap();
    case.give(&case.rootfs().join("etc/file"));
    let config = case.with_mount(
        "cat /etc/file; touch /etc/new",
        tmpfs("/etc", &["tmpcopyup"]),
    );
    assert_eq!(case.output(&config), "copied");
    assert!(!case.rootfs().join("etc/new").exists());
}
