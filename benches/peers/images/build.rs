//! An image on top of another: built, built again, and committed.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use anyhow::Result;

use super::keeper::{Keeper, Place, Who};
use super::sample::{BASE, Sample};
use super::seat::Seat;
use crate::contestant::{Contestant, Race, Turn};
use crate::crowd::quietly;
use crate::find_program;
use crate::runtimes::first_line;

/// A file as sources have them.
const SOURCE_LINES: usize = 100;

/// What all of these races begin with: keepers that have the base.
struct Ground {
    sample: Rc<Sample>,
    seats: [Seat; 3],
    scratch: PathBuf,
}

pub(super) fn races(sample: &Rc<Sample>, place: &Rc<Place>, scratch: &Path) -> Result<Vec<Race>> {
    let ground = Rc::new(Ground {
        sample: Rc::clone(sample),
        seats: Who::ALL.map(|who| Seat::new(who, place)),
        scratch: scratch.join("built"),
    });
    let file = "print('hello')\n".repeat(SOURCE_LINES);
    ground.context(
        "build",
        "COPY app.py /app.py\nRUN echo built >/built\n",
        &file,
    )?;
    ground.context("copy", "COPY app.py /app.py\n", &file)?;
    let race = |name, about, contestants, targets: &[_]| {
        let mut race = super::race(name, about, contestants, targets, scratch);
        race.notes.push(format!("the base: {}", sample.about));
        race
    };
    Ok(vec![
        race(
            "images: build, cold",
            "FROM, a COPY of a small file and a RUN of `echo`, the base unpacked and no step \
             taken from before",
            ground.builders(&["--no-cache"]),
            &[(BUILDKIT, 0.4)],
        ),
        race(
            "images: build, cached",
            "the same, once more",
            ground.builders(&[]),
            &["podman", BUILDKIT, CLASSIC].map(|peer| (peer, 0.2)),
        ),
        race(
            "images: commit",
            "an image with one small file more: ours is a build of FROM and COPY, the peers commit \
             a container into which the file was copied before",
            ground.committers(),
            &[],
        ),
    ])
}

const BUILDKIT: &str = "docker BuildKit";
const CLASSIC: &str = "docker classic";

impl Ground {
    /// Makes a directory to build from.
    fn context(&self, name: &str, steps: &str, file: &str) -> Result<()> {
        let dir = self.scratch.join(name);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("app.py"), file)?;
        fs::write(dir.join("Dockerfile"), format!("FROM {BASE}\n{steps}"))?;
        Ok(())
    }

    /// Who has the base, and how he gets it.
    fn seat(self: &Rc<Self>, who: Who) -> (Seat, impl Fn() -> Result<()> + 'static) {
        let [isolab, podman, docker] = &self.seats;
        let seat = match who {
            Who::Isolab => isolab,
            Who::Podman => podman,
            Who::Docker => docker,
        };
        let (taken, ground) = (seat.clone(), Rc::clone(self));
        let take = move || {
            let state = ground.scratch.join(who.name());
            taken.stay(&state, |keeper| keeper.load(&ground.sample.gzip.archive))
        };
        (seat.clone(), take)
    }

    fn builders(self: &Rc<Self>, flags: &'static [&'static str]) -> Vec<Contestant> {
        let mut all = vec![self.builder("isolab", Who::Isolab, None, flags)];
        if Who::Podman.program().is_some() {
            all.push(self.builder("podman", Who::Podman, None, flags));
        }
        if let Some(client) = buildkit_client() {
            all.push(self.builder(BUILDKIT, Who::Docker, Some((client, "1")), flags));
        }
        if let Some(client) = Who::Docker.program() {
            all.push(self.builder(CLASSIC, Who::Docker, Some((client, "0")), flags));
        }
        all
    }

    fn builder(
        self: &Rc<Self>,
        name: &'static str,
        who: Who,
        docker: Option<(PathBuf, &'static str)>,
        flags: &'static [&'static str],
    ) -> Contestant {
        let (seat, take) = self.seat(who);
        let context = self.scratch.join("build");
        let build = move |keeper: &Keeper| {
            let mut build = match &docker {
                Some((client, buildkit)) => {
                    let mut build = keeper.other(client, &["build"]);
                    build.env("DOCKER_BUILDKIT", buildkit);
                    build
                }
                None => keeper.command(&["build"]),
            };
            build.args(["--quiet", "--tag", "built"]).args(flags);
            build.args(keeper.build()).arg(&context);
            build
        };
        let (sitting, before) = (seat.clone(), build.clone());
        let built = Cell::new(false);
        seat.contestant(name, move |keeper, _| build(keeper))
            .around_trial(
                move |_| {
                    take()?;
                    // What is to be found there the next time.
                    match built.replace(true) {
                        true => Ok(()),
                        false => quietly(&mut before(&*sitting.keeper()?)),
                    }
                },
                |_| Ok(()),
            )
    }

    fn committers(self: &Rc<Self>) -> Vec<Contestant> {
        let mut all = vec![{
            let (seat, take) = self.seat(Who::Isolab);
            let context = self.scratch.join("copy");
            let contestant = seat.contestant("isolab", move |keeper, _| {
                let mut build = keeper.command(&["build", "--quiet", "--no-cache", "--tag=built"]);
                build.arg(&context);
                build
            });
            contestant.around_trial(move |_| take(), |_| Ok(()))
        }];
        for who in [Who::Podman, Who::Docker] {
            if who.program().is_some() {
                all.push(self.committer(who));
            }
        }
        all.extend(find_program("buildah").map(|program| self.buildah(program)));
        all
    }

    fn committer(self: &Rc<Self>, who: Who) -> Contestant {
        let (seat, take) = self.seat(who);
        let (before, after) = (seat.clone(), seat.clone());
        let file = self.scratch.join("copy/app.py");
        let contestant = seat.contestant(who.name(), |keeper, turn| {
            keeper.command(&["commit", &turn.id, "committed"])
        });
        contestant.around_trial(
            move |turn| {
                take()?;
                let keeper = before.keeper()?;
                quietly(&mut keeper.command(&[
                    "create",
                    "--network=none",
                    "--name",
                    &turn.id,
                    BASE,
                ]))?;
                let mut copy = keeper.command(&["cp"]);
                quietly(copy.arg(&file).arg(format!("{}:/app.py", turn.id)))
            },
            move |turn| quietly(&mut after.keeper()?.command(&["rm", &turn.id])),
        )
    }

    fn buildah(self: &Rc<Self>, program: PathBuf) -> Contestant {
        let (seat, take) = self.seat(Who::Podman);
        let (before, after) = (seat.clone(), seat.clone());
        let file = self.scratch.join("copy/app.py");
        let version = first_line(&program);
        let buildah = move |keeper: &Keeper, words: &[&str]| keeper.other(&program, words);
        let (committing, copying) = (buildah.clone(), buildah.clone());
        let mut contestant = seat.contestant("buildah", move |keeper, turn: &Turn| -> Command {
            committing(keeper, &["commit", "--quiet", &turn.id, "committed"])
        });
        contestant.version = version;
        contestant.around_trial(
            move |turn| {
                take()?;
                let keeper = before.keeper()?;
                quietly(&mut copying(&keeper, &["from", "--name", &turn.id, BASE]))?;
                let mut copy = copying(&keeper, &["copy", "--quiet", &turn.id]);
                quietly(copy.arg(&file).arg("/app.py"))
            },
            move |turn| quietly(&mut buildah(&*after.keeper()?, &["rm", &turn.id])),
        )
    }
}

/// A client of docker's that can have BuildKit build: older ones can by themselves,
/// newer ones with a plugin.
fn buildkit_client() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let clients = std::env::split_paths(&path).map(|dir| dir.join("docker"));
    clients.filter(|client| client.is_file()).find(|client| {
        let version = first_line(client);
        let major = version.split('.').next().and_then(|text| text.parse().ok());
        let is_old = major.is_some_and(|major: u32| major < 23);
        is_old || quietly(Command::new(client).args(["buildx", "version"])).is_ok()
    })
}
