//! What a container's process must not have: capabilities, groups, keys,
//! descriptors and terminals of its starter, whichever way it was started.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use isolab_oci::Spec;
use isolab_oci::spec::{Capabilities, Namespace, NamespaceType};

use crate::Claim;
use crate::filters::long_program;
use crate::sleeper::{Sleeper, map_root, run_under};
use crate::support::{Place, containers, linux, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "ambient_and_inheritable_capabilities_of_the_starter_end_with_it",
        root,
        inherited_capabilities,
    ),
    (
        "a_capability_for_one_that_joins_is_not_inheritable",
        containers,
        added_capability,
    ),
    (
        "a_set_user_id_program_gives_back_no_capability_that_was_dropped",
        root_on_x86,
        set_user_id,
    ),
    (
        "groups_of_the_starter_do_not_reach_a_process_that_joins",
        root,
        groups_of_joining,
    ),
    (
        "groups_of_the_starter_do_not_reach_a_user_namespace_that_forbids_to_change_them",
        root,
        groups_in_user_namespace,
    ),
    (
        "no_descriptor_of_the_starter_reaches_a_process_that_joins",
        containers,
        descriptors_of_joining,
    ),
    (
        "a_standard_stream_that_the_starter_has_closed_is_the_null_device",
        containers,
        closed_streams,
    ),
    (
        "a_process_for_which_no_capability_is_named_has_none",
        containers,
        no_capabilities,
    ),
    (
        "a_process_that_joins_has_no_working_directory_outside_of_the_root",
        containers,
        cwd_of_joining,
    ),
];

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}

const SETS: &str = "grep ^Cap /proc/self/status | tr '\\n\\t' '  '";

/// CVE-2022-24769 and CVE-2022-29162: what is inheritable comes back with a
/// program whose file says so, whoever executes it.
fn inherited_capabilities() {
    let starter = [
        "setpriv",
        "--inh-caps=+kill,+chown",
        "--ambient-caps=+kill,+chown",
    ];
    let place = Place::new();
    let mut spec = place.spec(SETS);
    process(&mut spec).user.uid = 1000;
    process(&mut spec).capabilities = Some(Capabilities {
        bounding: names(&["CAP_KILL", "CAP_CHOWN"]),
        permitted: names(&["CAP_KILL"]),
        inheritable: names(&["CAP_KILL"]),
        ..Capabilities::default()
    });
    let expected = "CapInh: 0000000000000020 CapPrm: 0000000000000000 \
        CapEff: 0000000000000000 CapBnd: 0000000000000021 CapAmb: 0000000000000000";
    assert_eq!(run_under(&starter, &spec, &place).trim(), expected);
    // What the change of user clears for others, root would keep.
    let of_root = "CapInh: 0000000000000020 CapPrm: 0000000000000020 \
        CapEff: 0000000000000020 CapBnd: 0000000000000021 CapAmb: 0000000000000000";
    process(&mut spec).user.uid = 0;
    assert_eq!(run_under(&starter, &spec, &place).trim(), of_root);
    let sleeper = Sleeper::new(|own| {
        process(own).user.uid = 1000;
        process(own)
            .capabilities
            .clone_from(&spec.process.as_ref().unwrap().capabilities);
    });
    assert_eq!(sleeper.exec(&starter, &[], SETS).0.trim(), expected);
}

fn added_capability() {
    let sleeper = Sleeper::new(|spec| {
        process(spec).capabilities = Some(Capabilities::default());
    });
    let (text, _) = sleeper.exec(&["env"], &["--cap", "CAP_CHOWN"], SETS);
    let expected = "CapInh: 0000000000000000 CapPrm: 0000000000000001 \
        CapEff: 0000000000000001 CapBnd: 0000000000000001 CapAmb: 0000000000000000";
    assert_eq!(text.trim(), expected);
}

fn set_user_id() {
    use std::os::unix::fs::PermissionsExt as _;
    let change = |spec: &mut Spec| {
        let process = process(spec);
        process.user.uid = 1000;
        process.no_new_privileges = false;
        process.capabilities = Some(Capabilities {
            bounding: names(&["CAP_CHOWN"]),
            ..Capabilities::default()
        });
    };
    let place = Place::new();
    let program = |root: PathBuf| {
        let path = root.join("bin/attempt");
        fs::write(&path, long_program(&CHROOT)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o4755)).unwrap();
    };
    program(place.root());
    let mut spec = place.spec("attempt; echo $?");
    change(&mut spec);
    let refused = libc::EPERM.to_string();
    assert_eq!(run_under(&["env"], &spec, &place).trim(), refused);
    let sleeper = Sleeper::new(change);
    program(sleeper.place.root());
    let (text, _) = sleeper.exec(&["env"], &[], "attempt; echo $?");
    assert_eq!(text.trim(), refused);
    // With the capability it is done: the program has become root's.
    process(&mut spec).capabilities.as_mut().unwrap().bounding = names(&["CAP_SYS_CHROOT"]);
    assert_eq!(run_under(&["env"], &spec, &place).trim(), "0");
}

/// `exit(-chroot("/"))` of 64-bit x86.
const CHROOT: [u8; 27] = [
    0xb8, 161, 0, 0, 0, // mov eax, 161
    0x48, 0x8d, 0x3d, 13, 0, 0, 0, // lea rdi, [rip + 13]
    0x0f, 0x05, // syscall
    0xf7, 0xd8, // neg eax
    0x89, 0xc7, // mov edi, eax
    0xb8, 60, 0, 0, 0, // mov eax, 60
    0x0f, 0x05, // syscall
    b'/', 0,
];

/// The set-user-id program is one of x86.
fn root_on_x86() -> Result<(), String> {
    root()?;
    match cfg!(target_arch = "x86_64") {
        true => Ok(()),
        false => Err("needs x86_64".to_owned()),
    }
}

const STARTER: [&str; 3] = ["setpriv", "--groups", "0,4,27"];
const GROUPS: &str = "grep Groups: /proc/self/status";

fn groups_of_joining() {
    let sleeper = Sleeper::new(|_| {});
    assert_eq!(sleeper.exec(&STARTER, &[], GROUPS).0.trim(), "Groups:");
    let more = ["--additional-gids", "7"];
    assert_eq!(sleeper.exec(&STARTER, &more, GROUPS).0.trim(), "Groups:\t7");
}

/// Killed and reaped at the end.
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// CVE-2018-15664's neighbourhood: root itself can give groups up before it
/// enters, and what it keeps opens the host's files to the container.
fn groups_in_user_namespace() {
    // Made here, with one id.
    let place = Place::new();
    let mut spec = place.spec(GROUPS);
    map_root(&mut spec);
    assert_eq!(run_under(&STARTER, &spec, &place).trim(), "Groups:");
    let sleeper = Sleeper::new(|own| {
        own.clone_from(&spec);
        process(own).args = names(&["sleep", "1000"]);
    });
    assert_eq!(sleeper.exec(&STARTER, &[], GROUPS).0.trim(), "Groups:");
    // Joined by path.
    let holder = Command::new("unshare")
        .args(["--user", "--map-root-user", "sleep", "1000"])
        .spawn()
        .unwrap();
    let holder = Holder(holder);
    let own = format!("/proc/{}", holder.0.id());
    while fs::read_to_string(format!("{own}/setgroups"))
        .unwrap()
        .trim()
        != "deny"
        || fs::read_to_string(format!("{own}/gid_map"))
            .unwrap()
            .is_empty()
    {
        std::thread::yield_now();
    }
    let place = Place::new();
    let mut spec = place.spec(GROUPS);
    linux(&mut spec).namespaces.push(Namespace {
        kind: NamespaceType::User,
        path: Some(format!("{own}/ns/user").into()),
    });
    spec.mounts
        .retain(|mount| !mount.destination.starts_with("/dev/pts"));
    assert_eq!(run_under(&STARTER, &spec, &place).trim(), "Groups:");
}

/// CVE-2024-21626, by `exec`.
fn descriptors_of_joining() {
    let sleeper = Sleeper::new(|_| {});
    let starter = ["sh", "-c", "exec 3</ 7</etc 9</tmp; exec \"$@\"", "sh"];
    let (text, _) = sleeper.exec(&starter, &[], "ls /proc/$$/fd; true");
    let open: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(open, ["0", "1", "2"]);
}

/// CVE-2024-21626's neighbourhood: the first file that the runtime opens gets
/// the number of a stream that is closed, and is the program's then.
fn closed_streams() {
    let script = "links() { for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done; }
        seen=$(links); echo \"$seen\" >/tmp/seen";
    for closed in ["<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"] {
        let starter = ["sh", "-c", &format!("exec \"$@\" {closed}"), "sh"];
        let sleeper = Sleeper::new(|spec| spec.root.as_mut().unwrap().readonly = false);
        let seen = sleeper.place.root().join("tmp/seen");
        let check = || {
            let text = fs::read_to_string(&seen).unwrap();
            assert_eq!(text.lines().count(), 3, "{closed}: {text}");
            let is_harmless = |file: &str| file == "/dev/null" || file.starts_with("pipe:");
            assert!(text.lines().all(is_harmless), "{closed}: {text}");
        };
        let (text, success) = sleeper.exec(&starter, &[], script);
        assert!(success, "{closed}: {text}");
        check();
        let mut spec = sleeper.place.spec(script);
        spec.root.as_mut().unwrap().readonly = false;
        run_under(&starter, &spec, &sleeper.place);
        check();
    }
}

/// Without the bounding set's clearing, root's next program has them all.
fn no_capabilities() {
    let none = "CapInh: 0000000000000000 CapPrm: 0000000000000000 \
        CapEff: 0000000000000000 CapBnd: 0000000000000000 CapAmb: 0000000000000000";
    let change = |spec: &mut Spec| {
        process(spec).no_new_privileges = false;
        process(spec).capabilities = None;
    };
    let sleeper = Sleeper::new(change);
    assert_eq!(sleeper.exec(&["env"], &[], SETS).0.trim(), none);
    let file = sleeper.place.path().join("process.json");
    let joins = format!(r#"{{"cwd": "/", "args": ["sh", "-c", {SETS:?}], "env": ["PATH=/bin"]}}"#);
    fs::write(&file, joins).unwrap();
    let mut exec = sleeper.isorun(&["exec", "--process", file.to_str().unwrap(), &sleeper.id]);
    let output = exec.stdout(Stdio::piped()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), none);
    let mut spec = sleeper.place.spec(SETS);
    change(&mut spec);
    assert_eq!(run_under(&["env"], &spec, &sleeper.place).trim(), none);
}

fn cwd_of_joining() {
    let sleeper = Sleeper::new(|_| {});
    let starter = ["sh", "-c", "exec 3</ 7</; exec \"$@\"", "sh"];
    for number in 3..24 {
        let cwd = format!("/proc/self/fd/{number}");
        let (text, success) = sleeper.exec(&starter, &["--cwd", &cwd], "pwd; ls");
        assert!(!success, "{cwd}: {text}");
        assert!(text.contains("working directory"), "{cwd}: {text}");
    }
}
