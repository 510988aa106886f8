//! What a program may do but for its filter, and when it has its turn, seen from inside. What runc
//! and crun know too is asked of them as well.

use isolab_oci::spec::{
    Capabilities, CpuAffinity, Domain, IoClass, IoPriority, Personality, Policy, Rlimit, Scheduler,
    SchedulerFlag,
};
use isolab_oci::{Begin, Bundle, Container, Error, Spec, StateRoot, Stdio};

use crate::Claim;
use crate::peers::by_peers;
use crate::support::{Place, containers, linux, name, options, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "of_two_values_of_a_variable_the_last_is_seen",
        containers,
        environment,
    ),
    (
        "a_process_that_joins_keeps_to_the_cpus_of_its_affinity",
        root,
        affinity,
    ),
    (
        "the_five_capability_sets_are_those_of_the_spec",
        root,
        capability_sets,
    ),
    (
        "an_unknown_capability_is_left_out_with_a_warning",
        containers,
        unknown_capability,
    ),
    ("limits_are_seen_inside", containers, limits),
    (
        "the_schedulers_attributes_are_seen_inside",
        containers,
        scheduler,
    ),
    ("the_io_priority_is_seen_inside", containers, io_priority),
    (
        "with_the_32_bit_personality_the_machine_has_another_name",
        containers,
        personality,
    ),
    (
        "no_new_privileges_is_seen_inside_and_so_is_its_absence",
        root,
        no_new_privileges,
    ),
    (
        "what_the_kernel_refuses_names_field_value_and_remedy",
        containers,
        refusals,
    ),
];

/// Runs the container here and with the peers, and compares what it wrote.
pub(crate) fn judged(place: &Place, spec: &Spec, expected: &str) {
    let (text, _) = place.run(spec);
    assert_eq!(text, expected);
    place.write(spec);
    for (peer, text) in by_peers(place) {
        assert_eq!(text, expected, "{peer}");
    }
}

fn environment() {
    let place = Place::new();
    let mut spec = place.spec("");
    process(&mut spec).args = ["cat", "/proc/self/environ"].map(str::to_owned).to_vec();
    process(&mut spec).env = ["A=1", "PATH=/bin", "A=2", "B=", "HOME=/"]
        .map(str::to_owned)
        .to_vec();
    let (text, _) = place.run(&spec);
    assert_eq!(text, "A=2\0PATH=/bin\0B=\0HOME=/\0");
}

fn affinity() {
    let place = Place::new();
    let mut spec = place.spec("sleep 100");
    let bundle = Bundle::new(place.path(), spec.clone()).unwrap();
    let states = StateRoot::new(place.path().join("states"));
    let (stdio, options) = (Stdio::inherit(), options());
    let made = Container::create(&states, &name(), &bundle, Begin::Now, stdio, &options);
    let (container, running) = made.unwrap();
    let mut joining = process(&mut spec).clone();
    joining.exec_cpu_affinity = Some(CpuAffinity {
        initial: Some("0-1".to_owned()),
        last: Some("0".to_owned()),
    });
    // Its exit status tells whether the list is that one.
    let script = "grep -q '^Cpus_allowed_list:.0$' /proc/self/status && exit 7";
    joining.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    let mut joined = container.exec(&joining, stdio, &options).unwrap();
    assert_eq!(joined.wait().unwrap().code, Some(7));
    joining.exec_cpu_affinity.as_mut().unwrap().last = Some("4095".to_owned());
    let error = container.exec(&joining, stdio, &options).unwrap_err();
    assert!(
        error.to_string().contains("CPU affinity to 4095"),
        "{error}"
    );
    assert!(error.hint().is_some());
    drop(running);
    container.delete(true).unwrap();
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&n| n.to_owned()).collect()
}

fn capability_sets() {
    let place = Place::new();
    let mut spec = place.spec("grep ^Cap /proc/self/status");
    // Numbers 0, 1 and 5; and 7, which an ordinary user keeps through nothing.
    process(&mut spec).capabilities = Some(Capabilities {
        bounding: names(&["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID"]),
        permitted: names(&["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_KILL"]),
        effective: names(&["CAP_CHOWN"]),
        inheritable: names(&["CAP_KILL"]),
        ambient: names(&["CAP_KILL"]),
    });
    process(&mut spec).user.uid = 1000;
    let set = |name: &str, bits: u64| format!("Cap{name}:\t{bits:016x}\n");
    // An ordinary user's program starts with the ambient set alone (capabilities(7)).
    let expected = [
        set("Inh", 0x20),
        set("Prm", 0x20),
        set("Eff", 0x20),
        set("Bnd", 0xa3),
        set("Amb", 0x20),
    ];
    judged(&place, &spec, &expected.concat());
}

fn unknown_capability() {
    let place = Place::new();
    let mut spec = place.spec("true");
    let capabilities = process(&mut spec).capabilities.as_mut().unwrap();
    capabilities.bounding.push("CAP_FLY".to_owned());
    let running = place.try_start(&spec, &options()).unwrap();
    let warning = running.warnings().join("\n");
    assert!(
        warning.contains("ignoring unknown or unavailable capabilities: [CAP_FLY]"),
        "{warning}"
    );
}

fn limits() {
    let place = Place::new();
    let mut spec = place.spec("grep -E 'open files|cpu time' /proc/self/limits");
    let limit = |kind: &str, soft, hard| Rlimit {
        kind: kind.to_owned(),
        hard,
        soft,
    };
    process(&mut spec).rlimits = vec![limit("RLIMIT_NOFILE", 77, 99), limit("RLIMIT_CPU", 9, 10)];
    let line =
        |name: &str, soft, hard, unit: &str| format!("{name:<26}{soft:<21}{hard:<21}{unit:<10}\n");
    let expected =
        line("Max cpu time", 9, 10, "seconds") + &line("Max open files", 77, 99, "files");
    judged(&place, &spec, &expected);
}

fn scheduler() {
    let place = Place::new();
    // proc_pid_stat(5): the nice value and the policy.
    let mut spec = place.spec(
        "while read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ nice rest; do
        set -- $rest; shift 21; echo $nice $1; done </proc/self/stat",
    );
    assert_eq!(place.run(&spec).0, "0 0\n");
    process(&mut spec).scheduler = Some(Scheduler {
        policy: Policy::Batch,
        nice: 7,
        flags: vec![SchedulerFlag::ResetOnFork],
        ..Scheduler::default()
    });
    assert_eq!(place.run(&spec).0, "7 3\n");
}

fn io_priority() {
    let place = Place::new();
    let mut spec = place.spec("busybox ionice -p 1");
    process(&mut spec).io_priority = Some(IoPriority {
        class: IoClass::BestEffort,
        priority: 6,
    });
    assert_eq!(place.run(&spec).0, "best-effort: prio 6\n");
    process(&mut spec).io_priority = Some(IoPriority {
        class: IoClass::Idle,
        priority: 0,
    });
    assert!(place.run(&spec).0.starts_with("idle"));
}

fn personality() {
    let place = Place::new();
    let machine = |domain| {
        let mut spec = place.spec("uname -m");
        let flags = Vec::new();
        linux(&mut spec).personality = Some(Personality { domain, flags });
        place.run(&spec).0
    };
    let (own, other) = (machine(Domain::Linux), machine(Domain::Linux32));
    assert_eq!(own.trim(), std::env::consts::ARCH);
    let expected = ["i686\n", "armv8l\n", "armv7l\n"];
    assert!(expected.contains(&other.as_str()), "{other}");
}

fn no_new_privileges() {
    let place = Place::new();
    for (given, expected) in [(true, "NoNewPrivs:\t1\n"), (false, "NoNewPrivs:\t0\n")] {
        let mut spec = place.spec("grep NoNewPrivs /proc/self/status");
        process(&mut spec).no_new_privileges = given;
        judged(&place, &spec, expected);
    }
}

fn refusals() {
    let place = Place::new();
    let refused = |expected: &str, change: &dyn Fn(&mut Spec)| {
        let mut spec = place.spec("true");
        change(&mut spec);
        let Err(error) = place.try_start(&spec, &options()) else {
            return; // this user may
        };
        assert!(
            matches!(error, Error::Setup { .. } | Error::Invalid { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().is_some(), "{error}");
    };
    refused("SCHED_FIFO, nice 0, priority 99", &|s| {
        process(s).scheduler = Some(Scheduler {
            policy: Policy::Fifo,
            priority: 99,
            ..Scheduler::default()
        });
    });
    refused("oomScoreAdj to -1000", &|s| {
        process(s).oom_score_adj = Some(-1000);
    });
    refused("RLIMIT_NOFILE to soft 1, hard 18446744073709551615", &|s| {
        process(s).rlimits = vec![Rlimit {
            kind: "RLIMIT_NOFILE".to_owned(),
            hard: u64::MAX,
            soft: 1,
        }];
    });
    refused("no-such-profile", &|s| {
        process(s).apparmor_profile = Some("no-such-profile".to_owned());
    });
}
