//! A busybox root, and containers that run a shell script in it.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use isolab_oci::spec::{Linux, Process};
use isolab_oci::sys::process::effective_ids;
use isolab_oci::{Bundle, Cgroup, Container, ExitStatus, Options, Running, Spec, Stdio};

use crate::{busybox, example};

/// Nothing is needed.
pub(crate) fn nothing() -> Result<(), String> {
    Ok(())
}

/// A container can be started here.
pub(crate) fn containers() -> Result<(), String> {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    let probe = || {
        busybox::find().ok_or(busybox::MISSING)?;
        let place = Place::new();
        place
            .try_start(&place.spec("true"), &options())
            .map(drop)
            .map_err(|e| match e.source() {
                Some(cause) => format!("{e}: {cause}"),
                None => e.to_string(),
            })
    };
    PROBE.get_or_init(probe).clone()
}

/// As [`containers`], and the user is root.
pub(crate) fn root() -> Result<(), String> {
    containers()?;
    if effective_ids().0 == 0 {
        Ok(())
    } else {
        Err("needs root".to_owned())
    }
}

/// A bundle directory, removed at the end.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// A directory that other users may read, with a root file system.
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let place = Self(
            tempfile::Builder::new()
                .prefix("isolab-test")
                .tempdir()
                .unwrap(),
        );
        let readable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(place.path(), readable).unwrap();
        busybox::install(&place.root());
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// The example spec for whoever runs the tests, with `script` as its program.
    pub(crate) fn spec(&self, script: &str) -> Spec {
        example::spec(&["sh", "-c", script])
    }

    pub(crate) fn write(&self, spec: &Spec) {
        fs::write(
            self.path().join("config.json"),
            serde_json::to_vec(spec).unwrap(),
        )
        .unwrap();
    }

    /// Starts it with the test's own standard streams.
    pub(crate) fn try_start(&self, spec: &Spec, options: &Options) -> isolab_oci::Result<Running> {
        let bundle = Bundle::new(self.path(), spec.clone())?;
        Container::run(&bundle, &name(), Stdio::inherit(), options)
    }

    /// Runs it; what it wrote to both streams, and how it ended.
    pub(crate) fn run(&self, spec: &Spec) -> (String, ExitStatus) {
        self.run_with(spec, &options())
    }

    pub(crate) fn run_with(&self, spec: &Spec, options: &Options) -> (String, ExitStatus) {
        let bundle = Bundle::new(self.path(), spec.clone()).unwrap();
        output(|stdio| Container::run(&bundle, &name(), stdio, options))
            .unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// Runs `script` in the example container; what it wrote.
    pub(crate) fn output(&self, script: &str) -> String {
        let (text, status) = self.run(&self.spec(script));
        assert!(status.success(), "{status:?}: {text}");
        text
    }
}

/// Dies with the test, in a control group of its own where that is possible.
pub(crate) fn options() -> Options {
    Options {
        die_with_parent: true,
        cgroup: Cgroup::Owned,
        ..Options::default()
    }
}

/// A container id that no other test uses.
pub(crate) fn name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "test-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

pub(crate) fn process(spec: &mut Spec) -> &mut Process {
    spec.process.as_mut().unwrap()
}

pub(crate) fn linux(spec: &mut Spec) -> &mut Linux {
    spec.linux.as_mut().unwrap()
}

/// The host's mount table and the control groups of these tests: equal before
/// and after, or something was left behind.
pub(crate) fn traces() -> (String, Vec<PathBuf>) {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    // What engines mount meanwhile, in places of their own, is no trace of ours.
    let is_foreign = |line: &str| {
        let point = line.split(' ').nth(4).unwrap_or_default();
        let below = ["/tmp/", "/run/", "/var/"];
        below.iter().any(|directory| point.starts_with(directory)) && !point.contains("isolab-test")
    };
    let mounts = mounts.lines().filter(|line| !is_foreign(line));
    let mounts = mounts.map(|line| format!("{line}\n")).collect();
    let name = isolab_oci::cgroup::owned_name();
    let (own, _number) = name.rsplit_once('-').unwrap();
    let own = format!("{own}-");
    // On a unified host they are beside the own group.
    let groups = isolab_oci::cgroup::discover().unwrap();
    let places = groups.iter().flat_map(|h| {
        let within = h.own.ancestors();
        within
            .take_while(|place| place.starts_with(&h.mount_point))
            .take(2)
    });
    let places: BTreeSet<&Path> = places.collect();
    let left = places
        .into_iter()
        .flat_map(|place| fs::read_dir(place).unwrap());
    let left = left.flatten().map(|e| e.path());
    let left = left.filter(|p| p.to_string_lossy().contains(&own));
    (mounts, left.collect())
}

/// The streams of a process that is told nothing, and whose words nobody needs.
pub(crate) fn silent() -> Stdio<'static> {
    static NULL: LazyLock<fs::File> = LazyLock::new(|| {
        let mut both = fs::OpenOptions::new();
        both.read(true).write(true).open("/dev/null").unwrap()
    });
    Stdio {
        stdin: NULL.as_fd(),
        stdout: NULL.as_fd(),
        stderr: NULL.as_fd(),
    }
}

/// What the process that `begin` starts writes to both of its streams, and how it
/// ended.
pub(crate) fn output(
    begin: impl FnOnce(Stdio<'_>) -> isolab_oci::Result<Running>,
) -> isolab_oci::Result<(String, ExitStatus)> {
    let (mut reader, writer) = io::pipe().unwrap();
    let begun = begin(Stdio {
        stdout: writer.as_fd(),
        stderr: writer.as_fd(),
        ..silent()
    });
    // Else the end of what it writes would never come.
    drop(writer);
    let mut running = begun?;
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    Ok((text, running.wait().unwrap()))
}

/// What the container of `bundle` writes, or `None` where it does not start.
pub(crate) fn try_output(bundle: &Bundle) -> Option<String> {
    let ran = output(|stdio| Container::run(bundle, &name(), stdio, &options()));
    ran.ok().map(|(text, _)| text)
}
