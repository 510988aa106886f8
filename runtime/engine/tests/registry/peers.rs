//! Other people's programs.

use std::path::Path;
use std::process::{Command, Stdio};

/// Whether `program` is installed; else the reason for not testing with it.
pub(crate) fn lacks(program: &str) -> Option<String> {
    let found = std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    });
    (!found).then(|| format!("{program} is not installed"))
}

/// A trial that is reported as ignored where its peer is missing.
pub(crate) fn trial(
    claim: &'static str,
    program: &'static str,
    check: fn(),
) -> libtest_mimic::Trial {
    let missing = lacks(program);
    if let Some(why) = &missing {
        eprintln!("{claim}: ignored: {why}");
    }
    let trial = libtest_mimic::Trial::test(claim, move || {
        check();
        Ok(())
    });
    trial.with_ignored_flag(missing.is_some())
}

/// A trial that needs nobody.
pub(crate) fn own(claim: &'static str, check: fn()) -> libtest_mimic::Trial {
    libtest_mimic::Trial::test(claim, move || {
        check();
        Ok(())
    })
}

/// Runs a program for a bounded time; gives whether it succeeded and what it said.
pub(crate) fn run(program: &str, arguments: &[&str], home: &Path) -> (bool, String) {
    let mut command = Command::new("timeout");
    command.args(["-s", "KILL", "120", program]).args(arguments);
    command
        .env("HOME", home)
        .env("XDG_RUNTIME_DIR", home.join("run"));
    command.env("TMPDIR", home);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

pub(crate) fn succeed(program: &str, arguments: &[&str], home: &Path) -> String {
    let (success, said) = run(program, arguments, home);
    assert!(success, "{program} {arguments:?}: {said}");
    said
}
