//! A demo at a terminal: each key does what the help says, and however the demo
//! ends or stops, the terminal is as it was.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::termios::LocalFlags;

use super::support::{CTRL_C, Terminal};

/// What shows the cursor again, and the screen of before.
const GIVEN_BACK: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// Ctrl-Z.
const CTRL_Z: &str = "\u{1a}";

/// A script whose one command takes much longer than any test looks at it.
const SLOW: &str = r#"title = "Slow"
[[beat]]
heading = "Wait"
text = "A long measurement follows."
seconds = 60
command = ["compare", "--runs", "1000", "--subjects", "process", "--workload", "true"]
bound = 600
"#;

fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The demo of ours, from its recordings.
fn recorded(home: &tempfile::TempDir, columns: u16) -> Terminal {
    Terminal::isolab(columns, home.path(), &["demo", "ten", "--recorded"])
}

/// A demo in the middle of its only command.
fn running(home: &tempfile::TempDir) -> Terminal {
    fs::write(home.path().join("slow.toml"), SLOW).unwrap();
    let mut terminal = Terminal::isolab(80, home.path(), &["demo", "slow.toml"]);
    terminal.wait_for("space starts");
    terminal.press(" ");
    terminal.wait_for("A long measurement follows.");
    terminal.press(" ");
    terminal.wait_for("running here: 1 s");
    terminal
}

/// Waits until whether keys are shown, and come line by line, is `usual`.
#[track_caller]
fn wait_until_usual(terminal: &Terminal, usual: bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let flags = LocalFlags::ECHO | LocalFlags::ICANON;
    while terminal.settings().local_flags.contains(flags) != usual {
        assert!(Instant::now() < deadline, "keys are not as usual: {usual}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until the command is stopped: told to go on before, it would stop behind that.
#[track_caller]
fn wait_until_stopped(terminal: &Terminal) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let path = format!("/proc/{}/stat", terminal.pid());
    // proc_pid_stat(5): the state stands behind the name, which is in brackets.
    while !fs::read_to_string(&path).unwrap().contains(") T ") {
        assert!(Instant::now() < deadline, "it is not stopped");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The processes of the session that `terminal`'s command leads, without it.
fn others(terminal: &Terminal) -> Vec<String> {
    let leader = terminal.pid().to_string();
    let stats = fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            // proc_pid_stat(5): state, parent, group, session behind the name.
            let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
            let session = fields.split_whitespace().nth(3);
            session == Some(leader.as_str()) && !stat.starts_with(&format!("{leader} "))
        })
        .collect()
}

#[test]
fn each_key_does_what_the_help_says() {
    let home = home();
    let mut terminal = recorded(&home, 80);
    let before = terminal.settings();
    terminal.wait_for("space starts the clock");
    terminal.press(" ");
    terminal.wait_for("beat 1 of");
    terminal.press("p");
    terminal.wait_for("PAUSED");
    terminal.press("p");
    terminal.wait_for("on time");
    terminal.press("n");
    terminal.wait_for("Notes: ");
    terminal.press("n ");
    terminal.wait_for("beat 2 of");
    terminal.press("\r");
    terminal.wait_for("RECORDED on ");
    terminal.press("s");
    terminal.wait_for("beat 3 of");
    terminal.press("b");
    terminal.wait_for("beat 2 of");
    terminal.press("r");
    terminal.wait_for("because you asked for it");
    terminal.press("?");
    terminal.wait_for("show the recording of this beat");
    terminal.press("xq");
    terminal.wait_for("q again leaves");
    terminal.press("q");
    let (status, shown) = terminal.wait_for_the_end();
    assert!(status.success(), "{status}");
    assert!(shown.contains(GIVEN_BACK));
    assert!(shown.contains("--from 2"), "{shown}");
    assert_eq!(terminal.settings().local_flags, before.local_flags);
}

#[test]
fn the_room_answers_and_the_recording_reveals() {
    let home = home();
    let mut terminal = recorded(&home, 80);
    terminal.wait_for("space starts the clock");
    terminal.press(" ssss");
    terminal.wait_for("beat 5 of");
    terminal.press(" ");
    terminal.wait_for("digits, enter");
    terminal.press("12\r250\r");
    terminal.wait_for("The room says: 12, 250 ms");
    terminal.press("  ");
    terminal.wait_for("250 ms");
    terminal.wait_for("times too high");
    terminal.press("qq");
    assert!(terminal.end().0.success());
}

#[test]
fn a_narrow_terminal_without_utf_8_and_colour_is_served() {
    let home = home();
    let environment = [("LC_ALL", "C"), ("NO_COLOR", "1")];
    let arguments = ["demo", "ten", "--recorded"];
    let mut terminal = Terminal::with_environment(40, home.path(), &arguments, &environment);
    terminal.wait_for("space starts the clock");
    terminal.press(" s ");
    terminal.wait_for("RECORDED on ");
    terminal.press("qq");
    let (status, shown) = terminal.end();
    assert!(status.success());
    assert!(shown.is_ascii(), "{shown}");
    let colour = |codes: &str| {
        codes
            .split(';')
            .any(|code| code.len() == 2 && code.starts_with('3'))
    };
    let inks = shown
        .split("\u{1b}[")
        .filter_map(|after| after.split_once('m'));
    assert!(!inks.into_iter().any(|(codes, _)| colour(codes)), "{shown}");
}

#[test]
fn ctrl_c_ends_the_command_and_gives_the_terminal_back() {
    let home = home();
    let mut terminal = running(&home);
    let before = others(&terminal);
    assert!(!before.is_empty(), "the command is a process of its own");
    terminal.press(CTRL_C);
    let (status, shown) = terminal.wait_for_the_end();
    assert_eq!(status.code(), Some(130));
    assert!(shown.contains(GIVEN_BACK));
    assert!(
        terminal
            .settings()
            .local_flags
            .contains(LocalFlags::ECHO | LocalFlags::ICANON)
    );
    assert_eq!(others(&terminal), Vec::<String>::new());
    let left: Vec<_> = fs::read_dir(home.path().join(".cache/isolab/scratch"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn sigterm_gives_the_terminal_back() {
    let home = home();
    let mut terminal = running(&home);
    terminal.signal(Signal::SIGTERM);
    let (status, shown) = terminal.wait_for_the_end();
    assert_eq!(status.code(), Some(143));
    assert!(shown.contains(GIVEN_BACK));
    assert!(
        terminal
            .settings()
            .local_flags
            .contains(LocalFlags::ECHO | LocalFlags::ICANON)
    );
}

#[test]
fn a_stopped_demo_lends_the_terminal_to_the_shell_and_takes_it_again() {
    let home = home();
    let mut terminal = recorded(&home, 80);
    terminal.wait_for("space starts the clock");
    wait_until_usual(&terminal, false);
    terminal.press(CTRL_Z);
    terminal.wait_for(GIVEN_BACK);
    wait_until_usual(&terminal, true);
    wait_until_stopped(&terminal);
    terminal.signal(Signal::SIGCONT);
    terminal.wait_for("space starts the clock");
    wait_until_usual(&terminal, false);
    terminal.press("qq");
    assert!(terminal.end().0.success());
}
