//! Addresses in messages: without the names and passwords that may stand in them.
//!
//! On the ground floor, since refusals of every kind show addresses.

/// A text that may be an address, as it may be shown: without what stands before an `@`. Where it
/// is no address, nobody knows how far a password goes: everything up to its last `@` may be one.
/// So may what looks like a port and a path: `https://me:12/cret@host/` is read as the host `me`,
/// and meant as a password with a slash.
pub(crate) fn redacted(text: &str) -> String {
    let bare = without_user(text);
    let authority = bare.split_once("//").map(|(_, rest)| rest);
    let is_doubtful = authority.is_some_and(|rest| {
        let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        matches!(split_port(host), Some((_, Some(_)))) && path.contains('@')
    });
    match bare.rfind('@').filter(|_| is_doubtful) {
        Some(at) => format!("…{}", &bare[at..]),
        None => bare,
    }
}

/// The address without name and password, where it is what it looks like.
pub(crate) fn without_user(text: &str) -> String {
    let Some(at) = text.rfind('@') else {
        return text.to_owned();
    };
    let scheme = split_scheme(text).map_or("", |(scheme, _)| scheme);
    let is_file = scheme.eq_ignore_ascii_case("file");
    let after = text
        .split_once("//")
        .filter(|(before, _)| !scheme.is_empty() && before.len() == scheme.len() + 1);
    match after {
        Some((before, rest)) => {
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (user, host) = match rest[..end].rfind('@') {
                Some(at) => (at + 1, &rest[at + 1..end]),
                None => (0, &rest[..end]),
            };
            let is_one = split_port(host)
                .is_some_and(|(host, _)| is_host(host) || (is_file && host.is_empty()));
            if is_one {
                return format!("{before}//{}", &rest[user..]);
            }
        }
        // The path of a file, which has no place for a password.
        None if is_file => return text.to_owned(),
        None => {}
    }
    format!("…{}", &text[at..])
}

pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(plain);
    is_scheme.then_some((scheme, rest))
}

pub(crate) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        // What is in brackets is an IPv6 address.
        Some((_, port)) if port.ends_with(']') => Some((text, None)),
        Some((host, "")) => Some((host, None)),
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
        None => Some((text, None)),
    }
}

pub(crate) fn is_host(host: &str) -> bool {
    if let Some(address) = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !host.is_empty() && host.len() <= 253 && host.chars().all(plain)
}
