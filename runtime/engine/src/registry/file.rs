//! A file by its address, as `ADD` of a Dockerfile asks for one.

use std::io::{Read, Write};
use std::time::Duration;

use super::client::Client;
use super::line::reading;
use super::progress::Progress;
use super::session::leads;
use super::trouble::{Refusal, Trouble, wrong};
use super::url::Url;
use crate::error::{Error, Result};

/// More than any file that a build takes from somewhere, in bytes.
const LONGEST: u64 = 64 << 30;
const MOST_REDIRECTS: usize = 10;
const READ: usize = 128 << 10;

/// A file as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// When it was changed last, where its server says so, in seconds since 1970.
    pub modified: Option<u64>,
}

impl Client {
    /// Fetches what lies at `address`, `http://…` or `https://…`. `begin` is asked for
    /// what it is written to, anew for each attempt. Only the server of `address` is
    /// told who asks, and only where a `login`, a user and a password, is given.
    ///
    /// # Errors
    /// [`Error::Registry`], with the address; [`Error::Invalid`] for what is none.
    pub fn fetch_file<W: Write>(
        &self,
        address: &str,
        login: Option<(&str, &str)>,
        progress: &dyn Progress,
        mut begin: impl FnMut() -> Result<W>,
    ) -> Result<Fetched> {
        let first = Url::parse(address)?;
        let host = first.host.clone();
        let session = &self.session;
        let attempt = || {
            let mut url = first.clone();
            for _ in 0..MOST_REDIRECTS {
                let login = login.filter(|_| url.is_same_server(&first));
                let answer = session.ask_plainly(&url, login)?;
                match answer.status {
                    200 => return self.take(answer, begin()?, progress),
                    301 | 302 | 303 | 307 | 308 => url = leads(&answer)?,
                    _ => return Err(answer.into_refusal()),
                }
            }
            Err(wrong("it leads elsewhere again and again"))
        };
        let fetched = session
            .line
            .while_wanted(progress, || session.patiently(progress, attempt));
        fetched.map_err(|trouble| match trouble {
            // The words for registries do not fit.
            Trouble::Refused(Refusal { status, .. }) => Error::Registry {
                action: format!("fetch {first}"),
                reason: format!("the server answers with HTTP {status}"),
                remedy: None,
            },
            trouble => trouble.about(format!("fetch {first}"), &host),
        })
    }

    fn take(
        &self,
        answer: super::line::Answer,
        mut out: impl Write,
        progress: &dyn Progress,
    ) -> std::result::Result<Fetched, Trouble> {
        let modified = answer.header("last-modified").and_then(seconds_of);
        let promised = answer.length();
        let stall: Duration = self.session.settings.stall;
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; READ];
        let mut bytes = 0;
        loop {
            if progress.is_cancelled() {
                return Err(Trouble::Cancelled);
            }
            let count = reader
                .read(&mut buffer)
                .map_err(|why| reading(&why, stall))?;
            if count == 0 {
                break;
            }
            bytes += count as u64;
            if bytes > LONGEST {
                return Err(wrong(format!("it sends more than {LONGEST} bytes")));
            }
            let written = out.write_all(&buffer[..count]);
            written
                .map_err(|error| Trouble::Local(Error::write("what is fetched".as_ref())(error)))?;
        }
        // A connection that was closed on our side looks like an end.
        if progress.is_cancelled() {
            return Err(Trouble::Cancelled);
        }
        if promised.is_some_and(|promised| promised != bytes) {
            let why = "the connection ended before the file did";
            return Err(Trouble::Unreachable(why.to_owned()));
        }
        Ok(Fetched { modified })
    }
}

/// Seconds since 1970 of an HTTP date, `Sun, 06 Nov 1994 08:49:37 GMT`; none for
/// those before, and for the forms that no server writes any more.
///
/// Source: RFC 9110, section 5.6.7.
fn seconds_of(date: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let words: Vec<&str> = date.split_ascii_whitespace().collect();
    let [_, day, month, year, time, "GMT"] = words[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let (day, year): (u32, u32) = (day.parse().ok()?, year.parse().ok()?);
    // The calendar is humantime's.
    let written = format!("{year:04}-{month:02}-{day:02}T{time}Z");
    let time = humantime::parse_rfc3339(&written).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        // The example of RFC 9110, and `date -u -d … +%s`.
        assert_eq!(
            seconds_of("Sun, 06 Nov 1994 08:49:37 GMT"),
            Some(784_111_777)
        );
        assert_eq!(
            seconds_of("Thu, 29 Feb 2024 00:00:00 GMT"),
            Some(1_709_164_800)
        );
        for none in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 31 Feb 2024 00:00:00 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
        ] {
            assert_eq!(seconds_of(none), None, "{none}");
        }
    }
}
