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
    for path in &settings.credential_files {
        let config = DockerConfig::read(path)?;
        if let Some(name) = config.helper(registry)
            && let Some(login) = get(name, registry, settings.helper)?
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
        return run(name, "store", &login.to_string(), settings.helper).map(|_| ());
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
        known = get(name, registry, settings.helper)?.is_some();
        if known {
            run(name, "erase", key_of(registry), settings.helper)?;
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

/// What a helper says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

fn get(name: &str, registry: &str, patience: Duration) -> Result<Option<Login>> {
    let text = match run(name, "get", key_of(registry), patience)? {
        Answer::Said(text) => text,
        Answer::Unknown => return Ok(None),
    };
    let kept: Kept = serde_json::from_slice(&text).map_err(|_| {
        failed(name, "what it says are no credentials".to_owned()) // nor shown: a secret may be in it
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

/// Runs `docker-credential-NAME VERB` with `input`, for a bounded time.
///
/// Source: the protocol in the README of `docker/docker-credential-helpers`.
fn run(name: &str, verb: &str, input: &str, patience: Duration) -> Result<Answer> {
    let mut command = Command::new(format!("docker-credential-{name}"));
    command
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let mut child = command
        .spawn()
        .map_err(|why| failed(name, why.to_string()))?;
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
        failed(name, format!("it has not answered within {seconds} s"))
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
        false => Err(failed(name, format!("{status}: {said}"))),
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

fn failed(name: &str, reason: String) -> Error {
    Error::Registry {
        action: format!("ask docker-credential-{name} for credentials"),
        reason,
        remedy: Some(
            "`credsStore` and `credHelpers` in docker's config.json name the helpers".to_owned(),
        ),
    }
}
