//! Addresses of servers: as much of a URL as registries need.
//!
//! A registry says where to go on: by redirects, by the place of an upload, by
//! the next page of a list, by who gives tokens. Each of these goes through
//! [`Url::join`], which knows what a server may lead to.

use std::fmt;
use std::net::IpAddr;

use crate::image::Invalid;

/// `http://HOST[:PORT]/PATH[?QUERY]`, or `https`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) encrypted: bool,
    /// In lower case; an IPv6 address in brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// From the first slash on, with the query.
    pub(super) path: String,
}

/// Longer than any address that a registry needs: those of signed downloads have
/// some 2,000 characters.
const LONGEST: usize = 8192;

impl Url {
    /// Reads a whole address.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = |reason: &str| {
            // Before the last `@` may be a password.
            let text = text.rsplit('@').next().unwrap_or_default();
            let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
            Invalid::new(format!("address `{shown}`"), reason)
        };
        if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("it is too long or holds what has to be encoded"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| invalid("it has no scheme"))?;
        let encrypted = match &*scheme.to_ascii_lowercase() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("its scheme is neither https nor http")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(invalid("it carries credentials"));
        }
        let (host, port) = split_port(authority).ok_or_else(|| invalid("its port is none"))?;
        if !is_host(host) {
            return Err(invalid("its host is none"));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            encrypted,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(if encrypted { 443 } else { 80 }),
            path: format!("{slash}{path}"),
        })
    }

    /// Where `leads`, said by this address's server, leads to.
    ///
    /// From an encrypted connection nothing leads to one that is not; where it is
    /// the same host's, a proxy before it forgot to say so, and it stays encrypted.
    pub(super) fn join(&self, leads: &str) -> Result<Self, Invalid> {
        let scheme = if self.encrypted { "https" } else { "http" };
        if leads.starts_with("//") {
            return Self::parse(&format!("{scheme}:{leads}"));
        }
        let begins_with_scheme = leads
            .split_once("://")
            .is_some_and(|(scheme, _)| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if begins_with_scheme {
            let mut next = Self::parse(leads)?;
            if self.encrypted && !next.encrypted {
                if next.host != self.host {
                    return Err(Invalid::new(
                        format!("address of {}", next.host),
                        "it would take the encryption away",
                    ));
                }
                (next.encrypted, next.port) = (true, self.port);
            }
            return Ok(next);
        }
        let here = self.path.split('?').next().unwrap_or("/");
        let base = match leads.starts_with('/') {
            true => "",
            false => &here[..=here.rfind('/').unwrap_or(0)],
        };
        Self::parse(&format!("{}{base}{leads}", self.origin()))
    }

    /// The same server's `path`.
    pub(super) fn at(&self, path: String) -> Self {
        Self {
            path,
            ..self.clone()
        }
    }

    /// The same with one more `NAME=VALUE`.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{mark}{name}={}", self.path, encoded(value));
        self
    }

    pub(super) fn is_same_server(&self, other: &Self) -> bool {
        (self.encrypted, &self.host, self.port) == (other.encrypted, &other.host, other.port)
    }

    fn origin(&self) -> String {
        let (scheme, usual) = match self.encrypted {
            true => ("https", 443),
            false => ("http", 80),
        };
        match self.port == usual {
            true => format!("{scheme}://{}", self.host),
            false => format!("{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// Whether `host`, with or without a port, is this machine's own.
pub(super) fn is_loopback(host: &str) -> bool {
    let name = split_port(host).map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>();
    address.is_ok_and(|address| address.is_loopback())
        || bare == "localhost"
        || bare.ends_with(".localhost")
}

/// Whether `host` is an address and no name.
pub(super) fn is_address(host: &str) -> bool {
    let name = split_port(host).map_or(host, |(name, _)| name);
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
}

fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let after_host = authority.rfind(']').map_or(0, |end| end + 1);
    match authority[after_host..].rsplit_once(':') {
        None => Some((authority, None)),
        Some((_, port)) => {
            let host = &authority[..authority.len() - port.len() - 1];
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.then(|| port.parse().ok()).flatten()?;
            Some((host, Some(port)))
        }
    }
}

fn is_host(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        let address = rest.strip_suffix(']');
        return address.is_some_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !host.is_empty() && host.bytes().all(letter)
}

/// As a value in a query.
pub(super) fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => {
                text.push(char::from(byte));
            }
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// What `%41` and the like stand for; `None` for what is not so encoded, or is no
/// UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(base: &str, leads: &str, expected: &str) {
        let joined = Url::parse(base).unwrap().join(leads).unwrap();
        assert_eq!(joined.to_string(), expected, "{base} and {leads}");
    }

    #[test]
    fn a_server_leads_where_it_says() {
        let base = "https://R.example/v2/a/tags/list?n=1";
        check(base, "/v2/x?last=y", "https://r.example/v2/x?last=y");
        check(base, "next?n=2", "https://r.example/v2/a/tags/next?n=2");
        check(base, "https://other:8443", "https://other:8443/");
        check(base, "//other/x#part", "https://other/x");
        check("http://[::1]:5000/v2/", "/x", "http://[::1]:5000/x");
        // What a proxy before the registry gets wrong.
        check(base, "http://r.example/x", "https://r.example/x");
    }

    #[test]
    fn nothing_leads_out_of_an_encrypted_connection_nor_to_a_file() {
        let base = Url::parse("https://r.example/v2/").unwrap();
        for bad in [
            "http://other/x",
            "file:///etc/passwd",
            "https://me:secret@other/",
            "https://a b/",
            "https://other:99999/",
            "/x\r\nHost: y",
            "https://",
            "ftp://other",
        ] {
            assert!(base.join(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names() {
        for host in ["localhost", "localhost:5000", "127.0.0.9:1", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1:5000", "127.0.0.1.example"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn an_address_that_is_read_reads_the_same_again(text in "(https?://)?[ -~]{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()).unwrap(), url.clone());
                if let Ok(joined) = url.join(&text) {
                    prop_assert!(joined.encrypted || !url.encrypted);
                }
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(text in "\\PC{0,20}") {
            prop_assert_eq!(decoded(&encoded(&text)), Some(text));
        }
    }
}
