//! Terminals: in the foreground, and sent over the console socket.

use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command};

use isolab_oci::sys::descriptor::poll_readable;
use isolab_oci::sys::socket;
use isolab_oci::sys::terminal::{self, WindowSize};

use crate::eventually::eventually;
use crate::runtime::{Place, Runtime};
use crate::{ALL, Claim, NOT_CRUN, OURS};

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
    ("where_nothing_is_typed_a_shell_ends", OURS, nothing_typed),
    // crun 1.8.1 does not pass it on.
    ("a_terminal_follows_the_size_of_ours", NOT_CRUN, window_size),
    ("what_is_typed_is_treated_by_its_terminal_alone", ALL, raw),
    ("our_terminal_is_as_it_was_when_it_has_ended", ALL, put_back),
    (
        "exec_has_a_terminal_in_the_foreground_too",
        NOT_CRUN,
        exec_tty,
    ),
];

/// Receives the master that a runtime sends to `listener`.
fn master(listener: &UnixListener) -> std::fs::File {
    let (stream, _) = listener.accept().unwrap();
    let master = socket::receive_descriptor(stream.as_raw_fd()).unwrap();
    std::fs::File::from(master.into_owned())
}

/// Reads until `word` has come, for at most ten seconds of silence.
fn read_until(file: &mut std::fs::File, word: &str) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 256];
    while !String::from_utf8_lossy(&said).contains(word) {
        let ready = poll_readable(&mut [file.as_raw_fd()], 10_000);
        let so_far = String::from_utf8_lossy(&said);
        assert_ne!(ready, Ok(0), "`{word}` does not come after {so_far}");
        match file.read(&mut buffer) {
            Ok(read) if read > 0 => said.extend_from_slice(&buffer[..read]),
            end => panic!("{end:?} after {}", String::from_utf8_lossy(&said)),
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// A terminal to run something at, from the side of whoever looks at it.
struct Screen {
    master: std::fs::File,
    /// Its other side, where programs are.
    side: std::fs::File,
}

impl Screen {
    fn new() -> Self {
        let master = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/ptmx")
            .unwrap();
        terminal::unlock(master.as_raw_fd()).unwrap();
        let side = terminal::peer(master.as_raw_fd()).unwrap().into_owned();
        let screen = Self {
            master,
            side: side.into(),
        };
        screen.resize(24, 80);
        screen
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = WindowSize {
            rows,
            columns,
            ..WindowSize::default()
        };
        terminal::set_size(self.master.as_raw_fd(), size).unwrap();
    }

    /// Types a runtime's line there, as its only job.
    fn run(&self, place: &Place<'_>, arguments: &[&str]) -> Child {
        let side = || self.side.try_clone().unwrap();
        let runtime = place.command();
        Command::new("setsid")
            .arg("--ctty")
            .arg(runtime.get_program())
            .args(runtime.get_args())
            .args(
                arguments
                    .iter()
                    .map(|&a| if a == "ID" { &place.id } else { a }),
            )
            .current_dir(place.path())
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .unwrap()
    }

    /// What stty(1) says of it.
    fn settings(&self) -> String {
        let side = self.side.try_clone().unwrap();
        let output = Command::new("stty").arg("-a").stdin(side).output().unwrap();
        crate::runtime::text(&output.stdout)
    }
}

/// A program that tells of its terminal's size, and ends with 5 at Ctrl-C.
const WATCHER: &str = "trap 'echo size $(stty size)' WINCH; trap 'exit 5' INT; echo ready; \
     while :; do sleep 0.02; done";

fn watched(runtime: &Runtime) -> Place<'_> {
    let place = Place::new(runtime);
    place.config(&["sh", "-c", WATCHER], |spec| {
        spec["process"]["terminal"] = true.into();
    });
    place
}

fn window_size(runtime: &Runtime) {
    let place = watched(runtime);
    let mut screen = Screen::new();
    let mut child = screen.run(&place, &["run", "ID"]);
    read_until(&mut screen.master, "ready");
    for (rows, columns) in [(50, 120), (30, 90)] {
        screen.resize(rows, columns);
        read_until(&mut screen.master, &format!("size {rows} {columns}"));
    }
    screen.master.write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

/// Ctrl-C is a letter to us, and a signal in the container.
fn raw(runtime: &Runtime) {
    let place = watched(runtime);
    let mut screen = Screen::new();
    let mut child = screen.run(&place, &["run", "ID"]);
    let said = read_until(&mut screen.master, "ready");
    assert!(!said.contains("rror"), "{said}");
    let settings = screen.settings();
    for off in ["-icanon", "-isig", "-echo "] {
        assert!(settings.contains(off), "{off}: {settings}");
    }
    screen.master.write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}

fn put_back(runtime: &Runtime) {
    let place = watched(runtime);
    let mut screen = Screen::new();
    let before = screen.settings();
    let mut child = screen.run(&place, &["run", "ID"]);
    read_until(&mut screen.master, "ready");
    assert_ne!(screen.settings(), before);
    screen.master.write_all(b"\x03").unwrap();
    child.wait().unwrap();
    assert_eq!(screen.settings(), before);
}

fn exec_tty(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let mut screen = Screen::new();
    screen.resize(33, 99);
    let script = format!("echo at $(tty) $(stty size); {WATCHER}");
    let line = ["exec", "--tty", "ID", "sh", "-c", &script];
    let mut child = screen.run(&place, &line);
    let said = read_until(&mut screen.master, "ready");
    assert!(said.contains("at /dev/pts/"), "{said}");
    screen.resize(44, 111);
    read_until(&mut screen.master, "size 44 111");
    screen.master.write_all(b"\x03").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
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

/// The first end of the file comes before the shell is ready, which forgets it.
fn nothing_typed(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sh"], |spec| spec["process"]["terminal"] = true.into());
    let runtime = place.command();
    let status = Command::new("timeout")
        .args(["-s", "KILL", "10"])
        .arg(runtime.get_program())
        .args(runtime.get_args())
        .args(["run", &place.id])
        .current_dir(place.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
}
