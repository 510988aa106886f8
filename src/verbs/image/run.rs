//! `isolab run`: a container of an image, in the foreground.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use isolab_engine::bootstrap::{self, About, Node, Tree};
use isolab_engine::image::{Platform, Reference, Run};
use isolab_engine::room::Room;
use isolab_engine::room::task::Task;
use isolab_engine::run::{self, Bind, Container, Runtime, Settings};
use isolab_engine::store::{Image, Origin, Owners, Provenance, Store};

use super::build::Net;
use super::fetch::FETCH;
use super::{by_me, store};
use crate::{hint, program, stderr};

/// What `run` is asked to run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exits as its program does: 128 and the signal where one ended it, 127 where \
    the program is missing, 126 where it cannot be executed, 125 where there was no container, 2 \
    where the command line is wrong."
)]
pub struct RunArgs {
    /// Taken as docker's: a container in the foreground never outlives its program
    #[arg(long)]
    rm: bool,
    /// Keep standard input open, which it always is
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Set a variable; without a value, to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Show it a directory or file of this machine
    #[arg(short, long, value_name = "SOURCE:DESTINATION[:ro]")]
    volume: Vec<String>,
    /// Where its program runs
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Who its program is: USER[:GROUP], by name or number
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// What is run, in place of the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Let it write nothing but to what is mounted
    #[arg(long)]
    read_only: bool,
    /// Its network
    #[arg(long, value_enum, default_value_t = Net::None)]
    network: Net,
    /// Its name in itself
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// When the image is fetched
    #[arg(long, value_enum, default_value_t = Pull::Missing)]
    pull: Pull,
    /// Who runs it: isorun, runc, crun, or a path
    #[arg(long, default_value = "isorun", value_name = "RUNTIME")]
    runtime: PathBuf,
    /// The image: NAME[:TAG], NAME@N for a version, NAME@DIGEST, or an id
    image: String,
    /// The program and its arguments, in place of the image's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pull {
    /// Each time
    Always,
    /// Where it is not here
    Missing,
    /// Never
    Never,
}

/// Unpacks an image's layers in the room: its words are the store, the manifest's
/// digest as `resolve` takes it.
pub const UNPACK: Task = Task {
    name: "unpack",
    perform: unpack,
    mounts: false,
    starts_others: false,
};

fn unpack(words: &[OsString]) -> isolab_engine::Result<u8> {
    let [root, name] = words else {
        return Ok(1);
    };
    let store = Store::open(Path::new(root))?;
    let version = store.resolve(&name.to_string_lossy())?;
    let image = store.image(&version.descriptor, &Platform::host())?;
    store.layers_of(&image, Room::find().owners())?;
    Ok(0)
}

/// Runs it. Where there is no such image, or no container of it can be had, that is told and
/// what it exits with.
///
/// # Errors
/// None: as with docker, the code of what fails here is none that a program is likely to end with.
pub fn run(args: &RunArgs) -> Result<ExitCode> {
    let code = carry_out(args).unwrap_or_else(|error| hint::tell_nothing_ran(&error));
    Ok(code.into())
}

fn carry_out(args: &RunArgs) -> Result<u8> {
    let store = store()?;
    let room = Room::find();
    let name = present(&store, args, &room)?;
    let version = store.resolve(&name)?;
    let image = store.image(&version.descriptor, &Platform::host())?;
    let mount_points = store.root().join("mount-points");
    run::lay_mount_points(&mount_points)?;
    let mut all = vec![mount_points];
    all.extend(layers(&store, &image, &name, &room)?);
    let place = store.new_place()?;
    let pin = store.pin(image.layers().map(|(_, diff_id)| diff_id))?;
    let mut container = Container::new(place.path(), all, settings(args, &image)?);
    container.runtime = match args.runtime.to_str() {
        Some("isorun") => Runtime::Own,
        _ => Runtime::Other(args.runtime.clone()),
    };
    // Others may sweep while it runs: what it stands on is pinned.
    drop(store);
    let ended = match run::run(&container, &room) {
        Err(refused @ isolab_engine::Error::Refused { .. }) => {
            let why = refused.in_one_line();
            stderr::tell(format_args!(
                "note: its root is a copy of the image's files: {why}"
            ));
            run::with_copied_root(&container, &room)
                .and_then(|container| run::run(&container, &room))
        }
        ended => ended,
    };
    // Whoever found a dead command's directory may have met its groups while they
    // were still in use, or their owner while it was ending.
    let _ = isolab_oci::cgroup::sweep();
    let code = run::exit_code(&ended);
    let removed = isolab_engine::room::remove(&room, place.path());
    drop((place, pin));
    let ran = ended.is_ok();
    if let Err(error) = ended {
        hint::tell(&anyhow::Error::from(error).context(format!("cannot run {name}")));
    }
    match removed {
        // Its program has run, and says what became of it.
        Err(error) if ran => hint::tell(&error.into()),
        removed => removed?,
    }
    Ok(u8::try_from(code).unwrap_or(hint::NOTHING_RAN))
}

/// The name of the image that is meant, which is here now.
fn present(store: &Store, args: &RunArgs, room: &Room) -> Result<String> {
    if args.pull == Pull::Always {
        fetch(store, &args.image.parse()?, room)?;
    }
    match store.resolve(&args.image) {
        Ok(_) => return Ok(args.image.clone()),
        Err(isolab_engine::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let reference: Reference = args.image.parse()?;
    let is_bundled = reference.name() == "docker.io/library/hello-world:latest";
    if is_bundled && reference.digest().is_none() {
        hello_world(store, &reference)?;
        return Ok(args.image.clone());
    }
    if args.pull == Pull::Never {
        return Err(isolab_engine::Error::NotFound {
            what: format!("image {reference}"),
        }
        .into());
    }
    fetch(store, &reference, room)?;
    Ok(args.image.clone())
}

/// Fetches an image, and unpacks it where its owners can be had.
fn fetch(store: &Store, name: &Reference, room: &Room) -> Result<()> {
    if room.maps().is_none() || room.owners() != Owners::Mapped {
        return Ok(super::fetch::fetch(
            &super::remote::client(),
            store,
            name,
            &Platform::host(),
        )?);
    }
    let words = [store.root().into(), name.to_string().into()];
    let login = super::remote::login_for(name)?;
    let code = room.enter_reading(&FETCH, &words, login.as_fd())?;
    done(code, format!("cannot pull {name}"))
}

/// What a task in the room ended with; it has told why where it failed.
fn done(code: u8, failed: String) -> Result<()> {
    match code {
        0 => Ok(()),
        129.. => Err(hint::interrupted(
            format!("{failed}: it was interrupted"),
            code,
        )),
        _ => bail!(failed),
    }
}

/// The layers' directories; they are unpacked where they were not yet.
///
/// # Errors
/// If they cannot be unpacked.
pub fn layers(store: &Store, image: &Image, name: &str, room: &Room) -> Result<Vec<PathBuf>> {
    let owners = room.owners();
    let there = || {
        let layers = image
            .layers()
            .map(|(_, diff_id)| store.unpacked(diff_id, owners));
        layers.collect::<Option<Vec<_>>>()
    };
    if there().is_none() && room.maps().is_some() && owners == Owners::Mapped {
        let words = [store.root().as_os_str().to_owned(), name.into()];
        done(
            room.enter(&UNPACK, &words)?,
            format!("cannot unpack {name}"),
        )?;
    }
    let layers = match there() {
        Some(layers) => layers,
        None => store.layers_of(image, owners)?,
    };
    Ok(layers.into_iter().map(|layer| layer.path).collect())
}

/// What is asked of an image, whatever is to run it.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    /// What is run in place of its entry point; nothing where it is empty.
    pub entrypoint: Option<&'a str>,
    /// The program and its arguments, in place of its own.
    pub command: &'a [String],
    /// Variables; those without a value are what they are here.
    pub env: &'a [String],
    /// Where its program runs.
    pub workdir: Option<&'a Path>,
    /// Who its program is.
    pub user: Option<&'a str>,
    /// Its name in itself.
    pub hostname: Option<&'a str>,
}

impl Asked<'_> {
    /// The settings of `image`, called `name`, with what is asked for.
    ///
    /// # Errors
    /// If there is nothing to run; `verb` is the command to name a program to.
    pub fn settings(&self, image: &Image, name: &str, verb: &str) -> Result<Settings> {
        let of_image = &image.config.config;
        let entrypoint = match self.entrypoint {
            Some("") => Vec::new(),
            Some(program) => vec![program.to_owned()],
            None => of_image.entrypoint.clone().unwrap_or_default(),
        };
        // An entry point of one's own gets none of the image's arguments.
        let command = match (self.command, self.entrypoint) {
            ([], None) => of_image.cmd.clone().unwrap_or_default(),
            (command, _) => command.to_vec(),
        };
        let words: Vec<String> = entrypoint.into_iter().chain(command).collect();
        if words.is_empty() {
            return Err(hint::with(
                format!("cannot run {name}: it says nothing to run"),
                format!("name a program: {verb} {name} PROGRAM"),
            ));
        }
        let mut env = of_image.env.clone();
        for text in self.env {
            match text.split_once('=') {
                Some(_) => env.push(text.clone()),
                None => env.extend(std::env::var(text).map(|value| format!("{text}={value}"))),
            }
        }
        let directory = match (self.workdir, &*of_image.working_dir) {
            (Some(directory), _) => Path::new("/").join(directory),
            (None, "") => "/".into(),
            (None, directory) => directory.into(),
        };
        let user = self.user.map(str::to_owned);
        let hostname = self.hostname.map(str::to_owned);
        Ok(Settings {
            env,
            cwd: directory,
            user: user.unwrap_or_else(|| of_image.user.clone()),
            hostname: hostname.unwrap_or_else(|| image.id().short().to_owned()),
            ..Settings::new(words)
        })
    }
}

fn settings(args: &RunArgs, image: &Image) -> Result<Settings> {
    let asked = Asked {
        entrypoint: args.entrypoint.as_deref(),
        command: &args.command,
        env: &args.env,
        workdir: args.workdir.as_deref(),
        user: args.user.as_deref(),
        hostname: args.hostname.as_deref(),
    };
    let of_image = asked.settings(image, &args.image, "isolab run")?;
    if args.tty && !io::stdin().is_terminal() {
        return Err(hint::with(
            "cannot give it a terminal: standard input is none",
            "leave out -t",
        ));
    }
    Ok(Settings {
        read_only: args.read_only,
        binds: args
            .volume
            .iter()
            .map(|text| bind(text))
            .collect::<Result<_>>()?,
        network: args.network.into(),
        terminal: args.tty,
        ..of_image
    })
}

/// `SOURCE:DESTINATION[:ro]`.
fn bind(text: &str) -> Result<Bind> {
    let wrong = |why: &str| {
        hint::with(
            format!("cannot mount `{text}`: {why}"),
            "write it as -v /SOURCE:/DESTINATION or -v /SOURCE:/DESTINATION:ro",
        )
    };
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, read_only) = match parts[..] {
        [source, destination] => (source, destination, false),
        [source, destination, "ro"] => (source, destination, true),
        [source, destination, "rw"] => (source, destination, false),
        _ => return Err(wrong("a source and a destination belong to it")),
    };
    if !destination.starts_with('/') {
        return Err(wrong("the destination is not absolute"));
    }
    let source = Path::new(source).canonicalize();
    Ok(Bind {
        source: source.with_context(|| format!("cannot mount `{text}`"))?,
        destination: destination.into(),
        read_only,
    })
}

/// What the bundled image says.
const HELLO: &str = include_str!("hello.txt");

/// Makes the bundled image, which needs no network: our smallest program, and what
/// it is to say.
fn hello_world(store: &Store, tag: &Reference) -> Result<()> {
    let mut tree = Tree::skeleton();
    tree.put("hello", Node::File(program::TRUE.to_vec(), 0o755));
    let words = ["/hello", "say", HELLO.trim_end()];
    let about = About {
        run: Run {
            cmd: Some(words.map(str::to_owned).to_vec()),
            ..Run::default()
        },
        created_by: "bundled with isolab".to_owned(),
        epoch: 0,
    };
    let made = bootstrap::of_tree(store, &tree, &about)?;
    let provenance = Provenance {
        from: Some("isolab itself".to_owned()),
        ..by_me(Provenance::now(Origin::Bootstrapped))
    };
    store.tag(tag, &made, &provenance)?;
    Ok(())
}
