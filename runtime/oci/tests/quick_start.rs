//! That `isorun` begins without asking the processor what it is, and runs.

#![cfg(all(
    target_arch = "x86_64",
    target_env = "gnu",
    target_feature = "crt-static"
))]

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// glibc asks within its first hundreds of instructions.
const BEGINNING: u32 = 20_000;

/// How often a program executes `cpuid` in its beginning.
fn questions(program: &Path, argument: &str) -> nix::Result<u32> {
    let child = Command::new("/bin/sh")
        .args(["-c", r#"kill -STOP $$; exec "$0" "$1""#])
        .args([program.as_os_str(), argument.as_ref()])
        // glibc first looks through all of it for settings of its own.
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| nix::Error::ENOENT)?;
    let pid = Pid::from_raw(child.id().cast_signed());
    waitpid(pid, Some(WaitPidFlag::WUNTRACED))?;
    let asked = count(pid);
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
    while matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(..))) {}
    asked
}

/// Follows a stopped process into the program that it executes.
fn count(pid: Pid) -> nix::Result<u32> {
    ptrace::attach(pid)?;
    waitpid(pid, None)?;
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACEEXEC)?;
    loop {
        ptrace::cont(pid, None)?;
        match waitpid(pid, None)? {
            WaitStatus::PtraceEvent(..) => break,
            WaitStatus::Stopped(..) => {}
            ended => panic!("it executes nothing: {ended:?}"),
        }
    }
    let mut asked = 0;
    for _ in 0..BEGINNING {
        let at = ptrace::getregs(pid)?.rip as ptrace::AddressType;
        let instruction = ptrace::read(pid, at)?.to_le_bytes();
        asked += u32::from(instruction.starts_with(&[0x0f, 0xa2]));
        ptrace::step(pid, None)?;
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            ended => panic!("it ends early: {ended:?}"),
        }
    }
    Ok(asked)
}

/// Why it cannot be tried here.
fn obstacle(asked: &nix::Result<u32>) -> Option<String> {
    let version = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let version = version.unwrap_or_default();
    if version.trim() != "glibc 2.36" {
        return Some(format!("`{version}` is begun as usual"));
    }
    asked.as_ref().err().map(|errno| format!("ptrace: {errno}"))
}

#[test]
fn a_start_asks_the_processor_nothing() {
    let asked = questions(Path::new(env!("CARGO_BIN_EXE_isorun")), "--help");
    if let Some(why) = obstacle(&asked) {
        println!("skipped: {why}");
        return;
    }
    assert_eq!(asked, Ok(0));
}

/// Without this, what counts above might count nothing.
#[test]
fn another_static_program_does_ask() {
    let own = std::env::current_exe().unwrap();
    let asked = questions(&own, "--list");
    if let Some(why) = obstacle(&asked) {
        println!("skipped: {why}");
        return;
    }
    assert!(asked.is_ok_and(|asked| asked > 10), "{asked:?}");
}

#[test]
fn arguments_and_environment_arrive() {
    let output = Command::new(env!("CARGO_BIN_EXE_isorun"))
        .args(["state", "--root", "/nonexistent", "no-such-container"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no-such-container"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
