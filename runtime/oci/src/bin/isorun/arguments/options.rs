//! Every option of `isorun`, said once: the scanner, the help, the completions
//! and the manual pages read the same tables.
//!
//! The names are those of runc; where crun has more, those too.

use super::{Key, Opt};

/// An option that is there or not.
const fn flag(key: Key, short: Option<char>, long: &'static str, help: &'static str) -> Opt {
    Opt {
        key,
        short,
        long,
        takes: None,
        help,
    }
}

/// An option with a value, which the help calls `takes`.
const fn value(
    key: Key,
    short: Option<char>,
    long: &'static str,
    takes: &'static str,
    help: &'static str,
) -> Opt {
    Opt {
        key,
        short,
        long,
        takes: Some(takes),
        help,
    }
}

/// Options of every command, before its name or after it.
pub(crate) const GLOBAL: &[Opt] = &[
    value(
        Key::Root,
        None,
        "root",
        "DIR",
        "the state (default: /run/isorun, $XDG_RUNTIME_DIR/isorun or /tmp/isorun-UID)",
    ),
    value(
        Key::Log,
        None,
        "log",
        "FILE",
        "append errors to FILE too, and warnings to it alone",
    ),
    value(
        Key::LogFormat,
        None,
        "log-format",
        "text|json",
        "the form of the log (default: text)",
    ),
    flag(Key::Debug, None, "debug", "log the steps, too"),
    flag(
        Key::SystemdCgroup,
        None,
        "systemd-cgroup",
        "have systemd make the control groups, as --cgroup-manager systemd",
    ),
    value(
        Key::CgroupManager,
        None,
        "cgroup-manager",
        "cgroupfs|systemd|disabled",
        "who makes the control groups (default: cgroupfs)",
    ),
    value(
        Key::Rootless,
        None,
        "rootless",
        "true|false|auto",
        "accepted and not used: isorun finds out what this user may do",
    ),
    value(
        Key::Criu,
        None,
        "criu",
        "FILE",
        "accepted and not used: there is no checkpointing",
    ),
    flag(Key::Help, Some('h'), "help", "how to use it"),
    flag(
        Key::Version,
        Some('v'),
        "version",
        "the versions of isorun and of the specification",
    ),
];

/// How a container is made: `create` and `run`.
pub(crate) const MAKE: &[Opt] = &[
    value(
        Key::Bundle,
        Some('b'),
        "bundle",
        "DIR",
        "the bundle's directory (default: the current one)",
    ),
    value(
        Key::Config,
        Some('f'),
        "config",
        "FILE",
        "read FILE instead of the bundle's config.json",
    ),
    PID_FILE,
    CONSOLE_SOCKET,
    PRESERVE_FDS,
    flag(
        Key::NoPivot,
        None,
        "no-pivot",
        "move the new root over the old one, for a host whose own root is a ramfs",
    ),
    flag(
        Key::NoNewKeyring,
        None,
        "no-new-keyring",
        "stay in the caller's session keyring",
    ),
    flag(
        Key::NoSubreaper,
        None,
        "no-subreaper",
        "accepted and not used: isorun is never a subreaper",
    ),
    TRACE,
];

/// Options of `start`.
pub(crate) const START: &[Opt] = &[TRACE];

const TRACE: Opt = value(
    Key::Trace,
    None,
    "trace",
    "FILE",
    "write the time line of the start to FILE, a JSON object a line",
);

/// Options of `run` alone.
pub(crate) const RUN: &[Opt] = &[
    DETACH,
    flag(
        Key::Keep,
        None,
        "keep",
        "do not delete the container when it has ended",
    ),
];

const PID_FILE: Opt = value(
    Key::PidFile,
    None,
    "pid-file",
    "FILE",
    "write the process id to FILE",
);
const CONSOLE_SOCKET: Opt = value(
    Key::ConsoleSocket,
    None,
    "console-socket",
    "SOCKET",
    "send the terminal's master to this AF_UNIX socket",
);
const PRESERVE_FDS: Opt = value(
    Key::PreserveFds,
    None,
    "preserve-fds",
    "N",
    "hand on N descriptors from 3 up, beside those of $LISTEN_FDS",
);
const DETACH: Opt = flag(
    Key::Detach,
    Some('d'),
    "detach",
    "return as soon as the program runs",
);

/// Options of `exec`.
pub(crate) const EXEC: &[Opt] = &[
    value(
        Key::Cwd,
        None,
        "cwd",
        "DIR",
        "the working directory inside (default: the container's)",
    ),
    value(
        Key::Env,
        Some('e'),
        "env",
        "KEY=VALUE",
        "add to the environment; may be repeated",
    ),
    flag(Key::Tty, Some('t'), "tty", "give it a terminal"),
    value(
        Key::User,
        Some('u'),
        "user",
        "UID[:GID]",
        "its user and group, as numbers",
    ),
    value(
        Key::AdditionalGids,
        Some('g'),
        "additional-gids",
        "GID",
        "a further group; may be repeated",
    ),
    value(
        Key::Process,
        Some('p'),
        "process",
        "FILE",
        "the process, as in config.json; COMMAND and what FILE says are not used",
    ),
    DETACH,
    PID_FILE,
    CONSOLE_SOCKET,
    PRESERVE_FDS,
    value(
        Key::Cap,
        Some('c'),
        "cap",
        "CAP",
        "add a capability; may be repeated",
    ),
    flag(
        Key::NoNewPrivs,
        None,
        "no-new-privs",
        "executing a program never adds privileges",
    ),
    value(
        Key::Apparmor,
        None,
        "apparmor",
        "PROFILE",
        "the AppArmor profile",
    ),
    value(
        Key::ProcessLabel,
        None,
        "process-label",
        "LABEL",
        "the SELinux label",
    ),
    value(
        Key::Cgroup,
        None,
        "cgroup",
        "[CONTROLLER:]PATH",
        "a control group below the container's; may be repeated",
    ),
    flag(
        Key::IgnorePaused,
        None,
        "ignore-paused",
        "start it in a paused container, too",
    ),
    TRACE,
];

/// Options of `kill`.
pub(crate) const KILL: &[Opt] = &[flag(
    Key::All,
    Some('a'),
    "all",
    "signal every process of the container",
)];

/// Options of `delete`.
pub(crate) const DELETE: &[Opt] = &[flag(
    Key::Force,
    Some('f'),
    "force",
    "kill it first where it runs; one that does not exist is no error",
)];

const FORMAT: Opt = value(
    Key::Format,
    Some('f'),
    "format",
    "table|json",
    "the form of the output (default: table)",
);
const JSON: Opt = flag(Key::Json, None, "json", "the same as --format json");

/// Options of `list`.
pub(crate) const LIST: &[Opt] = &[
    FORMAT,
    JSON,
    flag(Key::Quiet, Some('q'), "quiet", "print the ids alone"),
];

/// Options of `ps`.
pub(crate) const PS: &[Opt] = &[FORMAT, JSON];

/// Options of `events`.
pub(crate) const EVENTS: &[Opt] = &[
    flag(Key::Stats, None, "stats", "print the statistics once"),
    value(
        Key::Interval,
        None,
        "interval",
        "TIME",
        "the time between two statistics, as in 500ms or 1m30s (default: 5s)",
    ),
];

/// Options of `spec`.
pub(crate) const SPEC: &[Opt] = &[
    value(
        Key::Bundle,
        Some('b'),
        "bundle",
        "DIR",
        "where to write config.json (default: the current directory)",
    ),
    value(
        Key::File,
        Some('f'),
        "file",
        "FILE",
        "write to FILE instead of config.json; `-` is the standard output",
    ),
    flag(
        Key::SpecRootless,
        None,
        "rootless",
        "for a container of an ordinary user",
    ),
];

/// Options of `update`.
pub(crate) const UPDATE: &[Opt] = &[
    value(
        Key::Resources,
        Some('r'),
        "resources",
        "FILE",
        "the limits (`-`: standard input), as in `linux.resources`; no others are used",
    ),
    value(
        Key::BlkioWeight,
        None,
        "blkio-weight",
        "WEIGHT",
        "share of block devices' time, 10 to 1000",
    ),
    value(
        Key::CpuPeriod,
        None,
        "cpu-period",
        "MICROSECONDS",
        "the period that the quota is for",
    ),
    value(
        Key::CpuQuota,
        None,
        "cpu-quota",
        "MICROSECONDS",
        "CPU time in each period; -1 is unlimited",
    ),
    value(
        Key::CpuBurst,
        None,
        "cpu-burst",
        "MICROSECONDS",
        "CPU time that may be saved up",
    ),
    value(
        Key::CpuShare,
        None,
        "cpu-share",
        "SHARES",
        "share of CPU time, 2 to 262144",
    ),
    value(
        Key::CpuRtPeriod,
        None,
        "cpu-rt-period",
        "MICROSECONDS",
        "the period of real-time threads",
    ),
    value(
        Key::CpuRtRuntime,
        None,
        "cpu-rt-runtime",
        "MICROSECONDS",
        "CPU time of real-time threads",
    ),
    value(
        Key::CpuIdle,
        None,
        "cpu-idle",
        "0|1",
        "run when nothing else wants to (version 2)",
    ),
    value(
        Key::CpusetCpus,
        None,
        "cpuset-cpus",
        "LIST",
        "CPUs, as in 0-3,8",
    ),
    value(
        Key::CpusetMems,
        None,
        "cpuset-mems",
        "LIST",
        "memory nodes, as in 0,1",
    ),
    value(
        Key::Memory,
        None,
        "memory",
        "BYTES",
        "memory; -1 is unlimited",
    ),
    value(
        Key::MemoryReservation,
        None,
        "memory-reservation",
        "BYTES",
        "memory that it keeps when there is little",
    ),
    value(
        Key::MemorySwap,
        None,
        "memory-swap",
        "BYTES",
        "memory and swap together; -1 is unlimited",
    ),
    value(
        Key::KernelMemory,
        None,
        "kernel-memory",
        "BYTES",
        "accepted and not used: the kernel no longer has this limit",
    ),
    value(
        Key::KernelMemoryTcp,
        None,
        "kernel-memory-tcp",
        "BYTES",
        "accepted and not used: the kernel no longer has this limit",
    ),
    value(
        Key::PidsLimit,
        None,
        "pids-limit",
        "N",
        "processes and threads; -1 is unlimited",
    ),
    value(
        Key::L3CacheSchema,
        None,
        "l3-cache-schema",
        "SCHEMA",
        "refused: Intel RDT is not supported",
    ),
    value(
        Key::MemBwSchema,
        None,
        "mem-bw-schema",
        "SCHEMA",
        "refused: Intel RDT is not supported",
    ),
];
