//! A virtual processor in long mode, without a BIOS: what an operating system's first
//! instructions would set up is written into its registers and its memory.
//!
//! Source: Intel SDM, volume 3, sections 4.5 (four-level paging) and 10.8.5 (entering 64-bit mode).

use std::io;

use kvm_bindings::{kvm_regs, kvm_segment, kvm_userspace_memory_region};
use kvm_ioctls::{Kvm, VcpuFd, VmFd};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, GuestMemoryMmap};

use super::program;

/// The guest's memory, in bytes.
pub(super) const MEMORY: usize = 64 << 10;
/// Where the tables lie that map the first 2 MiB onto themselves, and the program.
const PML4: u64 = 0x1000;
const PDPT: u64 = 0x2000;
const DIRECTORY: u64 = 0x3000;
const PROGRAM: u64 = 0x4000;

/// Of a table's entry: it is there, and may be written to.
const PRESENT: u64 = 0b11;
/// Of a directory's entry: it maps 2 MiB by itself.
const LARGE: u64 = 1 << 7;

const CR0_PROTECTED: u64 = 1;
const CR0_PAGING: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LONG_MODE: u64 = 1 << 8 | 1 << 10;

/// A virtual machine with one processor, ready to begin. The order of the fields is that in which
/// they end: the memory last, for the kernel writes to it.
pub(super) struct Machine {
    pub(super) processor: VcpuFd,
    _vm: VmFd,
    _memory: GuestMemoryMmap,
}

impl Machine {
    /// One whose program finds `exits` and `rounds` in its registers.
    pub(super) fn new(kvm: &Kvm, exits: u32, rounds: u64) -> io::Result<Self> {
        let vm = kvm.create_vm()?;
        let memory = memory()?;
        let host = memory.get_host_address(GuestAddress(0));
        let region = kvm_userspace_memory_region {
            slot: 0,
            flags: 0,
            guest_phys_addr: 0,
            memory_size: MEMORY as u64,
            userspace_addr: host.map_err(io::Error::other)?.addr() as u64,
        };
        // SAFETY: the region is that of `memory`, which is mapped until after the VM is gone.
        unsafe { vm.set_user_memory_region(region)? };
        let processor = vm.create_vcpu(0)?;
        enter_long_mode(&processor)?;
        processor.set_regs(&kvm_regs {
            rip: PROGRAM,
            r8: u64::from(exits),
            rdi: rounds,
            rflags: 1 << 1, // always set
            ..kvm_regs::default()
        })?;
        Ok(Self {
            processor,
            _vm: vm,
            _memory: memory,
        })
    }
}

/// The page tables and the program.
fn memory() -> io::Result<GuestMemoryMmap> {
    let ranges = [(GuestAddress(0), MEMORY)];
    let memory = GuestMemoryMmap::from_ranges(&ranges).map_err(io::Error::other)?;
    let entries = [
        (PML4, PDPT | PRESENT),
        (PDPT, DIRECTORY | PRESENT),
        (DIRECTORY, LARGE | PRESENT),
    ];
    for (at, entry) in entries {
        let written = memory.write_obj(entry, GuestAddress(at));
        written.map_err(io::Error::other)?;
    }
    let program = memory.write_slice(program::bytes(), GuestAddress(PROGRAM));
    program.map_err(io::Error::other)?;
    Ok(memory)
}

fn enter_long_mode(processor: &VcpuFd) -> io::Result<()> {
    let mut registers = processor.get_sregs()?;
    registers.cr3 = PML4;
    registers.cr4 |= CR4_PAE;
    registers.cr0 |= CR0_PROTECTED | CR0_PAGING;
    registers.efer |= EFER_LONG_MODE;
    let code = kvm_segment {
        base: 0,
        limit: u32::MAX,
        selector: 1 << 3,
        type_: 0b1011, // code: executed, read, accessed
        present: 1,
        s: 1, // no gate
        l: 1, // of 64 bits
        g: 1,
        ..kvm_segment::default()
    };
    let data = kvm_segment {
        type_: 0b0011, // data: read, written, accessed
        selector: 2 << 3,
        l: 0,
        db: 1,
        ..code
    };
    registers.cs = code;
    registers.ds = data;
    registers.es = data;
    registers.ss = data;
    processor.set_sregs(&registers)?;
    Ok(())
}
