//! Signals by name or number, as `isorun kill` takes them.

use crate::failure::Failure;

/// Names without `SIG`, and the kernel's numbers (`signal(7)`).
const NAMES: [(&str, i32); 36] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
    ("RTMIN", FIRST_REAL_TIME),
    ("RTMAX", LAST),
];

/// The kernel has 32 as its first; libc keeps two for itself, and Docker and
/// Kubernetes count from here.
const FIRST_REAL_TIME: i32 = 34;
const LAST: i32 = 64;

/// Reads `15`, `TERM`, `sigterm` or `RTMIN+3`.
///
/// 0 is no signal but may be sent: the kernel then says whether it could be.
pub(crate) fn number(text: &str) -> Result<i32, Failure> {
    let unknown = || {
        Failure::new(
            format!("unknown signal \"{text}\""),
            "signals are named as in signal(7), with or without SIG, or given by number, 0 to 64",
        )
    };
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let number = text.parse().ok().filter(|n| (0..=LAST).contains(n));
        return number.ok_or_else(unknown);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let sign = name.find(['+', '-']).unwrap_or(name.len());
    let (name, offset) = name.split_at(sign);
    let base = NAMES.iter().find(|n| n.0 == name).ok_or_else(unknown)?.1;
    let real_time = (FIRST_REAL_TIME..=LAST).contains(&base);
    let offset: i32 = match offset {
        "" => 0,
        text if real_time => text.parse().map_err(|_| unknown())?,
        _ => return Err(unknown()),
    };
    let number = base.checked_add(offset);
    let valid = number.filter(|n| offset == 0 || (FIRST_REAL_TIME..=LAST).contains(n));
    valid.ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_mean_the_same() {
        for text in ["15", "TERM", "SIGTERM", "term", "sigterm", "SigTerm"] {
            assert_eq!(number(text).unwrap(), 15, "{text}");
        }
        assert_eq!(number("0").unwrap(), 0);
        assert_eq!(number("KILL").unwrap(), 9);
        assert_eq!(number("SIGRTMIN+3").unwrap(), 37);
        assert_eq!(number("rtmin").unwrap(), 34);
        assert_eq!(number("RTMAX-1").unwrap(), 63);
        assert_eq!(number("64").unwrap(), 64);
    }

    #[test]
    fn what_is_no_signal_is_refused_by_name() {
        for text in [
            "FOO", "SIG", "", "65", "-1", "TERM+1", "RTMIN+99", "RTMAX+1", "RTMIN-1", "9x",
        ] {
            let failure = number(text).expect_err(text);
            assert!(
                failure.message.contains("unknown signal"),
                "{}",
                failure.message
            );
        }
    }
}
