//! What is in a tmpfs at first, and who may use it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};

use isolab_oci::sys::file;

use super::{mount, with};
use crate::Claim;
use crate::sleeper::map_root;
use crate::support::{containers, options, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_tmpfs_has_the_permissions_of_the_directory_it_covers",
        containers,
        tmpfs_mode,
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
];

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
