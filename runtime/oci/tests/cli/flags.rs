//! Flags of runc's and crun's, each tried by its effect.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use isolab_oci::cgroup::Version;

use crate::eventually::eventually;
use crate::runtime::{Place, Runtime, text};
use crate::{ALL, Claim, NOT_CRUN, OURS};

pub(crate) const CLAIMS: &[Claim] = &[
    ("no_pivot_runs_it_too", ALL, no_pivot),
    (
        "no_new_keyring_leaves_it_in_the_callers",
        ALL,
        no_new_keyring,
    ),
    (
        "sockets_that_were_passed_are_passed_on",
        NOT_CRUN,
        listening_sockets,
    ),
    ("debug_writes_what_is_done_to_the_log", NOT_CRUN, debug),
    ("debug_tells_each_step_of_a_life", OURS, debug_steps),
    (
        "debug_tells_what_was_done_before_a_failure",
        OURS,
        debug_failure,
    ),
    (
        "systemd_makes_the_control_groups_where_it_runs",
        OURS,
        systemd_cgroup,
    ),
    ("exec_adds_groups", NOT_CRUN, additional_gids),
    ("exec_adds_a_capability", ALL, capability),
    ("exec_can_give_up_new_privileges", ALL, no_new_privileges),
    (
        "exec_refuses_a_profile_and_a_label_that_the_host_lacks",
        NOT_CRUN,
        labels,
    ),
    (
        "exec_joins_a_control_group_below_the_containers",
        NOT_CRUN,
        sub_cgroup,
    ),
    (
        "exec_in_a_paused_container_goes_on_with_it",
        NOT_CRUN,
        ignore_paused,
    ),
    (
        "a_signal_sent_to_exec_reaches_the_program",
        ALL,
        exec_forwards,
    ),
    (
        "what_the_file_of_exec_says_no_option_changes",
        ALL,
        process_file,
    ),
    ("every_limit_can_be_updated", ALL, update_each),
    (
        "what_the_file_of_update_says_no_option_changes",
        ALL,
        limits_file,
    ),
    ("an_update_of_nothing_succeeds", ALL, update_nothing),
];

fn no_pivot(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sh", "-c", "ls / | grep -c '^bin$'; pwd"], |_| {});
    assert_eq!(place.ok(&["run", "--no-pivot", "ID"]), "1\n/\n");
}

/// The keyrings that a program sees are its own and its session's.
fn no_new_keyring(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["cat", "/proc/keys"], |spec| {
        spec["linux"]["maskedPaths"] = serde_json::json!([]);
    });
    let own = place.id.clone();
    // In this order: the kernel takes a while to forget a keyring.
    let kept = text(&place.call(&["run", "--no-new-keyring", "ID"]).stdout);
    assert!(!kept.contains(&own), "{kept}");
    if fs::exists("/proc/keys").unwrap() {
        assert!(place.ok(&["run", "ID"]).contains(&own));
    }
}

fn listening_sockets(runtime: &Runtime) {
    let place = Place::new(runtime);
    let script = "echo $LISTEN_FDS $LISTEN_PID; for n in 3 4; do readlink /proc/self/fd/$n; done";
    place.config(&["sh", "-c", script], |_| {});
    // The process that execs is the one that $LISTEN_PID names.
    let script = "exec 3</dev/null 4</dev/zero; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    let inner = place.command();
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(inner.get_program())
        .args(inner.get_args())
        .args(["run", "--preserve-fds", "1", &place.id])
        .current_dir(place.path())
        .output()
        .unwrap();
    let said = text(&output.stdout);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines, ["1 1", "/dev/null", "/dev/zero"], "{output:?}");
}

fn debug(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["true"], |_| {});
    let log = place.file("log");
    place.ok(&["--debug", "--log", &log, "run", "ID"]);
    let said = fs::read_to_string(&log).unwrap();
    assert!(said.contains("level=debug"), "{said}");
    fs::remove_file(&log).unwrap();
    place.ok(&["--log", &log, "run", "ID"]);
    let said = fs::read_to_string(&log).unwrap_or_default();
    assert!(!said.contains("level=debug"), "{said}");
}

fn debug_steps(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "100"], |spec| {
        let hook = |name: &str| serde_json::json!([{"path": "/bin/true", "args": [name]}]);
        spec["hooks"] = serde_json::json!({
            "createRuntime": hook("a"), "poststart": hook("b"), "poststop": hook("c"),
        });
    });
    let log = place.file("log");
    let says = |line: &[&str], words: &[&str]| {
        place.quietly(&[&["--debug", "--log", &log], line].concat());
        let said = fs::read_to_string(&log).unwrap();
        fs::remove_file(&log).unwrap();
        for word in words {
            assert!(said.contains(word), "{line:?}: {word}: {said}");
        }
    };
    let bundle = format!("bundle {}", place.path().display());
    let state = format!("state of containers: {}", place.file("state"));
    let made = [
        "control groups are made",
        "new pid",
        "createRuntime[0] /bin/true",
    ];
    says(
        &["create", "ID"],
        &[&made[..], &[&bundle, &state, "started process "]].concat(),
    );
    says(
        &["start", "ID"],
        &["poststart[0] /bin/true", "was executed"],
    );
    says(
        &["exec", "ID", "true"],
        &["to execute: true", "started process "],
    );
    says(
        &["delete", "-f", "ID"],
        &["control groups: ", "poststop[0] /bin/true"],
    );
}

fn debug_failure(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["/bin/fly"], |_| {});
    let log = place.file("log");
    place.fails(1, &["--debug", "--log", &log, "run", "ID"]);
    let said = fs::read_to_string(&log).unwrap();
    let last = said.lines().last().unwrap();
    assert!(said.contains("level=debug msg=\"namespaces: "), "{said}");
    assert!(
        last.contains("level=error") && last.contains("/bin/fly"),
        "{said}"
    );
}

fn systemd_cgroup(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["true"], |_| {});
    for option in [&["--systemd-cgroup"][..], &["--cgroup-manager", "systemd"]] {
        let line = [option, &["run", "ID"]].concat();
        // As sd_booted(3) finds out.
        if fs::exists("/run/systemd/system").unwrap() {
            place.ok(&line);
        } else {
            let said = place.fails(1, &line);
            assert!(said.contains("systemd does not run"), "{said}");
        }
    }
    // The other commands find the groups in the state.
    assert_eq!(place.ok(&["--systemd-cgroup", "list", "-q"]), "");
}

fn additional_gids(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.ok(&[
        "exec",
        "--additional-gids",
        "7",
        "--additional-gids",
        "8",
        "ID",
        "id",
        "-G",
    ]);
    assert_eq!(said, "0 7 8\n");
}

fn capability(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let effective = |options: &[&str]| {
        let command = ["ID", "sh", "-c", "cat /proc/self/status"];
        let said = place.ok(&[&["exec"], options, &command].concat());
        let line = said.lines().find_map(|l| l.strip_prefix("CapEff:"));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
    };
    const CHOWN: u64 = 1;
    assert_eq!(effective(&[]) & CHOWN, 0);
    assert_eq!(effective(&["--cap", "CAP_CHOWN"]) & CHOWN, CHOWN);
}

fn no_new_privileges(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "100"], |spec| {
        spec["process"]["noNewPrivileges"] = false.into();
    });
    place.start();
    let has = |options: &[&str]| {
        let command = ["ID", "sh", "-c", "cat /proc/self/status"];
        let said = place.ok(&[&["exec"], options, &command].concat());
        said.contains("NoNewPrivs:\t1")
    };
    assert!(!has(&[]));
    assert!(has(&["--no-new-privs"]));
}

/// A profile that nobody has loaded is refused with AppArmor, too.
fn labels(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let profile = ["exec", "--apparmor", "isorun-none", "ID", "true"];
    let said = place.fails(255, &profile);
    assert!(said.contains("apparmor"), "{said}");
    if !fs::exists("/sys/fs/selinux/enforce").unwrap() {
        let said = place.fails(255, &["exec", "--process-label", "a:b:c:d", "ID", "true"]);
        assert!(said.contains("selinux"), "{said}");
    }
}

/// The directory of the container's group that has the controller of processes,
/// the version of its hierarchy, and how `/proc/PID/cgroup` begins to name it.
fn pids_group(place: &Place<'_>) -> (PathBuf, Version, String) {
    let pid = place.state()["pid"].to_string();
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let hierarchies = isolab_oci::cgroup::discover().unwrap();
    let has = |controllers: &[String]| controllers.iter().any(|c| c == "pids");
    let hierarchy = hierarchies
        .iter()
        .find(|h| has(&h.controllers))
        .or(hierarchies.iter().find(|h| h.version == Version::V2))
        .unwrap();
    let line = own.lines().find(|line| match hierarchy.version {
        Version::V1 => line
            .split(':')
            .nth(1)
            .is_some_and(|c| c.split(',').any(|c| c == "pids")),
        Version::V2 => line.starts_with("0::"),
    });
    let line = line.unwrap();
    let path = line.splitn(3, ':').nth(2).unwrap();
    let directory = hierarchy.mount_point.join(path.trim_start_matches('/'));
    (directory, hierarchy.version, line.to_owned())
}

fn sub_cgroup(runtime: &Runtime) {
    let place = Place::new(runtime);
    // The name in /proc is the whole one without a cgroup namespace.
    place.config(&["sleep", "100"], |spec| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|n| n["type"] != "cgroup");
    });
    place.start();
    let (directory, version, line) = pids_group(&place);
    let sub = directory.join("sub");
    fs::create_dir(&sub).unwrap();
    let name = match version {
        Version::V1 => "pids:sub",
        Version::V2 => "sub",
    };
    let said = place.ok(&["exec", "--cgroup", name, "ID", "cat", "/proc/self/cgroup"]);
    assert!(said.contains(&format!("{line}/sub\n")), "{said}");
    let without = place.ok(&["exec", "ID", "cat", "/proc/self/cgroup"]);
    assert!(without.contains(&format!("{line}\n")), "{without}");
    for (name, word) in [
        ("none", "no such file"),
        ("magic:sub", "unknown controller magic"),
        ("../..", "not a sub cgroup path"),
    ] {
        let said = place.fails(255, &["exec", "--cgroup", name, "ID", "true"]);
        assert!(said.contains(word), "{name}: {said}");
    }
    place.ok(&["delete", "--force", "ID"]);
    assert!(!directory.exists());
}

fn ignore_paused(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["pause", "ID"]);
    let mut exec = place
        .command()
        .args(["exec", "--ignore-paused", &place.id, "sh", "-c", "exit 6"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(exec.try_wait().unwrap().map(|s| s.code()), None);
    place.ok(&["resume", "ID"]);
    assert_eq!(exec.wait().unwrap().code(), Some(6));
}

fn exec_forwards(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "100"], |spec| {
        spec["root"]["readonly"] = false.into();
    });
    place.start();
    let script = "trap 'exit 9' USR1; echo >/tmp/ready; while :; do sleep 0.01; done";
    let mut exec = place
        .command()
        .args(["exec", &place.id, "sh", "-c", script])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = place.path().join("rootfs/tmp/ready");
    eventually("the program is ready", || ready.exists());
    let pid = i32::try_from(exec.id()).unwrap();
    isolab_oci::sys::process::kill(pid, libc::SIGUSR1).unwrap();
    assert_eq!(exec.wait().unwrap().code(), Some(9));
}

/// What a line that must succeed writes to the standard output and error.
fn said(place: &Place<'_>, line: &[&str]) -> (String, String) {
    let output = place.call(line);
    assert!(output.status.success(), "{line:?}: {output:?}");
    (text(&output.stdout), text(&output.stderr))
}

/// A client's file is all that counts: none of them expects an error here.
fn process_file(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let process = serde_json::json!({
        "args": ["sh", "-c", "echo $A $B; id -u; pwd"],
        "cwd": "/tmp",
        "env": ["PATH=/bin", "A=file"],
    });
    let file = place.file("process.json");
    fs::write(&file, process.to_string()).unwrap();
    let options = ["--user", "5:6", "--env", "B=option", "--cwd", "/"];
    let line = [&["exec", "--process", &file], &options[..], &["ID", "ls"]].concat();
    let (output, error) = said(&place, &line);
    assert_eq!(output, "file\n0\n/tmp\n");
    if runtime.name == "isorun" {
        assert!(error.contains("warning: "), "{error}");
        assert!(error.contains("--user, --env, --cwd, COMMAND"), "{error}");
        let (_, error) = said(&place, &["exec", "--process", &file, "ID"]);
        assert_eq!(error, "");
    }
}

fn limits_file(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let file = place.file("limits.json");
    fs::write(&file, r#"{"pids": {"limit": 51}}"#).unwrap();
    let line = ["update", "--pids-limit", "50", "-r", &file, "ID"];
    let (_, error) = said(&place, &line);
    if let Some(limit) = limit(&place, "pids.max") {
        assert_eq!(limit, "51");
    }
    if runtime.name == "isorun" {
        assert!(error.contains("--resources: --pids-limit"), "{error}");
        let (_, error) = said(&place, &["update", "-r", &file, "ID"]);
        assert_eq!(error, "");
    }
}

/// What the files of the container's groups called `name` say.
fn limit(place: &Place<'_>, name: &str) -> Option<String> {
    let pid = place.state()["pid"].to_string();
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let hierarchies = isolab_oci::cgroup::discover().unwrap();
    own.lines().find_map(|line| {
        let path = line.splitn(3, ':').nth(2)?.trim_start_matches('/');
        hierarchies.iter().find_map(|h| {
            let file = h.mount_point.join(path).join(name);
            fs::read_to_string(file).ok().map(|t| t.trim().to_owned())
        })
    })
}

/// An option, its value, and what the file of version 1 or of 2 says then.
type Limit = (
    &'static str,
    &'static str,
    [(&'static str, &'static str); 2],
);

fn update_each(runtime: &Runtime) {
    const LIMITS: [Limit; 8] = [
        (
            "--cpu-share",
            "512",
            [("cpu.shares", "512"), ("cpu.weight", "20")],
        ),
        (
            "--cpu-period",
            "50000",
            [("cpu.cfs_period_us", "50000"), ("cpu.max", "max 50000")],
        ),
        (
            "--cpu-quota",
            "20000",
            [("cpu.cfs_quota_us", "20000"), ("cpu.max", "20000 50000")],
        ),
        (
            "--cpuset-cpus",
            "0",
            [("cpuset.cpus", "0"), ("cpuset.cpus", "0")],
        ),
        (
            "--cpuset-mems",
            "0",
            [("cpuset.mems", "0"), ("cpuset.mems", "0")],
        ),
        (
            "--memory",
            "33554432",
            [
                ("memory.limit_in_bytes", "33554432"),
                ("memory.max", "33554432"),
            ],
        ),
        (
            "--memory-reservation",
            "16777216",
            [
                ("memory.soft_limit_in_bytes", "16777216"),
                ("memory.low", "16777216"),
            ],
        ),
        (
            "--pids-limit",
            "77",
            [("pids.max", "77"), ("pids.max", "77")],
        ),
    ];
    let place = Place::new(runtime);
    place.start();
    for (option, value, files) in LIMITS {
        let said = files.map(|(file, _)| limit(&place, file));
        if said == [None, None] {
            continue; // the kernel has no such controller
        }
        place.ok(&["update", option, value, "ID"]);
        for (file, expected) in files {
            if let Some(said) = limit(&place, file) {
                assert_eq!(said, expected, "{option} {file}");
            }
        }
    }
}

fn update_nothing(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["update", "ID"]);
}
