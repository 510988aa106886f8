//! SIGKILL at any moment leaves no mount and no process; what it leaves of control
//! groups the next command removes.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::Check;

/// How many are killed.
const KILLS: u32 = 50;

pub(crate) const CHECKS: &[Check] = &[("fifty_kills_leave_nothing", |lab, asked| {
    let args = ["sleep", "1000"];
    // How long a start takes, to be killed at any moment of it and a little after.
    let begun = Instant::now();
    let output = lab.run(asked, &["true"]);
    assert!(output.status.success(), "{output:?}");
    let span = begun.elapsed() * 3 / 2;
    let name = lab
        .path("")
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let mut seen = 0;
    for number in 0..KILLS {
        let place = lab.place(&format!("killed-{number}"));
        let mut command = lab.command(asked, &place, &args);
        let streams = || Stdio::null();
        command.stdin(streams()).stdout(streams()).stderr(streams());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(span * number / KILLS);
        seen += usize::from(processes_of(&name).len() > 1);
        child.kill().unwrap();
        child.wait().unwrap();
        gone(&name, number);
    }
    assert!(
        seen > 5,
        "only {seen} of {KILLS} had begun: the test sees no process"
    );
    // Which sweeps.
    let output = lab.run(asked, &["true"]);
    assert!(output.status.success(), "{output:?}");
    let left = groups();
    assert!(left.is_empty(), "{left:?}");
})];

/// Waits until no process and no mount has to do with the lab: the kernel ends
/// namespaces a moment after the process that kept them.
fn gone(name: &str, number: u32) {
    let patience = Instant::now() + Duration::from_secs(5);
    loop {
        let (processes, mounts) = (processes_of(name), mounts_of(name));
        if processes.is_empty() && mounts.is_empty() {
            return;
        }
        assert!(
            Instant::now() < patience,
            "kill {number}: {processes:?} {mounts:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Processes in whose words or environment, root or mounts the lab is named, but
/// for this one.
fn processes_of(name: &str) -> Vec<String> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let ids = ids.filter(|id| *id != own && id.bytes().all(|byte| byte.is_ascii_digit()));
    ids.filter_map(|id| {
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let mounts = String::from_utf8_lossy(&read("mountinfo")).into_owned();
        (words.contains(name) || mounts.contains(name)).then(|| format!("{id} {words}"))
    })
    .collect()
}

/// The mounts that this process sees.
fn mounts_of(name: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let lines = table.lines().filter(|line| line.contains(name));
    lines.map(str::to_owned).collect()
}

/// Control groups that are named as a process's own and whose owner is gone.
fn groups() -> BTreeSet<String> {
    let hierarchies = isolab_oci::cgroup::discover().unwrap_or_default();
    let places = hierarchies.iter().flat_map(|h| [&h.own, &h.mount_point]);
    let entries = places
        .filter_map(|place| fs::read_dir(place).ok())
        .flatten();
    let paths = entries.flatten().map(|entry| entry.path());
    let abandoned = paths.filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let owner = name
            .strip_prefix("isolab-")
            .and_then(|rest| rest.split('-').nth(1));
        owner.is_some_and(|pid| !fs::exists(format!("/proc/{pid}")).unwrap())
    });
    abandoned.map(|path| path.display().to_string()).collect()
}
