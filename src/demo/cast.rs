//! Recordings of real runs: asciicast v2, as other players read it, and beside
//! its own fields where, when and by which command it was made.
//!
//! A recording may come from anywhere, so it is read as hostile input: bounded,
//! strict, and what it says on the screen goes through a
//! [transcript](super::transcript). Its command is compared, and never run.
//!
//! Source: <https://docs.asciinema.org/manual/asciicast/v2/>.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::Environment;
use crate::report::text::{acts, shown};

/// No recording is larger than this, in bytes.
pub const SIZE_LIMIT: usize = 2 * 1024 * 1024;
/// The most events of a recording.
const EVENTS: usize = 50_000;
/// The latest an event may come, in seconds.
const LATEST: f64 = 3600.0;
/// The longest that a replay waits for its next event.
const IDLE: Duration = Duration::from_millis(1500);

/// A run that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    /// Its first line.
    pub header: Header,
    /// What it said, and when: from its start, never backwards.
    pub events: Vec<(Duration, String)>,
}

/// What a recording says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Always 2.
    pub version: u32,
    /// The columns of the terminal.
    pub width: u16,
    /// Its rows.
    pub height: u16,
    /// When it began, in seconds since 1970.
    pub timestamp: u64,
    /// Pauses beyond this, in seconds, are for cutting.
    pub idle_time_limit: f64,
    /// The command as somebody would type it.
    pub command: String,
    /// Where it comes from; other players skip what they do not know.
    pub isolab: Provenance,
}

/// Where a recording comes from. No host name, no user name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The version of Isolab.
    pub version: String,
    /// The arguments of `isolab`.
    pub words: Vec<String>,
    /// When it began, in UTC, by RFC 3339.
    pub recorded: String,
    /// CPU model name.
    pub cpu: String,
    /// CPUs that it could run on.
    pub cpus: usize,
    /// Distribution.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// What the machine itself ran in.
    pub virtualization: String,
    /// Whether it had root's privileges.
    pub root: bool,
}

/// A recording that cannot be accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl Provenance {
    /// The machine `here`, and the run of `words` that began at `recorded`.
    #[must_use]
    pub fn new(here: &Environment, words: &[String], recorded: &str) -> Self {
        Self {
            version: here.isolab.clone(),
            words: words.to_vec(),
            recorded: recorded.to_owned(),
            cpu: here.cpu.clone(),
            cpus: here.cpus,
            os: here.os.clone(),
            kernel: here.kernel.clone(),
            arch: here.arch.clone(),
            virtualization: here.virtualization.clone(),
            root: here.root,
        }
    }

    /// The banner under which the recording is shown.
    #[must_use]
    pub fn banner(&self) -> String {
        let date = self.recorded.split('T').next().unwrap_or_default();
        shown(&format!(
            "RECORDED on {}, {}, Linux {}, {date}",
            self.cpu, self.os, self.kernel
        ))
        .into_owned()
    }
}

impl Cast {
    /// What the recorded command printed.
    #[must_use]
    pub fn said(&self) -> String {
        self.events.iter().map(|(_, data)| data.as_str()).collect()
    }

    /// When each event is due in a replay: at its own pace, but no pause longer
    /// than the recording's limit or ours.
    #[must_use]
    pub fn schedule(&self) -> Vec<Duration> {
        let limit = Duration::try_from_secs_f64(self.header.idle_time_limit).unwrap_or(IDLE);
        let (mut due, mut before) = (Duration::ZERO, Duration::ZERO);
        let at = |(at, _): &(Duration, String)| {
            due += at.saturating_sub(before).min(limit.min(IDLE));
            before = *at;
            due
        };
        self.events.iter().map(at).collect()
    }

    /// The recording as a file: a line for the header, a line for each event.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = json(&self.header) + "\n";
        for (at, data) in &self.events {
            let at = (at.as_secs_f64() * 1e6).round() / 1e6;
            text.push_str(&(json(&(at, "o", data)) + "\n"));
        }
        text
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value)
        .expect("it has string keys, and memory does not fail to be written")
}

/// Reads a recording.
///
/// # Errors
/// The first [`Fault`].
pub fn parse(text: &[u8]) -> Result<Cast, Fault> {
    let fault = |line: usize, why: &str| Fault {
        line,
        why: shown(why).chars().take(300).collect(),
    };
    if text.len() > SIZE_LIMIT {
        return Err(fault(1, "the file is larger than any recording of ours"));
    }
    let text = std::str::from_utf8(text).map_err(|_| fault(1, "this is not UTF-8 text"))?;
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let (_, first) = lines.next().ok_or_else(|| fault(1, "the file is empty"))?;
    let header: Header = serde_json::from_str(first).map_err(|error| {
        fault(
            1,
            &format!("this is no header of a recording of ours: {error}"),
        )
    })?;
    check(&header).map_err(|why| fault(1, &why))?;
    let mut events = Vec::new();
    let mut before = Duration::ZERO;
    for (number, line) in lines {
        let (at, kind, data): (f64, String, String) = serde_json::from_str(line)
            .map_err(|error| fault(number, &format!("this is no event: {error}")))?;
        if kind != "o" {
            return Err(fault(number, "only output (`\"o\"`) is replayed"));
        }
        if !(0.0..=LATEST).contains(&at) {
            return Err(fault(number, "its time is not within an hour"));
        }
        let at = Duration::from_secs_f64(at);
        if at < before {
            return Err(fault(number, "its time lies before the last one's"));
        }
        if events.len() == EVENTS {
            return Err(fault(
                number,
                &format!("there are more than {EVENTS} events"),
            ));
        }
        before = at;
        events.push((at, data));
    }
    Ok(Cast { header, events })
}

fn check(header: &Header) -> Result<(), String> {
    let Header { isolab, .. } = header;
    if header.version != 2 {
        return Err(format!("asciicast {} is not version 2", header.version));
    }
    if !(1..=1000).contains(&header.width) || !(1..=1000).contains(&header.height) {
        return Err("no terminal has that size".to_owned());
    }
    if !(header.idle_time_limit.is_finite() && header.idle_time_limit >= 0.0) {
        return Err("its idle time limit is no time".to_owned());
    }
    let texts = [
        &header.command,
        &isolab.version,
        &isolab.recorded,
        &isolab.cpu,
        &isolab.os,
        &isolab.kernel,
        &isolab.arch,
        &isolab.virtualization,
    ];
    let long = |text: &String| text.len() > 400 || text.chars().any(acts);
    if texts.iter().any(|text| long(text)) || isolab.words.iter().any(long) {
        return Err("it holds a control character or a very long word".to_owned());
    }
    if header.command != format!("isolab {}", isolab.words.join(" ")) {
        return Err("its command and its words differ".to_owned());
    }
    Ok(())
}

/// The name of the file for a recording of `words`. Different commands may have
/// the same; the header tells them apart.
#[must_use]
pub fn file_name(words: &[String]) -> String {
    let mut name = String::new();
    for c in words.join("-").chars() {
        let c = if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        };
        if !(c == '-' && (name.is_empty() || name.ends_with('-'))) {
            name.push(c);
        }
    }
    name.truncate(100);
    format!("{}.cast", name.trim_end_matches('-'))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in crate::demo) fn example(words: &[&str], said: &[(u64, &str)]) -> Cast {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let events = said
            .iter()
            .map(|(ms, data)| (Duration::from_millis(*ms), (*data).to_owned()));
        Cast {
            header: Header {
                version: 2,
                width: 80,
                height: 24,
                timestamp: 1_700_000_000,
                idle_time_limit: 1.0,
                command: format!("isolab {}", words.join(" ")),
                isolab: Provenance {
                    version: "0.1.0".into(),
                    words,
                    recorded: "2023-11-14T22:13:20Z".into(),
                    cpu: "A CPU".into(),
                    cpus: 2,
                    os: "An OS".into(),
                    kernel: "6.1".into(),
                    arch: "x86_64".into(),
                    virtualization: "none".into(),
                    root: false,
                },
            },
            events: events.collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let cast = example(&["doctor"], &[(10, "a\r\n"), (5000, "\u{1b}[1mb")]);
        assert_eq!(parse(cast.to_text().as_bytes()), Ok(cast.clone()));
        assert_eq!(cast.said(), "a\r\n\u{1b}[1mb");
        assert_eq!(
            cast.header.isolab.banner(),
            "RECORDED on A CPU, An OS, Linux 6.1, 2023-11-14"
        );
    }

    #[test]
    fn a_replay_keeps_the_pace_and_cuts_the_pauses() {
        let cast = example(&["doctor"], &[(10, "a"), (400, "b"), (9000, "c")]);
        let due: Vec<u128> = cast.schedule().iter().map(Duration::as_millis).collect();
        assert_eq!(due, [10, 400, 1400]);
    }

    #[test]
    fn a_damaged_recording_is_refused_with_its_line() {
        let good = example(&["doctor"], &[(10, "a"), (20, "b")]).to_text();
        let cases = [
            ("\"version\":2", "\"version\":1", 1, "version 2"),
            (
                "\"version\":2",
                "\"version\":2,\"more\":1",
                1,
                "unknown field",
            ),
            ("\"isolab doctor\"", "\"rm -rf\"", 1, "differ"),
            ("A CPU", "\\u001b[2J", 1, "control"),
            ("[0.01,\"o\"", "[0.01,\"i\"", 2, "output"),
            ("[0.01,", "[-1,", 2, "hour"),
            ("[0.02,", "[0.001,", 3, "before"),
            ("[0.02,", "[", 3, "no event"),
        ];
        for (from, to, line, says) in cases {
            assert!(good.contains(from), "{from}");
            let fault = parse(good.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(
                fault.line == line && fault.why.contains(says),
                "{to}: {fault}"
            );
        }
        assert_eq!(parse(b"").unwrap_err().line, 1);
        assert!(parse(&vec![b' '; SIZE_LIMIT + 1]).is_err());
    }

    #[test]
    fn a_recording_is_filed_under_its_command() {
        let name =
            |words: &[&str]| file_name(&words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>());
        assert_eq!(
            name(&["compare", "--quick", "-o", "a.json"]),
            "compare-quick-o-a-json.cast"
        );
        assert_eq!(name(&["../../etc/passwd"]), "etc-passwd.cast");
        assert!(name(&["x".repeat(500).as_str()]).len() < 120);
    }

    proptest! {
        #[test]
        fn nothing_makes_the_reader_panic_and_what_it_takes_it_writes(
            cut in 0..600usize, junk in ".{0,12}", skip in 0..30usize,
        ) {
            let good = example(&["doctor"], &[(10, "a"), (20, "b\u{1b}]0;x\u{7}")]).to_text();
            let cut = cut.min(good.len());
            prop_assume!(good.is_char_boundary(cut));
            let rest = good.get(cut + skip..).unwrap_or_default();
            let text = format!("{}{junk}{rest}", &good[..cut]);
            if let Ok(cast) = parse(text.as_bytes()) {
                prop_assert!(!cast.header.isolab.banner().chars().any(acts));
                prop_assert_eq!(cast.schedule().len(), cast.events.len());
                prop_assert!(parse(cast.to_text().as_bytes()).is_ok());
            }
        }
    }
}
