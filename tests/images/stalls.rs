//! Servers that stall: whoever presses Ctrl-C does not wait for them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use isolab_engine::image::Digest;
use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::kills::party::{Party, User};
use crate::place::{no, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for user in [User::Myself, User::Granted] {
        let of_user = |what: &str| format!("{what}, {}", user.name());
        trials.push(trial(
            &of_user("Ctrl-C ends what waits for a server, and leaves nothing"),
            user.why_not(),
            move || waits(user),
        ));
        trials.push(trial(
            &of_user("Ctrl-C ends a push that nobody takes"),
            user.why_not().or_else(|| no("tar")),
            move || pushes(user),
        ));
    }
    trials
}

/// What a command may take to end on a machine that does other things, too; by itself
/// a server would be waited for thirty seconds.
const SOON: Duration = Duration::from_secs(3);

/// A layer of which half is sent.
const LAYER: usize = 4 << 20;

/// How far a server goes before it says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stall {
    /// It takes connections.
    Silent,
    /// It stops in a manifest.
    Manifest,
    /// It stops in a layer.
    Blob,
    /// It takes a push's beginning.
    Upload,
}

/// A registry that stalls, and tells when it does.
fn stalled(stall: Stall) -> Result<(String, Receiver<TcpStream>), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || serve(&stream, stall, &tell));
        }
    });
    Ok((address, told))
}

fn serve(stream: &TcpStream, stall: Stall, tell: &Sender<TcpStream>) -> std::io::Result<()> {
    let layer = Digest::of(&vec![0; LAYER]);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer.to_string()] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": Digest::of(&config).to_string(), "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.to_string(), "size": LAYER,
        }],
    });
    let manifest = manifest.to_string().into_bytes();
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(first) = lines.next().transpose()? {
        while lines
            .next()
            .transpose()?
            .is_some_and(|line| !line.is_empty())
        {}
        let answer = |status: &str, headers: &str, length: usize, body: &[u8]| {
            let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n");
            let mut writer = stream;
            writer.write_all(head.as_bytes())?;
            writer.write_all(body)
        };
        let kind = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
        let is_config = first.contains(&Digest::of(&config).to_string());
        match stall {
            Stall::Upload if first.starts_with("HEAD") => answer("404 Not Found", "", 0, b"")?,
            Stall::Upload if first.starts_with("POST") => {
                answer(
                    "202 Accepted",
                    "Location: /v2/x/blobs/uploads/1\r\n",
                    0,
                    b"",
                )?;
            }
            Stall::Manifest => answer("200 OK", kind, manifest.len(), &manifest[..20])?,
            Stall::Blob if first.contains("/manifests/") => {
                answer("200 OK", kind, manifest.len(), &manifest)?;
                continue;
            }
            Stall::Blob if is_config => answer("200 OK", "", config.len(), &config)?,
            Stall::Blob => answer("200 OK", "", LAYER, &vec![0; LAYER / 2])?,
            _ => {}
        }
        let goes_on = first.starts_with("HEAD") || first.starts_with("POST") || is_config;
        if !goes_on || stall == Stall::Silent {
            // It stays open for as long as somebody has it.
            let _ = tell.send(stream.try_clone()?);
            return Ok(());
        }
    }
    Ok(())
}

/// Sends Ctrl-C to what has met a server that stalls; its code, and what it said.
fn interrupted(
    child: Child,
    stalls: &Receiver<TcpStream>,
) -> Result<(Option<i32>, String), Failed> {
    let _open = stalls.recv_timeout(Duration::from_secs(30))?;
    // What was sent before is read by now.
    thread::sleep(Duration::from_millis(300));
    kill(Pid::from_raw(child.id().try_into()?), Signal::SIGINT)?;
    let begun = Instant::now();
    let output = child.wait_with_output()?;
    let passed = begun.elapsed();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(passed < SOON, "it took {passed:?}: {told}");
    Ok((output.status.code(), told))
}

fn start(party: &Party, words: &[&str]) -> Result<Child, Failed> {
    let mut command = party.isolab(words);
    Ok(command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?)
}

/// What lies in the store and has no name yet.
fn unfinished(party: &Party) -> Result<Vec<String>, Failed> {
    let entries = fs::read_dir(party.store().join("ingest"))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names
        .collect::<Result<_, std::io::Error>>()
        .map_err(Failed::from)
}

fn waits(user: User) -> Result<(), Failed> {
    let party = Party::alone(user)?;
    let context = party.home().join("context");
    fs::create_dir(&context)?;
    for stall in [Stall::Silent, Stall::Manifest, Stall::Blob] {
        let (address, stalls) = stalled(stall)?;
        let name = format!("{address}/x");
        let pulled = start(&party, &["pull", "--platform", "linux/amd64", &name])?;
        let (code, told) = interrupted(pulled, &stalls)?;
        assert_eq!(code, Some(130), "{stall:?}: {told}");
        assert!(told.contains("it was interrupted"), "{stall:?}: {told}");
        // What came of a blob stays, for the next pull to go on with; nothing else does.
        let left = unfinished(&party)?;
        let is_part = |name: &String| name.contains(Digest::of(&vec![0; LAYER]).hex());
        assert!(left.iter().all(is_part), "{stall:?}: {left:?}");
        assert!(!told.contains("does not keep its word"), "{told}");
        party.says(&["system", "clean", "--yes"])?;
        for instruction in [
            format!("FROM {name}"),
            format!("FROM scratch\nADD http://{address}/file /"),
        ] {
            fs::write(context.join("Dockerfile"), &instruction)?;
            let built = start(&party, &["build", "--platform", "linux/amd64", "context"])?;
            let (code, told) = interrupted(built, &stalls)?;
            assert_eq!(code, Some(130), "{stall:?}, {instruction}: {told}");
            assert!(told.contains("it was interrupted"), "{told}");
            let left = unfinished(&party)?;
            assert!(
                left.iter().all(is_part),
                "{stall:?}, {instruction}: {left:?}"
            );
            party.says(&["system", "clean", "--yes"])?;
        }
    }
    let (address, stalls) = stalled(Stall::Silent)?;
    let mut login = party.isolab(&["login", "-u", "me", "--password-stdin", &address]);
    login.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut login = login.stderr(Stdio::piped()).spawn()?;
    let mut password = login.stdin.take().ok_or("a pipe")?;
    password.write_all(b"secret\n")?;
    drop(password);
    assert_eq!(interrupted(login, &stalls)?.0, Some(130));
    assert!(!party.home().join(".docker/config.json").exists());
    Ok(())
}

fn pushes(user: User) -> Result<(), Failed> {
    let party = Party::alone(user)?;
    // More than a connection holds on its way, and nothing that can be packed.
    let script = "head -c 16000000 /dev/urandom > file && tar -cf files.tar file";
    said(party.command("sh").args(["-ec", script]))?;
    party.says(&["import", "files.tar", "files"])?;
    for stall in [Stall::Silent, Stall::Upload] {
        let (address, stalls) = stalled(stall)?;
        let name = format!("{address}/x");
        let pushed = start(&party, &["push", "--image", "files", &name])?;
        let (code, told) = interrupted(pushed, &stalls)?;
        assert_eq!(code, Some(130), "{stall:?}: {told}");
        assert!(told.contains("it was interrupted"), "{stall:?}: {told}");
        assert_eq!(unfinished(&party)?, Vec::<String>::new());
    }
    Ok(())
}
