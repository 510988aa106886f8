//! Addresses: taken apart, put together, and shown without what is secret in them.
//!
//! A page of an index is full of addresses that lead from its own. What they lead to decides
//! whether a file comes from this machine, from the index, or from someone else, and who is
//! shown a password; so this is done here, strictly, and not by looking at texts.
//!
//! Source: RFC 3986, sections 3 and 5; RFC 8089 for `file:`.

use crate::redaction::{is_host, redacted, split_port, split_scheme};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::refusal::{Refusal, shown};

/// An absolute `http`, `https` or `file` address.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    /// What stands before the `@`: a name and a password, still encoded.
    pub(crate) user: Option<String>,
    /// In lower case; empty for `file`. An IPv6 address keeps its brackets.
    pub(crate) host: String,
    /// As written; none where it is the scheme's own.
    pub(crate) port: Option<u16>,
    /// From its first `/`, with everything encoded that has to be.
    pub(crate) path: String,
    /// Behind the `?`.
    pub(crate) query: Option<String>,
    /// Behind the `#`; never sent.
    pub(crate) fragment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Http,
    Https,
    File,
}

/// The longest address that is followed, in bytes.
const LONGEST: usize = 16 * 1024;

impl FromStr for Url {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let refused =
            |why: &str| Refusal::new(format!("the address {} {why}", shown(&redacted(text))));
        let text = text.trim();
        if text.len() > LONGEST {
            return Err(refused("is too long"));
        }
        if text.chars().any(char::is_control) {
            return Err(refused("has control characters in it"));
        }
        let (scheme, rest) = split_scheme(text).ok_or_else(|| refused("has no scheme"))?;
        let scheme = match &scheme.to_ascii_lowercase()[..] {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "file" => Scheme::File,
            _ => return Err(refused("is none of https, http and file")),
        };
        let (rest, fragment) = split_at(rest, '#');
        let (rest, query) = split_at(rest, '?');
        let is_authority = rest.starts_with("//");
        let rest = rest
            .strip_prefix("//")
            .or((scheme == Scheme::File).then_some(rest))
            .ok_or_else(|| refused("has no `//` behind its scheme"))?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (user, host_port) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host_port).ok_or_else(|| refused("has a bad port"))?;
        let host = host.to_ascii_lowercase();
        let host = match scheme {
            Scheme::File if host.is_empty() || host == "localhost" => String::new(),
            Scheme::File if !is_authority => {
                let why = "has a relative path: write it from `/` on, as `file:///…`, or name the \
                           file's path without `file:`";
                return Err(refused(why));
            }
            Scheme::File => return Err(refused("is a file on another machine")),
            _ if is_host(&host) => host,
            _ => return Err(refused("has no host that can be looked up")),
        };
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            port: port.filter(|port| Some(*port) != scheme.port()),
            scheme,
            user: user.filter(|user| !user.is_empty()),
            host,
            path: without_dots(&encoded(path)),
            query: query.map(encoded),
            fragment: fragment.map(str::to_owned),
        })
    }
}

impl Scheme {
    /// The port where none is written.
    pub(crate) fn port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::File => None,
        }
    }
}

impl Url {
    /// The address of a file or directory of this machine.
    pub(crate) fn of_path(path: &Path) -> Self {
        let mut text = String::new();
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'-' | b'_' | b'.' | b'~' | b'+' => text.push(char::from(*byte)),
                byte if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
        Self {
            scheme: Scheme::File,
            user: None,
            host: String::new(),
            port: None,
            path: text,
            query: None,
            fragment: None,
        }
    }

    /// The path on this machine; `None` where it lies elsewhere.
    pub(crate) fn to_path(&self) -> Option<PathBuf> {
        let path = (self.scheme == Scheme::File).then(|| decoded(&self.path))?;
        (!path.contains(&0)).then(|| OsString::from_vec(path).into())
    }

    /// What `reference`, found on the page at this address, leads to.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, Refusal> {
        let reference = reference.trim();
        if split_scheme(reference).is_some() {
            let other: Self = reference.parse()?;
            return match other.scheme == Scheme::File && self.scheme != Scheme::File {
                // A page of a server has nothing to say about files of this machine.
                true => Err(Refusal::new("a server leads to a file of this machine")),
                false => Ok(other),
            };
        }
        let scheme = match self.scheme {
            Scheme::Http => "http:",
            Scheme::Https => "https:",
            Scheme::File => "file:",
        };
        if reference.starts_with("//") {
            return format!("{scheme}{reference}").parse();
        }
        let (rest, fragment) = split_at(reference, '#');
        let (path, query) = split_at(rest, '?');
        let whole = match path {
            "" => self.path.clone(),
            path if path.starts_with('/') => path.to_owned(),
            path => {
                let above = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                format!("{above}{path}")
            }
        };
        if reference.len() + self.path.len() > LONGEST || reference.chars().any(char::is_control) {
            let shown = shown(reference);
            return Err(Refusal::new(format!("the address {shown} is none")));
        }
        Ok(Self {
            path: without_dots(&encoded(&whole)),
            query: match (path, query) {
                ("", None) => self.query.clone(),
                (_, query) => query.map(encoded),
            },
            fragment: fragment.map(str::to_owned),
            ..self.clone()
        })
    }

    /// With a `/` at its end, so that what is joined lies below it.
    pub(crate) fn as_directory(&self) -> Self {
        let mut directory = self.clone();
        if !directory.path.ends_with('/') {
            directory.path.push('/');
        }
        directory.fragment = None;
        directory
    }

    /// Without name and password, and without what is never sent.
    pub(crate) fn public(&self) -> Self {
        Self {
            user: None,
            fragment: None,
            ..self.clone()
        }
    }

    /// Whether both are asked of the same server: what may be shown to one may be shown to the
    /// other.
    pub(crate) fn same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    /// The port to connect to.
    pub(crate) fn port_or_default(&self) -> u16 {
        self.port.or(self.scheme.port()).unwrap_or(0)
    }

    /// The name and the password that stand in it, decoded.
    pub(crate) fn credentials(&self) -> Option<(String, String)> {
        let user = self.user.as_ref()?;
        let (name, password) = user.split_once(':').unwrap_or((user, ""));
        let text = |part: &str| String::from_utf8(decoded(part)).ok();
        Some((text(name)?, text(password)?))
    }

    /// The last part of its path, decoded.
    pub(crate) fn file_name(&self) -> Option<String> {
        let name = self.path.rsplit('/').next()?;
        String::from_utf8(decoded(name)).ok()
    }

    /// Whether only this machine can answer.
    pub(crate) fn is_loopback(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || address
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// As it is sent, without what is secret.
    pub(crate) fn to_text(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::File => "file",
        };
        let mut text = format!("{scheme}://{}", self.host);
        if let Some(port) = self.port {
            text.push_str(&format!(":{port}"));
        }
        text.push_str(&self.path);
        if let Some(query) = &self.query {
            text.push('?');
            text.push_str(query);
        }
        text
    }
}

/// For people: no name, no password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.to_text()))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

fn split_at(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Encodes what cannot stand in an address, and leaves what is encoded.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_code = |at: usize| {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match byte {
            b'%' if is_code(at) => encoded.push('%'),
            b'%' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' => {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            byte if byte.is_ascii_graphic() => encoded.push(char::from(*byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The bytes that `text` encodes.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let code = match (byte, tail) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                digit(*high)
                    .zip(digit(*low))
                    .map(|(high, low)| high * 16 + low)
            }
            _ => None,
        };
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(code) => {
                decoded.push(code);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    decoded
}

/// Follows `.` and `..`, never above the top (RFC 3986, 5.2.4).
fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for part in path.split('/').skip(1) {
        ends_open = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if ends_open {
        parts.push("");
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn references_lead_where_the_rfc_says() {
        // RFC 3986, 5.4.1 and 5.4.2, as far as the schemes are ours.
        let base = url("http://a/b/c/d;p?q");
        for (reference, leads) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
        ] {
            let joined = base.join(reference).expect(reference);
            assert_eq!(joined.to_text(), leads, "{reference}");
        }
        assert_eq!(
            base.join("g#s").expect("joined").fragment.as_deref(),
            Some("s")
        );
    }

    #[test]
    fn a_name_and_a_password_are_never_shown() {
        let secret = url("https://me:p%40ss@host.test:8443/simple/?a=b#c");
        assert_eq!(secret.to_string(), "https://host.test:8443/simple/?a=b");
        assert_eq!(format!("{secret:?}"), secret.to_string());
        assert_eq!(
            secret.credentials(),
            Some(("me".to_owned(), "p@ss".to_owned()))
        );
        // It can be asked, as the host `me`; what was meant is not shown.
        assert_eq!(url("https://me:12/cret@h/").to_string(), "…@h/");
        for text in [
            "https://me:secret@ho st/",
            "ftp://me:secret@host/",
            "https://me:secret@host:x/",
        ] {
            let why = text.parse::<Url>().expect_err(text).to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn what_is_no_address_shows_nothing_up_to_its_last_at() {
        for (text, shown) in [
            ("https://me:s3#cret@h/simple", "…@h/simple"),
            ("https://me:s3/cret@h/simple", "…@h/simple"),
            ("https:/me:s3cret@h/simple", "…@h/simple"),
            ("me:s3cret@h/simple", "…@h/simple"),
            ("https://me:12/cret@h/simple", "…@h/simple"),
            ("https://me:12?cret@h/simple", "…@h/simple"),
            ("https://u:p@me:12/cret@h/", "…@h/"),
            ("https://me:12@h:80/simple", "https://h:80/simple"),
            ("https://me:s3 cret@h/simple", "https://h/simple"),
            ("git+ssh://git@h/a.git@v1", "git+ssh://h/a.git@v1"),
            ("https://h/a@1.whl", "https://h/a@1.whl"),
            ("file:///a@b/c.whl", "file:///a@b/c.whl"),
            ("file:a@b/c.whl", "file:a@b/c.whl"),
            ("a.whl", "a.whl"),
        ] {
            assert_eq!(redacted(text), shown, "{text}");
        }
    }

    #[test]
    fn files_of_this_machine_are_found_and_others_refused() {
        let path = Path::new("/a b/ü%41/c.whl");
        let there = Url::of_path(path);
        assert_eq!(there.to_path().as_deref(), Some(path));
        assert_eq!(url(&there.to_text()), there);
        assert_eq!(
            url("file:/a/b").to_path().as_deref(),
            Some(Path::new("/a/b"))
        );
        assert_eq!(
            url("file://localhost/a").to_path().as_deref(),
            Some(Path::new("/a"))
        );
        "file://elsewhere/a"
            .parse::<Url>()
            .expect_err("another machine");
        let why = "file:w/a.whl".parse::<Url>().expect_err("relative");
        assert!(why.to_string().contains("relative path"), "{why}");
        assert_eq!(url("https://a/b").to_path(), None);
    }

    #[test]
    fn what_is_the_same_server_is_told_by_scheme_host_and_port() {
        let one = url("https://a.test/x");
        assert!(one.same_server(&url("https://A.test:443/y")));
        for other in [
            "http://a.test/x",
            "https://b.test/x",
            "https://a.test:8443/x",
        ] {
            assert!(!one.same_server(&url(other)), "{other}");
        }
        for (text, is) in [
            ("http://127.0.0.1:1/", true),
            ("http://[::1]/", true),
            ("http://localhost/", true),
            ("http://127.0.0.1.evil.test/", false),
            ("http://localhost.evil.test/", false),
        ] {
            assert_eq!(url(text).is_loopback(), is, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_read_again_as_the_same(text in "(https?|file)://([a-z:]{0,4}@)?[a-z.]{0,5}(:[0-9]{0,6})?(/\\PC{0,12})?(\\?\\PC{0,5})?(#\\PC{0,5})?") {
            if let Ok(url) = text.parse::<Url>() {
                let again: Url = url.to_text().parse().expect("again");
                prop_assert_eq!(again, url.public());
            }
        }

        #[test]
        fn no_reference_panics_and_none_leaves_its_server_unless_it_says_so(reference in "\\PC{0,30}|[./?#%a-z:]{0,20}") {
            let base = url("https://me:secret@a.test/simple/x/");
            match base.join(&reference) {
                Ok(joined) => {
                    let says_so = reference.trim().starts_with("//") || split_scheme(reference.trim()).is_some();
                    prop_assert!(says_so || joined.same_server(&base));
                    prop_assert!(joined.to_text().is_ascii());
                }
                Err(why) => prop_assert!(!why.to_string().contains("secret")),
            }
        }
    }
}
