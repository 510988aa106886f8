//! What the user is told when a command fails, and the exit status.

use std::error::Error as _;
use std::io;
use std::path::Path;

use isolab_oci::Error;

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What failed and why, on one line.
    pub(crate) message: String,
    /// What can be done about it.
    pub(crate) hint: Option<String>,
    /// The exit status: 1, or 255 where `exec` failed, as runc's.
    pub(crate) status: u8,
}

impl Failure {
    /// One that something can be done about.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::plain(message)
        }
    }

    /// One that speaks for itself.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            status: 1,
        }
    }

    /// A file that does not let us do what we `cannot`, as in `write`.
    pub(crate) fn file(cannot: &str, path: &Path, error: &io::Error) -> Self {
        Self::plain(format!(
            "cannot {cannot} {}: {}",
            path.display(),
            in_words(error)
        ))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            hint: error.hint(),
            ..Self::plain(message(&error))
        }
    }
}

/// An error and what led to it, on one line, in the words that engines look
/// for: Docker and Podman tell a missing program from other failures by them.
pub(crate) fn message(error: &Error) -> String {
    let mut text = error.to_string();
    if let Error::Exec {
        program, source, ..
    } = error
        && source.kind() == io::ErrorKind::NotFound
        && !program.contains('/')
    {
        text.push_str(": executable file not found in $PATH");
    }
    if let Error::State { verb, status, id } = error {
        text.push_str(": ");
        text.push_str(&refusal(verb, status, id));
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {}", in_words(error));
        cause = error.source();
    }
    text
}

/// Why a verb is refused in a state, in runc's words.
fn refusal(verb: &str, status: &str, id: &str) -> String {
    match (verb, status) {
        ("start", "running") => "cannot start an already running container",
        ("start", "stopped") => "cannot start a container that has stopped",
        ("start", _) => return format!("cannot start a container in the {status} state"),
        ("execute a process in", "paused") => {
            "cannot exec in a paused container (use --ignore-paused to override)"
        }
        ("execute a process in", _) => return format!("cannot exec in a {status} container"),
        ("delete", _) => {
            return format!("cannot delete container {id} that is not stopped: {status}");
        }
        ("resume", _) => "container not paused",
        _ => "container not running",
    }
    .to_owned()
}

/// The kernel's answer as Go says it, whose words clients compare: without the
/// number, and not as the beginning of a sentence.
pub(crate) fn in_words(error: &(dyn std::error::Error + 'static)) -> String {
    let text = error.to_string();
    if error.downcast_ref::<io::Error>().is_none() {
        return text;
    }
    let end = text.rfind(" (os error ").unwrap_or(text.len());
    let mut words = text[..end].to_owned();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(program: &str, kind: io::ErrorKind) -> String {
        let error = Error::Exec {
            program: program.to_owned(),
            source: io::Error::from(kind),
            remedy: None,
        };
        Failure::from(error).message
    }

    #[test]
    fn a_missing_program_is_told_in_the_words_that_engines_look_for() {
        let message = exec("fly", io::ErrorKind::NotFound);
        assert!(message.contains("`fly`"), "{message}");
        assert!(
            message.contains("executable file not found in $PATH"),
            "{message}"
        );
        let message = exec("/bin/fly", io::ErrorKind::NotFound);
        assert!(!message.contains("$PATH"), "{message}");
    }

    #[test]
    fn the_kernels_answers_are_told_in_the_words_that_clients_look_for() {
        let errors = [
            (libc::EACCES, ": permission denied"),
            (libc::ENOENT, ": no such file or directory"),
            (libc::ENOEXEC, ": exec format error"),
        ];
        for (errno, words) in errors {
            let error = Error::Exec {
                program: "/bin/fly".to_owned(),
                source: io::Error::from_raw_os_error(errno),
                remedy: None,
            };
            let message = Failure::from(error).message;
            assert!(message.ends_with(words), "{message}");
        }
    }

    #[test]
    fn the_kernels_answer_is_part_of_a_sentence() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let failure = Failure::file("read", "/x".as_ref(), &error);
        assert_eq!(failure.message, "cannot read /x: permission denied");
    }
}
