//! A user, a registry beside him, and verbs that are killed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::deed::Deed;
use super::lot::Lot;
use super::party::{Party, User};

/// What images are built of: layers that differ with `M`, stages that are built at
/// once, and an image of nothing below. Each says the number `N`, which is its label.
const FILES: &[(&str, &str)] = &[
    (
        "layers",
        "FROM @/base:1\nARG N\nARG M=9\nCOPY file /copied\n\
         RUN echo $M && head -c 300000 /dev/urandom >/noise\n\
         RUN echo $N >/made && rm /copied\nLABEL n=$N\nCMD [\"cat\", \"/made\"]\n",
    ),
    (
        "stages",
        "FROM @/base:1 AS one\nARG N\nRUN echo $N >/one\n\
         FROM @/base:1 AS two\nARG M=9\nRUN echo $M && head -c 100000 /dev/urandom >/two\n\
         FROM @/base:1\nARG N\nCOPY --from=one /one /made\nCOPY --from=two /two /noise\n\
         LABEL n=$N\nCMD [\"cat\", \"/made\"]\n",
    ),
    (
        "scratch",
        "FROM scratch\nARG N\nCOPY --from=@/base:1 /bin/busybox /bin/busybox\n\
         COPY numbers/$N /made\nLABEL n=$N\nCMD [\"/bin/busybox\", \"cat\", \"/made\"]\n",
    ),
];

/// How long something is expected to take of which nothing is known.
const UNKNOWN: Duration = Duration::from_millis(60);

/// How many of the last deeds are told where something is wrong.
const MOST_TOLD: usize = 60;

/// Two stores on one machine.
pub(crate) struct World {
    place: tempfile::TempDir,
    pub(crate) user: Party,
    pub(crate) registry: Party,
    /// Where the registry listens, `127.0.0.1:PORT`.
    pub(crate) address: String,
    server: Option<Child>,
    /// How many were killed while they ran.
    pub(crate) killed: u64,
    /// Of each kind of deed: how many were killed.
    kinds: BTreeMap<&'static str, u64>,
    /// The process ids of all that were killed.
    pub(crate) dead: BTreeSet<u32>,
    usual: BTreeMap<&'static str, Duration>,
    last: VecDeque<String>,
    /// The manifest of an image that nothing is done to, in both stores.
    pub(crate) kept: String,
}

impl World {
    pub(crate) fn new(user: User) -> Result<Self, Failed> {
        let place = tempfile::Builder::new().prefix("isolab-kills-").tempdir()?;
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut world = Self {
            user: Party::new(place.path(), "user", user)?,
            registry: Party::new(place.path(), "registry", user)?,
            place,
            address: free.to_string(),
            server: None,
            killed: 0,
            kinds: BTreeMap::new(),
            dead: BTreeSet::new(),
            usual: BTreeMap::new(),
            last: VecDeque::new(),
            kept: String::new(),
        };
        world.write_context()?;
        world.serve()?;
        let (base, kept) = (world.there("base:1"), world.there("kept:1"));
        for words in [
            &["image", "bootstrap", "busybox"][..],
            &["tag", "busybox", &base],
            &["push", &base],
            &[
                "build",
                "-q",
                "-f",
                "context/layers",
                "-t",
                &kept,
                "--build-arg",
                "N=7",
                "context",
            ],
            &["push", &kept],
            &["tag", &kept, "app:1"],
            &["save", "-o", "kept.tar", "app:1"],
        ] {
            world.user.says(words)?;
        }
        let told = world.user.json(&["images", &kept, "--json"])?;
        world.kept = told["images"][0]["digest"]
            .as_str()
            .ok_or("no digest")?
            .to_owned();
        Ok(world)
    }

    fn write_context(&self) -> Result<(), Failed> {
        let context = self.user.home().join("context");
        fs::create_dir_all(context.join("numbers"))?;
        fs::write(context.join("file"), vec![b'x'; 200_000])?;
        for (name, text) in FILES {
            fs::write(context.join(name), text.replace('@', &self.address))?;
        }
        for n in 0..8 {
            fs::write(context.join(format!("numbers/{n}")), format!("{n}\n"))?;
        }
        Ok(())
    }

    /// The name of an image in the registry.
    pub(crate) fn there(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// The name that processes, mounts and files of this world have in common.
    pub(crate) fn name(&self) -> String {
        let name = self.place.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Starts the registry, and waits until it listens.
    pub(crate) fn serve(&mut self) -> Result<(), Failed> {
        let words = ["registry", "serve", "--quiet", "--address", &self.address];
        let mut command = self.registry.isolab(&words);
        let log = fs::File::create(self.registry.home().join("log"))?;
        let mut server = command.stdout(Stdio::null()).stderr(log).spawn()?;
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&self.address).is_err() {
            if server.try_wait()?.is_some() || Instant::now() > patience {
                let told = fs::read_to_string(self.registry.home().join("log"))?;
                return Err(format!("the registry does not start: {told}").into());
            }
            sleep(Duration::from_millis(5));
        }
        self.server = Some(server);
        Ok(())
    }

    /// Ends the registry.
    pub(crate) fn stop(&mut self, how: Signal) -> Result<(), Failed> {
        if let Some(mut server) = self.server.take() {
            let id = server.id();
            kill(pid(id), how)?;
            let status = server.wait()?;
            self.count("serve", id, status, "serve");
        }
        Ok(())
    }

    /// Starts a few verbs at once, and kills each at a moment of its own; the
    /// registry, too, now and then.
    pub(crate) fn round(&mut self, lot: &mut Lot) -> Result<(), Failed> {
        let several = [1, 1, 1, 2, 3][lot.below(5) as usize];
        let mut running = Vec::new();
        for _ in 0..several {
            let deed = Deed::of_a_user(lot, &self.address);
            running.push(self.begin(lot, deed, false)?);
        }
        let ends = lot.one_in(25).then(|| lot.moment(UNKNOWN));
        if let Some(moment) = ends {
            sleep(moment);
            self.stop(Signal::SIGKILL)?;
        }
        running.sort_by_key(|verb| verb.end);
        for verb in running {
            self.end(verb)?;
        }
        if ends.is_some() {
            let deed = Deed::of_a_registry(lot);
            let verb = self.begin(lot, deed, true)?;
            self.end(verb)?;
            self.serve()?;
        }
        Ok(())
    }

    fn begin(&mut self, lot: &mut Lot, deed: Deed, there: bool) -> Result<Verb, Failed> {
        let party = if there { &self.registry } else { &self.user };
        let usual = self.usual.get(deed.kind).copied().unwrap_or(UNKNOWN);
        // Some live: the usual duration is theirs, and without them nothing is made.
        let lives = lot.one_in(6);
        let span = if lives {
            Duration::from_secs(60)
        } else {
            lot.moment(usual)
        };
        let mut command = party.isolab(&deed.words);
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let begun = Instant::now();
        Ok(Verb {
            deed,
            process,
            begun,
            end: begun + span,
            with_all: lot.one_in(3),
        })
    }

    fn end(&mut self, mut verb: Verb) -> Result<(), Failed> {
        let id = verb.process.id();
        let ended = loop {
            match verb.process.try_wait()? {
                Some(status) => break Some(status),
                None if Instant::now() >= verb.end => break None,
                None => sleep(Duration::from_micros(300)),
            }
        };
        let status = match ended {
            Some(status) => {
                self.note(verb.deed.kind, verb.begun.elapsed());
                status
            }
            None => {
                let killed = match verb.with_all {
                    true => killpg(pid(id), Signal::SIGKILL),
                    false => kill(pid(id), Signal::SIGKILL),
                };
                killed?;
                verb.process.wait()?
            }
        };
        let passed = verb.begun.elapsed();
        let told = format!("{passed:.1?} {} {status}", verb.deed.words.join(" "));
        self.count(verb.deed.kind, id, status, &told);
        Ok(())
    }

    fn count(&mut self, kind: &'static str, id: u32, status: ExitStatus, told: &str) {
        if status.signal() == Some(Signal::SIGKILL as i32) {
            self.killed += 1;
            *self.kinds.entry(kind).or_default() += 1;
            self.dead.insert(id);
        }
        self.last.push_back(told.to_owned());
        if self.last.len() > MOST_TOLD {
            self.last.pop_front();
        }
    }

    /// Learns how long a deed takes that nobody killed.
    fn note(&mut self, kind: &'static str, took: Duration) {
        let usual = self.usual.entry(kind).or_insert(took);
        *usual = (*usual * 3 + took) / 4;
    }

    /// How many of each were killed, and how long those take that are not.
    pub(crate) fn told(&self) -> String {
        let each = self.kinds.iter().map(|(kind, count)| {
            let usual = self.usual.get(kind).copied().unwrap_or_default();
            format!("{count} {kind} ({usual:.0?})")
        });
        each.collect::<Vec<_>>().join(", ")
    }

    /// What was done last.
    pub(crate) fn last(&self) -> String {
        self.last.iter().map(|line| format!("  {line}\n")).collect()
    }

    /// Leaves everything for whoever looks into a failure; where it is.
    pub(crate) fn keep(mut self) -> String {
        let _ = self.stop(Signal::SIGKILL);
        self.place.disable_cleanup(true);
        self.place.path().display().to_string()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.stop(Signal::SIGKILL);
    }
}

/// A verb that runs.
struct Verb {
    deed: Deed,
    process: Child,
    begun: Instant,
    /// When it is killed.
    end: Instant,
    /// Whether what it started is killed at the same time.
    with_all: bool,
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).unwrap_or(i32::MAX))
}
