//! What init says to the host besides the workload's own output: lines on a port that QEMU writes
//! down, and how the guest ended.
//!
//! Source: QEMU's `docs/specs` on `isa-debugcon` and `isa-debug-exit`; the lines are defined where
//! the lab reads them.

/// The port of `isa-debugcon`, which reads back its own number.
#[cfg(target_arch = "x86_64")]
const SAYS: u16 = 0xe9;
/// The port of `isa-debug-exit`.
#[cfg(target_arch = "x86_64")]
const ENDS: u16 = 0xf4;
/// What is written there: QEMU ends with twice that and one.
#[cfg(target_arch = "x86_64")]
const ENDED: u8 = 0x2a;

/// The port, where the machine has it.
pub struct Port {
    is_there: bool,
}

#[cfg(target_arch = "x86_64")]
mod calls {
    use std::arch::asm;

    unsafe extern "C" {
        fn ioperm(from: usize, count: usize, on: i32) -> i32;
    }

    pub fn allow(on: bool) -> bool {
        // SAFETY: numbers only; process 1 may ask.
        unsafe { ioperm(super::SAYS.into(), 12, on.into()) == 0 }
    }

    pub fn write(port: u16, byte: u8) {
        // SAFETY: the port is one of a device that QEMU made for this.
        unsafe { asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack)) };
    }

    pub fn read(port: u16) -> u8 {
        let byte;
        // SAFETY: as above.
        unsafe { asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack)) };
        byte
    }
}

#[cfg(target_arch = "x86_64")]
impl Port {
    pub fn open() -> Self {
        let is_there = calls::allow(true) && calls::read(SAYS) == SAYS as u8;
        Self { is_there }
    }

    /// Whether there is one.
    pub fn is_there(&self) -> bool {
        self.is_there
    }

    /// Says a line.
    pub fn say(&self, line: &str) {
        if self.is_there {
            for byte in line.bytes().chain([b'\n']) {
                calls::write(SAYS, byte);
            }
        }
    }

    /// Takes the port away from this process and whatever it becomes.
    pub fn close(&self) {
        if self.is_there {
            calls::allow(false);
        }
    }

    /// Ends the machine at once, where there is the port.
    pub fn end(&self) {
        if self.is_there {
            calls::write(ENDS, ENDED);
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Port {
    pub fn open() -> Self {
        Self { is_there: false }
    }
    pub fn is_there(&self) -> bool {
        self.is_there
    }
    pub fn say(&self, _: &str) {}
    pub fn close(&self) {}
    pub fn end(&self) {}
}
