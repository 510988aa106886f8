//! The findings as a page of text, 80 columns wide at most.
//!
//! Every line says in a word what its mark and its colour say, for a reader who
//! sees neither.

use std::env;
use std::fmt::Write as _;

use super::diagnosis::{Finding, Part, Remedy, Runs, Verdict};

/// The widest line.
const WIDTH: usize = 80;

/// Where the details begin: two blanks, mark, word and title before it.
const DETAIL: usize = 34;

/// Where a cause begins.
const CAUSE: usize = 14;

/// How much the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// ANSI colours.
    colour: bool,
    /// Marks beyond ASCII.
    unicode: bool,
}

impl Style {
    /// By the conventions: `NO_COLOR`, `TERM=dumb` and the locale's encoding.
    pub(super) fn of_environment(terminal: bool) -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| set(name))
            .unwrap_or_default()
            .to_lowercase();
        Self {
            colour: terminal
                && set("NO_COLOR").is_none()
                && set("TERM").is_some_and(|term| term != "dumb"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

/// Lays out the findings, and then what of the lab runs.
pub(super) fn text(findings: &[Finding], parts: &[Part], style: Style) -> String {
    let mut page = String::from("What the lab needs of this machine\n\n");
    for finding in findings {
        line(
            &mut page,
            style,
            look(finding.verdict),
            finding.stage.title(),
            &finding.detail,
        );
        if let Some(cause) = &finding.cause {
            labelled(&mut page, "cause:", cause);
        }
        for remedy in &finding.remedies {
            fix(&mut page, remedy);
        }
    }
    page.push_str("\nWhat of the lab runs here\n\n");
    for part in parts {
        let subject = part.subject.name();
        let look = match part.runs {
            Runs::Measured => Look("✓", "+", "measured", GREEN),
            Runs::Emulated => Look("✓", "+", "emulated", GREEN),
            Runs::Modelled => Look("–", "-", "modelled", DIM),
            Runs::No => Look("✗", "x", "no", RED),
        };
        line(&mut page, style, look, subject, &part.note);
    }
    page
}

/// A mark, the same in ASCII, the word and the colour (an SGR code).
#[derive(Clone, Copy)]
pub(super) struct Look(&'static str, &'static str, &'static str, u8);

const RED: u8 = 31;
const GREEN: u8 = 32;
const YELLOW: u8 = 33;
const DIM: u8 = 2;

pub(super) fn look(verdict: Verdict) -> Look {
    match verdict {
        Verdict::Works => Look("✓", "+", "works", GREEN),
        Verdict::Limited => Look("!", "!", "limited", YELLOW),
        Verdict::Fails => Look("✗", "x", "fails", RED),
        Verdict::Absent => Look("–", "-", "absent", DIM),
        Verdict::NotTried => Look("–", "-", "not tried", DIM),
    }
}

pub(super) fn line(page: &mut String, style: Style, look: Look, title: &str, detail: &str) {
    let Look(mark, ascii, word, colour) = look;
    let mark = if style.unicode { mark } else { ascii };
    let (on, off) = if style.colour {
        (format!("\x1b[{colour}m"), "\x1b[0m")
    } else {
        (String::new(), "")
    };
    let mut detail = wrapped(detail, WIDTH - DETAIL).into_iter();
    let first = detail.next().unwrap_or_default();
    let head = format!("  {on}{mark} {word:<9}{off}  {title:<17}  {first}");
    page.push_str(head.trim_end());
    page.push('\n');
    for rest in detail {
        let _ = writeln!(page, "{:DETAIL$}{rest}", "");
    }
}

/// A label once, and the text beside it.
pub(super) fn labelled(page: &mut String, label: &str, text: &str) {
    let width = CAUSE - 7;
    for (index, line) in wrapped(text, WIDTH - CAUSE).iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let _ = writeln!(page, "{:7}{label:<width$}{line}", "");
    }
}

/// A remedy: where it applies, and below it what to type.
fn fix(page: &mut String, remedy: &Remedy) {
    let commands: Vec<String> = remedy.commands.iter().flat_map(|c| continued(c)).collect();
    let mut label = "fix:";
    if !remedy.scope.is_empty() {
        labelled(page, label, &format!("# {}", remedy.scope));
        label = "";
    }
    for command in commands {
        let _ = writeln!(page, "{:7}{label:<7}{command}", "");
        label = "";
    }
}

/// Breaks a text at blanks. A word wider than the column stands alone: half a
/// path would be worse than a wide line.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

/// Breaks a command such that it can still be pasted: a backslash ends each
/// line but the last. Only blanks outside of quotes are places to break.
fn continued(command: &str) -> Vec<String> {
    let width = WIDTH - CAUSE - 2;
    if command.chars().count() <= WIDTH - CAUSE || command.starts_with("profile ") {
        return vec![command.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in words(command) {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines[last].push_str(" \\");
            lines.push(format!("  {word}"));
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(&word);
        }
    }
    lines
}

/// The words of a command, quoted blanks kept within them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            (' ', None) => words.push(String::new()),
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(q)) if q == c => quote = None,
            _ => {}
        }
        if c != ' ' || quote.is_some() {
            words[..].last_mut().expect("never empty").push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
