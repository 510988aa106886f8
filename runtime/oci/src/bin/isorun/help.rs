//! `--help`, from the tables of options.

use std::fmt::Write as _;

use crate::arguments::Opt;
use crate::arguments::options::GLOBAL;
use crate::arguments::table::{Entry, VERBS};

/// What an exit status means; for the help and the manual.
pub(crate) const EXIT_STATUS: &str = "\
The exit status of run and exec is the program's, or 128 and the number of the
signal that ended it. A failure of isorun itself is 1, of exec 255. To delete
with --force a container that does not exist is no failure.";

/// The help of isorun as a whole.
pub(crate) fn overview() -> String {
    let mut text = "\
Runs containers from OCI bundles.

Usage: isorun [options] COMMAND [options] [arguments]

  isorun spec                     write a config.json to start from
  isorun run --bundle DIR web     run it until it ends
  isorun create web && isorun start web && isorun delete --force web

Commands:
"
    .to_owned();
    for verb in VERBS.iter().filter(|v| !v.hidden) {
        let _ = writeln!(text, "  {:<11} {}", verb.name, verb.about);
    }
    text.push_str("\nOptions of every command:\n");
    list(&mut text, GLOBAL.iter());
    let _ = write!(
        text,
        "\n`isorun COMMAND --help` tells what a command takes. Options may come before or\n\
         after the command and its arguments.\n\n{EXIT_STATUS}\n"
    );
    text
}

/// The help of one command.
pub(crate) fn of(verb: &Entry) -> String {
    let mut text = format!("{}\n\nUsage:", verb.about);
    for usage in verb.usage.split(" | ") {
        let line = format!(" isorun {} [options] {usage}", verb.name);
        let _ = writeln!(text, "{}", line.trim_end());
        text.push_str("      ");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    if verb.own().next().is_some() {
        text.push_str("\nOptions:\n");
        list(&mut text, verb.own());
    }
    text.push_str("\n`isorun --help` lists the options of every command.\n");
    text
}

/// Two columns; what is too long for its column gets a line of its own.
fn list<'a>(text: &mut String, options: impl Iterator<Item = &'a Opt>) {
    const COLUMN: usize = 30;
    for option in options {
        let name = spelled(option);
        if name.len() < COLUMN {
            let _ = writeln!(text, "  {name:<COLUMN$} {}", option.help);
        } else {
            let _ = writeln!(text, "  {name}\n  {:<COLUMN$} {}", "", option.help);
        }
    }
}

/// `-b, --bundle DIR`.
pub(crate) fn spelled(option: &Opt) -> String {
    let short = match option.short {
        Some(letter) => format!("-{letter}, "),
        None => "    ".to_owned(),
    };
    let value = option.takes.map(|t| format!(" {t}")).unwrap_or_default();
    format!("{short}--{}{value}", option.long)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_the_overview_and_every_option_in_its_help() {
        let overview = overview();
        for verb in VERBS.iter().filter(|v| !v.hidden) {
            assert!(
                overview.contains(&format!("  {} ", verb.name)),
                "{}",
                verb.name
            );
            let help = of(verb);
            assert!(
                help.contains(&format!("Usage: isorun {}", verb.name)),
                "{help}"
            );
            for option in verb.own() {
                assert!(help.contains(&format!("--{}", option.long)), "{help}");
            }
        }
    }

    #[test]
    fn no_line_of_the_overview_is_too_wide_for_a_terminal() {
        for line in overview().lines().chain(VERBS.iter().map(|v| v.about)) {
            assert!(line.chars().count() <= 112, "{line}");
        }
    }

    #[test]
    fn both_ways_to_use_exec_are_told() {
        let help = of(crate::arguments::table::find("exec").unwrap());
        assert!(
            help.contains("Usage: isorun exec [options] ID COMMAND [ARGUMENTS]\n"),
            "{help}"
        );
        assert!(
            help.contains("\n       isorun exec [options] --process FILE ID\n"),
            "{help}"
        );
    }
}
