//! Answers of indexes that are remembered, as HTTP allows.
//!
//! Each is a file of its own below the user's cache, complete or absent, named by a digest of
//! what was asked and who asked: another user of the index, by another name and password, is
//! never shown it. Losing it costs a question.
//!
//! Source: RFC 9111.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::{Answer, Client, Question};
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
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    url: String,
    content_type: String,
    etag: Option<String>,
    modified: Option<String>,
    /// In seconds since 1970.
    fetched: u64,
    until: u64,
    length: u64,
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

/// The page at `url`, of those kinds that are accepted; `None` where there is none.
pub(super) fn page(
    client: &Client,
    cache: &Cache,
    url: &Url,
    accept: &'static str,
) -> Result<Option<Page>, Trouble> {
    let name = name(client, url, accept);
    let settings = client.settings();
    let remembered = read(cache, &name);
    if let Some((head, page)) = &remembered {
        let now = now();
        let is_fresh = (head.fetched..head.until).contains(&now) && !settings.refresh;
        if is_fresh || settings.offline {
            return Ok(Some(page.clone()));
        }
    }
    let mut headers = Vec::new();
    if let Some((head, _)) = &remembered {
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
        if answer.status == 304 {
            return Ok((head(&answer), None));
        }
        let head = head(&answer);
        Ok((head, Some(answer.into_bytes(LONGEST)?)))
    });
    let (head, body) = match asked {
        Ok(found) => found,
        Err(Trouble::Missing(_)) => return Ok(None),
        Err(trouble) => return Err(trouble),
    };
    let (head, body) = match (body, remembered) {
        (Some(body), _) => (head, body),
        (None, Some((old, page))) => (
            Head {
                url: old.url,
                content_type: old.content_type,
                etag: head.etag.or(old.etag),
                modified: head.modified.or(old.modified),
                ..head
            },
            page.body,
        ),
        (None, None) => return Err(Trouble::Failed(304)),
    };
    let final_url = head.url.parse().map_err(Trouble::Wrong)?;
    let content_type = head.content_type.clone();
    write(cache, &name, head, &body);
    Ok(Some(Page {
        url: final_url,
        content_type,
        body,
    }))
}

/// By what was asked, how, and who asked.
fn name(client: &Client, url: &Url, accept: &str) -> String {
    let (user, password) = client.credentials(url).unwrap_or_default();
    let mut digest = Sha256::new();
    for part in ["1", &url.to_text(), accept, &user, &password] {
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

fn read(cache: &Cache, name: &str) -> Option<(Head, Page)> {
    let bytes = cache.read_up_to(name, LONGEST + (64 << 10))?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let head: Head = serde_json::from_slice(&bytes[..end]).ok()?;
    let body = bytes[end + 1..].to_vec();
    (head.length == body.len() as u64).then_some(())?;
    let page = Page {
        url: head.url.parse().ok()?,
        content_type: head.content_type.clone(),
        body,
    };
    Some((head, page))
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
fn write(cache: &Cache, name: &str, mut head: Head, body: &[u8]) {
    if !head.may_stay {
        return;
    }
    head.length = body.len() as u64;
    if let Ok(mut content) = serde_json::to_vec(&head) {
        content.push(b'\n');
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
