//! Ends that nobody wants: nothing is left, and what cannot be removed by the dead is removed by
//! whoever comes next.

use nix::sys::signal::Signal;

use super::{Home, Tested, ended_by};

const TAKE: [&str; 2] = ["vm", "snapshot"];

pub(super) fn killed() -> Tested {
    let home = Home::new();
    let (child, _) = home.started(&TAKE);
    let status = ended_by(child, Signal::SIGKILL);
    assert!(!status.success());
    let begun: Vec<_> = std::fs::read_dir(home.data().join("snapshots"))?.collect();
    assert!(!begun.is_empty(), "it was killed before it began");
    home.nothing_is_left()
}

pub(super) fn interrupted() -> Tested {
    let home = Home::new();
    let (child, _) = home.started(&TAKE);
    let status = ended_by(child, Signal::SIGINT);
    assert_eq!(status.code(), Some(130));
    home.nothing_is_left()
}

pub(super) fn killed_restore() -> Tested {
    let home = Home::new();
    home.json(&[&TAKE[..], &["-m", "96", "--json"]].concat());
    let (child, _) = home.started(&["vm", "restore", "default", "--count", "4"]);
    ended_by(child, Signal::SIGKILL);
    home.json(&["vm", "snapshot", "rm", "default", "--json"]);
    home.nothing_is_left()
}
