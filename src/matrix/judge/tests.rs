//! Every cell follows from the outcomes: with one of them swapped it is another.

use super::*;
use crate::inside::Outcome;

const SECRET: &str = "5ec4e7";

fn yes(text: &str) -> Said {
    Said::Yes(text.to_owned())
}

fn no(why: &str) -> Said {
    Said::No(why.to_owned())
}

fn answer(outcomes: &[(Attempt, Said)]) -> Answer {
    Answer::new(outcomes.iter().map(|(attempt, said)| Outcome {
        attempt: *attempt,
        call: "call()".to_owned(),
        said: said.clone(),
    }))
}

/// What the host's own process answers, as root.
fn host() -> Answer {
    use Attempt::*;
    let mut all = vec![
        (BootId, yes("boot-1")),
        (CountProcesses, yes("99")),
        (SeeProcess, yes("it is process 7")),
        (SignalProcess, yes("allowed")),
        (BecomeUser, yes("went")),
        (ReadFile, yes(SECRET)),
        (OpenForWriting, yes("opened")),
        (MakeMount, yes("a mount")),
        (Connect, yes(SECRET)),
        (Interfaces, yes("lo eth0")),
        (Bind, no("EADDRINUSE")),
        (SetHostName, yes("allowed")),
        (OpenQueue, yes("opened")),
        (OpenLimit, yes("opened")),
        (SetClock, yes("allowed")),
        (LoadModule, yes("allowed")),
        (OpenKernelLog, yes("opened")),
        (OpenDisk, no("no disk is in /dev")),
        (MakeDevice, yes("made")),
        (PackageDirectory, yes("8:1 /usr/lib/python3/dist-packages")),
        (WritePackages, yes("it could")),
        (InterpreterFile, yes("8:2 /usr/bin/python3.11")),
        (WriteInterpreter, yes("it could")),
        (StandardLibrary, yes("8:4 /usr/lib/python3.11")),
        (WriteStandardLibrary, yes("it could")),
        (CLibrary, yes("8:3 /usr/lib/libc.so.6")),
        (WriteCLibrary, yes("it could")),
    ];
    for (namespace, name) in Attempt::NAMESPACES {
        all.push((namespace, yes(&format!("{name}:[1]"))));
    }
    answer(&all)
}

/// The cell of `axis` for a place that answers as the host does, but for `swapped`.
#[track_caller]
fn check(axis: Axis, swapped: &[(Attempt, Said)], expected: Cell) {
    let host = host();
    let mut outcomes = swapped.to_vec();
    let others = host.outcomes().iter();
    outcomes.extend(others.map(|o| (o.attempt, o.said.clone())));
    let against = Reference {
        host: &host,
        secret: SECRET,
    };
    let judged = judge(axis, &answer(&outcomes), against);
    assert_eq!(judged.cell, expected, "{axis}: {}", judged.because);
    assert!(!judged.because.is_empty());
}

#[test]
fn who_answers_as_the_host_does_has_what_is_the_hosts() {
    for axis in Axis::ALL {
        check(axis, &[], Cell::Host);
    }
}

/// The attempt by which each axis tells whether the thing could be changed.
const CHANGES: [(Axis, Attempt); 11] = [
    (Axis::Processes, Attempt::SignalProcess),
    (Axis::Users, Attempt::BecomeUser),
    (Axis::Mounts, Attempt::MakeMount),
    (Axis::Files, Attempt::OpenForWriting),
    (Axis::Hostname, Attempt::SetHostName),
    (Axis::Cgroup, Attempt::OpenLimit),
    (Axis::Time, Attempt::SetClock),
    (Axis::Kernel, Attempt::LoadModule),
    (Axis::Packages, Attempt::WritePackages),
    (Axis::Interpreter, Attempt::WriteInterpreter),
    (Axis::Libraries, Attempt::WriteCLibrary),
];

#[test]
fn what_was_refused_leaves_it_to_look_at() {
    for (axis, change) in CHANGES {
        check(axis, &[(change, no("EPERM"))], Cell::Look);
        let not_tried = Said::NotTried("why".to_owned());
        check(axis, &[(change, not_tried)], Cell::NotTried);
    }
}

#[test]
fn another_namespace_makes_it_its_own() {
    for (axis, namespace) in [
        (Axis::Users, Attempt::NsUser),
        (Axis::Mounts, Attempt::NsMnt),
        (Axis::Hostname, Attempt::NsUts),
        (Axis::Cgroup, Attempt::NsCgroup),
    ] {
        check(axis, &[(namespace, yes("x:[2]"))], Cell::Own);
        check(axis, &[(namespace, no("ENOENT"))], Cell::NotTried);
    }
}

/// The first namespaces of every kernel have the same numbers, and an inode is a
/// file only on one device of one kernel.
#[test]
fn under_another_kernel_equal_numbers_are_no_sign() {
    let other = (Attempt::BootId, yes("boot-2"));
    for axis in [
        Axis::Users,
        Axis::Mounts,
        Axis::Hostname,
        Axis::Cgroup,
        Axis::Time,
        Axis::Kernel,
        Axis::Devices,
        Axis::Packages,
        Axis::Interpreter,
        Axis::Libraries,
    ] {
        check(axis, std::slice::from_ref(&other), Cell::Own);
        check(axis, &[(Attempt::BootId, no("EACCES"))], Cell::NotTried);
    }
}

#[test]
fn a_process_that_is_not_in_the_list_is_not_seen() {
    let absent = (Attempt::SeeProcess, no("it is not there"));
    let apart = (Attempt::NsPid, yes("pid:[2]"));
    check(Axis::Processes, &[absent.clone(), apart.clone()], Cell::Own);
    let unread = (Attempt::CountProcesses, no("ENOENT"));
    check(
        Axis::Processes,
        &[absent.clone(), apart, unread],
        Cell::NotTried,
    );
    // In the host's own namespace they are there, and hidden (`hidepid`).
    check(Axis::Processes, &[absent], Cell::Denied);
    let forbidden = (Attempt::SeeProcess, no("EACCES"));
    check(Axis::Processes, &[forbidden], Cell::Denied);
}

#[test]
fn only_the_secret_proves_that_a_file_or_a_listener_was_reached() {
    let apart = (Attempt::NsNet, yes("net:[2]"));
    for (axis, attempt) in [
        (Axis::Files, Attempt::ReadFile),
        (Axis::Network, Attempt::Connect),
    ] {
        let said = |said| [(attempt, said), apart.clone()];
        check(axis, &said(yes("something else")), Cell::Own);
        check(axis, &said(no("ENOENT")), Cell::Own);
        let not_tried = Said::NotTried("why".to_owned());
        check(axis, &said(not_tried), Cell::NotTried);
    }
    check(
        Axis::Files,
        &[(Attempt::ReadFile, no("EACCES"))],
        Cell::Denied,
    );
    let alone = [
        apart,
        (Attempt::Connect, no("ENETUNREACH")),
        (Attempt::Interfaces, no("there are none")),
    ];
    check(Axis::Network, &alone, Cell::Nothing);
}

/// A listener that was too slow, in a network that is the host's.
#[test]
fn who_has_the_hosts_network_and_hears_nothing_has_none_of_its_own() {
    let unheard = (Attempt::Connect, no("ETIMEDOUT"));
    check(Axis::Network, &[unheard], Cell::NotTried);
}

/// What the host itself could not reach, nobody is kept from by a border.
#[test]
fn what_fails_on_the_host_as_well_is_no_sign() {
    for (axis, attempt, said) in [
        (Axis::Processes, Attempt::SeeProcess, no("it is not there")),
        (Axis::Network, Attempt::Connect, no("ECONNREFUSED")),
        (Axis::Ports, Attempt::Bind, yes("it was free")),
        (Axis::Ipc, Attempt::OpenQueue, no("ENOENT")),
        (Axis::Files, Attempt::ReadFile, no("ENOENT")),
    ] {
        let mut outcomes = vec![(attempt, said)];
        let whole = host();
        outcomes.extend(whole.outcomes().iter().map(|o| (o.attempt, o.said.clone())));
        let host = answer(&outcomes);
        for (namespace, name) in [(Attempt::NsPid, "pid"), (Attempt::NsNet, "net")] {
            outcomes.insert(0, (namespace, yes(&format!("{name}:[2]"))));
        }
        let against = Reference {
            host: &host,
            secret: SECRET,
        };
        let judged = judge(axis, &answer(&outcomes), against);
        assert_eq!(judged.cell, Cell::NotTried, "{axis}: {}", judged.because);
    }
}

#[test]
fn a_port_is_the_hosts_if_it_is_taken() {
    check(Axis::Ports, &[(Attempt::Bind, yes("free"))], Cell::Own);
    check(Axis::Ports, &[(Attempt::Bind, no("EACCES"))], Cell::Denied);
    check(
        Axis::Ports,
        &[(Attempt::Bind, no("EMFILE"))],
        Cell::NotTried,
    );
}

#[test]
fn a_queue_is_the_hosts_if_it_opens() {
    let check = |said, cell| check(Axis::Ipc, &[(Attempt::OpenQueue, said)], cell);
    check(no("ENOENT"), Cell::Own);
    check(no("EACCES"), Cell::Denied);
    check(no("ENOSYS"), Cell::Nothing);
    check(no("EMFILE"), Cell::NotTried);
}

#[test]
fn where_the_host_has_no_queue_none_that_is_absent_is_a_sign() {
    let host = answer(&[(Attempt::OpenQueue, no("ENOENT"))]);
    let against = Reference {
        host: &host,
        secret: SECRET,
    };
    assert_eq!(judge(Axis::Ipc, &host, against).cell, Cell::NotTried);
}

#[test]
fn a_device_is_the_hosts_if_one_opens() {
    let closed = [
        (Attempt::OpenKernelLog, no("ENOENT")),
        (Attempt::MakeDevice, no("EPERM")),
    ];
    check(Axis::Devices, &closed, Cell::Nothing);
    let mut forbidden = closed.to_vec();
    forbidden[0].1 = no("EPERM");
    check(Axis::Devices, &forbidden, Cell::Denied);
    let mut disk = closed.to_vec();
    disk.push((Attempt::OpenDisk, yes("opened")));
    check(Axis::Devices, &disk, Cell::Host);
}

#[test]
fn a_file_is_the_hosts_by_its_inode_and_not_by_its_name() {
    for (axis, attempt, hosts) in [
        (Axis::Packages, Attempt::PackageDirectory, "8:1"),
        (Axis::Interpreter, Attempt::InterpreterFile, "8:2"),
        (Axis::StandardLibrary, Attempt::StandardLibrary, "8:4"),
        (Axis::Libraries, Attempt::CLibrary, "8:3"),
    ] {
        check(
            axis,
            &[(attempt, yes(&format!("{hosts} /other")))],
            Cell::Host,
        );
        check(
            axis,
            &[(attempt, yes("9:9 /usr/bin/python3.11"))],
            Cell::Own,
        );
        check(axis, &[(attempt, no("ENOENT"))], Cell::Nothing);
        check(axis, &[(attempt, no("it does not start"))], Cell::NotTried);
    }
}

#[test]
fn nothing_follows_from_no_answer() {
    let host = host();
    let against = Reference {
        host: &host,
        secret: SECRET,
    };
    for axis in Axis::ALL {
        let judged = judge(axis, &Answer::default(), against);
        assert_eq!(judged.cell, Cell::NotTried, "{axis}");
        assert_eq!(judged.cell.is_apart(), None);
    }
}

/// What is looked at is among what is asked for: else a cell could never be told.
#[test]
fn each_axis_asks_for_all_that_its_judgement_needs() {
    let host = host();
    let against = Reference {
        host: &host,
        secret: SECRET,
    };
    for axis in Axis::ALL {
        let asked = |o: &&Outcome| axis.attempts().contains(&o.attempt);
        let answer = Answer::new(host.outcomes().iter().filter(asked).cloned());
        assert_eq!(judge(axis, &answer, against).cell, Cell::Host, "{axis}");
    }
}
