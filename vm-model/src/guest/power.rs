//! The power button of a guest whose init is its own: what a distribution's takes for the word to
//! shut down.
//!
//! Source: QEMU's `docs/interop/qmp-spec.txt`, `qapi/machine.json`: `system_powerdown`.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest line that is read.
const LONGEST: u64 = 64 << 10;

/// Presses it, by the socket on which QEMU takes commands. What the guest makes of it, it shows.
///
/// # Errors
/// If nobody answers there, or not as QEMU does.
pub fn press(qmp: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(qmp)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    expect(&mut lines, "QMP")?;
    for command in ["qmp_capabilities", "system_powerdown"] {
        writeln!(stream, "{{\"execute\":\"{command}\"}}")?;
        expect(&mut lines, "return")?;
    }
    Ok(())
}

/// Reads lines until one has `key`; events may stand before it.
fn expect(lines: &mut BufReader<UnixStream>, key: &str) -> io::Result<()> {
    loop {
        let mut line = String::new();
        lines.by_ref().take(LONGEST).read_line(&mut line)?;
        let message: serde_json::Value = serde_json::from_str(&line)?;
        if message.get(key).is_some() {
            return Ok(());
        }
        if message.get("event").is_none() {
            return Err(io::Error::other(format!("QEMU answered {}", line.trim())));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What comes of pressing where QEMU says `greeting` and answers each command with `answer`.
    fn pressed(greeting: &'static str, answer: &'static str) -> (bool, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        let qemu = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            writeln!(stream, "{greeting}").unwrap();
            let mut heard = Vec::new();
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                heard.push(line.unwrap());
                let _ = writeln!(stream, "{answer}");
            }
            heard
        });
        let done = press(&path).is_ok();
        (done, qemu.join().unwrap())
    }

    #[test]
    fn it_is_pressed_after_qemu_was_greeted() {
        let greeting = r#"{"QMP": {"version": {}, "capabilities": []}}"#;
        let event = "{\"event\": \"POWERDOWN\"}\n{\"return\": {}}";
        let (done, heard) = pressed(greeting, event);
        assert!(done);
        let words = ["qmp_capabilities", "system_powerdown"];
        assert_eq!(
            heard,
            words.map(|word| format!("{{\"execute\":\"{word}\"}}"))
        );
    }

    #[test]
    fn who_does_not_answer_as_qemu_is_none() {
        let greeting = r#"{"QMP": {}}"#;
        for (greeting, answer) in [
            ("hello", ""),
            (greeting, r#"{"error": {}}"#),
            (greeting, ""),
        ] {
            assert!(!pressed(greeting, answer).0);
        }
        assert!(press(Path::new("/nonexistent")).is_err());
    }
}
