//! That `isorun` begins without asking the processor what it is, and runs.

#![cfg(all(
    target_arch = "x86_64",
    target_env = "gnu",
    target_feature = "crt-static"
))]

use std::ffi::CStr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// glibc asks within its first hundreds of instructions.
const BEGINNING: u32 = 20_000;

/// How often a program executes `cpuid` in its beginning.
fn questions(program: &Path, arguments: &[&str]) -> nix::Result<u32> {
    let mut command = Command::new(program);
    command
        .args(arguments)
        // glibc first looks through all of it for settings of its own.
        .env_clear()
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    // SAFETY: one system call, and nothing that allocates.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(Into::into)) };
    let Ok(child) = command.spawn() else {
        return Err(nix::Error::EPERM);
    };
    let pid = Pid::from_raw(child.id().cast_signed());
    let mut asked = 0;
    for _ in 0..BEGINNING {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            ended => panic!("{}: {ended:?}", program.display()),
        }
        let at = ptrace::getregs(pid)?.rip as ptrace::AddressType;
        let instruction = ptrace::read(pid, at)?.to_le_bytes();
        asked += u32::from(instruction.starts_with(&[0x0f, 0xa2]));
        ptrace::step(pid, None)?;
    }
    let _ = nix::sys::signal::kill(pid, Signal::SIGKILL);
    while matches!(waitpid(pid, None), Ok(WaitStatus::Stopped(..))) {}
    Ok(asked)
}

/// Why it cannot be tried here.
fn obstacle(asked: &nix::Result<u32>) -> Option<String> {
    // SAFETY: nothing is asked for.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a constant string.
    let version = unsafe { CStr::from_ptr(version) };
    if version != c"2.36" {
        return Some(format!("{version:?} of glibc is begun as usual"));
    }
    asked.as_ref().err().map(|errno| format!("ptrace: {errno}"))
}

#[test]
fn a_start_asks_the_processor_nothing() {
    let asked = questions(Path::new(env!("CARGO_BIN_EXE_isorun")), &["--help"]);
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
    let asked = questions(&own, &["--list"]);
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
