//! What is the same in every report: what the subjects are, what bears on a
//! metric, and which chapter tells more.

use crate::observation::{Metric, Subject};

/// What `subject` is here.
pub(super) fn subject(subject: Subject) -> &'static str {
    match subject {
        Subject::Process => "a bare process on this machine, with nothing around it",
        Subject::Venv => "the interpreter through a virtual environment (PEP 405)",
        Subject::Container => {
            "a container of our runtime: namespaces, a control group and a root file system of its own"
        }
        Subject::Vm => "a guest under QEMU, with a kernel of its own and our program as its init",
    }
}

/// Where the book tells more.
pub(super) fn chapter(subject: Subject) -> &'static str {
    match subject {
        Subject::Process => "book/src/reading-a-benchmark.md: how any of these numbers is taken",
        Subject::Venv => "book/src/virtual-environment.md: what an environment is, and is not",
        Subject::Container => "book/src/container.md: a container, one namespace at a time",
        Subject::Vm => "book/src/virtual-machine.md: the guest, and the model beside it",
    }
}

/// What bears on `metric` of `subject` by the way it is made.
pub(super) fn bears_on(metric: Metric, subject: Subject) -> &'static [&'static str] {
    use Subject::{Container, Process, Venv, Vm};
    match (metric, subject) {
        (Metric::Startup, Process) => &[
            "another program: nothing else is in this number",
            "pages that are not in memory have to come from disk: see the state `first`",
            "a processor that slept, and others that want it",
        ],
        (Metric::Startup, Venv) => &[
            "more directories on the search path, and .pth files, which run at every start",
            "an environment that sees the system's packages",
            "without cached bytecode every import compiles again",
        ],
        (Metric::Startup, Container) => &[
            "each namespace that it gets, and what the kernel makes in it: the network's has devices of its own",
            "a control group, and a filter of system calls, which has to be loaded",
            "an engine in front of the runtime: image layers, a daemon, a bridge, none of which is here",
        ],
        (Metric::Startup, Vm) => &[
            "the accelerator: KVM runs the guest's code as it is, an emulator translates it",
            "the guest's kernel, how it is compressed, and what devices it looks for",
            "a whole distribution in the guest, whose services start first",
            "a snapshot to start from, which skips the boot",
        ],
        (Metric::Teardown, Process | Venv) => &["how much memory has to be given back"],
        (Metric::Teardown, Container) => &[
            "the kernel takes namespaces apart when their last process has ended",
            "a control group that has to be empty before it can go",
        ],
        (Metric::Teardown, Vm) => {
            &["the guest's own way to power off, and the monitor's to give its memory back"]
        }
        (Metric::Provision, _) => &[
            "how much is copied, and how fast the file system of the cache is",
            "what can be shared instead of copied: links, layers, copy on write",
        ],
        (Metric::Disk, Vm) => &[
            "a kernel, its modules and a distribution in the image",
            "compression, and holes",
        ],
        (Metric::Disk, _) => &[
            "what the workload loads: its files are nearly all of it",
            "the file system's block size",
        ],
        (Metric::DiskOneMore, _) => &[
            "what can be shared: hard links, layers, an image that is only read",
            "the file system's block size: the smallest file takes one block",
        ],
        (Metric::Memory, Vm) => &[
            "the memory that the guest is given and has touched: it rarely gives any back",
            "the monitor's own, and its emulated devices",
        ],
        (Metric::Memory, _) => &[
            "how many others map the same pages, which are divided among them",
            "what the workload itself allocates",
        ],
        (Metric::MemorySlope, Vm) => &[
            "pages that guests have alike, which the host does not notice unless asked to merge them (KSM)",
            "the memory that the guest is given and has touched",
        ],
        (Metric::MemorySlope, _) => &[
            "page tables, namespaces and kernel objects, which are in no process's own count",
            "what the workload itself allocates",
        ],
    }
}
