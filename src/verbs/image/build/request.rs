//! From words of a command line to what the engine is asked to build.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use isolab_engine::build::Request;
use isolab_engine::dockerfile::Given;
use isolab_engine::dockerfile::ignore::Ignore;

use super::BuildArgs;
use crate::hint;

/// What the engine is asked to build.
pub(super) fn request(args: &BuildArgs, (file, text): (PathBuf, Vec<u8>)) -> Result<Request> {
    let mut given = Given::nothing();
    given.arguments = arguments(&args.build_arg);
    if let Some(platform) = &args.platform {
        given.target = platform.clone();
    }
    given.stage = args.target.clone().unwrap_or_default();
    Ok(Request {
        ignore: ignore(args, &file)?.1,
        file: file.display().to_string(),
        text,
        context: args
            .context
            .canonicalize()
            .with_context(|| format!("cannot read the build context {}", args.context.display()))?,
        given,
        target: args.target.clone(),
        no_cache: args.no_cache,
        network: args.network.into(),
        secrets: secrets(&args.secret)?,
        agents: agents(&args.ssh)?,
        labels: pairs(&args.label)?,
        shell_on_fail: args.shell_on_fail,
    })
}

/// The Dockerfile and what it says; `None` where none is named and none is there.
pub(super) fn dockerfile(args: &BuildArgs) -> Result<Option<(PathBuf, Vec<u8>)>> {
    let candidates = match &args.file {
        Some(file) => vec![file.clone()],
        None => vec![
            args.context.join("Dockerfile"),
            args.context.join("Containerfile"),
        ],
    };
    for file in &candidates {
        match fs::read(file) {
            Ok(text) => return Ok(Some((file.clone(), text))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        }
    }
    if args.file.is_none() {
        return Ok(None);
    }
    Err(hint::with(
        format!(
            "cannot build {}: there is no {}",
            args.context.display(),
            candidates[0].display()
        ),
        "write one, or name it with -f FILE",
    ))
}

/// The `.dockerignore` that counts, and what it says.
pub(super) fn ignore(args: &BuildArgs, file: &Path) -> Result<(PathBuf, Ignore)> {
    let mut own = file.as_os_str().to_owned();
    own.push(".dockerignore");
    let candidates = [PathBuf::from(own), args.context.join(".dockerignore")];
    for path in candidates {
        match fs::read(&path) {
            Ok(text) => {
                let ignore = Ignore::parse(&text);
                let ignore = ignore.map_err(|problems| {
                    anyhow::anyhow!("cannot use {}:\n{problems}", path.display())
                })?;
                return Ok((path, ignore));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    Ok((args.context.join(".dockerignore"), Ignore::default()))
}

/// `NAME=VALUE`, or `NAME` for what the environment says.
fn arguments(given: &[String]) -> BTreeMap<String, String> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((text.clone(), std::env::var(text).ok()?)),
    };
    given.iter().filter_map(pair).collect()
}

fn pairs(given: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => bail!("`{text}` is no KEY=VALUE"),
    };
    given.iter().map(pair).collect()
}

fn secrets(given: &[String]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut secrets = BTreeMap::new();
    for text in given {
        let mut fields: BTreeMap<&str, &str> = text
            .split(',')
            .filter_map(|field| field.split_once('='))
            .collect();
        let wrong = || {
            hint::with(
                format!("cannot use the secret `{text}`"),
                "write it as --secret id=ID,src=FILE or --secret id=ID,env=NAME",
            )
        };
        let id = fields.remove("id").ok_or_else(wrong)?;
        let file = fields.remove("src").or_else(|| fields.remove("source"));
        let value = match (file, fields.remove("env")) {
            (Some(file), None) => {
                fs::read(file).with_context(|| format!("cannot read the secret {file}"))?
            }
            (None, Some(name)) => std::env::var(name)
                .with_context(|| format!("cannot read the secret: {name} is not set"))?
                .into_bytes(),
            _ => return Err(wrong()),
        };
        secrets.insert(id.to_owned(), value);
    }
    Ok(secrets)
}

/// The sockets of agents, by id.
fn agents(given: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut agents = BTreeMap::new();
    for text in given {
        let (id, socket) = match text.split_once('=') {
            Some((id, socket)) => (id, PathBuf::from(socket)),
            None => {
                let socket = std::env::var_os("SSH_AUTH_SOCK").ok_or_else(|| {
                    hint::with(
                        format!("cannot hand on the agent `{text}`: SSH_AUTH_SOCK is not set"),
                        "start one with `eval $(ssh-agent)`, or name its socket: --ssh ID=SOCKET",
                    )
                })?;
                (&**text, PathBuf::from(socket))
            }
        };
        let is_socket = fs::metadata(&socket).is_ok_and(|there| there.file_type().is_socket());
        if !is_socket {
            return Err(hint::with(
                format!(
                    "cannot hand on the agent `{id}`: {} is no socket",
                    socket.display()
                ),
                "keys are handed on by an agent that has them: `ssh-add KEY`",
            ));
        }
        agents.insert(id.to_owned(), std::path::absolute(socket)?);
    }
    Ok(agents)
}
