//! Root file systems and volumes that lead the runtime astray: symlinks where
//! it makes, mounts or writes something, and names that change while it walks.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use isolab_oci::spec::{Mount, Namespace, NamespaceType};
use isolab_oci::{Container, Options};

use crate::support::{Place, containers, linux, name, options, process, root, silent};
use crate::{Claim, example};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "no_symlink_of_a_rootfs_makes_anything_on_the_host",
        root,
        links,
    ),
    (
        "a_volume_that_swaps_names_during_starts_gets_nothing_mounted_or_made_outside",
        containers,
        swapped_names,
    ),
    (
        "a_masked_file_is_the_null_device_whatever_the_container_has_at_dev_null",
        containers,
        masked_by_null,
    ),
    (
        "a_masked_path_that_is_a_symlink_hides_what_it_leads_to",
        containers,
        masked_link,
    ),
    (
        "a_parameter_is_written_to_the_kernel_and_never_to_a_file_of_the_image",
        root,
        redirected_sysctl,
    ),
    (
        "a_parameter_of_a_namespace_that_is_the_hosts_is_refused",
        root,
        hosts_sysctl,
    ),
    (
        "a_console_that_is_a_symlink_gets_no_terminal_and_covers_nothing",
        root,
        console_link,
    ),
    (
        "a_root_that_is_moved_and_not_exchanged_hides_the_hosts_all_the_same",
        root,
        moved_root,
    ),
    (
        "a_device_is_not_bound_from_a_file_that_is_another",
        containers,
        wrong_device,
    ),
    (
        "a_mount_point_below_a_symlink_out_of_a_volume_stays_inside",
        containers,
        volume_link,
    ),
];

/// A directory of the host that no container may touch, with what a runtime
/// would replace in `/dev`.
struct Watched(tempfile::TempDir);

impl Watched {
    fn new() -> Self {
        let watched = Self(tempfile::tempdir().unwrap());
        fs::write(watched.0.path().join("ptmx"), "decoy").unwrap();
        watched
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn assert_untouched(&self, case: &str) {
        let names: Vec<_> = fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["ptmx"], "{case}");
        let decoy = fs::read_to_string(self.path().join("ptmx"));
        assert_eq!(decoy.unwrap(), "decoy", "{case}");
    }
}

/// Every place where the runtime makes something, as a link to the host: by an
/// absolute path, by dots, to what is there and to what is not.
fn links() {
    let places = [
        "dev",
        "dev/pts",
        "dev/shm",
        "dev/mqueue",
        "dev/null",
        "dev/ptmx",
        "dev/console",
        "proc",
        "sys",
        "sys/fs",
        "sys/fs/cgroup",
        "work",
        "etc",
        "data",
        "tmp/copied",
    ];
    for at in places {
        for dots in [false, true] {
            for exists in [true, false] {
                let watched = Watched::new();
                let aim = match exists {
                    true => watched.path().to_owned(),
                    false => watched.path().join("missing"),
                };
                let aim = match dots {
                    true => PathBuf::from(format!("{}{}", "../".repeat(20), aim.display())),
                    false => aim,
                };
                attack(at, &aim);
                watched.assert_untouched(&format!("{at} -> {}", aim.display()));
            }
        }
    }
}

/// Starts containers of all kinds on a rootfs where `at` is a link to `aim`.
/// Whether they start does not matter.
fn attack(at: &str, aim: &Path) {
    let place = Place::new();
    let link = place.root().join(at);
    let _ = fs::remove_dir(&link);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(aim, &link).unwrap();
    fs::create_dir(place.path().join("volume")).unwrap();
    let mut spec = place.spec("true");
    spec.root.as_mut().unwrap().readonly = false;
    process(&mut spec).cwd = "/work/below".into();
    for (destination, source, fstype, options) in [
        ("/data/volume", "volume", "bind", vec!["bind"]),
        ("/etc/resolv.conf", "config.json", "bind", vec!["bind"]),
        ("/tmp/copied", "tmpfs", "tmpfs", vec!["tmpcopyup"]),
    ] {
        spec.mounts.push(Mount {
            destination: destination.into(),
            fstype: Some(fstype.to_owned()),
            source: Some(source.into()),
            options: options.into_iter().map(str::to_owned).collect(),
            ..Mount::default()
        });
    }
    place.write(&spec);
    let _ = place.try_start(&spec, &options());
    for kept in [
        |m: &Mount| !m.destination.starts_with("/dev"),
        |m: &Mount| m.destination != Path::new("/dev"),
        |m: &Mount| m.destination.starts_with("/proc"),
        |_: &Mount| false,
    ] {
        let mut spec = spec.clone();
        spec.mounts.retain(kept);
        let _ = place.try_start(&spec, &options());
    }
}

/// CVE-2021-30465: another container swaps a directory of a shared volume for
/// a symlink between the runtime's look and its mount.
fn swapped_names() {
    let watched = Watched::new();
    let place = Place::new();
    let volume = place.path().join("volume");
    fs::create_dir_all(volume.join("name/deep")).unwrap();
    symlink(watched.path(), volume.join("other")).unwrap();
    let script = "grep -c ' swapped ' /proc/self/mountinfo; true";
    let mut spec = place.spec(script);
    let mut add = |destination: &str, source: &str, fstype: &str, option: &str| {
        spec.mounts.push(Mount {
            destination: destination.into(),
            fstype: Some(fstype.to_owned()),
            source: Some(source.into()),
            options: vec![option.to_owned()],
            ..Mount::default()
        });
    };
    add("/volume", "volume", "bind", "bind");
    add("/volume/name/deep", "swapped", "tmpfs", "size=4k");
    add("/volume/name/made/now", "swapped", "tmpfs", "size=4k");
    add("/volume/name/file", "config.json", "bind", "bind");
    place.write(&spec);
    let stop = AtomicBool::new(false);
    let (started, inside) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let [a, b, c] = ["name", "other", "spare"].map(|n| volume.join(n));
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(&a, &c).and_then(|()| fs::rename(&b, &a));
                std::thread::yield_now();
                let _ = fs::rename(&a, &b).and_then(|()| fs::rename(&c, &a));
            }
        });
        let counts = (0..150).fold((0, 0), |(started, inside), _| {
            let bundle = isolab_oci::Bundle::new(place.path(), spec.clone()).unwrap();
            match crate::support::try_output(&bundle) {
                Some(text) => (started + 1, inside + usize::from(text == "2\n")),
                None => (started, inside),
            }
        });
        stop.store(true, Ordering::Relaxed);
        counts
    });
    watched.assert_untouched("swapped");
    // A container that started has both of its mounts where it can see them.
    assert_eq!(started, inside);
    assert!(
        started > 0,
        "no container won the race, so nothing was seen"
    );
}

/// CVE-2025-31133: what lies at the container's /dev/null is the image's.
fn masked_by_null() {
    let place = Place::new();
    let dev = place.path().join("dev");
    fs::create_dir(&dev).unwrap();
    fs::write(dev.join("secret"), "secret").unwrap();
    symlink("/dev/secret", dev.join("null")).unwrap();
    fs::write(place.root().join("etc/hidden"), "hidden").unwrap();
    let script = "stat -c %t:%T /etc/hidden /proc/timer_list; cat /etc/hidden; cat /dev/null";
    let mut spec = place.spec(script);
    // The whole of /dev is a volume, so the runtime makes nothing there.
    spec.mounts.retain(|m| !m.destination.starts_with("/dev"));
    spec.mounts.push(Mount {
        destination: "/dev".into(),
        fstype: Some("bind".to_owned()),
        source: Some("dev".into()),
        options: vec!["rbind".to_owned()],
        ..Mount::default()
    });
    linux(&mut spec).masked_paths.push("/etc/hidden".into());
    assert_eq!(place.run(&spec).0, "1:3\n1:3\nsecret");
}

fn masked_link() {
    let place = Place::new();
    fs::write(place.root().join("etc/hidden"), "hidden").unwrap();
    symlink("/etc/hidden", place.root().join("link")).unwrap();
    symlink("/etc", place.root().join("directory")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), place.root().join("out")).unwrap();
    let mut spec = place.spec("cat /etc/hidden /link; ls -d /directory/hidden; echo end");
    let masked = &mut linux(&mut spec).masked_paths;
    *masked = vec!["/link".into(), "/out".into()];
    assert_eq!(place.run(&spec).0, "/directory/hidden\nend\n");
}

/// CVE-2025-52881: the image brings files of the names that are written to.
fn redirected_sysctl() {
    let parameter = "sys/net/ipv4/ip_forward";
    let before = fs::read_to_string(format!("/proc/{parameter}")).unwrap();
    let fake = |place: &Place| {
        let path = place.root().join("proc").join(parameter);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let start = |place: &Place, elsewhere: bool| {
        let mut spec = place.spec(&format!("cat /p/{parameter}"));
        let proc = |m: &&mut Mount| m.destination == Path::new("/proc");
        let found = spec.mounts.iter_mut().find(proc).unwrap();
        if elsewhere {
            found.destination = "/p".into();
        } else {
            found.options.push("ro".to_owned());
            process(&mut spec).args[2] = format!("cat /proc/{parameter}");
        }
        linux(&mut spec).masked_paths.clear();
        linux(&mut spec).readonly_paths.clear();
        let name = "net.ipv4.ip_forward".to_owned();
        linux(&mut spec).sysctl.insert(name, "1".to_owned());
        place.run(&spec).0
    };
    // A file, and a link to one, of the image.
    let place = Place::new();
    let path = fake(&place);
    fs::write(&path, "fake").unwrap();
    assert_eq!(start(&place, true), "1\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "fake");
    let place = Place::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    symlink(outside.path(), fake(&place)).unwrap();
    assert_eq!(start(&place, true), "1\n");
    assert_eq!(fs::metadata(outside.path()).unwrap().len(), 0);
    // A /proc that is mounted read-only is no obstacle, nor a way around.
    assert_eq!(start(&Place::new(), false), "1\n");
    let after = fs::read_to_string(format!("/proc/{parameter}")).unwrap();
    assert_eq!(before, after);
}

/// Shared because the container has none, or because the one that it joins is.
fn hosts_sysctl() {
    let path = "/proc/sys/net/ipv4/ip_forward";
    let before = fs::read_to_string(path).unwrap();
    let other = if before == "0\n" { "1" } else { "0" };
    let place = Place::new();
    for join in [false, true] {
        for name in ["net.ipv4.ip_forward", "net/ipv4/ip_forward"] {
            let mut spec = place.spec("true");
            let namespaces = &mut linux(&mut spec).namespaces;
            if join {
                let network = |n: &&mut Namespace| n.kind == NamespaceType::Network;
                let found = namespaces.iter_mut().find(network).unwrap();
                found.path = Some("/proc/self/ns/net".into());
            } else {
                namespaces.retain(|n| n.kind != NamespaceType::Network);
            }
            let value = other.to_owned();
            linux(&mut spec).sysctl.insert(name.to_owned(), value);
            let error = place.try_start(&spec, &options()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert_eq!(fs::read_to_string(path).unwrap(), before, "{name}");
        }
    }
}

/// CVE-2025-52565: a terminal mounted over what the link leads to would undo
/// a mask, or give the host's file away.
fn console_link() {
    let place = Place::new();
    let dev = place.path().join("dev");
    fs::create_dir_all(dev.join("pts")).unwrap();
    fs::write(place.root().join("etc/covered"), "content").unwrap();
    let start = |script: &str| {
        let mut spec = place.spec(script);
        process(&mut spec).terminal = true;
        spec.mounts.retain(|m| m.destination != Path::new("/dev"));
        let volume = Mount {
            destination: "/dev".into(),
            fstype: Some("bind".to_owned()),
            source: Some("dev".into()),
            options: vec!["rbind".to_owned()],
            ..Mount::default()
        };
        spec.mounts.insert(1, volume);
        let (_here, there) = UnixStream::pair().unwrap();
        let options = Options {
            console: Some(Arc::new(there.into())),
            ..options()
        };
        let bundle = isolab_oci::Bundle::new(place.path(), spec).unwrap();
        Container::run(&bundle, &name(), silent(), &options).and_then(|mut running| running.wait())
    };
    // A name that is missing is made, and is the terminal then.
    let status = start("[ -c /dev/console ] && [ $(stat -c %t /dev/console) = 88 ]");
    assert!(status.unwrap().success());
    assert!(fs::metadata(dev.join("console")).unwrap().is_file());
    let watched = Watched::new();
    let outside = watched.path().join("ptmx");
    let outside = outside.to_str().unwrap();
    for aim in [
        "/etc/covered",
        "/proc/timer_list",
        "pts",
        "/missing",
        outside,
    ] {
        fs::remove_file(dev.join("console")).unwrap();
        symlink(aim, dev.join("console")).unwrap();
        let error = start("true").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("console"), "{aim}: {text}");
    }
    assert!(!place.root().join("missing").exists());
}

/// `--no-pivot`: what was mounted before is below the new root.
fn moved_root() {
    let place = Place::new();
    let script = "cat /proc/self/mountinfo; ls -d /../work /../lost+found /../boot 2>/dev/null; \
        ls /proc/1/root/../; cd /..; pwd";
    let spec = place.spec(script);
    let exchanged = place.run(&spec).0;
    let options = Options {
        no_pivot: true,
        ..options()
    };
    let moved = place.run_with(&spec, &options).0;
    // The same mounts at the same places; their numbers differ.
    let places = |text: &str| {
        let fields = text
            .lines()
            .map(|l| l.split(' ').skip(3).take(3).collect::<Vec<_>>().join(" "));
        fields.collect::<Vec<_>>()
    };
    assert_eq!(places(&moved), places(&exchanged));
    assert!(moved.ends_with("\n/\n"), "{moved}");
    // While a /proc is to be seen whole in any corner of the mount table, the
    // kernel lets a user namespace mount another, without what is masked.
    let script = "unshare() { busybox unshare -U -r -m -p -f \"$@\"; }; unshare true && echo able; \
        unshare busybox mount -t proc proc /tmp 2>/dev/null && echo unmasked || echo refused";
    let mut spec = place.spec(script);
    process(&mut spec).user.uid = 1000;
    let exchanged = place.run(&spec).0;
    if exchanged == "able\nrefused\n" {
        assert_eq!(place.run_with(&spec, &options).0, exchanged);
    } else {
        println!("not tried, no user namespace inside: {exchanged}");
    }
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!table.contains(place.path().to_str().unwrap()), "{table}");
}

/// In a user namespace nodes are bound from the host, by the path they have inside.
fn wrong_device() {
    let (uid, gid) = isolab_oci::sys::process::effective_ids();
    let place = Place::new();
    for (path, fits) in [("/dev/zero", true), ("/etc/passwd", false)] {
        let mut spec = example::rootless(uid, gid, &["true"]);
        linux(&mut spec).devices = vec![isolab_oci::spec::Device {
            path: path.into(),
            kind: isolab_oci::spec::DeviceType::Character,
            major: Some(1),
            minor: Some(5),
            file_mode: None,
            uid: None,
            gid: None,
        }];
        match place.try_start(&spec, &options()) {
            Ok(_) => assert!(fits, "{path} was bound"),
            Err(error) => {
                assert!(!fits, "{error}");
                assert!(error.to_string().contains(path), "{error}");
            }
        }
    }
}

/// Both sides of a bind mount through links that leave the volume.
fn volume_link() {
    let watched = Watched::new();
    let place = Place::new();
    let volume = place.path().join("volume");
    fs::create_dir(&volume).unwrap();
    symlink(watched.path(), volume.join("out")).unwrap();
    symlink("../../../../../..", volume.join("up")).unwrap();
    symlink(
        format!("up{}", watched.path().display()),
        volume.join("both"),
    )
    .unwrap();
    for destination in ["/volume/out/a", "/volume/up/b/c", "/volume/both/d"] {
        let mut spec = place.spec("true");
        for (destination, source) in [("/volume", "volume"), (destination, "volume")] {
            spec.mounts.push(Mount {
                destination: destination.into(),
                fstype: Some("bind".to_owned()),
                source: Some(source.into()),
                ..Mount::default()
            });
        }
        let _ = place.try_start(&spec, &options());
        watched.assert_untouched(destination);
    }
}
