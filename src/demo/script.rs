//! A demo's script: what is shown, for how long, and what is run.
//!
//! It is TOML, written by an instructor and mailed to others, so it is read as
//! hostile input: bounded, strict, and refused with the line and the reason. The
//! format is described in `docs/DEMO.md`.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::rule;
use crate::report::text::{acts, shown};

/// No script is larger than this, in bytes.
pub const SIZE_LIMIT: usize = 256 * 1024;
/// The most beats of a script.
const BEATS: usize = 200;
/// The longest a beat or a command may take, in seconds.
const LONGEST: u64 = 3600;
/// The longest heading, question and text, in characters.
const HEADING: usize = 60;
const QUESTION: usize = 200;
const TEXT: usize = 4000;

/// A demo from its first beat to its last.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// What the demo is called.
    pub title: String,
    /// At least one.
    pub beats: Vec<Beat>,
}

/// What is on the screen at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Shown in large letters.
    pub heading: String,
    /// Shown below it; empty lines part its paragraphs.
    pub text: String,
    /// How long it is planned to take, all included.
    pub planned: Duration,
    /// What the speaker wants to remember.
    pub notes: Option<String>,
    /// What is run.
    pub step: Option<Step>,
}

/// A command that a beat runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The arguments of `isolab`.
    pub words: Vec<String>,
    /// After this long a recording takes over.
    pub bound: Duration,
    /// What the room is asked before.
    pub prediction: Option<Prediction>,
}

/// A question to the room, answered by what the step measures.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The question.
    pub question: String,
    /// Where the step's JSON has the value (RFC 6901).
    pub pointer: String,
    /// What the JSON must say elsewhere for the value to be the one asked for.
    pub matching: Vec<(String, String)>,
    /// What the value is multiplied by for display.
    pub scale: f64,
    /// The unit after that.
    pub unit: String,
}

/// A script that cannot be accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl Script {
    /// How long the whole is planned to take.
    #[must_use]
    pub fn planned(&self) -> Duration {
        self.planned_before(self.beats.len())
    }

    /// How long everything before the beat `index`, from 0, is planned to take.
    #[must_use]
    pub fn planned_before(&self, index: usize) -> Duration {
        self.beats[..index].iter().map(|beat| beat.planned).sum()
    }

    /// The steps, each with the index of its beat.
    pub fn steps(&self) -> impl Iterator<Item = (usize, &Step)> {
        let beats = self.beats.iter().enumerate();
        beats.filter_map(|(index, beat)| Some((index, beat.step.as_ref()?)))
    }
}

impl Step {
    /// The command as somebody would type it.
    #[must_use]
    pub fn typed(&self) -> String {
        format!("isolab {}", self.words.join(" "))
    }

    /// Whether its standard output is for programs.
    #[must_use]
    pub fn says_json(&self) -> bool {
        self.words.iter().any(|word| word == "--json")
    }
}

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

/// What a script's file is called: its name without `.toml`.
#[must_use]
pub fn name_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    shown(&stem.to_string_lossy()).into_owned()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = r#"title = "A demo"

[[beat]]
heading = "First"
text = "Words"
seconds = 30

[[beat]]
heading = "Second"
seconds = 60
command = ["compare", "--json"]
bound = 20
notes = "Wait."
[beat.predict]
question = "How many?"
pointer = "/summary/0/value"
where = { "/summary/0/subject" = "container" }
scale = 1000
unit = "ms"
"#;

    fn isolab() -> clap::Command {
        let json = clap::Arg::new("json")
            .long("json")
            .action(clap::ArgAction::SetTrue);
        clap::Command::new("isolab").subcommand(clap::Command::new("compare").arg(json))
    }

    fn fault(text: &str) -> (usize, String) {
        let fault = parse(text.as_bytes(), &isolab()).unwrap_err();
        (fault.line, fault.why)
    }

    #[track_caller]
    fn refuses(from: &str, to: &str, line: usize, says: &str) {
        assert!(GOOD.contains(from));
        let (at, why) = fault(&GOOD.replacen(from, to, 1));
        assert!(at == line && why.contains(says), "line {at}: {why}");
    }

    #[test]
    fn a_script_says_what_is_shown_run_and_asked() {
        let script = parse(GOOD.as_bytes(), &isolab()).unwrap();
        assert_eq!(script.planned(), Duration::from_secs(90));
        assert_eq!(script.planned_before(1), Duration::from_secs(30));
        let (index, step) = script.steps().next().unwrap();
        assert_eq!((index, step.typed().as_str()), (1, "isolab compare --json"));
        let asked = step.prediction.as_ref().unwrap();
        assert_eq!((asked.scale, asked.unit.as_str()), (1000.0, "ms"));
        assert_eq!(asked.matching.len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        refuses("seconds = 30", "seconds = 0", 6, "from 1 to");
        refuses("seconds = 30", "second = 30", 6, "unknown field");
        refuses("seconds = 30", "seconds = \"long\"", 6, "invalid type");
        refuses("seconds = 30", "seconds = ", 6, "");
        refuses("heading = \"Second\"\n", "", 8, "heading");
        refuses("\"Words\"", "\"a\\u001b[2Jb\"", 5, "control character");
        refuses("\"First\"", "\"\"", 4, "empty");
        refuses("bound = 20\n", "", 11, "bound");
        refuses(", \"--json\"", "", 11, "--json");
        refuses("\"compare\"", "\"sh\"", 11, "only run");
        refuses("\"compare\"", "\"compare\", \"/etc/x\"", 11, "may lead out");
        refuses("command = [\"compare\", \"--json\"]\n", "", 11, "belong to");
        refuses("\"/summary/0/value\"", "\"summary\"", 16, "pointer");
        refuses("scale = 1000", "scale = nan", 14, "scale");
        assert!(fault("title = \"x\"").1.contains("no beat"));
    }

    #[test]
    fn what_is_no_text_or_too_much_is_refused() {
        assert!(
            parse(b"title = \"\xff\"", &isolab())
                .unwrap_err()
                .why
                .contains("UTF-8")
        );
        let large = vec![b'#'; SIZE_LIMIT + 1];
        assert!(parse(&large, &isolab()).unwrap_err().why.contains("larger"));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic(cut in 0..GOOD.len(), junk in ".{0,20}", skip in 0..40usize) {
            let rest = GOOD.get(cut + skip..).unwrap_or_default();
            let text = format!("{}{junk}{rest}", &GOOD[..cut]);
            if let Err(fault) = parse(text.as_bytes(), &isolab()) {
                prop_assert!(fault.line >= 1 && fault.line <= text.lines().count().max(1) + 1);
                prop_assert!(!fault.why.chars().any(acts));
            }
        }
    }
}
