//! Terminals: in the foreground, and sent over the console socket.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

use isolab_oci::sys::socket;

use crate::runtime::{Place, Runtime, eventually};
use crate::{ALL, Claim, OURS};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "the_console_socket_gets_the_terminals_master",
        ALL,
        console_socket,
    ),
    ("exec_sends_its_terminal_too", ALL, exec_console_socket),
    (
        "a_terminal_without_a_socket_cannot_be_detached",
        ALL,
        no_socket,
    ),
    ("a_socket_without_a_terminal_is_refused", OURS, no_terminal),
    (
        "in_the_foreground_the_terminal_is_relayed",
        OURS,
        foreground,
    ),
];

/// Receives the master that a runtime sends to `listener`.
fn master(listener: &UnixListener) -> std::fs::File {
    use std::os::fd::AsRawFd as _;
    let (stream, _) = listener.accept().unwrap();
    let master = socket::receive_descriptor(stream.as_raw_fd()).unwrap();
    std::fs::File::from(master.into_owned())
}

/// Reads until `word` has come.
fn read_until(file: &mut std::fs::File, word: &str) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 256];
    while !String::from_utf8_lossy(&said).contains(word) {
        match file.read(&mut buffer) {
            Ok(read) if read > 0 => said.extend_from_slice(&buffer[..read]),
            end => panic!("{end:?} after {}", String::from_utf8_lossy(&said)),
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn console_socket(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sh", "-c", "tty; read line; echo got $line"], |spec| {
        spec["process"]["terminal"] = true.into();
    });
    let path = place.file("console");
    let listener = UnixListener::bind(&path).unwrap();
    place.quietly(&["create", "--console-socket", &path, "ID"]);
    let mut master = master(&listener);
    place.ok(&["start", "ID"]);
    let said = read_until(&mut master, "\n");
    assert!(said.contains("/dev/"), "{said}");
    master.write_all(b"typed\n").unwrap();
    read_until(&mut master, "got typed");
}

fn exec_console_socket(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let path = place.file("console");
    let listener = UnixListener::bind(&path).unwrap();
    place.quietly(&[
        "exec",
        "--detach",
        "--tty",
        "--console-socket",
        &path,
        "ID",
        "sh",
        "-c",
        "tty; echo inside; sleep 1",
    ]);
    read_until(&mut master(&listener), "inside");
}

fn no_socket(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["true"], |spec| spec["process"]["terminal"] = true.into());
    place.fails(1, &["create", "ID"]);
    place.fails(1, &["run", "--detach", "ID"]);
    eventually("nothing is left", || place.ok(&["list", "-q"]).is_empty());
}

fn no_terminal(runtime: &Runtime) {
    let place = Place::new(runtime);
    let path = place.file("console");
    let _listener = UnixListener::bind(&path).unwrap();
    let said = place.fails(1, &["create", "--console-socket", &path, "ID"]);
    assert!(said.contains("--console-socket"), "{said}");
}

/// Without a terminal of its own: what is typed comes from a file.
fn foreground(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(
        &[
            "sh",
            "-c",
            "tty >/dev/null || exit 4; read line; echo got $line; exit 3",
        ],
        |spec| spec["process"]["terminal"] = true.into(),
    );
    std::fs::write(place.file("typed"), "typed\n").unwrap();
    let output = place
        .command()
        .args(["run", &place.id])
        .stdin(std::fs::File::open(place.file("typed")).unwrap())
        .output()
        .unwrap();
    let said = crate::runtime::text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said.contains("got typed"), "{said}");
}
