//! What a program sees in its container.

use isolab_oci::spec::{
    Action, Namespace, NamespaceType, Pids, Resources, Rlimit, Rule, Seccomp, TimeOffset,
};
use isolab_oci::sys::process::effective_ids;

use crate::sleeper::map_root;
use crate::support::{Place, containers, linux, options, process, root};
use crate::{Claim, example};

pub(crate) const CLAIMS: &[Claim] = &[
    ("it_is_process_1_and_sees_no_other", containers, pid),
    (
        "its_root_is_the_rootfs_and_read_only",
        containers,
        read_only_root,
    ),
    ("its_hostname_is_its_own", containers, hostname),
    (
        "it_has_the_default_devices_and_they_work",
        containers,
        devices,
    ),
    (
        "masked_paths_are_empty_and_read_only_paths_cannot_be_written",
        containers,
        hidden,
    ),
    (
        "it_has_the_capabilities_of_the_spec_and_no_others",
        containers,
        capabilities,
    ),
    (
        "it_runs_as_the_user_groups_umask_and_directory_of_the_spec",
        root,
        user,
    ),
    (
        "a_limit_is_lowered_and_one_that_cannot_be_raised_is_named",
        containers,
        limits,
    ),
    ("a_seccomp_rule_answers_with_its_errno", containers, seccomp),
    (
        "a_seccomp_filter_works_without_no_new_privileges_too",
        root,
        seccomp_early,
    ),
    (
        "a_sysctl_of_its_own_network_is_set_and_one_of_the_hosts_is_refused",
        root,
        sysctl,
    ),
    ("a_network_of_its_own_can_reach_itself", root, loopback),
    (
        "a_bind_mount_is_made_read_only_before_it_is_seen",
        containers,
        bind,
    ),
    (
        "the_process_limit_of_its_control_group_is_written",
        root,
        pids_limit,
    ),
    (
        "a_root_that_is_not_read_only_can_be_written",
        containers,
        writable,
    ),
    (
        "the_oom_score_is_its_own_and_not_its_parents",
        containers,
        oom_score,
    ),
    ("a_range_of_ids_is_mapped_by_the_parent", ranges, id_ranges),
    (
        "an_ordinary_users_ids_are_mapped_and_root_inside_is_the_caller",
        containers,
        id_map,
    ),
    (
        "clocks_are_offset_also_where_the_user_is_another_one_outside",
        root,
        offset_clocks,
    ),
];

fn pid() {
    let text = Place::new().output("echo $$; ls -d /proc/[0-9]* | wc -l");
    assert_eq!(text.lines().next(), Some("1"));
    let count: u32 = text.lines().nth(1).unwrap().trim().parse().unwrap();
    assert!(count <= 3, "it sees {count} processes");
}

fn read_only_root() {
    let place = Place::new();
    std::fs::write(place.root().join("marker"), "here").unwrap();
    let text = place.output("cat /marker; touch /x 2>&1 || true; ls -d /..");
    assert!(text.starts_with("here"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(!place.root().join("x").exists());
}

fn hostname() {
    let place = Place::new();
    let mut spec = place.spec("hostname");
    spec.hostname = Some("inside-1".to_owned());
    assert_eq!(place.run(&spec).0, "inside-1\n");
}

fn devices() {
    let text = Place::new().output(
        "for d in null zero full random urandom tty; do [ -c /dev/$d ] || echo no $d; done; \
         echo x >/dev/null; head -c 3 /dev/zero | wc -c; readlink /dev/fd; readlink /dev/ptmx; \
         echo y 2>/dev/null >/dev/full || echo full",
    );
    assert_eq!(text, "3\n/proc/self/fd\npts/ptmx\nfull\n");
}

fn hidden() {
    let text = Place::new().output(
        "cat /proc/keys /proc/timer_list 2>/dev/null | wc -c; ls /sys/firmware 2>/dev/null | wc -l; \
         echo 1 2>/dev/null >/proc/sys/kernel/domainname || echo refused",
    );
    assert_eq!(text, "0\n0\nrefused\n");
}

fn capabilities() {
    let text = Place::new().output("grep -E '^(Cap|NoNew)' /proc/self/status");
    let value = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    // CAP_KILL (5), CAP_NET_BIND_SERVICE (10), CAP_AUDIT_WRITE (29).
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(value(set), "0000000020000420", "{set}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(value(set), "0000000000000000", "{set}");
    }
    assert_eq!(value("NoNewPrivs"), "1");
}

fn user() {
    let place = Place::new();
    let mut spec = place.spec("id -u; id -g; id -G; umask; pwd; grep CapEff /proc/self/status");
    let process = process(&mut spec);
    process.user.uid = 1234;
    process.user.gid = 5678;
    process.user.additional_gids = vec![90, 91];
    process.user.umask = Some(0o027);
    process.cwd = "/made/for/it".into();
    let (text, _) = place.run(&spec);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..5],
        ["1234", "5678", "5678 90 91", "0027", "/made/for/it"]
    );
    // No ambient set was given, so executing a program leaves a user nothing.
    assert!(lines[5].ends_with("0000000000000000"), "{text}");
}

fn limits() {
    let place = Place::new();
    let mut spec = place.spec("ulimit -n; ulimit -c");
    let limit = |kind: &str, value| Rlimit {
        kind: kind.to_owned(),
        hard: value,
        soft: value,
    };
    process(&mut spec).rlimits = vec![limit("RLIMIT_NOFILE", 77), limit("RLIMIT_CORE", 0)];
    assert_eq!(place.run(&spec).0, "77\n0\n");

    process(&mut spec).rlimits = vec![limit("RLIMIT_NOFILE", u64::from(u32::MAX))];
    // Even CAP_SYS_RESOURCE does not raise it over /proc/sys/fs/nr_open.
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("RLIMIT_NOFILE"), "{error}");
    assert!(error.hint().is_some());
}

fn no_mkdir() -> Seccomp {
    Seccomp {
        default_action: Action::Allow,
        syscalls: vec![Rule {
            names: vec![
                "mkdir".to_owned(),
                "mkdirat".to_owned(),
                "not_a_call".to_owned(),
            ],
            action: Action::Errno,
            errno_ret: Some(42), // ENOMSG: nothing else answers so
            args: Vec::new(),
        }],
        ..Seccomp::default()
    }
}

fn seccomp() {
    let place = Place::new();
    let mut spec = place.spec("mkdir /tmp/x 2>&1; grep -w Seccomp: /proc/self/status");
    linux(&mut spec).seccomp = Some(no_mkdir());
    let (text, _) = place.run(&spec);
    assert!(text.contains("No message of desired type"), "{text}");
    assert!(text.contains("Seccomp:\t2"), "{text}");
}

fn seccomp_early() {
    let place = Place::new();
    let mut spec = place.spec("grep -E '^(Seccomp|NoNewPrivs):' /proc/self/status");
    process(&mut spec).no_new_privileges = false;
    linux(&mut spec).seccomp = Some(no_mkdir());
    assert_eq!(place.run(&spec).0, "NoNewPrivs:\t0\nSeccomp:\t2\n");
}

fn sysctl() {
    let place = Place::new();
    let mut spec = place.spec("cat /proc/sys/net/ipv4/ip_forward");
    let before = std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    linux(&mut spec)
        .sysctl
        .insert("net.ipv4.ip_forward".to_owned(), "1".to_owned());
    assert_eq!(place.run(&spec).0, "1\n");
    assert_eq!(
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap(),
        before
    );

    linux(&mut spec)
        .sysctl
        .insert("kernel.panic".to_owned(), "1".to_owned());
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("kernel.panic"), "{error}");
}

fn loopback() {
    let place = Place::new();
    // The flags of `lo`: IFF_UP is bit 0 (netdevice(7)).
    let spec = place.spec("cat /sys/class/net/lo/flags");
    let flags = place.run(&spec).0;
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).unwrap();
    assert_eq!(flags & 1, 1, "lo is down: {flags:#x}");
}

fn bind() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("volume")).unwrap();
    std::fs::write(place.path().join("volume/file"), "shared").unwrap();
    let mut spec = place.spec("cat /mnt/v/file; touch /mnt/v/x 2>&1; cat /etc/one");
    let mount = |destination: &str, source: &str| isolab_oci::spec::Mount {
        destination: destination.into(),
        fstype: Some("bind".to_owned()),
        source: Some(source.into()),
        options: ["rbind", "ro", "nosuid"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    // Relative to the bundle; a directory, and a file onto a file that is made.
    spec.mounts.push(mount("/mnt/v", "volume"));
    spec.mounts.push(mount("/etc/one", "volume/file"));
    let (text, _) = place.run(&spec);
    assert!(
        text.starts_with("shared") && text.ends_with("shared"),
        "{text}"
    );
    assert!(text.contains("Read-only"), "{text}");
}

fn pids_limit() {
    let place = Place::new();
    let mut spec = place.spec("sleep 30");
    linux(&mut spec).resources = Some(Resources {
        pids: Some(Pids { limit: 17 }),
        ..Resources::default()
    });
    let running = place.try_start(&spec, &options()).unwrap();
    let mut files = running.cgroups().directories().map(|d| d.join("pids.max"));
    match files.find(|file| file.exists()) {
        Some(file) => assert_eq!(std::fs::read_to_string(file).unwrap(), "17\n"),
        None => assert!(
            running.warnings().iter().any(|w| w.contains("pids.max")),
            "no warning"
        ),
    }
}

fn writable() {
    let place = Place::new();
    let mut spec = place.spec("echo written >/out");
    spec.root.as_mut().unwrap().readonly = false;
    process(&mut spec)
        .capabilities
        .as_mut()
        .unwrap()
        .effective
        .clear();
    assert!(place.run(&spec).1.success());
    assert_eq!(
        std::fs::read_to_string(place.root().join("out")).unwrap(),
        "written\n"
    );
}

fn oom_score() {
    let place = Place::new();
    let own = || std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let before = own();
    let mut spec = place.spec("cat /proc/self/oom_score_adj");
    process(&mut spec).oom_score_adj = Some(321);
    assert_eq!(place.run(&spec).0, "321\n");
    assert_eq!(own(), before);
}

fn id_map() {
    let (uid, _) = effective_ids();
    let place = Place::new();
    let command = ["sh", "-c", "id -u; cat /proc/self/uid_map"];
    let spec = example::rootless(uid, effective_ids().1, &command);
    let (text, _) = place.run(&spec);
    let fields: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(fields, ["0", "0", &uid.to_string(), "1"]);
}

/// A range may be mapped by root, or by the user whom /etc/subuid grants one.
fn ranges() -> Result<(), String> {
    containers()?;
    granted()
        .map(drop)
        .ok_or_else(|| "needs root, or a range in /etc/subuid".to_owned())
}

/// The first id of a range that the caller may map.
fn granted() -> Option<u32> {
    if effective_ids().0 == 0 {
        return Some(300_000);
    }
    let user = std::process::Command::new("id").arg("-un").output().ok()?;
    let user = String::from_utf8(user.stdout).ok()?;
    let first = |file: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix(&format!("{}:", user.trim())))?
            .to_owned();
        line.split(':').next()?.parse::<u32>().ok()
    };
    first("/etc/subuid").filter(|&id| first("/etc/subgid") == Some(id))
}

fn id_ranges() {
    let (uid, gid) = effective_ids();
    let start = granted().unwrap();
    let place = Place::new();
    let script = "id -u; id -G; cat /proc/self/uid_map";
    let mut spec = example::rootless(uid, gid, &["sh", "-c", script]);
    process(&mut spec).user.uid = 7;
    process(&mut spec).user.additional_gids = vec![3];
    let map = |own| {
        [(0, own, 1), (1, start, 100)]
            .map(
                |(container_id, host_id, size)| isolab_oci::spec::IdMapping {
                    container_id,
                    host_id,
                    size,
                },
            )
            .to_vec()
    };
    linux(&mut spec).uid_mappings = map(uid);
    linux(&mut spec).gid_mappings = map(gid);
    let (text, _) = place.run(&spec);
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = [
        "7",
        "0",
        "3",
        "0",
        &uid.to_string(),
        "1",
        "1",
        &start.to_string(),
        "100",
    ];
    assert_eq!(words, expected);
}

/// Who changes its user owns its files in `/proc` no more.
fn offset_clocks() {
    if !std::path::Path::new("/proc/self/timens_offsets").exists() {
        return; // a kernel without time namespaces
    }
    let place = Place::new();
    let mut spec = place.spec("cat /proc/self/timens_offsets");
    map_root(&mut spec);
    let linux = linux(&mut spec);
    for map in [&mut linux.uid_mappings, &mut linux.gid_mappings] {
        (map[0].host_id, map[0].size) = (100_000, 65_536);
    }
    linux.namespaces.push(Namespace {
        kind: NamespaceType::Time,
        path: None,
    });
    let offset = TimeOffset {
        secs: 1337,
        nanosecs: 5,
    };
    linux.time_offsets.insert("boottime".to_owned(), offset);
    let text = place.run(&spec).0;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(lines.contains(&vec!["boottime", "1337", "5"]), "{text}");
}
