//! What the kernel writes in `/proc`, read: formats that several floors meet.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;

/// When process `pid` started, in clock ticks since boot; `None` where there is
/// none, or it has ended and waits to be reaped.
///
/// # Errors
/// Where that cannot be found out: it may run.
///
/// Source: `proc_pid_stat(5)`, fields 3 and 22.
pub(crate) fn start_time(pid: u32) -> io::Result<Option<u64>> {
    // Of a file of procfs the size is not known before: one read of a page.
    let mut text = [0; 1024];
    let read = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read(&mut text));
    match read {
        Ok(length) => Ok(parse_start_time(&String::from_utf8_lossy(&text[..length]))),
        // The file is missing, or what it is about went while it was open.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse_start_time(stat: &str) -> Option<u64> {
    // The command's name, in parentheses, may itself contain spaces and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// A path as `mountinfo` has it: space, tab, newline and backslash are written
/// as three octal digits, all other bytes as they are.
///
/// Source: `proc_pid_mountinfo(5)`.
pub(crate) fn unescape(field: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

/// Texts of any author, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &str) {
    let _ = parse_start_time(text);
    assert!(unescape(text.as_bytes()).len() <= text.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_one_start_and_one_that_is_gone_has_none() {
        let own = std::process::id();
        let start = start_time(own).unwrap();
        assert!(start.is_some());
        assert_eq!(start_time(own).unwrap(), start);
        assert_eq!(start_time(4_194_305).unwrap(), None); // above pid_max
    }

    #[test]
    fn a_process_may_have_any_name_and_is_gone_when_it_waits_to_be_reaped() {
        let stat =
            |state| format!("7 (a) Z (b ) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0");
        assert_eq!(parse_start_time(&stat("R")), Some(4711));
        assert_eq!(parse_start_time(&stat("Z")), None);
        assert_eq!(parse_start_time("7 (a"), None);
    }

    fn check(field: &str, expected: &[u8]) {
        assert_eq!(unescape(field.as_bytes()).into_vec(), expected, "{field}");
    }

    #[test]
    fn a_path_is_read_back_byte_for_byte() {
        check("/a\\040b\\134", b"/a b\\");
        check("/a\\04", b"/a\\04");
        check("/\\303\\251/é", b"/\xc3\xa9/\xc3\xa9");
    }
}
