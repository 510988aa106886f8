//! Who the user is to a registry: by the files that docker and podman keep, or by
//! the helpers that those files name.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::docker_config::{DockerConfig, Login, key_of};
use super::settings::Settings;
use super::trouble::shown;
use crate::error::{Error, Result};

/// What a helper may say, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;
/// The name that a helper gives with what is exchanged for tokens.
const IDENTITY: &str = "<token>";

/// Who the user is to `registry` and its `repository`; `None` where no file knows.
///
/// # Errors
/// [`Error::Registry`] where a helper fails; [`Error::Invalid`] for a file that is
/// none.
pub(super) fn find(settings: &Settings, registry: &str, repository: &str) -> Result<Option<Login>> {
    let found = settings.found.as_ref();
    if let Some(known) = found.and_then(|found| found.of(registry, repository)) {
        return known;
    }
    if let Some(elsewhere) = &settings.elsewhere {
        let found = elsewhere(registry, repository)?;
        return found.of(registry, repository).unwrap_or(Ok(None));
    }
    for path in &settings.credential_files {
        let config = DockerConfig::read(path)?;
        if let Some(name) = config.helper(registry)
            && let Some(login) = get(&program(name), registry, settings.helper)?
        {
            return Ok(Some(login));
        }
        if let Some(login) = config.login(registry, repository) {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

/// Keeps a name and a password: with the helper that the first file names, else
/// in that file.
///
/// # Errors
/// [`Error::Write`]; [`Error::Registry`] where a helper fails.
pub(super) fn keep(settings: &Settings, registry: &str, user: &str, secret: &str) -> Result<()> {
    let path = first_file(settings)?;
    if let Some(name) = DockerConfig::read(path)?.helper(registry) {
        let login = serde_json::json!({
            "ServerURL": key_of(registry), "Username": user, "Secret": secret,
        });
        return run(&program(name), "store", &login.to_string(), settings.helper).map(|_| ());
    }
    DockerConfig::change(path, |config| config.set(registry, user, secret))
}

/// Forgets them; whether any were known.
///
/// # Errors
/// As [`keep`].
pub(super) fn forget(settings: &Settings, registry: &str) -> Result<bool> {
    let path = first_file(settings)?;
    let config = DockerConfig::read(path)?;
    let mut known = false;
    if let Some(name) = config.helper(registry) {
        let program = program(name);
        known = get(&program, registry, settings.helper)?.is_some();
        if known {
            run(&program, "erase", key_of(registry), settings.helper)?;
        }
    }
    if config.clone().remove(registry) {
        DockerConfig::change(path, |config| config.remove(registry))?;
        known = true;
    }
    Ok(known)
}

fn first_file(settings: &Settings) -> Result<&std::path::Path> {
    let first = settings.credential_files.first();
    first.map(|path| &**path).ok_or_else(|| Error::NotFound {
        what: "a place for credentials: neither HOME nor DOCKER_CONFIG is set".to_owned(),
    })
}

fn program(helper: &str) -> String {
    format!("docker-credential-{helper}")
}

/// What a helper says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

fn get(program: &str, registry: &str, patience: Duration) -> Result<Option<Login>> {
    let text = match run(program, "get", key_of(registry), patience)? {
        Answer::Said(text) => text,
        Answer::Unknown => return Ok(None),
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|_| {
        failed(program, "what it says are no credentials".to_owned()) // nor shown: a secret may be in it
    })?;
    Ok(Some(match &*kept.username {
        IDENTITY => Login::Identity(kept.secret),
        _ => Login::Password {
            user: kept.username,
            secret: kept.secret,
        },
    }))
}

enum Answer {
    Said(Vec<u8>),
    /// It works, and does not know the registry.
    Unknown,
}

/// Runs `PROGRAM VERB` with `input`, for a bounded time.
///
/// Source: the protocol in the README of `docker/docker-credential-helpers`.
fn run(program: &str, verb: &str, input: &str, patience: Duration) -> Result<Answer> {
    let mut command = Command::new(program);
    command
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|why| failed(program, why.to_string()))?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let input = input.to_owned();
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
    let (said, listens) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let limited = stdout.map(|stdout| stdout.take(LONGEST_ANSWER));
        let _ = limited.map(|mut limited| limited.read_to_end(&mut text));
        said.send(text)
    });
    let late = || {
        let seconds = patience.as_secs_f32();
        failed(program, format!("it has not answered within {seconds} s"))
    };
    let Some(status) = wait(&mut child, patience) else {
        // With its children; it has not been waited for, so its number is its own.
        let group = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = child.wait();
        return Err(late());
    };
    // A child of it may hold its output open.
    let text = listens.recv_timeout(patience).map_err(|_| late())?;
    if status.success() {
        return Ok(Answer::Said(text));
    }
    let said = shown(&String::from_utf8_lossy(&text), 200);
    // The sentence by which helpers say so, and clients know it.
    match said.contains("credentials not found") {
        true => Ok(Answer::Unknown),
        false => Err(failed(program, format!("{status}: {said}"))),
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

fn failed(program: &str, reason: String) -> Error {
    Error::Registry {
        action: format!("ask {program} for credentials"),
        reason,
        remedy: Some(
            "`credsStore` and `credHelpers` in docker's config.json name the helpers".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// A helper that does `what`. Another process writes it: a file that this one
    /// has open for writing while it forks elsewhere cannot be executed.
    fn helper(place: &Path, what: &str) -> String {
        let path = place.join("helper").display().to_string();
        let text = format!("#!/bin/sh\n{what}\n");
        let write = r#"printf '%s' "$1" > "$2" && chmod 755 "$2""#;
        let mut shell = Command::new("sh");
        let written = shell
            .args(["-c", write, "sh", &text, &path])
            .status()
            .unwrap();
        assert!(written.success());
        path
    }

    fn asked(what: &str, patience: Duration) -> Result<Option<Login>> {
        let place = tempfile::tempdir().unwrap();
        get(&helper(place.path(), what), "docker.io", patience)
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_helper_is_asked_as_docker_asks_it() {
        let echo = r#"read server; echo "{\"ServerURL\":\"$server\",\"Username\":\"$1\",\"Secret\":\"$server\"}""#;
        let expected = Login::Password {
            user: "get".to_owned(),
            secret: "https://index.docker.io/v1/".to_owned(),
        };
        assert_eq!(asked(echo, LONG).unwrap(), Some(expected));
        let token = r#"echo '{"Username":"<token>","Secret":"t"}'"#;
        let identity = Some(Login::Identity("t".to_owned()));
        assert_eq!(asked(token, LONG).unwrap(), identity);
        let unknown = "echo credentials not found in native keychain; exit 1";
        assert_eq!(asked(unknown, LONG).unwrap(), None);
        let error = asked("echo locked; exit 3", LONG).unwrap_err().to_string();
        assert!(
            error.contains("locked") && error.contains("helper"),
            "{error}"
        );
        let error = asked("echo secret", LONG).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn a_helper_that_hangs_is_given_up_with_its_children() {
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("number");
        let what = format!("sleep 30 & echo $! > {}; wait", number.display());
        let begun = Instant::now();
        let error = asked(&what, Duration::from_millis(500)).unwrap_err();
        assert!(error.to_string().contains("0.5 s"), "{error}");
        assert!(begun.elapsed() < LONG);
        let child = std::fs::read_to_string(number).unwrap();
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z "))
        };
        while runs() {
            assert!(begun.elapsed() < LONG, "its child still runs");
            thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn what_a_helper_says_is_bounded() {
        let begun = Instant::now();
        assert!(asked("exec yes", Duration::from_secs(5)).is_err());
        assert!(begun.elapsed() < LONG);
        // A child that keeps its output open keeps nobody waiting.
        assert!(asked("sleep 3 & exit 0", Duration::from_millis(300)).is_err());
        assert!(begun.elapsed() < LONG);
    }
}
