//! A demo's script: what is shown, for how long, and what is run.
//!
//! It is TOML, written by an instructor and mailed to others, so it is read as
//! hostile input: bounded, strict, and refused with the line and the reason. The
//! format is described in `docs/DEMO.md`.

mod reader;

use std::time::Duration;

pub use reader::parse;

/// No script is larger than this, in bytes.
pub const SIZE_LIMIT: usize = 256 * 1024;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::text::acts;

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
