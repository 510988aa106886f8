//! What a guest needs: the emulator, a kernel, and at best KVM.

use nix::errno::Errno;

use super::super::facts::{Facts, Found};
use super::super::stage::Stage;
use super::Finding;
use super::confinement::around;
use super::remedy::{Package, Remedy, install, start_with, sudo};

pub(super) fn qemu(facts: &Facts) -> Finding {
    match &facts.qemu {
        Found::NotAsked => Finding::not_tried(Stage::Qemu, Stage::Qemu),
        Found::Here(qemu) => Finding::works(Stage::Qemu, qemu.version.clone()),
        Found::Missing { why } => Finding::fails(
            Stage::Qemu,
            "no emulator",
            why.clone(),
            install(&facts.machine, Package::Qemu),
        ),
    }
}

pub(super) fn kernel(facts: &Facts) -> Finding {
    match &facts.guest_kernel {
        Found::NotAsked => Finding::not_tried(Stage::GuestKernel, Stage::GuestKernel),
        Found::Here(kernel) => Finding::works(
            Stage::GuestKernel,
            format!("{} ({})", kernel.version, kernel.path.display()),
        ),
        Found::Missing { why } => Finding::fails(
            Stage::GuestKernel,
            "no kernel to boot",
            why.clone(),
            vec![Remedy::run("get one, without root", ["isolab vm kernel"])],
        ),
    }
}

/// KVM's absence costs only speed: the emulator then interprets the guest.
pub(super) fn kvm(facts: &Facts) -> Finding {
    let (machine, kvm) = (&facts.machine, &facts.kvm);
    let limited = |detail: &str, cause: String, remedies| {
        let cause = format!("{cause}; guests are emulated");
        Finding::limited(Stage::Kvm, detail, cause, remedies)
    };
    if !kvm.device {
        let (cause, remedies) = no_device(facts);
        return limited("no /dev/kvm", cause, remedies);
    }
    match (kvm.open_errno, &kvm.runs) {
        (0, Found::Here(how)) => Finding::works(Stage::Kvm, how.clone()),
        (0, Found::Missing { why }) => limited(
            "opens, and executes no guest",
            why.clone(),
            match machine.hypervisor {
                Some(_) => vec![Remedy::run(
                    "this machine is itself a guest: on its host, see that this says 1 or Y",
                    ["cat /sys/module/kvm_{intel,amd}/parameters/nested"],
                )],
                None => vec![Remedy::run(
                    "see what KVM says of it",
                    [format!("{}dmesg | grep -i kvm | tail -3", sudo(machine))],
                )],
            },
        ),
        (0, Found::NotAsked) => limited(
            "opens; no guest was run",
            "without QEMU and a kernel nobody can tell whether it runs one".to_owned(),
            Vec::new(),
        ),
        (errno, _) => {
            let (cause, remedies) = no_access(facts, Errno::from_raw(errno));
            limited("/dev/kvm does not open", cause, remedies)
        }
    }
}

fn no_device(facts: &Facts) -> (String, Vec<Remedy>) {
    let machine = &facts.machine;
    if machine.container.is_some() {
        return (
            format!("{} was given no /dev/kvm", around(facts)),
            vec![start_with(facts, "--device /dev/kvm")],
        );
    }
    match (machine.wsl, &machine.hypervisor) {
        (Some(1), _) => (
            "WSL 1 has no KVM".to_owned(),
            vec![Remedy::run(
                "in PowerShell on Windows",
                ["wsl --set-version Ubuntu 2"],
            )],
        ),
        (Some(_), _) => (
            "nested virtualization is off in WSL".to_owned(),
            vec![Remedy::run(
                "in PowerShell on Windows 11",
                [
                    r#"Add-Content $HOME\.wslconfig "[wsl2]`nnestedVirtualization=true""#,
                    "wsl --shutdown",
                ],
            )],
        ),
        (None, Some(hypervisor)) => (
            format!("this machine is a guest ({hypervisor}) without nested virtualization"),
            vec![Remedy::run(
                "turn nested virtualization on at its host, then",
                [load_module(facts)],
            )],
        ),
        (None, None) => (
            "the module is not loaded, or virtualization is off in the firmware".to_owned(),
            vec![Remedy::run("", [load_module(facts)])],
        ),
    }
}

fn load_module(facts: &Facts) -> String {
    let sudo = sudo(&facts.machine);
    if cfg!(target_arch = "x86_64") {
        format!("{sudo}modprobe kvm_intel || {sudo}modprobe kvm_amd")
    } else {
        format!("{sudo}modprobe kvm")
    }
}

fn no_access(facts: &Facts, errno: Errno) -> (String, Vec<Remedy>) {
    let sudo = sudo(&facts.machine);
    match (errno, &facts.kvm.group) {
        // No membership that can be given in here would count for the device.
        (Errno::EACCES, _) if facts.kvm.group_unmapped => (
            "this runs in a user namespace to which the device's group is not mapped".to_owned(),
            vec![Remedy::run(
                "outside, as a user who is in the group of /dev/kvm",
                ["isolab doctor vm"],
            )],
        ),
        (Errno::EACCES, Some(group)) => (
            format!("only the group {group} may open it, and this user is not in it"),
            vec![Remedy::run(
                "then log out and in again",
                [format!("{sudo}usermod -aG {group} \"$USER\"")],
            )],
        ),
        (Errno::EACCES, None) => (
            "only root may open it".to_owned(),
            vec![Remedy::run(
                "then log out and in again",
                [
                    format!("{sudo}groupadd -f kvm"),
                    format!("{sudo}chgrp kvm /dev/kvm && {sudo}chmod 660 /dev/kvm"),
                    format!("{sudo}usermod -aG kvm \"$USER\""),
                ],
            )],
        ),
        (errno, _) => (
            format!("the kernel says {}", errno.desc()),
            vec![Remedy::run("", [load_module(facts)])],
        ),
    }
}
