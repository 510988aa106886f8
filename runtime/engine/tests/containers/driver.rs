//! A command line over [`isolab_engine::run`], for the tests: a container has the
//! streams, the terminal and the signals of the process that runs it, so each is
//! run by a process of its own.

use std::env;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use isolab_engine::room::{self, Room};
use isolab_engine::run::{self, Bind, Container, Network, Root, Runtime, Settings};

/// The word that this program is executed with to run a container.
const WORD: &str = "run-container";

/// What a test asks for: words before the program, as a user would say them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    words: Vec<String>,
}

impl Asked {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// The command that runs `args` in a container of `layers` as `user`.
    pub(crate) fn command(
        &self,
        user: Option<(u32, u32)>,
        place: &Path,
        layers: &[PathBuf],
        args: &[&str],
    ) -> Command {
        let own = env::current_exe().unwrap();
        let mut command = Command::new(own);
        command
            .arg(WORD)
            .args(&self.words)
            .arg("--place")
            .arg(place);
        for layer in layers {
            command.arg("--layer").arg(layer);
        }
        command.arg("--").args(args);
        if let Some((uid, gid)) = user {
            // As root it gives the groups up, too.
            command.uid(uid).gid(gid);
        }
        command.current_dir("/");
        command
    }
}

/// Runs the container that this process was executed for; its exit code.
pub(crate) fn perform() -> Option<i32> {
    let mut words = env::args().skip(1);
    if words.next()? != WORD {
        return None;
    }
    let mut settings = Settings::new([""; 0]);
    let (mut place, mut layers) = (PathBuf::new(), Vec::new());
    let (mut runtime, mut directory, mut upper) = (Runtime::Own, false, None);
    let mut keep = false;
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "--" => break,
            "--place" => place = value().into(),
            "--layer" => layers.push(PathBuf::from(value())),
            "--runtime" => runtime = Runtime::Other(value().into()),
            "--directory" => directory = true,
            "--upper" => upper = Some(PathBuf::from(value())),
            "--keep" => keep = true,
            "-u" => settings.user = value(),
            "-w" => settings.cwd = value().into(),
            "-e" => settings.env.push(value()),
            "-t" => settings.terminal = true,
            "--read-only" => settings.read_only = true,
            "--host" => settings.network = Network::Host,
            "-v" => {
                let text = value();
                let mut parts = text.split(':');
                settings.binds.push(Bind {
                    source: parts.next().unwrap().into(),
                    destination: parts.next().unwrap().into(),
                    read_only: parts.next() == Some("ro"),
                });
            }
            other => panic!("{other}"),
        }
    }
    settings.args = words.collect();
    let mut container = Container::new(&place, layers.clone(), settings);
    container.runtime = runtime;
    if directory {
        container.root = Root::Directory(layers.remove(0));
    }
    if let (Root::Layers(overlay), Some(upper)) = (&mut container.root, upper) {
        overlay.upper = upper;
    }
    let room = Room::find();
    let _ = isolab_oci::cgroup::sweep();
    let ended = run::run(&container, &room);
    if let Err(error) = &ended {
        eprintln!("error: {}", error.in_one_line());
    }
    let left: &[&str] = if keep {
        &[]
    } else {
        &["upper", "work", "state"]
    };
    for name in left {
        room::remove(&room, &place.join(name)).unwrap();
    }
    Some(run::exit_code(&ended))
}
