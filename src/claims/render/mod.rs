//! Claims on a terminal: a list, the verdicts of a run, one claim explained.
//!
//! Each is a pure function of data to text, none of whose lines is wider than
//! the paper. On a terminal without UTF-8 every mark has a spelling in ASCII.

mod explain;
mod list;
mod verdicts;

use std::env;

use crate::report::table;
use crate::report::text::{columns, wrapped};
use crate::statistics::Range;

use super::findings::{Fact, Number, Outcome};
use super::ruling::{Effect, Verdict};
use super::unit::Unit;
use crate::observation::Evidence;
use crate::statistics::summarize;

pub use explain::explain;
pub use list::list;
pub use verdicts::{Detail, verdicts};

/// How much the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Its width, and whether it has colours.
    pub table: table::Style,
    /// Whether it shows marks beyond ASCII.
    pub unicode: bool,
}

impl Style {
    /// What standard output allows, by its width, `NO_COLOR`, and the locale.
    #[must_use]
    pub fn of_stdout() -> Self {
        let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set);
        let locale = locale.unwrap_or_default().to_lowercase();
        Self {
            table: table::Style::of_stdout(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

/// The colours that lines come in (SGR codes).
#[derive(Clone, Copy)]
enum Ink {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Doubt,
}

impl Ink {
    fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Supported | Verdict::Sourced => Self::Good,
            Verdict::SupportedBut | Verdict::Inconclusive => Self::Doubt,
            Verdict::Refuted => Self::Bad,
            Verdict::NotTestedHere | Verdict::WaitsFor => Self::Faint,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "\u{1b}[1m",
            Self::Faint => "\u{1b}[2m",
            Self::Good => "\u{1b}[32m",
            Self::Bad => "\u{1b}[31m",
            Self::Doubt => "\u{1b}[33m",
        }
    }
}

/// A text in the making, line by line.
struct Paper {
    text: String,
    style: Style,
}

/// How far what follows a label is indented.
const LABEL: usize = 12;

impl Paper {
    fn new(style: Style) -> Self {
        Self {
            text: String::new(),
            style,
        }
    }

    fn line(&mut self, ink: Ink, line: &str, indent: usize) {
        let line = if self.style.unicode {
            line.to_owned()
        } else {
            ascii(line)
        };
        for line in wrapped(&line, self.style.table.width, indent) {
            // Kept together until here, in our own lines and in what others wrote.
            let line = line.replace('\u{a0}', " ");
            let code = ink.code();
            if self.style.table.colour && !code.is_empty() {
                self.text.extend([code, &line, "\u{1b}[0m\n"]);
            } else {
                self.text.extend([&line, "\n"]);
            }
        }
    }

    /// `label  text`, the later lines under the text. On narrow paper the label
    /// has little room of its own.
    fn labelled(&mut self, ink: Ink, label: &str, said: &str) {
        let indent = if self.style.table.width < 60 {
            4
        } else {
            LABEL
        };
        let pad = "\u{a0}".repeat(indent.saturating_sub(2 + label.len()).max(1));
        let line = format!("\u{a0}\u{a0}{label}{pad}{said}");
        self.line(ink, &line, indent);
    }

    /// A row of the table of verdicts; on narrow paper the number is left out.
    fn row(&mut self, ink: Ink, id: &str, verdict: &str, number: &str) {
        let number = if self.style.table.width < 60 {
            ""
        } else {
            number
        };
        let padded = |text: &str, width: usize| {
            let gap = width.saturating_sub(columns(text)).max(1);
            format!("{}{}", text.replace(' ', "\u{a0}"), "\u{a0}".repeat(gap))
        };
        let row = format!("{}{}{number}", padded(id, 25), padded(verdict, 17));
        self.line(ink, row.trim_end_matches('\u{a0}'), 2);
    }

    fn gap(&mut self) {
        self.text.push('\n');
    }
}

/// The same in ASCII, for terminals that show nothing else.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{a0}' => out.push(c),
            '–' | '−' => out.push('-'),
            '…' => out.push_str("..."),
            '×' => out.push('x'),
            'µ' => out.push('u'),
            '“' | '”' => out.push('"'),
            '‘' | '’' => out.push('\''),
            c if c.is_ascii() => out.push(c),
            _ => out.push('?'),
        }
    }
    out
}

/// `supported`, with what goes with it.
fn effect(effect: &Effect) -> String {
    let range = effect.range.map_or(String::new(), |range| {
        let (low, high) = range.ends();
        let (low, high) = (effect.unit.shown(low), effect.unit.shown(high));
        format!(" [{low} – {high}, n = {}]", effect.n)
    });
    format!(
        "{}: {}{range}; {} {} was asked",
        effect.name,
        effect.unit.shown(effect.value),
        effect.bound.words(),
        effect.unit.shown(effect.threshold)
    )
}

/// A number with its range, evidence and conditions.
fn number(number: &Number) -> String {
    let shown = |value| number.unit.shown(value);
    let amount = match &number.evidence {
        Evidence::Modelled {
            low, likely, high, ..
        } => format!("{} [{} – {}]", shown(*likely), shown(*low), shown(*high)),
        Evidence::Measured { samples } | Evidence::Emulated { samples, .. } => {
            match summarize(samples) {
                None => "nothing".to_owned(),
                Some(summary) if summary.n == 1 => shown(summary.median),
                Some(summary) => {
                    let (low, high) = summary.range.ends();
                    let kind = match summary.range {
                        Range::Interval { .. } => "",
                        Range::Extremes { .. } => "least and greatest, ",
                    };
                    let middle = shown(summary.median);
                    let (low, high) = (shown(low), shown(high));
                    format!("{middle} [{low} – {high}, {kind}n = {}]", summary.n)
                }
            }
        }
    };
    let kind = match &number.evidence {
        Evidence::Emulated { by, .. } => format!("emulated by {by}"),
        other => other.kind().to_owned(),
    };
    let held = number.conditions.iter();
    let held: String = held
        .map(|(name, held)| format!("; {name}: {held}"))
        .collect();
    format!(
        "{}, {}: {amount}, {kind}{held}",
        number.name, number.subject
    )
}

/// The outcome of an attempt.
fn fact(fact: &Fact) -> String {
    let outcome = match &fact.outcome {
        Outcome::Bool(true) => "yes".to_owned(),
        Outcome::Bool(false) => "no".to_owned(),
        Outcome::Number(amount) => Unit::Count.shown(*amount),
        Outcome::Text(text) => format!("'{text}'"),
    };
    format!("{}, {}: {outcome}", fact.name, fact.subject)
}
