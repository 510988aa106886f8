//! Bringing files here: each is checked while it comes, goes on where it was cut off, and has its
//! name only when it is all there and what was promised.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest as Sha2, Sha256, Sha384, Sha512};

use super::client::{Client, Question, Range, at, reading, wrong};
use super::listing::is_plain;
use super::ranges::continues_at;
use super::url::Url;
use crate::cache::new_file;
use crate::catalogue::{Location, Offer};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};
use crate::trouble::Trouble;
use crate::wheel::Digest;

/// The longest file that is fetched where nobody says how long it is, in bytes.
pub(super) const LONGEST: u64 = 16 << 30;

/// Told of each piece that came: its length in bytes; less than nothing where it is fetched again.
pub(super) type Came<'a> = &'a (dyn Fn(i64) + Sync);

/// Brings the file that is offered into `directory`; one of this machine stays where it is.
pub(super) fn fetch(
    client: &Client,
    offer: &Offer,
    directory: &Path,
    came: Came<'_>,
) -> Result<PathBuf> {
    if !is_plain(&offer.file_name) {
        let cause = Refusal::new(format!("{} is no name for a file", shown(&offer.file_name)));
        return Err(Error::BadWheel {
            path: offer.file_name.clone().into(),
            cause,
        });
    }
    let url: Url = match &offer.location {
        Location::Path(path) => {
            check_here(path, offer)?;
            return Ok(path.clone());
        }
        Location::Url(url) => url.parse().map_err(|cause| Error::Index {
            url: crate::redaction::redacted(url),
            cause: Trouble::Wrong(cause),
        })?,
    };
    let destination = directory.join(&offer.file_name);
    let mut part = Part::begin(directory, offer)?;
    client
        .patiently(|| part.go_on(client, &url, offer, came))
        .map_err(at(&url))?;
    part.place(&destination)?;
    Ok(destination)
}

/// A file of this machine is held to what was promised of it, too.
fn check_here(path: &Path, offer: &Offer) -> Result<()> {
    let mut file = File::open(path).map_err(Error::io("open", path))?;
    if offer.digests.is_empty() && offer.size.is_none() {
        return Ok(());
    }
    let mut hashes = Hashes::of(&offer.digests);
    let mut buffer = vec![0; 128 * 1024];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer).map_err(Error::io("read", path))?;
        if count == 0 {
            break;
        }
        hashes.update(&buffer[..count]);
        length += count as u64;
    }
    let refused = |cause| Error::BadWheel {
        path: path.to_owned(),
        cause,
    };
    hashes.check(offer, length).map_err(refused)
}

/// A file that is not all there yet; removed unless it is placed.
struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    hashes: Hashes,
    /// By which the server knows whether it is still the same file.
    etag: Option<String>,
    is_placed: bool,
}

impl Part {
    fn begin(directory: &Path, offer: &Offer) -> Result<Self> {
        fs::create_dir_all(directory).map_err(Error::io("create directory", directory))?;
        let file = new_file(directory, 0o644);
        let (file, path) = file.map_err(Error::io("create a file in", directory))?;
        Ok(Self {
            file,
            path,
            length: 0,
            hashes: Hashes::of(&offer.digests),
            etag: None,
            is_placed: false,
        })
    }

    /// Fetches what is missing.
    fn go_on(
        &mut self,
        client: &Client,
        url: &Url,
        offer: &Offer,
        came: Came<'_>,
    ) -> Result<(), Trouble> {
        let longest = offer.size.unwrap_or(LONGEST);
        // Without a name for this very content, the rest might be another's.
        let etag = self.etag.clone().filter(|_| self.length > 0);
        let headers: Vec<_> = etag.iter().map(|etag| ("if-range", etag.clone())).collect();
        let range = etag.is_some().then_some(Range::From(self.length));
        let question = Question {
            accept: "*/*",
            range,
            headers: &headers,
            ..Question::default()
        };
        let answer = match client.ask(url, &question) {
            Err(Trouble::Failed(416)) => {
                self.start_again(came)?;
                return Err(Trouble::Unreachable(
                    "it does not go on where it was cut off".to_owned(),
                ));
            }
            answer => answer?,
        };
        match answer.status {
            206 if range.is_some() => {
                let (first, length) = continues_at(&answer)?;
                if first != self.length || offer.size.is_some_and(|size| size != length) {
                    return Err(wrong(
                        "it sends another part of the file than was asked for",
                    ));
                }
            }
            200 => self.start_again(came)?,
            _ => return Err(wrong("it sends a part of the file that was not asked for")),
        }
        let promised = answer.length().filter(|_| self.length == 0);
        if let (Some(size), Some(promised)) = (offer.size, promised)
            && answer.header("content-encoding").is_none()
            && size != promised
        {
            let why =
                format!("the file is said to be {size} bytes long, and {promised} would come");
            return Err(Trouble::Lie(Refusal::new(why)));
        }
        let strong = answer.header("etag").filter(|etag| etag.starts_with('"'));
        self.etag = strong.map(str::to_owned);
        let timeout = client.settings().timeout;
        let mut reader = answer.into_reader();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|why| reading(&why, timeout))?;
            if count == 0 {
                break;
            }
            if self.length + count as u64 > longest {
                let why = format!("more than the {longest} bytes come that the file is long");
                return Err(Trouble::Lie(Refusal::new(why)));
            }
            let written = self.file.write_all(&buffer[..count]);
            written.map_err(|why| unwritten(self.path.parent(), &why))?;
            self.hashes.update(&buffer[..count]);
            self.length += count as u64;
            came(i64::try_from(count).unwrap_or(0));
        }
        if let Some(size) = offer.size.filter(|size| *size > self.length) {
            let why = format!("the answer ended after {} of {size} bytes", self.length);
            return Err(Trouble::Unreachable(why));
        }
        self.hashes.check(offer, self.length).map_err(Trouble::Lie)
    }

    fn start_again(&mut self, came: Came<'_>) -> Result<(), Trouble> {
        came(-i64::try_from(self.length).unwrap_or(0));
        let again = self
            .file
            .set_len(0)
            .and_then(|()| self.file.seek(SeekFrom::Start(0)));
        again.map_err(|why| unwritten(self.path.parent(), &why))?;
        self.length = 0;
        self.etag = None;
        self.hashes.start_again();
        Ok(())
    }

    fn place(mut self, destination: &Path) -> Result<()> {
        fs::rename(&self.path, destination)
            .map_err(Error::io("rename the fetched file to", destination))?;
        self.is_placed = true;
        Ok(())
    }
}

/// That what comes cannot be kept in `directory`, which is no fault of who sends it.
pub(super) fn unwritten(directory: Option<&Path>, why: &io::Error) -> Trouble {
    let place = directory.unwrap_or(Path::new(".")).display();
    let full = [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
    ];
    Trouble::Unwritten {
        why: format!("it cannot be written to {place}: {why}"),
        is_full: full.contains(&why.kind()),
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The digests of what came so far, by each algorithm that something was promised by.
struct Hashes {
    sha256: Option<Sha256>,
    sha384: Option<Sha384>,
    sha512: Option<Sha512>,
}

impl Hashes {
    fn of(digests: &[Digest]) -> Self {
        let is = |wanted: fn(&Digest) -> bool| digests.iter().any(wanted);
        Self {
            sha256: is(|digest| matches!(digest, Digest::Sha256(_))).then(Sha256::new),
            sha384: is(|digest| matches!(digest, Digest::Sha384(_))).then(Sha384::new),
            sha512: is(|digest| matches!(digest, Digest::Sha512(_))).then(Sha512::new),
        }
    }

    fn start_again(&mut self) {
        self.sha256 = self.sha256.take().map(|_| Sha256::new());
        self.sha384 = self.sha384.take().map(|_| Sha384::new());
        self.sha512 = self.sha512.take().map(|_| Sha512::new());
    }

    fn update(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.sha256 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha384 {
            hash.update(bytes);
        }
        if let Some(hash) = &mut self.sha512 {
            hash.update(bytes);
        }
    }

    /// Whether all that was promised holds.
    fn check(&self, offer: &Offer, length: u64) -> Result<(), Refusal> {
        if let Some(size) = offer.size.filter(|size| *size != length) {
            let why = format!("the file is said to be {size} bytes long, and is {length}");
            return Err(Refusal::new(why));
        }
        let sha256 = self.sha256.clone().map(Sha2::finalize);
        let sha384 = self.sha384.clone().map(Sha2::finalize);
        let sha512 = self.sha512.clone().map(Sha2::finalize);
        let is = |digest: &Digest| match digest {
            Digest::Sha256(promised) => sha256.is_some_and(|is| is[..] == promised[..]),
            Digest::Sha384(promised) => sha384.is_some_and(|is| is[..] == promised[..]),
            Digest::Sha512(promised) => sha512.is_some_and(|is| is[..] == promised[..]),
        };
        match offer.digests.iter().all(is) {
            true => Ok(()),
            false => Err(Refusal::new(format!(
                "the file is not the one whose digest {} lists",
                offer.origin
            ))),
        }
    }
}

/// A file without a name, gone when it is closed.
pub(super) fn nameless() -> io::Result<File> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!(".isolab-{}-{count}", process::id());
    let path = std::env::temp_dir().join(name);
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_with_what_helps_against_it() {
        let mut full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("opened");
        let why = full.write_all(b"a byte").expect_err("full");
        let trouble = unwritten(Some(Path::new("/some/where")), &why);
        assert!(trouble.to_string().contains("/some/where"), "{trouble}");
        assert!(trouble.hint().contains("make room"), "{}", trouble.hint());
        assert!(!trouble.may_pass());
    }
}
