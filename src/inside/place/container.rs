//! A container of our own runtime: as the lab always starts it, or with some of
//! its namespaces only, to see what each takes away.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::process::{Cgroup, Session};
use isolab_oci::spec::{Mount, NamespaceType};
use isolab_oci::{Bundle, Container, Options, Spec, Stdio};

use super::site::{PROGRAM, REQUEST, VERB};
use super::{Asked, BOUND, Place, PlaceName, Site};
use crate::inside::answer::{Answer, LONGEST};
use crate::inside::attempt::{Attempt, Request};
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;
use crate::program;
use crate::report::text::shown;

/// A container of ours, with all of its namespaces or some.
#[derive(Debug)]
pub struct Contained<'a> {
    site: &'a Site,
    directory: PathBuf,
    /// The kinds to make; `None` for those of the default container.
    kinds: Option<Vec<NamespaceType>>,
}

impl<'a> Contained<'a> {
    /// The container that the lab starts everywhere else.
    ///
    /// # Errors
    /// If there is nowhere to write to.
    pub fn whole(site: &'a Site) -> Result<Self> {
        Ok(Self {
            site,
            directory: site.directory("container")?,
            kinds: None,
        })
    }

    /// One with the namespaces of `kinds` and no other, and otherwise the same. A
    /// mount namespace is always among them, since a root of its own needs it, and
    /// for an ordinary user a user namespace, without which the kernel makes none
    /// of the others.
    ///
    /// # Errors
    /// If there is nowhere to write to.
    pub fn with_namespaces(site: &'a Site, kinds: &[NamespaceType]) -> Result<Self> {
        let mut kinds = kinds.to_vec();
        kinds.push(NamespaceType::Mount);
        if !nix::unistd::geteuid().is_root() {
            kinds.push(NamespaceType::User);
        }
        kinds.sort_unstable();
        kinds.dedup();
        Ok(Self {
            site,
            directory: site.directory("contained")?,
            kinds: Some(kinds),
        })
    }

    fn spec(&self, request: &Request) -> Result<Spec> {
        let root = self.site.root(request)?;
        let settings = Settings {
            env: program::environment(),
            ..Settings::new(root, [PROGRAM, VERB, REQUEST])
        };
        let spec = default_spec(&settings);
        Ok(match &self.kinds {
            Some(kinds) => reduced(spec, kinds),
            None => spec,
        })
    }
}

/// `spec` with the namespaces of `kinds` alone. What can only be mounted by the
/// owner of a namespace is the host's where there is no such namespace.
fn reduced(mut spec: Spec, kinds: &[NamespaceType]) -> Spec {
    let has = |kind| kinds.contains(&kind);
    for mount in &mut spec.mounts {
        let from_host = match mount.fstype.as_deref() {
            Some("proc") => !has(NamespaceType::Pid),
            Some("sysfs") => !has(NamespaceType::Network),
            _ => false,
        };
        if from_host {
            *mount = bound(mount);
        }
    }
    spec.mounts.retain(|mount| match mount.fstype.as_deref() {
        Some("mqueue") => has(NamespaceType::Ipc),
        Some("cgroup" | "cgroup2") => has(NamespaceType::Cgroup),
        _ => true,
    });
    if !has(NamespaceType::Uts) {
        spec.hostname = None;
    }
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|namespace| has(namespace.kind));
        for kind in kinds {
            if !linux.namespaces.iter().any(|n| n.kind == *kind) {
                linux.namespaces.push(isolab_oci::spec::Namespace {
                    kind: *kind,
                    path: None,
                });
            }
        }
        if !has(NamespaceType::User) {
            linux.uid_mappings.clear();
            linux.gid_mappings.clear();
        }
        // Covers over the host's /proc would be covers of the host's own files.
        if !has(NamespaceType::Pid) {
            linux.masked_paths.retain(|p| !p.starts_with("/proc"));
            linux.readonly_paths.retain(|p| !p.starts_with("/proc"));
        }
    }
    spec
}

/// The host's own file system of that kind, in the same place.
fn bound(mount: &Mount) -> Mount {
    Mount {
        destination: mount.destination.clone(),
        fstype: Some("none".to_owned()),
        source: Some(mount.destination.clone()),
        options: ["rbind", "nosuid", "noexec", "nodev"]
            .map(str::to_owned)
            .to_vec(),
        ..Mount::default()
    }
}

impl Place for Contained<'_> {
    fn name(&self) -> PlaceName {
        PlaceName::Container
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let request = self.site.request_in_root(attempts, traces);
        let spec = self.spec(&request)?;
        let linux = spec.linux.as_ref();
        let kinds = linux.map(|linux| linux.namespaces.iter().map(|n| n.kind.name()));
        let kinds: Vec<&str> = kinds.into_iter().flatten().collect();
        let command = format!(
            "our runtime: {PROGRAM} {VERB} {REQUEST} in new namespaces ({}), a read-only root of \
             its own, no capabilities, the default system call filter",
            kinds.join(", ")
        );
        let said = run(&Bundle::new(&self.directory, spec)?, interrupt)?;
        Ok(Asked {
            command,
            answer: Answer::parse(&said, &request.attempts)?,
        })
    }
}

/// Runs the container to its end, within the bound; what it said.
fn run(bundle: &Bundle, interrupt: &Interrupt) -> Result<Vec<u8>> {
    let pipe = || std::io::pipe().context("cannot make a pipe");
    let ((stdin, input), (output, stdout), (errors, stderr)) = (pipe()?, pipe()?, pipe()?);
    let stdio = Stdio {
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    };
    let options = Options {
        die_with_parent: true,
        // The terminal's Ctrl-C is for the lab, which ends what it started.
        session: Session::Group,
        cgroup: Cgroup::Owned,
        ..Options::default()
    };
    let mut running = Container::run(bundle, "inside", stdio, &options)?;
    drop((input, stdout, stderr));
    let (output, errors) = (drain(output), drain(errors));
    let end = Instant::now() + BOUND;
    let status = loop {
        if let Some(status) = running.try_wait()? {
            break status;
        }
        ensure!(!interrupt.raised(), "interrupted");
        ensure!(Instant::now() < end, "it did not end within {BOUND:?}");
        thread::sleep(Duration::from_millis(1));
    };
    let said = output.join().unwrap_or_default();
    let complaint = errors.join().unwrap_or_default();
    let complaint = String::from_utf8_lossy(&complaint);
    let last = complaint.trim().lines().last().unwrap_or("it said nothing");
    ensure!(
        status.success(),
        "it failed with status {}: {}",
        status.shell_code(),
        shown(last)
    );
    Ok(said)
}

/// Reads what an answer may have, and one byte, by which a longer one is known.
fn drain(pipe: std::io::PipeReader) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut said = Vec::new();
        let _ = pipe.take(LONGEST as u64 + 1).read_to_end(&mut said);
        said
    })
}
