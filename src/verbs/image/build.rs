//! `isolab build`: from a Dockerfile to an image.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use isolab_engine::build::{self, Event, Request};
use isolab_engine::dockerfile::Given;
use isolab_engine::dockerfile::ignore::Ignore;
use isolab_engine::image::{Platform, Reference};
use isolab_engine::room::Room;
use isolab_engine::run::Network;
use isolab_engine::store::{Origin, Provenance};
use serde_json::json;

use super::{by_me, size, store};
use crate::{hint, stdout};

/// What `build` is asked to build.
#[derive(Debug, clap::Args)]
pub struct BuildArgs {
    /// The directory that files are copied from
    #[arg(default_value = ".")]
    context: PathBuf,
    /// A name for the image; may be given again
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<Reference>,
    /// The Dockerfile [default: CONTEXT/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// What an ARG is worth; without a value, what the environment says
    #[arg(long, value_name = "NAME[=VALUE]")]
    build_arg: Vec<String>,
    /// The stage to build [default: the last]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// A label of the image; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Take every step, whatever was taken before
    #[arg(long)]
    no_cache: bool,
    /// The network of programs that run
    #[arg(long, value_enum, default_value_t = Net::Host)]
    network: Net,
    /// A secret for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME
    #[arg(long, value_name = "SECRET")]
    secret: Vec<String>,
    /// How steps are told
    #[arg(long, value_enum, default_value_t = Progress::Plain)]
    progress: Progress,
    /// Print only the image's id
    #[arg(short, long)]
    quiet: bool,
    /// Tell which line of .dockerignore decides about PATH, and build nothing
    #[arg(long, value_name = "PATH")]
    explain_ignore: Option<String>,
    /// Tell for each step that was not taken why not
    #[arg(long)]
    explain_cache: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Net {
    /// Its own loopback alone
    None,
    /// This machine's
    Host,
}

impl From<Net> for Network {
    fn from(net: Net) -> Self {
        match net {
            Net::None => Self::None,
            Net::Host => Self::Host,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Progress {
    /// A line each, on standard error
    Plain,
    /// JSON, a line each, on standard error
    Json,
}

/// Builds it.
///
/// # Errors
/// If the Dockerfile is wrong, or a step fails.
pub fn build(args: &BuildArgs) -> Result<ExitCode> {
    if let Some(path) = &args.explain_ignore {
        return explain_ignore(args, path);
    }
    // Within, where it is read once: a secret may come through a pipe.
    super::room::within(|room| build_here(args, &request(args)?, room))
}

fn build_here(args: &BuildArgs, request: &Request, room: &Room) -> Result<ExitCode> {
    let store = store()?;
    if let Some(why) = room.why_single() {
        eprintln!("note: all files of images will be yours: {why}");
    }
    let mut teller = Teller::new(args);
    let built = build::build(&store, room, request, &super::remote::fetch, &mut |event| {
        teller.tell(&event);
    })?;
    teller.end();
    let provenance = provenance(args, request, built.base.as_ref());
    let mut names = Vec::new();
    for tag in &args.tag {
        let version = store.tag(tag, &built.descriptor, &provenance)?;
        names.push((tag, version.number));
    }
    if args.tag.is_empty() {
        // A name keeps it from being swept.
        let name: Reference = format!("built:{}", built.descriptor.digest.short()).parse()?;
        store.tag(&name, &built.descriptor, &provenance)?;
        eprintln!("note: it is called {name}; name it yourself with -t NAME");
    }
    let image = store.image(&built.descriptor, &Platform::host())?;
    if args.quiet {
        stdout::print(format!("{}\n", image.id()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = String::new();
    for (tag, number) in names {
        text += &format!("{tag} is {} (@{number})\n", built.descriptor.digest);
    }
    let (made, cached) = (built.layers, built.cached);
    let packed = size(image.packed_bytes());
    text += &format!("{made} layers, {cached} of them taken before; {packed} packed\n");
    stdout::print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn request(args: &BuildArgs) -> Result<Request> {
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
    })
}

fn dockerfile(args: &BuildArgs) -> Result<(PathBuf, Vec<u8>)> {
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
fn ignore(args: &BuildArgs, file: &Path) -> Result<(PathBuf, Ignore)> {
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

fn explain_ignore(args: &BuildArgs, path: &str) -> Result<ExitCode> {
    let file = dockerfile(args)?.0;
    let (ignored_by, ignore) = ignore(args, &file)?;
    let decision = ignore.decide(path);
    let verdict = match decision.excluded {
        true => "stays out of the build",
        false => "comes into the build",
    };
    let by = ignored_by.display();
    let why = match decision.because {
        Some((line, pattern)) => format!("{by}:{line} says `{pattern}`"),
        None => format!("no line of {by} says anything about it"),
    };
    stdout::print(format!("{path} {verdict}: {why}\n"))?;
    Ok(ExitCode::SUCCESS)
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

fn provenance(
    args: &BuildArgs,
    request: &Request,
    base: Option<&(String, isolab_engine::image::Digest)>,
) -> Provenance {
    Provenance {
        from: Some(request.file.clone()),
        base: base.map(|(name, _)| name.clone()),
        base_digest: base.map(|(_, digest)| digest.clone()),
        arguments: args.build_arg.clone(),
        revision: revision(&request.context),
        ..by_me(Provenance::now(Origin::Built))
    }
}

/// The commit of a context that is in git.
fn revision(context: &Path) -> Option<String> {
    let output = std::process::Command::new("git")
        .args(["rev-parse", "--verify", "--quiet", "HEAD"])
        .current_dir(context)
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// Tells what happens, on standard error.
struct Teller {
    progress: Progress,
    quiet: bool,
    explains: bool,
    begun: Option<Instant>,
}

impl Teller {
    fn new(args: &BuildArgs) -> Self {
        Self {
            progress: args.progress,
            quiet: args.quiet,
            explains: args.explain_cache,
            begun: None,
        }
    }

    fn tell(&mut self, event: &Event<'_>) {
        if self.quiet {
            return;
        }
        match self.progress {
            Progress::Plain => self.plain(event),
            Progress::Json => eprintln!("{}", as_json(event)),
        }
    }

    fn plain(&mut self, event: &Event<'_>) {
        match event {
            Event::Step {
                number,
                of,
                stage,
                text,
            } => {
                self.end();
                let first = text.lines().next().unwrap_or_default();
                let more = if text.lines().nth(1).is_some() {
                    " …"
                } else {
                    ""
                };
                eprintln!("[{stage} {number}/{of}] {first}{more}");
                self.begun = Some(Instant::now());
            }
            Event::Cached { because } => {
                self.begun = None;
                match self.explains {
                    true => eprintln!("  taken before: {because}"),
                    false => eprintln!("  taken before"),
                }
            }
            Event::Layer { bytes } => {
                let passed = self.begun.take().map(|begun| begun.elapsed().as_secs_f64());
                let passed = passed.unwrap_or_default();
                let new = match self.explains {
                    true => "; no step of the same files, program and layers was taken before",
                    false => "",
                };
                eprintln!("  {} packed in {passed:.2} s{new}", size(*bytes));
            }
            Event::Warning { line, text } => eprintln!("warning: line {line}: {text}"),
        }
    }

    fn end(&mut self) {
        self.begun = None;
    }
}

fn as_json(event: &Event<'_>) -> serde_json::Value {
    match event {
        Event::Step {
            number,
            of,
            stage,
            text,
        } => {
            json!({ "event": "step", "number": number, "of": of, "stage": stage, "text": text })
        }
        Event::Cached { because } => json!({ "event": "cached", "because": because }),
        Event::Layer { bytes } => json!({ "event": "layer", "packed_bytes": bytes }),
        Event::Warning { line, text } => json!({ "event": "warning", "line": line, "text": text }),
    }
}
