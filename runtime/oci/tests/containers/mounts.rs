//! What an entry of `mounts` does, seen from inside.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use isolab_oci::cgroup::Version;
use isolab_oci::spec::{IdMapping, Mount, NamespaceType};
use isolab_oci::sys::file;
use isolab_oci::sys::process::effective_ids;
use isolab_oci::{Cgroup, Options, Spec};

use crate::privileges::map_root;
use crate::support::{Place, containers, linux, name, options, process, root};
use crate::{Claim, Need};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "each_option_of_a_bind_mount_has_its_effect",
        containers,
        flags,
    ),
    (
        "a_recursive_option_reaches_the_mounts_below_and_a_plain_one_does_not",
        root,
        recursive,
    ),
    (
        "files_sockets_fifos_and_devices_are_bound_and_never_opened",
        root,
        special_files,
    ),
    (
        "a_mount_point_is_made_where_a_symlink_of_the_image_leads_to_inside",
        containers,
        dangling,
    ),
    (
        "a_relative_destination_and_dots_stay_inside",
        containers,
        odd_destinations,
    ),
    (
        "a_tmpfs_has_the_permissions_of_the_directory_it_covers",
        containers,
        tmpfs_mode,
    ),
    (
        "a_read_only_path_may_be_the_root",
        containers,
        read_only_root_path,
    ),
    (
        "tmpcopyup_takes_along_what_belongs_to_nobody_inside",
        root,
        copy_up_foreign,
    ),
    (
        "tmpcopyup_fills_a_tmpfs_with_what_was_there",
        containers,
        copy_up,
    ),
    (
        "a_read_only_tmpfs_is_filled_first_and_protected_then",
        containers,
        read_only_tmpfs,
    ),
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
    ("an_id_mapped_mount_shows_other_owners", root, id_mapped),
    ("a_bind_mount_keeps_what_its_source_forbids", root, locked),
    (
        "a_source_that_only_root_may_reach_is_bound_in_a_user_namespace",
        root,
        unreachable_source,
    ),
    (
        "nothing_is_mounted_over_proc_by_name_or_by_symlink",
        containers,
        over_proc,
    ),
    ("remount_changes_a_mount_that_is_there", containers, remount),
    (
        "remount_changes_the_file_system_and_keeps_the_flags_of_the_mount",
        containers,
        remount_data,
    ),
    (
        "an_error_of_a_mount_names_the_entry_and_the_remedy",
        containers,
        errors,
    ),
];

fn mount(destination: &str, fstype: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        fstype: Some(fstype.to_owned()),
        source: Some(source.into()),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    }
}

/// A bundle with a directory `data`, and the example spec with `mounts` added.
fn with(script: &str, mounts: Vec<Mount>) -> (Place, Spec) {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    let mut spec = place.spec(script);
    spec.mounts.extend(mounts);
    (place, spec)
}

/// The options that `mountinfo` shows for each mount point below `/m`.
const SHOW: &str = "while read -r _ _ _ _ at options rest; do \
    case $at in /m*) echo \"$at $options\" ;; esac; done </proc/self/mountinfo";

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

fn flags() {
    let cases: [(&[&str], &str); 12] = [
        (&["bind", "ro"], "ro,relatime"),
        (&["bind", "nosuid"], "rw,nosuid,relatime"),
        (&["bind", "nodev", "noexec"], "rw,nodev,noexec,relatime"),
        (&["bind", "noatime"], "rw,noatime"),
        (&["bind", "strictatime"], "rw"),
        (&["bind", "nodiratime"], "rw,nodiratime,relatime"),
        (&["bind", "noatime", "atime"], "rw,relatime"),
        (&["bind", "strictatime", "nostrictatime"], "rw,relatime"),
        (&["bind", "norelatime"], "rw"),
        (&["bind", "ro", "rw", "nosuid", "suid"], "rw,relatime"),
        (&["bind", "nosymfollow"], "rw,relatime,nosymfollow"),
        (
            &["rbind", "rro", "rnosuid", "rnoatime"],
            "ro,nosuid,noatime",
        ),
    ];
    // What the source's own mount says already comes on top.
    let (place, spec) = with(SHOW, vec![mount("/m", "none", "data", &["bind"])]);
    let plain = place.run(&spec).0;
    if plain != "/m rw,relatime\n" {
        println!("the source is mounted with options of its own: {plain}");
    }
    for (words, expected) in cases {
        // In a user namespace the kernel locks how a mount keeps access times.
        if effective_ids().0 != 0 && words.iter().any(|word| word.contains("atime")) {
            continue;
        }
        let (place, spec) = with(SHOW, vec![mount("/m", "none", "data", words)]);
        assert_eq!(place.run(&spec).0, format!("/m {expected}\n"), "{words:?}");
    }
    // A file system's own mount takes the same words.
    let words = ["nosuid", "noexec", "noatime", "nosymfollow", "size=4k"];
    let (place, spec) = with(SHOW, vec![mount("/m", "tmpfs", "tmpfs", &words)]);
    let shown = place.run(&spec).0;
    assert_eq!(shown, "/m rw,nosuid,noexec,noatime,nosymfollow\n");
}

fn recursive() {
    // /dev of the host has mounts below it: /dev/pts at least.
    for (word, below) in [("ro", "rw"), ("rro", "ro")] {
        let (place, spec) = with(SHOW, vec![mount("/m", "none", "/dev", &["rbind", word])]);
        let text = place.run(&spec).0;
        let options = |at: &str| {
            let line = text.lines().find(|l| l.starts_with(&format!("{at} ")));
            line.unwrap_or_else(|| panic!("no {at}: {text}")).to_owned()
        };
        assert!(options("/m").starts_with("/m ro"), "{text}");
        let pts = options("/m/pts");
        assert!(
            pts.starts_with(&format!("/m/pts {below}")),
            "{word}: {text}"
        );
    }
}

fn special_files() {
    let data = ["file", "fifo", "socket", "null"];
    let script = "cd /m; for f in file fifo socket null; do stat -c '%n %F' $f; done; \
        cat file; echo x >null";
    let mounts = data.map(|name| {
        mount(
            &format!("/m/{name}"),
            "bind",
            &format!("data/{name}"),
            &["bind"],
        )
    });
    let (place, spec) = with(script, mounts.to_vec());
    let path = |name: &str| place.path().join("data").join(name);
    let c = |name: &str| std::ffi::CString::new(path(name).to_str().unwrap()).unwrap();
    fs::write(path("file"), "content\n").unwrap();
    // Opening it would wait for a writer.
    file::mknodat(libc::AT_FDCWD, &c("fifo"), libc::S_IFIFO | 0o666, 0).unwrap();
    let _listener = UnixListener::bind(path("socket")).unwrap();
    let null = libc::makedev(1, 3);
    file::mknodat(libc::AT_FDCWD, &c("null"), libc::S_IFCHR | 0o666, null).unwrap();
    let text = place.run(&spec).0;
    assert_eq!(
        text,
        "file regular file\nfifo fifo\nsocket socket\nnull character special file\ncontent\n"
    );
}

/// `/etc/resolv.conf` of many an image.
fn dangling() {
    let script = "cat /etc/resolv.conf; readlink /etc/resolv.conf; cat /run/x/resolv.conf";
    for link in [
        "../run/x/resolv.conf",
        "/run/x/resolv.conf",
        "../../../../run/x/resolv.conf",
    ] {
        let file = mount(
            "/etc/resolv.conf",
            "bind",
            "data/resolv.conf",
            &["bind", "ro"],
        );
        let (place, spec) = with(script, vec![file]);
        fs::write(place.path().join("data/resolv.conf"), "nameserver\n").unwrap();
        symlink(link, place.root().join("etc/resolv.conf")).unwrap();
        let text = place.run(&spec).0;
        assert_eq!(text, format!("nameserver\n{link}\nnameserver\n"));
        assert!(place.root().join("run/x/resolv.conf").exists());
        assert!(!place.path().join("run").exists());
    }
}

fn odd_destinations() {
    let mounts = vec![
        mount("m/relative", "bind", "data", &["bind"]),
        mount("/x/../m/dots", "bind", "data", &["bind"]),
        mount("//m//slashes//", "bind", "data", &["bind"]),
    ];
    let (place, spec) = with("ls /m; cat /m/*/file", mounts);
    fs::write(place.path().join("data/file"), "here\n").unwrap();
    let running = place.try_start(&spec, &options()).unwrap();
    let warned = running.warnings().iter().any(|w| w.contains("m/relative"));
    assert!(warned, "{:?}", running.warnings());
    drop(running);
    assert_eq!(
        place.run(&spec).0,
        "dots\nrelative\nslashes\nhere\nhere\nhere\n"
    );

    for out in ["/../etc", "/m/../../etc", ".."] {
        let (place, spec) = with("true", vec![mount(out, "bind", "data", &["bind"])]);
        let error = place.try_start(&spec, &options()).unwrap_err();
        assert!(error.to_string().contains("destination"), "{error}");
    }
}

fn tmpfs_mode() {
    let tmpfs = |options: &[&str]| mount("/m", "tmpfs", "tmpfs", options);
    let cases = [
        (Some(0o751), tmpfs(&["size=4k"]), "751"),
        (Some(0o1770), tmpfs(&[]), "1770"),
        (Some(0o751), tmpfs(&["mode=0700"]), "700"),
        (None, tmpfs(&["mode=711"]), "711"),
    ];
    for (before, entry, after) in cases {
        let (place, spec) = with("stat -c %a /m", vec![entry.clone()]);
        if let Some(mode) = before {
            let path = place.root().join("m");
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        assert_eq!(place.run(&spec).0, format!("{after}\n"), "{entry:?}");
    }
}

fn copy_up() {
    let script = "stat -c '%a %F' /m /m/sub /m/sub/file /m/fifo; readlink /m/link; \
        cat /m/sub/file; echo new >/m/sub/file; cat /m/sub/file";
    let (place, spec) = with(script, vec![mount("/m", "tmpfs", "tmpfs", &["tmpcopyup"])]);
    let below = place.root().join("m");
    fs::create_dir_all(below.join("sub")).unwrap();
    fs::write(below.join("sub/file"), "old\n").unwrap();
    fs::set_permissions(&below, fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(below.join("sub/file"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("/etc/passwd", below.join("link")).unwrap();
    let fifo = std::ffi::CString::new(below.join("fifo").to_str().unwrap()).unwrap();
    file::mknodat(libc::AT_FDCWD, &fifo, libc::S_IFIFO | 0o644, 0).unwrap();
    let text = place.run(&spec).0;
    let expected =
        "751 directory\n755 directory\n640 regular file\n644 fifo\n/etc/passwd\nold\nnew\n";
    assert_eq!(text, expected);
    assert_eq!(fs::read_to_string(below.join("sub/file")).unwrap(), "old\n");

    // More than the tmpfs holds is an error, and not the host's memory.
    fs::write(below.join("big"), vec![0; 1 << 20]).unwrap();
    let small = mount("/m", "tmpfs", "tmpfs", &["tmpcopyup", "size=64k"]);
    let mut spec = spec;
    spec.mounts.pop();
    spec.mounts.push(small);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("size="), "{error}");
}

fn read_only_root_path() {
    let script = "touch /x 2>/dev/null || echo ro; cat /etc/file";
    let (place, mut spec) = with(script, Vec::new());
    spec.root.as_mut().unwrap().readonly = false;
    linux(&mut spec).readonly_paths = vec!["/".into()];
    fs::create_dir_all(place.root().join("etc")).unwrap();
    fs::write(place.root().join("etc/file"), "here\n").unwrap();
    assert_eq!(place.run(&spec).0, "ro\nhere\n");
}

/// In a user namespace that does not map their owner.
fn copy_up_foreign() {
    let script = "stat -c '%F %u' /m/file /m/fifo /m/link";
    let (place, mut spec) = with(script, vec![mount("/m", "tmpfs", "tmpfs", &["tmpcopyup"])]);
    map_root(&mut spec);
    let below = place.root().join("m");
    fs::create_dir(&below).unwrap();
    fs::write(below.join("file"), "").unwrap();
    symlink("file", below.join("link")).unwrap();
    let fifo = std::ffi::CString::new(below.join("fifo").to_str().unwrap()).unwrap();
    file::mknodat(libc::AT_FDCWD, &fifo, libc::S_IFIFO | 0o644, 0).unwrap();
    for entry in fs::read_dir(&below).unwrap() {
        lchown(entry.unwrap().path(), Some(5), Some(5)).unwrap();
    }
    let expected = "regular empty file 0\nfifo 0\nsymbolic link 0\n";
    assert_eq!(place.run(&spec).0, expected);
}

fn read_only_tmpfs() {
    let script = "touch /m/x 2>/dev/null || echo ro; cat /m/inner/file; \
        touch /dev/x 2>/dev/null || echo ro; [ -c /dev/null ] && echo node";
    let mounts = vec![
        mount("/m", "tmpfs", "tmpfs", &["ro"]),
        mount("/m/inner", "bind", "data", &["bind"]),
    ];
    let (place, mut spec) = with(script, mounts);
    fs::write(place.path().join("data/file"), "inner\n").unwrap();
    let dev = spec
        .mounts
        .iter_mut()
        .find(|m| m.destination.ends_with("dev"));
    dev.unwrap().options.push("ro".to_owned());
    assert_eq!(place.run(&spec).0, "ro\ninner\nro\nnode\n");
}

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

fn id_mapped() {
    let map = |host_id| {
        vec![IdMapping {
            container_id: 0,
            host_id,
            size: 1000,
        }]
    };
    let script = "stat -c %u:%g /m /m/file; touch /m/made";
    // By maps of its own.
    let mut entry = mount("/m", "bind", "data", &["bind"]);
    entry.uid_mappings = map(70_000);
    entry.gid_mappings = map(80_000);
    let (place, spec) = with(script, vec![entry.clone()]);
    fs::write(place.path().join("data/file"), "").unwrap();
    match place.try_start(&spec, &options()) {
        // The file system of this machine's temporary files may not have them.
        Err(error) if error.hint().is_some_and(|h| h.contains("file system")) => {
            println!("not tried: {error}");
            return;
        }
        other => drop(other),
    }
    assert_eq!(place.run(&spec).0.lines().next(), Some("70000:80000"));

    // By the container's user namespace: the files are its root's.
    for word in ["idmap", "ridmap"] {
        let (place, _) = with(script, Vec::new());
        let mut spec = Spec::example_rootless(0, 0);
        let process = process(&mut spec);
        process.terminal = false;
        process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
        linux(&mut spec).uid_mappings = map(300_000);
        linux(&mut spec).gid_mappings = map(300_000);
        spec.mounts
            .push(mount("/m", "bind", "data", &["rbind", word]));
        fs::write(place.path().join("data/file"), "").unwrap();
        chown_tree(&place);
        assert_eq!(run(&place, &spec), "0:0\n0:0\n", "{word}");
        // What it made is root's on the host's side.
        let made = fs::metadata(place.path().join("data/made")).unwrap();
        assert_eq!(made.uid(), 0, "{word}");
    }

    // Half a map, and a map for what is no bind mount.
    entry.gid_mappings.clear();
    let (place, spec) = with("true", vec![entry]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("gidMappings"), "{error}");
    let (place, spec) = with("true", vec![mount("/m", "tmpfs", "tmpfs", &["idmap"])]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("mapped"), "{error}");
    let (place, spec) = with(
        "true",
        vec![mount("/m", "bind", "data", &["idmap", "bind"])],
    );
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("idmap"), "{error}");
}

/// In the control group of the tests.
fn run(place: &Place, spec: &Spec) -> String {
    let options = Options {
        cgroup: Cgroup::Inherit,
        ..options()
    };
    place.run_with(spec, &options).0
}

/// Gives the root file system to the first id of the range.
pub(crate) fn chown_tree(place: &Place) {
    let status = std::process::Command::new("chown")
        .args(["-R", "300000:300000"])
        .arg(place.root())
        .status();
    assert!(status.unwrap().success());
}

/// In a user namespace the kernel locks the flags of the host's mounts: asking
/// for one more must not ask for the others to be cleared. As root, whose
/// mounts are copied before the namespace is made, and as an ordinary user.
fn locked() {
    for user in [0, 65_533] {
        let (place, _) = with("", Vec::new());
        let mut spec = Spec::example_rootless(user, user);
        let process = process(&mut spec);
        process.terminal = false;
        process.args = ["sh", "-c", SHOW].map(str::to_owned).to_vec();
        spec.mounts
            .push(mount("/m", "bind", "data", &["bind", "ro"]));
        place.write(&spec);
        let runtime = place.path().join("runtime");
        fs::copy(env!("CARGO_BIN_EXE_isorun"), &runtime).unwrap();
        let script = "mount -t tmpfs -o nosuid,nodev,noexec,noatime t data; chown -R $0:$0 . 2>/dev/null; \
            export XDG_RUNTIME_DIR=$PWD; exec setpriv --reuid $0 --regid $0 --clear-groups \"$@\"";
        let output = Command::new("unshare")
            .args(["-m", "sh", "-c", script, &user.to_string()])
            .arg(runtime)
            .args(["run", "-b"])
            .arg(place.path())
            .arg(name())
            .current_dir(place.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            text, "/m ro,nosuid,nodev,noexec,noatime\n",
            "user {user}: {said}"
        );
    }
}

fn unreachable_source() {
    let (place, _) = with("", Vec::new());
    let closed = place.path().join("data/closed");
    fs::create_dir_all(closed.join("inner")).unwrap();
    fs::write(closed.join("inner/file"), "reached\n").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let mut spec = Spec::example_rootless(0, 0);
    let process = process(&mut spec);
    process.terminal = false;
    process.args = ["sh", "-c", "cat /m/file"].map(str::to_owned).to_vec();
    let linux = linux(&mut spec);
    linux.uid_mappings[0].host_id = 300_000;
    linux.uid_mappings[0].size = 1000;
    linux.gid_mappings = linux.uid_mappings.clone();
    spec.mounts
        .push(mount("/m", "bind", "data/closed/inner", &["rbind"]));
    chown_tree(&place);
    assert_eq!(run(&place, &spec), "reached\n");
}

fn over_proc() {
    let named = [
        "/proc",
        "/proc/self/attr",
        "/proc/sys",
        "/x/../proc/sys/kernel",
    ];
    for destination in named {
        let (place, spec) = with("true", vec![mount(destination, "bind", "data", &["bind"])]);
        let error = place.try_start(&spec, &options()).unwrap_err();
        assert!(
            error.to_string().contains("destination"),
            "{destination}: {error}"
        );
    }
    // A symlink of the image leads there.
    for (entry, link) in [
        (mount("/link/sys", "bind", "data", &["bind"]), "/proc"),
        (mount("/link/sys", "tmpfs", "tmpfs", &[]), "proc"),
        (mount("/link", "tmpfs", "tmpfs", &[]), "/proc/sys"),
    ] {
        let (place, spec) = with("true", vec![entry]);
        symlink(link, place.root().join("link")).unwrap();
        let error = place.try_start(&spec, &options()).unwrap_err();
        assert!(error.hint().unwrap().contains("symlink"), "{link}: {error}");
    }
    // What only shows numbers may be covered.
    let entry = mount("/proc/uptime", "bind", "data/uptime", &["bind"]);
    let (place, spec) = with("cat /proc/uptime", vec![entry]);
    fs::write(place.path().join("data/uptime"), "1 1\n").unwrap();
    assert_eq!(place.run(&spec).0, "1 1\n");
}

fn remount() {
    let again = mount("/m", "none", "", &["remount", "ro", "nosuid"]);
    let mounts = vec![mount("/m", "tmpfs", "tmpfs", &[]), again.clone()];
    let (place, spec) = with(SHOW, mounts);
    assert_eq!(place.run(&spec).0, "/m ro,nosuid,relatime\n");
    let (place, spec) = with("true", vec![again]);
    fs::create_dir(place.root().join("m")).unwrap();
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("remount"), "{error}");
}

fn remount_data() {
    let size = "df -k /m | awk 'END { print $2 }'";
    let show = format!("{SHOW}; {size}");
    let at_first = mount("/m", "tmpfs", "tmpfs", &["nosuid", "noexec", "size=64k"]);
    for (words, flags) in [
        (&["remount", "size=128k"][..], "rw,nosuid,noexec,relatime"),
        (
            &["remount", "ro", "size=128k,nr_inodes=9"],
            "ro,nosuid,noexec,relatime",
        ),
    ] {
        let again = mount("/m", "tmpfs", "", words);
        let (place, spec) = with(&show, vec![at_first.clone(), again]);
        assert_eq!(place.run(&spec).0, format!("/m {flags}\n128\n"));
    }
    // What a bind mount shares with its source stays.
    let again = mount("/m", "", "", &["remount", "bind", "ro", "size=128k"]);
    let (place, spec) = with(&show, vec![at_first.clone(), again]);
    let shown = "/m ro,nosuid,noexec,relatime\n64\n";
    assert_eq!(place.run(&spec).0, shown);
    let again = mount("/m", "tmpfs", "", &["remount", "no-such-option"]);
    let (place, spec) = with("true", vec![at_first, again]);
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.hint().unwrap().contains("option"), "{error}");
}

fn errors() {
    let cases = [
        (mount("/m", "bind", "missing", &["bind"]), "missing"),
        (mount("/m", "bind", "", &["bind"]), "source"),
        (mount("/m", "", "data", &[]), "type"),
        (mount("", "bind", "data", &["bind"]), "destination"),
        (mount("/m", "no-such-fs", "x", &[]), "no-such-fs"),
        (mount("/m", "tmpfs", "tmpfs", &["no-such-option"]), "tmpfs"),
        (mount("/m", "proc", "proc", &["tmpcopyup"]), "tmpcopyup"),
        (
            mount("/bin/busybox", "bind", "data", &["bind"]),
            "/bin/busybox",
        ),
        (
            mount("/bin/busybox/x", "bind", "data", &["bind"]),
            "/bin/busybox",
        ),
    ];
    for (entry, named) in cases {
        let (place, spec) = with("true", vec![entry.clone()]);
        let index = spec.mounts.len() - 1;
        let error = place.try_start(&spec, &options()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&format!("mounts[{index}]")),
            "{entry:?}: {text}"
        );
        assert!(text.contains(named), "{entry:?}: {text}");
        assert!(error.hint().is_some(), "{entry:?}: {text}");
    }
}
