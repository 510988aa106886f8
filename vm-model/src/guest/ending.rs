//! How the end of a guest is told: the cause first, whoever named it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::port::{ENDED_BY_INIT, Heard};

/// How a kernel says that it gives up.
const PANIC: &[u8] = b"Kernel panic - not syncing: ";

/// How we say that it did.
pub(crate) const PANICKED: &str = "its kernel panicked";

/// Whether a guest that is gone ended as it should: by itself, or by its init.
pub(super) fn is_good(status: ExitStatus, heard: &Heard, shown: &[u8]) -> bool {
    // Where init has told the status, all is known: whoever kills the rest loses nothing.
    let known =
        [Some(ENDED_BY_INIT), Some(0)].contains(&status.code()) || status.signal() == Some(9);
    heard.ended.is_some() && known || status.success() && panic(shown).is_none()
}

/// Why a guest is gone before its time.
pub(super) fn cause(status: ExitStatus, heard: &Heard, shown: &[u8]) -> String {
    if let Some(cause) = panic(shown) {
        return format!("{PANICKED}: {cause}");
    }
    if let Some(errno) = heard.errno {
        let why = io::Error::from_raw_os_error(errno).to_string();
        let why = why.split(" (os error").next().unwrap_or_default();
        return format!("its program cannot be executed: {why}");
    }
    match heard.ended {
        Some((_, code)) => format!("its program ended too early, with status {code}"),
        None if status.success() => "it powered off or restarted too early".to_owned(),
        None => format!("QEMU ended with {status}"),
    }
}

/// The cause of a kernel's panic, if the console tells of one.
fn panic(shown: &[u8]) -> Option<String> {
    let at = shown.windows(PANIC.len()).position(|text| text == PANIC)?;
    let cause = shown[at + PANIC.len()..]
        .split(|byte| *byte == b'\n')
        .next()?;
    Some(String::from_utf8_lossy(cause).trim().to_owned())
}

/// The last `count` lines of `bytes` that are not empty.
pub(super) fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::time::Instant;

    use super::*;

    /// Whether an end is good, and how it would be told.
    fn check(code: i32, said: &str, shown: &str, good: bool, told: &str) {
        let mut listener = super::super::port::Listener::default();
        listener.hear(said.as_bytes(), Instant::now());
        let status = ExitStatus::from_raw(code << 8);
        let heard = listener.heard();
        assert_eq!(is_good(status, heard, shown.as_bytes()), good);
        assert_eq!(cause(status, heard, shown.as_bytes()), told);
    }

    #[test]
    fn init_may_end_its_machine_and_must_say_so() {
        check(
            85,
            "X 0\n",
            "",
            true,
            "its program ended too early, with status 0",
        );
        check(85, "", "", false, "QEMU ended with exit status: 85");
        check(0, "", "", true, "it powered off or restarted too early");
        check(
            1,
            "X 0\n",
            "",
            false,
            "its program ended too early, with status 0",
        );
    }

    #[test]
    fn a_panic_is_a_bad_end_whatever_qemu_says() {
        let shown = "[ 1.0] Kernel panic - not syncing: VFS: no root\r\n[ 1.1] CPU: 0\r\n";
        check(0, "", shown, false, "its kernel panicked: VFS: no root");
    }

    #[test]
    fn a_program_that_is_not_there_is_told_by_the_kernels_word() {
        let told = "its program cannot be executed: No such file or directory";
        check(85, "E 2\nX 127\n", "", true, told);
    }
}
