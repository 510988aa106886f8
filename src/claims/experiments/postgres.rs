//! PostgreSQL in a container: the machine's own, copied into a root of the container's, under
//! a user, on a port, in files and below limits of the container's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use isolab_engine::rootfs::{self, Entry};
use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::Spec;
use isolab_oci::spec::{Memory, Mount, Pids, Resources, User};
use serde::Deserialize;

use super::contained::{self, Started};
use crate::environment::bounded::{self, Ended};
use crate::interrupt::Interrupt;
use crate::{loaded, program};

/// What runs in the container.
const SCRIPT: &str = include_str!("database.sh");

/// Where the distributions put the programs, one directory for each version.
const PLACES: [&str; 3] = [
    "/usr/lib/postgresql",
    "/usr/pgsql",
    "/usr/libexec/postgresql",
];
/// The programs that are needed of it.
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "psql"];
/// And of the system, with the place that they are known by.
const TOOLS: [&str; 3] = ["/bin/sh", "/bin/cat", "/bin/sleep"];

/// The user inside: no root, as which PostgreSQL refuses to run.
const USER: u32 = 70;
/// What the container may use: memory in bytes, and processes.
const MEMORY: i64 = 256 << 20;
const PROCESSES: i64 = 64;

/// The machine's PostgreSQL.
pub(super) struct Postgres {
    /// The directory of its programs.
    bin: PathBuf,
    share: PathBuf,
    modules: PathBuf,
}

/// A database that answers in a container.
pub(super) struct Database {
    pub(super) container: Started,
    pub(super) said: Said,
}

/// What was found out inside.
#[derive(Deserialize)]
pub(super) struct Said {
    /// Its user id.
    pub(super) user: String,
    pub(super) version: String,
    /// The word that the database gave back.
    pub(super) kept: String,
}

impl Postgres {
    /// Looks for the newest that is installed.
    pub(super) fn find() -> Result<Self> {
        let has_all = |bin: &PathBuf| PROGRAMS.iter().all(|name| bin.join(name).is_file());
        let versions = PLACES.iter().flat_map(|place| {
            let entries = fs::read_dir(place).into_iter().flatten().flatten();
            entries.map(|entry| entry.path())
        });
        let mut versions: Vec<PathBuf> = versions.collect();
        versions.sort_by_key(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.parse::<u32>().unwrap_or(0)
        });
        let bins = versions
            .into_iter()
            .rev()
            .map(|version| version.join("bin"));
        let mut bins = bins.chain([PathBuf::from("/usr/bin")]);
        let bin = bins.find(has_all).ok_or_else(|| {
            crate::hint::with("PostgreSQL is not installed", "apt install postgresql")
        })?;
        let [share, modules] = asked(&bin)?;
        Ok(Self {
            bin,
            share,
            modules,
        })
    }

    /// Copies it, and what it loads, into the new directory `root`.
    pub(super) fn lay_out(&self, root: &Path) -> Result<()> {
        let mut entries = Vec::new();
        for merged in ["/bin", "/lib", "/lib32", "/lib64", "/sbin"] {
            if let Ok(target) = fs::read_link(merged) {
                entries.push(Entry::link(target, merged));
            }
        }
        let own = PROGRAMS.iter().map(|name| self.bin.join(name));
        let tools = TOOLS.iter().map(PathBuf::from);
        let mut files: Vec<PathBuf> = own.chain(tools).collect();
        for program in files.clone() {
            files.extend(loaded::by(&program)?);
        }
        // Read while a database is made.
        for name in ["dict_snowball.so", "plpgsql.so"] {
            files.push(self.modules.join(name));
        }
        files.extend(below(&self.share)?);
        // Below the real directory, as the merged ones are links here too.
        for file in &mut files {
            let (parent, name) = (file.parent(), file.file_name());
            if let (Some(parent), Some(name)) = (parent, name) {
                *file = fs::canonicalize(parent)
                    .with_context(|| format!("cannot find {}", parent.display()))?
                    .join(name);
            }
        }
        files.sort_unstable();
        files.dedup();
        entries.extend(files.iter().map(|file| Entry::copy(file, file)));
        entries.push(Entry::directory("/data"));
        rootfs::lay_out(root, &entries)?;
        let users = format!("postgres:x:{USER}:{USER}::/data:/bin/sh\n");
        fs::write(root.join("etc/passwd"), users).context("cannot write its /etc/passwd")?;
        fs::write(root.join("database.sh"), SCRIPT).context("cannot write its program")
    }

    /// A container from `root` whose database listens on `port` and keeps `word`.
    fn spec(&self, root: &Path, port: u16, word: &str, limited: bool) -> Result<Spec> {
        let bin = self.bin.to_str().context("its path is not UTF-8")?;
        let port = port.to_string();
        let mut spec = default_spec(&Settings {
            env: program::environment(),
            hostname: word.to_owned(),
            ..Settings::new(root, ["/bin/sh", "/database.sh", bin, &port, word])
        });
        let process = spec.process.as_mut().context("there is no process")?;
        process.user = User {
            uid: USER,
            gid: USER,
            ..User::default()
        };
        // The caller is not root inside but that user: one id is mapped, as for everybody.
        let linux = spec.linux.as_mut().context("it is no container of Linux")?;
        for mapping in linux.uid_mappings.iter_mut().chain(&mut linux.gid_mappings) {
            mapping.container_id = USER;
        }
        if limited {
            linux.resources = Some(Resources {
                memory: Some(Memory {
                    limit: Some(MEMORY),
                    ..Memory::default()
                }),
                pids: Some(Pids { limit: PROCESSES }),
                ..Resources::default()
            });
        }
        // Gone with the container, and no larger than this.
        spec.mounts.push(Mount {
            destination: "/data".into(),
            fstype: Some("tmpfs".to_owned()),
            source: Some("data".into()),
            options: ["nosuid", "nodev", "noexec", "mode=0700", "size=128m"]
                .map(str::to_owned)
                .to_vec(),
            ..Mount::default()
        });
        Ok(spec)
    }

    /// Starts one, with its files in `place`.
    pub(super) fn start(
        &self,
        place: &Path,
        root: &Path,
        port: u16,
        word: &str,
        limited: bool,
    ) -> Result<Started> {
        contained::start(place, self.spec(root, port, word, limited)?)
    }
}

/// Waits until the database in `container` answers.
pub(super) fn answering(mut container: Started, interrupt: &Interrupt) -> Result<Database> {
    let line = container.line(0, interrupt)?;
    let said = serde_json::from_str(&line).context("cannot read what the database says")?;
    Ok(Database { container, said })
}

/// The directories of what it shares and of its modules, as it says itself.
fn asked(bin: &Path) -> Result<[PathBuf; 2]> {
    let config = bin.join("pg_config");
    let mut command = Command::new(&config);
    command.args(["--sharedir", "--pkglibdir"]);
    let ended = bounded::run(&mut command, Duration::from_secs(10));
    let Ok(Ended::Exited {
        code: Some(0),
        stdout,
        ..
    }) = ended
    else {
        bail!(
            "{} does not say where PostgreSQL's files are",
            config.display()
        );
    };
    let mut lines = stdout.lines().map(PathBuf::from);
    let (Some(share), Some(modules)) = (lines.next(), lines.next()) else {
        bail!(
            "{} does not say where PostgreSQL's files are",
            config.display()
        );
    };
    ensure!(share.is_dir(), "there is no {}", share.display());
    Ok([share, modules])
}

/// All files below `directory`, links followed where they lead to files.
fn below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut pending = vec![directory.to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        let entries = fs::read_dir(&directory);
        for entry in entries.with_context(|| format!("cannot read {}", directory.display()))? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                pending.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// A limit of a control group, with the file that has it.
pub(super) struct Limit {
    pub(super) of: &'static str,
    pub(super) file: &'static str,
    pub(super) most: i64,
}

/// Those of the limits asked for that the kernel has for the control group of `pid`: a group that
/// is not the container's own has others, or none.
pub(super) fn limits(pid: i32) -> Vec<Limit> {
    use crate::environment::{cgroup, mounts, read};
    let mounted = mounts::parse(&read("/proc/self/mountinfo"));
    let groups = cgroup::hierarchies(&read(format!("/proc/{pid}/cgroup")), &mounted);
    let read = |(of, file)| {
        let mut own = groups.iter().filter_map(|group| group.own.as_deref());
        let most: i64 = own.find_map(|own| read(own.join(file)).trim().parse().ok())?;
        [MEMORY, PROCESSES]
            .contains(&most)
            .then_some(Limit { of, file, most })
    };
    let files = [
        ("memory", "memory.max"),
        ("memory", "memory.limit_in_bytes"),
        ("processes", "pids.max"),
    ];
    files.into_iter().filter_map(read).collect()
}
