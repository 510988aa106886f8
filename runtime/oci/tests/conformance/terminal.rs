//! config.md: a process with a terminal; runtime-linux.md: its descriptors.

use std::fs::File;
use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::case::{Case, Container, fresh_id};
use crate::eventually::eventually;
use crate::receive::{Receiver, socket_path};
use crate::subject::Subject;
use crate::{Claim, anyone};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_terminal_is_attached_to_the_process",
        section: "config.md, Process",
        level: "OPTIONAL",
        gist: "with `terminal` the standard streams are a pseudoterminal, whose master goes to the console socket",
        need: anyone,
        test: attached,
    },
    Claim {
        name: "a_terminal_has_the_size_of_the_console",
        section: "config.md, Process",
        level: "OPTIONAL",
        gist: "`consoleSize` is the size of the terminal",
        need: anyone,
        test: size,
    },
    Claim {
        name: "a_terminal_is_the_console_of_the_container",
        section: "config-linux.md, Default devices",
        level: "MUST",
        gist: "with `terminal`, `/dev/console` is the pseudoterminal; without, there is none",
        need: anyone,
        test: console,
    },
    Claim {
        name: "without_a_terminal_the_streams_are_the_runtimes",
        section: "config.md, Process",
        level: "OPTIONAL",
        gist: "`terminal` is false where it is not given",
        need: anyone,
        test: none,
    },
    Claim {
        name: "only_the_standard_streams_are_open",
        section: "runtime-linux.md, File descriptors",
        level: "SHOULD",
        gist: "a program gets its three standard streams, and no other descriptor of the runtime or its caller",
        need: anyone,
        test: descriptors,
    },
    Claim {
        name: "the_links_of_the_descriptors_are_made",
        section: "runtime-linux.md, Dev symbolic links",
        level: "MUST",
        gist: "`/dev/fd`, `stdin`, `stdout` and `stderr` lead to `/proc/self/fd`",
        need: anyone,
        test: links,
    },
];

/// Creates a container with a terminal; its master.
fn with_terminal<'a>(case: &'a Case, config: &mut Value) -> (Container<'a>, File) {
    config["process"]["terminal"] = json!(true);
    case.write(config);
    let directory = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let socket = socket_path(directory.path());
    let receiver = Receiver::new(&socket);
    let option = ["--console-socket", socket.to_str().unwrap()];
    let created = case.try_create_as(&fresh_id(), &option);
    let container = created.unwrap_or_else(|error| panic!("create failed: {error}"));
    let mut received = receiver.finish().expect("no terminal was sent");
    assert_eq!(received.descriptors.len(), 1, "one terminal");
    (container, File::from(received.descriptors.remove(0)))
}

/// What comes over a terminal until its other end is closed.
fn read_all(mut master: File) -> String {
    let mut bytes = Vec::new();
    let _ = master.read_to_end(&mut bytes); // ends with EIO
    String::from_utf8_lossy(&bytes).replace("\r\n", "\n")
}

fn attached(subject: Subject) {
    let case = Case::new(subject);
    let mut config =
        case.config("tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; read x; echo got $x");
    let (container, mut master) = with_terminal(&case, &mut config);
    container.start();
    master.write_all(b"typed\n").unwrap();
    let text = read_all(master);
    assert!(
        text.contains("/dev/pts/0\n") || text.contains("/dev/console\n"),
        "{text}"
    );
    assert!(
        text.contains("all\n") && text.contains("got typed\n"),
        "{text}"
    );
    container.wait_stopped();
}

fn size(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("stty size");
    config["process"]["consoleSize"] = json!({ "height": 11, "width": 33 });
    let (container, master) = with_terminal(&case, &mut config);
    container.start();
    assert_eq!(read_all(master), "11 33\n");
}

fn console(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("[ -c /dev/console ] && echo there; echo written >/dev/console");
    let (container, master) = with_terminal(&case, &mut config);
    container.start();
    assert_eq!(read_all(master), "there\nwritten\n");
    assert_eq!(case.script("[ -e /dev/console ] || echo none"), "none\n");
}

fn none(subject: Subject) {
    let case = Case::new(subject);
    assert_eq!(case.script("[ -t 0 ] || [ -t 1 ] || echo none"), "none\n");
}

fn descriptors(subject: Subject) {
    let case = Case::new(subject);
    let container = case.create(&case.config("exec sleep 100"));
    container.start();
    let open = || {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", container.pid)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let comm = || std::fs::read_to_string(format!("/proc/{}/comm", container.pid)).unwrap();
    eventually("the program", || comm() == "sleep\n");
    assert_eq!(open(), ["0", "1", "2"]);
}

fn links(subject: Subject) {
    let case = Case::new(subject);
    let text = case.script("for l in fd stdin stdout stderr; do readlink /dev/$l; done");
    let expected = "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\n";
    assert_eq!(text, expected);
}
