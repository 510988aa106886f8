//! The predictions: a file of JSON lines that only grows.
//!
//! Each line goes in with one `write(2)` at the end of the file, under a lock, so
//! that two commands never mix. A command that is killed in the middle of a line
//! leaves a torn one: it is reported, skipped and kept, and the next prediction
//! begins a line of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::prediction::{Prediction, Question};
use crate::report::json::check_prediction;
use crate::report::text::shown;
use crate::{hint, places};

/// What each line names.
pub const SCHEMA: &str = "isolab.prediction/1";
/// No notebook is larger, in bytes: some ten thousand predictions.
pub const SIZE_LIMIT: u64 = 4_000_000;

/// The file's name in the data directory.
const NAME: &str = "predictions.jsonl";

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<P> {
    schema: String,
    prediction: P,
}

/// Only as much as tells whose line it is.
#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// What the file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// In the order in which they were made.
    pub made: Vec<Prediction>,
    /// Lines that are no predictions.
    pub skipped: Vec<Skipped>,
}

/// A line that was skipped. It stays in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it, safe to show.
    pub why: String,
}

impl Predictions {
    /// The newest answer to `question` that was given by `moment`, an RFC 3339
    /// time.
    #[must_use]
    pub fn newest(&self, question: Question, moment: &str) -> Option<&Prediction> {
        let mut newest_first = self.made.iter().rev();
        newest_first.find(|made| made.question == question && made.was_made_by(moment))
    }
}

/// Where this user's predictions are; `None` without a home.
#[must_use]
pub fn path() -> Option<PathBuf> {
    Some(places::data()?.join(NAME))
}

/// Adds `prediction` to the user's notebook.
///
/// # Errors
/// If it cannot be written there.
pub fn append(prediction: &Prediction) -> Result<PathBuf> {
    let path = places::make_data()?.join(NAME);
    append_to(&path, prediction).map_err(|error| cannot_keep(&path, &error))?;
    Ok(path)
}

/// Makes sure that predictions can be kept, before anybody is asked for one.
///
/// # Errors
/// If there is no place for them, or no more of them can be added.
pub fn check() -> Result<()> {
    let path = places::make_data()?.join(NAME);
    let opened = super::open(OpenOptions::new().append(true).create(true), &path)
        .and_then(|file| Ok(file.metadata()?.len()));
    let error = match opened {
        Ok(length) if length < SIZE_LIMIT => return Ok(()),
        Ok(_) => too_large(),
        Err(error) => error,
    };
    Err(cannot_keep(&path, &error))
}

fn cannot_keep(path: &Path, error: &io::Error) -> anyhow::Error {
    hint::with(
        format!("cannot keep the prediction in {}: {error}", path.display()),
        "make room or mend its permissions; predictions made before are untouched",
    )
}

/// Reads the user's notebook; one that was never begun is empty.
///
/// # Errors
/// If it is there and cannot be read.
pub fn read() -> Result<Predictions> {
    let Some(path) = path() else {
        return Ok(Predictions::default());
    };
    read_from(&path).with_context(|| format!("cannot read the predictions in {}", path.display()))
}

/// The predictions in the text of a notebook. Whatever the text: lines that are
/// none are named and skipped.
#[must_use]
pub fn parse(text: &[u8]) -> Predictions {
    let mut found = Predictions::default();
    for (number, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        let whole = line.ends_with(b"\n");
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let why = match parse_line(line) {
            Ok(one) if !found.made.iter().any(|known| known.id == one.id) => {
                found.made.push(one);
                continue;
            }
            Ok(_) => "it repeats the id of an earlier one".to_owned(),
            Err(_) if !whole => "it ends too early: writing it was cut short".to_owned(),
            Err(why) => why,
        };
        found.skipped.push(Skipped { line: number, why });
    }
    found
}

fn parse_line(line: &[u8]) -> Result<Prediction, String> {
    let no_line = |error: serde_json::Error| {
        let why = shown(&error.to_string()).into_owned();
        why.chars().take(200).collect::<String>()
    };
    let head: Head = serde_json::from_slice(line).map_err(no_line)?;
    if head.schema != SCHEMA {
        let named: String = shown(&head.schema).chars().take(40).collect();
        return Err(format!("its schema is `{named}`, not `{SCHEMA}`"));
    }
    let line: Line<Prediction> = serde_json::from_slice(line).map_err(no_line)?;
    check_prediction(&line.prediction)?;
    Ok(line.prediction)
}

fn read_from(path: &Path) -> io::Result<Predictions> {
    let file = match super::open(OpenOptions::new().read(true), path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Predictions::default()),
        opened => opened?,
    };
    let mut text = Vec::new();
    file.take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(too_large());
    }
    Ok(parse(&text))
}

fn append_to(path: &Path, prediction: &Prediction) -> io::Result<()> {
    check_prediction(prediction).map_err(io::Error::other)?;
    let line = Line {
        schema: SCHEMA.to_owned(),
        prediction,
    };
    let mut text = serde_json::to_vec(&line)?;
    text.push(b'\n');
    loop {
        let options = &mut OpenOptions::new();
        let mut file = super::open(options.read(true).append(true).create(true), path)?;
        // Until the file is closed, however that comes.
        file.lock()?;
        if is_still_there(&file, path) {
            return write_line(&mut file, text);
        }
        // Removed between opening and locking: a clean came between.
    }
}

fn is_still_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(named)) => (ours.dev(), ours.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn write_line(file: &mut File, mut text: Vec<u8>) -> io::Result<()> {
    let length = file.metadata()?.len();
    if length + text.len() as u64 > SIZE_LIMIT {
        return Err(too_large());
    }
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            // A torn line keeps what it has, and loses nothing of ours.
            text.insert(0, b'\n');
        }
    }
    file.write_all(&text)?;
    file.sync_data()
}

fn too_large() -> io::Error {
    let limit = SIZE_LIMIT / 1_000_000;
    io::Error::other(format!("it is larger than {limit} MB, and no notebook is"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prediction(value: f64, reason: &str) -> Prediction {
        let question = "startup/container/python".parse().unwrap();
        Prediction::now(question, value, Some(70), Some(reason.to_owned()))
    }

    fn notebook() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        (dir, path)
    }

    #[test]
    fn what_is_appended_is_read_in_its_order_and_names_nobody() {
        let (_dir, path) = notebook();
        let made = [
            prediction(0.005, "one"),
            prediction(0.007, "two \"quoted\""),
        ];
        for one in &made {
            append_to(&path, one).unwrap();
        }
        let read = read_from(&path).unwrap();
        assert_eq!(read.made, made);
        assert!(read.skipped.is_empty());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        let keys = [
            "confidence",
            "id",
            "isolab",
            "made",
            "question",
            "reason",
            "value",
        ];
        let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let mut found: Vec<&String> = line["prediction"].as_object().unwrap().keys().collect();
        found.sort();
        assert_eq!(found, keys);
    }

    /// What a kill leaves, at every byte of a line.
    #[test]
    fn a_torn_line_is_reported_skipped_and_kept_and_the_next_one_is_whole() {
        let (_dir, path) = notebook();
        append_to(&path, &prediction(0.005, "first")).unwrap();
        append_to(&path, &prediction(0.006, "torn")).unwrap();
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in first + 1..whole.len() - 1 {
            fs::write(&path, &whole[..cut]).unwrap();
            let read = read_from(&path).unwrap();
            assert_eq!(read.made.len(), 1, "cut at {cut}");
            assert_eq!(read.skipped[0].line, 2);
            assert!(read.skipped[0].why.contains("cut short"));
            append_to(&path, &prediction(0.007, "third")).unwrap();
            let read = read_from(&path).unwrap();
            assert_eq!((read.made.len(), read.skipped.len()), (2, 1));
            assert!(fs::read(&path).unwrap().starts_with(&whole[..cut]));
        }
    }

    #[test]
    fn many_writers_at_once_lose_nothing() {
        let (_dir, path) = notebook();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        append_to(&path, &prediction(0.005, "racing")).unwrap();
                    }
                });
            }
        });
        let read = read_from(&path).unwrap();
        assert_eq!((read.made.len(), read.skipped.len()), (200, 0));
    }

    #[test]
    fn a_foreign_or_forged_line_is_named_and_the_rest_is_read() {
        let good = |value| {
            let line = Line {
                schema: SCHEMA.to_owned(),
                prediction: prediction(value, "good"),
            };
            serde_json::to_string(&line).unwrap()
        };
        let bad = good(1.0).replace("70", "700");
        let newer = good(1.0).replace("prediction/1", "prediction/2\\u001b[2J");
        let extra = good(1.0).replace("\"value\"", "\"user\":\"me\",\"value\"");
        let text = [
            &good(1.0),
            "rubbish \u{1b}]0;x\u{7}",
            &bad,
            &newer,
            &extra,
            "[[[",
            &good(2.0),
        ]
        .join("\n")
            + "\n";
        let read = parse(text.as_bytes());
        assert_eq!(read.made.len(), 2);
        let lines: Vec<usize> = read.skipped.iter().map(|skipped| skipped.line).collect();
        assert_eq!(lines, [2, 3, 4, 5, 6]);
        assert!(read.skipped[2].why.contains("isolab.prediction/2"));
        assert!(
            read.skipped
                .iter()
                .all(|s| !s.why.contains(char::is_control))
        );
    }

    #[test]
    fn a_link_a_pipe_or_an_endless_file_is_refused() {
        let (dir, path) = notebook();
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &path).unwrap();
        assert!(append_to(&path, &prediction(0.005, "x")).is_err());
        assert!(!dir.path().join("elsewhere").exists());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(read_from(&path).is_err());
        fs::remove_file(&path).unwrap();
        File::create(&path)
            .unwrap()
            .set_len(SIZE_LIMIT + 1)
            .unwrap();
        assert!(read_from(&path).unwrap_err().to_string().contains("larger"));
        assert!(append_to(&path, &prediction(0.005, "x")).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let read = parse(&bytes);
            prop_assert!(read.skipped.iter().all(|s| !s.why.contains(char::is_control)));
        }

        #[test]
        fn any_prediction_comes_back_as_it_was_written(
            value in 1e-12..1e18f64, confidence in prop::option::of(0..=100u8), reason in "[^\\p{C}\u{2028}\u{2029}]{1,60}",
        ) {
            let (_dir, path) = notebook();
            let mut one = prediction(value, &reason);
            one.confidence = confidence;
            append_to(&path, &one).unwrap();
            prop_assert_eq!(read_from(&path).unwrap().made, [one]);
        }
    }
}
