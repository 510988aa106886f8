//! Control groups that are mounted inside.

use isolab_oci::cgroup::Version;
use isolab_oci::spec::NamespaceType;

use super::{SHOW, mount, with};
use crate::support::{containers, options, root};
use crate::{Claim, Need};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "read_only_control_groups_have_nothing_that_is_writable",
        containers,
        read_only_groups,
    ),
    (
        "control_groups_spread_as_their_entry_says",
        containers,
        groups_propagation,
    ),
    (
        "what_version_2_itself_understands_reaches_it",
        unified,
        groups_data,
    ),
];

/// The mounts at `/m` and below, each with its options and how it spreads.
const SPREAD: &str = "while read -r _ _ _ _ at options rest; do \
    case $at in /m*) echo \"$at $options ${rest%%-*}\" ;; esac; done </proc/self/mountinfo";

fn is_unified() -> bool {
    let all = isolab_oci::cgroup::discover().unwrap();
    all.iter().all(|h| h.version == Version::V2)
}

fn read_only_groups() {
    let mut mounts = vec![mount("/m", "cgroup", "cgroup", &["nosuid", "ro"])];
    if !is_unified() {
        // What is mounted in its tmpfs later may need a directory there.
        mounts.push(mount("/m/later", "tmpfs", "tmpfs", &[]));
    }
    let (place, spec) = with(&format!("{SHOW}; mkdir /m/x"), mounts);
    let (text, _) = place.run(&spec);
    assert!(
        text.contains("mkdir: can't create directory '/m/x': Read-only"),
        "{text}"
    );
    let lines = text.lines().filter(|line| line.starts_with("/m"));
    let (later, others): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("/m/later "));
    assert_eq!(later.is_empty(), is_unified(), "{text}");
    assert!(!others.is_empty(), "{text}");
    for line in others {
        let options = line.split(' ').nth(1).unwrap();
        assert!(options.split(',').any(|option| option == "ro"), "{text}");
    }
}

fn groups_propagation() {
    for word in ["shared", "rshared", "unbindable"] {
        let (place, spec) = with(SPREAD, vec![mount("/m", "cgroup", "cgroup", &["ro", word])]);
        let (text, _) = place.run(&spec);
        let kind = word.trim_start_matches('r');
        assert!(text.starts_with("/m"), "{text}");
        assert!(
            text.lines().all(|line| line.contains(&format!(" {kind}"))),
            "{word}: {text}"
        );
    }
}

/// A hierarchy of version 2 that can be mounted.
fn unified() -> Need {
    root()?;
    let all = isolab_oci::cgroup::discover().unwrap();
    match all.iter().any(|h| h.version == Version::V2) {
        true => Ok(()),
        false => Err("no version 2 of control groups".to_owned()),
    }
}

fn groups_data() {
    let entry = |options: &[&str]| vec![mount("/m", "cgroup2", "cgroup", options)];
    let (place, spec) = with(SHOW, entry(&["ro", "nsdelegate"]));
    // Or the host's own mount would change with it.
    let namespaces = &spec.linux.as_ref().unwrap().namespaces;
    assert!(namespaces.iter().any(|n| n.kind == NamespaceType::Cgroup));
    assert!(place.run(&spec).0.starts_with("/m ro"));
    let (place, spec) = with(SHOW, entry(&["no-such-option"]));
    let error = place.try_start(&spec, &options()).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("Invalid argument"), "{error}: {source}");
}
