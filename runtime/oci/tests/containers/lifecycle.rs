//! From start to end, and nothing left behind.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use isolab_oci::cgroup::{self, Version};

use crate::Claim;
use crate::support::{Place, containers, name, nothing, options, process, traces};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_failed_start_leaves_nothing_wherever_it_failed",
        containers,
        failures_leave_nothing,
    ),
    (
        "a_container_that_was_dropped_leaves_nothing",
        containers,
        drop_leaves_nothing,
    ),
    (
        "a_container_dies_with_a_runtime_that_is_killed",
        containers,
        killed_runtime,
    ),
    (
        "fifty_containers_in_a_row_leave_nothing",
        containers,
        in_a_row,
    ),
    (
        "containers_start_from_many_threads_at_once",
        containers,
        at_once,
    ),
    (
        "a_group_of_a_dead_owner_is_swept_and_that_of_a_living_one_is_not",
        nothing,
        swept,
    ),
];

fn failures_leave_nothing() {
    let place = Place::new();
    let before = traces();
    let mut broken = [
        place.spec("true"),
        place.spec("true"),
        place.spec("true"),
        place.spec("true"),
    ];
    broken[0].root.as_mut().unwrap().path = "missing".into();
    broken[1].mounts[1].options.push("nonsense=1".to_owned());
    process(&mut broken[2]).args = vec!["/no/such/program".to_owned()];
    process(&mut broken[3]).cwd = "/bin/sh".into();
    for (index, spec) in broken.iter().enumerate() {
        let error = place.try_start(spec, &options()).unwrap_err();
        assert!(!error.to_string().is_empty());
        assert_eq!(traces(), before, "failure {index}: {error}");
    }
}

fn drop_leaves_nothing() {
    let place = Place::new();
    let before = traces();
    let running = place
        .try_start(&place.spec("sleep 1000 & sleep 1000"), &options())
        .unwrap();
    let pid = running.pid();
    drop(running);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert_eq!(traces(), before);
}

fn killed_runtime() {
    let place = Place::new();
    let id = name();
    let mut spec = place.spec("echo up; sleep 1000 & sleep 1000");
    process(&mut spec).env.push(format!("MARK={}", name()));
    place.write(&spec);
    let isorun = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isorun"));
        command.arg("--root").arg(place.path().join("states"));
        command
    };
    let mut runtime = isorun()
        .args(["run", "-b"])
        .args([place.path().as_os_str(), id.as_ref()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(runtime.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "up\n");
    let init = children(runtime.id());
    assert_eq!(init.len(), 1);
    runtime.kill().unwrap();
    runtime.wait().unwrap();
    let gone = || !Path::new(&format!("/proc/{}", init[0])).exists();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !gone() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(gone(), "the container's init {} still runs", init[0]);
    // What it could not remove itself is the container's, which has stopped.
    assert!(isorun().args(["delete", &id]).status().unwrap().success());
    for hierarchy in cgroup::discover().unwrap() {
        assert!(
            !hierarchy.own.join(&id).exists(),
            "{}",
            hierarchy.own.display()
        );
    }
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    text.split_whitespace()
        .map(|p| p.parse().unwrap())
        .collect()
}

fn in_a_row() {
    let place = Place::new();
    let before = traces();
    for _ in 0..50 {
        assert!(place.run(&place.spec("true")).1.success());
    }
    assert_eq!(traces(), before);
}

fn at_once() {
    let place = Place::new();
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..4 {
                    assert_eq!(
                        place.output(&format!("echo {thread} $$")),
                        format!("{thread} 1\n")
                    );
                }
            });
        }
    });
}

fn swept() {
    let hierarchies = cgroup::discover().unwrap();
    // On a unified host also beside the own group.
    let is_unified = hierarchies.iter().all(|h| h.version == Version::V2);
    let beside = hierarchies
        .iter()
        .filter(|h| is_unified && h.own != h.mount_point);
    let beside = beside.filter_map(|h| h.own.parent());
    let own = hierarchies.iter().map(|h| h.own.as_path());
    let places: Vec<_> = own.chain(beside).collect();
    // `isolab-NAMESPACE-PID-START-NUMBER`
    let living = cgroup::owned_name();
    let words: Vec<&str> = living.split('-').collect();
    let elsewhere = words[1].parse::<u64>().unwrap() + 1;
    let all = |name: &str| places.iter().map(|place| place.join(name)).collect();
    let dead: Vec<_> = all(&format!("isolab-{}-4194304-1-0", words[1]));
    let foreign: Vec<_> = all(&format!("isolab-{elsewhere}-4194304-1-0"));
    let living: Vec<_> = all(&living);
    let made = |paths: &[std::path::PathBuf]| {
        paths
            .iter()
            .filter(|path| fs::create_dir(path).is_ok())
            .cloned()
            .collect::<Vec<_>>()
    };
    let (dead, living, foreign) = (made(&dead), made(&living), made(&foreign));
    // What waits for ever in a group below one of them, as an engine may leave it.
    let below: Vec<_> = dead.iter().map(|path| path.join("below")).collect();
    let below = made(&below);
    let wait_in = |groups: &[std::path::PathBuf]| {
        let waiting = std::process::Command::new("sleep").arg("60").spawn();
        let waiting = waiting.unwrap();
        let file = |group: &std::path::PathBuf| group.join("cgroup.procs");
        let inside = groups
            .iter()
            .filter(|group| fs::write(file(group), waiting.id().to_string()).is_ok());
        (inside.count(), waiting)
    };
    let (inside, mut waiting) = wait_in(&below);
    let (_, mut other) = wait_in(&foreign);
    let _ = cgroup::sweep();
    let ended = (waiting.try_wait().unwrap(), other.try_wait().unwrap());
    for process in [&mut waiting, &mut other] {
        let _ = process.kill();
        let _ = process.wait();
    }
    assert_eq!(ended.0.is_some(), inside > 0, "in {inside} groups");
    assert_eq!(ended.1, None, "an owner in another pid namespace may live");
    assert!(dead.iter().all(|path| !path.exists()));
    assert!(living.iter().all(|path| path.exists()));
    assert!(foreign.iter().all(|path| path.exists()));
    for path in living.iter().chain(&foreign) {
        // Busy for a moment after its last process was reaped.
        let end = Instant::now() + Duration::from_secs(2);
        while fs::remove_dir(path).is_err() {
            assert!(Instant::now() < end, "{}", path.display());
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
