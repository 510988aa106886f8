//! What this machine itself runs in.
//!
//! A container cannot be told from a host by one sign, nor a guest from bare
//! metal, so several are weighed. They are gathered apart from the judgement,
//! which is thereby a pure function.

use std::path::Path;

use super::read;

/// The signs that hypervisors and container engines leave.
#[derive(Clone, Debug, Default)]
pub struct Signs {
    /// The PID, IPC or UTS namespace is not that which the kernel booted with.
    pub own_namespaces: bool,
    /// The PID namespace is not, which services do without and containers do not.
    pub own_pid_namespace: bool,
    /// `/.dockerenv` is there.
    pub dockerenv: bool,
    /// `/run/.containerenv` is there.
    pub containerenv: bool,
    /// `$container`, or what systemd keeps of it.
    pub container_variable: String,
    /// `/proc/1/cgroup`.
    pub init_cgroup: String,
    /// Kernel release.
    pub kernel: String,
    /// DMI vendor and product, if any.
    pub dmi: String,
    /// The `flags` of `/proc/cpuinfo` hold `hypervisor`.
    pub cpu_flag: bool,
    /// Clock sources that the kernel offers: `kvm-clock` gives KVM away.
    pub clock_sources: String,
    /// `/sys/hypervisor/type`.
    pub hypervisor_type: String,
}

impl Signs {
    /// Gathers the signs of this machine.
    #[must_use]
    pub fn read() -> Self {
        let dmi = |name: &str| read(Path::new("/sys/class/dmi/id").join(name));
        let variable = std::env::var("container").unwrap_or_default();
        Self {
            own_namespaces: !["uts", "ipc", "pid"].iter().all(|name| is_first(name)),
            own_pid_namespace: !is_first("pid"),
            dockerenv: Path::new("/.dockerenv").exists(),
            containerenv: Path::new("/run/.containerenv").exists(),
            container_variable: if variable.is_empty() {
                read("/run/systemd/container")
            } else {
                variable
            },
            init_cgroup: read("/proc/1/cgroup"),
            kernel: read("/proc/sys/kernel/osrelease"),
            dmi: dmi("sys_vendor") + &dmi("product_name") + &dmi("bios_vendor"),
            cpu_flag: super::colon_field(&read("/proc/cpuinfo"), "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
            clock_sources: read(
                "/sys/devices/system/clocksource/clocksource0/available_clocksource",
            ),
            hypervisor_type: read("/sys/hypervisor/type"),
        }
    }

    /// The container engine around us, if one is seen; `unnamed` if only the
    /// container is.
    ///
    /// The files that engines leave are also in the disk image of a guest that
    /// was made from a container's, so the namespaces have a say.
    #[must_use]
    pub fn container(&self) -> Option<&str> {
        let variable = self.container_variable.trim();
        if !self.own_namespaces {
            return None;
        }
        if self.containerenv {
            return Some("podman");
        }
        if self.dockerenv {
            return Some("docker");
        }
        if !variable.is_empty() && variable != "wsl" {
            return Some(variable);
        }
        let engines = [
            ("kubepods", "kubernetes"),
            ("docker", "docker"),
            ("libpod", "podman"),
            ("lxc", "lxc"),
        ];
        engines
            .iter()
            .find(|(sign, _)| self.init_cgroup.contains(sign))
            .map(|(_, engine)| *engine)
            // Some runtime without an engine; WSL 2 isolates its own so.
            .or((self.own_pid_namespace && self.wsl().is_none()).then_some("unnamed"))
    }

    /// 1 or 2 under the Windows Subsystem for Linux.
    ///
    /// WSL 1 has no Linux kernel at all and calls itself `...-Microsoft`; the
    /// real kernel of WSL 2 is `...-microsoft-standard-WSL2`.
    #[must_use]
    pub fn wsl(&self) -> Option<u8> {
        let kernel = self.kernel.trim();
        if kernel.ends_with("-Microsoft") {
            return Some(1);
        }
        kernel.contains("microsoft").then_some(2)
    }

    /// The hypervisor below this kernel, if one is seen.
    #[must_use]
    pub fn hypervisor(&self) -> Option<&'static str> {
        let vendors = [
            ("VMware", "vmware"),
            ("innotek", "virtualbox"),
            ("VirtualBox", "virtualbox"),
            ("Parallels", "parallels"),
            ("Xen", "xen"),
            ("Amazon EC2", "kvm"),
            ("Google", "kvm"),
            ("KVM", "kvm"),
            ("Microsoft Corporation\nVirtual Machine", "hyper-v"),
            ("Apple Virtualization", "apple"),
        ];
        let by_vendor = || {
            vendors
                .iter()
                .find(|(sign, _)| self.dmi.contains(sign))
                .map(|(_, name)| *name)
        };
        if self.clock_sources.contains("kvm-clock") {
            return Some("kvm");
        }
        if self.hypervisor_type.trim() == "xen" {
            return Some("xen");
        }
        if self.cpu_flag {
            return Some(by_vendor().unwrap_or(if self.dmi.contains("QEMU") {
                "qemu"
            } else {
                "vm"
            }));
        }
        // Bare Amazon or Google metal carries the vendor's name as well, so on
        // x86 the flag decides; Arm has no such flag.
        if cfg!(target_arch = "x86_64") {
            return None;
        }
        by_vendor()
    }

    /// `none`, `kvm`, `docker`, `docker on kvm`, `wsl`, ...
    #[must_use]
    pub fn describe(&self) -> String {
        let below = match self.wsl() {
            Some(1) => Some("wsl1"),
            Some(_) => Some("wsl"),
            None => self.hypervisor(),
        };
        match (self.container(), below) {
            (None, None) => "none".to_owned(),
            (None, Some(below)) => below.to_owned(),
            (Some("unnamed"), None) => "container".to_owned(),
            (Some("unnamed"), Some(below)) => format!("container on {below}"),
            (Some(container), None) => container.to_owned(),
            (Some(container), Some(below)) => format!("{container} on {below}"),
        }
    }
}

/// Whether one of our namespaces is the first of its kind: their inode numbers
/// are fixed. A `/proc` that does not tell counts as the first.
///
/// Source: `include/linux/proc_ns.h`, `PROC_PID_INIT_INO` and its neighbours.
fn is_first(name: &str) -> bool {
    let inode: u32 = match name {
        "uts" => 0xEFFF_FFFE,
        "ipc" => 0xEFFF_FFFF,
        _ => 0xEFFF_FFFC,
    };
    std::fs::read_link(format!("/proc/self/ns/{name}"))
        .map_or(true, |link| link == Path::new(&format!("{name}:[{inode}]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(signs: &Signs, expected: &str) {
        assert_eq!(signs.describe(), expected, "{signs:?}");
    }

    #[test]
    fn bare_metal_is_none() {
        check(&Signs::default(), "none");
    }

    #[test]
    fn a_kvm_guest_without_dmi_is_known_by_its_clock() {
        check(
            &Signs {
                cpu_flag: true,
                clock_sources: "tsc kvm-clock \n".into(),
                ..Signs::default()
            },
            "kvm",
        );
    }

    #[test]
    fn a_container_names_what_it_stands_on() {
        check(
            &Signs {
                own_namespaces: true,
                dockerenv: true,
                clock_sources: "kvm-clock".into(),
                ..Signs::default()
            },
            "docker on kvm",
        );
        check(
            &Signs {
                own_namespaces: true,
                containerenv: true,
                dockerenv: true,
                ..Signs::default()
            },
            "podman",
        );
    }

    #[test]
    fn a_guest_whose_disk_was_made_from_a_container_is_no_container() {
        check(
            &Signs {
                own_namespaces: false,
                dockerenv: true,
                clock_sources: "kvm-clock".into(),
                ..Signs::default()
            },
            "kvm",
        );
    }

    #[test]
    fn a_container_without_an_engine_is_known_by_its_processes() {
        let runc = Signs {
            own_namespaces: true,
            own_pid_namespace: true,
            ..Signs::default()
        };
        check(&runc, "container");
        let service = Signs {
            own_pid_namespace: false,
            ..runc
        };
        check(&service, "none");
    }

    #[test]
    fn both_kinds_of_wsl_are_told_apart() {
        let kernel = |kernel: &str| Signs {
            kernel: kernel.into(),
            ..Signs::default()
        };
        check(&kernel("4.4.0-19041-Microsoft\n"), "wsl1");
        check(&kernel("5.15.167.4-microsoft-standard-WSL2\n"), "wsl");
        check(&kernel("6.8.0-1021-azure\n"), "none");
    }

    #[test]
    fn a_guest_of_hyper_v_is_not_taken_for_wsl() {
        check(
            &Signs {
                cpu_flag: true,
                dmi: "Microsoft Corporation\nVirtual Machine\nMicrosoft Corporation\n".into(),
                ..Signs::default()
            },
            "hyper-v",
        );
    }
}
