//! The kernel's part of a container's start, and nothing else: what no runtime
//! that makes the same container can go below.
//!
//! `floor ROOTFS UNIFIED GROUP...` makes the control groups, clones a process into
//! new namespaces, joins the groups, mounts what the example of `runc spec`
//! mounts, masks what it masks, exchanges the root, executes `/true exit`, waits
//! for its end and removes the groups. It reads no configuration, keeps no state,
//! checks nothing and drops no privilege. `UNIFIED` is the group in version 2 that
//! the clone is born in, or `-`; each `GROUP` one in version 1, joined through its
//! `tasks`, where no grace period is waited for.
//!
//! The build script compiles it with `rustc` alone, without any library: even an
//! empty program of a C library would cost as much again.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ffi::CStr;

mod syscall;
use syscall::{SIGCHLD, call, number};

type Text = *const u8;

const AT_FDCWD: usize = -100isize as usize;
const AT_REMOVEDIR: usize = 0x200;
const O_WRONLY: usize = 1;
const O_DIRECTORY: usize = if cfg!(target_arch = "aarch64") { 0x4000 } else { 0x10000 };

const MS_RDONLY: usize = 1;
const MS_NOSUID: usize = 2;
const MS_NODEV: usize = 4;
const MS_NOEXEC: usize = 8;
const MS_REMOUNT: usize = 32;
const MS_BIND: usize = 4096;
const MS_REC: usize = 16384;
const MS_PRIVATE: usize = 1 << 18;
const MNT_DETACH: usize = 2;

/// Mount, control group, UTS, IPC, process and network: `runc spec`'s.
const NAMESPACES: u64 = 0x2_0000 | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x2000_0000 | 0x4000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

const S_IFCHR: usize = 0o020_000;

// The kernel leaves argc, argv and envp on the stack and jumps to `_start`.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    start = sym start,
);
#[cfg(target_arch = "aarch64")]
global_asm!(".globl _start", "_start:", "mov x0, sp", "bl {start}", start = sym start);

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}

/// # Safety
/// `stack` points to the process's initial stack: argc, argv, NULL, envp, NULL.
unsafe extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: by the contract above, argc stands first and argv behind it.
    let (count, argv) = unsafe { (*stack, stack.add(1).cast::<Text>()) };
    if count < 3 {
        exit(2);
    }
    // SAFETY: there are at least three arguments.
    let (root, unified) = unsafe { (*argv.add(1), *argv.add(2)) };
    // SAFETY: the groups stand behind, and argv ends with NULL.
    let groups = unsafe { argv.add(3) };
    // SAFETY: an argument is a string of at least its NUL.
    let unified = (unsafe { *unified } != b'-').then_some(unified);

    for_each(groups, make_group);
    let child = match unified {
        Some(group) => clone_into(group),
        None => clone(NAMESPACES, 0),
    };
    if child == 0 {
        for_each(groups, |group| write_in(group, c"tasks", b"0"));
        enter(root);
        execute();
    }
    let mut status = 0u32;
    // SAFETY: one writable status.
    must(unsafe { call(number::WAIT4, [child, (&raw mut status) as usize, 0, 0, 0]) }, 10);
    for_each(groups, remove_group);
    if let Some(group) = unified {
        remove_group(group);
    }
    exit((status >> 8 & 0xff | status & 0x7f) as usize)
}

fn for_each(mut groups: *const Text, work: impl Fn(Text)) {
    loop {
        // SAFETY: argv ends with NULL, which is not passed.
        let group = unsafe { *groups };
        if group.is_null() {
            return;
        }
        work(group);
        // SAFETY: as above.
        groups = unsafe { groups.add(1) };
    }
}

/// Makes a group; one of `cpuset` gets the processors and memory of that above,
/// without which no process may join.
fn make_group(group: Text) {
    // SAFETY: `group` is a string.
    must(unsafe { call(number::MKDIRAT, [AT_FDCWD, group as usize, 0o755, 0, 0]) }, 11);
    for (above, own) in [(c"../cpuset.cpus", c"cpuset.cpus"), (c"../cpuset.mems", c"cpuset.mems")] {
        let dir = open(AT_FDCWD, group, O_DIRECTORY);
        // SAFETY: a constant string.
        let file = unsafe { call(number::OPENAT, [dir, above.as_ptr() as usize, 0, 0, 0]) };
        close(dir);
        if file < 0 {
            return; // another controller's
        }
        let mut text = [0u8; 64];
        // SAFETY: the buffer is as long as said.
        let length = unsafe { call(number::READ, [file as usize, text.as_mut_ptr() as usize, text.len(), 0, 0]) };
        close(file as usize);
        write_in(group, own, text.get(..length as usize).unwrap_or(&[]));
    }
}

fn remove_group(group: Text) {
    // SAFETY: `group` is a string.
    must(unsafe { call(number::UNLINKAT, [AT_FDCWD, group as usize, AT_REMOVEDIR, 0, 0]) }, 12);
}

fn write_in(group: Text, file: &CStr, text: &[u8]) {
    let dir = open(AT_FDCWD, group, O_DIRECTORY);
    let file = open(dir, file.as_ptr().cast(), O_WRONLY);
    // SAFETY: the text is as long as said.
    must(unsafe { call(number::WRITE, [file, text.as_ptr() as usize, text.len(), 0, 0]) }, 13);
    close(file);
    close(dir);
}

fn clone_into(group: Text) -> usize {
    // SAFETY: `group` is a string.
    must(unsafe { call(number::MKDIRAT, [AT_FDCWD, group as usize, 0o755, 0, 0]) }, 14);
    let dir = open(AT_FDCWD, group, O_DIRECTORY);
    let child = clone(NAMESPACES | CLONE_INTO_CGROUP, dir as u64);
    close(dir);
    child
}

fn clone(flags: u64, group: u64) -> usize {
    let mut arguments = [0u64; 11];
    arguments[0] = flags;
    arguments[4] = SIGCHLD as u64;
    arguments[10] = group;
    // SAFETY: clone_args(2) of 88 bytes; no memory is shared.
    must(unsafe { call(number::CLONE3, [arguments.as_ptr() as usize, 88, 0, 0, 0]) }, 15)
}

/// Mounts what the example mounts, and makes it the root.
fn enter(root: Text) {
    let root_dir = c"/".as_ptr().cast();
    mount(None, root_dir, None, MS_REC | MS_PRIVATE, None);
    mount(Some(root), root, None, MS_BIND | MS_REC, None);
    // SAFETY: `root` is a string.
    must(unsafe { call(number::CHDIR, [root as usize, 0, 0, 0, 0]) }, 16);
    let quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    file_system(c"proc", c"proc", quiet, None);
    file_system(c"tmpfs", c"dev", MS_NOSUID, Some(c"mode=755,size=65536k"));
    for dir in [c"dev/pts", c"dev/shm", c"dev/mqueue"] {
        // SAFETY: a constant string.
        must(unsafe { call(number::MKDIRAT, [AT_FDCWD, dir.as_ptr() as usize, 0o755, 0, 0]) }, 17);
    }
    let terminals = c"newinstance,ptmxmode=0666,mode=0620,gid=5";
    file_system(c"devpts", c"dev/pts", MS_NOSUID | MS_NOEXEC, Some(terminals));
    file_system(c"tmpfs", c"dev/shm", quiet, Some(c"mode=1777,size=65536k"));
    file_system(c"mqueue", c"dev/mqueue", quiet, None);
    file_system(c"sysfs", c"sys", quiet | MS_RDONLY, None);
    devices();
    mask();
    // SAFETY: constant strings.
    must(unsafe { call(number::PIVOT_ROOT, [c".".as_ptr() as usize, c".".as_ptr() as usize, 0, 0, 0]) }, 18);
    // SAFETY: a constant string.
    must(unsafe { call(number::UMOUNT2, [c".".as_ptr() as usize, MNT_DETACH, 0, 0, 0]) }, 19);
    // SAFETY: a constant string.
    must(unsafe { call(number::CHDIR, [root_dir as usize, 0, 0, 0, 0]) }, 20);
    // SAFETY: a constant string, as long as said.
    must(unsafe { call(number::SETHOSTNAME, [c"c".as_ptr() as usize, 1, 0, 0, 0]) }, 21);
}

fn devices() {
    // SAFETY: a number only.
    unsafe { call(number::UMASK, [0, 0, 0, 0, 0]) };
    let nodes = [
        (c"dev/null", 1, 3),
        (c"dev/zero", 1, 5),
        (c"dev/full", 1, 7),
        (c"dev/random", 1, 8),
        (c"dev/urandom", 1, 9),
        (c"dev/tty", 5, 0),
    ];
    for (path, major, minor) in nodes {
        let (path, number) = (path.as_ptr() as usize, major << 8 | minor);
        // SAFETY: a constant string.
        must(unsafe { call(number::MKNODAT, [AT_FDCWD, path, S_IFCHR | 0o666, number, 0]) }, 22);
    }
    let links = [
        (c"/proc/self/fd", c"dev/fd"),
        (c"/proc/self/fd/0", c"dev/stdin"),
        (c"/proc/self/fd/1", c"dev/stdout"),
        (c"/proc/self/fd/2", c"dev/stderr"),
        (c"pts/ptmx", c"dev/ptmx"),
    ];
    for (target, path) in links {
        let (target, path) = (target.as_ptr() as usize, path.as_ptr() as usize);
        // SAFETY: constant strings.
        must(unsafe { call(number::SYMLINKAT, [target, AT_FDCWD, path, 0, 0]) }, 23);
    }
}

/// Not every kernel has each of these files: what is not there is not masked.
fn mask() {
    for file in [c"proc/kcore", c"proc/keys", c"proc/timer_list"] {
        try_mount(Some(c"dev/null".as_ptr().cast()), file.as_ptr().cast(), None, MS_BIND, None);
    }
    for path in [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"] {
        let path = path.as_ptr().cast();
        try_mount(Some(path), path, None, MS_BIND | MS_REC, None);
        try_mount(None, path, None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_REC, None);
    }
    for dir in [c"proc/acpi", c"proc/scsi"] {
        let tmpfs = c"tmpfs".as_ptr().cast();
        try_mount(Some(tmpfs), dir.as_ptr().cast(), Some(tmpfs), MS_RDONLY, None);
    }
}

fn file_system(kind: &CStr, target: &CStr, flags: usize, data: Option<&CStr>) {
    let kind = kind.as_ptr().cast();
    mount(Some(kind), target.as_ptr().cast(), Some(kind), flags, data);
}

fn mount(source: Option<Text>, target: Text, kind: Option<Text>, flags: usize, data: Option<&CStr>) {
    must(try_mount(source, target, kind, flags, data), 24);
}

fn try_mount(source: Option<Text>, target: Text, kind: Option<Text>, flags: usize, data: Option<&CStr>) -> isize {
    let pointer = |text: Option<Text>| text.map_or(0, |text| text as usize);
    let data = data.map_or(0, |data| data.as_ptr() as usize);
    // SAFETY: each is a string or NULL.
    unsafe { call(number::MOUNT, [pointer(source), target as usize, pointer(kind), flags, data]) }
}

fn execute() -> ! {
    let path = c"/true".as_ptr() as usize;
    let argv = [path, c"exit".as_ptr() as usize, 0];
    let envp = [0usize];
    let (argv, envp) = (argv.as_ptr() as usize, envp.as_ptr() as usize);
    // SAFETY: NULL-terminated arrays of strings; on success this does not return.
    unsafe { call(number::EXECVE, [path, argv, envp, 0, 0]) };
    exit(25)
}

fn open(dir: usize, path: Text, flags: usize) -> usize {
    // SAFETY: `path` is a string.
    must(unsafe { call(number::OPENAT, [dir, path as usize, flags, 0, 0]) }, 26)
}

fn close(descriptor: usize) {
    // SAFETY: a descriptor of our own.
    unsafe { call(number::CLOSE, [descriptor, 0, 0, 0, 0]) };
}

/// A result, or the end, with a status that says where.
fn must(result: isize, status: usize) -> usize {
    if result < 0 {
        exit(status);
    }
    result as usize
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group takes a status and does not return.
    unsafe { call(number::EXIT_GROUP, [status, 0, 0, 0, 0]) };
    loop {}
}
