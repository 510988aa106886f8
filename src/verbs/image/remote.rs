//! `isolab pull`, `push`, `login`, `logout` and `search`: images that others have.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek as _, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isolab_engine::image::{Descriptor, Platform, Reference};
use isolab_engine::registry::{Blob, Client, Fate, Found, Progress, Settings};
use isolab_engine::store::{Origin, Owners, Provenance};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde_json::json;

use super::{by_me, size, store};
use crate::interrupt::Interrupt;
use crate::terminal::{Answer, Dialogue};
use crate::{hint, stderr, stdout};

/// How registries are asked.
#[derive(Debug, clap::Args)]
pub(super) struct Asking {
    /// A registry, HOST[:PORT], that is asked without encryption
    #[arg(long, value_name = "REGISTRY")]
    insecure: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `pull` is asked to fetch.
#[derive(Debug, clap::Args)]
pub struct PullArgs {
    /// The image
    name: Reference,
    /// The machine that it is for [default: this one]
    #[arg(long)]
    platform: Option<Platform>,
    /// Print only the name
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    asking: Asking,
}

/// What `push` is asked to send.
#[derive(Debug, clap::Args)]
pub struct PushArgs {
    /// The image, under the name that it is to have there
    name: Reference,
    /// The image, where it has another name here
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    asking: Asking,
}

/// What `login` is asked.
#[derive(Debug, clap::Args)]
pub struct LoginArgs {
    /// The registry
    #[arg(default_value = "docker.io")]
    registry: String,
    /// The user
    #[arg(short, long)]
    username: Option<String>,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    asking: Asking,
}

/// What `logout` is asked.
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// The registry
    #[arg(default_value = "docker.io")]
    registry: String,
}

/// What `search` is asked.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A registry lists its repositories only where it is willing to: docker.io is not."
)]
pub struct SearchArgs {
    /// REGISTRY[/TEXT]: repositories whose name contains TEXT; REGISTRY/NAME: for tags of one,
    /// add --tags
    term: String,
    /// List the tags of the repository that is named
    #[arg(long)]
    tags: bool,
    #[command(flatten)]
    asking: Asking,
}

impl Asking {
    pub(super) fn settings(&self) -> Settings {
        Settings {
            insecure: self.insecure.clone(),
            look_up: Some(Arc::new(venv_sim::look_up)),
            elsewhere: super::room::elsewhere(),
            ..Settings::of_process()
        }
    }

    fn client(&self) -> Client {
        Client::new(self.settings())
    }
}

/// As no flag says otherwise.
pub(super) const PLAIN: Asking = Asking {
    insecure: Vec::new(),
    json: false,
};

/// One that asks as no flag says otherwise.
pub(super) fn client() -> Client {
    PLAIN.client()
}

/// Who the user is to an image's registry, in memory: no argument or variable that
/// others may read.
pub(super) fn login_for(name: &Reference) -> Result<File> {
    let found = Found::find(&PLAIN.settings(), name);
    let memory = memfd_create("login", MFdFlags::MFD_CLOEXEC);
    let mut file = File::from(memory.context("cannot make a file in memory")?);
    file.write_all(found.to_text().as_bytes())
        .and_then(|()| file.rewind())
        .context("cannot write a file in memory")?;
    Ok(file)
}

/// Fetches, and unpacks.
///
/// # Errors
/// If the registry cannot be asked, or what it sends is not what was promised.
pub fn pull(args: &PullArgs) -> Result<ExitCode> {
    let login = || login_for(&args.name);
    super::room::unpacking(login, |owners| pull_here(args, owners))
}

fn pull_here(args: &PullArgs, owners: Option<Owners>) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let store = store()?;
    let platform = args.platform.clone().unwrap_or_else(Platform::host);
    let is_unwanted = || interrupt.raised();
    let watch = Watch::new(&is_unwanted);
    let client = Client::new(Settings {
        found: super::room::given()?.map(Found::read).transpose()?,
        ..args.asking.settings()
    });
    // What is for another machine never runs here.
    let owners = owners.filter(|_| platform.is_like(&Platform::host()));
    let pulled = match owners {
        Some(owners) => client.pull_unpacked(&args.name, &platform, &store, owners, &watch),
        None => client.pull(&args.name, &platform, &store, &watch),
    };
    watch.end();
    let pulled = pulled.map_err(|error| ended(error, &interrupt))?;
    let provenance = Provenance {
        from: Some(args.name.registry().to_owned()),
        ..by_me(Provenance::now(Origin::Pulled))
    };
    let version = store.keep(&args.name, &pulled.target, &provenance)?;
    let name = &args.name;
    stdout::print(if args.asking.json {
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.pull/1", "name": version.name, "pulled": pulled })
        )
    } else if args.quiet {
        format!("{name}\n")
    } else {
        let (fetched, skipped) = (size(pulled.fetched), size(pulled.skipped));
        let number = super::number(&version);
        let number = number.map_or_else(String::new, |number| format!(" (@{number})"));
        format!(
            "{}{name} is {}{number}\n{fetched} fetched, {skipped} were here\n",
            lines(&pulled.blobs, "fetched"),
            pulled.target.digest,
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Sends.
///
/// # Errors
/// If there is no such image, or the registry does not take it.
pub fn push(args: &PushArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let store = store()?;
    let image = args.image.clone().unwrap_or_else(|| args.name.to_string());
    let version = store.resolve(&image)?;
    let is_unwanted = || interrupt.raised();
    let watch = Watch::new(&is_unwanted);
    let pushed = args
        .asking
        .client()
        .push(&store, &version.descriptor, &args.name, &watch);
    watch.end();
    let pushed = pushed.map_err(|error| ended(error, &interrupt))?;
    let name = &args.name;
    stdout::print(if args.asking.json {
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.push/1", "name": name.name(), "pushed": pushed })
        )
    } else if args.quiet {
        String::new()
    } else {
        let (sent, skipped, mounted) = (pushed.sent, pushed.skipped, pushed.mounted);
        format!(
            "{}{name} is {} there\n{} sent, {} were there, {} taken from another repository\n",
            lines(&pushed.blobs, "sent"),
            pushed.target.digest,
            size(sent),
            size(skipped),
            size(mounted)
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// An error of what a signal may have ended: then that is why.
pub(super) fn ended(error: isolab_engine::Error, interrupt: &Interrupt) -> anyhow::Error {
    match interrupt.exit_status() {
        Some(code) => hint::interrupted(error.in_one_line(), code),
        None => error.into(),
    }
}

/// What became of each blob: the delta, made visible.
fn lines(blobs: &[Blob], moved: &str) -> String {
    let line = |blob: &Blob| {
        let fate = match blob.fate {
            Fate::Moved => moved.to_owned(),
            Fate::Resumed { had } => format!("{moved}, the first {} before", size(had)),
            Fate::Skipped => "there already".to_owned(),
            Fate::Mounted => "taken from another repository".to_owned(),
        };
        let digest = blob.descriptor.digest.short();
        format!("  {digest}  {:>9}  {fate}\n", size(blob.descriptor.size))
    };
    blobs.iter().map(line).collect()
}

/// Keeps a password.
///
/// # Errors
/// If it is not asked for at a terminal, or the registry does not take it.
pub fn login(args: &LoginArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let user = match &args.username {
        Some(user) => user.clone(),
        None => asked(&interrupt, "Username: ")?,
    };
    let password = if args.password_stdin {
        let mut text = String::new();
        io::stdin()
            .read_to_string(&mut text)
            .context("cannot read the password")?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        secret(&interrupt)?
    };
    let registry = &args.registry;
    let client = args.asking.client();
    let is_unwanted = || interrupt.raised();
    let watch = Watch::new(&is_unwanted);
    let kept = client.login(registry, &user, &password, &watch);
    watch.end();
    kept.map_err(|error| ended(error, &interrupt))?;
    stdout::print(format!("{user} is logged in to {registry}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn asked(interrupt: &Interrupt, prompt: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(hint::with(
            "cannot ask for a user: standard input is no terminal",
            "name one with -u, and pipe the password in with --password-stdin",
        ));
    }
    match Dialogue::new(interrupt).ask(prompt)? {
        Answer::Line(line) => Ok(line.trim().to_owned()),
        _ => bail!("nothing was kept"),
    }
}

/// A line that the terminal does not show.
fn secret(interrupt: &Interrupt) -> Result<String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).map_err(|_| {
        hint::with(
            "cannot ask for a password: standard input is no terminal",
            "pipe it in with --password-stdin",
        )
    })?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &silent)?;
    let line = asked(interrupt, "Password: ");
    let _ = tcsetattr(&stdin, SetArg::TCSAFLUSH, &before);
    let _ = io::stderr().write_all(b"\n");
    line
}

/// Forgets a password.
///
/// # Errors
/// If the file of passwords cannot be changed.
pub fn logout(args: &LogoutArgs) -> Result<ExitCode> {
    let registry = &args.registry;
    let known = client().logout(registry)?;
    stdout::print(match known {
        true => format!("logged out of {registry}\n"),
        false => format!("nobody was logged in to {registry}\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Lists.
///
/// # Errors
/// If the registry does not list, or cannot be asked.
pub fn search(args: &SearchArgs) -> Result<ExitCode> {
    let client = args.asking.client();
    let found = if args.tags {
        client.tags(&args.term.parse()?)?
    } else {
        let (registry, text) = match args.term.split_once('/') {
            Some((registry, text)) => (registry, text),
            None => (&*args.term, ""),
        };
        let mut found = client.catalog(registry)?;
        found.retain(|name| name.contains(text));
        found
            .iter()
            .map(|name| format!("{registry}/{name}"))
            .collect()
    };
    stdout::print(if args.asking.json {
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.search/1", "found": found })
        )
    } else {
        found.iter().map(|name| format!("{name}\n")).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows at a terminal how much has moved, and hears of Ctrl-C.
pub(super) struct Watch<'a> {
    pub(super) bar: ProgressBar,
    moved: AtomicU64,
    is_unwanted: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Watch<'a> {
    pub(super) fn new(is_unwanted: &'a (dyn Fn() -> bool + Sync)) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        Self {
            bar,
            moved: AtomicU64::new(0),
            is_unwanted,
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Watch<'_> {
    fn moved(&self, _: &Descriptor, bytes: u64) {
        let all = self.moved.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.set_message(format!("{} moved", size(all)));
        self.bar.tick();
    }

    fn waits(&self, why: &str, pause: Duration) {
        let seconds = pause.as_secs_f64();
        stderr::tell(format_args!("note: {why}: trying again in {seconds:.1} s"));
    }

    fn is_cancelled(&self) -> bool {
        (self.is_unwanted)()
    }
}
