//! The Library of the course, served by a container and by a guest of one and the same image, and
//! by `compare` in each kind of isolation.
//!
//! Packages and wheels are downloaded, which takes minutes: the tests are left to those who ask
//! for them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::guests::no_kernel;
use crate::party::{Party, User};
use crate::place::{said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let waits = || Some("downloads packages".to_owned());
    vec![
        trial(
            "the Library answers from a container and from a guest of one image",
            waits(),
            of_one_image,
        ),
        trial(
            "compare shows the Library in each kind of isolation",
            waits(),
            compared,
        ),
    ]
}

/// Somebody with a kernel.
fn somebody(place: &Path) -> Result<Party, Failed> {
    let party = Party::new(place, "home", User::Myself)?;
    match no_kernel(&party) {
        Some(why) => Err(why.into()),
        None => Ok(party),
    }
}

fn of_one_image() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = somebody(place.path())?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/library");
    let library = party.home().join("library");
    said(Command::new("cp").arg("-r").arg(source).arg(&library))?;
    let mut download = party.isolab(&["venv", "download", "-d", "wheels"]);
    download.args(["v1", "v2"].map(|version| format!("--requirement={version}/requirements.txt")));
    said(download.current_dir(&library))?;
    party.says(&["image", "bootstrap", "python"])?;
    for version in ["1", "2"] {
        let (tag, file) = (
            format!("library:{version}"),
            format!("library/v{version}/Dockerfile"),
        );
        party.says(&["build", "-q", "-t", &tag, "-f", &file, "library"])?;
    }
    let (in_container, in_guest) = (free_port()?, free_port()?);
    let listen = in_container.to_string();
    let container = party
        .isolab(&["run", "--network", "host", "library:2", "--quiet"])
        .args(["--host", "127.0.0.1", "--port", &listen])
        .stdout(Stdio::piped())
        .spawn()?;
    let begun = Instant::now();
    let publish = format!("{in_guest}:8000");
    let guest = party
        .isolab(&["vm", "run", "--accel", "tcg", "-p", &publish, "library:2"])
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut container, mut guest) = (Server(container), Server(guest));
    container.serves()?;
    guest.serves()?;
    let books = ask(in_guest)?;
    eprintln!(
        "the guest's first answer: {:.1} s after its start, its disk made, emulated",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!(books, ask(in_container)?, "the same books");
    assert_eq!(books.as_array().map(Vec::len), Some(3), "{books}");
    guest.ends()?;
    container.ends()
}

/// A server that ends with this.
struct Server(Child);

impl Server {
    /// Waits until it says where it serves.
    fn serves(&mut self) -> Result<(), Failed> {
        let output = self.0.stdout.as_mut().ok_or("no output")?;
        let mut said = Vec::new();
        while !said.ends_with(b"/\n") {
            let mut byte = [0];
            output.read_exact(&mut byte)?;
            said.push(byte[0]);
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(said.contains("serving on http://"), "{said}");
        Ok(())
    }

    fn ends(&mut self) -> Result<(), Failed> {
        // The first process of a container hears no other that it has no handler for.
        kill(Pid::from_raw(self.0.id().try_into()?), Signal::SIGINT)?;
        let begun = Instant::now();
        while self.0.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err("it does not end".into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> Result<u16, Failed> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The books that the server on `port` lists.
fn ask(port: u16) -> Result<Value, Failed> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(b"GET /api/ HTTP/1.0\r\nAccept: application/json\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    assert!(head.contains("200"), "{head}");
    Ok(serde_json::from_str(body)?)
}

fn compared() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = somebody(place.path())?;
    let words = ["compare", "--quick", "--runs", "1", "--no-keep", "--json"];
    let mut compare = party.isolab(&[&words[..], &["--workload", "library"]].concat());
    let report: Value = serde_json::from_str(&said(&mut compare)?)?;
    assert_eq!(report["missing"].to_string(), "[]");
    let observations = report["observations"].as_array().ok_or("none")?;
    for subject in ["process", "venv", "container", "vm"] {
        for metric in ["startup", "teardown", "disk", "memory"] {
            let is_real = |seen: &&Value| {
                let kind = seen["evidence"]["kind"].as_str().unwrap_or_default();
                seen["subject"] == subject && seen["metric"] == metric && kind != "modelled"
            };
            let seen = observations.iter().find(is_real);
            let seen = seen.ok_or_else(|| format!("no {metric} of the {subject}"))?;
            // Only what an emulator does not bear on may be called measured of a guest, unless
            // none was there.
            let kind = &seen["evidence"]["kind"];
            let is_emulated = subject == "vm" && metric != "disk" && kind == "emulated";
            assert!(kind == "measured" || is_emulated, "{seen}");
        }
    }
    Ok(())
}
