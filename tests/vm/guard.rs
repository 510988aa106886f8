//! The smallest guard does what the lab's own does, and leaves to that whatever it cannot.

use std::ffi::OsString;
use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use isolab::guard;

use crate::{Named, Tested};

pub(crate) fn trials() -> Vec<Named> {
    vec![
        ("a_guarded_command_is_the_command", is_the_command),
        (
            "a_guarded_command_ends_with_its_parent",
            ends_with_its_parent,
        ),
        (
            "a_guarded_command_has_small_pages_where_asked",
            has_small_pages,
        ),
        ("a_guard_of_another_parent_says_so", another_parent),
        ("a_command_that_is_not_there_is_told", not_there),
    ]
}

/// The file of the smallest guard.
fn small_guard() -> Result<OsString, anyhow::Error> {
    let words = guard::quick_words()?;
    let is_it = words[0].as_encoded_bytes().starts_with(b"/proc/self/fd/");
    anyhow::ensure!(is_it, "there is no file of memory: {words:?}");
    Ok(words[0].clone())
}

/// The smallest guard, then the words of the other, with `isolab` in this test's place.
fn guarded(parent: u32, command: &[&str]) -> Result<Command, anyhow::Error> {
    let mut guarded = Command::new(small_guard()?);
    guarded.args([env!("CARGO_BIN_EXE_isolab"), "__guard"]);
    guarded.arg(parent.to_string()).arg("--").args(command);
    Ok(guarded)
}

fn told(command: &mut Command) -> std::io::Result<(String, String, Option<i32>)> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(stdout), text(stderr), status.code()))
}

fn is_the_command() -> Tested {
    let own = std::process::id();
    let script = "echo $0 \"$1\" $VARIABLE; ps -o pgid= -p $$; echo $$ >&2; exit 7";
    let mut command = guarded(own, &["/bin/sh", "-c", script, "zero", "an  argument"])?;
    let (out, pid, code) = told(command.env("VARIABLE", "variable"))?;
    let pid = pid.trim();
    let lines: Vec<_> = out.lines().map(str::trim).collect();
    // In a group of its own, which ^C of the terminal does not reach.
    assert_eq!(lines, ["zero an  argument variable", pid]);
    assert_eq!(code, Some(7));
    Ok(())
}

fn ends_with_its_parent() -> Tested {
    // A shell starts it as its child, says which, and is killed.
    let mut guard_file = std::fs::File::open(small_guard()?)?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("guard");
    let mut bytes = Vec::new();
    guard_file.read_to_end(&mut bytes)?;
    std::fs::write(&path, bytes)?;
    let script = "chmod 700 $0; $0 $1 __guard $$ -- /bin/sleep 300 & echo $!; wait";
    let mut shell = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(&path)
        .arg(env!("CARGO_BIN_EXE_isolab"))
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let mut output = shell.stdout.take().ok_or("no output")?;
    while !line.ends_with('\n') {
        let mut byte = [0];
        output.read_exact(&mut byte)?;
        line.push(byte[0].into());
    }
    let comm = format!("/proc/{}/comm", line.trim());
    let end = Instant::now() + Duration::from_secs(20);
    while std::fs::read_to_string(&comm)?.trim() != "sleep" {
        assert!(Instant::now() < end, "it never becomes its command");
        thread::sleep(Duration::from_millis(5));
    }
    shell.kill()?;
    shell.wait()?;
    while std::fs::read_to_string(&comm).is_ok_and(|comm| comm.trim() == "sleep") {
        assert!(Instant::now() < end, "it outlives its parent");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// By the smallest guard, by the other where that leaves the command to it, and by the other's own
/// words as they are read and as its parser reads them.
fn has_small_pages() -> Tested {
    let has_huge = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("THP_enabled:"));
        Some(line?.split_whitespace().last() == Some("1"))
    };
    let Some(usual) = has_huge(&std::fs::read_to_string("/proc/self/status")?) else {
        eprintln!("skipped: this kernel does not say who has huge pages");
        return Ok(());
    };
    let (small, isolab) = (small_guard()?, OsString::from(env!("CARGO_BIN_EXE_isolab")));
    let shown = |first: &[&OsString], rest: &[&str]| {
        let own = std::process::id().to_string();
        let mut command = Command::new(first[0]);
        command.args(&first[1..]).args(["__guard", &own]);
        told(command.args(rest).arg("/proc/self/status"))
    };
    let both = [&small, &isolab];
    for (first, rest, expected) in [
        (&both[..], &["--", "/bin/cat"][..], usual),
        (&both, &["--small-pages", "--", "/bin/cat"], false),
        // The smallest looks for no program: it leaves that to the other.
        (&both, &["--", "cat"], usual),
        (&both, &["--small-pages", "--", "cat"], false),
        (&both[1..], &["--", "cat"], usual),
        (&both[1..], &["--small-pages", "--", "cat"], false),
        // Only the parser knows what is meant.
        (&both[1..], &["--small-pages", "cat"], false),
    ] {
        let (out, said, code) = shown(first, rest)?;
        assert_eq!((said.as_str(), code), ("", Some(0)), "{first:?} {rest:?}");
        assert_eq!(has_huge(&out), Some(expected), "{first:?} {rest:?}");
    }
    let words = guard::quick_words()?;
    let is_asked = words.iter().any(|word| word == "--small-pages");
    assert_eq!(is_asked, isolab::free_memory::is_taken_back(), "{words:?}");
    Ok(())
}

fn another_parent() -> Tested {
    let (out, said, code) = told(&mut guarded(1, &["/bin/echo", "executed"])?)?;
    assert_eq!(out, "");
    assert!(said.contains("the parent is gone"), "{said}");
    assert_eq!(code, Some(1));
    Ok(())
}

fn not_there() -> Tested {
    let own = std::process::id();
    let (_, said, code) = told(&mut guarded(own, &["/nowhere/at-all"])?)?;
    assert!(said.contains("cannot execute /nowhere/at-all"), "{said}");
    assert_eq!(code, Some(1));
    Ok(())
}
