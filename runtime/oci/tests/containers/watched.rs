//! Who is in sight of a start: what the runtime has in its memory until it executes is
//! read by nobody in a container.

use std::fs;

use isolab_oci::Spec;
use isolab_oci::security::capability::NAMES;
use isolab_oci::spec::{Capabilities, Hook, Hooks, NamespaceType};
use isolab_oci::sys::process::effective_ids;

use crate::Claim;
use crate::sleeper::{Sleeper, map_root, run_under, strace};
use crate::support::{Place, linux, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "nobody_in_a_container_reads_the_memory_of_what_joins_it",
        strace,
        memory_of_joining,
    ),
    (
        "nobody_in_a_container_reads_the_memory_of_what_shares_its_user_namespace",
        strace_as_root,
        memory_of_sharing,
    ),
    (
        "nobody_in_the_hosts_pid_namespace_reads_the_memory_of_a_container_that_starts",
        strace_as_root,
        memory_of_equals,
    ),
];

fn strace_as_root() -> Result<(), String> {
    root()?;
    strace()
}

/// Looks at all processes that it can see, for ever, with all that a container
/// can have over them.
fn watching(spec: &mut Spec) {
    spec.root.as_mut().unwrap().readonly = false;
    let all = || NAMES.map(str::to_owned).to_vec();
    process(spec).capabilities = Some(Capabilities {
        bounding: all(),
        permitted: all(),
        effective: all(),
        ..Capabilities::default()
    });
    if effective_ids().0 == 0 {
        map_root(spec);
    }
}

/// CVE-2016-9962: what joins has the runtime's memory, its environment and its
/// descriptors until it executes.
fn memory_of_joining() {
    let watch = "while :; do for p in /proc/[0-9]*; do
        grep -sl ISOLAB_SECRET $p/environ
        for f in $p/root $p/cwd $p/fd/*; do readlink $f; done; done; done 2>/dev/null >>/tmp/seen";
    let sleeper = Sleeper::running(watch, watching);
    // Where the command is typed, and so what its descriptors and paths show.
    let here = sleeper.place.path().to_str().unwrap();
    // It is slow in one of its last steps.
    let slow = "-f -o /dev/null -e trace=capset -e inject=capset:delay_enter=300000";
    let mut starter = vec!["env", "ISOLAB_SECRET=1", "strace"];
    starter.extend(slow.split(' '));
    for _ in 0..5 {
        let (text, success) = sleeper.exec(&starter, &[], "exit 0");
        assert!(success, "{text}");
    }
    let seen = fs::read_to_string(sleeper.place.root().join("tmp/seen")).unwrap();
    assert!(seen.lines().count() > 100, "it saw little");
    for word in ["environ", here, "pidfd", "eventfd"] {
        assert!(!seen.contains(word), "it saw {word}");
    }
}

/// Notes whose environment it can read.
const WATCH: &str =
    "while :; do grep -sl ISOLAB_SECRET /proc/[0-9]*/environ; echo; done >/tmp/seen";

/// The first process of another container, and a hook in its namespaces, have the
/// runtime's memory, too; and who has power in their user namespace need not be in
/// their pid namespace to see them.
fn memory_of_sharing() {
    for shares_pids in [true, false] {
        let sleeper = Sleeper::running(WATCH, |spec| {
            watching(spec);
            let namespaces = &mut linux(spec).namespaces;
            namespaces.retain(|n| shares_pids || n.kind != NamespaceType::Pid);
        });
        let place = Place::new();
        let mut spec = place.spec("true");
        map_root(&mut spec);
        let linux = linux(&mut spec);
        (linux.uid_mappings, linux.gid_mappings) = (Vec::new(), Vec::new());
        for namespace in &mut linux.namespaces {
            namespace.path = match namespace.kind {
                NamespaceType::User => Some(sleeper.namespace("user")),
                NamespaceType::Pid if shares_pids => Some(sleeper.namespace("pid")),
                _ => None,
            };
        }
        spec.hooks = Some(Hooks {
            create_container: vec![Hook {
                path: "/bin/true".into(),
                env: vec!["PATH=/bin".to_owned()],
                ..Hook::default()
            }],
            ..Hooks::default()
        });
        // Both are slow after they have entered it.
        let slow = "-f -o /dev/null -e trace=setsid -e inject=setsid:delay_enter=300000";
        let mut starter = vec!["env", "ISOLAB_SECRET=1", "strace"];
        starter.extend(slow.split(' '));
        for _ in 0..3 {
            assert_eq!(run_under(&starter, &spec, &place), "");
        }
        let seen = fs::read_to_string(sleeper.place.root().join("tmp/seen")).unwrap();
        assert!(seen.lines().count() > 10, "it saw little");
        assert!(!seen.contains("environ"), "shares pids: {shares_pids}");
    }
}

/// Root with the same capabilities is as good as the user himself, where the
/// kernel has not been asked to hide the memory.
fn memory_of_equals() {
    let sleeper = Sleeper::running(WATCH, |spec| {
        spec.root.as_mut().unwrap().readonly = false;
        linux(spec)
            .namespaces
            .retain(|n| n.kind != NamespaceType::Pid);
    });
    let place = Place::new();
    // From here on it has no more than the one that watches.
    let slow = "-f -o /dev/null -e trace=capset -e inject=capset:delay_exit=300000";
    let mut starter = vec!["env", "ISOLAB_SECRET=1", "strace"];
    starter.extend(slow.split(' '));
    for _ in 0..3 {
        assert_eq!(run_under(&starter, &place.spec("true"), &place), "");
    }
    let seen = fs::read_to_string(sleeper.place.root().join("tmp/seen")).unwrap();
    assert!(seen.lines().count() > 10, "it saw little");
    assert!(
        !seen.contains("environ"),
        "it saw the starter's environment"
    );
}
