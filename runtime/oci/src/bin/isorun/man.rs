//! Manual pages in the language of man(7), from the tables of options.

use std::fmt::Write as _;

use crate::arguments::Opt;
use crate::arguments::options::GLOBAL;
use crate::arguments::table::{self, Entry, VERBS};
use crate::failure::Failure;
use crate::help::EXIT_STATUS;

/// The page isorun(1), or isorun-`command`(1).
pub(crate) fn page(command: &str) -> Result<String, Failure> {
    if command.is_empty() {
        return Ok(overview());
    }
    let verb = table::find(command).ok_or_else(|| {
        Failure::new(
            format!("there is no manual page for `{command}`"),
            "`isorun --help` lists the commands",
        )
    })?;
    Ok(of(verb))
}

fn head(name: &str, about: &str) -> String {
    let about = about.trim_end_matches('.');
    format!(
        ".TH {} 1 \"\" \"isorun {}\" \"User Commands\"\n.SH NAME\n{name} \\- {}\n.SH SYNOPSIS\n",
        escaped(&name.to_uppercase()),
        env!("CARGO_PKG_VERSION"),
        escaped(&about.to_lowercase()),
    )
}

fn overview() -> String {
    let mut text = head("isorun", "Runs containers from OCI bundles.");
    text.push_str(
        ".B isorun\n[\\fIoptions\\fR] \\fICOMMAND\\fR [\\fIoptions\\fR] [\\fIarguments\\fR]\n\
         .SH DESCRIPTION\nA low-level container runtime: it runs what a bundle, a directory with a\n\
         config.json and a root file system, describes, as the OCI runtime\n\
         specification has it. Engines call it as they call runc and crun.\n.SH COMMANDS\n",
    );
    for verb in VERBS.iter().filter(|v| !v.hidden) {
        let _ = writeln!(text, ".TP\n.B {}\n{}", verb.name, escaped(verb.about));
    }
    text.push_str(".SH OPTIONS\nThose of every command; they may come before or after it.\n");
    list(&mut text, GLOBAL.iter());
    text.push_str(ENVIRONMENT);
    tail(
        &mut text,
        VERBS.iter().filter(|v| !v.hidden).map(|v| v.name),
    );
    text
}

const ENVIRONMENT: &str = "\
.SH ENVIRONMENT
.TP
.B XDG_RUNTIME_DIR
Where an ordinary user's containers are, in isorun.
.TP
.BR LISTEN_FDS \", \" LISTEN_PID
Sockets that were passed to isorun by
.BR sd_listen_fds (3)
are passed on.
.TP
.B NO_COLOR
Needs not be set: isorun prints no colours.
.SH FILES
.TP
.I /run/isorun
The state of root's containers, a directory each.
.TP
.I $XDG_RUNTIME_DIR/isorun
The same of an ordinary user's.
.TP
.I /tmp/isorun\\-UID
The same where XDG_RUNTIME_DIR is not set.
";

fn of(verb: &Entry) -> String {
    let mut text = head(&format!("isorun-{}", verb.name), verb.about);
    for usage in verb.usage.split(" | ") {
        let _ = writeln!(
            text,
            ".B isorun {}\n[\\fIoptions\\fR] {}\n.br",
            verb.name,
            escaped(usage)
        );
    }
    let _ = writeln!(text, ".SH DESCRIPTION\n{}", escaped(verb.about));
    if verb.own().next().is_some() {
        text.push_str(".SH OPTIONS\n");
        list(&mut text, verb.own());
    }
    text.push_str(".PP\nThe options of every command are in\n.BR isorun (1).\n");
    tail(&mut text, std::iter::empty());
    text
}

fn list<'a>(text: &mut String, options: impl Iterator<Item = &'a Opt>) {
    for option in options {
        let short = option
            .short
            .map(|s| format!("\\-{s}, "))
            .unwrap_or_default();
        let value = option
            .takes
            .map(|t| format!(" \\fI{}\\fR", escaped(t)))
            .unwrap_or_default();
        let _ = writeln!(
            text,
            ".TP\n\\fB{short}\\-\\-{}\\fR{value}\n{}",
            escaped(option.long),
            escaped(option.help)
        );
    }
}

fn tail(text: &mut String, pages: impl Iterator<Item = &'static str>) {
    let _ = writeln!(
        text,
        ".SH EXIT STATUS\n{}\n.SH SEE ALSO",
        escaped(EXIT_STATUS)
    );
    for page in pages {
        let _ = writeln!(text, ".BR isorun\\-{page} (1),");
    }
    text.push_str(".BR namespaces (7),\n.BR cgroups (7),\n.BR capabilities (7)\n");
}

/// A hyphen is a minus, a backslash is a backslash, and a line that begins
/// with a dot or an apostrophe is no request.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = escaped.lines().map(|line| match line.chars().next() {
        Some('.' | '\'') => format!("\\&{line}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_names_every_option_of_its_command() {
        for verb in VERBS {
            let page = page(verb.name).unwrap();
            assert!(page.starts_with(".TH ISORUN\\-"), "{page}");
            for option in verb.own() {
                let name = format!("\\-\\-{}\\fR", escaped(option.long));
                assert!(page.contains(&name), "{name}: {page}");
            }
        }
        assert!(page("").unwrap().contains(".BR isorun\\-create (1)"));
        assert!(page("fly").unwrap_err().message.contains("fly"));
    }

    #[test]
    fn text_is_never_taken_for_a_request() {
        assert_eq!(escaped(".x\n'y\na-b\\"), "\\&.x\n\\&'y\na\\-b\\e");
    }
}
