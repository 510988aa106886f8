//! Programs that reach for what their starter has: its terminal, its keys, its
//! groups. The attempts are Python's, from the host's own interpreter, which
//! is bound into the container.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use isolab_oci::spec::Mount;
use isolab_oci::sys::process::effective_ids;

use crate::support::{Place, containers, name, options, process, root};
use crate::{Claim, example};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_container_cannot_type_into_the_terminal_of_its_starter",
        terminals,
        typed,
    ),
    (
        "a_container_has_a_session_keyring_of_its_own",
        keys,
        keyring,
    ),
    (
        "groups_cannot_be_given_up_where_one_id_is_mapped",
        containers,
        setgroups,
    ),
    (
        "supplementary_groups_of_the_starter_do_not_reach_the_container",
        root,
        groups,
    ),
];

const PYTHON: &str = "/usr/bin/python3";

fn interpreter() -> Result<(), String> {
    containers()?;
    match Path::new(PYTHON).exists() {
        true => Ok(()),
        false => Err(format!("there is no {PYTHON}")),
    }
}

/// Linux since 6.2 can have the call switched off for everybody.
fn terminals() -> Result<(), String> {
    interpreter()?;
    match fs::read_to_string("/proc/sys/dev/tty/legacy_tiocsti") {
        Ok(text) if text.trim() == "0" => Err("dev.tty.legacy_tiocsti is 0".to_owned()),
        _ => Ok(()),
    }
}

fn keys() -> Result<(), String> {
    interpreter()?;
    match Path::new("/proc/keys").exists() {
        true => Ok(()),
        false => Err("this kernel has no key rings".to_owned()),
    }
}

/// A bundle whose program is `inside`, and `outside` run by the host's
/// interpreter with the command that starts it as its arguments.
fn python_in_container(outside: &str, inside: &str, runtime: &[&str]) -> Output {
    let place = python(inside);
    Command::new(PYTHON)
        .args(["-c", outside])
        .args(runtime)
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// As [`python_in_container`], where `inside` joins one that runs.
fn python_that_joins(outside: &str, inside: &str) -> Output {
    let place = python("import time; time.sleep(1000)");
    let (id, states) = (name(), place.path().join("states"));
    let isorun = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isorun"));
        command.arg("--root").arg(&states).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut run = isorun();
    run.args(["run", "--detach", "-b"])
        .arg(place.path())
        .arg(&id);
    assert!(run.status().unwrap().success());
    let output = Command::new(PYTHON)
        .args(["-c", outside, env!("CARGO_BIN_EXE_isorun"), "--root"])
        .arg(&states)
        .args(["exec", &id, PYTHON, "-c", inside])
        .stdin(Stdio::null())
        .output();
    let _ = isorun().args(["delete", "--force", &id]).status();
    output.unwrap()
}

/// A bundle whose program is the host's interpreter at `script`.
fn python(script: &str) -> Place {
    let place = Place::new();
    for link in ["lib", "lib64"] {
        if Path::new("/").join(link).exists() {
            symlink(format!("usr/{link}"), place.root().join(link)).unwrap();
        }
    }
    let mut spec = place.spec("");
    process(&mut spec).args = [PYTHON, "-c", script].map(str::to_owned).to_vec();
    spec.mounts.push(Mount {
        destination: "/usr".into(),
        fstype: Some("bind".to_owned()),
        source: Some("/usr".into()),
        options: ["rbind", "ro"].map(str::to_owned).to_vec(),
        ..Mount::default()
    });
    place.write(&spec);
    place
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// `TIOCSTI`: what is put into the queue of a terminal is a command to the
/// shell that reads there next (CVE-2016-2568 and its kin).
fn typed() {
    let outside = "
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
text = b''
while True:
    try: part = os.read(master, 4096)
    except OSError: break
    if not part: break
    text += part
os.waitpid(pid, 0)
print(text.decode())
";
    let inside = "
import fcntl, os, termios
print('a terminal' if os.isatty(0) else 'no terminal')
try:
    fcntl.ioctl(0, termios.TIOCSTI, b'x')
    print('typed')
except OSError as error:
    print('refused', error.errno)
try:
    fcntl.ioctl(0, termios.TIOCSCTTY, 1)
    print('taken')
except OSError as error:
    print('kept', error.errno)
";
    let text = said(&python_in_container(
        outside,
        inside,
        &[env!("CARGO_BIN_EXE_isorun")],
    ));
    let tried = |text: &str| {
        assert!(text.contains("a terminal"), "{text}");
        assert!(text.contains("refused") && text.contains("kept"), "{text}");
    };
    tried(&text);
    tried(&said(&python_that_joins(outside, inside)));
    // The same attempt without a container, to know that it is one.
    let bare = Command::new(PYTHON)
        .args(["-c", outside, PYTHON, "-c", inside])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(said(&bare).contains("typed"), "{}", said(&bare));
}

/// A key of the starter's session, looked for from inside (CVE-2016-4557's
/// neighbourhood: key rings are in no namespace).
fn keyring() {
    let calls = "
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
session = ctypes.c_int(-3)
";
    let outside = format!(
        "{calls}
libc.syscall(250, 1, b'isolab-test')
assert libc.syscall(248, b'user', b'isolab-secret', b'secret', 6, session) > 0
os.execv(sys.argv[1], sys.argv[1:])
"
    );
    let inside = format!(
        "{calls}
found = libc.syscall(250, 10, session, b'user', b'isolab-secret', 0)
print('found' if found > 0 else 'none', ctypes.get_errno())
"
    );
    // Numbers of system calls differ between architectures.
    let number = |text: String| match cfg!(target_arch = "aarch64") {
        true => text.replace("(250,", "(219,").replace("(248,", "(217,"),
        false => text,
    };
    let (outside, inside) = (number(outside), number(inside));
    let isorun = env!("CARGO_BIN_EXE_isorun");
    let text = said(&python_in_container(&outside, &inside, &[isorun]));
    assert!(text.contains("none 126"), "{text}"); // ENOKEY
    let text = said(&python_that_joins(&outside, &inside));
    assert!(text.contains("none 126"), "{text}");
    // Without a container, or with one that keeps the ring, it is there.
    let bare = Command::new(PYTHON)
        .args(["-c", &outside, PYTHON, "-c", &inside])
        .output()
        .unwrap();
    assert!(said(&bare).contains("found"), "{}", said(&bare));
}

/// Who may drop a group may read what the group is denied.
fn setgroups() {
    let (uid, gid) = effective_ids();
    let place = Place::new();
    let spec = example::rootless(uid, gid, &["cat", "/proc/self/setgroups"]);
    assert_eq!(place.run_with(&spec, &options()).0, "deny\n");
}

fn groups() {
    let place = Place::new();
    place.write(&place.spec("grep Groups: /proc/self/status"));
    let output = Command::new("setpriv")
        .args(["--groups", "0,4,27"])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(said(&output).trim(), "Groups:");
}
