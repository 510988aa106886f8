//! What came of the attempts, and how the lab reads it.
//!
//! An answer comes from inside a container or a guest, where anything may run:
//! it is hostile input, bounded and strict, and shown only with what acts on a
//! terminal taken out.

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::attempt::Attempt;
use crate::report::text::shown;

/// The longest answer that is read, in bytes: what a guest's channel carries.
pub const LONGEST: usize = 16 << 10;
/// The longest text in it, in characters.
const LONGEST_TEXT: usize = 200;
/// What begins and ends the line that is the answer, so that what a guest's
/// kernel or a container engine says around it is not taken for one.
const MARK: &str = "isolab-inside ";

/// What the kernel, or Python, said to an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Said {
    /// It went; with what was learnt.
    Yes(String),
    /// It was refused; with the name of the error, as in `errno(3)`, or a word of
    /// why there was nothing to be had.
    No(String),
    /// It was not made, and why.
    NotTried(String),
}

impl Said {
    /// Whether it went.
    #[must_use]
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Yes(_))
    }

    /// Replaces its text by what `change` makes of it.
    pub fn change(&mut self, change: impl FnOnce(&str) -> String) {
        let text = self.text_mut();
        *text = change(text);
    }

    fn text_mut(&mut self) -> &mut String {
        match self {
            Self::Yes(text) | Self::No(text) | Self::NotTried(text) => text,
        }
    }
}

/// One attempt and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// What was tried.
    pub attempt: Attempt,
    /// The system call, or the question, as it was made.
    pub call: String,
    /// What was said.
    pub said: Said,
}

/// The outcomes of a list of attempts, each attempt once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Answer {
    outcomes: Vec<Outcome>,
}

impl Answer {
    /// An answer of these outcomes; of two to the same attempt the first counts.
    #[must_use]
    pub fn new(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut own = Self::default();
        for mut outcome in outcomes {
            if own.outcome(outcome.attempt).is_none() {
                for text in [&mut outcome.call, outcome.said.text_mut()] {
                    *text = shown(text).chars().take(LONGEST_TEXT).collect();
                }
                own.outcomes.push(outcome);
            }
        }
        own
    }

    /// All of them.
    #[must_use]
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// What came of `attempt`, if it was asked for.
    #[must_use]
    pub fn outcome(&self, attempt: Attempt) -> Option<&Outcome> {
        self.outcomes.iter().find(|o| o.attempt == attempt)
    }

    /// What was said to `attempt`.
    #[must_use]
    pub fn said(&self, attempt: Attempt) -> Option<&Said> {
        self.outcome(attempt).map(|outcome| &outcome.said)
    }

    /// What was learnt by `attempt`, if it went.
    #[must_use]
    pub fn learnt(&self, attempt: Attempt) -> Option<&str> {
        match self.said(attempt)? {
            Said::Yes(learnt) => Some(learnt),
            Said::No(_) | Said::NotTried(_) => None,
        }
    }

    /// Why `attempt` was refused, if it was.
    #[must_use]
    pub fn refused(&self, attempt: Attempt) -> Option<&str> {
        match self.said(attempt)? {
            Said::No(why) => Some(why),
            Said::Yes(_) | Said::NotTried(_) => None,
        }
    }

    /// The answer as the line that `__inside` prints.
    pub(super) fn to_line(&self) -> String {
        let json = serde_json::to_string(self).expect("texts are JSON");
        format!("{MARK}{json}\n")
    }

    /// Finds the answer to `asked` in what a place said.
    ///
    /// # Errors
    /// If there is none, it is too long, or it is not an answer to exactly what was
    /// asked.
    pub fn parse(said: &[u8], asked: &[Attempt]) -> Result<Self> {
        ensure!(
            said.len() <= LONGEST,
            "it said more than {LONGEST} bytes, which no answer is"
        );
        let text = std::str::from_utf8(said).context("its answer is not UTF-8")?;
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(MARK));
        let (Some(line), None) = (lines.next(), lines.next()) else {
            bail!("it gave no answer, or more than one");
        };
        let answer: Self = serde_json::from_str(line.trim_end())
            .map_err(|error| anyhow::anyhow!("{}", shown(&error.to_string())))
            .context("its answer cannot be read")?;
        let given: Vec<Attempt> = answer.outcomes.iter().map(|o| o.attempt).collect();
        ensure!(given == asked, "it answered something else than was asked");
        // Cut and made harmless here: whoever answered need not have done it.
        Ok(Self::new(answer.outcomes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attempt() -> impl Strategy<Value = Attempt> {
        prop::sample::select(Attempt::ALL.to_vec())
    }

    fn said() -> impl Strategy<Value = Said> {
        let text = prop_oneof!["[a-zA-Z0-9 /:.-]{0,40}", any::<String>()];
        prop_oneof![
            text.clone().prop_map(Said::Yes),
            text.clone().prop_map(Said::No),
            text.prop_map(Said::NotTried),
        ]
    }

    proptest! {
        #[test]
        fn an_answer_comes_back_as_it_was_given(
            outcomes in prop::collection::vec((attempt(), any::<String>(), said()), 0..12),
            around in "[^\n]{0,40}",
        ) {
            let outcomes = outcomes
                .into_iter()
                .map(|(attempt, call, said)| Outcome { attempt, call, said });
            let answer = Answer::new(outcomes);
            let asked: Vec<Attempt> = answer.outcomes().iter().map(|o| o.attempt).collect();
            // A terminal line in a guest adds carriage returns.
            let text = format!("x{around}\r\n{}", answer.to_line().replace('\n', "\r\n"));
            prop_assume!(text.len() <= LONGEST);
            prop_assert_eq!(Answer::parse(text.as_bytes(), &asked).unwrap(), answer);
        }

        #[test]
        fn no_bytes_panic_the_reader_and_nothing_that_acts_on_a_terminal_gets_through(
            json in any::<Vec<u8>>(), text in any::<String>(),
        ) {
            let mut bytes = MARK.as_bytes().to_vec();
            bytes.extend(json);
            if let Err(error) = Answer::parse(&bytes, &[]) {
                let shown = format!("{error:#}");
                prop_assert!(!shown.chars().any(char::is_control));
            }
            let line = format!(
                "{MARK}{}",
                serde_json::json!([{ "attempt": "boot-id", "call": text, "said": { "yes": text } }])
            );
            let answer = Answer::parse(line.as_bytes(), &[Attempt::BootId]).unwrap();
            let learnt = answer.learnt(Attempt::BootId).unwrap();
            prop_assert!(!learnt.contains(crate::report::text::acts));
            prop_assert!(learnt.chars().count() <= LONGEST_TEXT);
        }
    }

    #[track_caller]
    fn is_refused(said: &str, asked: &[Attempt]) {
        assert!(Answer::parse(said.as_bytes(), asked).is_err(), "{said}");
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        let yes = |attempt| Outcome {
            attempt,
            call: "c".into(),
            said: Said::Yes("x".into()),
        };
        let line = Answer::new([yes(Attempt::BootId)]).to_line();
        is_refused(&line, &[Attempt::Connect]);
        is_refused(&line, &[Attempt::BootId, Attempt::Connect]);
        is_refused(&format!("{line}{line}"), &[Attempt::BootId]);
        is_refused("", &[]);
        is_refused(&"x".repeat(LONGEST + 1), &[]);
        let extra = line.replace("\"call\"", "\"more\":1,\"call\"");
        is_refused(&extra, &[Attempt::BootId]);
        let both = format!(
            "{MARK}[{0},{0}]",
            r#"{"attempt":"boot-id","call":"c","said":{"yes":"x"}}"#
        );
        is_refused(&both, &[Attempt::BootId]);
    }

    #[test]
    fn all_attempts_are_listed_in_their_order() {
        assert!(Attempt::ALL.is_sorted_by(|a, b| a < b));
    }
}
