//! Containers that stand still, and groups that somebody has frozen.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use isolab_oci::spec::Process;
use isolab_oci::{Begin, Cgroup, Error, Options, Status};

use crate::Claim;
use crate::eventually::eventually;
use crate::lab::Lab;
use crate::support::{root, silent};

pub(crate) const CLAIMS: &[Claim] = &[
    ("a_paused_container_stands_still", root, paused),
    (
        "a_forced_delete_kills_also_what_is_paused",
        root,
        delete_paused,
    ),
    (
        "a_process_for_a_paused_container_is_refused_or_waits",
        root,
        exec_paused,
    ),
    ("a_group_that_is_frozen_is_not_joined", root, frozen_group),
];

fn paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("while :; do echo x >>/dev/shm/ticks; sleep 0.01; done");
    let ticks = || {
        lab.exec("wc -c </dev/shm/ticks")
            .trim()
            .parse::<u64>()
            .unwrap()
    };
    eventually("it ticks", || lab.exec("ls /dev/shm").contains("ticks"));
    container.pause().unwrap();
    assert_eq!(lab.load().status(), Status::Paused);
    let shm = format!("/proc/{}/root/dev/shm/ticks", running.pid());
    let before = fs::metadata(&shm).unwrap().len();
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(fs::metadata(&shm).unwrap().len(), before);
    lab.load().resume().unwrap();
    let before = ticks();
    eventually("it ticks again", || ticks() > before);
    drop(running);
    lab.load().delete(false).unwrap();
}

fn delete_paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("sleep 60");
    container.pause().unwrap();
    // Somebody has to reap it, as whoever started a container does.
    let waiter = std::thread::spawn(move || {
        let mut running = running;
        running.wait().unwrap()
    });
    lab.load().delete(true).unwrap();
    assert_eq!(waiter.join().unwrap().signal, Some(libc::SIGKILL));
    assert!(lab.is_gone());
}

fn exec_paused() {
    let lab = Lab::new();
    let (container, running) = lab.started("sleep 60");
    container.pause().unwrap();
    let process = container.spec().unwrap().process.unwrap();
    let process = Process {
        args: vec!["true".to_owned()],
        ..process
    };
    match container.exec(&process, silent(), &Options::default()) {
        Err(Error::State { status, .. }) => assert_eq!(status, "paused"),
        other => panic!("{other:?}"),
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            lab.load().resume().unwrap();
        });
        let options = Options {
            ignore_paused: true,
            ..Options::default()
        };
        let begun = Instant::now();
        let mut ran = container.exec(&process, silent(), &options).unwrap();
        assert!(ran.wait().unwrap().success());
        assert!(begun.elapsed() >= Duration::from_millis(200));
    });
    drop(running);
    lab.load().delete(true).unwrap();
}

fn frozen_group() {
    let lab = Lab::new();
    let mut spec = lab.place.spec("sleep 60");
    spec.linux.as_mut().unwrap().cgroups_path = Some(format!("/{}", lab.id).into());
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let (below, file, word) = match unified {
        true => ("/sys/fs/cgroup", "cgroup.freeze", "1"),
        false => ("/sys/fs/cgroup/freezer", "freezer.state", "FROZEN"),
    };
    let group = Path::new(below).join(&lab.id);
    fs::create_dir(&group).unwrap();
    fs::write(group.join(file), word).unwrap();
    let options = Options {
        cgroup: Cgroup::Named,
        ..Options::default()
    };
    let made = lab.create_with(&spec, Begin::Later, &options);
    fs::remove_dir(&group).unwrap();
    match made {
        Err(error @ Error::Setup { .. }) => {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("unexpectedly frozen"), "{cause}");
        }
        other => panic!("{other:?}"),
    }
    assert!(lab.is_gone());
}
