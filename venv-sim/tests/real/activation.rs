//! Activation in each shell: it works under any name, runs nothing, and leaves no trace.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Options, create};

use crate::machine::{any_python, expect, options, output, program, scratch, trial};
use crate::shells::{SHELLS, Seen, Shell, command, run, suffixed};

/// Names that a script must take as they are. Each would leave a file `owned` if it were run.
const NAMES: [&[u8]; 14] = [
    b"plain",
    b"two words  and more ",
    b"it's \"quoted\"",
    b"$(touch owned)",
    b"`touch owned`",
    b"';touch owned;'",
    b"\";touch owned;\"",
    b"a\ntouch owned\n\nb\n",
    b"$HOME ${PATH} $$ !! !x %n %(!.a.b) \\n \\u \\",
    b"-n",
    b"* ? [a] {b,c} ~ # & | < >",
    "ünï ☃ 環境".as_bytes(),
    b"'\n'\\''\n\\",
    b"(x) & touch owned &",
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for shell in &SHELLS {
        let missing = match (program(shell.name), any_python()) {
            (None, _) => Some(format!("no {} here", shell.name)),
            (_, Err(why)) => Some(why),
            _ => None,
        };
        let name = shell.name.replace('-', "_");
        let any = move || any_name(shell);
        trials.push(trial(
            format!("{name}_activates_under_any_name_and_restores"),
            missing.clone(),
            any,
        ));
        let prompt = move || prompt_asked_for(shell);
        trials.push(trial(
            format!("{name}_shows_the_prompt_asked_for"),
            missing.clone(),
            prompt,
        ));
        let nested = move || second_replaces_first(shell);
        trials.push(trial(
            format!("{name}_activates_a_second_in_place_of_the_first"),
            missing.clone(),
            nested,
        ));
        let bare = move || nothing_to_restore(shell);
        trials.push(trial(
            format!("{name}_deactivates_where_nothing_is_to_be_restored"),
            missing.clone(),
            bare,
        ));
        if shell.script == "activate" {
            let odd = move || odd_settings(shell);
            trials.push(trial(
                format!("{name}_activates_under_odd_settings"),
                missing,
                odd,
            ));
        }
    }
    trials.push(trial(
        "bash_is_told_that_a_script_to_be_sourced_was_run",
        program("bash")
            .is_none()
            .then(|| "no bash here".to_owned())
            .or_else(|| any_python().err()),
        run_as_program,
    ));
    trials
}

fn run_as_program() -> Result<(), Failed> {
    let scratch = scratch();
    let dir = scratch.path().join("env");
    create(&dir, &any_python()?, &options())?;
    let script = dir.join("bin/activate");
    let said = Command::new("bash").arg(script).output()?;
    let told = String::from_utf8_lossy(&said.stderr).contains("source");
    expect(
        "success, told",
        &(said.status.success(), told),
        &(false, true),
    )
}

fn any_name(shell: &Shell) -> Result<(), Failed> {
    let interpreter = any_python()?;
    for name in NAMES {
        let (scratch, outside) = (scratch(), scratch());
        let dir = scratch.path().join(OsStr::from_bytes(name));
        create(&dir, &interpreter, &options())?;
        let about = |what: &str| format!("{what} in {:?}", String::from_utf8_lossy(name));
        let out = run(shell, &dir, outside.path(), shell.body).map_err(|failed| {
            Failed::from(format!(
                "{}: {}",
                about("script"),
                failed.message().unwrap_or_default()
            ))
        })?;

        let before = Seen::read(&suffixed(&out, ".before"))?;
        let active = Seen::read(&suffixed(&out, ".active"))?;
        let after = Seen::read(&suffixed(&out, ".after"))?;
        expect(
            &about("VIRTUAL_ENV"),
            &active.get("VIRTUAL_ENV"),
            &Some(dir.as_os_str().as_bytes()),
        )?;
        expect(
            &about("VIRTUAL_ENV_PROMPT"),
            &active.get("VIRTUAL_ENV_PROMPT"),
            &Some(name),
        )?;
        let mut path = dir.join("bin").into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        expect(&about("PATH"), &active.get("PATH"), &Some(path.as_bytes()))?;
        expect(&about("PYTHONHOME"), &active.get("PYTHONHOME"), &None)?;
        expect(&about("after"), &after.entries, &before.entries)?;

        let prompt = fs::read(suffixed(&out, ".prompt"))?;
        let shown = String::from_utf8_lossy(&prompt).into_owned();
        expect(
            &about("prompt"),
            &(shown.starts_with('(') && shown.ends_with(") before> ")),
            &true,
        )?;
        expect(
            &about("prompt's lines"),
            &shown.chars().any(char::is_control),
            &false,
        )?;
        if matches!(shell.script, "activate" | "activate.csh") {
            // The others do not read their prompts as code.
            expect(
                &about("what the shell expands"),
                &shown.contains(['$', '`', '!', '%', '\\']),
                &false,
            )?;
        }
        expect(
            &about("prompt after"),
            &fs::read(suffixed(&out, ".prompt.after"))?,
            &b"before> ".to_vec(),
        )?;
        for place in [&dir, scratch.path(), outside.path()] {
            expect(&about("run as code"), &place.join("owned").exists(), &false)?;
        }
    }
    Ok(())
}

fn prompt_asked_for(shell: &Shell) -> Result<(), Failed> {
    let interpreter = any_python()?;
    for prompt in [
        "my project",
        "it's",
        "both ' and \"",
        "a\\b \\' \\\\",
        "☃ $(touch owned) %n",
        "'",
        "x = 'y'",
    ] {
        let (scratch, outside) = (scratch(), scratch());
        let dir = scratch.path().join("env");
        create(
            &dir,
            &interpreter,
            &Options {
                prompt: Some(prompt.to_owned()),
                ..options()
            },
        )?;
        let out = run(shell, &dir, outside.path(), shell.body)?;
        let active = Seen::read(&suffixed(&out, ".active"))?;
        expect(
            prompt,
            &active
                .get("VIRTUAL_ENV_PROMPT")
                .map(String::from_utf8_lossy),
            &Some(prompt.into()),
        )?;
        expect("run as code", &dir.join("owned").exists(), &false)?;
    }
    Ok(())
}

fn second_replaces_first(shell: &Shell) -> Result<(), Failed> {
    let interpreter = any_python()?;
    let (scratch, outside) = (scratch(), scratch());
    let (one, two) = (scratch.path().join("one"), scratch.path().join("two"));
    create(&one, &interpreter, &options())?;
    create(&two, &interpreter, &options())?;
    let (first, again) = match shell.script {
        "activate" => (". bin/activate", ". "),
        "Activate.ps1" => (". ./bin/Activate.ps1", ". "),
        // Of two overlays with one name nu keeps the first.
        "activate.nu" => ("overlay use bin/activate.nu", "deactivate\noverlay use "),
        "activate.csh" => ("source bin/activate.csh", "source "),
        _ => ("source bin/activate.fish", "source "),
    };
    let second = format!("{first}\n{again}../two/bin/{}", shell.script);
    let out = run(
        shell,
        &one,
        outside.path(),
        &shell.body.replacen(first, &second, 1),
    )?;
    let active = Seen::read(&suffixed(&out, ".active"))?;
    expect(
        "VIRTUAL_ENV",
        &active.get("VIRTUAL_ENV"),
        &Some(two.as_os_str().as_bytes()),
    )?;
    let path = String::from_utf8_lossy(active.get("PATH").unwrap_or_default()).into_owned();
    expect("the first on PATH", &path.contains("/one/bin"), &false)?;
    expect(
        "prompt",
        &fs::read(suffixed(&out, ".prompt"))?,
        &b"(two) before> ".to_vec(),
    )?;
    let (before, after) = (
        Seen::read(&suffixed(&out, ".before"))?,
        Seen::read(&suffixed(&out, ".after"))?,
    );
    expect("after", &after.entries, &before.entries)
}

/// Neither PYTHONHOME was set nor the prompt changed.
fn nothing_to_restore(shell: &Shell) -> Result<(), Failed> {
    let (scratch, outside) = (scratch(), scratch());
    let dir = scratch.path().join("env");
    create(&dir, &any_python()?, &options())?;
    let (mut command, out) = command(shell, &dir, outside.path(), shell.body)?;
    command.env_remove("PYTHONHOME");
    output(command.env("VIRTUAL_ENV_DISABLE_PROMPT", "1"))?;
    let [before, active, after] =
        [".before", ".active", ".after"].map(|when| Seen::read(&suffixed(&out, when)));
    let expected = Some(dir.as_os_str().as_bytes());
    expect("VIRTUAL_ENV", &active?.get("VIRTUAL_ENV"), &expected)?;
    expect("after", &after?.entries, &before?.entries)?;
    let prompt = fs::read(suffixed(&out, ".prompt"))?;
    expect("prompt", &prompt, &b"before> ".to_vec())
}

/// A path in other forms, a subshell, a function, a `cd` that is the user's own.
fn odd_settings(shell: &Shell) -> Result<(), Failed> {
    let interpreter = any_python()?;
    let common = [
        ". ./bin/activate",
        "cd bin; . ./activate; cd ..",
        "cd bin; CDPATH=/usr:/tmp; . ../bin/activate; unset CDPATH; cd ..",
        "cd() { echo elsewhere; }; . bin/activate; unset -f cd",
        "set -f; . bin/activate; set +f",
        "IFS=/x; . bin/activate; unset IFS",
        "f() { . bin/activate; }; f; unset -f f",
        "unset PS1; . bin/activate; PS1='before> '",
        "( . bin/activate; [ \"$VIRTUAL_ENV\" = \"$(pwd)\" ] ); . bin/activate",
        "exec 9</dev/null; . bin/activate; exec 9<&-",
    ];
    let own: &[&str] = match shell.name {
        "bash" => &[
            "set -o posix; . bin/activate",
            "source bin/activate",
            "shopt -u promptvars; . bin/activate",
        ],
        "zsh" => &[
            "setopt ksh_arrays; . bin/activate; unsetopt ksh_arrays",
            "setopt no_function_argzero sh_word_split extended_glob; . bin/activate",
            "setopt no_eval_lineno; . bin/activate",
            "emulate sh; . bin/activate",
        ],
        _ => &[],
    };
    for odd in common.iter().chain(own) {
        let (scratch, outside) = (scratch(), scratch());
        let dir = scratch.path().join("env");
        create(&dir, &interpreter, &options())?;
        let body = shell.body.replacen(". bin/activate", odd, 1);
        let out = run(shell, &dir, outside.path(), &body).map_err(|failed| {
            Failed::from(format!("{odd}: {}", failed.message().unwrap_or_default()))
        })?;
        let active = Seen::read(&suffixed(&out, ".active"))?;
        expect(
            odd,
            &active.get("VIRTUAL_ENV"),
            &Some(dir.as_os_str().as_bytes()),
        )?;
    }
    Ok(())
}
