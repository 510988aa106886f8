//! What `/dev/kvm` is worth here.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::hello::Hello;

/// How long the guest gets: a processor needs a hundredth of it.
pub const BOUND: Duration = Duration::from_secs(1);

/// Below how many instructions per second a guest is interpreted and not executed: processors are
/// tens of times faster, interpreters several times slower.
pub const INTERPRETED_BELOW: f64 = 50e6;

/// The longest answer that is read.
const LONGEST: u64 = 64 << 10;

/// What became of running the smallest guest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "grade", rename_all = "kebab-case")]
pub enum Grade {
    /// There is no such device.
    Absent,
    /// This user may not open it.
    Denied {
        /// What the kernel answered.
        why: String,
    },
    /// It opens, and the guest could not be made or run.
    Fails {
        /// What the kernel answered, or why the guest was left.
        why: String,
    },
    /// The guest was not at its end within the bound, and was killed.
    TimesOut,
    /// It ran, so slowly that no processor executed it.
    Interpreted {
        /// What it did.
        hello: Hello,
    },
    /// A processor executed it.
    Usable {
        /// What it did.
        hello: Hello,
    },
}

impl Grade {
    /// What it did, if it did what it should, at whatever speed.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        match self {
            Self::Interpreted { hello } | Self::Usable { hello } => Some(hello),
            Self::Absent | Self::Denied { .. } | Self::Fails { .. } | Self::TimesOut => None,
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no /dev/kvm"),
            Self::Denied { why } => write!(f, "/dev/kvm does not open: {why}"),
            Self::Fails { why } => write!(f, "/dev/kvm opens, and runs no guest: {why}"),
            Self::TimesOut => write!(
                f,
                "/dev/kvm opens, and a guest of a few instructions was not at its end after {} ms",
                BOUND.as_millis()
            ),
            Self::Interpreted { hello } => write!(
                f,
                "/dev/kvm interprets guests, at {:.1} million instructions per second: no processor \
                 executes them",
                hello.instructions_per_second / 1e6
            ),
            Self::Usable { hello } => write!(
                f,
                "a processor executes guests, at {:.0} million instructions per second",
                hello.instructions_per_second / 1e6
            ),
        }
    }
}

/// Grades the device by a process that calls [`hello`](super::hello) and prints what came of it as
/// a line of JSON, a `Result<Hello, String>`: `command` starts it. It is killed after [`BOUND`].
///
/// # Errors
/// If the process cannot be started.
pub fn grade(command: &mut Command) -> io::Result<Grade> {
    if let Some(closed) = closed(Path::new("/dev/kvm")) {
        return Ok(closed);
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut child = Killed(child);
    let end = Instant::now() + BOUND;
    let mut pause = Duration::from_micros(200);
    while child.0.try_wait()?.is_none() {
        if Instant::now() >= end {
            return Ok(Grade::TimesOut);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    // It is gone, so this ends, and what it said fits into the pipe.
    let mut text = String::new();
    if let Some(out) = child.0.stdout.take() {
        out.take(LONGEST).read_to_string(&mut text)?;
    }
    Ok(of_answer(&text))
}

/// The grade of a device that is not there or does not open.
fn closed(device: &Path) -> Option<Grade> {
    match OpenOptions::new().read(true).write(true).open(device) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Grade::Absent),
        Err(error) => Some(Grade::Denied {
            why: error.to_string(),
        }),
    }
}

fn of_answer(text: &str) -> Grade {
    match serde_json::from_str::<Result<Hello, String>>(text) {
        Ok(Ok(hello)) if hello.said != "hello\n" => Grade::Fails {
            why: format!("it said {:?}", hello.said),
        },
        Ok(Ok(hello)) if hello.instructions_per_second < INTERPRETED_BELOW => {
            Grade::Interpreted { hello }
        }
        Ok(Ok(hello)) => Grade::Usable { hello },
        Ok(Err(why)) => Grade::Fails { why },
        Err(_) => Grade::Fails {
            why: "its process ended without a word".to_owned(),
        },
    }
}

/// A process that does not outlive this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only where it is gone, which is what was wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kvm::Exits;

    fn answer(said: &str, speed: f64) -> String {
        let hello = Hello {
            said: said.to_owned(),
            exits: Exits {
                port: 1007,
                halt: 1,
            },
            created: Duration::from_millis(1),
            first_letter: Duration::from_micros(50),
            per_exit: Duration::from_micros(1),
            instructions_per_second: speed,
            whole: Duration::from_millis(3),
        };
        serde_json::to_string(&Ok::<_, String>(hello)).unwrap()
    }

    #[test]
    fn a_guest_is_graded_by_what_it_did() {
        let usable = of_answer(&answer("hello\n", 3e9));
        assert!(matches!(usable, Grade::Usable { .. }), "{usable:?}");
        let slow = of_answer(&answer("hello\n", 4e6));
        assert!(matches!(slow, Grade::Interpreted { .. }), "{slow:?}");
        for text in [&answer("hell\n", 3e9), "", r#"{"Err":"no"}"#, "{"] {
            let failed = of_answer(text);
            assert!(matches!(failed, Grade::Fails { .. }), "{failed:?}");
        }
    }

    #[test]
    fn no_device_and_one_that_does_not_open_differ() {
        assert_eq!(closed(Path::new("/nowhere/kvm")), Some(Grade::Absent));
        assert!(matches!(closed(Path::new("/")), Some(Grade::Denied { .. })));
        assert_eq!(closed(Path::new("/dev/null")), None);
    }
}
