//! `isolab build`: from a Dockerfile to an image.

mod request;
mod scaffold;
mod teller;

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use isolab_engine::build::{self, Attending, Event, Request};
use isolab_engine::image::{Platform, Reference};
use isolab_engine::room::Room;
use isolab_engine::run::Network;
use isolab_engine::store::{Origin, Provenance, Store};

use super::{by_me, size, store};
use crate::interrupt::Interrupt;
use crate::{hint, stderr, stdout};
use request::{ignore, request};
use teller::{Progress, Teller};

/// What `build` is asked to build.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Where there is no Dockerfile, one is written for a Python project (requirements.txt, \
    pyproject.toml), a static site (index.html) or a directory with one static program."
)]
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
    /// The machine that the image is for [default: this one]; for another one nothing can be RUN
    #[arg(long)]
    platform: Option<Platform>,
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
    /// An agent for RUN --mount=type=ssh: default, for that of SSH_AUTH_SOCK, or ID=SOCKET
    #[arg(long, value_name = "AGENT")]
    ssh: Vec<String>,
    /// Run a shell where a RUN failed, as it left things, before the build fails
    #[arg(long, conflicts_with = "quiet")]
    shell_on_fail: bool,
    /// How steps are told, on standard error
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
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
    /// Print the Dockerfile that would be built, also where none is there, and build nothing
    #[arg(long)]
    dry_run: bool,
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

/// Builds it.
///
/// # Errors
/// If the Dockerfile is wrong, or a step fails.
pub fn build(args: &BuildArgs) -> Result<ExitCode> {
    for name in &args.tag {
        name.check_can_be_given()?;
    }
    if let Some(path) = &args.explain_ignore {
        return explain_ignore(args, path);
    }
    if args.dry_run {
        let text = match request::dockerfile(args)? {
            Some((_, text)) => String::from_utf8_lossy(&text).into_owned(),
            None => scaffold::Tree::of(&args.context)?.dockerfile(),
        };
        stdout::print(text)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.shell_on_fail && !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(hint::with(
            "cannot give a shell where a step fails: standard input or error is no terminal",
            "leave out --shell-on-fail",
        ));
    }
    // Within, where it is read once: a secret may come through a pipe.
    super::room::within_asking(super::remote::PLAIN.settings(), |room| {
        let store = store()?;
        let file = match request::dockerfile(args)? {
            Some(file) => file,
            None => scaffold::write(args, &store)?,
        };
        build_here(args, &request(args, file)?, room, &store)
    })
}

fn build_here(args: &BuildArgs, request: &Request, room: &Room, store: &Store) -> Result<ExitCode> {
    if let Some(why) = room.why_single() {
        stderr::tell(format_args!(
            "note: all files of images will be yours: {why}"
        ));
    }
    let interrupt = Interrupt::listen()?;
    let teller = Teller::new(args);
    let built = build::build(
        store,
        room,
        request,
        Attending {
            fetch: &|store, name, platform, is_unwanted| {
                let text = format!("{name} is not here: it is pulled from {}", name.registry());
                teller.tell(&Event::Note { text: &text });
                super::fetch::fetch_quietly(store, name, platform, is_unwanted)
            },
            client: &super::remote::client(),
            tell: &|event| teller.tell(&event),
            is_interrupted: &|| interrupt.raised(),
        },
    );
    teller.end();
    let built = built.map_err(|error| super::remote::ended(error, &interrupt))?;
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
        stderr::tell(format_args!(
            "note: it is called {name}; name it yourself with -t NAME"
        ));
    }
    let image = store.image(&built.descriptor, &request.given.target)?;
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

fn explain_ignore(args: &BuildArgs, path: &str) -> Result<ExitCode> {
    let file = request::dockerfile(args)?;
    let file = file.map_or_else(|| args.context.join("Dockerfile"), |(file, _)| file);
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

fn provenance(
    args: &BuildArgs,
    request: &Request,
    base: Option<&(String, isolab_engine::image::Digest)>,
) -> Provenance {
    Provenance {
        from: Some(request.file.clone()),
        base: base.map(|(name, _)| name.clone()),
        base_digest: base.map(|(_, digest)| digest.clone()),
        arguments: args
            .build_arg
            .iter()
            .map(|argument| build::without_credentials(argument))
            .collect(),
        revision: revision(&request.context),
        ..by_me(Provenance::now(Origin::Built))
    }
}

/// The commit of a context that is in git, whatever else the environment tells git to
/// look at: within a hook, that is its own repository.
fn revision(context: &Path) -> Option<String> {
    if !may_be_in_git(context) {
        return None;
    }
    let mut git = std::process::Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            git.env_remove(name);
        }
    }
    let output = git
        .args(["rev-parse", "--verify", "--quiet", "HEAD"])
        .current_dir(context)
        .stderr(std::process::Stdio::null())
        .output()
        .ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// Whether git has something to look at there or above. To be told by git itself that it has not
/// takes as long as half of a build that finds every step done.
fn may_be_in_git(context: &Path) -> bool {
    let Ok(context) = context.canonicalize() else {
        return true;
    };
    // A directory with files, a link to it (a worktree), or the directory itself (a bare one).
    let is_git = |dir: &Path| {
        let has = |name: &str| dir.join(name).symlink_metadata().is_ok();
        has(".git") || has("HEAD")
    };
    context.ancestors().any(is_git)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_is_asked_where_it_may_know() {
        let dir = tempfile::tempdir().unwrap();
        let context = dir.path().join("a/b");
        std::fs::create_dir_all(&context).unwrap();
        let above = may_be_in_git(dir.path());
        assert_eq!(may_be_in_git(&context), above);
        for name in [".git", "HEAD"] {
            let sign = dir.path().join("a").join(name);
            std::fs::write(&sign, "").unwrap();
            assert!(may_be_in_git(&context), "{name}");
            std::fs::remove_file(sign).unwrap();
        }
        // Git has its own words for what is not there.
        assert!(may_be_in_git(&context.join("absent")));
    }
}
