//! A question in words: `three guests of a 700 MB system, each with 512 MB of memory`.
//!
//! What was understood is said, and a sentence of which nothing was understood is
//! refused: an answer to another question than was asked is worse than none.

use std::ops::RangeInclusive;

use vm_model::model::question::Kind;

use super::amounts;

/// What a sentence says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sentence {
    pub(super) count: Option<u32>,
    pub(super) kind: Option<Kind>,
    pub(super) image: Option<f64>,
    pub(super) memory: Option<f64>,
}

/// How many can be asked about, in words as by `--guests`.
pub(super) const COUNTS: RangeInclusive<u32> = 1..=1_000_000;

const NUMBERS: [&str; 12] = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
];

/// Words that say nothing which is computed with.
const IDLE: [&str; 23] = [
    "about", "a", "an", "of", "the", "with", "each", "having", "and", "in", "on", "what", "do",
    "does", "cost", "costs", "take", "takes", "how", "much", "for", "if", "there",
];

/// Reads one.
///
/// # Errors
/// The word that was not understood, or that none was, as a sentence.
pub(super) fn parse(text: &str) -> Result<Sentence, String> {
    let text = text.to_lowercase();
    let separate =
        |c: char| c.is_whitespace() || matches!(c, ',' | '?' | ';' | ':' | '(' | ')' | '…');
    let words: Vec<&str> = text
        .split(separate)
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| !word.is_empty())
        .collect();
    let mut said = Sentence::default();
    let mut size: Option<f64> = None;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        let next = words.get(at).copied().unwrap_or_default();
        if let Some(kind) = kind(word, next) {
            at += usize::from(*word == "virtual");
            said.kind = Some(kind);
        } else if let Some(count) =
            count(word).filter(|_| amounts::size(&format!("{word} {next}")).is_err())
        {
            if !COUNTS.contains(&count) {
                return Err(format!(
                    "{count} of anything cannot be asked about: write {} to {}",
                    COUNTS.start(),
                    COUNTS.end()
                ));
            }
            said.count = Some(count);
        } else if let Ok(bytes) = amounts::size(word) {
            size = Some(bytes);
        } else if let Ok(bytes) = amounts::size(&format!("{word} {next}")) {
            at += 1;
            size = Some(bytes);
        } else if matches!(*word, "system" | "image" | "disk" | "root") {
            said.image = Some(size.take().ok_or_else(|| unclear(word))?);
        } else if matches!(*word, "memory" | "ram") {
            said.memory = Some(size.take().ok_or_else(|| unclear(word))?);
        } else if !IDLE.contains(word) {
            return Err(format!("`{word}` is not understood"));
        }
    }
    if size.is_some() {
        return Err(
            "a size is named, and not of what: say `system` or `memory` after it".to_owned(),
        );
    }
    match said == Sentence::default() {
        true => Err("nothing in it is understood".to_owned()),
        false => Ok(said),
    }
}

fn unclear(word: &str) -> String {
    format!("no size stands before `{word}`")
}

fn kind(word: &str, next: &str) -> Option<Kind> {
    match word {
        "guest" | "guests" | "vm" | "vms" => Some(Kind::Vm),
        "virtual" if next.starts_with("machine") => Some(Kind::Vm),
        "container" | "containers" => Some(Kind::Container),
        "process" | "processes" => Some(Kind::Process),
        _ => None,
    }
}

fn count(word: &str) -> Option<u32> {
    let named = NUMBERS.iter().position(|number| *number == word);
    let named = named.and_then(|place| u32::try_from(place + 1).ok());
    named.or_else(|| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, count: u32, kind: Kind, image: Option<f64>, memory: Option<f64>) {
        let expected = Sentence {
            count: Some(count),
            kind: Some(kind),
            image,
            memory,
        };
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn the_tutorials_question_is_understood() {
        let (vm, container) = (Kind::Vm, Kind::Container);
        check("three guests of a 700 MB system", 3, vm, Some(700e6), None);
        check(
            "Three virtual machines of a 700 MB system, each with 512 MB of memory?",
            3,
            vm,
            Some(700e6),
            Some(512e6),
        );
        check(
            "What do 20 containers of a 1G image cost?",
            20,
            container,
            Some(1_073_741_824.0),
            None,
        );
        // The size may stand before or after, but what it is of has to follow it.
        check(
            "2 guests, each with 256MiB memory",
            2,
            vm,
            None,
            Some(268_435_456.0),
        );
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let wrong = |text: &str, part: &str| {
            let said = parse(text).unwrap_err();
            assert!(said.contains(part), "{said}");
        };
        wrong("three unikernels", "`unikernels`");
        wrong("three guests of 700 MB", "not of what");
        wrong("guests of a system", "no size stands before `system`");
        wrong("", "nothing");
        wrong("0 guests", "write 1 to 1000000");
        wrong("1000001 guests", "write 1 to 1000000");
    }
}
