//! A filter whose calls an agent answers, and the agent.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use isolab_oci::spec::{Action, Rule, Seccomp};
use isolab_oci::sys::seccomp::{Answer, answer_notification, receive_notification};
use isolab_oci::sys::{Errno, descriptor, socket};
use isolab_oci::{Begin, Bundle, Container, Error, StateRoot, Stdio};

use crate::Claim;
use crate::peers::by_peers;
use crate::support::{Place, containers, linux, name, options, process, root};

pub(crate) const CLAIMS: &[Claim] = &[
    ("an_agent_answers_a_containers_calls", containers, answers),
    (
        "the_agent_is_told_of_the_process_as_the_specification_says",
        containers,
        told,
    ),
    (
        "a_start_goes_on_where_every_call_of_its_own_waits_for_an_answer",
        containers,
        every_call,
    ),
    (
        "the_agent_is_handed_the_listener_without_no_new_privileges_too",
        root,
        early,
    ),
    ("a_process_that_joins_has_a_listener_of_its_own", root, exec),
    (
        "without_an_agent_nothing_starts_and_nothing_hangs",
        containers,
        no_agent,
    ),
];

/// Answers every call of every process that it is handed, in threads of its
/// own; what it was told of each.
fn agent(place: &Place, answer: Answer) -> Receiver<serde_json::Value> {
    let socket = UnixListener::bind(place.path().join("agent")).unwrap();
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for connection in socket.incoming().flatten() {
            let mut text = vec![0; 1 << 16];
            let received = socket::receive(connection.as_raw_fd(), &mut text);
            let (listener, length) = received.unwrap();
            let told = serde_json::from_slice(&text[..length]).unwrap();
            let listener = listener.into_owned();
            thread::spawn(move || serve(&listener, answer));
            if sender.send(told).is_err() {
                return;
            }
        }
    });
    receiver
}

fn serve(listener: &OwnedFd, answer: Answer) {
    let listener = listener.as_raw_fd();
    // Nobody is left: then poll says so, without a call that waits (POLLHUP).
    while descriptor::is_readable(listener).unwrap_or(false) || wait(listener) {
        match receive_notification(listener) {
            Ok(call) => match answer_notification(listener, call.id, answer) {
                Ok(()) | Err(Errno(libc::ENOENT)) => {}
                Err(errno) => panic!("{errno}"),
            },
            Err(Errno(libc::EINTR)) => {}
            Err(_) => return,
        }
    }
}

/// Whether a call came within a while.
fn wait(listener: i32) -> bool {
    descriptor::poll_readable(&mut [listener], 5000).is_ok_and(|ready| ready != 0)
}

fn policy(place: &Place, calls: &[&str]) -> Seccomp {
    Seccomp {
        default_action: Action::Allow,
        listener_path: Some(place.path().join("agent")),
        listener_metadata: Some("for the agent".to_owned()),
        architectures: vec!["SCMP_ARCH_X86_64".to_owned()],
        syscalls: vec![Rule {
            names: calls.iter().map(|&name| name.to_owned()).collect(),
            action: Action::Notify,
            errno_ret: None,
            args: Vec::new(),
        }],
        ..Seccomp::default()
    }
}

const NO_MESSAGE: Answer = Answer::Return(-(libc::ENOMSG as i64));
const SAID: &str = "mkdir: can't create directory '/tmp/x': No message of desired type\n";

fn answers() {
    let place = Place::new();
    let _told = agent(&place, NO_MESSAGE);
    let mut spec = place.spec("mkdir /tmp/x 2>&1; true");
    linux(&mut spec).seccomp = Some(policy(&place, &["mkdir", "mkdirat"]));
    assert_eq!(place.run(&spec).0, SAID);
    place.write(&spec);
    for (peer, text) in by_peers(&place) {
        assert_eq!(text, SAID, "{peer}");
    }
}

fn told() {
    let place = Place::new();
    let told = agent(&place, NO_MESSAGE);
    let mut spec = place.spec("true");
    spec.annotations
        .insert("key".to_owned(), "value".to_owned());
    linux(&mut spec).seccomp = Some(policy(&place, &["mkdir"]));
    place.run(&spec);
    place.write(&spec);
    let peers = by_peers(&place);
    for who in 0..=peers.len() {
        let told = told.recv().unwrap();
        assert_eq!(told["fds"], serde_json::json!(["seccompFd"]));
        assert_eq!(told["metadata"], "for the agent");
        let version = told["ociVersion"].as_str().unwrap();
        assert!(who > 0 || version.starts_with("1."), "{version}"); // crun says 0.2.0
        assert!(told["pid"].as_i64().unwrap() > 0);
        let state = &told["state"];
        assert_eq!(state["pid"], told["pid"]);
        assert_eq!(state["status"], "creating");
        assert_eq!(state["annotations"]["key"], "value");
        assert_eq!(state["bundle"], place.path().to_str().unwrap());
        assert!(!state["id"].as_str().unwrap().is_empty());
    }
}

fn every_call() {
    let place = Place::new();
    let _told = agent(&place, Answer::Continue);
    let mut spec = place.spec("echo done");
    linux(&mut spec).seccomp = Some(policy(
        &place,
        &[
            "execve",
            "execveat",
            "futex",
            "read",
            "write",
            "fcntl",
            "close",
            "exit_group",
            "mmap",
            "sendmsg",
            "ioctl",
        ],
    ));
    assert_eq!(place.run(&spec).0, "done\n");
}

fn early() {
    let place = Place::new();
    let _told = agent(&place, Answer::Continue);
    let mut spec = place.spec("id -u; grep NoNewPrivs /proc/self/status");
    process(&mut spec).no_new_privileges = false;
    process(&mut spec).user.uid = 1000;
    // Calls of the start itself, among them those that give up privileges.
    let calls = ["setuid", "setgroups", "capset", "prctl", "chdir", "execve"];
    linux(&mut spec).seccomp = Some(policy(&place, &calls));
    assert_eq!(place.run(&spec).0, "1000\nNoNewPrivs:\t0\n");
}

fn exec() {
    let place = Place::new();
    let told = agent(&place, NO_MESSAGE);
    let mut spec = place.spec("sleep 100");
    linux(&mut spec).seccomp = Some(policy(&place, &["mkdir", "mkdirat"]));
    let bundle = Bundle::new(place.path(), spec.clone()).unwrap();
    let states = StateRoot::new(place.path().join("states"));
    let (container, running) = Container::create(
        &states,
        &name(),
        &bundle,
        Begin::Now,
        Stdio::inherit(),
        &options(),
    )
    .unwrap();
    let first = told.recv().unwrap();
    assert_eq!(first["pid"], running.pid());
    let mut joining = process(&mut spec).clone();
    // Its exit status tells what mkdir answered.
    let script = "mkdir /tmp/x 2>&1 | grep -q 'No message' && exit 7";
    joining.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    let mut joined = container
        .exec(&joining, Stdio::inherit(), &options())
        .unwrap();
    let second = told.recv().unwrap();
    assert_eq!(second["pid"], joined.pid());
    assert_eq!(second["state"]["pid"], running.pid());
    assert_eq!(second["state"]["status"], "running");
    assert_eq!(joined.wait().unwrap().code, Some(7));
    drop(running);
    container.delete(true).unwrap();
}

fn no_agent() {
    let place = Place::new();
    let mut spec = place.spec("true");
    linux(&mut spec).seccomp = Some(policy(
        &place,
        &["exit_group", "execveat", "execve", "futex"],
    ));
    let error = place.try_start(&spec, &options()).unwrap_err();
    assert!(matches!(error, Error::Setup { .. }), "{error:?}");
    assert!(error.to_string().contains("/agent"), "{error}");
    assert!(error.hint().unwrap().contains("listenerPath"));
}
