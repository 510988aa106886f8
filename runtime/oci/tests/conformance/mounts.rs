//! config.md: mounts.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::mount_table::{Mount, table, top};
use crate::subject::Subject;
use crate::{Claim, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "mounts_are_made_in_the_order_of_the_list",
        section: "config.md, Mounts",
        level: "MUST",
        gist: "a later entry lies upon an earlier one, and below what an earlier one made",
        need: anyone,
        test: order,
    },
    Claim {
        name: "a_relative_destination_begins_at_the_root",
        section: "config.md, Mounts",
        level: "MUST",
        gist: "`destination` is absolute; a relative one is relative to \"/\"",
        need: anyone,
        test: relative,
    },
    Claim {
        name: "a_mount_without_a_destination_is_refused",
        section: "config.md, Mounts",
        level: "REQUIRED",
        gist: "`destination` is there",
        need: anyone,
        test: no_destination,
    },
    Claim {
        name: "a_bind_source_is_absolute_or_begins_at_the_bundle",
        section: "config.md, Mounts",
        level: "OPTIONAL",
        gist: "`source` of a bind mount, of a directory or a file, is absolute or relative to the bundle",
        need: anyone,
        test: sources,
    },
    Claim {
        name: "a_mount_is_a_bind_mount_by_its_options",
        section: "config.md, Mounts",
        level: "OPTIONAL",
        gist: "with `bind` or `rbind`, whatever `type` says or where there is none",
        need: anyone,
        test: dummy_type,
    },
    Claim {
        name: "a_recursive_bind_mount_brings_what_is_mounted_below",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`rbind` brings the mounts below the source, `bind` does not",
        need: root,
        test: recursive,
    },
    Claim {
        name: "a_type_of_the_kernel_is_mounted",
        section: "config.md, POSIX-platform mounts",
        level: "OPTIONAL",
        gist: "`type` is a file system of the kernel: proc, tmpfs, mqueue, devpts, and as root sysfs",
        need: anyone,
        test: types,
    },
    Claim {
        name: "a_source_or_type_that_is_not_there_is_an_error",
        section: "config.md, Mounts",
        level: "MUST",
        gist: "a mount that cannot be made is an error of create",
        need: anyone,
        test: impossible,
    },
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
    Claim {
        name: "an_idmapped_mount_shows_other_owners",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` with `uidMappings` and `gidMappings` maps the owners of that mount by these",
        need: root,
        test: idmap,
    },
    Claim {
        name: "an_idmapped_mount_without_mappings_is_refused",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` and `ridmap` without mappings, in a container without a user namespace, are an error",
        need: root,
        test: no_mappings,
    },
    Claim {
        name: "an_idmapped_mount_may_take_the_containers_mapping",
        section: "config.md, Linux mount options",
        level: "MUST",
        gist: "`idmap` without mappings, in a container with a user namespace, takes the mappings of that, or is an error",
        need: root,
        test: containers_mapping,
    },
    Claim {
        name: "mappings_of_users_and_groups_come_together",
        section: "config.md, POSIX-platform mounts",
        level: "MUST",
        gist: "`uidMappings` of a mount without `gidMappings`, or the reverse, are an error",
        need: root,
        test: half_mapped,
    },
    Claim {
        name: "a_destination_that_is_a_symlink_stays_inside",
        section: "config.md, Mounts",
        level: "REQUIRED",
        gist: "`destination` is a path inside the container, also where a symlink leads elsewhere",
        need: anyone,
        test: symlink,
    },
];

fn bind(source: &str, destination: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": "none", "source": source, "options": options })
}

fn tmpfs(destination: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options })
}

/// What is mounted at `target`, after `mounts` were made.
fn mounted(case: &Case, mounts: &[Value], target: &str) -> Mount {
    let mut config = case.config("cat /proc/self/mountinfo");
    for mount in mounts {
        config::mount(&mut config, mount.clone());
    }
    let container = case.try_create(&config);
    let container = container.unwrap_or_else(|error| panic!("{mounts:?}: {error}"));
    container.start();
    container.wait();
    top(&table(&container.output()), target)
}

fn order(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "bound").unwrap();
    let mut config = case.config("cat /a/b/file; ls /a /c");
    config::mount(&mut config, tmpfs("/a", &[]));
    config::mount(&mut config, bind("source", "/a/b", &["bind"]));
    config::mount(&mut config, bind("source", "/c", &["bind"]));
    config::mount(&mut config, tmpfs("/c", &[]));
    assert_eq!(case.output(&config), "bound/a:\nb\n\n/c:\n");
    let mut config = case.config("ls /a");
    config::mount(&mut config, bind("source", "/a", &["bind"]));
    config::mount(&mut config, tmpfs("/a", &[]));
    config::mount(&mut config, bind("source", "/a", &["bind"]));
    assert_eq!(case.output(&config), "file\n");
}

fn relative(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat /proc/self/mountinfo");
    config["process"]["cwd"] = json!("/tmp");
    config::mount(&mut config, tmpfs("here/it/is", &["size=64k"]));
    let found = top(&table(&case.output(&config)), "/here/it/is");
    assert_eq!(found.kind, "tmpfs");
}

fn no_destination(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config::mount(&mut config, json!({ "type": "tmpfs", "source": "tmpfs" }));
    case.refused("no destination", &config);
}

fn sources(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "in directory").unwrap();
    let file = case.file("file", "a file");
    let source = case.beside("source").to_string_lossy().into_owned();
    for source in ["source", "./source/", &source] {
        let mut config = case.config("cat /to/file");
        config::mount(&mut config, bind(source, "/to", &["rbind"]));
        assert_eq!(case.output(&config), "in directory", "{source}");
    }
    for source in ["file", &file.to_string_lossy()] {
        let mut config = case.config("cat /etc/made/for/it");
        config::mount(
            &mut config,
            bind(source, "/etc/made/for/it", &["bind", "ro"]),
        );
        assert_eq!(case.output(&config), "a file", "{source}");
    }
}

fn dummy_type(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "bound").unwrap();
    let kinds = ["bind", "none", "", "anything", "cgroup", "cgroup2"];
    for kind in kinds.into_iter().map(Some).chain([None]) {
        for option in ["bind", "rbind"] {
            let mut mount = bind("source", "/to", &[option]);
            match kind {
                Some(kind) => mount["type"] = json!(kind),
                None => config::without(&mut mount, "type"),
            }
            let mut config = case.config("cat /to/file");
            config::mount(&mut config, mount);
            assert_eq!(case.output(&config), "bound", "{kind:?} {option}");
        }
    }
}

/// A directory with a tmpfs below it, for the time of a test.
struct Tree<'a> {
    case: &'a Case,
}

impl<'a> Tree<'a> {
    fn new(case: &'a Case) -> Self {
        let below = case.directory("tree").join("below");
        fs::create_dir(&below).unwrap();
        run("mount", &["-t", "tmpfs", "tmpfs", below.to_str().unwrap()]);
        fs::write(below.join("file"), "deep").unwrap();
        Self { case }
    }
}

impl Drop for Tree<'_> {
    fn drop(&mut self) {
        let below = self.case.beside("tree/below");
        let _ = std::process::Command::new("umount").arg(below).status();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = std::process::Command::new(program).args(arguments).status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}

fn recursive(subject: Subject) {
    let case = Case::new(subject);
    let _tree = Tree::new(&case);
    for (option, expected) in [("rbind", "file\n"), ("bind", "")] {
        let mut config = case.config("ls /to/below");
        config::mount(&mut config, bind("tree", "/to", &[option]));
        assert_eq!(case.output(&config), expected, "{option}");
    }
}

fn types(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat /proc/self/mountinfo");
    config::mount(
        &mut config,
        json!({
            "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
            "options": ["nosuid", "noexec", "nodev"]
        }),
    );
    let table = table(&case.output(&config));
    let mut expected = vec![
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
        ("/dev/mqueue", "mqueue"),
    ];
    if !subject.rootless {
        expected.push(("/sys", "sysfs"));
    }
    for (target, kind) in expected {
        assert_eq!(top(&table, target).kind, kind, "{target}");
    }
}

fn impossible(subject: Subject) {
    let case = Case::new(subject);
    for mount in [
        bind("missing", "/to", &["bind"]),
        json!({ "destination": "/to", "type": "no-such-type", "source": "x" }),
        json!({ "destination": "/to", "type": "tmpfs", "source": "x", "options": ["nonsense=1"] }),
    ] {
        let mut config = case.config("true");
        config::mount(&mut config, mount.clone());
        case.refused(mount, &config);
    }
}

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
    let mut config = case.config("touch /to/file 2>&1");
    config::mount(&mut config, tmpfs("/to", &["ro"]));
    assert!(case.output(&config).contains("Read-only"));
    let mut config = case.config("echo true >/to/file; chmod 755 /to/file; /to/file 2>&1");
    config::mount(&mut config, tmpfs("/to", &["noexec"]));
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
    let mut config = case.config("touch /to/file 2>&1");
    config::mount(&mut config, bind("source", "/to", &["rbind", "ro"]));
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
    let mut config = case.config("true");
    config::mount(&mut config, tmpfs("/to", &["no-such-option"]));
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
    let mut config = case.config("cat /etc/file; touch /etc/new");
    config::mount(&mut config, tmpfs("/etc", &["tmpcopyup"]));
    assert_eq!(case.output(&config), "copied");
    assert!(!case.rootfs().join("etc/new").exists());
}

fn idmap(subject: Subject) {
    let case = Case::new(subject);
    let source = case.directory("source");
    fs::write(source.join("file"), "").unwrap();
    std::os::unix::fs::chown(source.join("file"), Some(1000), Some(1001)).unwrap();
    let mut config = case.config("stat -c '%u %g' /to/file");
    let source = source.to_string_lossy();
    let mut mount = bind(&source, "/to", &["rbind", "idmap"]);
    mount["uidMappings"] = json!([{ "containerID": 1000, "hostID": 5000, "size": 10 }]);
    mount["gidMappings"] = json!([{ "containerID": 1000, "hostID": 6000, "size": 10 }]);
    config::mount(&mut config, mount);
    assert_eq!(case.output(&config), "5000 6001\n");
}

fn containers_mapping(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "").unwrap();
    let mut config = case.config("stat -c %u:%g /mnt/file");
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    config::mount(&mut config, bind("source", "/mnt", &["bind", "idmap"]));
    if let Ok(container) = case.try_create(&config) {
        container.start();
        container.wait();
        assert_eq!(container.output(), "0:0\n");
    }
}

fn no_mappings(subject: Subject) {
    let case = Case::new(subject);
    case.directory("source");
    for option in ["idmap", "ridmap"] {
        let mut config = case.config("true");
        config::mount(&mut config, bind("source", "/to", &["rbind", option]));
        case.refused(option, &config);
    }
}

fn half_mapped(subject: Subject) {
    let case = Case::new(subject);
    let source = case.directory("source").to_string_lossy().into_owned();
    for name in ["uidMappings", "gidMappings"] {
        let mut config = case.config("true");
        let mut mount = bind(&source, "/to", &["rbind", "idmap"]);
        mount[name] = json!([{ "containerID": 0, "hostID": 5000, "size": 10 }]);
        config::mount(&mut config, mount);
        case.refused(name, &config);
    }
}

fn symlink(subject: Subject) {
    let case = Case::new(subject);
    let outside = case.directory("outside");
    std::os::unix::fs::symlink(&outside, case.rootfs().join("link")).unwrap();
    std::os::unix::fs::symlink("/../../../tmp/in", case.rootfs().join("up")).unwrap();
    for destination in ["/link/to", "/up/to"] {
        let mut config = case.config("cat /proc/self/mountinfo");
        config::mount(&mut config, tmpfs(destination, &[]));
        // A runtime may also refuse it.
        if let Ok(container) = case.try_create(&config) {
            container.start();
            container.wait();
            let table = table(&container.output());
            let below = if destination == "/up/to" {
                "/tmp/in/to".to_owned()
            } else {
                format!("{}/to", outside.display())
            };
            assert_eq!(top(&table, &below).kind, "tmpfs");
        }
    }
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
}
