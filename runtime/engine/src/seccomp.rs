//! The default system call filter, as data.
//!
//! An allow list: what ordinary programs use, by what it is for. Left out is
//! what changes the whole machine (modules, reboot, clock, swap), what reaches
//! into the kernel's young or large surfaces (bpf, perf, `io_uring`, userfaultfd,
//! key rings), and what a container could build a container with (mount,
//! unshare, `pivot_root`). Comparable to the policy that Docker ships.

use isolab_oci::spec::{Action, Arg, Comparison, Rule, Seccomp};

const FILES: &str = "access chdir chmod chown chown32 close close_range copy_file_range creat dup \
    dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 \
    fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock fremovexattr \
    fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd \
    getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 \
    inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup \
    io_submit ioctl lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek \
    lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at \
    newfstatat open openat openat2 pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read \
    readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir \
    sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink \
    symlinkat sync sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime \
    utimensat utimensat_time64 utimes vmsplice write writev";

const MEMORY: &str = "brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret \
    mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap \
    pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages";

const PROCESSES: &str = "arch_prctl capget capset execve execveat exit exit_group fork get_robust_list \
    get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 \
    getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 getrlimit \
    getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set landlock_add_rule \
    landlock_create_ruleset landlock_restrict_self modify_ldt nice pidfd_open pidfd_send_signal prctl \
    prlimit64 process_vm_readv process_vm_writev ptrace rseq sched_get_priority_max \
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler \
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr \
    sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area \
    set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 \
    setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid \
    setreuid32 setrlimit setsid setuid setuid32 sysinfo times ugetrlimit uname vfork wait4 waitid \
    waitpid";

const WAITING: &str = "alarm epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait \
    epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 \
    futex_wait futex_waitv futex_wake kill _newselect pause poll ppoll ppoll_time64 pselect6 \
    pselect6_time64 restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo \
    rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo select \
    sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend \
    tgkill tkill";

const TIME: &str = "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 \
    clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday \
    nanosleep setitimer time timer_create timer_delete timer_getoverrun timer_gettime \
    timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 \
    timerfd_settime timerfd_settime64";

const TALKING: &str = "accept accept4 bind connect getpeername getrandom getsockname getsockopt ipc \
    listen mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd recv recvfrom recvmmsg \
    recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg sendmsg \
    sendto setsockopt shmat shmctl shmdt shmget shutdown socketcall socketpair";

/// Every `CLONE_NEW*` flag of `clone(2)`: namespaces are the runtime's business.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// The values of `personality(2)` that change only how a program sees itself:
/// Linux, with and without its 32-bit and no-randomization variants, and "tell me".
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// `AF_VSOCK`: its addresses reach the hypervisor, past every network namespace.
const AF_VSOCK: u64 = 40;

/// The default filter: what no rule allows fails with `EPERM`.
#[must_use]
pub fn default_profile() -> Seccomp {
    let groups = [FILES, MEMORY, PROCESSES, WAITING, TIME, TALKING];
    let plain = groups
        .iter()
        .flat_map(|group| group.split_whitespace())
        .map(str::to_owned);
    let mut syscalls = vec![allow(plain.collect(), Vec::new())];
    for value in PERSONALITIES {
        syscalls.push(allow(
            one("personality"),
            vec![argument(0, Comparison::Equal, value)],
        ));
    }
    syscalls.push(allow(
        one("socket"),
        vec![argument(0, Comparison::NotEqual, AF_VSOCK)],
    ));
    // `value` is the mask, `value_two` what must remain: no such flag.
    syscalls.push(allow(
        one("clone"),
        vec![argument(0, Comparison::MaskedEqual, NEW_NAMESPACES)],
    ));
    // Its flags lie in memory, where a filter cannot look; told that it does
    // not exist, every libc falls back to `clone`.
    syscalls.push(Rule {
        names: one("clone3"),
        action: Action::Errno,
        errno_ret: Some(libc::ENOSYS.cast_unsigned()),
        args: Vec::new(),
    });
    let architectures = [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_AARCH64",
    ];
    Seccomp {
        default_action: Action::Errno,
        default_errno_ret: Some(libc::EPERM.cast_unsigned()),
        architectures: architectures.map(str::to_owned).to_vec(),
        syscalls,
        ..Seccomp::default()
    }
}

fn one(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn allow(names: Vec<String>, args: Vec<Arg>) -> Rule {
    Rule {
        names,
        action: Action::Allow,
        errno_ret: None,
        args,
    }
}

fn argument(index: u32, op: Comparison, value: u64) -> Arg {
    Arg {
        index,
        value,
        value_two: 0,
        op,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isolab_oci::security::seccomp::Filter;

    fn allowed() -> Vec<String> {
        default_profile()
            .syscalls
            .into_iter()
            .flat_map(|rule| rule.names)
            .collect()
    }

    #[test]
    fn the_profile_compiles_to_less_than_the_kernels_limit() {
        let filter = Filter::compile(&default_profile()).unwrap();
        assert!(
            filter.program().len() < 1000,
            "{} instructions",
            filter.program().len()
        );
    }

    #[test]
    fn what_changes_the_machine_or_makes_containers_is_not_allowed() {
        let allowed = allowed();
        for name in "mount umount2 unshare setns pivot_root open_tree move_mount fsopen bpf reboot \
            kexec_load init_module delete_module keyctl add_key perf_event_open userfaultfd \
            io_uring_setup swapon settimeofday clock_settime open_by_handle_at iopl chroot"
            .split_whitespace()
        {
            assert!(!allowed.iter().any(|n| n == name), "{name} is allowed");
        }
    }

    #[test]
    fn no_call_is_listed_twice() {
        let mut plain = default_profile().syscalls.remove(0).names;
        plain.sort_unstable();
        assert!(plain.windows(2).all(|pair| pair[0] != pair[1]), "{plain:?}");
    }
}
