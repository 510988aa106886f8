//! The options that a line of a file may have.

use crate::refusal::{Refusal, shown_url};

/// An option, with what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    Requirements(String),
    Constraints(String),
    Editable(String),
    IndexUrl(String),
    ExtraIndexUrl(String),
    FindLinks(String),
    NoIndex,
    Pre,
    PreferBinary,
    NoBinary(String),
    OnlyBinary(String),
    RequireHashes,
    TrustedHost(String),
    Hash(String),
    /// What only building asks for.
    Building(&'static str),
    /// What has no meaning here, and does no harm.
    Nothing,
}

impl Choice {
    /// As it is written, without what it is given, which may be a secret.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Requirements(_) => "--requirement",
            Self::Constraints(_) => "--constraint",
            Self::Editable(_) => "--editable",
            Self::IndexUrl(_) => "--index-url",
            Self::ExtraIndexUrl(_) => "--extra-index-url",
            Self::FindLinks(_) => "--find-links",
            Self::NoIndex => "--no-index",
            Self::Pre => "--pre",
            Self::PreferBinary => "--prefer-binary",
            Self::NoBinary(_) => "--no-binary",
            Self::OnlyBinary(_) => "--only-binary",
            Self::RequireHashes => "--require-hashes",
            Self::TrustedHost(_) => "--trusted-host",
            Self::Hash(_) => "--hash",
            Self::Building(name) => name,
            Self::Nothing => "this option",
        }
    }
}

/// How an option is written, and what it is: with a value or without.
struct Spelling {
    short: Option<char>,
    long: &'static str,
    means: Means,
}

enum Means {
    Given(fn(String) -> Choice),
    Alone(fn() -> Choice),
}

use Means::{Alone, Given};

const fn given(short: Option<char>, long: &'static str, means: fn(String) -> Choice) -> Spelling {
    let means = Given(means);
    Spelling { short, long, means }
}

const fn alone(long: &'static str, means: fn() -> Choice) -> Spelling {
    Spelling {
        short: None,
        long,
        means: Alone(means),
    }
}

/// Source: *Supported options* of pip's *Requirements File Format*.
const KNOWN: [Spelling; 18] = [
    given(Some('r'), "--requirement", Choice::Requirements),
    given(Some('c'), "--constraint", Choice::Constraints),
    given(Some('e'), "--editable", Choice::Editable),
    given(Some('i'), "--index-url", Choice::IndexUrl),
    given(None, "--pypi-url", Choice::IndexUrl),
    given(None, "--extra-index-url", Choice::ExtraIndexUrl),
    given(Some('f'), "--find-links", Choice::FindLinks),
    alone("--no-index", || Choice::NoIndex),
    alone("--pre", || Choice::Pre),
    alone("--prefer-binary", || Choice::PreferBinary),
    given(None, "--no-binary", Choice::NoBinary),
    given(None, "--only-binary", Choice::OnlyBinary),
    alone("--require-hashes", || Choice::RequireHashes),
    given(None, "--trusted-host", Choice::TrustedHost),
    given(None, "--hash", Choice::Hash),
    given(None, "--global-option", |_| {
        Choice::Building("--global-option")
    }),
    given(None, "--config-settings", |_| {
        Choice::Building("--config-settings")
    }),
    given(None, "--use-feature", |_| Choice::Nothing),
];

/// The options among `words`, none of which may be anything else.
pub(super) fn read(words: Vec<String>) -> Result<Vec<Choice>, Refusal> {
    let mut choices = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let (spelling, value) = find(&word)?;
        choices.push(match (&spelling.means, value) {
            (Alone(means), None) => means(),
            (Alone(_), Some(_)) => {
                return Err(Refusal::new(format!("{} takes no value", spelling.long)));
            }
            (Given(means), Some(value)) => means(value),
            (Given(means), None) => {
                let value = words.next();
                let missing = || Refusal::new(format!("{} needs a value", spelling.long));
                means(value.ok_or_else(missing)?)
            }
        });
    }
    Ok(choices)
}

/// The option that `word` is, and the value that it holds: `-rx`, `--requirement=x`.
fn find(word: &str) -> Result<(&'static Spelling, Option<String>), Refusal> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
        _ => (word, None),
    };
    if let Some(spelling) = KNOWN.iter().find(|known| known.long == name) {
        return Ok((spelling, value));
    }
    let mut letters = word.chars();
    if letters.next() == Some('-')
        && let Some(letter) = letters.next()
        && let Some(spelling) = KNOWN.iter().find(|known| known.short == Some(letter))
    {
        let rest = letters.as_str();
        let rest = (!rest.is_empty()).then(|| rest.to_owned());
        return Ok((spelling, rest));
    }
    let known: Vec<_> = KNOWN.iter().map(|known| known.long).collect();
    Err(Refusal::new(format!(
        "{} is no option of a line; known are {}",
        shown_url(word),
        known.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(line: &str) -> Result<Vec<Choice>, Refusal> {
        read(line.split(' ').map(str::to_owned).collect())
    }

    #[test]
    fn values_stand_behind_or_within() {
        let expected = vec![Choice::Requirements("x".to_owned())];
        for line in ["-r x", "-rx", "--requirement x", "--requirement=x"] {
            assert_eq!(choices(line).expect(line), expected);
        }
        assert_eq!(
            choices("-i https://x/?a=b --pre").expect("two"),
            [Choice::IndexUrl("https://x/?a=b".to_owned()), Choice::Pre]
        );
    }

    #[test]
    fn what_is_unknown_is_told_with_what_is_known() {
        for (line, part) in [
            ("--requirment x", "--requirement"),
            ("-z", "known"),
            ("--pre=1", "no value"),
            ("--hash", "needs a value"),
            ("-", "known"),
            ("--pre x", "known"),
        ] {
            let why = choices(line).expect_err(line).to_string();
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}
