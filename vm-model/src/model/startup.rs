//! From the spawn to the workload, as the sum of what happens one after the other.

use super::units::{Bytes, BytesPerSecond, Seconds};

/// The phases of a cold boot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColdBoot {
    /// The program that runs the guest, until its first instruction.
    pub vmm: Seconds,
    /// From there to the kernel.
    pub firmware: Seconds,
    /// The kernel unpacking itself; none where it is not packed.
    pub decompression: Seconds,
    /// The kernel's own start, on the machine that it was measured on.
    pub kernel: Seconds,
    /// What each device adds to it.
    pub devices: Vec<Seconds>,
    /// From the first process to the workload.
    pub init: Seconds,
    /// The workload, until it is ready.
    pub workload: Seconds,
}

impl ColdBoot {
    /// All of it on a machine that executes `slowness` times as slowly as that on which the
    /// kernel's start was measured. The other phases are this machine's own.
    #[must_use]
    pub fn total(&self, slowness: f64) -> Seconds {
        let before = self.vmm + self.firmware + self.decompression;
        let devices: Seconds = self.devices.iter().copied().sum();
        before + self.kernel * slowness + devices + self.init + self.workload
    }
}

/// A guest that goes on where a saved one stopped.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Restore {
    /// The program that runs the guest, until it asks for the state.
    pub vmm: Seconds,
    /// The state that is read before anything runs.
    pub state: Bytes,
    /// How fast.
    pub bandwidth: BytesPerSecond,
    /// How many pages of memory are fetched when they are first touched.
    pub faults: f64,
    /// What one of them takes.
    pub fault: Seconds,
}

impl Restore {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Seconds {
        self.vmm + self.state / self.bandwidth + self.fault * self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_and_a_slow_machine_slows_the_kernel() {
        let boot = ColdBoot {
            vmm: Seconds(0.25),
            firmware: Seconds(0.5),
            decompression: Seconds(0.125),
            kernel: Seconds(1.0),
            devices: vec![Seconds(0.25), Seconds(0.25)],
            init: Seconds(0.5),
            workload: Seconds(2.0),
        };
        assert_eq!(boot.total(1.0), Seconds(4.875));
        assert_eq!(boot.total(3.0) - boot.total(1.0), Seconds(2.0));
        assert_eq!(ColdBoot::default().total(1.0), Seconds(0.0));
    }

    #[test]
    fn a_restore_reads_its_state_and_fetches_what_is_touched() {
        let restore = Restore {
            vmm: Seconds(0.25),
            state: Bytes(4e6),
            bandwidth: BytesPerSecond(8e6),
            faults: 1024.0,
            fault: Seconds(1.0 / 4096.0),
        };
        assert_eq!(restore.total(), Seconds(1.0));
    }
}
