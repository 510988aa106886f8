//! An image to a registry, then the same with one file changed: how long it takes,
//! and how much the registry has more then.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::keeper::{Keeper, Place, Who};
use super::registry::Registry;
use super::sample::{BASE, Sample};
use super::seat::Seat;
use crate::contestant::{Contestant, Race, Role, Turn};
use crate::crowd::quietly;
use crate::find_program;
use crate::runtimes::first_line;

/// The file that changes: noise, which nobody can pack, in bytes.
const FILE: usize = 1_000_000;

/// What a contestant pushes.
#[derive(Clone, Copy)]
enum Version {
    First,
    /// After the first.
    Second,
}

impl Version {
    fn tag(self) -> &'static str {
        match self {
            Self::First => "v1",
            Self::Second => "v2",
        }
    }
}

/// Both versions, as everybody takes them.
struct App {
    /// One each: of several, podman takes one.
    archives: Vec<PathBuf>,
    layout: PathBuf,
}

const APP: &str = "docker.io/library/isolab-peers-app";

pub(super) fn races(sample: &Sample, place: &Rc<Place>, scratch: &Path) -> Result<Vec<Race>> {
    let app = Rc::new(App::build(sample, place, &scratch.join("pushed"))?);
    let keepers = Who::ALL.into_iter();
    let installed = keepers.filter(|who| who.program().is_some());
    let seats: Vec<Seat> = installed.map(|who| Seat::new(who, place)).collect();
    let race = |name, about, version| {
        let mut contestants: Vec<_> = seats
            .iter()
            .map(|seat| Sender::contestant(seat, &app, version, scratch))
            .collect();
        contestants.extend(skopeo(&app, version));
        let mut race = super::race(name, about, contestants, &[], scratch);
        race.notes.push(format!("the base: {}", sample.about));
        race
    };
    Ok(vec![
        race(
            "images: push",
            "the image and one layer more, a file of 1 MB that nobody can pack, to a \
             docker-registry that has nothing yet",
            Version::First,
        ),
        race(
            "images: push, one file changed",
            "the same with another file, to a docker-registry that has the image",
            Version::Second,
        ),
    ])
}

impl App {
    fn build(sample: &Sample, place: &Place, dir: &Path) -> Result<Self> {
        let keeper = Keeper::new(Who::Isolab, place, &dir.join("made"))?;
        keeper.load(&sample.gzip.archive)?;
        let context = dir.join("context");
        fs::create_dir_all(&context)?;
        let dockerfile = format!("FROM {BASE}\nCOPY noise /noise\n");
        fs::write(context.join("Dockerfile"), dockerfile)?;
        let mut rng = fastrand::Rng::with_seed(7);
        let mut archives = Vec::new();
        for version in [Version::First, Version::Second] {
            let noise: Vec<u8> = (0..FILE).map(|_| rng.u8(..)).collect();
            fs::write(context.join("noise"), noise)?;
            let name = format!("{APP}:{}", version.tag());
            let mut build = keeper.command(&["build", "--quiet", "--tag", &name]);
            quietly(build.arg(&context))?;
            let archive = dir.join(format!("{}.tar", version.tag()));
            let mut save = keeper.command(&["save", "--output"]);
            quietly(save.arg(&archive).arg(&name))?;
            archives.push(archive);
        }
        Ok(Self {
            archives,
            layout: dir.join("made/isolab/images"),
        })
    }
}

/// A registry for the length of a trial, and how much more it has after it.
#[derive(Clone, Default)]
struct Target {
    registry: Rc<RefCell<Option<Registry>>>,
    dir: Rc<RefCell<PathBuf>>,
    had: Rc<Cell<u64>>,
    got: Rc<Cell<Option<u64>>>,
}

impl Target {
    fn begin(&self, turn: &Turn) -> Result<()> {
        // Not where a contestant's own files are counted.
        let dir = turn.dir.with_file_name(format!("{}-registry", turn.id));
        let registry = Registry::start(&dir)?;
        self.registry.replace(Some(registry));
        self.dir.replace(dir);
        Ok(())
    }

    /// What the image is called there.
    fn name(&self, version: Version) -> String {
        let registry = self.registry.borrow();
        let address = registry.as_ref().map_or("", |registry| &registry.address);
        format!("{address}/app:{}", version.tag())
    }

    /// From here on bytes count.
    fn count(&self) -> Result<()> {
        self.had.set(self.bytes()?);
        Ok(())
    }

    fn end(&self) -> Result<()> {
        self.got.set(Some(self.bytes()? - self.had.get()));
        self.registry.replace(None);
        let dir = self.dir.take();
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))
    }

    fn bytes(&self) -> Result<u64> {
        let registry = self.registry.borrow();
        registry.as_ref().context("there is no registry")?.bytes()
    }
}

/// Does `push` for whatever comes before `version`, then times it for `version`.
fn around(
    mut contestant: Contestant,
    target: Target,
    version: Version,
    prepare: impl Fn(Version) -> Result<()> + 'static,
    push: impl Fn(Version) -> Result<Command> + 'static,
) -> Contestant {
    contestant.received = Some(Rc::clone(&target.got));
    let after = target.clone();
    contestant.around_trial(
        move |turn| {
            target.begin(turn)?;
            if let Version::Second = version {
                prepare(Version::First)?;
                quietly(&mut push(Version::First)?)?;
            }
            prepare(version)?;
            target.count()
        },
        move |_| after.end(),
    )
}

/// A keeper that has both versions, and sends them.
#[derive(Clone)]
struct Sender {
    seat: Seat,
    target: Target,
}

impl Sender {
    fn contestant(seat: &Seat, app: &Rc<App>, version: Version, scratch: &Path) -> Contestant {
        let who = seat.who;
        let sender = Self {
            seat: seat.clone(),
            target: Target::default(),
        };
        let pushing = sender.clone();
        let contestant = sender
            .seat
            .contestant(who.name(), move |keeper, _| pushing.push(keeper, version));
        let (preparing, before) = (sender.clone(), sender.clone());
        let (app, state) = (Rc::clone(app), scratch.join("pushed").join(who.name()));
        let prepare = move |version| {
            let seat = &preparing.seat;
            seat.stay(&state, |keeper| {
                app.archives
                    .iter()
                    .try_for_each(|archive| keeper.load(archive))
            })?;
            // Docker pushes what has the registry's name already.
            match who {
                Who::Docker => {
                    let (own, there) = (own_name(version), preparing.target.name(version));
                    quietly(&mut seat.keeper()?.command(&["tag", &own, &there]))
                }
                Who::Isolab | Who::Podman => Ok(()),
            }
        };
        let push = move |version| Ok(before.push(&*before.seat.keeper()?, version));
        around(contestant, sender.target, version, prepare, push)
    }

    fn push(&self, keeper: &Keeper, version: Version) -> Command {
        let (own, there) = (own_name(version), self.target.name(version));
        match self.seat.who {
            Who::Isolab => keeper.command(&["push", "--quiet", "--image", &own, &there]),
            Who::Podman => {
                let words = ["push", "--quiet", "--tls-verify=false", &own, &there];
                keeper.command(&words)
            }
            Who::Docker => keeper.command(&["push", "--quiet", &there]),
        }
    }
}

fn own_name(version: Version) -> String {
    format!("{APP}:{}", version.tag())
}

fn skopeo(app: &App, version: Version) -> Option<Contestant> {
    let program = find_program("skopeo")?;
    let target = Target::default();
    let number = first_line(&program);
    let (layout, there) = (app.layout.display().to_string(), target.clone());
    let copy = move |version| {
        let mut copy = Command::new(&program);
        copy.args([
            "copy",
            "--quiet",
            "--insecure-policy",
            "--dest-tls-verify=false",
        ]);
        copy.arg(format!("oci:{layout}:{}", own_name(version)));
        copy.arg(format!("docker://{}", there.name(version)));
        copy
    };
    let timed = copy.clone();
    let contestant = Contestant::new("skopeo", Role::Peer, number, move |_| timed(version));
    Some(around(
        contestant,
        target,
        version,
        |_| Ok(()),
        move |version| Ok(copy(version)),
    ))
}
