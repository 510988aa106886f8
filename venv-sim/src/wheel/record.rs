//! `RECORD`: a line for each file, with its digest and its size.
//!
//! In a wheel it is the promise that installing checks. In an environment it is the list of what
//! uninstalling removes, where a path may lead upwards, to `bin` say.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::refusal::{Refusal, shown};

/// The lines of a RECORD, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// One for each file.
    pub entries: Vec<Entry>,
}

/// One line: a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path from the directory that holds the `.dist-info`, with `/`.
    pub path: String,
    /// What its content has to be; none for RECORD itself, and for bytecode.
    pub digest: Option<Digest>,
    /// Its size in bytes, where the line says.
    pub size: Option<u64>,
}

/// A digest by one of the algorithms that may vouch for a file: SHA-256 and longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Digest {
    /// SHA-256.
    Sha256([u8; 32]),
    /// SHA-384.
    Sha384([u8; 48]),
    /// SHA-512.
    Sha512([u8; 64]),
}

impl Record {
    /// Reads the lines.
    ///
    /// # Errors
    /// A line that has no path, is no CSV, has an unreadable digest or size, or a digest by an
    /// algorithm too weak to vouch for anything (the specification forbids MD5 and SHA-1).
    pub fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text);
        let mut entries = Vec::new();
        for (line, row) in (1..).zip(reader.records()) {
            let refused =
                |why: &dyn fmt::Display| Refusal::new(format!("line {line} of its RECORD: {why}"));
            let row = row.map_err(|_| refused(&"it is not text of comma-separated values"))?;
            let field = |index| row.get(index).filter(|field| !field.is_empty());
            let Some(path) = field(0) else {
                return Err(refused(&"it names no file"));
            };
            let digest = field(1).map(Digest::from_str).transpose();
            let size = field(2).map(str::parse).transpose();
            entries.push(Entry {
                path: path.to_owned(),
                digest: digest.map_err(|why| refused(&why))?,
                size: size.map_err(|_| refused(&"its size is no number"))?,
            });
        }
        Ok(Self { entries })
    }

    /// The text to write.
    #[must_use]
    pub fn to_text(&self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(false)
            .from_writer(Vec::new());
        for entry in &self.entries {
            let digest = entry
                .digest
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            let size = entry.size.map(|size| size.to_string()).unwrap_or_default();
            // Into memory, three fields each: neither can fail.
            let _ = writer.write_record([&entry.path, &digest, &size]);
        }
        writer.into_inner().unwrap_or_default()
    }
}

impl Digest {
    /// Whether it is that of `content`.
    #[must_use]
    pub fn is_of(&self, content: &[u8]) -> bool {
        match self {
            Self::Sha256(digest) => Sha256::digest(content)[..] == digest[..],
            Self::Sha384(digest) => Sha384::digest(content)[..] == digest[..],
            Self::Sha512(digest) => Sha512::digest(content)[..] == digest[..],
        }
    }

    /// Reads the digest by `algorithm` in hexadecimal, as indexes and lists of requirements write
    /// it.
    ///
    /// # Errors
    /// Another algorithm than SHA-256, SHA-384 and SHA-512, or another length than its own.
    pub fn from_hex(algorithm: &str, hex: &str) -> Result<Self, Refusal> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let pairs = hex.as_bytes().chunks(2).map(|pair| match pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        let bytes = bytes
            .ok_or_else(|| Refusal::new(format!("the digest {} is not hexadecimal", shown(hex))))?;
        format!("{algorithm}={}", URL_SAFE_NO_PAD.encode(bytes)).parse()
    }

    /// What reads a content piece by piece to learn whether the digest is its own.
    pub(crate) fn checker(&self) -> Checker {
        match self {
            Self::Sha256(digest) => Checker::Sha256(Sha256::new(), *digest),
            Self::Sha384(digest) => Checker::Sha384(Sha384::new(), *digest),
            Self::Sha512(digest) => Checker::Sha512(Sha512::new(), *digest),
        }
    }

    /// The digests of a content, by the algorithms of those in `like`, from one reading of it:
    /// however many digests it is to be compared with, it is hashed once by each algorithm.
    ///
    /// # Errors
    /// Those of reading.
    pub(crate) fn read_from(mut content: impl Read, like: &[&Self]) -> io::Result<Vec<Self>> {
        let is_like = |algorithm: fn(&&&Self) -> bool| like.iter().any(|one| algorithm(&one));
        let mut sha256 = is_like(|one| matches!(one, Self::Sha256(_))).then(Sha256::new);
        let mut sha384 = is_like(|one| matches!(one, Self::Sha384(_))).then(Sha384::new);
        let mut sha512 = is_like(|one| matches!(one, Self::Sha512(_))).then(Sha512::new);
        let mut buffer = vec![0; 128 * 1024];
        loop {
            let piece = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => &buffer[..count],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if let Some(state) = &mut sha256 {
                state.update(piece);
            }
            if let Some(state) = &mut sha384 {
                state.update(piece);
            }
            if let Some(state) = &mut sha512 {
                state.update(piece);
            }
        }
        let found = [
            sha256.map(|state| Self::Sha256(state.finalize().into())),
            sha384.map(|state| Self::Sha384(state.finalize().into())),
            sha512.map(|state| Self::Sha512(state.finalize().into())),
        ];
        Ok(found.into_iter().flatten().collect())
    }

    /// The digest in hexadecimal, as indexes and lists of requirements write it.
    #[must_use]
    pub fn hex(&self) -> String {
        let bytes = match self {
            Self::Sha256(digest) => &digest[..],
            Self::Sha384(digest) => &digest[..],
            Self::Sha512(digest) => &digest[..],
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The SHA-256 of `content`, which is what is written.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self::Sha256(Sha256::digest(content).into())
    }
}

/// A digest that is being compared with a content.
pub(crate) enum Checker {
    Sha256(Sha256, [u8; 32]),
    Sha384(Sha384, [u8; 48]),
    Sha512(Sha512, [u8; 64]),
}

impl Checker {
    pub(crate) fn read(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(state, _) => state.update(piece),
            Self::Sha384(state, _) => state.update(piece),
            Self::Sha512(state, _) => state.update(piece),
        }
    }

    /// Whether what was read is what the digest is of.
    pub(crate) fn agrees(self) -> bool {
        match self {
            Self::Sha256(state, digest) => state.finalize()[..] == digest[..],
            Self::Sha384(state, digest) => state.finalize()[..] == digest[..],
            Self::Sha512(state, digest) => state.finalize()[..] == digest[..],
        }
    }
}

impl FromStr for Digest {
    type Err = Refusal;

    /// Reads `sha256=` and the digest in URL-safe base 64 without padding.
    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused = |why: &str| Refusal::new(format!("the digest {} {why}", shown(text)));
        let (algorithm, encoded) = text
            .split_once('=')
            .ok_or_else(|| refused("names no algorithm"))?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
        let bytes = bytes.map_err(|_| refused("is not base 64"))?;
        let length = || refused("has another length than its algorithm's");
        match algorithm {
            "sha256" => Ok(Self::Sha256(bytes.try_into().map_err(|_| length())?)),
            "sha384" => Ok(Self::Sha384(bytes.try_into().map_err(|_| length())?)),
            "sha512" => Ok(Self::Sha512(bytes.try_into().map_err(|_| length())?)),
            _ => Err(refused("is by none of sha256, sha384 and sha512")),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bytes) = match self {
            Self::Sha256(digest) => ("sha256", &digest[..]),
            Self::Sha384(digest) => ("sha384", &digest[..]),
            Self::Sha512(digest) => ("sha512", &digest[..]),
        };
        write!(f, "{name}={}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_with_quotes_and_without_digests() {
        // The digest of no bytes at all, as FIPS 180-4's test vectors have it.
        let text = b"a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\r\n\
            \"b, \"\"c\"\".py\",,\n\
            d-1.0.dist-info/RECORD,,\n";
        let record = Record::parse(text).expect("a RECORD");
        let [a, b, own] = &record.entries[..] else {
            panic!("{record:?}");
        };
        assert!(a.digest.as_ref().expect("a digest").is_of(b""));
        assert!(!a.digest.as_ref().expect("a digest").is_of(b"x"));
        assert_eq!((a.size, b.size), (Some(0), None));
        assert_eq!(b.path, "b, \"c\".py");
        assert_eq!((own.digest.clone(), own.size), (None, None));
    }

    #[test]
    fn a_line_that_cannot_vouch_is_refused_by_its_number() {
        for (text, why) in [
            (&b"a,,\nb,md5=xxxx,1\n"[..], "line 2"),
            (b"a,sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,0\n", "none of sha256"),
            (b"a,sha256=47DEQpj8,0\n", "length"),
            (b"a,sha256=!!,0\n", "base 64"),
            (b"a,sha256,0\n", "algorithm"),
            (b"a,,many\n", "size"),
            (b",,\n", "no file"),
            (b"\xff,,\n", "text"),
        ] {
            let refusal = Record::parse(text).expect_err("refused").to_string();
            assert!(refusal.contains(why), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            files in prop::collection::vec(("\\PC{1,20}|[a\", \n]{1,8}", any::<Vec<u8>>(), any::<Option<u64>>()), 0..6),
        ) {
            let entries = files.into_iter().map(|(path, content, size)| Entry {
                path,
                digest: size.map(|_| Digest::of(&content)),
                size,
            });
            let record = Record { entries: entries.collect() };
            prop_assert_eq!(Record::parse(&record.to_text()), Ok(record));
        }

        #[test]
        fn no_text_panics(text in any::<Vec<u8>>()) {
            let _ = Record::parse(&text);
        }
    }
}
