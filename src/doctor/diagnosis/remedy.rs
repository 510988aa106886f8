//! The commands that mend, written out for the machine at hand.
//!
//! A remedy that has to be adapted before it can be pasted is one that a
//! student gets wrong, so package names follow the distribution, `sudo` is left
//! out for root, and paths are those of this machine.

use serde::Serialize;

use super::super::facts::{Facts, Machine};

/// One way to mend something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remedy {
    /// When or where, such as `until the next boot`; may be empty.
    pub scope: String,
    /// What to type, line by line.
    pub commands: Vec<String>,
}

impl Remedy {
    /// A remedy of the given lines.
    pub(super) fn run<I>(scope: &str, commands: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            scope: scope.to_owned(),
            commands: commands.into_iter().map(Into::into).collect(),
        }
    }
}

/// `sudo`, if it takes that.
pub(super) fn sudo(machine: &Machine) -> &'static str {
    if machine.root { "" } else { "sudo " }
}

/// Sets a kernel parameter, now and for good.
pub(super) fn sysctl(machine: &Machine, name: &str, value: &str) -> Vec<Remedy> {
    let sudo = sudo(machine);
    vec![
        Remedy::run(
            "until the next boot",
            [format!("{sudo}sysctl -w {name}={value}")],
        ),
        Remedy::run(
            "for good",
            [
                format!("echo {name}={value} | {sudo}tee /etc/sysctl.d/60-isolab.conf"),
                format!("{sudo}sysctl --system"),
            ],
        ),
    ]
}

/// A parameter that a container shares with its host and cannot set.
pub(super) fn sysctl_of_host(machine: &Machine, name: &str, value: &str) -> Vec<Remedy> {
    if machine.container.is_none() {
        return sysctl(machine, name, value);
    }
    vec![Remedy::run(
        "on the host, outside this container",
        [format!("sudo sysctl -w {name}={value}")],
    )]
}

/// Starts the container that we are in with other options; where its engine is
/// not known, in Docker's words, which others follow.
pub(super) fn start_with(facts: &Facts, options: &str) -> Remedy {
    let engine = match facts.machine.container.as_deref() {
        Some("podman") => "podman",
        _ => "docker",
    };
    Remedy::run(
        "on the host, start this container with",
        [format!("{engine} run {options} ...")],
    )
}

/// Starts the container that we are in with less around it.
pub(super) fn confinement(facts: &Facts) -> Vec<Remedy> {
    // Podman's word for an unmasked /proc is its own.
    let unmask = match facts.machine.container.as_deref() {
        Some("podman") => "unmask=ALL",
        _ => "systempaths=unconfined",
    };
    let unconfined = format!(
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined \
         --security-opt {unmask}"
    );
    vec![
        start_with(facts, &unconfined),
        Remedy {
            scope: "or, giving up what confines it, cgroups included".to_owned(),
            ..start_with(facts, "--privileged")
        },
    ]
}

/// Something that distributions package under names of their own.
#[derive(Clone, Copy)]
pub(super) enum Package {
    /// The interpreter with its whole standard library.
    Python,
    /// The emulator.
    Qemu,
    /// The driver that rustc links with.
    CCompiler,
}

/// Installs it with the distribution's own tool.
pub(super) fn install(machine: &Machine, package: Package) -> Vec<Remedy> {
    let sudo = sudo(machine);
    let arm = cfg!(target_arch = "aarch64");
    let is = |names: &[&str]| {
        machine
            .distribution
            .split_whitespace()
            .any(|id| names.contains(&id))
    };
    let (tool, name) = if is(&["fedora", "rhel", "centos"]) {
        let name = match package {
            Package::Python => "python3",
            Package::Qemu if arm => "qemu-system-aarch64-core",
            Package::Qemu => "qemu-system-x86-core",
            Package::CCompiler => "gcc",
        };
        ("dnf install -y", name)
    } else if is(&["arch"]) {
        let name = match package {
            Package::Python => "python",
            Package::Qemu if arm => "qemu-system-aarch64",
            Package::Qemu => "qemu-base",
            Package::CCompiler => "gcc",
        };
        ("pacman -S --needed", name)
    } else if is(&["suse", "opensuse"]) {
        let name = match package {
            Package::Python => "python3",
            Package::Qemu if arm => "qemu-arm",
            Package::Qemu => "qemu-x86",
            Package::CCompiler => "gcc",
        };
        ("zypper install -y", name)
    } else if is(&["alpine"]) {
        let name = match package {
            Package::Python => "python3",
            Package::Qemu if arm => "qemu-system-aarch64",
            Package::Qemu => "qemu-system-x86_64",
            Package::CCompiler => "build-base",
        };
        ("apk add", name)
    } else {
        let name = match package {
            Package::Python => "python3 python3-venv",
            Package::Qemu if arm => "qemu-system-arm",
            Package::Qemu => "qemu-system-x86",
            Package::CCompiler => "gcc libc6-dev",
        };
        ("apt-get install -y", name)
    };
    vec![Remedy::run("", [format!("{sudo}{tool} {name}")])]
}
