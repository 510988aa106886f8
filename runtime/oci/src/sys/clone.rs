//! Making a process: `clone3(2)` with shared memory, on a stack of its own.
//!
//! `fork(2)` copies the page tables, which costs in proportion to the parent.
//! A child that will execute another program needs none of its parent's pages:
//! with `CLONE_VM` it borrows them. `vfork(2)` does the same but stops the
//! parent meanwhile; here the parent goes on working (it makes the control
//! groups while the child mounts), and `with_child` waits at its end for the
//! moment at which the child lets go of the memory, that is, executes or exits.

use std::ffi::c_void;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use super::raw::{int, pad, syscall};
use super::signal::{self, SignalSet};
use super::{Descriptor, Errno, Result, futex};

/// What the clone shall do besides sharing memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request {
    /// Namespaces to make (`CLONE_NEW*`).
    pub namespaces: u64,
    /// A version 2 control group to be born into.
    pub cgroup: Option<RawFd>,
}

/// A new process.
#[derive(Debug)]
pub struct Child {
    /// Its process id, as this process sees it.
    pub pid: i32,
    /// A descriptor of it, readable once it has ended.
    pub pidfd: OwnedFd,
}

/// `struct clone_args`, `clone(2)`.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const STACK_SIZE: usize = 128 * 1024;
const GUARD_SIZE: usize = 4096;

/// The child's stack, with an inaccessible page below it.
struct Stack(*mut c_void);

impl Stack {
    /// `mmap(2)` and `mprotect(2)`.
    fn new() -> Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK;
        // SAFETY: a fresh anonymous mapping, at an address the kernel picks.
        let base = unsafe {
            syscall!(
                SYS_mmap,
                0usize,
                STACK_SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                -1,
                0
            )
        }?;
        // SAFETY: the first page of the mapping just made, which nobody uses.
        let guarded = unsafe { syscall!(SYS_mprotect, base, GUARD_SIZE, libc::PROT_NONE) };
        let stack = Self(std::ptr::with_exposed_provenance_mut(base));
        guarded.map(|_| stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`; `with_child` drops it only once
        // the child no longer runs on it.
        let _ = unsafe { syscall!(SYS_munmap, self.0, STACK_SIZE) };
    }
}

/// Handed to the child by address.
struct Start<'a, T> {
    body: fn(&T) -> i32,
    shared: &'a T,
}

/// Waits until the child has let go of the memory, whatever happens before.
struct Borrowed<'a> {
    running: &'a AtomicU32,
    mask: SignalSet,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        futex::wait_while(self.running, 1);
        signal::set_mask(self.mask);
    }
}

/// Starts a child that runs `body(shared)` and exits with what it returns,
/// while this thread runs `meanwhile`; returns when the child has executed a
/// program or ended.
///
/// Every signal is blocked in this thread until then, and in the child until
/// it unblocks them: a handler would run on borrowed memory. The child starts
/// with no handler and nothing ignored, as the kernel starts its first process,
/// and with a copy of the descriptor table.
///
/// `body` runs on this thread's thread-local storage, so it must not allocate,
/// take a lock, panic, or call libc: nothing but what this room's calls do.
/// That is why this function is not public.
///
/// # Errors
/// `EPERM` for a namespace that may not be made; `ENOSPC` at a limit of
/// namespaces; `EAGAIN` at a limit of processes; `EACCES`, `EBUSY` for `cgroup`.
pub(crate) fn with_child<T: Sync, R>(
    request: Request,
    shared: &T,
    body: fn(&T) -> i32,
    meanwhile: impl FnOnce(&Child) -> R,
) -> Result<(Child, R)> {
    let stack = Stack::new()?;
    let running = AtomicU32::new(1);
    let borrowed = Borrowed {
        running: &running,
        mask: signal::set_mask(SignalSet::ALL),
    };
    let start = Start { body, shared };
    let child = start_child(request, &stack, &running, &start)?;
    let result = meanwhile(&child);
    drop(borrowed);
    Ok((child, result))
}

/// Starts a child by way of an intermediate one: the first runs `before(shared)`
/// and, where that returns 0, clones the second, a child of this process too
/// (`CLONE_PARENT`), and exits.
///
/// For what a process can only do to its children: a process never changes its
/// own pid namespace, and one that is to be made in a user namespace that
/// exists has to be made from inside of it.
///
/// Everything else is as for [`with_child`]. `None` where `before` failed.
///
/// # Errors
/// As for [`with_child`], from either clone.
pub(crate) fn with_grandchild<T: Sync, R>(
    first: Request,
    before: fn(&T) -> i32,
    second: Request,
    shared: &T,
    body: fn(&T) -> i32,
    meanwhile: impl FnOnce(&Child) -> R,
) -> Result<Option<(Child, R)>> {
    let (stack, inner_stack) = (Stack::new()?, Stack::new()?);
    let (running, inner_running) = (AtomicU32::new(1), AtomicU32::new(1));
    let inner_borrowed = Borrowed {
        running: &inner_running,
        mask: signal::set_mask(SignalSet::ALL),
    };
    let intermediate = Intermediate {
        before,
        request: second,
        stack: &inner_stack,
        running: &inner_running,
        start: Start { body, shared },
        pid: AtomicI32::new(0),
        failure: AtomicI32::new(0),
    };
    let start = Start {
        body: Intermediate::run,
        shared: &intermediate,
    };
    let outer = start_child(first, &stack, &running, &start).inspect_err(|_| {
        inner_running.store(0, Ordering::Release);
    })?;
    futex::wait_while(&running, 1);
    let _ = super::process::wait_for(outer.pid, true);
    // Its descriptor is free for the other's.
    drop(outer);
    let pid = intermediate.pid.load(Ordering::Acquire);
    if pid == 0 {
        // Killed, perhaps, before it could say so.
        inner_running.store(0, Ordering::Release);
        drop(inner_borrowed);
        return match intermediate.failure.load(Ordering::Acquire) {
            0 => Ok(None),
            errno => Err(Errno(errno)),
        };
    }
    // Not reaped yet, so its number cannot be anybody else's.
    let pidfd = super::process::pidfd_open(pid).inspect_err(|_| {
        // It would wait for what nobody does now.
        let _ = super::process::kill(pid, libc::SIGKILL);
        let _ = super::process::wait_for(pid, true);
    })?;
    let child = Child {
        pid,
        pidfd: pidfd.into_owned(),
    };
    let result = meanwhile(&child);
    drop(inner_borrowed);
    Ok(Some((child, result)))
}

/// What the intermediate child needs to make the second.
struct Intermediate<'a, T> {
    before: fn(&T) -> i32,
    request: Request,
    stack: &'a Stack,
    running: &'a AtomicU32,
    start: Start<'a, T>,
    /// The second child's id, as this process sees it.
    pid: AtomicI32,
    /// The errno of its clone, or 0.
    failure: AtomicI32,
}

// SAFETY: only the intermediate child reads `stack`'s address, to hand it to
// the kernel; everything else in it is shared by atomics or behind `T: Sync`.
unsafe impl<T: Sync> Sync for Intermediate<'_, T> {}

impl<T: Sync> Intermediate<'_, T> {
    /// Runs in the intermediate child.
    fn run(&self) -> i32 {
        if (self.before)(self.start.shared) != 0 {
            return 1;
        }
        let cloned = match clone3(
            self.request,
            Place::Sibling(&self.pid),
            self.stack,
            self.running,
            &self.start,
        ) {
            Err(Errno(libc::ENOSYS)) if self.request.cgroup.is_none() => clone(
                self.request,
                Place::Sibling(&self.pid),
                self.stack,
                self.running,
                &self.start,
            ),
            other => other,
        };
        match cloned {
            Ok(_) => 0,
            Err(errno) => {
                self.failure.store(errno.code(), Ordering::Release);
                1
            }
        }
    }
}

/// Clones; on failure there is nobody to wait for.
fn start_child<T>(
    request: Request,
    stack: &Stack,
    running: &AtomicU32,
    start: &Start<'_, T>,
) -> Result<Child> {
    let mut pidfd: RawFd = -1;
    let place = Place::Child(&raw mut pidfd);
    let cloned = match clone3(request, place, stack, running, start) {
        // Container engines answer ENOSYS for clone3, whose flags a seccomp
        // filter cannot see; the old call can do what a plain process needs.
        Err(Errno(libc::ENOSYS)) if request.cgroup.is_none() => {
            clone(request, place, stack, running, start)
        }
        other => other,
    };
    let pid = cloned.inspect_err(|_| running.store(0, Ordering::Release))?;
    Ok(Child {
        pid,
        pidfd: Descriptor::from_raw(pidfd).into_owned(),
    })
}

/// Whose child the new process is, and where the kernel notes what the caller
/// has to know of it.
#[derive(Clone, Copy)]
enum Place<'a> {
    /// The caller's: a pidfd is stored.
    Child(*mut RawFd),
    /// The caller's parent's: its id is stored.
    Sibling(&'a AtomicI32),
}

impl Place<'_> {
    /// The flags, and the values of `pidfd` and `parent_tid`.
    fn request(self) -> (u64, u64, u64) {
        match self {
            Self::Child(pidfd) => (
                u64::from(libc::CLONE_PIDFD.cast_unsigned()),
                pidfd.expose_provenance() as u64,
                0,
            ),
            Self::Sibling(pid) => (
                u64::from((libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID).cast_unsigned()),
                0,
                pid.as_ptr().expose_provenance() as u64,
            ),
        }
    }
}

/// Shared memory, and the word that the kernel clears, waking its waiters, when
/// the child executes or exits (`CLONE_CHILD_CLEARTID`).
const FLAGS: u64 = (libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID) as u64;

/// `long clone3(struct clone_args *, size_t)`, `clone(2)`.
fn clone3<T>(
    request: Request,
    place: Place<'_>,
    stack: &Stack,
    running: &AtomicU32,
    start: &Start<'_, T>,
) -> Result<i32> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let into = request.cgroup.map_or(0, |_| CLONE_INTO_CGROUP);
    let (flags, pidfd, parent_tid) = place.request();
    let mut args = CloneArgs {
        flags: FLAGS | flags | into | request.namespaces,
        pidfd,
        parent_tid,
        child_tid: running.as_ptr().expose_provenance() as u64,
        // A sibling's is its maker's, and the kernel wants none named.
        exit_signal: match place {
            Place::Child(_) => u64::from(libc::SIGCHLD.cast_unsigned()),
            Place::Sibling(_) => 0,
        },
        stack: stack.0.expose_provenance() as u64,
        stack_size: STACK_SIZE as u64,
        cgroup: request.cgroup.map_or(0, |fd| u64::from(fd.cast_unsigned())),
        ..CloneArgs::default()
    };
    let call = [(&raw mut args).expose_provenance(), size_of::<CloneArgs>()];
    // SAFETY: `args` is the kernel's structure with its true size; the stack is
    // a live mapping used by nobody else; `start`, `running` and the stack
    // outlive the child's use of them, since whoever calls this waits for it.
    unsafe { enter(libc::SYS_clone3, pad(call), entry::<T>, start) }.map(int)
}

/// `long clone(unsigned long flags, void *stack, int *parent_tid, ...)`, `clone(2)`.
fn clone<T>(
    request: Request,
    place: Place<'_>,
    stack: &Stack,
    running: &AtomicU32,
    start: &Start<'_, T>,
) -> Result<i32> {
    let (flags, pidfd, parent_tid) = place.request();
    let flags = (FLAGS | flags | request.namespaces) as usize | libc::SIGCHLD as usize;
    let top = stack.0.expose_provenance() + STACK_SIZE;
    // The pidfd is stored where `parent_tid` points; only one of them is asked for.
    let (stored, tid) = (
        (pidfd | parent_tid) as usize,
        running.as_ptr().expose_provenance(),
    );
    #[cfg(target_arch = "x86_64")]
    let call = [flags, top, stored, tid, 0];
    #[cfg(target_arch = "aarch64")]
    let call = [flags, top, stored, 0, tid];
    // SAFETY: as for `clone3`.
    unsafe { enter(libc::SYS_clone, pad(call), entry::<T>, start) }.map(int)
}

/// The child's first function, on its own stack.
extern "C" fn entry<T>(start: *const Start<'_, T>) -> ! {
    // SAFETY: `with_child` keeps `start` alive until this process has let go
    // of the memory, and changes it no more after the clone.
    let start = unsafe { &*start };
    // Not by `CLONE_CLEAR_SIGHAND`, which leaves ignored what is: `nohup` is
    // meant for who makes the container, not for what runs in it.
    (1..=64).for_each(signal::reset_handler);
    super::process::exit_now((start.body)(start.shared))
}

/// Enters the kernel for a clone. It returns twice: here with the child's id,
/// and on the new stack, where there is no frame to return to, so the child
/// calls `entry` at once.
///
/// # Safety
/// `number` and `args` must be a valid clone with a new stack, whose owner
/// keeps it and `start` until the child has executed or exited.
unsafe fn enter<T>(
    number: libc::c_long,
    args: [usize; 6],
    entry: extern "C" fn(*const Start<'_, T>) -> !,
    start: &Start<'_, T>,
) -> Result<usize> {
    let returned: isize;
    let start = std::ptr::from_ref(start);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the parent's path is that of `raw::call`. The child's path
    // touches only registers and its new, aligned stack, and never comes back.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            // Both operands may be in rbp, so it is cleared after their last use.
            "mov rdi, {start}",
            "mov rax, {entry}",
            "xor ebp, ebp",
            "call rax",
            "ud2",
            "2:",
            start = in(reg) start,
            entry = in(reg) entry,
            inlateout("rax") number as isize => returned,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2], in("r10") args[3],
            in("r8") args[4], out("rcx") _, out("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x0, {start}",
            "mov x16, {entry}",
            "mov x29, xzr",
            "blr x16",
            "brk #1",
            "2:",
            start = in(reg) start,
            entry = in(reg) entry,
            in("x8") number as isize,
            inlateout("x0") args[0] => returned,
            in("x1") args[1], in("x2") args[2], in("x3") args[3], in("x4") args[4],
            out("x16") _, out("x30") _,
        );
    }
    super::raw::decode(returned)
}
