//! config-linux.md: seccomp, and its listener.

use serde_json::{Value, json};

use crate::case::Case;
use crate::receive::{Receiver, socket_path};
use crate::subject::Subject;
use crate::{Claim, Need, anyone, host};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_filter_answers_with_its_errno",
        section: "config-linux.md, Seccomp",
        level: "OPTIONAL",
        gist: "SCMP_ACT_ERRNO gives `errnoRet`, or EPERM where there is none",
        need: anyone,
        test: errno,
    },
    Claim {
        name: "a_default_action_is_for_all_other_calls",
        section: "config-linux.md, Seccomp",
        level: "REQUIRED",
        gist: "`defaultAction` holds where no rule matches, with `defaultErrnoRet` or EPERM",
        need: anyone,
        test: default_action,
    },
    Claim {
        name: "a_rule_can_end_the_process",
        section: "config-linux.md, Seccomp",
        level: "OPTIONAL",
        gist: "SCMP_ACT_KILL, KILL_PROCESS and TRAP end the caller by SIGSYS; ALLOW and LOG let the call be",
        need: anyone,
        test: kill,
    },
    Claim {
        name: "a_rule_can_look_at_arguments",
        section: "config-linux.md, Seccomp",
        level: "OPTIONAL",
        gist: "`args` compare with every operator, with `valueTwo` for the masked one; all of a rule must match",
        need: anyone,
        test: arguments,
    },
    Claim {
        name: "an_errno_for_an_action_without_one_is_refused",
        section: "config-linux.md, Seccomp",
        level: "MUST",
        gist: "`errnoRet` or `defaultErrnoRet` with an action that takes none is an error",
        need: anyone,
        test: no_errno,
    },
    Claim {
        name: "a_rule_has_at_least_one_name",
        section: "config-linux.md, Seccomp",
        level: "MUST",
        gist: "`names` is not empty",
        need: anyone,
        test: names,
    },
    Claim {
        name: "a_word_that_seccomp_does_not_know_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "actions, operators, architectures and flags are those that are defined",
        need: anyone,
        test: words,
    },
    Claim {
        name: "the_architectures_of_the_machine_are_accepted",
        section: "config-linux.md, Seccomp",
        level: "OPTIONAL",
        gist: "`architectures` are those whose calls the filter judges",
        need: anyone,
        test: architectures,
    },
    Claim {
        name: "the_flags_of_a_filter_are_accepted",
        section: "config-linux.md, Seccomp",
        level: "OPTIONAL",
        gist: "`flags` LOG, SPEC_ALLOW and TSYNC",
        need: anyone,
        test: flags,
    },
    Claim {
        name: "a_listener_is_sent_with_the_state",
        section: "config-linux.md, Seccomp",
        level: "MUST",
        gist: "with SCMP_ACT_NOTIFY one connection to `listenerPath` brings one container process state, the descriptors with \
               its first message, named in `fds`; then it is closed",
        need: anyone,
        test: listener,
    },
    Claim {
        name: "a_listener_that_cannot_be_reached_is_an_error",
        section: "config-linux.md, Seccomp",
        level: "MUST",
        gist: "where the state cannot be sent, there is no container",
        need: anyone,
        test: unreachable,
    },
    Claim {
        name: "a_listener_without_its_action_is_ignored",
        section: "config-linux.md, Seccomp",
        level: "MUST",
        gist: "without SCMP_ACT_NOTIFY `listenerPath` has no effect",
        need: anyone,
        test: ignored,
    },
    Claim {
        name: "metadata_without_a_listener_is_refused",
        section: "config-linux.md, Seccomp",
        level: "MUST NOT",
        gist: "`listenerMetadata` is not set without `listenerPath`",
        need: notify,
        test: metadata,
    },
];

/// Whether the kernel has seccomp's user notification.
fn notify(_: Subject) -> Need {
    let actions = std::fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail");
    if actions.is_ok_and(|text| text.contains("user_notif")) {
        Ok(())
    } else {
        Err("the kernel has no user notification".to_owned())
    }
}

/// What a script writes under a filter.
fn filtered(subject: Subject, script: &str, seccomp: Value) -> String {
    let case = Case::new(subject);
    let mut config = case.config(script);
    config["linux"]["seccomp"] = seccomp;
    case.output(&config)
}

fn rule(names: &[&str], action: &str) -> Value {
    json!({ "names": names, "action": action })
}

fn allow_but(rules: Value) -> Value {
    let mut policy = json!({ "defaultAction": "SCMP_ACT_ALLOW" });
    policy["syscalls"] = rules;
    policy
}

fn errno(subject: Subject) {
    let mkdir = &["mkdir", "mkdirat"];
    let mut with = rule(&["rmdir", "unlinkat"], "SCMP_ACT_ERRNO");
    with["errnoRet"] = json!(38);
    let rules = json!([
        rule(mkdir, "SCMP_ACT_ERRNO"),
        with,
        rule(&["no_such_call"], "SCMP_ACT_ERRNO")
    ]);
    let text = filtered(
        subject,
        "mkdir /a 2>&1; rmdir /tmp 2>&1; echo end",
        allow_but(rules),
    );
    assert!(text.contains("Operation not permitted"), "{text}");
    assert!(text.contains("Function not implemented"), "{text}");
    assert!(text.ends_with("end\n"), "{text}");
}

/// The calls that a shell needs, and those that a runtime makes between the
/// filter and the program.
const NEEDED: &[&str] = &[
    "access",
    "alarm",
    "arch_prctl",
    "bind",
    "brk",
    "capget",
    "capset",
    "chdir",
    "chown",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "close",
    "close_range",
    "connect",
    "dup",
    "dup2",
    "dup3",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_wait",
    "eventfd2",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "faccessat",
    "faccessat2",
    "fchdir",
    "fchown",
    "fchownat",
    "fcntl",
    "fork",
    "fstat",
    "fstatfs",
    "fsync",
    "futex",
    "getcwd",
    "getdents64",
    "getegid",
    "geteuid",
    "getgid",
    "getgroups",
    "getpgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getresgid",
    "getresuid",
    "getrlimit",
    "getsid",
    "getsockopt",
    "gettid",
    "getuid",
    "ioctl",
    "keyctl",
    "kill",
    "lchown",
    "lseek",
    "lstat",
    "madvise",
    "membarrier",
    "memfd_create",
    "mmap",
    "mount",
    "mprotect",
    "mremap",
    "munmap",
    "nanosleep",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "personality",
    "pidfd_open",
    "pidfd_send_signal",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "prctl",
    "pread64",
    "prlimit64",
    "pselect6",
    "read",
    "readlink",
    "readlinkat",
    "recvfrom",
    "recvmsg",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sched_getaffinity",
    "sched_yield",
    "seccomp",
    "select",
    "sendfile",
    "sendmsg",
    "sendto",
    "set_robust_list",
    "set_tid_address",
    "setgid",
    "setgroups",
    "sethostname",
    "setitimer",
    "setpgid",
    "setpriority",
    "setresgid",
    "setresuid",
    "setrlimit",
    "setsid",
    "setuid",
    "shutdown",
    "sigaltstack",
    "signalfd4",
    "socket",
    "socketpair",
    "splice",
    "stat",
    "statfs",
    "statx",
    "sysinfo",
    "tgkill",
    "timerfd_create",
    "umask",
    "umount2",
    "uname",
    "vfork",
    "wait4",
    "waitid",
    "write",
    "writev",
];

fn default_action(subject: Subject) {
    let mut policy = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule(NEEDED, "SCMP_ACT_ALLOW")]
    });
    let script = "mkdir /a 2>&1; echo end";
    let text = filtered(subject, script, policy.clone());
    assert!(text.contains("Operation not permitted"), "{text}");
    policy["defaultErrnoRet"] = json!(38);
    let text = filtered(subject, script, policy.clone());
    assert!(text.contains("Function not implemented"), "{text}");
    assert!(text.ends_with("end\n"), "{text}");
    // Of the two calls that execute, a program needs the older one.
    let names: Vec<&str> = NEEDED
        .iter()
        .copied()
        .filter(|n| *n != "execveat")
        .collect();
    policy["syscalls"] = json!([rule(&names, "SCMP_ACT_ALLOW")]);
    for errno in [1, 13, 38, 200] {
        policy["defaultErrnoRet"] = json!(errno);
        let text = filtered(subject, script, policy.clone());
        assert!(text.ends_with("end\n"), "{errno}: {text}");
    }
}

fn kill(subject: Subject) {
    let actions = [
        ("SCMP_ACT_KILL", "mkdir"),
        ("SCMP_ACT_KILL_THREAD", "rmdir"),
        ("SCMP_ACT_KILL_PROCESS", "symlink"),
        ("SCMP_ACT_TRAP", "link"),
        ("SCMP_ACT_LOG", "mknod"),
        ("SCMP_ACT_ALLOW", "rename"),
    ];
    // Newer machines have the calls with a directory only.
    let rules = actions.map(|(action, name)| match name {
        "rmdir" => rule(&["rmdir", "unlinkat"], action),
        _ => rule(&[name, &format!("{name}at")], action),
    });
    let script = "mkdir /a; echo $?; rmdir /tmp; echo $?; ln -s a /b; echo $?; ln /bin/sh /c; echo $?; \
                  mkfifo /d; echo $?; mv /d /e; echo $?";
    let text = filtered(subject, script, allow_but(json!(rules)));
    let statuses: Vec<&str> = text
        .lines()
        .filter(|line| line.parse::<u32>().is_ok())
        .collect();
    // 128 and SIGSYS.
    assert_eq!(statuses, ["159", "159", "159", "159", "0", "0"], "{text}");
}

/// Which of the signals 10, 12 and 14 `kill` is refused to send where rules
/// compare its second argument.
fn refused(subject: Subject, arguments: Value) -> Vec<u32> {
    let mut with = rule(&["kill"], "SCMP_ACT_ERRNO");
    with["args"] = arguments;
    let script = "for s in 10 12 14; do trap : $s; kill -$s $$ 2>/dev/null || echo $s; done";
    let text = filtered(subject, script, allow_but(json!([with])));
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn arguments(subject: Subject) {
    for (op, expected) in [
        ("SCMP_CMP_EQ", &[12][..]),
        ("SCMP_CMP_NE", &[10, 14]),
        ("SCMP_CMP_LT", &[10]),
        ("SCMP_CMP_LE", &[10, 12]),
        ("SCMP_CMP_GE", &[12, 14]),
        ("SCMP_CMP_GT", &[14]),
    ] {
        let compared = json!([{ "index": 1, "value": 12, "op": op }]);
        assert_eq!(refused(subject, compared), expected, "{op} 12");
    }
    // 10 is 0b1010, 12 is 0b1100, 14 is 0b1110.
    let masked = json!([
        { "index": 1, "value": 0b0110, "valueTwo": 0b0010, "op": "SCMP_CMP_MASKED_EQ" }
    ]);
    assert_eq!(refused(subject, masked), [10]);
    let both = json!([
        { "index": 0, "value": 1_000_000, "op": "SCMP_CMP_LT" },
        { "index": 1, "value": 12, "op": "SCMP_CMP_EQ" }
    ]);
    assert_eq!(refused(subject, both), [12]);
}

fn no_errno(subject: Subject) {
    let case = Case::new(subject);
    for action in ["SCMP_ACT_KILL", "SCMP_ACT_ALLOW", "SCMP_ACT_TRAP"] {
        let mut with = rule(&["acct"], action);
        with["errnoRet"] = json!(38);
        let mut config = case.config("true");
        config["linux"]["seccomp"] = json!({ "defaultAction": "SCMP_ACT_LOG", "syscalls": [with] });
        case.refused(format_args!("errnoRet of {action}"), &config);
    }
    let mut config = case.config("true");
    config["linux"]["seccomp"] =
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 38 });
    case.refused("defaultErrnoRet of SCMP_ACT_ALLOW", &config);
}

fn names(subject: Subject) {
    let case = Case::new(subject);
    for rules in [
        json!([{ "names": [], "action": "SCMP_ACT_ERRNO" }]),
        json!([{ "action": "SCMP_ACT_ERRNO" }]),
    ] {
        let mut config = case.config("true");
        config["linux"]["seccomp"] = allow_but(rules.clone());
        case.refused(rules, &config);
    }
}

fn words(subject: Subject) {
    let case = Case::new(subject);
    let mut compared = rule(&["acct"], "SCMP_ACT_ERRNO");
    compared["args"] = json!([{ "index": 0, "value": 1, "op": "SCMP_CMP_LIKE" }]);
    for policy in [
        json!({ "defaultAction": "SCMP_ACT_PRAISE" }),
        json!({}),
        allow_but(json!([rule(&["acct"], "SCMP_ACT_PRAISE")])),
        allow_but(json!([compared])),
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_ABACUS"], "syscalls": [rule(&["acct"], "SCMP_ACT_ERRNO")] }),
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_PIRATE"], "syscalls": [rule(&["acct"], "SCMP_ACT_ERRNO")] }),
    ] {
        let mut config = case.config("true");
        config["linux"]["seccomp"] = policy.clone();
        case.refused(policy, &config);
    }
}

fn architectures(subject: Subject) {
    let mut policy = allow_but(json!([rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")]));
    policy["architectures"] = if cfg!(target_arch = "x86_64") {
        json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"])
    } else {
        json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"])
    };
    let text = filtered(subject, "mkdir /a 2>&1", policy);
    assert!(text.contains("Operation not permitted"), "{text}");
}

fn flags(subject: Subject) {
    let mut policy = allow_but(json!([rule(&["mkdir", "mkdirat"], "SCMP_ACT_ERRNO")]));
    for flag in [
        "SECCOMP_FILTER_FLAG_LOG",
        "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_TSYNC",
    ] {
        policy["flags"] = json!([flag]);
        let text = filtered(subject, "mkdir /a 2>&1", policy.clone());
        assert!(text.contains("Operation not permitted"), "{flag}: {text}");
    }
}

/// A policy whose only rule asks a listener at `path`.
fn asking(path: &str, metadata: Option<&str>) -> Value {
    let mut policy = allow_but(json!([rule(&["acct"], "SCMP_ACT_NOTIFY")]));
    policy["listenerPath"] = json!(path);
    if let Some(metadata) = metadata {
        policy["listenerMetadata"] = json!(metadata);
    }
    policy
}

/// A directory with a short path that the runtime's user may enter.
fn short_directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    directory
}

fn listener(subject: Subject) {
    let case = Case::new(subject);
    let directory = short_directory();
    let socket = socket_path(directory.path());
    let receiver = Receiver::new(&socket);
    let mut config = case.config("echo up");
    config["annotations"] = json!({ "com.example.key": "value" });
    config["linux"]["seccomp"] = asking(socket.to_str().unwrap(), Some("for the agent"));
    let container = case.create(&config);
    container.start();
    container.wait();
    assert_eq!(container.output(), "up\n");
    let received = receiver.finish().expect("nothing was sent");
    assert_eq!(received.descriptors.len(), 1);
    assert!(!received.late_descriptors);
    let state: Value = serde_json::from_slice(&received.payload).unwrap();
    assert_eq!(state["fds"], json!(["seccompFd"]), "{state}");
    assert_eq!(state["metadata"], "for the agent", "{state}");
    assert_eq!(state["pid"], container.pid, "{state}");
    assert!(state["ociVersion"].is_string(), "{state}");
    assert_eq!(state["state"]["id"], container.id, "{state}");
    assert_eq!(state["state"]["pid"], container.pid, "{state}");
    assert_eq!(state["state"]["status"], "creating", "{state}");
    assert_eq!(
        state["state"]["annotations"], config["annotations"],
        "{state}"
    );
    assert!(host::has_ended(container.pid));
}

fn unreachable(subject: Subject) {
    let case = Case::new(subject);
    let directory = short_directory();
    let socket = socket_path(directory.path());
    let mut config = case.config("true");
    config["linux"]["seccomp"] = asking(socket.to_str().unwrap(), None);
    case.refused_by_start("nobody listens", &config);
}

fn ignored(subject: Subject) {
    let case = Case::new(subject);
    let directory = short_directory();
    let socket = socket_path(directory.path());
    let mut config = case.config("echo up");
    let mut policy = allow_but(json!([rule(&["acct"], "SCMP_ACT_ERRNO")]));
    policy["listenerPath"] = json!(socket.to_str().unwrap());
    config["linux"]["seccomp"] = policy;
    assert_eq!(case.output(&config), "up\n");
}

fn metadata(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let mut policy = allow_but(json!([rule(&["acct"], "SCMP_ACT_ERRNO")]));
    policy["listenerMetadata"] = json!("for nobody");
    config["linux"]["seccomp"] = policy;
    case.refused("listenerMetadata alone", &config);
}
