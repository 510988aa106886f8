//! Root file systems and programs that mean harm.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;

use isolab_oci::sys;

use crate::Claim;
use crate::support::{Place, containers, options, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_rootfs_whose_dev_is_a_symlink_makes_nothing_on_the_host",
        root,
        dev_link,
    ),
    (
        "a_rootfs_whose_proc_or_sys_is_a_symlink_is_refused",
        containers,
        proc_link,
    ),
    (
        "a_container_that_executes_its_own_init_gets_no_file_of_the_host",
        containers,
        own_executable,
    ),
    (
        "a_process_that_joins_a_container_never_shows_it_the_runtimes_file",
        containers,
        seen_executable,
    ),
    (
        "a_mount_target_that_is_a_symlink_out_of_the_root_stays_inside",
        containers,
        target_link,
    ),
    (
        "a_device_that_the_image_brought_along_as_a_link_is_not_used",
        root,
        null_link,
    ),
    (
        "no_descriptor_of_the_runtime_reaches_the_container",
        containers,
        leaked_descriptor,
    ),
    (
        "a_working_directory_outside_of_the_root_is_refused",
        containers,
        escaped_cwd,
    ),
    (
        "the_hosts_root_is_nowhere_to_be_found_from_inside",
        containers,
        old_root,
    ),
];

/// CVE-2019-5736: directly, and as the interpreter of a script. What is
/// executed is the trampoline, which does nothing for anybody but the runtime.
fn own_executable() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let script = place.root().join("bin/script");
    fs::write(&script, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for program in ["/proc/self/exe", "/bin/script"] {
        let mut spec = place.spec("true");
        process(&mut spec).args = vec![program.to_owned(), "--version".to_owned()];
        let (said, status) = place.run(&spec);
        assert_eq!((said.as_str(), status.code), ("", Some(126)), "{program}");
    }
}

/// CVE-2019-5736 again: the container looks at every process that joins it.
fn seen_executable() {
    let place = Place::new();
    let states = tempfile::tempdir().unwrap();
    let root = isolab_oci::StateRoot::new(states.path().join("states"));
    let mut spec = place.spec(
        "while :; do for p in /proc/[0-9]*; do stat -Lc %s $p/exe; done; done 2>/dev/null >>/tmp/sizes",
    );
    spec.root.as_mut().unwrap().readonly = false;
    // Even what is not to be given away lightly does not help it.
    let own = process(&mut spec).capabilities.as_mut().unwrap();
    own.bounding.push("CAP_DAC_READ_SEARCH".to_owned());
    let bundle = isolab_oci::Bundle::new(place.path(), spec.clone()).unwrap();
    let stdio = isolab_oci::Stdio::inherit();
    let id = crate::support::name();
    let begin = isolab_oci::Begin::Now;
    let made = isolab_oci::Container::create(&root, &id, &bundle, begin, stdio, &options());
    let (container, running) = made.unwrap();
    let visitor = isolab_oci::spec::Process {
        args: vec!["/bin/true".to_owned()],
        ..spec.process.clone().unwrap()
    };
    for _ in 0..200 {
        let mut visit = container.exec(&visitor, stdio, &options()).unwrap();
        assert!(visit.wait().unwrap().success());
    }
    drop(running);
    container.delete(false).unwrap();
    let ours = fs::metadata("/proc/self/exe").unwrap().len().to_string();
    let seen = fs::read_to_string(place.root().join("tmp/sizes")).unwrap();
    assert!(seen.lines().count() > 100, "it saw little");
    assert!(!seen.lines().any(|size| size == ours), "it saw our file");
}

/// The rootfs's `/dev` leads to a host directory that is watched.
fn dev_link() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir(place.root().join("dev")).unwrap();
    symlink(outside.path(), place.root().join("dev")).unwrap();
    // With a tmpfs at /dev, without one, and with nodes only.
    let mut spec = place.spec("true");
    let _ = place.try_start(&spec, &options());
    spec.mounts.retain(|m| !m.destination.starts_with("/dev"));
    let _ = place.try_start(&spec, &options());
    let made: Vec<_> = fs::read_dir(outside.path()).unwrap().flatten().collect();
    assert!(made.is_empty(), "made on the host: {made:?}");
}

fn proc_link() {
    for name in ["proc", "sys"] {
        let place = Place::new();
        fs::remove_dir(place.root().join(name)).unwrap();
        symlink("/tmp", place.root().join(name)).unwrap();
        let mut spec = place.spec("true");
        for mount in &mut spec.mounts {
            if mount.destination == std::path::Path::new("/sys") {
                mount.fstype = Some("sysfs".to_owned());
                mount.options.retain(|o| o != "rbind");
            }
        }
        let error = place.try_start(&spec, &options()).unwrap_err();
        assert!(error.to_string().contains(&format!("/{name}")), "{error}");
        assert!(error.hint().unwrap().contains("symlink"), "{error}");
    }
}

fn target_link() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), place.root().join("volume")).unwrap();
    fs::create_dir(place.path().join("data")).unwrap();
    let mut spec = place.spec("true");
    spec.mounts.push(isolab_oci::spec::Mount {
        destination: "/volume/below/it".into(),
        fstype: Some("bind".to_owned()),
        source: Some("data".into()),
        ..Default::default()
    });
    let _ = place.try_start(&spec, &options());
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

fn null_link() {
    let place = Place::new();
    symlink("/etc/passwd", place.root().join("dev/null")).unwrap();
    let mut spec = place.spec("true");
    spec.mounts.retain(|m| !m.destination.starts_with("/dev"));
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("/dev/null"), "{error}");
}

fn leaked_descriptor() {
    let place = Place::new();
    let host = fs::File::open("/").unwrap();
    sys::descriptor::dup_onto(host.as_raw_fd(), 76).unwrap();
    let text = place.output("ls /proc/1/fd; true");
    let open: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(open, ["0", "1", "2"]);
}

fn escaped_cwd() {
    let place = Place::new();
    let host = fs::File::open("/").unwrap();
    sys::descriptor::dup_onto(host.as_raw_fd(), 75).unwrap();
    let mut spec = place.spec("ls");
    process(&mut spec).cwd = "/proc/self/fd/75".into();
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(error.to_string().contains("working directory"), "{error}");
}

fn old_root() {
    let place = Place::new();
    let text = place.output("cat /proc/self/mountinfo; ls / /proc/1/root/");
    // Every mount is below the container's root: the host's are gone.
    let first = text.lines().next().unwrap();
    assert!(
        first.contains(&format!("{} / ", place.root().display())),
        "{text}"
    );
    assert!(
        !text.contains("/var") && !text.contains("lost+found"),
        "{text}"
    );
}
