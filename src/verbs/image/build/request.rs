//! From words of a command line to what the engine is asked to build.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use isolab_engine::build::Request;
use isolab_engine::dockerfile::Given;
use isolab_engine::dockerfile::ignore::Ignore;

use super::BuildArgs;
use crate::hint;

/// What the engine is asked to build.
pub(super) fn request(args: &BuildArgs) -> Result<Request> {
    let (file, text) = dockerfile(args)?;
    let mut given = Given::nothing();
    given.arguments = arguments(&args.build_arg);
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
        labels: pairs(&args.label)?,
        shell_on_fail: args.shell_on_fail,
    })
}

pub(super) fn dockerfile(args: &BuildArgs) -> Result<(PathBuf, Vec<u8>)> {
    let candidates = match &args.file {
        Some(file) => vec![file.clone()],
        None => vec![
            args.context.join("Dockerfile"),
            args.context.join("Containerfile"),
        ],
    };
    for file in &candidates {
        match fs::read(file) {
            Ok(text) => return Ok((file.clone(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        }
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
