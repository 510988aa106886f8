//! `exec`: one more process in a running container.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;

use crate::eventually::eventually;
use crate::runtime::{Place, Runtime, text};
use crate::{ALL, Claim, NOT_CRUN, NOT_RUNC};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "exec_runs_inside_and_gives_the_programs_status",
        ALL,
        status,
    ),
    ("what_follows_the_program_is_the_programs", ALL, tail),
    // crun 1.8.1 replaces the environment where it is to be added to.
    (
        "exec_takes_user_group_environment_and_directory",
        NOT_CRUN,
        options,
    ),
    ("exec_takes_a_process_from_a_file", ALL, file),
    (
        "exec_detach_returns_at_once_and_writes_the_pid",
        ALL,
        detach,
    ),
    ("a_missing_program_is_told_as_255", ALL, missing),
    (
        "a_paused_container_takes_a_process_only_by_force",
        NOT_CRUN,
        paused,
    ),
    ("a_stopped_container_takes_none", NOT_CRUN, stopped),
    ("exec_reads_the_standard_input", ALL, input),
    ("preserved_descriptors_are_open_inside", ALL, preserved),
    (
        "of_descriptors_to_preserve_those_are_that_are_open",
        NOT_RUNC,
        preserved_or_not,
    ),
    (
        "a_file_of_a_process_says_whether_it_has_a_terminal",
        ALL,
        terminal_by_file,
    ),
];

fn status(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)] {
        let output = place.call(&["exec", "ID", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(status), "{script}: {output:?}");
    }
    let said = place.ok(&["exec", "ID", "cat", "/proc/1/comm"]);
    assert_eq!(said, "sh\n");
}

fn tail(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.ok(&[
        "exec",
        "ID",
        "sh",
        "-c",
        "echo got \"$@\"",
        "sh",
        "-e",
        "--user",
        "--",
        "-x",
    ]);
    assert_eq!(said, "got -e --user -- -x\n");
}

fn options(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let script = "id -u; id -g; pwd; echo $NEW $TERM";
    let said = place.ok(&[
        "exec", "--user", "5:6", "-e", "NEW=it", "--cwd", "/tmp", "ID", "sh", "-c", script,
    ]);
    assert_eq!(said, "5\n6\n/tmp\nit xterm\n");
}

fn file(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let process = serde_json::json!({
        "args": ["sh", "-c", "echo $ONLY; id -u; pwd"],
        "cwd": "/tmp",
        "env": ["PATH=/bin", "ONLY=this"],
        "user": {"uid": 3, "gid": 3},
    });
    let file = place.file("process.json");
    fs::write(&file, process.to_string()).unwrap();
    assert_eq!(
        place.ok(&["exec", "--process", &file, "ID"]),
        "this\n3\n/tmp\n"
    );
}

fn detach(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let file = place.file("pid");
    place.quietly(&[
        "exec",
        "--detach",
        "--pid-file",
        &file,
        "ID",
        "sleep",
        "100",
    ]);
    let pid = fs::read_to_string(&file).unwrap();
    assert!(place.ok(&["ps", "-f", "json", "ID"]).contains(&pid));
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(text(&command), "sleep\x00100\x00");
}

fn missing(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.fails(255, &["exec", "ID", "fly"]);
    assert!(said.contains("fly"), "{said}");
    assert!(said.contains("not found in $path"), "{said}");
    let said = place.fails(255, &["exec", "ID", "/bin/fly"]);
    assert!(said.contains("no such file or directory"), "{said}");
}

fn paused(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["pause", "ID"]);
    let said = place.fails(255, &["exec", "ID", "true"]);
    assert!(said.contains("paused"), "{said}");
    place.ok(&["resume", "ID"]);
    place.ok(&["exec", "--ignore-paused", "ID", "true"]);
}

fn stopped(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["kill", "ID", "9"]);
    place.becomes("stopped");
    place.fails(255, &["exec", "ID", "true"]);
}

fn input(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let file = place.path().join("input");
    fs::write(&file, "typed\n").unwrap();
    let output = place
        .command()
        .args(["exec", &place.id, "cat"])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "typed\n", "{output:?}");
}

fn preserved(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    eventually("it runs", || place.status() == "running");
    let file = place.path().join("handed-on");
    fs::write(&file, "inherited").unwrap();
    let file = fs::File::open(&file).unwrap();
    let script = "exec \"$0\" \"$@\" 3<&0 </dev/null";
    let inner = place.command();
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", script])
        .arg(inner.get_program())
        .args(inner.get_args())
        .args([
            "exec",
            "--preserve-fds",
            "1",
            &place.id,
            "sh",
            "-c",
            "cat <&3",
        ])
        .current_dir(place.path())
        .stdin(file.try_clone().unwrap());
    assert!(file.as_raw_fd() > 2);
    let output = command.arg0("sh").output().unwrap();
    assert_eq!(text(&output.stdout), "inherited", "{output:?}");
}

fn preserved_or_not(runtime: &Runtime) {
    let place = Place::new(runtime);
    let script = "for n in 3 4 5 6 7 8 9; do [ -e /proc/self/fd/$n ] && echo $n; done; echo end";
    place.config(&["sh", "-c", script], |_| {});
    let closing = "exec 3<&- 4<&- 6<&- 7<&- 8<&- 9<&- 5</dev/null; exec \"$0\" \"$@\"";
    let inner = place.command();
    let output = std::process::Command::new("sh")
        .args(["-c", closing])
        .arg(inner.get_program())
        .args(inner.get_args())
        .args(["run", "--preserve-fds", "50", &place.id])
        .current_dir(place.path())
        .output()
        .unwrap();
    assert_eq!(text(&output.stdout), "5\nend\n", "{output:?}");
}

fn terminal_by_file(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    eventually("it runs", || place.status() == "running");
    let file = place.path().join("process.json");
    let process = serde_json::json!({
        "args": ["sh", "-c", "[ -t 0 ] && echo terminal || echo none"], "cwd": "/",
        "user": { "uid": 0, "gid": 0 }, "env": ["PATH=/bin"]
    });
    fs::write(&file, process.to_string()).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(
        place.ok(&["exec", "--tty", "--process", file, "ID"]),
        "none\n"
    );
}
