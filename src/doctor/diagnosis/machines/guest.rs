//! Machines without an emulator, a kernel or a KVM that runs guests.

use super::*;

#[test]
fn a_kvm_that_another_group_may_open_is_a_matter_of_membership() {
    let facts = machine(|f| f.kvm.open_errno = EACCES);
    check(
        &facts,
        Stage::Kvm,
        Verdict::Limited,
        "the group kvm",
        "sudo usermod -aG kvm \"$USER\"",
    );
    assert_eq!(runs(&facts)[3], Runs::Emulated);
    let rootly = machine(|f| {
        f.kvm.open_errno = EACCES;
        f.kvm.group = None;
    });
    check(
        &rootly,
        Stage::Kvm,
        Verdict::Limited,
        "only root",
        "chgrp kvm",
    );
}

#[test]
fn nobody_is_told_to_join_a_group_that_has_no_number_here() {
    let facts = machine(|f| {
        f.kvm.open_errno = EACCES;
        f.kvm.group = None;
        f.kvm.group_unmapped = true;
    });
    let (limited, outside) = (Verdict::Limited, "isolab doctor vm");
    check(&facts, Stage::Kvm, limited, "not mapped", outside);
    let remedies = format!("{:?}", diagnose(&facts, &[Stage::Kvm])[0].remedies);
    assert!(!remedies.contains("usermod"), "{remedies}");
}

#[test]
fn a_kvm_that_opens_and_runs_no_guest_is_not_called_usable() {
    let facts = machine(|f| {
        f.machine.hypervisor = Some("kvm".into());
        f.kvm.runs = Found::Missing {
            why: "the guest did not reach its init".into(),
        };
    });
    check(
        &facts,
        Stage::Kvm,
        Verdict::Limited,
        "did not reach its init",
        "parameters/nested",
    );
    assert_eq!(runs(&facts)[3], Runs::Emulated);
}

#[test]
fn the_way_to_a_missing_kvm_depends_on_what_is_below() {
    let without = |change: fn(&mut Machine)| {
        machine(|f| {
            f.kvm = Kvm::default();
            change(&mut f.machine);
        })
    };
    let (stage, limited) = (Stage::Kvm, Verdict::Limited);
    let docker = without(|m| m.container = Some("docker".into()));
    check(&docker, stage, limited, "docker", "--device /dev/kvm");
    let wsl = without(|m| m.wsl = Some(2));
    check(&wsl, stage, limited, "WSL", "nestedVirtualization=true");
    let guest = without(|m| m.hypervisor = Some("vmware".into()));
    check(&guest, stage, limited, "vmware", "modprobe");
    check(&without(|_| {}), stage, limited, "firmware", "modprobe");
}

#[test]
fn without_an_emulator_or_a_kernel_the_vm_is_modelled() {
    let missing = || Found::Missing {
        why: "not here".into(),
    };
    let no_qemu = machine(|f| f.qemu = missing());
    let install = "sudo apt-get install -y qemu-system-";
    check(&no_qemu, Stage::Qemu, Verdict::Fails, "not here", install);
    assert_eq!(runs(&no_qemu)[3], Runs::Modelled);
    let no_kernel = machine(|f| f.guest_kernel = missing());
    let fetch = "isolab vm kernel";
    check(
        &no_kernel,
        Stage::GuestKernel,
        Verdict::Fails,
        "not here",
        fetch,
    );
    assert_eq!(runs(&no_kernel)[3], Runs::Modelled);
}
