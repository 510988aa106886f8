//! Where mounts go, and what is bound there.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use isolab_oci::sys::file;

use super::{mount, with};
use crate::Claim;
use crate::support::{containers, linux, options, root};

pub(crate) const CLAIMS: &[Claim] = &[
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
        "a_read_only_path_may_be_the_root",
        containers,
        read_only_root_path,
    ),
    (
        "nothing_is_mounted_over_proc_by_name_or_by_symlink",
        containers,
        over_proc,
    ),
    (
        "an_error_of_a_mount_names_the_entry_and_the_remedy",
        containers,
        errors,
    ),
];

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

fn read_only_root_path() {
    let script = "touch /x 2>/dev/null || echo ro; cat /etc/file";
    let (place, mut spec) = with(script, Vec::new());
    spec.root.as_mut().unwrap().readonly = false;
    linux(&mut spec).readonly_paths = vec!["/".into()];
    fs::create_dir_all(place.root().join("etc")).unwrap();
    fs::write(place.root().join("etc/file"), "here\n").unwrap();
    assert_eq!(place.run(&spec).0, "ro\nhere\n");
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
