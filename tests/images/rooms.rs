//! Pulls and loads of an ordinary user, which run in the room: they end when they are
//! told to, read what the user's groups let him read, and do without the room.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use isolab_engine::image::Digest;
use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kills::party::{Party, User};
use crate::place::{Home, no, said, trial};

/// A group that none of the users here is in, other than by being put there.
const GROUP: u32 = 54_321;

pub(crate) fn trials() -> Vec<Trial> {
    let granted = || User::Granted.why_not();
    vec![
        trial(
            "a signal ends a load and a pull",
            granted().or(no("tar")),
            ends,
        ),
        trial(
            "what the user's groups may read is loaded and imported",
            granted().or(no("setpriv")),
            reads,
        ),
        trial(
            "a login that a group may read is used, and so is a helper's",
            granted().or(no("setpriv")),
            logs_in,
        ),
        trial(
            "without a room images are pulled and loaded all the same",
            granted(),
            does_without,
        ),
        trial(
            "a refused layer keeps nobody from an image of another machine",
            no("tar"),
            refuses,
        ),
    ]
}

/// How long anything here may take.
const LONG: Duration = Duration::from_secs(30);

fn party(place: &Path) -> Result<Party, Failed> {
    Party::new(place, "home", User::Granted)
}

/// The same command of somebody who is in [`GROUP`].
fn in_group(command: &Command) -> Command {
    let (uid, gid) = User::Granted.ids().expect("why_not");
    let mut other = Command::new("setpriv");
    other
        .args([format!("--reuid={uid}"), format!("--regid={gid}")])
        .arg(format!("--groups={GROUP}"))
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        other.env(name, value.unwrap_or_default());
    }
    if let Some(directory) = command.get_current_dir() {
        other.current_dir(directory);
    }
    other
}

/// Lets [`GROUP`] read it, and nobody else.
fn for_group(path: &Path) -> Result<(), Failed> {
    chown(path, Some(0), Some(GROUP))?;
    Ok(fs::set_permissions(
        path,
        fs::Permissions::from_mode(0o640),
    )?)
}

/// How a command ends that is sent `signal` once it is about its work.
fn ended_by(mut child: Child, signal: Signal) -> Result<Option<i32>, Failed> {
    kill(Pid::from_raw(child.id().try_into()?), signal)?;
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            let of_signal = status.signal().map(|number| 128 + number);
            return Ok(status.code().or(of_signal));
        }
        if begun.elapsed() > LONG {
            child.kill()?;
            child.wait()?;
            return Err(format!("{signal} ends nothing").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn ends() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = party(place.path())?;
    let registry = TcpListener::bind("127.0.0.1:0")?;
    let name = format!("{}/x", registry.local_addr()?);
    for (words, signal, code) in [
        (["pull", &name], Signal::SIGTERM, 143),
        (["run", &name], Signal::SIGINT, 130),
        (["run", &name], Signal::SIGTERM, 143),
    ] {
        let child = party.isolab(&words).stderr(Stdio::null()).spawn()?;
        // It asks, and is not answered; a pull that hears of the end only then is
        // told that there is nothing.
        let (asked, _) = registry.accept()?;
        let answers = thread::spawn(move || {
            thread::sleep(Duration::from_secs(1));
            drop(asked);
        });
        assert_eq!(ended_by(child, signal)?, Some(code), "{words:?}");
        answers.join().expect("it answers");
    }
    let mut load = party.isolab(&["load"]);
    let mut child = load.stdin(Stdio::piped()).spawn()?;
    let mut pipe = child.stdin.take().ok_or("a pipe")?;
    fs::write(place.path().join("file"), [1; 200_000])?;
    let mut tar = Command::new("tar");
    tar.current_dir(place.path()).args(["-cf", "-", "file"]);
    // More than a pipe holds, and no end: when it is through, somebody reads.
    pipe.write_all(&tar.output()?.stdout[..100_000])?;
    assert_eq!(ended_by(child, Signal::SIGTERM)?, Some(143));
    drop(pipe);
    party.says(&["images"])?;
    Ok(())
}

fn reads() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = party(place.path())?;
    let home = Home::new();
    home.says(&["run", "hello-world"])?;
    home.says(&["save", "hello-world", "-o", "hello.tar"])?;
    home.says(&["export", "hello-world", "-o", "files.tar"])?;
    for file in ["hello.tar", "files.tar"] {
        let to = party.home().join(file);
        fs::copy(home.path().join(file), &to)?;
        for_group(&to)?;
    }
    let load = party.isolab(&["load", "-i", "hello.tar"]);
    assert_eq!(
        said(&mut in_group(&load))?,
        "Loaded image: hello-world:latest\n"
    );
    let import = party.isolab(&["import", "files.tar", "files"]);
    said(&mut in_group(&import))?;
    assert!(
        fs::read_dir(party.store().join("layers/mapped"))?.count() > 0,
        "in the room"
    );
    // Who is not in the group reads nothing.
    for words in [&["load", "-i", "hello.tar"][..], &["import", "files.tar"]] {
        let refused = party.isolab(words).output()?;
        let told = String::from_utf8(refused.stderr)?;
        assert!(!refused.status.success() && told.contains("Permission denied"));
    }
    party.says(&["system", "clean", "--yes"])?;
    Ok(())
}

/// A registry that lets nobody in; the logins that it is told.
fn closed() -> Result<(String, Receiver<String>), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let tell = tell.clone();
            thread::spawn(move || refuse(stream?, &tell));
        }
    });
    Ok((address, told))
}

fn refuse(stream: TcpStream, tell: &mpsc::Sender<String>) -> std::io::Result<()> {
    let mut answers = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            let _ = tell.send(value.to_owned());
        }
        if line.is_empty() {
            answers.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                  Content-Length: 0\r\n\r\n",
            )?;
        }
    }
    Ok(())
}

fn logs_in() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = party(place.path())?;
    let config = party.home().join("config.json");
    // `bWU6YTpi` is `me:a:b`, and `eW91OmM=` is `you:c`.
    let (address, told) = closed()?;
    fs::write(
        &config,
        format!(r#"{{"auths":{{"{address}":{{"auth":"bWU6YTpi"}}}}}}"#),
    )?;
    for_group(&config)?;
    let name = format!("{address}/x");
    fs::create_dir(party.home().join("context"))?;
    fs::write(
        party.home().join("context/Dockerfile"),
        format!("FROM {name}\n"),
    )?;
    for words in [["pull", &name], ["run", &name], ["build", "context"]] {
        let verb = words[0];
        let mut command = party.isolab(&words);
        command.env("DOCKER_CONFIG", party.home());
        let told_user = in_group(&command).output()?;
        let login = told.try_recv();
        let said = String::from_utf8_lossy(&told_user.stderr);
        assert_eq!(login.as_deref(), Ok("Basic bWU6YTpi"), "{verb}: {said}");
    }
    while told.try_recv().is_ok() {}
    // A helper that knows its user by his id, as a keyring does.
    let (uid, _) = User::Granted.ids().expect("why_not");
    let helper = party.home().join("docker-credential-test");
    let answer = r#"{"Username":"you","Secret":"c"}"#;
    fs::write(
        &helper,
        format!("#!/bin/sh\n[ $(id -u) = {uid} ] && echo '{answer}'\n"),
    )?;
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755))?;
    fs::write(&config, r#"{"credsStore":"test"}"#)?;
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644))?;
    for words in [["pull", &name], ["run", &name], ["build", "context"]] {
        let verb = words[0];
        let mut command = party.isolab(&words);
        command.env("DOCKER_CONFIG", party.home());
        command.env("PATH", with_home(&party));
        let told_user = command.output()?;
        let login = told.try_recv();
        let said = String::from_utf8_lossy(&told_user.stderr);
        assert_eq!(login.as_deref(), Ok("Basic eW91OmM="), "{verb}: {said}");
        while told.try_recv().is_ok() {}
    }
    Ok(())
}

/// The search path with the home before all else.
fn with_home(party: &Party) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", party.home().display())
}

fn does_without() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = party(place.path())?;
    let home = Home::new();
    home.says(&["run", "hello-world"])?;
    home.says(&["save", "hello-world", "-o", "hello.tar"])?;
    home.says(&["export", "hello-world", "-o", "files.tar"])?;
    for file in ["hello.tar", "files.tar"] {
        fs::copy(home.path().join(file), party.home().join(file))?;
    }
    fs::write(party.home().join("none.tar"), "no archive ".repeat(200))?;
    // Mappers that map nothing, as where user namespaces are not for everybody.
    for mapper in ["newuidmap", "newgidmap"] {
        let path = party.home().join(mapper);
        fs::write(&path, "#!/bin/sh\nexit 1\n")?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    }
    let layers = party.store().join("layers/mapped");
    let count = || fs::read_dir(&layers).map_or(0, Iterator::count);
    let (address, mut server) = serve(&home)?;
    let name = format!("{address}/hello-world:latest");
    for words in [
        &["load", "-i", "hello.tar"][..],
        &["pull", &name],
        &["import", "files.tar", "files"],
    ] {
        let mut command = party.isolab(words);
        let done = command.env("PATH", with_home(&party)).output();
        let done = done?;
        let told = String::from_utf8(done.stderr)?;
        assert!(done.status.success(), "{words:?}: {told}");
        assert!(told.contains("note: nothing is unpacked"), "{told}");
        assert_eq!(count(), 0);
    }
    let mut none = party.isolab(&["import", "none.tar", "none"]);
    let none = none.env("PATH", with_home(&party)).output()?;
    assert!(!none.status.success(), "what is no archive is refused");
    assert!(party.says(&["images", "-q", "none"])?.is_empty());
    assert_eq!(fs::read_dir(party.store().join("ingest"))?.count(), 0);
    let pulled = party.says(&["pull", &name]);
    server.kill()?;
    server.wait()?;
    pulled?;
    assert_eq!(count(), 1);
    party.says(&["system", "clean", "--yes"])?;
    Ok(())
}

/// A registry of a home's images, and its address.
fn serve(home: &Home) -> Result<(String, Child), Failed> {
    let free = TcpListener::bind("127.0.0.1:0")?;
    let address = free.local_addr()?.to_string();
    drop(free);
    let mut serve = home.isolab(&["registry", "serve", "--quiet", "--address", &address]);
    let server = serve.spawn()?;
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() && begun.elapsed() < LONG {
        thread::sleep(Duration::from_millis(10));
    }
    Ok((address, server))
}

/// An archive of an image whose layer is none.
fn broken(place: &Path) -> Result<(), Failed> {
    let layer = [b'x'; 1024];
    let config = serde_json::json!({
        "architecture": "s390x",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer).to_string()] },
    });
    let manifest = serde_json::json!([
        { "Config": "config.json", "RepoTags": ["broken:latest"], "Layers": ["layer.tar"] },
    ]);
    fs::write(place.join("layer.tar"), layer)?;
    fs::write(place.join("config.json"), config.to_string())?;
    fs::write(place.join("manifest.json"), manifest.to_string())?;
    let mut tar = Command::new("tar");
    let files = ["manifest.json", "config.json", "layer.tar"];
    said(
        tar.current_dir(place)
            .args(["-cf", "broken.tar"])
            .args(files),
    )?;
    Ok(())
}

fn refuses() -> Result<(), Failed> {
    let home = Home::new();
    broken(home.path())?;
    let loaded = home.isolab(&["load", "-i", "broken.tar"]).output()?;
    assert!(!loaded.status.success());
    let told = String::from_utf8(loaded.stdout)?;
    assert_eq!(told, "Loaded image: broken:latest\n");
    let (address, mut server) = serve(&home)?;
    let name = format!("{address}/broken:latest");
    let other = Home::new();
    let here = other.isolab(&["pull", &name]).output();
    let there = other.says(&["pull", "--platform", "linux/s390x", &name]);
    server.kill()?;
    server.wait()?;
    assert!(!here?.status.success(), "its layer is refused");
    there?;
    Ok(())
}
