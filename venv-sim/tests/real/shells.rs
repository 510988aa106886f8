//! The shells, how each is told what a test does, and what a program started in one sees.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use crate::machine::{output, program};

/// How a shell is told what the test does.
pub(crate) struct Shell {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static [&'static str],
    /// Which of the activation scripts it reads.
    pub(crate) script: &'static str,
    /// What is run: see, activate, see, deactivate, see.
    pub(crate) body: &'static str,
}

const POSIX: &str = r#"
set -eu
PS1='before> '
"$SEE" "$OUT.before"
. bin/activate
"$SEE" "$OUT.active"
printf %s "$PS1" >"$OUT.prompt"
deactivate
"$SEE" "$OUT.after"
printf %s "$PS1" >"$OUT.prompt.after"
case $(command -v deactivate || :) in ?*) echo 'deactivate is left' >&2; exit 1;; esac
"#;
const CSH: &str = r#"
set prompt = 'before> '
$SEE:q $OUT.before
source bin/activate.csh
$SEE:q $OUT.active
printf %s $prompt:q >$OUT.prompt
deactivate
$SEE:q $OUT.after
printf %s $prompt:q >$OUT.prompt.after
"#;
const FISH: &str = r#"
function fish_prompt; printf 'before> '; end
$SEE $OUT.before
source bin/activate.fish; or exit 1
$SEE $OUT.active
fish_prompt >$OUT.prompt
deactivate
$SEE $OUT.after
fish_prompt >$OUT.prompt.after
functions -q deactivate; and exit 1
exit 0
"#;

const NU: &str = r#"
$env.PROMPT_COMMAND = {|| 'before> ' }
^$env.SEE $"($env.OUT).before"
overlay use bin/activate.nu
^$env.SEE $"($env.OUT).active"
do $env.PROMPT_COMMAND | save --raw $"($env.OUT).prompt"
deactivate
^$env.SEE $"($env.OUT).after"
do $env.PROMPT_COMMAND | save --raw $"($env.OUT).prompt.after"
"#;
const POWERSHELL: &str = r#"
$ErrorActionPreference = 'Stop'
Set-StrictMode -Version Latest
function prompt { 'before> ' }
& $env:SEE "$env:OUT.before"
. ./bin/Activate.ps1
& $env:SEE "$env:OUT.active"
$shown = prompt 6>&1
[IO.File]::WriteAllText("$env:OUT.prompt", -join $shown)
deactivate
& $env:SEE "$env:OUT.after"
[IO.File]::WriteAllText("$env:OUT.prompt.after", (prompt))
if (Test-Path -LiteralPath function:deactivate) { throw 'deactivate is left' }
"#;

pub(crate) const SHELLS: [Shell; 11] = [
    Shell {
        name: "sh",
        arguments: &[],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "bash",
        arguments: &["--norc"],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "dash",
        arguments: &[],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "zsh",
        arguments: &["-f"],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "mksh",
        arguments: &[],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "busybox",
        arguments: &["ash"],
        script: "activate",
        body: POSIX,
    },
    Shell {
        name: "tcsh",
        arguments: &["-f"],
        script: "activate.csh",
        body: CSH,
    },
    Shell {
        name: "bsd-csh",
        arguments: &["-f"],
        script: "activate.csh",
        body: CSH,
    },
    Shell {
        name: "fish",
        arguments: &["--no-config"],
        script: "activate.fish",
        body: FISH,
    },
    Shell {
        name: "nu",
        // In a file, a module would be looked for beside that.
        arguments: &["--no-config-file", "--commands"],
        script: "activate.nu",
        body: NU,
    },
    Shell {
        name: "pwsh",
        arguments: &["-NoProfile", "-NonInteractive", "-File"],
        script: "Activate.ps1",
        body: POWERSHELL,
    },
];

/// A program that writes its environment, each entry ended by a zero byte.
const SEE: &str = "#!/bin/sh\nexec /usr/bin/env -0 >\"$1\"\n";

/// The variables that the program saw.
pub(crate) struct Seen {
    pub(crate) entries: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn read(path: &Path) -> Result<Self, Failed> {
        let content = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut entries: Vec<_> = content
            .split(|byte| *byte == 0)
            .filter_map(|entry| {
                let equals = entry.iter().position(|byte| *byte == b'=')?;
                Some((entry[..equals].to_owned(), entry[equals + 1..].to_owned()))
            })
            // What shells set as they go, activated or not.
            .filter(|(name, _)| {
                !matches!(
                    name.as_slice(),
                    b"_" | b"PWD" | b"OLDPWD" | b"SHLVL" | b"OUT" | b"LAST_EXIT_CODE"
                )
            })
            .collect();
        entries.sort();
        Ok(Self { entries })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .entries
            .iter()
            .find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }
}

/// Runs `body` in the shell, in `dir`, and gives the path on which what it saw begins.
pub(crate) fn run(
    shell: &Shell,
    dir: &Path,
    outside: &Path,
    body: &str,
) -> Result<PathBuf, Failed> {
    let (mut command, out) = command(shell, dir, outside, body)?;
    output(&mut command)?;
    Ok(out)
}

/// The same, not yet run.
pub(crate) fn command(
    shell: &Shell,
    dir: &Path,
    outside: &Path,
    body: &str,
) -> Result<(Command, PathBuf), Failed> {
    let see = outside.join("see");
    fs::write(&see, SEE)?;
    fs::set_permissions(&see, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let file = outside.join("body.ps1"); // PowerShell reads no other
    fs::write(&file, body)?;
    let out = outside.join("seen");
    let home = outside.join("home");
    fs::create_dir_all(&home)?;
    let mut command = Command::new(program(shell.name).ok_or("the shell is gone")?);
    command.args(shell.arguments);
    match shell.arguments.last() {
        Some(&"--commands") => command.arg(body),
        _ => command.arg(&file),
    };
    command.current_dir(dir).env_clear();
    command
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &home)
        .env("LANG", "C.UTF-8");
    command
        .env("PYTHONHOME", "/py home")
        .env("SEE", &see)
        .env("OUT", &out);
    Ok((command, out))
}

pub(crate) fn suffixed(out: &Path, suffix: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}
