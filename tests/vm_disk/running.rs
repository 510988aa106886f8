//! `isolab vm run` of an image: what its program sees and says, what reaches it, and what is left
//! of it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::guests::no_kernel;
use crate::party::{Party, User};
use crate::place::said;
use crate::with_app;

/// Somebody with the image `app` and a kernel.
fn with_kernel(place: &Path, user: User) -> Result<Party, Failed> {
    let party = with_app(place, user)?;
    match no_kernel(&party) {
        Some(why) => Err(why.into()),
        None => Ok(party),
    }
}

/// `vm run` of these words, bounded.
fn vm(party: &Party, words: &[&str]) -> Command {
    let first = ["vm", "run", "--accel", "tcg", "--timeout", "100s"];
    party.isolab(&[&first, words].concat())
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

pub(crate) fn runs(user: User) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_kernel(place.path(), user)?;
    // As the image says: its command, its variables, its directory, and the exact status.
    let (code, out, err) = told(&vm(&party, &["app"]).output()?);
    let expected = "it is blue in /data as 0\n";
    assert_eq!((code, &*out), (Some(7), expected), "{err}");

    // As the user says, with a file of his; the two streams come apart, and bytes as they are.
    fs::write(party.home().join("given"), b"\x00\x04 given\r\n")?;
    let script = "id -u; id -g; pwd; echo $COLOUR; cat /etc/given; cat; echo wrong >&2; \
                  (sleep 300 &); kill -9 $$";
    let mut run = vm(&party, &["--image", "app", "-e", "COLOUR=red"]);
    run.args([
        "-w",
        "/new/place",
        "-u",
        "ada",
        "--file",
        "given:/etc/given",
    ]);
    run.args(["--entrypoint", "/bin/sh", "--", "-c", script]);
    let piped = run.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.stderr(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    input.write_all(b"typed\x03\x04\x16\n")?;
    drop(input);
    let (code, out, err) = told(&child.wait_with_output()?);
    let expected = "1000\n1001\n/new/place\nred\n\0\u{4} given\r\ntyped\u{3}\u{4}\u{16}\n";
    assert_eq!((code, &*out), (Some(128 + 9), expected), "{err}");
    assert!(err.contains("wrong\n"), "{err:?}");

    for (word, status) in [("/nonexistent", 127), ("/etc/passwd", 126)] {
        let words = ["--image", "app", "--entrypoint", word];
        let (code, _, err) = told(&vm(&party, &words).output()?);
        assert_eq!(code, Some(status), "{err}");
        assert!(err.contains(word), "{err}");
    }
    let words = ["--detach", "--image", "app", "--entrypoint", "/nonexistent"];
    let (code, out, err) = told(&vm(&party, &words).output()?);
    assert_eq!((code, &*out), (Some(127), ""), "{err}");
    let nobody = ["--image", "app", "-u", "eve", "true"];
    let (code, _, err) = told(&vm(&party, &nobody).output()?);
    assert_eq!(code, Some(125), "{err}");
    assert!(err.contains("eve"), "{err}");
    nothing_left(&party)
}

/// No clone, no process, nothing that a guest worked with.
fn nothing_left(party: &Party) -> Result<(), Failed> {
    party.says(&["vm", "ps"])?;
    let home = party.home().to_string_lossy().into_owned();
    let mut find = Command::new("find");
    find.arg(&home);
    let left = said(find.args(["-name", "*.qcow2", "-o", "-name", "initramfs"]))?;
    assert_eq!(left, "", "left behind");
    for entry in fs::read_dir("/proc")?.flatten() {
        let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        let is_guest = command.contains("qemu-system") && command.contains(&home);
        assert!(!is_guest, "{command}");
    }
    Ok(())
}

pub(crate) fn forgets() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_kernel(place.path(), User::Myself)?;
    let disk = party.json(&["vm", "disk", "--json", "app"])?;
    let disk = PathBuf::from(disk["path"].as_str().ok_or("no path")?);
    let sum = || said(Command::new("sha256sum").arg(&disk));
    let before = sum()?;
    let write = "test ! -e /data/new && echo new > /data/new && cat /data/new && sync";
    let start = || {
        let mut run = vm(&party, &["--image", "app", "sh", "-c", write]);
        run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    };
    // Two at once, and one after them.
    let two = [start()?, start()?];
    let ended = two.map(Child::wait_with_output).into_iter();
    let mut ended = ended.collect::<Result<Vec<_>, _>>()?;
    ended.push(start()?.wait_with_output()?);
    for output in &ended {
        let (code, out, err) = told(output);
        assert_eq!((code, &*out), (Some(0), "new\n"), "{err}");
    }
    assert_eq!(sum()?, before, "the base is as it was");
    nothing_left(&party)
}

/// A port of this machine that nobody uses now.
fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Ends a command that runs, and what it started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn page(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /page HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(crate) fn answers() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_kernel(place.path(), User::Myself)?;
    let port = free_port()?;
    let publish = format!("{port}:80");
    let serve = "echo served > /data/page && echo serving && exec httpd -f -p 80 -h /data";
    let words = ["--image", "app", "-p", &publish, "sh", "-c", serve];
    let mut run = vm(&party, &words);
    let mut child = Running(run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?);
    let mut line = [0; 8];
    let output = child.0.stdout.as_mut().ok_or("no output")?;
    output.read_exact(&mut line)?;
    assert_eq!(&line, b"serving\n");
    let begun = Instant::now();
    let answer = loop {
        match page(port) {
            Ok(answer) if !answer.is_empty() => break answer,
            _ if begun.elapsed() > Duration::from_secs(30) => return Err("no answer".into()),
            _ => thread::sleep(Duration::from_millis(100)),
        }
    };
    let is_page = answer.contains("200 OK") && answer.ends_with("served\n");
    assert!(is_page, "{answer}");
    // Told to end, its server ends, as by a key.
    kill(Pid::from_raw(child.0.id().try_into()?), Signal::SIGTERM)?;
    let status = child.0.wait()?;
    assert_eq!(status.code(), Some(128 + 2), "{status}");
    nothing_left(&party)
}

pub(crate) fn reaches() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_kernel(place.path(), User::Myself)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.and_then(|mut stream| stream.write_all(b"hello\n"));
        }
    });
    let ask = format!("nc -w 5 10.0.2.2 {port} < /dev/null");
    let published = format!("{}:80", free_port()?);
    for (words, reached) in [
        (["--network", "user"], true),
        (["--publish", &*published], false),
        (["--network", "none"], false),
    ] {
        let mut run = vm(&party, &["--image", "app"]);
        run.args(words).args(["sh", "-c", &ask]);
        let (_, out, err) = told(&run.output()?);
        assert_eq!(out == "hello\n", reached, "{words:?}: {out}{err}");
    }
    let (code, _, err) = told(&vm(&party, &["-p", "1:2", "true"]).output()?);
    assert!(code == Some(125) && err.contains("--image"), "{err}");
    Ok(())
}

pub(crate) fn killed() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_kernel(place.path(), User::Myself)?;
    party.says(&["vm", "disk", "app"])?;
    for pause in [200, 1200, 3500] {
        let mut run = vm(&party, &["--image", "app", "sleep", "100"]);
        let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        thread::sleep(Duration::from_millis(pause));
        child.kill()?;
        child.wait()?;
        thread::sleep(Duration::from_millis(100));
        nothing_left(&party)?;
    }
    Ok(())
}
