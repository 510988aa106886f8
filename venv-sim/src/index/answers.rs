//! Answers of indexes that are remembered, as HTTP allows.
//!
//! Each is a file of its own below the user's cache, complete or absent, named by a digest of
//! what was asked and who asked: another user of the index, by another name and password, is
//! never shown it. Losing it costs a question. In the file are what is remembered of the answer,
//! the page condensed, and the page: written at once, so that none is ever another's.
//!
//! Source: RFC 9111.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Crc;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::{Answer, Client, Question, wrong};
use super::url::Url;
use crate::cache::Cache;
use crate::trouble::Trouble;

/// A page, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    /// Who answered, after all redirects: what its links are joined to.
    pub(super) url: Url,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

/// What is remembered of an answer beside its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Head {
    url: String,
    content_type: String,
    etag: Option<String>,
    modified: Option<String>,
    /// In seconds since 1970.
    fetched: u64,
    until: u64,
    length: u64,
    /// The length of what was condensed, which stands before the body, and its checksum.
    condensed: u64,
    checksum: u32,
    /// Whether it may be kept at all.
    #[serde(skip)]
    may_stay: bool,
}

/// Where answers are, in the cache.
pub(super) const PLACE: &str = "index";
/// The longest page that is read, in bytes: the longest of the public index have about 20 MB.
pub(super) const LONGEST: u64 = 64 << 20;
/// However long a server allows, in seconds.
const LONGEST_AGE: u64 = 24 * 3600;

/// What is made of a page, and the same condensed, where that is less to read.
pub(super) type Made<T> = (T, Option<Vec<u8>>);

/// What somebody makes of a page, and how it is remembered beside the page.
pub(super) struct Reading<'a, T> {
    /// Makes it.
    pub(super) make: &'a dyn Fn(&Page) -> Result<Made<T>, Trouble>,
    /// Makes it of what was condensed; `None` where that is not, or no longer, what `make` gives.
    pub(super) open: &'a dyn Fn(Vec<u8>) -> Option<T>,
}

/// What `reading` makes of the page at `url`, of those kinds that are accepted; `None` where there
/// is no page.
pub(super) fn read<T>(
    client: &Client,
    cache: &Cache,
    url: &Url,
    accept: &'static str,
    reading: &Reading<'_, T>,
) -> Result<Option<T>, Trouble> {
    let name = name(client, url, accept);
    let Some(mut found) = find(client, cache, url, accept, &name)? else {
        return Ok(None);
    };
    if let Some(condensed) = found.condensed()
        && let Some(made) = (reading.open)(condensed.clone())
    {
        if let Found::Renewed(head, remembered) = found
            && let Some(body) = remembered.body()
        {
            write(cache, &name, head, &condensed, &body);
        }
        return Ok(Some(made));
    }
    let is_new = !matches!(found, Found::Kept(_));
    let (head, page) = found.into_page()?;
    let (made, condensed) = (reading.make)(&page)?;
    if is_new || condensed.is_some() {
        let condensed = condensed.unwrap_or_default();
        write(cache, &name, head, &condensed, &page.body);
    }
    Ok(Some(made))
}

/// A page, from wherever it came.
enum Found {
    /// It is remembered, and nobody had to be asked.
    Kept(Remembered),
    /// It is remembered, and still the same: with what is to be remembered from now on.
    Renewed(Head, Remembered),
    /// It came.
    New(Head, Page),
}

impl Found {
    /// What was condensed of it, taken out.
    fn condensed(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Kept(remembered) | Self::Renewed(_, remembered) => remembered.condensed.take(),
            Self::New(..) => None,
        }
    }

    /// The page itself, and what is to be remembered of it.
    fn into_page(self) -> Result<(Head, Page), Trouble> {
        let (head, remembered) = match self {
            Self::New(head, page) => return Ok((head, page)),
            Self::Renewed(head, remembered) => (head, remembered),
            Self::Kept(mut remembered) => {
                remembered.head.may_stay = true;
                (remembered.head.clone(), remembered)
            }
        };
        let body = remembered.body();
        let body = body.ok_or_else(|| wrong("what is remembered of it cannot be read"))?;
        let page = Page {
            url: head.url.parse().map_err(Trouble::Wrong)?,
            content_type: head.content_type.clone(),
            body,
        };
        Ok((head, page))
    }
}

fn find(
    client: &Client,
    cache: &Cache,
    url: &Url,
    accept: &'static str,
    name: &str,
) -> Result<Option<Found>, Trouble> {
    let settings = client.settings();
    let remembered = recall(cache, name);
    let mut headers = Vec::new();
    if let Some(Remembered { head, .. }) = &remembered {
        let is_fresh = (head.fetched..head.until).contains(&now()) && !settings.refresh;
        if is_fresh || settings.offline {
            return Ok(remembered.map(Found::Kept));
        }
        let etag = head.etag.clone().map(|etag| ("if-none-match", etag));
        let modified = head
            .modified
            .clone()
            .map(|time| ("if-modified-since", time));
        headers.extend(etag.or(modified));
    }
    let question = Question {
        accept,
        packed: true,
        headers: &headers,
        ..Question::default()
    };
    let asked = client.patiently(|| {
        let answer = client.ask(url, &question)?;
        let head = head(&answer);
        match answer.status {
            304 => Ok((head, None)),
            _ => Ok((head, Some(answer.into_bytes(LONGEST)?))),
        }
    });
    match (asked, remembered) {
        (Err(Trouble::Missing(_)), _) => Ok(None),
        (Err(trouble), _) => Err(trouble),
        (Ok((head, Some(body))), _) => {
            let page = Page {
                url: head.url.parse().map_err(Trouble::Wrong)?,
                content_type: head.content_type.clone(),
                body,
            };
            Ok(Some(Found::New(head, page)))
        }
        (Ok((head, None)), Some(remembered)) => {
            let old = &remembered.head;
            let head = Head {
                url: old.url.clone(),
                content_type: old.content_type.clone(),
                etag: head.etag.or(old.etag.clone()),
                modified: head.modified.or(old.modified.clone()),
                ..head
            };
            Ok(Some(Found::Renewed(head, remembered)))
        }
        (Ok((_, None)), None) => Err(Trouble::Failed(304)),
    }
}

/// By what was asked, how, and who asked.
fn name(client: &Client, url: &Url, accept: &str) -> String {
    let (user, password) = client.credentials(url).unwrap_or_default();
    let mut digest = Sha256::new();
    for part in ["2", &url.to_text(), accept, &user, &password] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    let hex: String = digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{PLACE}/{}/{}", &hex[..2], &hex[2..])
}

fn head(answer: &Answer) -> Head {
    let now = now();
    let lifetime = lifetime(answer.header("cache-control"), answer.header("age"));
    Head {
        url: answer.url.to_text(),
        content_type: answer.content_type(),
        etag: answer.header("etag").map(str::to_owned),
        modified: answer.header("last-modified").map(str::to_owned),
        fetched: now,
        until: now + lifetime.unwrap_or(0),
        length: 0,
        condensed: 0,
        checksum: 0,
        may_stay: lifetime.is_some(),
    }
}

/// How long it may be used without asking again; `None` where it may not be kept at all.
fn lifetime(control: Option<&str>, age: Option<&str>) -> Option<u64> {
    let control = control.unwrap_or_default().to_lowercase();
    let directives: Vec<&str> = control.split(',').map(str::trim).collect();
    if directives.contains(&"no-store") {
        return None;
    }
    if directives
        .iter()
        .any(|directive| directive.starts_with("no-cache"))
    {
        return Some(0);
    }
    let of = |directive: &&str| {
        directive
            .strip_prefix("max-age=")?
            .trim_matches('"')
            .parse()
            .ok()
    };
    let most: u64 = directives.iter().find_map(of).unwrap_or(0);
    let age = age.and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(most.saturating_sub(age).min(LONGEST_AGE))
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// What is remembered of an answer; of the page itself nothing is read yet.
struct Remembered {
    head: Head,
    /// Only as it was written.
    condensed: Option<Vec<u8>>,
    file: File,
}

impl Remembered {
    fn body(&self) -> Option<Vec<u8>> {
        let mut body = vec![0; usize::try_from(self.head.length).ok()?];
        // It stands last, and `recall` saw that the file is as long as that.
        let start = self.file.metadata().ok()?.len() - self.head.length;
        self.file.read_exact_at(&mut body, start).ok()?;
        Some(body)
    }
}

/// So much is read at once, in bytes: most of what is condensed is shorter.
const FIRST: u64 = 128 << 10;

fn recall(cache: &Cache, name: &str) -> Option<Remembered> {
    let (mut file, size) = cache.open(name, 2 * LONGEST)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(FIRST)).ok()?);
    (&mut file).take(FIRST).read_to_end(&mut bytes).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
    bytes.drain(..=end);
    let whole = (end as u64 + 1)
        .checked_add(head.condensed)?
        .checked_add(head.length)?;
    (whole == size).then_some(())?;
    let missing = head.condensed.saturating_sub(bytes.len() as u64);
    file.by_ref().take(missing).read_to_end(&mut bytes).ok()?;
    bytes.truncate(usize::try_from(head.condensed).ok()?);
    let is_whole = head.condensed > 0 && checksum(&bytes) == head.checksum;
    Some(Remembered {
        head,
        condensed: is_whole.then_some(bytes),
        file,
    })
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Whether the answer in the file at `path` may still be used without asking.
pub(super) fn is_fresh(path: &Path) -> bool {
    const LONGEST_HEAD: u64 = 64 << 10;
    let head = File::open(path).and_then(|file| {
        let mut line = Vec::new();
        BufReader::new(file.take(LONGEST_HEAD)).read_until(b'\n', &mut line)?;
        Ok(line)
    });
    let head = head
        .ok()
        .and_then(|line| serde_json::from_slice::<Head>(&line).ok());
    head.is_some_and(|head| (head.fetched..head.until).contains(&now()))
}

/// A cache that cannot be written costs time, nothing else.
fn write(cache: &Cache, name: &str, mut head: Head, condensed: &[u8], body: &[u8]) {
    if !head.may_stay {
        return;
    }
    head.length = body.len() as u64;
    head.condensed = condensed.len() as u64;
    head.checksum = checksum(condensed);
    if let Ok(mut content) = serde_json::to_vec(&head) {
        content.push(b'\n');
        content.extend_from_slice(condensed);
        content.extend_from_slice(body);
        let _ = cache.write(name, &content, 0o600);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lives_as_long_as_its_head_says() {
        // RFC 9111, 5.2.2 and 4.2.3.
        for (control, age, lives) in [
            (None, None, Some(0)),
            (Some("max-age=600, public"), None, Some(600)),
            (Some("public, max-age=\"600\""), Some("200"), Some(400)),
            (Some("max-age=600"), Some("700"), Some(0)),
            (Some("max-age=600, no-cache"), None, Some(0)),
            (Some("Max-Age=600, No-Store"), None, None),
            (Some("max-age=99999999999"), None, Some(LONGEST_AGE)),
            (Some("max-age=soon"), None, Some(0)),
        ] {
            assert_eq!(lifetime(control, age), lives, "{control:?} {age:?}");
        }
    }
}
