//! What a container's process must not have: capabilities, groups, keys,
//! descriptors and terminals of its starter, whichever way it was started.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use isolab_oci::security::capability::NAMES;
use isolab_oci::spec::{
    Capabilities, Hook, Hooks, IdMapping, Namespace, NamespaceType, TimeOffset,
};
use isolab_oci::sys::process::effective_ids;
use isolab_oci::{Spec, State};

use crate::Claim;
use crate::security::long_program;
use crate::support::{Place, containers, linux, name, process, root};

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
    (
        "clocks_are_offset_also_where_the_user_is_another_one_outside",
        root,
        offset_clocks,
    ),
    (
        "a_process_never_joins_whoever_got_the_id_of_a_container_that_ended",
        reuse,
        reused_id,
    ),
];

/// A container of the command line that sleeps, and its state's directory.
struct Sleeper {
    place: Place,
    id: String,
}

impl Sleeper {
    fn new(change: impl FnOnce(&mut Spec)) -> Self {
        Self::running("sleep 1000", change)
    }

    fn running(script: &str, change: impl FnOnce(&mut Spec)) -> Self {
        let place = Place::new();
        let mut spec = place.spec(script);
        change(&mut spec);
        place.write(&spec);
        let sleeper = Self { place, id: name() };
        let mut run = sleeper.isorun(&["run", "--detach", "-b"]);
        run.arg(sleeper.place.path()).arg(&sleeper.id);
        assert!(run.status().unwrap().success());
        sleeper
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("states")
    }

    /// The file of a namespace of its first process.
    fn namespace(&self, name: &str) -> PathBuf {
        let mut state = self.isorun(&["state", &self.id]);
        let state = state.stdout(Stdio::piped()).output().unwrap().stdout;
        let state: State = serde_json::from_slice(&state).unwrap();
        format!("/proc/{}/ns/{name}", state.pid).into()
    }

    fn isorun(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isorun"));
        self.arguments(&mut command, words);
        command
    }

    fn arguments(&self, command: &mut Command, words: &[&str]) {
        command.arg("--root").arg(self.root()).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null());
    }

    /// `isorun exec OPTIONS ID sh -c SCRIPT`, under `starter`; both streams.
    fn exec(&self, starter: &[&str], options: &[&str], script: &str) -> (String, bool) {
        let isorun = env!("CARGO_BIN_EXE_isorun");
        let mut words = starter.to_vec();
        words.push(isorun);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.arguments(&mut command, &["exec"]);
        command
            .args(options)
            .arg(&self.id)
            .args(["sh", "-c", script]);
        command.current_dir(self.place.path());
        let output = command.stdout(Stdio::piped()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        (text, output.status.success())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.isorun(&["delete", "--force", &self.id]).status();
    }
}

/// `isorun run` of `spec` under `starter`; what it said.
pub(crate) fn run_under(starter: &[&str], spec: &Spec, place: &Place) -> String {
    place.write(spec);
    let output = Command::new(starter[0])
        .args(&starter[1..])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .arg("--root")
        .arg(place.path().join("states"))
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

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

/// Puts it into a user namespace with one user, root.
pub(crate) fn map_root(spec: &mut Spec) {
    let one = IdMapping {
        container_id: 0,
        host_id: 0,
        size: 1,
    };
    let linux = linux(spec);
    linux.namespaces.push(Namespace {
        kind: NamespaceType::User,
        path: None,
    });
    linux.uid_mappings = vec![one];
    linux.gid_mappings = vec![one];
    // It has no group for terminals.
    spec.mounts
        .retain(|mount| !mount.destination.starts_with("/dev/pts"));
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

pub(crate) fn strace() -> Result<(), String> {
    containers()?;
    match Command::new("strace").arg("-V").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("there is no strace".to_owned()),
    }
}

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

/// Who changes its user owns its files in `/proc` no more.
fn offset_clocks() {
    if !std::path::Path::new("/proc/self/timens_offsets").exists() {
        return; // a kernel without time namespaces
    }
    let place = Place::new();
    let mut spec = place.spec("cat /proc/self/timens_offsets");
    map_root(&mut spec);
    let linux = linux(&mut spec);
    for map in [&mut linux.uid_mappings, &mut linux.gid_mappings] {
        (map[0].host_id, map[0].size) = (100_000, 65_536);
    }
    linux.namespaces.push(Namespace {
        kind: NamespaceType::Time,
        path: None,
    });
    let offset = TimeOffset {
        secs: 1337,
        nanosecs: 5,
    };
    linux.time_offsets.insert("boottime".to_owned(), offset);
    let text = place.run(&spec).0;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert!(lines.contains(&vec!["boottime", "1337", "5"]), "{text}");
}

/// The next process id can be chosen in a pid namespace of one's own.
fn reuse() -> Result<(), String> {
    root()?;
    strace()?;
    let mut choice = Command::new("unshare");
    choice.args(["-pf", "--mount-proc", "sh", "-c"]);
    choice.arg("echo 100 >/proc/sys/kernel/ns_last_pid");
    match choice.status().is_ok_and(|status| status.success()) {
        true => Ok(()),
        false => Err("ns_last_pid cannot be written".to_owned()),
    }
}

/// The container's init ends just before its namespaces are opened by its id,
/// and a process of the host gets that: all its namespaces are the runtime's own.
fn reused_id() {
    const SCRIPT: &str = r#"
        "$0" --root "$2" create --bundle "$1" --pid-file "$2.pid" c </dev/null >/dev/null 2>&1
        pid=$(cat "$2.pid")
        strace -qqq -f -o /dev/null -P /proc/$pid/ns/pid -e trace=openat \
            -e inject=openat:delay_enter=2000000:when=1 \
            "$0" --root "$2" exec c sh -c 'echo joined' >"$2.said" 2>&1 &
        sleep 0.7
        kill -9 $pid
        while [ -e /proc/$pid ]; do sleep 0.01; done
        while [ ! -e /proc/$pid ]; do
            echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
            sleep 30 &
        done
        while ! grep -q . "$2.said"; do sleep 0.05; done
        cat "$2.said"
        "$0" --root "$2" delete --force c
    "#;
    let place = Place::new();
    place.write(&place.spec("sleep 60"));
    let output = Command::new("unshare")
        .args(["-pf", "--mount-proc", "sh", "-c", SCRIPT])
        .arg(env!("CARGO_BIN_EXE_isorun"))
        .arg(place.path())
        .arg(place.path().join("states"))
        .stderr(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("stopped"), "{said}");
    assert!(!said.contains("joined"), "{said}");
}
