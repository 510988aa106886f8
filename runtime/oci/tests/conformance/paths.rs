//! config-linux.md: what is hidden, set and changed around a program.

use std::fs;

use serde_json::json;

use crate::case::Case;
use crate::holder::Holder;
use crate::mount_table::{table, top};
use crate::subject::Subject;
use crate::{Claim, Need, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_sysctl_of_a_namespace_of_its_own_is_set",
        section: "config-linux.md, Sysctl",
        level: "OPTIONAL",
        gist: "`sysctl` sets parameters of the container's network, IPC and UTS namespaces, with dots or slashes",
        need: root,
        test: sysctl,
    },
    Claim {
        name: "a_sysctl_of_the_host_is_refused",
        section: "config-linux.md, Sysctl",
        level: "MUST",
        gist: "a parameter that is no namespace's, or of a namespace that is the host's, is an error",
        need: root,
        test: host_sysctl,
    },
    Claim {
        name: "a_root_has_its_propagation",
        section: "config-linux.md, Rootfs mount propagation",
        level: "OPTIONAL",
        gist: "shared, slave, private and unbindable are those of the root's mount",
        need: root,
        test: propagation,
    },
    Claim {
        name: "a_slave_root_receives_what_the_host_mounts",
        section: "config-linux.md, Rootfs mount propagation",
        level: "OPTIONAL",
        gist: "with `slave`, what the host mounts below a shared root appears inside, and not the reverse",
        need: root,
        test: slave,
    },
    Claim {
        name: "a_private_root_receives_nothing",
        section: "config-linux.md, Rootfs mount propagation",
        level: "OPTIONAL",
        gist: "with `private`, and by default, it does not",
        need: root,
        test: private,
    },
    Claim {
        name: "masked_paths_cannot_be_read",
        section: "config-linux.md, Masked paths",
        level: "OPTIONAL",
        gist: "a file and a directory of `maskedPaths` are empty; one that is not there is no error",
        need: anyone,
        test: masked,
    },
    Claim {
        name: "read_only_paths_cannot_be_written",
        section: "config-linux.md, Readonly paths",
        level: "OPTIONAL",
        gist: "a file and a directory of `readonlyPaths` can be read; one that is not there is no error",
        need: anyone,
        test: readonly,
    },
    Claim {
        name: "masked_and_read_only_paths_are_absolute",
        section: "config-linux.md, Masked paths",
        level: "MUST",
        gist: "a relative path is an error",
        need: anyone,
        test: relative,
    },
    Claim {
        name: "a_personality_is_that_of_the_configuration",
        section: "config-linux.md, Personality",
        level: "OPTIONAL",
        gist: "with `LINUX32` uname tells of a 32-bit machine, with `LINUX` of the kernel's own",
        need: wide,
        test: personality,
    },
    Claim {
        name: "a_personality_that_is_none_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "`domain` is LINUX or LINUX32",
        need: anyone,
        test: no_personality,
    },
    Claim {
        name: "a_cache_allocation_without_resctrl_is_refused",
        section: "config-linux.md, IntelRdt",
        level: "MUST",
        gist: "where no `resctrl` is mounted, `intelRdt` is an error",
        need: no_resctrl,
        test: resctrl,
    },
    Claim {
        name: "a_network_device_is_moved_into_the_container",
        section: "config-linux.md, Network devices",
        level: "MUST",
        gist: "a device of `netDevices` is in the container's namespace, under its new name, up, with its addresses (since 1.3)",
        need: network,
        test: net_device,
    },
    Claim {
        name: "a_network_device_that_is_not_there_is_refused",
        section: "config-linux.md, Network devices",
        level: "MUST",
        gist: "a device that cannot be moved is an error: it is not there, its name is taken inside, or there is no network namespace to move it to (since 1.3)",
        need: network,
        test: no_net_device,
    },
    Claim {
        name: "a_network_device_gets_a_name_from_a_template",
        section: "config-linux.md, Network devices",
        level: "MUST",
        gist: "a new name that ends in `%d` is a template: the kernel puts a number there that is free (since 1.3)",
        need: network,
        test: template,
    },
    Claim {
        name: "a_network_device_stays_in_its_namespace",
        section: "config-linux.md, Network devices",
        level: "MUST NOT",
        gist: "a device is not moved out again: in a namespace that goes on, it is there after delete (since 1.3)",
        need: network,
        test: not_moved_back,
    },
];

fn wide(_: Subject) -> Need {
    if cfg!(target_pointer_width = "64") {
        Ok(())
    } else {
        Err("needs a 64-bit machine".to_owned())
    }
}

fn no_resctrl(_: Subject) -> Need {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    if mounts.contains(" resctrl ") {
        Err("resctrl is mounted here".to_owned())
    } else {
        Ok(())
    }
}

/// A pair of virtual devices can be made.
fn network(subject: Subject) -> Need {
    root(subject)?;
    let pair =
        Pair::new().ok_or("no veth devices can be made here (iproute2, and the kernel's veth)")?;
    drop(pair);
    Ok(())
}

fn sysctl(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config(
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax \
         /proc/sys/kernel/domainname",
    );
    config["linux"]["sysctl"] = json!({
        "net.ipv4.ip_forward": "1", "net/core/somaxconn": "77", "kernel.msgmax": "7777",
        "kernel.domainname": "of.sysctl"
    });
    assert_eq!(case.output(&config), "1\n77\n7777\nof.sysctl\n");
}

fn host_sysctl(subject: Subject) {
    let case = Case::new(subject);
    let path = "/proc/sys/vm/swappiness";
    let before = fs::read_to_string(path).unwrap();
    let mut config = case.config("true");
    config["linux"]["sysctl"] = json!({ "vm.swappiness": before.trim() });
    case.refused("vm.swappiness", &config);
    let mut config = case.config("true");
    config::without_namespace(&mut config, "network");
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.retain(|mount| mount["destination"] != "/sys");
    let before = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    config["linux"]["sysctl"] = json!({ "net.core.somaxconn": before.trim() });
    case.refused("net.core.somaxconn of the host", &config);
    assert_eq!(
        fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap(),
        before
    );
}

fn propagation(subject: Subject) {
    let case = Case::new(subject);
    for value in ["shared", "slave", "private", "unbindable"] {
        let mut config = case.config("cat /proc/self/mountinfo");
        config["linux"]["rootfsPropagation"] = json!(value);
        let found = top(&table(&case.output(&config)), "/");
        match value {
            "shared" => assert!(found.has_tag("shared:"), "{value}: {found:?}"),
            "unbindable" => assert!(found.has_tag("unbindable"), "{value}: {found:?}"),
            // The root's parent need not be shared: then a slave has no master.
            _ => assert!(!found.has_tag("shared:"), "{value}: {found:?}"),
        }
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let mut command = std::process::Command::new(program);
    command.args(arguments).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A root that is a shared mount on the host, for the time of a test.
struct Shared(String);

impl Shared {
    fn new(case: &Case) -> Self {
        let path = case.rootfs().to_string_lossy().into_owned();
        assert!(run("mount", &["--bind", &path, &path]));
        assert!(run("mount", &["--make-shared", &path]));
        Self(path)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        run("umount", &["-R", &self.0]);
    }
}

/// Whether what the host mounts at /srv of a running container's root is seen inside.
fn receives(subject: Subject, propagation: Option<&str>) -> bool {
    let case = Case::new(subject);
    fs::create_dir(case.rootfs().join("srv")).unwrap();
    let shared = Shared::new(&case);
    let script = "echo up; while [ ! -e /go ]; do sleep 0.01; done; cat /proc/self/mountinfo";
    let mut config = case.config(script);
    if let Some(value) = propagation {
        config["linux"]["rootfsPropagation"] = json!(value);
    }
    let container = case.create(&config);
    container.start();
    container.wait_for("up\n");
    let target = format!("{}/srv", shared.0);
    assert!(run("mount", &["-t", "tmpfs", "tmpfs", &target]));
    fs::write(case.rootfs().join("go"), "").unwrap();
    container.wait();
    let seen = table(&container.output());
    drop(container);
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(
        !host.contains(&format!("{}/dev/shm ", shared.0)),
        "its mounts reached the host"
    );
    seen.iter().any(|mount| mount.target == "/srv")
}

fn slave(subject: Subject) {
    assert!(receives(subject, Some("slave")), "it is not seen");
}

fn private(subject: Subject) {
    assert!(!receives(subject, Some("private")), "it is seen");
    // The default is not defined, but what is inside must not reach the host.
    receives(subject, None);
}

fn masked(subject: Subject) {
    let case = Case::new(subject);
    fs::create_dir(case.rootfs().join("secret")).unwrap();
    fs::write(case.rootfs().join("secret/file"), "hidden").unwrap();
    fs::write(case.rootfs().join("etc/secret"), "hidden").unwrap();
    let mut config = case.config("cat /etc/secret; ls -A /secret; cat /proc/uptime; echo end");
    config["linux"]["maskedPaths"] = json!([
        "/etc/secret",
        "/secret",
        "/proc/uptime",
        "/not/there",
        "/proc/not-there"
    ]);
    assert_eq!(case.output(&config), "end\n");
}

fn readonly(subject: Subject) {
    let case = Case::new(subject);
    fs::create_dir(case.rootfs().join("fixed")).unwrap();
    fs::write(case.rootfs().join("fixed/file"), "kept").unwrap();
    fs::write(case.rootfs().join("etc/fixed"), "kept").unwrap();
    case.give(&case.rootfs());
    let mut config = case.config(
        "cat /fixed/file /etc/fixed; touch /fixed/new 2>&1; echo x 2>&1 >>/etc/fixed; \
         echo x 2>&1 >/proc/sys/kernel/domainname; touch /free && echo free",
    );
    config["linux"]["readonlyPaths"] = json!(["/fixed", "/etc/fixed", "/proc/sys", "/not/there"]);
    let text = case.output(&config);
    assert!(text.starts_with("keptkept"), "{text}");
    assert!(
        text.contains("touch: /fixed/new: Read-only file system"),
        "{text}"
    );
    assert!(text.ends_with("free\n"), "{text}");
    assert_eq!(
        fs::read_to_string(case.rootfs().join("etc/fixed")).unwrap(),
        "kept"
    );
}

fn relative(subject: Subject) {
    let case = Case::new(subject);
    for name in ["maskedPaths", "readonlyPaths"] {
        let mut config = case.config("true");
        config["linux"][name] = json!(["etc"]);
        case.refused(name, &config);
    }
}

fn personality(subject: Subject) {
    let case = Case::new(subject);
    let own = case.script("uname -m");
    let mut config = case.config("uname -m");
    config["linux"]["personality"] = json!({ "domain": "LINUX" });
    assert_eq!(case.output(&config), own);
    config["linux"]["personality"] = json!({ "domain": "LINUX32", "flags": [] });
    let narrow = case.output(&config);
    assert_ne!(narrow, own);
    assert!(
        ["i686\n", "armv8l\n", "armv7l\n"].contains(&&*narrow),
        "{narrow}"
    );
}

fn no_personality(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["personality"] = json!({ "domain": "SOLARIS" });
    case.refused("SOLARIS", &config);
}

fn resctrl(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["intelRdt"] = json!({ "closID": "guaranteed", "l3CacheSchema": "L3:0=f" });
    case.refused("intelRdt", &config);
}

/// Two virtual devices of the host, for the time of a test.
struct Pair {
    name: String,
}

impl Pair {
    fn new() -> Option<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cf{}n{next}", std::process::id());
        let peer = format!("{name}p");
        let added = run(
            "ip",
            &["link", "add", &name, "type", "veth", "peer", "name", &peer],
        );
        added.then_some(Self { name })
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // Both ends go with one; a namespace's end destroys its own.
        if !run("ip", &["link", "del", &self.name]) {
            run("ip", &["link", "del", &format!("{}p", self.name)]);
        }
    }
}

fn net_device(subject: Subject) {
    let case = Case::new(subject);
    let pair = Pair::new().unwrap();
    assert!(run(
        "ip",
        &["address", "add", "192.0.2.7/24", "dev", &pair.name]
    ));
    let mut config = case.config("ip address show");
    config["linux"]["netDevices"] = json!({ &pair.name: { "name": "moved" } });
    let text = case.output(&config);
    assert!(
        text.contains("moved") && text.contains("192.0.2.7/24"),
        "{text}"
    );
    assert!(text.contains("UP"), "{text}");
}

fn no_net_device(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["netDevices"] = json!({ "no-such-dev": {} });
    case.refused("no-such-dev", &config);
    let pair = Pair::new().unwrap();
    config["linux"]["netDevices"] = json!({ &pair.name: { "name": "lo" } });
    case.refused("a name that is taken inside", &config);
    let pair = Pair::new().unwrap();
    config["linux"]["netDevices"] = json!({ &pair.name: {} });
    config::without_namespace(&mut config, "network");
    case.refused("no network namespace", &config);
}

fn template(subject: Subject) {
    let case = Case::new(subject);
    let (one, two) = (Pair::new().unwrap(), Pair::new().unwrap());
    let mut config = case.config("ip link show");
    config["linux"]["netDevices"] =
        json!({ &one.name: { "name": "moved%d" }, &two.name: { "name": "moved%d" } });
    let text = case.output(&config);
    assert!(text.contains("moved0") && text.contains("moved1"), "{text}");
}

fn not_moved_back(subject: Subject) {
    let case = Case::new(subject);
    let pair = Pair::new().unwrap();
    let holder = Holder::new(&["--net"], "net");
    let mut config = case.config("exec sleep 100");
    config::namespace(
        &mut config,
        json!({ "type": "network", "path": holder.path("net") }),
    );
    config["linux"]["netDevices"] = json!({ &pair.name: { "name": "moved" } });
    let container = case.create(&config);
    container.start();
    container.kill("KILL").unwrap();
    container.wait_stopped();
    container.delete().unwrap();
    let net = format!("--net={}", holder.path("net"));
    assert!(
        run("nsenter", &[&net, "ip", "link", "show", "moved"]),
        "it is gone"
    );
}
