//! Bare processes: the same path as a container's, without its steps.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use isolab_oci::process::spawn;
use isolab_oci::{ExitStatus, Options, Program, Session, Stdio, sys};

use crate::Claim;
use crate::support::{nothing, output};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "a_process_runs_with_the_arguments_streams_and_directory_given",
        nothing,
        runs,
    ),
    (
        "a_process_inherits_no_descriptor_that_it_was_not_given",
        nothing,
        no_leak,
    ),
    (
        "a_missing_program_is_an_error_of_the_start_and_not_an_exit_status",
        nothing,
        missing,
    ),
    (
        "a_signal_ends_a_process_and_its_status_says_so",
        nothing,
        signalled,
    ),
    (
        "a_program_is_found_in_the_path_of_its_own_environment",
        nothing,
        path,
    ),
    (
        "processes_start_from_many_threads_at_once",
        nothing,
        threads,
    ),
    ("dropping_a_process_kills_it", nothing, dropped),
    (
        "a_blocked_signal_of_the_caller_is_not_blocked_in_the_process",
        nothing,
        signals,
    ),
];

fn sh(script: &str) -> Program {
    Program {
        path: "/bin/sh".into(),
        args: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec!["PATH=/usr/bin:/bin".to_owned()],
        cwd: None,
    }
}

fn ran(program: &Program) -> (String, ExitStatus) {
    output(|stdio| spawn(program, stdio, &Options::default())).unwrap()
}

fn runs() {
    let mut program = sh("echo $0 $1 $V; pwd; cat; exit 7");
    program.args.extend(["zero", "one"].map(str::to_owned));
    program.env.push("V=value".to_owned());
    program.cwd = Some(PathBuf::from("/usr"));
    let (text, status) = ran(&program);
    assert_eq!(text, "zero one value\n/usr\n");
    assert_eq!(
        status,
        ExitStatus {
            code: Some(7),
            signal: None
        }
    );
}

fn no_leak() {
    let file = File::open("/dev/null").unwrap();
    // A descriptor without close-on-exec, as careless libraries leave them.
    sys::descriptor::dup_onto(file.as_raw_fd(), 77).unwrap();
    let (text, _) = ran(&sh("ls /proc/$$/fd"));
    assert!(!text.split_whitespace().any(|fd| fd == "77"), "{text}");
}

fn missing() {
    for path in ["/nonexistent/program", "no-such-program-anywhere"] {
        let program = Program {
            path: path.into(),
            args: vec![path.to_owned()],
            ..Program::default()
        };
        let error = spawn(&program, Stdio::inherit(), &Options::default()).unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        assert!(error.hint().is_some());
    }
}

fn signalled() {
    let (_, status) = ran(&sh("kill -9 $$"));
    assert_eq!(
        status,
        ExitStatus {
            code: None,
            signal: Some(9)
        }
    );
    assert_eq!(status.shell_code(), 137);
}

fn path() {
    let mut program = sh("echo found");
    program.path = "sh".into();
    program.env = vec!["PATH=/nonexistent:/bin".to_owned()];
    assert_eq!(ran(&program).0, "found\n");
}

fn threads() {
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for round in 0..12 {
                    // Allocation beside the clones: a child that took the
                    // allocator's lock would hang or break the heap.
                    let noise: Vec<String> = (0..200).map(|n| n.to_string()).collect();
                    let (text, status) = ran(&sh(&format!("echo {round} {}", noise.len())));
                    assert_eq!(text, format!("{round} 200\n"));
                    assert!(status.success());
                }
            });
        }
    });
}

fn dropped() {
    let running = spawn(
        &sh("exec sleep 1000"),
        Stdio::inherit(),
        &Options::default(),
    )
    .unwrap();
    let pid = running.pid();
    drop(running);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

fn signals() {
    let options = Options {
        session: Session::Inherit,
        ..Options::default()
    };
    let before = sys::signal::set_mask(sys::signal::SignalSet::ALL);
    let started = spawn(&sh("kill -TERM $$; sleep 5"), Stdio::inherit(), &options);
    sys::signal::set_mask(before);
    assert_eq!(started.unwrap().wait().unwrap().signal, Some(15));
}
