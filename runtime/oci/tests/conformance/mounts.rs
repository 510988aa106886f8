//! config.md: mounts, where they go and what of.

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
        name: "a_destination_that_is_a_symlink_stays_inside",
        section: "config.md, Mounts",
        level: "REQUIRED",
        gist: "`destination` is a path inside the container, also where a symlink leads elsewhere",
        need: anyone,
        test: symlink,
    },
];

pub(crate) fn bind(source: &str, destination: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": "none", "source": source, "options": options })
}

pub(crate) fn tmpfs(destination: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options })
}

/// What is mounted at `target`, after `mounts` were made.
pub(crate) fn mounted(case: &Case, mounts: &[Value], target: &str) -> Mount {
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
    let mount = tmpfs("here/it/is", &["size=64k"]);
    let mut config = case.with_mount("cat /proc/self/mountinfo", mount);
    config["process"]["cwd"] = json!("/tmp");
    let found = top(&table(&case.output(&config)), "/here/it/is");
    assert_eq!(found.kind, "tmpfs");
}

fn no_destination(subject: Subject) {
    let case = Case::new(subject);
    let config = case.with_mount("true", json!({ "type": "tmpfs", "source": "tmpfs" }));
    case.refused("no destination", &config);
}

fn sources(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.directory("source").join("file"), "in directory").unwrap();
    let file = case.file("file", "a file");
    let source = case.beside("source").to_string_lossy().into_owned();
    for source in ["source", "./source/", &source] {
        let config = case.with_mount("cat /to/file", bind(source, "/to", &["rbind"]));
        assert_eq!(case.output(&config), "in directory", "{source}");
    }
    for source in ["file", &file.to_string_lossy()] {
        let config = case.with_mount(
            "cat /etc/made/for/it",
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
            let config = case.with_mount("cat /to/file", mount);
            assert_eq!(case.output(&config), "bound", "{kind:?} {option}");
        }
    }
}

/// A directory with a tmpfs below it, for the time of a test.
pub(crate) struct Tree<'a> {
    case: &'a Case,
}

impl<'a> Tree<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
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

pub(crate) fn run(program: &str, arguments: &[&str]) {
    let status = std::process::Command::new(program).args(arguments).status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}

fn recursive(subject: Subject) {
    let case = Case::new(subject);
    let _tree = Tree::new(&case);
    for (option, expected) in [("rbind", "file\n"), ("bind", "")] {
        let config = case.with_mount("ls /to/below", bind("tree", "/to", &[option]));
        assert_eq!(case.output(&config), expected, "{option}");
    }
}

fn types(subject: Subject) {
    let case = Case::new(subject);
    let config = case.with_mount(
        "cat /proc/self/mountinfo",
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
        let config = case.with_mount("true", mount.clone());
        case.refused(mount, &config);
    }
}

fn symlink(subject: Subject) {
    let case = Case::new(subject);
    let outside = case.directory("outside");
    std::os::unix::fs::symlink(&outside, case.rootfs().join("link")).unwrap();
    std::os::unix::fs::symlink("/../../../tmp/in", case.rootfs().join("up")).unwrap();
    for destination in ["/link/to", "/up/to"] {
        let config = case.with_mount("cat /proc/self/mountinfo", tmpfs(destination, &[]));
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
