//! The default system call filter, as data: the policy that Docker ships, by
//! what a call is for.
//!
//! An allow list. Left out is what changes the whole machine (modules, reboot,
//! clock, swap), what reaches into the kernel's young or large surfaces (bpf,
//! perf, `io_uring`, userfaultfd, key rings), and what a container could build a
//! container with (mount, unshare, `pivot_root`). A capability that a container
//! has brings the calls back that it is for: without them it would be useless.
//!
//! Source of the names: `seccomp/default.json` of <https://github.com/moby/profiles>.

use isolab_oci::spec::{Action, Arg, Comparison, Rule, Seccomp};

const FILES: &str = "access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 \
    faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark fchdir fchmod fchmodat \
    fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock \
    fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 \
    futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init \
    inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents \
    io_pgetevents_time64 io_setup io_submit ioctl lchown lchown32 lgetxattr link linkat \
    listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat \
    lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2 pipe \
    pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat \
    readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr \
    setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync \
    sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat \
    utimensat_time64 utimes vmsplice write writev";

const MEMORY: &str = "brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock \
    mlock2 mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc \
    pkey_free pkey_mprotect process_mrelease remap_file_pages";

const PROCESSES: &str = "arch_prctl capget capset execve execveat exit exit_group fork get_robust_list \
    get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups \
    getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid \
    getresuid32 getrlimit getrusage getsid gettid getuid getuid32 ioprio_get ioprio_set \
    landlock_add_rule landlock_create_ruleset landlock_restrict_self modify_ldt pidfd_open \
    pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace riscv_hwprobe \
    rseq sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr \
    sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 \
    sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp \
    set_robust_list set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 \
    setgid setgid32 setgroups setgroups32 setpgid setpriority setregid setregid32 setresgid \
    setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid setuid setuid32 \
    sysinfo times ugetrlimit uname uretprobe vfork wait4 waitid waitpid";

const WAITING: &str = "alarm epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait \
    epoll_wait_old eventfd eventfd2 futex futex_requeue futex_time64 futex_wait futex_waitv \
    futex_wake kill _newselect pause poll ppoll ppoll_time64 pselect6 pselect6_time64 \
    restart_syscall rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn \
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo select sigaltstack \
    signalfd signalfd4 sigprocmask sigreturn tgkill tkill";

const TIME: &str = "adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime \
    clock_gettime64 clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep \
    setitimer time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 \
    timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 \
    timerfd_settime timerfd_settime64";

const TALKING: &str = "accept accept4 bind connect getpeername getrandom getsockname getsockopt ipc listen \
    mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend \
    mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd recv recvfrom recvmmsg \
    recvmmsg_time64 recvmsg semctl semget semop semtimedop semtimedop_time64 send sendmmsg \
    sendmsg sendto setsockopt shmat shmctl shmdt shmget shutdown socketcall socketpair";

/// What 32-bit ARM has besides; other machines have no such calls.
const ARM: &str = "arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls \
    sync_file_range2";

/// What each capability is for, and no container needs without it.
const WITH: [(&str, &str); 14] = [
    ("CAP_BPF", "bpf"),
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ("CAP_PERFMON", "perf_event_open"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie \
        lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree \
        perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 \
        unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    (
        "CAP_SYS_NICE",
        "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    (
        "CAP_SYS_TIME",
        "clock_settime clock_settime64 settimeofday stime",
    ),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYSLOG", "syslog"),
];

/// Every `CLONE_NEW*` flag of `clone(2)`: namespaces are the runtime's business.
const NEW_NAMESPACES: u64 = 0x7e02_0000;

/// The values of `personality(2)` that change only how a program sees itself:
/// Linux, with and without its 32-bit and no-randomization variants, and "tell me".
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Address families below this one are all allowed: Unix, IP and their age.
const FAMILIES_BELOW: u64 = 12;
/// Those above that are allowed too. Not among them: the kernel's cryptography
/// (`AF_ALG`, 38), the hypervisor's (`AF_VSOCK`, 40, past every network
/// namespace), and what nobody has spoken for decades.
const FAMILIES: [u64; 25] = [
    13, 14, 15, 16, 17, 18, 21, 22, 24, 26, 27, 28, 29, 30, 31, 32, 33, 35, 36, 39, 41, 42, 43, 44,
    45,
];

/// The filter of a container that keeps no capability: what no rule allows
/// fails with `EPERM`.
#[must_use]
pub fn default_profile() -> Seccomp {
    profile(&[])
}

/// The filter of a container that keeps `capabilities`.
#[must_use]
pub fn profile(capabilities: &[String]) -> Seccomp {
    let has = |name: &str| capabilities.iter().any(|c| c == name);
    let groups = [FILES, MEMORY, PROCESSES, WAITING, TIME, TALKING, ARM];
    let more = WITH.iter().filter(|(name, _)| has(name));
    let plain = groups
        .into_iter()
        .chain(more.map(|&(_, calls)| calls))
        .flat_map(str::split_whitespace)
        .map(str::to_owned);
    let mut names: Vec<String> = plain.collect();
    names.sort_unstable();
    names.dedup();
    let mut syscalls = vec![allow(names, Vec::new())];
    for value in PERSONALITIES {
        syscalls.push(allow(
            one("personality"),
            vec![argument(0, Comparison::Equal, value)],
        ));
    }
    let below = argument(0, Comparison::Less, FAMILIES_BELOW);
    let others = FAMILIES.map(|family| argument(0, Comparison::Equal, family));
    for condition in std::iter::once(below).chain(others) {
        syscalls.push(allow(one("socket"), vec![condition]));
    }
    if !has("CAP_SYS_ADMIN") {
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
    }
    let architectures = [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_ARM",
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
            filter.program().len() < 2000,
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
        let groups = [FILES, MEMORY, PROCESSES, WAITING, TIME, TALKING, ARM];
        let mut plain: Vec<_> = groups.iter().flat_map(|g| g.split_whitespace()).collect();
        plain.sort_unstable();
        assert!(plain.windows(2).all(|pair| pair[0] != pair[1]), "{plain:?}");
    }

    #[test]
    fn a_capability_brings_back_the_calls_that_it_is_for_and_no_others() {
        let allowed = |capability: &str| {
            let profile = profile(&[capability.to_owned()]);
            Filter::compile(&profile).unwrap();
            profile.syscalls[0].names.clone()
        };
        let none = allowed("CAP_KILL");
        for (capability, calls) in WITH {
            assert!(
                isolab_oci::security::capability::number(capability).is_some(),
                "{capability}"
            );
            let with = allowed(capability);
            let more: Vec<_> = with.iter().filter(|name| !none.contains(name)).collect();
            let calls: Vec<_> = calls.split_whitespace().collect();
            assert_eq!(more, calls, "{capability}");
        }
        let admin = profile(&["CAP_SYS_ADMIN".to_owned()]);
        assert!(
            admin
                .syscalls
                .iter()
                .all(|rule| rule.action == Action::Allow)
        );
    }
}
