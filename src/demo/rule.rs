//! Which commands a script may run.
//!
//! A script is a data file that somebody mailed. So it names no program and no
//! shell: only verbs of ours from the list below, which measure, examine or show,
//! and none that removes anything or asks a person. They run in a directory that
//! lives as long as the demo, and no argument leads out of it, so that whatever a
//! verb is told to write or read lies there.

use clap::Command;
use clap::error::ErrorKind;

/// What a script may run, each with everything that may follow it.
pub const VERBS: [&[&str]; 9] = [
    &["doctor"],
    &["compare"],
    &["report"],
    &["venv", "create"],
    &["vm", "kernel"],
    &["claims"],
    &["matrix"],
    &["explain"],
    &["reveal"],
];

/// The most words of a command, and the longest of them in bytes.
const WORDS: usize = 32;
const WORD: usize = 200;

/// Why a script may not run `isolab` with `words`; `None` if it may. `isolab` is
/// the command line that they would be given to.
#[must_use]
pub fn refusal(words: &[String], isolab: &Command) -> Option<String> {
    if words.len() > WORDS || words.iter().any(|word| word.len() > WORD) {
        return Some(format!(
            "a command has at most {WORDS} words of at most {WORD} bytes"
        ));
    }
    let begins =
        |verb: &&&[&str]| words.len() >= verb.len() && verb.iter().eq(&words[..verb.len()]);
    if !VERBS.iter().any(|verb| begins(&verb)) {
        let known: Vec<String> = VERBS.iter().map(|verb| verb.join(" ")).collect();
        return Some(format!("a script may only run: {}", known.join(", ")));
    }
    for word in words {
        if leads_out(word) {
            return Some(format!(
                "`{word}` may lead out of the directory that the demo runs in"
            ));
        }
        if word.chars().any(crate::report::text::acts) {
            return Some("an argument holds a control character".to_owned());
        }
    }
    misread(words, isolab)
}

/// Whether `word`, read as a path or as an option with one, may lie elsewhere than
/// below the working directory.
fn leads_out(word: &str) -> bool {
    let option = word.starts_with('-');
    word.starts_with('/')
        || (option && word.contains('/'))
        || word.split(['/', '=']).any(|part| part == "..")
}

/// Why our own command line would refuse `words`.
fn misread(words: &[String], isolab: &Command) -> Option<String> {
    let typed = std::iter::once("isolab").chain(words.iter().map(String::as_str));
    let error = isolab.clone().try_get_matches_from(typed).err()?;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return None;
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    let why = first.strip_prefix("error: ").unwrap_or(first);
    Some(format!("`isolab {}`: {why}", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn isolab() -> Command {
        let file = Arg::new("output").short('o').action(ArgAction::Append);
        Command::new("isolab")
            .subcommand(Command::new("compare").arg(file))
            .subcommand(
                Command::new("venv").subcommand(Command::new("create").arg(Arg::new("dir"))),
            )
            .subcommand(Command::new("__guard").arg(Arg::new("command").num_args(0..)))
            .subcommand(Command::new("system").subcommand(Command::new("clean")))
    }

    fn check(words: &str, allowed: bool) {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let why = refusal(&words, &isolab());
        assert_eq!(why.is_none(), allowed, "{words:?}: {why:?}");
    }

    #[test]
    fn a_script_runs_our_verbs_and_nothing_else() {
        check("compare", true);
        check("compare -o first.json", true);
        check("venv create demo", true);
        check("compare --help", true);
        check("venv create below/here", true);
        check("sh", false);
        check("__guard 1 -- rm", false);
        check("system clean", false);
        check("demo ten", false);
        check("predict", false);
        check("venv", false);
        check("", false);
    }

    #[test]
    fn no_argument_leads_out_of_the_demos_directory() {
        for out in [
            "/tmp/x.json",
            "../x.json",
            "-o/tmp/x.json",
            "--output=/x.json",
            "..",
        ] {
            check(&format!("compare {out}"), false);
        }
        check("venv create ..", false);
    }

    #[test]
    fn what_our_command_line_refuses_is_refused_beforehand() {
        check("compare --fast", false);
        check("venv create a b", false);
    }
}
