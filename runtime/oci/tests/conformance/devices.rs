//! config-linux.md: default file systems and devices.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::subject::Subject;
use crate::{Claim, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "the_default_file_systems_can_be_there",
        section: "config-linux.md, Default filesystems",
        level: "SHOULD",
        gist: "/proc, /sys, /dev/pts and /dev/shm are what their names say",
        need: root,
        test: file_systems,
    },
    Claim {
        name: "the_default_devices_are_there_and_work",
        section: "config-linux.md, Default devices",
        level: "MUST",
        gist: "null, zero, full, random, urandom and tty are there without being asked for",
        need: anyone,
        test: defaults,
    },
    Claim {
        name: "the_multiplexer_is_that_of_the_container",
        section: "config-linux.md, Default devices",
        level: "MUST",
        gist: "`/dev/ptmx` is the one of the container's own `/dev/pts`",
        need: anyone,
        test: ptmx,
    },
    Claim {
        name: "a_device_is_made_as_configured",
        section: "config-linux.md, Devices",
        level: "MUST",
        gist: "character and block devices and pipes, with type, numbers, mode and owner, in /dev or elsewhere",
        need: root,
        test: made,
    },
    Claim {
        name: "an_ordinary_user_gets_devices_of_the_host",
        section: "config-linux.md, Devices",
        level: "MUST",
        gist: "a device that the user cannot make is supplied in another way",
        need: rootless,
        test: bound,
    },
    Claim {
        name: "a_device_that_is_another_file_is_refused",
        section: "config-linux.md, Devices",
        level: "MUST",
        gist: "where another file is at `path`, create is an error",
        need: root,
        test: occupied,
    },
    Claim {
        name: "a_device_needs_its_type_and_path",
        section: "config-linux.md, Devices",
        level: "REQUIRED",
        gist: "`type` is c, b, u or p, and `path` is there",
        need: anyone,
        test: incomplete,
    },
];

fn rootless(subject: Subject) -> crate::Need {
    if subject.rootless {
        Ok(())
    } else {
        Err("is about an ordinary user".to_owned())
    }
}

fn file_systems(subject: Subject) {
    let case = Case::new(subject);
    let script =
        "stat -f -c %T /proc /sys /dev/pts /dev/shm; ls /proc/self/status /sys/class >/dev/null";
    let text = case.script(script);
    let kinds: Vec<&str> = text.lines().collect();
    // busybox does not know every type by its name.
    assert_eq!(kinds.len(), 4, "{text}");
    let mounts = case.script("cat /proc/self/mountinfo");
    let table = crate::mount_table::table(&mounts);
    for (target, kind) in [
        ("/proc", "proc"),
        ("/sys", "sysfs"),
        ("/dev/pts", "devpts"),
        ("/dev/shm", "tmpfs"),
    ] {
        assert_eq!(crate::mount_table::top(&table, target).kind, kind);
    }
}

fn defaults(subject: Subject) {
    let case = Case::new(subject);
    let text = case.script(
        "cd /dev; stat -c '%n %F %t:%T %a' null zero full random urandom tty; \
         echo x >null && head -c 3 zero | wc -c; head -c 5 urandom | wc -c; \
         echo x 2>&- >full || echo full",
    );
    let expected = "null character special file 1:3 666\n\
                    zero character special file 1:5 666\n\
                    full character special file 1:7 666\n\
                    random character special file 1:8 666\n\
                    urandom character special file 1:9 666\n\
                    tty character special file 5:0 666\n3\n5\nfull\n";
    assert_eq!(text, expected);
}

fn ptmx(subject: Subject) {
    let case = Case::new(subject);
    // A link, or a bind mount: the same file either way.
    let text = case.script("stat -L -c '%t:%T %d %i' /dev/ptmx /dev/pts/ptmx");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], lines[1]);
    assert!(lines[0].starts_with("5:2 "), "{text}");
}

fn made(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config(
        "stat -c '%n %F %t:%T %a %u:%g' /dev/ours /dev/block /srv/pipe /dev/unbuffered; \
         echo x >/dev/ours && echo usable",
    );
    config["linux"]["devices"] = json!([
        { "path": "/dev/ours", "type": "c", "major": 1, "minor": 3, "fileMode": 0o640, "uid": 7, "gid": 8 },
        { "path": "/dev/block", "type": "b", "major": 7, "minor": 200, "fileMode": 0o600, "uid": 0, "gid": 0 },
        { "path": "/srv/pipe", "type": "p", "fileMode": 0o622, "uid": 1, "gid": 2 },
        { "path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 5, "fileMode": 0o666 }
    ]);
    let expected = "/dev/ours character special file 1:3 640 7:8\n\
                    /dev/block block special file 7:c8 600 0:0\n\
                    /srv/pipe fifo 0:0 622 1:2\n\
                    /dev/unbuffered character special file 1:5 666 0:0\nusable\n";
    assert_eq!(case.output(&config), expected);
}

fn bound(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("stat -c '%F %t:%T' /dev/null; echo x >/dev/null && echo usable");
    config["linux"]["devices"] = json!([
        { "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }
    ]);
    assert_eq!(case.output(&config), "character special file 1:3\nusable\n");
}

fn occupied(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.rootfs().join("etc/plain"), "a file").unwrap();
    let mut config = case.config("cat /etc/plain");
    config["linux"]["devices"] =
        json!([{ "path": "/etc/plain", "type": "c", "major": 1, "minor": 3 }]);
    case.refused("a plain file", &config);
    assert_eq!(
        fs::read_to_string(case.rootfs().join("etc/plain")).unwrap(),
        "a file"
    );
}

fn incomplete(subject: Subject) {
    let case = Case::new(subject);
    for missing in ["type", "path"] {
        let mut config = case.config("true");
        let mut device = json!({ "path": "/dev/null", "type": "c", "major": 1, "minor": 3 });
        config::without(&mut device, missing);
        config["linux"]["devices"] = json!([device]);
        case.refused(format_args!("no {missing}"), &config);
    }
    let mut config = case.config("true");
    config["linux"]["devices"] = json!([{ "path": "/dev/x", "type": "x", "major": 1, "minor": 3 }]);
    case.refused("type x", &config);
}
