//! Gathering the facts: probes in processes of their own, and questions asked
//! of `/proc`, at the same time, since none depends on another's answer.
//!
//! Nothing is judged here.

use std::env;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::facts::{CgroupFacts, Facts, Kvm, Machine, Outcome, Place, Policy, Role, Toolchain};
use super::instruments;
use super::stage::Stage;
use crate::environment::bounded::{self, Ended};
use crate::environment::virtualization::Signs;
use crate::environment::{cgroup, colon_field, mounts, os_release_field, read, tools};
use crate::scratch::Scratch;

/// The longest that a probe of the kernel may take; a healthy one takes a few
/// milliseconds.
const PROBE_BOUND: Duration = Duration::from_secs(3);

/// Finds out what the given stages need to know.
#[must_use]
pub fn examine(stages: &[Stage]) -> Facts {
    let wanted = |stage: Stage| stages.contains(&stage);
    let mounted = mounts::parse(&read("/proc/self/mountinfo"));
    let hierarchies = cgroup::hierarchies(&read("/proc/self/cgroup"), &mounted);
    thread::scope(|scope| {
        let guests = wanted(Stage::Qemu).then(|| scope.spawn(instruments::guests));
        let peers =
            wanted(Stage::Peers).then(|| scope.spawn(|| tools::versions(&std::env::temp_dir())));
        let python = wanted(Stage::Python).then(|| scope.spawn(instruments::python));
        let toolchain = wanted(Stage::Toolchain).then(|| scope.spawn(toolchain));
        let probes: Vec<_> = Stage::PROBED
            .into_iter()
            .filter(|stage| wanted(*stage))
            .map(|stage| (stage, scope.spawn(move || run_probe(stage))))
            .collect();
        let (places, scratch_error) = places(&mounted);
        let (qemu, runs, guest_kernel) = guests.map(joined).unwrap_or_default();
        Facts {
            machine: machine(&mounted),
            policy: policy(&mounted),
            cgroup: CgroupFacts {
                mode: cgroup::mode(&hierarchies),
                hierarchies,
            },
            probes: probes
                .into_iter()
                .map(|(stage, thread)| (stage, joined(thread)))
                .collect(),
            python: python.map(joined).unwrap_or_default(),
            qemu,
            kvm: Kvm {
                runs,
                ..kvm_device(Path::new("/dev/kvm"))
            },
            guest_kernel,
            places,
            scratch_error,
            toolchain: toolchain.map(joined).unwrap_or_default(),
            peers: peers.map(joined).unwrap_or_default(),
        }
    })
}

/// What a thread found. A panic in one is a mistake of ours, and is passed on.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs one stage as `isolab __probe STAGE`.
///
/// By way of `/proc/self/exe`, which stays right if the file was replaced, as
/// `cargo build` does.
fn run_probe(stage: Stage) -> Outcome {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("isolab").args(["__probe", stage.name()]);
    match bounded::run(&mut command, PROBE_BOUND) {
        Err(error) => Outcome::Unclear {
            detail: error.to_string(),
        },
        Ok(Ended::TimedOut) => Outcome::TimedOut,
        Ok(Ended::Exited {
            signal: Some(signal),
            ..
        }) => Outcome::Killed { signal },
        Ok(Ended::Exited { stdout, stderr, .. }) => serde_json::from_str(stdout.trim())
            .unwrap_or_else(|_| Outcome::Unclear {
                detail: stderr.lines().next().unwrap_or("no answer").to_owned(),
            }),
    }
}

fn machine(mounted: &[mounts::Mount]) -> Machine {
    let signs = Signs::read();
    let os_release = read("/etc/os-release");
    let field = |name| os_release_field(&os_release, name).unwrap_or_default();
    Machine {
        root: nix::unistd::geteuid().is_root(),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        distribution: format!("{} {}", field("ID"), field("ID_LIKE"))
            .trim()
            .to_owned(),
        container: signs.container().map(str::to_owned),
        hypervisor: signs.hypervisor().map(str::to_owned),
        wsl: signs.wsl(),
        wsl_distribution: env::var("WSL_DISTRO_NAME").ok(),
        systemd: Path::new("/run/systemd/system").is_dir(),
        chroot: !mounted.is_empty() && !mounted.iter().any(|m| m.point == Path::new("/")),
        program: env::current_exe().unwrap_or_else(|_| PathBuf::from("isolab")),
    }
}

fn policy(mounted: &[mounts::Mount]) -> Policy {
    let number = |path: &str| read(path).trim().parse().ok();
    let status = read("/proc/self/status");
    let profile = read("/proc/self/attr/apparmor/current");
    let profile = profile.trim();
    Policy {
        apparmor_restrict_userns: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        apparmor_profile: (!profile.is_empty() && profile != "unconfined")
            .then(|| profile.to_owned()),
        max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
        unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        seccomp_filters: seccomp_filters(&status),
        capabilities: colon_field(&status, "CapEff")
            .and_then(|mask| u64::from_str_radix(mask, 16).ok())
            .unwrap_or(0),
        over_proc: mounts::over_proc(mounted),
    }
}

/// `Seccomp_filters` counts them (since 5.9); before, `Seccomp: 2` says that
/// there is one at least.
fn seccomp_filters(status: &str) -> u64 {
    let number = |key| colon_field(status, key)?.parse().ok();
    number("Seccomp_filters").unwrap_or_else(|| u64::from(number("Seccomp") == Some(2)))
}

/// Whether the device opens for us, and to whom it would.
fn kvm_device(path: &Path) -> Kvm {
    let Ok(metadata) = path.metadata() else {
        return Kvm::default();
    };
    let open = OpenOptions::new().read(true).write(true).open(path);
    let group_may = metadata.mode() & 0o060 == 0o060;
    let overflow = read("/proc/sys/kernel/overflowgid");
    let group_unmapped = overflow.trim().parse() == Ok(metadata.gid()) && !whole_map();
    Kvm {
        device: true,
        open_errno: open.err().and_then(|e| e.raw_os_error()).unwrap_or(0),
        group: (group_may && !group_unmapped)
            .then(|| group_name(metadata.gid()))
            .flatten(),
        group_unmapped,
        ..Kvm::default()
    }
}

/// Whether every group of the machine has a number here, as it has outside
/// user namespaces (user_namespaces(7)).
fn whole_map() -> bool {
    let map = read("/proc/self/gid_map");
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// A group's name in `/etc/group`. The static C library cannot load the
/// modules that would ask a directory service.
fn group_name(gid: u32) -> Option<String> {
    read("/etc/group").lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

/// The directories that the lab works in, each with the options in its way, and
/// why there is no scratch directory if there is none.
fn places(mounted: &[mounts::Mount]) -> (Vec<Place>, Option<String>) {
    let place = |role, path: PathBuf| {
        let path = fs::canonicalize(path).ok()?;
        let mount = mounts::holding(mounted, &path)?;
        Some(Place {
            role,
            fstype: mount.fstype.clone(),
            options: ["noexec", "nosuid", "ro"]
                .into_iter()
                .filter(|option| mount.has(option) || (*option == "ro" && mount.read_only()))
                .map(str::to_owned)
                .collect(),
            free_bytes: free_bytes(&path),
            path,
        })
    };
    let working = env::current_dir()
        .ok()
        .and_then(|path| place(Role::Working, path));
    // Made for real, as a run would, and gone again at the end of this function.
    let (scratch, error) = match Scratch::new() {
        Ok(scratch) => (place(Role::Scratch, scratch.path().to_owned()), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    let mut places: Vec<Place> = working.into_iter().chain(scratch).collect();
    for place in places.iter_mut().filter(|p| p.role == Role::Scratch) {
        place.path.pop(); // its own name means nothing to a reader
    }
    (places, error)
}

/// What this user may still write to the file system that holds `path`.
fn free_bytes(path: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    stat.blocks_available().checked_mul(stat.fragment_size())
}

fn toolchain() -> Toolchain {
    Toolchain {
        cc: tools::find("cc"),
        cargo: tools::find("cargo").and_then(|cargo| tools::version(&cargo, &std::env::temp_dir())),
        cargo_needed: env!("CARGO_PKG_RUST_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_seen_on_old_kernels_too() {
        assert_eq!(seccomp_filters("Seccomp:\t2\nSeccomp_filters:\t3\n"), 3);
        assert_eq!(seccomp_filters("Seccomp:\t2\n"), 1);
        assert_eq!(seccomp_filters("Seccomp:\t0\n"), 0);
    }

    #[test]
    fn a_device_that_is_not_there_is_said_to_be_absent() {
        assert!(!kvm_device(Path::new("/dev/no-such-device")).device);
    }
}
