//! The machine, as far as a calibration holds for it. No host name, no user.

use vm_model::kernel;
use vm_model::model::parameters::Machine;
use vm_model::qemu;

use crate::environment::{colon_field, read};
use crate::isolation::guest::find_kernel;

/// This machine; what executes its guests is not known from looking.
#[must_use]
pub fn machine() -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let names = ["model name", "Model", "Hardware", "cpu model"];
    let arch = std::env::consts::ARCH.to_owned();
    let cpu = names.iter().find_map(|name| colon_field(&cpuinfo, name));
    let meminfo = read("/proc/meminfo");
    let kibibytes = colon_field(&meminfo, "MemTotal")
        .and_then(|total| total.strip_suffix(" kB")?.trim().parse::<u64>().ok());
    // A kernel that was unpacked names its release as the one that it was.
    let guest_kernel = find_kernel().or_else(|_| kernel::find()).ok();
    Machine {
        cpu: cpu.map_or_else(|| arch.clone(), str::to_owned),
        arch,
        cpus: std::thread::available_parallelism().map_or(1, Into::into),
        memory_bytes: kibibytes.unwrap_or(0) * 1024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        qemu: qemu::find().ok().map(|qemu| qemu.name),
        guest_kernel: guest_kernel.map(|kernel| kernel.release),
        accelerator: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described_without_a_gap() {
        let here = machine();
        assert!(!here.cpu.is_empty() && !here.kernel.is_empty());
        assert!(here.cpus > 0 && here.memory_bytes > 1 << 20);
    }
}
