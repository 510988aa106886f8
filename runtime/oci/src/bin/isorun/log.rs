//! Where errors, warnings and, with --debug, other messages go.
//!
//! An error goes to the standard error always, for people; where there is a file
//! of --log, to that as well, and all else to that alone: the standard error may
//! be the container's. A line each, in the form that logrus gives them, because
//! engines read it: containerd takes the last error of the file, Podman the file
//! as a whole as one JSON object. So warnings wait until it is known that no
//! error follows; who asks for --debug gets all of them before the error, too.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::SystemTime;

use crate::arguments::{Given, Key};
use crate::failure::Failure;
use crate::time;

/// The log of one command.
#[derive(Debug, Default)]
pub(crate) struct Log<'a> {
    file: Option<&'a Path>,
    json: bool,
    debug: bool,
    waiting: Vec<(&'static str, String)>,
}

impl<'a> Log<'a> {
    /// As the global options say; a format that does not exist fails later, in
    /// [`check`](Self::check), since it, too, must be logged.
    pub(crate) fn new(given: &Given<'a>) -> Self {
        Self {
            file: given.path(Key::Log).filter(|p| !p.as_os_str().is_empty()),
            json: given.value(Key::LogFormat) == Some("json"),
            debug: given.flag(Key::Debug),
            waiting: Vec::new(),
        }
    }

    /// Whether the format is one that exists.
    pub(crate) fn check(given: &Given<'_>) -> Result<(), Failure> {
        match given.value(Key::LogFormat) {
            None | Some("text" | "json" | "") => Ok(()),
            Some(other) => Err(Failure::new(
                format!("--log-format: `{other}` is not a format of the log"),
                "write text or json",
            )),
        }
    }

    /// Whether anybody reads what [`debug`](Self::debug) is told.
    pub(crate) fn has_debug(&self) -> bool {
        self.debug
    }

    /// Something that cannot be done as it was asked for.
    pub(crate) fn warn(&mut self, message: impl Into<String>) {
        self.note("warning", message.into());
    }

    /// What is done, for --debug.
    pub(crate) fn debug(&mut self, message: impl FnOnce() -> String) {
        if self.debug {
            self.note("debug", message());
        }
    }

    fn note(&mut self, level: &'static str, message: String) {
        match self.file {
            Some(_) => self.waiting.push((level, message)),
            None if self.json => eprint!("{}", self.entry(level, &message)),
            None => eprintln!("{level}: {message}"),
        }
    }

    /// Writes down why the command failed.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        if self.debug {
            self.flush();
        }
        if let Some(file) = self.file {
            self.append(file, &self.entry("error", &failure.message));
        } else if self.json {
            eprint!("{}", self.entry("error", &failure.message));
            return;
        }
        eprintln!("error: {}", failure.message);
        if let Some(hint) = &failure.hint {
            eprintln!(" hint: {hint}");
        }
    }

    /// Writes down what waited: no error can follow any more.
    pub(crate) fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        let lines: String = waiting
            .iter()
            .map(|(level, message)| self.entry(level, message))
            .collect();
        if let Some(file) = self.file.filter(|_| !lines.is_empty()) {
            self.append(file, &lines);
        }
    }

    /// One line of the log.
    fn entry(&self, level: &str, message: &str) -> String {
        let time = time::seconds(SystemTime::now());
        if self.json {
            let message = serde_json::Value::from(message);
            format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}\n")
        } else {
            format!("time=\"{time}\" level={level} msg={message:?}\n")
        }
    }

    /// One write to a file opened for appending: lines of commands that run at
    /// the same time do not mix.
    fn append(&self, file: &Path, text: &str) {
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            let failure = Failure::file("write to the log", file, &error);
            let _ = writeln!(io::stderr(), "warning: {}", failure.message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(file: &Path, json: bool) -> Log<'_> {
        Log {
            file: Some(file),
            json,
            debug: true,
            ..Log::default()
        }
    }

    #[test]
    fn after_a_failure_the_file_is_one_json_object() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        let mut log = log(&file, true);
        log.debug = false;
        log.warn("a limit is not enforced");
        log.debug(|| "created".to_owned());
        log.fail(&Failure::plain("cannot mount `\"x\"`\n"));
        let text = std::fs::read_to_string(&file).unwrap();
        let entry: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(entry["level"], "error");
        assert_eq!(entry["msg"], "cannot mount `\"x\"`\n");
        assert_eq!(entry["time"].as_str().map(str::len), Some(20));
    }

    #[test]
    fn with_debug_the_failure_is_the_last_of_all_that_was_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        let mut log = log(&file, false);
        log.debug(|| "created".to_owned());
        log.fail(&Failure::plain("cannot start"));
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].ends_with("level=debug msg=\"created\""), "{text}");
        assert!(
            lines[1].ends_with("level=error msg=\"cannot start\""),
            "{text}"
        );
    }

    #[test]
    fn without_a_failure_it_has_the_warnings() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("log");
        let mut log = log(&file, false);
        log.warn("a \"limit\" is not enforced");
        assert!(!file.exists());
        log.flush();
        log.flush();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let ends = " level=warning msg=\"a \\\"limit\\\" is not enforced\"\n";
        assert!(
            text.starts_with("time=\"") && text.ends_with(ends),
            "{text}"
        );
    }
}
