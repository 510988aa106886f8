//! From a script's text to what is meant, or to the line at which it cannot be.

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Beat, Fault, Prediction, SIZE_LIMIT, Script, Step};
use crate::demo::rule;
use crate::report::text::{acts, shown};

/// The most beats of a script.
const BEATS: usize = 200;
/// The longest a beat or a command may take, in seconds.
const LONGEST: u64 = 3600;
/// The longest heading, question and text, in characters.
const HEADING: usize = 60;
const QUESTION: usize = 200;
const TEXT: usize = 4000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScript {
    title: Spanned<String>,
    #[serde(default)]
    beat: Vec<Spanned<RawBeat>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBeat {
    heading: Spanned<String>,
    #[serde(default)]
    text: Option<Spanned<String>>,
    seconds: Spanned<u64>,
    #[serde(default)]
    notes: Option<Spanned<String>>,
    #[serde(default)]
    command: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    bound: Option<Spanned<u64>>,
    #[serde(default)]
    predict: Option<Spanned<RawPrediction>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPrediction {
    question: Spanned<String>,
    pointer: Spanned<String>,
    #[serde(default, rename = "where")]
    matching: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    scale: Option<f64>,
    #[serde(default)]
    unit: String,
}

/// Reads a script. `isolab` is the command line that its commands are for.
///
/// # Errors
/// The first [`Fault`].
pub fn parse(text: &[u8], isolab: &clap::Command) -> Result<Script, Fault> {
    if text.len() > SIZE_LIMIT {
        let why = format!(
            "the file is larger than {} KiB, and no script is",
            SIZE_LIMIT / 1024
        );
        return Err(Fault { line: 1, why });
    }
    let text = std::str::from_utf8(text).map_err(|error| Fault {
        line: line_of(text, error.valid_up_to()),
        why: "this is not UTF-8 text".to_owned(),
    })?;
    let raw: RawScript = toml::from_str(text).map_err(|error| Fault {
        line: line_of(text.as_bytes(), error.span().map_or(0, |span| span.start)),
        why: shown(error.message()).chars().take(300).collect(),
    })?;
    let reader = Reader { text, isolab };
    reader.script(raw)
}

fn line_of(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Turns what stands in the file into what is meant, knowing where it stands.
struct Reader<'a> {
    text: &'a str,
    isolab: &'a clap::Command,
}

impl Reader<'_> {
    fn fault<T>(&self, span: Range<usize>, why: impl Into<String>) -> Result<T, Fault> {
        Err(Fault {
            line: line_of(self.text.as_bytes(), span.start),
            why: shown(&why.into()).into_owned(),
        })
    }

    fn script(&self, raw: RawScript) -> Result<Script, Fault> {
        let title = self.line("the title", raw.title, HEADING)?;
        if raw.beat.is_empty() {
            return self.fault(
                0..0,
                "there is no beat: a script has at least one `[[beat]]`",
            );
        }
        if raw.beat.len() > BEATS {
            let span = raw.beat[BEATS].span();
            return self.fault(span, format!("a script has at most {BEATS} beats"));
        }
        let beats: Result<_, Fault> = raw.beat.into_iter().map(|beat| self.beat(beat)).collect();
        Ok(Script {
            title,
            beats: beats?,
        })
    }

    fn beat(&self, raw: Spanned<RawBeat>) -> Result<Beat, Fault> {
        let raw = raw.into_inner();
        Ok(Beat {
            heading: self.line("a heading", raw.heading, HEADING)?,
            text: self.paragraphs("a text", raw.text)?.unwrap_or_default(),
            planned: self.seconds("`seconds`", &raw.seconds)?,
            notes: self.paragraphs("a note", raw.notes)?,
            step: self.step(raw.command, raw.bound, raw.predict)?,
        })
    }

    fn step(
        &self,
        command: Option<Spanned<Vec<String>>>,
        bound: Option<Spanned<u64>>,
        predict: Option<Spanned<RawPrediction>>,
    ) -> Result<Option<Step>, Fault> {
        let Some(command) = command else {
            let spans = [bound.map(|b| b.span()), predict.map(|p| p.span())];
            return match spans.into_iter().flatten().next() {
                Some(span) => self.fault(span, "`bound` and `predict` belong to a `command`"),
                None => Ok(None),
            };
        };
        if let Some(why) = rule::refusal(command.get_ref(), self.isolab) {
            return self.fault(command.span(), why);
        }
        let Some(bound) = bound else {
            let why = "a command needs a `bound`: the seconds after which its recording takes over";
            return self.fault(command.span(), why);
        };
        let mut step = Step {
            words: command.get_ref().clone(),
            bound: self.seconds("`bound`", &bound)?,
            prediction: None,
        };
        if let Some(predict) = predict {
            if !step.says_json() {
                let why =
                    "a prediction needs `--json` in the command: the value is taken from there";
                return self.fault(command.span(), why);
            }
            step.prediction = Some(self.prediction(predict)?);
        }
        Ok(Some(step))
    }

    fn prediction(&self, raw: Spanned<RawPrediction>) -> Result<Prediction, Fault> {
        let span = raw.span();
        let raw = raw.into_inner();
        let question = self.line("a question", raw.question, QUESTION)?;
        let pointer = raw.pointer.get_ref().clone();
        let pointers = raw.matching.keys().chain([&pointer]);
        if let Some(wrong) = pointers.into_iter().find(|p| !p.starts_with('/')) {
            let why = format!("`{wrong}` is no JSON pointer: those begin with `/` (RFC 6901)");
            return self.fault(raw.pointer.span(), why);
        }
        let scale = raw.scale.unwrap_or(1.0);
        if !scale.is_finite() || scale <= 0.0 {
            return self.fault(span, "`scale` must be a number above zero");
        }
        if raw.unit.chars().count() > 20 || raw.unit.chars().any(acts) {
            return self.fault(span, "a unit is a word of at most 20 characters");
        }
        Ok(Prediction {
            question,
            pointer,
            matching: raw.matching.into_iter().collect(),
            scale,
            unit: raw.unit,
        })
    }

    /// Text of one line.
    fn line(&self, what: &str, raw: Spanned<String>, most: usize) -> Result<String, Fault> {
        let span = raw.span();
        let text = raw.into_inner();
        if text.trim().is_empty() {
            return self.fault(span, format!("{what} is empty"));
        }
        if text.chars().count() > most {
            return self.fault(span, format!("{what} is longer than {most} characters"));
        }
        if text.chars().any(acts) {
            let why = format!("{what} holds a line break or a control character");
            return self.fault(span, why);
        }
        Ok(text)
    }

    fn paragraphs(
        &self,
        what: &str,
        raw: Option<Spanned<String>>,
    ) -> Result<Option<String>, Fault> {
        let Some(raw) = raw else { return Ok(None) };
        let span = raw.span();
        let text = raw.into_inner().trim_end().to_owned();
        if text.chars().count() > TEXT {
            return self.fault(span, format!("{what} is longer than {TEXT} characters"));
        }
        if text.chars().any(|c| acts(c) && c != '\n') {
            return self.fault(span, format!("{what} holds a control character"));
        }
        Ok(Some(text))
    }

    fn seconds(&self, what: &str, raw: &Spanned<u64>) -> Result<Duration, Fault> {
        match *raw.get_ref() {
            seconds @ 1..=LONGEST => Ok(Duration::from_secs(seconds)),
            _ => self.fault(raw.span(), format!("{what} is from 1 to {LONGEST}")),
        }
    }
}
