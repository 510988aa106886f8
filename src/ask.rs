//! The first correct answer of a server that was just started.
//!
//! The server says on its standard output where it serves, and may stand in a network of its
//! own. So a process of ours reads what it says, enters its user and network namespaces, asks it
//! there as any client would, and writes the ready byte in its place. One in a guest is asked
//! through a port of this machine.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, ExitCode, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::Value;

use crate::guard;
use crate::loopback;
use crate::program::library::{BOOKS, PAGE};

/// The verb, which is none of the user's.
const VERB: &str = "__ask";
/// The longest that a server may say where it serves, in bytes.
const LONGEST: u64 = 4096;

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server's process
    pid: i32,
}

/// Reads on standard input where the Library serves, asks it there, and writes `R` if the answer
/// is right.
///
/// # Errors
/// If its namespaces cannot be entered, it ends first, or answers anything else.
///
/// Source: `setns(2)`: who made a user namespace may enter it, and with it the others that it
/// owns; only a process of one thread may.
pub fn run(args: &Args) -> Result<ExitCode> {
    enter(args.pid)?;
    let mut line = String::new();
    BufReader::new(io::stdin().take(LONGEST))
        .read_line(&mut line)
        .context("cannot read where it serves")?;
    let port = port(&line).context("it ended before it served")?;
    ask(port)?;
    let mut stdout = io::stdout();
    stdout
        .write_all(b"R")
        .and_then(|()| stdout.flush())
        .context("cannot pass on that it answered")?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the Library on `port` of this machine.
///
/// # Errors
/// If it does not answer, or answers anything but its books.
pub fn ask(port: u16) -> Result<()> {
    check(&loopback::get(port, PAGE)?)
}

/// Starts a process that asks the server of `pid`, whose standard output is `said`, and writes
/// the ready byte to `ready`.
///
/// # Errors
/// If it cannot be started.
pub fn of(pid: i32, said: OwnedFd, ready: OwnedFd) -> Result<Child> {
    let own = std::env::current_exe().context("cannot name this program's own file")?;
    let mut command = guard::command(&own)?;
    command.args([VERB, &pid.to_string()]);
    command.stdin(said).stdout(ready).stderr(Stdio::piped());
    command.spawn().context("cannot start a process that asks")
}

/// Enters the user and network namespaces of `pid`, as far as they are not our own.
fn enter(pid: i32) -> Result<()> {
    let kinds = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("net", CloneFlags::CLONE_NEWNET),
    ];
    let mut entered = Vec::new();
    for (kind, flag) in kinds {
        let theirs = format!("/proc/{pid}/ns/{kind}");
        let read = |path: &str| fs::read_link(path).with_context(|| format!("cannot read {path}"));
        if read(&theirs)? != read(&format!("/proc/self/ns/{kind}"))? {
            let file = File::open(&theirs).with_context(|| format!("cannot open {theirs}"))?;
            entered.push((file, flag, kind));
        }
    }
    for (file, flag, kind) in entered {
        setns(&file, flag)
            .with_context(|| format!("cannot enter the {kind} namespace of {pid}"))?;
    }
    Ok(())
}

/// The port in `serving on http://HOST:PORT/`.
#[must_use]
pub fn port(line: &str) -> Option<u16> {
    let address = line.trim_end().strip_suffix('/')?;
    let (before, port) = address.rsplit_once(':')?;
    before.starts_with("serving on http://").then_some(())?;
    port.parse().ok()
}

/// Whether `answer` lists the books that are in the tables, in JSON.
fn check(answer: &str) -> Result<()> {
    let titles = |books: &str, title: fn(&Value) -> &Value| -> Option<Vec<String>> {
        let books: Vec<Value> = serde_json::from_str(books).ok()?;
        let of = |book| title(book).as_str().map(str::to_owned);
        let mut titles: Vec<String> = books.iter().map(of).collect::<Option<_>>()?;
        titles.sort(); // the Library lists them in an order of its own
        Some(titles)
    };
    let listed = titles(answer, |book| &book["title"]);
    let right = titles(BOOKS, |book| &book["fields"]["title"]);
    ensure!(
        listed.is_some() && listed == right,
        "{PAGE} does not list the Library's books"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_what_the_library_says() {
        assert_eq!(port("serving on http://127.0.0.1:8000/\n"), Some(8000));
        for other in [
            "",
            "serving",
            "serving on http://127.0.0.1:x/",
            "http://a:1/",
        ] {
            assert_eq!(port(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_librarys_own_books_are_a_correct_answer() {
        let books = |words: &[&str]| {
            let books = words
                .iter()
                .map(|w| format!("{{\"id\": 1, \"title\": \"{w}\"}}"));
            format!("[{}]", books.collect::<Vec<_>>().join(","))
        };
        let three = [
            "The Linux Programming Interface",
            "The Rust Programming Language",
            "Operating Systems: Three Easy Pieces",
        ];
        assert!(check(&books(&three)).is_ok());
        assert!(check(&books(&three[..2])).is_err());
        assert!(check(&books(&["a", "b", "c"])).is_err());
        assert!(check("<!doctype html>").is_err());
        assert!(check("[]").is_err());
    }
}
