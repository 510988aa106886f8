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

/// A trial that needs a program.
pub(crate) fn trial(claim: &'static str, program: &str, check: fn()) -> libtest_mimic::Trial {
    needing(claim, lacks(program), check)
}

/// A trial that is reported as ignored where something is `missing`, with what. Where
/// the environment says `CI`, all is installed: there it has failed.
pub(crate) fn needing(
    claim: &'static str,
    missing: Option<String>,
    check: fn(),
) -> libtest_mimic::Trial {
    let Some(why) = missing else {
        return own(claim, check);
    };
    eprintln!("{claim}: not here: {why}");
    let is_ignored = std::env::var_os("CI").is_none();
    let trial = libtest_mimic::Trial::test(claim, move || Err(why.into()));
    trial.with_ignored_flag(is_ignored)
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
