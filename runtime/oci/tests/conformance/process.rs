//! config.md: the process, its user, its privileges and its limits.

use std::fs;

use serde_json::{Value, json};

use crate::case::Case;
use crate::subject::Subject;
use crate::{Claim, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_process_starts_in_its_working_directory",
        section: "config.md, Process",
        level: "REQUIRED",
        gist: "`cwd` is where the program begins",
        need: anyone,
        test: cwd,
    },
    Claim {
        name: "a_working_directory_that_is_not_absolute_is_refused",
        section: "config.md, Process",
        level: "MUST",
        gist: "`cwd` is an absolute path, and is there",
        need: anyone,
        test: relative_cwd,
    },
    Claim {
        name: "a_process_has_the_environment_that_it_is_given",
        section: "config.md, Process",
        level: "OPTIONAL",
        gist: "`env` has the semantics of environ: those variables and, beside HOME and the like, no others of the host",
        need: anyone,
        test: environment,
    },
    Claim {
        name: "a_program_is_looked_for_as_execvp_does",
        section: "config.md, Process",
        level: "REQUIRED",
        gist: "the first of `args` is a path, or a name that is looked up in the PATH of `env`, inside",
        need: anyone,
        test: lookup,
    },
    Claim {
        name: "a_process_without_arguments_is_refused",
        section: "config.md, Process",
        level: "REQUIRED",
        gist: "`args` has at least one entry",
        need: anyone,
        test: no_arguments,
    },
    Claim {
        name: "a_program_that_is_not_there_is_an_error",
        section: "config.md, Process",
        level: "REQUIRED",
        gist: "a program that cannot be found or executed is an error of create or of start",
        need: anyone,
        test: no_program,
    },
    Claim {
        name: "the_size_of_a_console_is_ignored_without_a_terminal",
        section: "config.md, Process",
        level: "MUST",
        gist: "`consoleSize` is ignored unless `terminal` is true",
        need: anyone,
        test: console_size,
    },
    Claim {
        name: "limits_are_those_of_the_configuration",
        section: "config.md, POSIX process",
        level: "MUST",
        gist: "soft and hard limit of each entry of `rlimits` are what getrlimit finds",
        need: anyone,
        test: limits,
    },
    Claim {
        name: "a_limit_that_no_kernel_knows_is_refused",
        section: "config.md, POSIX process",
        level: "MUST",
        gist: "a type that is no limit of the kernel is an error",
        need: anyone,
        test: unknown_limit,
    },
    Claim {
        name: "a_limit_that_is_given_twice_is_refused",
        section: "config.md, POSIX process",
        level: "MUST",
        gist: "two entries of one type are an error",
        need: anyone,
        test: duplicate_limit,
    },
    Claim {
        name: "a_process_has_the_capabilities_of_each_set",
        section: "config.md, Linux process",
        level: "OPTIONAL",
        gist: "bounding, effective, inheritable, permitted and ambient set are those given, and no more",
        need: anyone,
        test: capabilities,
    },
    Claim {
        name: "a_capability_that_cannot_be_granted_is_warned_of",
        section: "config.md, Linux process",
        level: "MUST",
        gist: "a capability that is unknown is logged as a warning, and the container is made without it",
        need: anyone,
        test: unknown_capability,
    },
    Claim {
        name: "no_new_privileges_is_set_or_not",
        section: "config.md, Linux process",
        level: "OPTIONAL",
        gist: "`noNewPrivileges` sets that bit, and without it the bit is not set",
        need: anyone,
        test: no_new_privileges,
    },
    Claim {
        name: "an_oom_score_is_set_if_given",
        section: "config.md, Linux process",
        level: "MUST",
        gist: "with `oomScoreAdj` the process has that value",
        need: anyone,
        test: oom_score,
    },
    Claim {
        name: "an_oom_score_is_left_alone_if_not_given",
        section: "config.md, Linux process",
        level: "MUST NOT",
        gist: "without `oomScoreAdj` the process has the value of whoever called the runtime",
        need: anyone,
        test: no_oom_score,
    },
    Claim {
        name: "a_scheduler_is_that_of_the_configuration",
        section: "config.md, Linux process",
        level: "MUST",
        gist: "policy and nice value are those given; the value that is not given is 0",
        need: anyone,
        test: scheduler,
    },
    Claim {
        name: "a_real_time_scheduler_has_its_priority",
        section: "config.md, Linux process",
        level: "MUST",
        gist: "SCHED_FIFO and SCHED_RR with the priority that is given",
        need: root,
        test: real_time,
    },
    Claim {
        name: "a_scheduler_that_is_none_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "a policy that is not in the list is an error",
        need: anyone,
        test: no_scheduler,
    },
    Claim {
        name: "an_io_priority_is_that_of_the_configuration",
        section: "config.md, Linux process",
        level: "OPTIONAL",
        gist: "class and priority of `ioPriority` are those of the process",
        need: anyone,
        test: io_priority,
    },
    Claim {
        name: "an_affinity_for_exec_does_not_concern_the_first_process",
        section: "config.md, Linux process",
        level: "OPTIONAL",
        gist: "`execCPUAffinity` leaves the container's own process where it is",
        need: anyone,
        test: affinity,
    },
    Claim {
        name: "a_process_runs_as_its_user_and_groups",
        section: "config.md, User",
        level: "REQUIRED",
        gist: "uid, gid and additional groups are those given, and no others",
        need: root,
        test: user,
    },
    Claim {
        name: "a_user_is_one_of_the_containers_namespace",
        section: "config.md, User",
        level: "REQUIRED",
        gist: "uid and gid are numbers inside; one that is not mapped there is an error",
        need: anyone,
        test: mapped_user,
    },
    Claim {
        name: "a_umask_is_that_of_the_user_or_of_the_caller",
        section: "config.md, User",
        level: "SHOULD",
        gist: "`umask` is set; without one, it stays as the runtime's caller had it",
        need: anyone,
        test: umask,
    },
];

fn cwd(subject: Subject) {
    let case = Case::new(subject);
    for path in ["/", "/tmp", "/bin/"] {
        let mut config = case.config("pwd");
        config["process"]["cwd"] = json!(path);
        let expected = if path == "/" {
            "/"
        } else {
            path.trim_end_matches('/')
        };
        assert_eq!(case.output(&config).trim(), expected);
    }
}

fn relative_cwd(subject: Subject) {
    let case = Case::new(subject);
    for path in ["", "tmp", "./tmp"] {
        let mut config = case.config("true");
        config["process"]["cwd"] = json!(path);
        case.refused(format_args!("{path:?}"), &config);
    }
    let mut config = case.config("true");
    config::without(&mut config["process"], "cwd");
    case.refused("no directory", &config);
    // A directory that is missing may be made, but a file cannot be entered.
    config["process"]["cwd"] = json!("/bin/sh");
    case.refused_by_start("a file", &config);
}

fn environment(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("");
    config["process"]["args"] = json!(["/bin/env"]);
    config["process"]["env"] = json!(["ONE=1", "EMPTY=", "EQUALS=a=b", "SPACE= x "]);
    let text = case.output(&config);
    let mut lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("HOME="))
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["EMPTY=", "EQUALS=a=b", "ONE=1", "SPACE= x "]);
}

fn lookup(subject: Subject) {
    let case = Case::new(subject);
    fs::create_dir(case.rootfs().join("elsewhere")).unwrap();
    fs::rename(
        case.rootfs().join("bin/echo"),
        case.rootfs().join("elsewhere/say"),
    )
    .unwrap();
    std::os::unix::fs::symlink("/bin/busybox", case.rootfs().join("elsewhere/echo")).unwrap();
    for (path, program) in [
        ("PATH=/nowhere:/elsewhere", "echo"),
        ("PATH=/nowhere", "/elsewhere/echo"),
    ] {
        let mut config = case.config("");
        config["process"]["env"] = json!([path]);
        config["process"]["args"] = json!([program, "found", ""]);
        assert_eq!(case.output(&config), "found \n", "{program}");
    }
    let mut config = case.config("");
    config["process"]["env"] = json!(["PATH=/nowhere"]);
    config["process"]["args"] = json!(["sh", "-c", "true"]);
    case.refused_by_start("found elsewhere", &config);
}

fn no_arguments(subject: Subject) {
    let case = Case::new(subject);
    for arguments in [json!([]), json!(null), json!([""])] {
        let mut config = case.config("");
        config["process"]["args"] = arguments.clone();
        case.refused_by_start(arguments, &config);
    }
}

fn no_program(subject: Subject) {
    let case = Case::new(subject);
    fs::write(case.rootfs().join("not-executable"), "#!/bin/sh\n").unwrap();
    for program in ["/missing", "missing", "/tmp", "/not-executable"] {
        let mut config = case.config("");
        config["process"]["args"] = json!([program]);
        case.refused_by_start(program, &config);
    }
}

fn console_size(subject: Subject) {
    let case = Case::new(subject);
    for terminal in [None, Some(false)] {
        let mut config = case.config("echo up");
        config["process"]["consoleSize"] = json!({ "height": 25, "width": 80 });
        if let Some(terminal) = terminal {
            config["process"]["terminal"] = json!(terminal);
        }
        assert_eq!(case.output(&config), "up\n");
    }
}

/// Soft and hard limit of a line of `/proc/PID/limits`.
fn limit(text: &str, name: &str) -> (String, String) {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

fn limits(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat /proc/self/limits");
    config["process"]["rlimits"] = json!([
        { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
        { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
        { "type": "RLIMIT_CPU", "soft": 50, "hard": 60 },
        { "type": "RLIMIT_FSIZE", "soft": 1 << 20, "hard": 1 << 30 },
        { "type": "RLIMIT_STACK", "soft": 4 << 20, "hard": 8 << 20 }
    ]);
    let text = case.output(&config);
    for (name, soft, hard) in [
        ("Max open files", "100", "200"),
        ("Max core file size", "0", "0"),
        ("Max cpu time", "50", "60"),
        ("Max file size", "1048576", "1073741824"),
        ("Max stack size", "4194304", "8388608"),
    ] {
        assert_eq!(
            limit(&text, name),
            (soft.to_owned(), hard.to_owned()),
            "{name}"
        );
    }
}

fn unknown_limit(subject: Subject) {
    let case = Case::new(subject);
    for kind in ["RLIMIT_NONSENSE", "", "NOFILE "] {
        let mut config = case.config("true");
        config["process"]["rlimits"] = json!([{ "type": kind, "soft": 1, "hard": 1 }]);
        case.refused(kind, &config);
    }
}

fn duplicate_limit(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    let limit = |number| json!({ "type": "RLIMIT_NOFILE", "soft": number, "hard": number });
    // The second is one that the first permits.
    config["process"]["rlimits"] = json!([limit(101), limit(100)]);
    case.refused("twice", &config);
}

/// A field of `/proc/PID/status` in what the program wrote.
fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found
        .and_then(|rest| rest.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .trim()
}

fn capabilities(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("");
    config["process"]["args"] = json!(["grep", "Cap", "/proc/self/status"]);
    // CHOWN 0, DAC_OVERRIDE 1, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10.
    let full = json!(["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID"]);
    config["process"]["capabilities"] = json!({
        "bounding": full, "permitted": full, "effective": full,
        "inheritable": ["CAP_KILL", "CAP_SETUID"], "ambient": ["CAP_KILL"]
    });
    let text = case.output(&config);
    let set = |name: &str| u64::from_str_radix(field(&text, name), 16).unwrap();
    let all = 1 << 0 | 1 << 1 | 1 << 5 | 1 << 7;
    assert_eq!(set("CapBnd"), all, "{text}");
    // Executed by root, a program gets what it may inherit and what bounds it.
    assert_eq!(set("CapPrm"), all, "{text}");
    assert_eq!(set("CapEff"), all, "{text}");
    assert_eq!(set("CapInh"), 1 << 5 | 1 << 7, "{text}");
    assert_eq!(set("CapAmb"), 1 << 5, "{text}");
    config["process"]["capabilities"] = json!({});
    let text = case.output(&config);
    for name in ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"] {
        assert_eq!(field(&text, name), "0000000000000000", "{name}");
    }
}

fn unknown_capability(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("grep CapBnd /proc/self/status");
    config["process"]["capabilities"] =
        json!({ "bounding": ["CAP_KILL", "CAP_NONSENSE"], "permitted": ["CAP_NONSENSE"] });
    let text = case.output(&config);
    assert_eq!(
        field(&text[text.find("CapBnd").unwrap()..], "CapBnd"),
        "0000000000000020"
    );
    assert!(
        text.contains("CAP_NONSENSE"),
        "it was not warned of: {text}"
    );
}

fn no_new_privileges(subject: Subject) {
    let case = Case::new(subject);
    for (value, expected) in [(json!(true), "1"), (json!(false), "0"), (json!(null), "0")] {
        let mut config = case.config("grep NoNewPrivs /proc/self/status");
        config["process"]["noNewPrivileges"] = value;
        assert_eq!(field(&case.output(&config), "NoNewPrivs"), expected);
    }
}

fn oom_score(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat /proc/self/oom_score_adj");
    let own: i32 = own_oom_score().parse().unwrap();
    // An ordinary user may only raise it.
    for value in [own + 100, 1000] {
        config["process"]["oomScoreAdj"] = json!(value);
        assert_eq!(case.output(&config), format!("{value}\n"));
    }
}

fn own_oom_score() -> String {
    let text = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    text.trim().to_owned()
}

fn no_oom_score(subject: Subject) {
    let case = Case::new(subject);
    let text = case.script("cat /proc/self/oom_score_adj");
    assert_eq!(text.trim(), own_oom_score());
}

/// Nice value, real-time priority and policy: fields 19, 40 and 41 of
/// `/proc/PID/stat` (`proc_pid_stat(5)`).
fn scheduling(text: &str) -> [i32; 3] {
    let fields: Vec<&str> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    [16, 37, 38].map(|index| fields[index].parse().unwrap())
}

fn scheduled(subject: Subject, scheduler: Value) -> [i32; 3] {
    let case = Case::new(subject);
    let mut config = case.config("");
    config["process"]["args"] = json!(["cat", "/proc/self/stat"]);
    config["process"]["scheduler"] = scheduler;
    // Where the kernel divides real time among groups, a new one has none.
    let groups = crate::host::controller("cpu");
    if !subject.rootless && groups.is_some_and(|mount| mount.join("cpu.rt_runtime_us").exists()) {
        config["linux"]["resources"] = json!({ "cpu": { "realtimeRuntime": 10_000 } });
    }
    scheduling(&case.output(&config))
}

fn scheduler(subject: Subject) {
    let [nice, priority, policy] =
        scheduled(subject, json!({ "policy": "SCHED_OTHER", "nice": 7 }));
    assert_eq!([nice, priority, policy], [7, 0, 0]);
    assert_eq!(
        scheduled(subject, json!({ "policy": "SCHED_BATCH" })),
        [0, 0, 3]
    );
    let [_, priority, policy] = scheduled(subject, json!({ "policy": "SCHED_IDLE" }));
    assert_eq!([priority, policy], [0, 5]);
}

fn real_time(subject: Subject) {
    for (name, number) in [("SCHED_FIFO", 1), ("SCHED_RR", 2)] {
        let scheduler = json!({ "policy": name, "priority": 10 });
        let [_, priority, policy] = scheduled(subject, scheduler);
        assert_eq!([priority, policy], [10, number], "{name}");
    }
}

fn no_scheduler(subject: Subject) {
    let case = Case::new(subject);
    for policy in ["SCHED_NONSENSE", ""] {
        let mut config = case.config("true");
        config["process"]["scheduler"] = json!({ "policy": policy });
        case.refused(policy, &config);
    }
}

fn io_priority(subject: Subject) {
    let case = Case::new(subject);
    for (class, priority, expected) in [
        ("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"),
        ("IOPRIO_CLASS_IDLE", 0, "idle"),
    ] {
        let mut config = case.config("ionice");
        config["process"]["ioPriority"] = json!({ "class": class, "priority": priority });
        let said = case.output(&config);
        assert!(said.trim().starts_with(expected), "{said}");
    }
}

fn affinity(subject: Subject) {
    let case = Case::new(subject);
    let before = case.script("grep Cpus_allowed: /proc/self/status");
    let mut config = case.config("grep Cpus_allowed: /proc/self/status");
    config["process"]["execCPUAffinity"] = json!({ "initial": "0", "final": "0" });
    assert_eq!(case.output(&config), before);
}

fn user(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("grep -E '^(Uid|Gid|Groups)' /proc/self/status");
    config["process"]["user"] = json!({ "uid": 1234, "gid": 5678, "additionalGids": [90, 91] });
    let text = case.output(&config);
    assert_eq!(field(&text, "Uid"), "1234\t1234\t1234\t1234");
    assert_eq!(field(&text, "Gid"), "5678\t5678\t5678\t5678");
    let mut groups: Vec<&str> = field(&text, "Groups").split_whitespace().collect();
    groups.retain(|&group| group != "5678"); // one's own group may be listed again
    assert_eq!(groups, ["90", "91"]);
    config["process"]["user"] = json!({ "uid": 1234, "gid": 5678 });
    let groups = field(&case.output(&config), "Groups").to_owned();
    assert!(["", "5678"].contains(&&*groups), "{groups}");
}

fn mapped_user(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("id -u; id -g");
    if !subject.rootless {
        config::namespace(&mut config, json!({ "type": "user" }));
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
        config["linux"]["uidMappings"] = map.clone();
        config["linux"]["gidMappings"] = map;
        config["process"]["user"] = json!({ "uid": 3, "gid": 4 });
        let case = Case::new(subject);
        assert_eq!(case.output(&config), "3\n4\n");
    }
    config["process"]["user"] = json!({ "uid": 4000, "gid": 0 });
    case.refused_by_start("an id that is not mapped", &config);
}

fn umask(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("umask");
    config["process"]["user"]["umask"] = json!(0o027);
    assert_eq!(case.output(&config), "0027\n");
    config::without(&mut config["process"]["user"], "umask");
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert_eq!(case.output(&config).trim(), field(&own, "Umask"));
}
