//! Values that parse and still cannot be: each is refused by its field's name.

use super::*;

#[test]
fn an_id_that_the_kernel_does_not_have_is_refused() {
    refused("process.user.uid", |s| process(s).user.uid = u32::MAX);
    refused("process.user.gid", |s| process(s).user.gid = u32::MAX);
    refused("process.user.additionalGids[1]", |s| {
        process(s).user.additional_gids = vec![1, u32::MAX];
    });
    refused("process.user.additionalGids", |s| {
        process(s).user.additional_gids = vec![1; 65537];
    });
    refused("process.user.umask", |s| {
        process(s).user.umask = Some(0o1000);
    });
}

#[test]
fn a_name_that_the_kernel_would_cut_is_refused() {
    refused("hostname", |s| s.hostname = Some("x".repeat(65)));
    refused("domainname", |s| s.domainname = Some("x".repeat(65)));
    refused("annotations", |s| {
        s.annotations.insert(String::new(), "value".to_owned());
    });
}

#[test]
fn a_version_that_is_not_of_this_specification_is_refused() {
    for version in ["", "1", "x", "0.9", "2.0.0", "1.x", "1.", "11.0.0"] {
        refused("ociVersion", |s| s.oci_version = version.to_owned());
    }
    for version in [
        "1.0",
        "1.0.2",
        "1.2.1",
        "1.3.0",
        "1.0.2-dev",
        "1.1.0-rc.1",
        "1.2.0+x",
    ] {
        let mut spec = Spec::example();
        spec.process.as_mut().unwrap().terminal = false;
        spec.oci_version = version.to_owned();
        assert!(validate::check(&spec).is_ok(), "{version}");
    }
}

#[test]
fn each_entry_of_the_environment_has_a_name_and_a_value() {
    refused("process.env[2]", |s| {
        process(s).env.push("NOVALUE".to_owned());
    });
    refused("process.env[2]", |s| process(s).env.push("=x".to_owned()));
}

#[test]
fn a_scheduler_with_what_its_policy_does_not_take_is_refused() {
    let set = |scheduler: Scheduler| move |s: &mut Spec| process(s).scheduler = Some(scheduler);
    let other = Scheduler::default();
    refused(
        "process.scheduler.nice",
        set(Scheduler {
            nice: 20,
            ..other.clone()
        }),
    );
    refused(
        "process.scheduler.nice",
        set(Scheduler {
            nice: -21,
            ..other.clone()
        }),
    );
    refused(
        "process.scheduler.priority",
        set(Scheduler {
            priority: 1,
            ..other.clone()
        }),
    );
    refused(
        "process.scheduler.runtime",
        set(Scheduler {
            period: 1,
            ..other.clone()
        }),
    );
    refused(
        "process.scheduler.flags",
        set(Scheduler {
            flags: vec![SchedulerFlag::UtilizationAtMost],
            ..other.clone()
        }),
    );
    for (policy, field) in [
        (Policy::Fifo, "priority"),
        (Policy::RoundRobin, "priority"),
        (Policy::Deadline, "runtime"),
        (Policy::Iso, "policy"),
    ] {
        let field = format!("process.scheduler.{field}");
        refused(
            &field,
            set(Scheduler {
                policy,
                ..other.clone()
            }),
        );
    }
    refused("process.execCPUAffinity.final", |s| {
        process(s).exec_cpu_affinity = Some(CpuAffinity {
            initial: Some("0-3".to_owned()),
            last: Some("3-0".to_owned()),
        });
    });
    refused("process.ioPriority.priority", |s| {
        process(s).io_priority = Some(IoPriority {
            class: IoClass::BestEffort,
            priority: 8,
        });
    });
}

fn range(container_id: u32, host_id: u32, size: u32) -> IdMapping {
    IdMapping {
        container_id,
        host_id,
        size,
    }
}

#[test]
fn a_map_of_ids_that_the_kernel_would_refuse_is_refused_with_the_range() {
    let bad = |field: &str, ranges: &[IdMapping]| {
        refused(&format!("linux.uidMappings{field}"), |s| {
            linux(s).uid_mappings = ranges.to_vec();
        });
        refused(&format!("linux.gidMappings{field}"), |s| {
            linux(s).gid_mappings = ranges.to_vec();
        });
    };
    bad("[0].size", &[range(0, 0, 0)]);
    bad("[0].containerID", &[range(u32::MAX, 0, 1)]);
    bad("[0].hostID", &[range(0, 1, u32::MAX)]);
    bad("[1].containerID", &[range(0, 0, 10), range(9, 100, 1)]);
    bad("[1].hostID", &[range(0, 5, 10), range(10, 14, 1)]);
    bad("", &vec![range(0, 0, 1); 341]);
}

#[test]
fn a_device_that_no_kernel_has_is_refused() {
    let device = |change: &dyn Fn(&mut Device)| {
        let mut device = Device {
            path: "/dev/x".into(),
            kind: DeviceType::Character,
            major: Some(1),
            minor: Some(3),
            file_mode: None,
            uid: None,
            gid: None,
        };
        change(&mut device);
        move |s: &mut Spec| linux(s).devices = vec![device]
    };
    refused(
        "linux.devices[0].path",
        device(&|d| d.path = "dev/x".into()),
    );
    refused(
        "linux.devices[0].path",
        device(&|d| d.path = "/dev/../x".into()),
    );
    refused("linux.devices[0].path", device(&|d| d.path = "/".into()));
    refused(
        "linux.devices[0].type",
        device(&|d| d.kind = DeviceType::All),
    );
    refused("linux.devices[0].major", device(&|d| d.major = Some(-1)));
    refused(
        "linux.devices[0].minor",
        device(&|d| d.minor = Some(1 << 20)),
    );
    refused("linux.devices[0].minor", device(&|d| d.minor = None));
    refused("linux.devices[0].uid", device(&|d| d.uid = Some(u32::MAX)));
}

#[test]
fn a_path_that_is_relative_or_leads_out_is_refused() {
    refused("linux.maskedPaths[0]", |s| {
        linux(s).masked_paths = vec!["proc".into()];
    });
    refused("linux.readonlyPaths[0]", |s| {
        linux(s).readonly_paths = vec!["/proc/../../etc".into()];
    });
    refused("linux.namespaces[0].path", |s| {
        linux(s).namespaces[0].path = Some("proc/1/ns/net".into());
    });
}

#[test]
fn clocks_personalities_and_network_devices_are_those_that_exist() {
    let time = |clock: &str, nanosecs| {
        let clock = clock.to_owned();
        move |s: &mut Spec| {
            linux(s)
                .time_offsets
                .insert(clock, TimeOffset { secs: 0, nanosecs });
        }
    };
    refused("linux.timeOffsets.realtime", time("realtime", 0));
    refused(
        "linux.timeOffsets.boottime",
        time("boottime", 1_000_000_000),
    );
    refused("linux.timeOffsets", time("boottime", 0)); // no time namespace
    refused("linux.personality.flags", |s| {
        linux(s).personality = Some(Personality {
            flags: vec!["ADDR_NO_RANDOMIZE".to_owned()],
            ..Personality::default()
        });
    });
    let device = |host: &str, name: Option<&str>| {
        let (host, name) = (host.to_owned(), name.map(str::to_owned));
        move |s: &mut Spec| {
            let devices = &mut linux(s).net_devices;
            devices.insert("eth1".to_owned(), NetDevice::default());
            devices.insert(host, NetDevice { name });
        }
    };
    refused("linux.netDevices.eth0", device("eth0", Some("a/b")));
    refused(
        "linux.netDevices.eth0",
        device("eth0", Some("0123456789abcdef")),
    );
    refused("linux.netDevices.", device("", None));
    refused("linux.netDevices.eth0", device("eth0", Some("eth1")));
}

#[test]
fn an_error_shows_a_hostile_value_on_one_line_of_bounded_length() {
    let mut spec = Spec::example();
    spec.oci_version = "\u{1b}[2J\n".repeat(1000);
    let error = validate::check(&spec).unwrap_err().to_string();
    assert!(
        error.len() < 1200 && !error.contains(['\n', '\u{1b}']),
        "{error}"
    );
}
