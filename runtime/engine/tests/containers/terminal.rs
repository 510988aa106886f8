//! A terminal, and signals.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use crate::Check;
use crate::driver::Asked;
use crate::users::Lab;

pub(crate) const CHECKS: &[Check] = &[
    (
        "a_terminal_is_one_inside_and_gets_what_is_typed",
        |lab, asked| {
            let asked = asked.clone().with(&["-t"]);
            let place = lab.place("place");
            let script = "tty; read line; echo got $line; exit 3";
            let inner = lab.command(&asked, &place, &["sh", "-c", script]);
            // `script(1)` gives it a terminal.
            let words: Vec<_> = std::iter::once(inner.get_program())
                .chain(inner.get_args())
                .map(|word| format!("'{}'", word.to_str().unwrap()))
                .collect();
            let mut command = lab.as_user("script");
            let mut child = command
                .args(["-qec", &words.join(" "), "/dev/null"])
                .current_dir("/")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(child.stdout.take().unwrap());
            let mut first = String::new();
            output.read_line(&mut first).unwrap();
            assert!(
                first.contains("/dev/pts/0") || first.contains("/dev/console"),
                "{first}"
            );
            std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"hello\n").unwrap();
            let mut rest = String::new();
            output.read_to_string(&mut rest).unwrap();
            assert!(rest.contains("got hello"), "{first}{rest}");
            assert_eq!(child.wait().unwrap().code(), Some(3));
        },
    ),
    ("a_signal_reaches_the_program", |lab, asked| {
        let script = "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        let (code, said) = signalled(lab, asked, script, "TERM");
        assert_eq!((code, said.as_str()), (Some(9), "caught\n"));
    }),
    (
        "a_program_that_a_signal_ends_is_shown_as_a_shell_does",
        |lab, asked| {
            // Process 1 is ended by none that it does not handle; the kernel's own it is.
            let script = "ulimit -t 1; echo ready; while :; do :; done";
            let output = lab.run(asked, &["sh", "-c", script]);
            let code = output.status.code();
            assert!(matches!(code, Some(137 | 152)), "{output:?}");
        },
    ),
];

fn signalled(lab: &Lab, asked: &Asked, script: &str, signal: &str) -> (Option<i32>, String) {
    let place = lab.place("place");
    let mut command = lab.command(asked, &place, &["sh", "-c", script]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut ready = String::new();
    output.read_line(&mut ready).unwrap();
    assert_eq!(ready, "ready\n");
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", signal, &pid]).status();
    assert!(sent.unwrap().success());
    let mut said = String::new();
    output.read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), None, "it passed nothing on");
    (status.code(), said)
}
