//! Whether what is mounted on one side of a container shows on the other.

use std::fs;
use std::process::{Command, Stdio};

use isolab_oci::Spec;

use super::{mount, with};
use crate::Claim;
use crate::support::{Place, linux, name, options, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "the_propagation_of_the_root_is_the_specs_and_nothing_reaches_the_host",
        root,
        propagation,
    ),
    (
        "mounts_of_a_shared_root_stay_in_the_container_and_the_hosts_stay_on_the_host",
        root,
        shared_root,
    ),
    (
        "a_shared_volume_shows_the_host_what_is_mounted_in_it_and_another_does_not",
        root,
        shared_volume,
    ),
    (
        "a_volume_that_is_private_alone_leaves_the_mounts_below_it_as_they_are",
        root,
        private_alone,
    ),
];

fn propagation() {
    let script = "while read -r _ _ _ _ at _ rest; do [ $at = / ] && echo ${rest%%[ :]*}; \
        done </proc/self/mountinfo";
    for word in ["shared", "slave", "private", "unbindable"] {
        for recursive in ["", "r"] {
            let word = format!("{recursive}{word}");
            let (place, mut spec) = with(script, Vec::new());
            linux(&mut spec).rootfs_propagation = Some(word.clone());
            let text = place.run(&spec).0;
            let expected = match word.as_str() {
                "shared" | "rshared" => "shared",
                "unbindable" | "runbindable" => "unbindable",
                // A slave of the host's, where the host's root is shared.
                "slave" | "rslave" if text == "master\n" => "master",
                _ => "-",
            };
            assert_eq!(text.trim_end(), expected, "{word}");
            assert_eq!(on_host(&place), "", "{word}: a mount reached the host");
        }
    }
    let (place, mut spec) = with("true", Vec::new());
    linux(&mut spec).rootfs_propagation = Some("sideways".to_owned());
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("rootfsPropagation"), "{error}");
}

/// The host's mounts at or below the bundle.
fn on_host(place: &Place) -> String {
    let own = place.path().to_str().unwrap();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|l| l.contains(own)).collect()
}

/// Runs the bundle where every mount is shared, as systemd leaves a host; what
/// was added to and taken from the mount table there.
///
/// `apart` puts the bundle on a mount of its own; `data` always is on one.
fn on_a_shared_host(place: &Place, spec: &Spec, apart: bool) -> String {
    let apart = if apart { "apart" } else { "" };
    place.write(spec);
    let script = "[ -z $0 ] || mount --bind $PWD $PWD; cd $PWD; mount --bind data data; \
        cut -d' ' -f5 /proc/self/mountinfo >before; \"$@\" || echo failed; \
        cut -d' ' -f5 /proc/self/mountinfo | diff before -";
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "shared", "sh", "-c", script, apart])
        .args([env!("CARGO_BIN_EXE_isorun"), "run", "-b"])
        .arg(place.path())
        .arg(name())
        .current_dir(place.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // What others mount on this machine meanwhile is theirs.
    let own = place.path().to_str().unwrap();
    let theirs = |l: &&str| {
        ["isolab-", "netns", "overlay"]
            .iter()
            .any(|t| l.contains(t))
            && !l.contains(own)
    };
    let lines = text
        .lines()
        .filter(|l| !l.starts_with(char::is_numeric) && !theirs(l));
    let mut lines: Vec<&str> = lines.collect();
    // A mount below another shows once for each peer of that.
    lines.dedup();
    lines.join("\n")
}

fn shared_root() {
    for word in [
        "",
        "private",
        "slave",
        "rslave",
        "shared",
        "rshared",
        "unbindable",
    ] {
        let volume = mount("/v", "bind", "data", &["rbind"]);
        let (place, mut spec) = with("true", vec![volume]);
        linux(&mut spec).rootfs_propagation = Some(word.to_owned());
        for apart in [false, true] {
            let changed = on_a_shared_host(&place, &spec, apart);
            assert_eq!(changed, "", "{word}, apart: {apart}");
        }
    }
}

fn shared_volume() {
    let cases: [(&str, &[&str], bool); 4] = [
        ("shared", &["rbind", "rshared"], true),
        ("rshared", &["rbind"], true),
        ("shared", &["rbind", "rprivate"], false),
        ("", &["rbind", "rslave"], false),
    ];
    for (root, words, reaches) in cases {
        let script = "mkdir -p /v/x; mount -t tmpfs t /v/x || echo not mounted";
        let (place, mut spec) = with(script, vec![mount("/v", "bind", "data", words)]);
        linux(&mut spec).rootfs_propagation = Some(root.to_owned());
        let sets = process(&mut spec).capabilities.as_mut().unwrap();
        for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
            set.push("CAP_SYS_ADMIN".to_owned());
        }
        let text = on_a_shared_host(&place, &spec, true);
        let expected = match reaches {
            true => format!("> {}", place.path().join("data/x").display()),
            false => String::new(),
        };
        assert_eq!(text, expected, "{words:?}");
    }
}

fn private_alone() {
    let script = "while read -r _ _ _ _ at _ rest; do \
        case $at in /v*) echo $at ${rest%%[ :]*};; esac; done </proc/self/mountinfo";
    for (word, below) in [("private", "master"), ("rprivate", "-")] {
        let (place, spec) = with(script, vec![mount("/v", "bind", "data", &["rbind", word])]);
        place.write(&spec);
        let host = "cd \"$0\"; mount --bind data data; mkdir -p data/below; \
            mount -t tmpfs t data/below; exec \"$@\"";
        let output = Command::new("unshare")
            .args(["-m", "--propagation", "shared", "sh", "-c", host])
            .arg(place.path())
            .args([env!("CARGO_BIN_EXE_isorun"), "run", &name()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text, format!("/v -\n/v/below {below}\n"), "{output:?}");
    }
}
