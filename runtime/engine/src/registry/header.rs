//! Headers of which each side reads what the other wrote: who has to be asked for
//! a token, which bytes are meant, where a list goes on.
//!
//! Source: RFC 9110, sections 11.6.1 and 14; RFC 8288; OCI distribution
//! specification, "Pushing a blob in chunks".

/// Longer than any of these headers, in bytes.
const LONGEST: usize = 8192;
/// The most parameters of a challenge, and the most challenges.
const MOST: usize = 32;

/// How a server wants to be told who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// By name and password.
    Basic,
    /// By a token, which `realm` gives for `service` and `scope`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenges of a `WWW-Authenticate` header that are understood.
    pub(super) fn parse_all(header: &str) -> Vec<Self> {
        if header.len() > LONGEST {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut words = Words(header);
        let mut scheme = words.token();
        for _ in 0..MOST {
            let Some(name) = scheme else { break };
            let (parameters, next) = words.parameters();
            scheme = next;
            let said = |key: &str| {
                let mut named = parameters.iter().filter(|(name, _)| name == key);
                named.next().map(|(_, value)| value.clone())
            };
            if name.eq_ignore_ascii_case("basic") {
                found.push(Self::Basic);
            } else if name.eq_ignore_ascii_case("bearer")
                && let Some(realm) = said("realm")
            {
                let (service, scope) = (said("service"), said("scope"));
                found.push(Self::Bearer {
                    realm,
                    service,
                    scope,
                });
            }
        }
        found
    }
}

/// What is left of a header.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn skip(&mut self, what: &[char]) {
        self.0 = self.0.trim_start_matches(what);
    }

    fn token(&mut self) -> Option<&'a str> {
        self.skip(&[' ', '\t', ',']);
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// `NAME=VALUE, …`, and the scheme of the next challenge, which looks like a
    /// name until no `=` follows.
    fn parameters(&mut self) -> (Vec<(String, String)>, Option<&'a str>) {
        let mut parameters = Vec::new();
        while parameters.len() < MOST {
            let Some(name) = self.token() else { break };
            self.skip(&[' ', '\t']);
            let Some(rest) = self.0.strip_prefix('=') else {
                return (parameters, Some(name));
            };
            self.0 = rest;
            self.skip(&[' ', '\t']);
            let Some(value) = self.value() else { break };
            parameters.push((name.to_ascii_lowercase(), value));
        }
        (parameters, None)
    }

    fn value(&mut self) -> Option<String> {
        let Some(inside) = self.0.strip_prefix('"') else {
            return self.token().map(str::to_owned);
        };
        let mut value = String::new();
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = &inside[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

/// Bytes of something: from, and to where, the last included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    /// How many bytes it has.
    pub(super) fn length(self) -> u64 {
        self.last - self.first + 1
    }

    /// `FIRST-LAST`, as uploads have it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().split_once('-')?;
        let span = Self {
            first: number(first)?,
            last: number(last)?,
        };
        // One less than what has no length that can be told.
        (span.first <= span.last && span.last < u64::MAX).then_some(span)
    }
}

/// The `Range` of an upload's state: how many bytes are there. `0-0` is said of
/// none, too, and one byte is soon sent again.
pub(super) fn received(range: &str) -> Option<u64> {
    let text = range.trim();
    let span = Span::parse(text.strip_prefix("bytes=").unwrap_or(text))?;
    match (span.first, span.last) {
        (0, 0) => Some(0),
        (0, _) => Some(span.length()),
        _ => None,
    }
}

/// What a request's `Range` asks for of something that is `whole` bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All: nothing that is understood was asked for.
    Whole,
    /// These.
    Part(Span),
    /// None that there are.
    Beyond,
}

impl Wanted {
    pub(super) fn parse(header: Option<&str>, whole: u64) -> Self {
        let said = header.and_then(|text| text.trim().strip_prefix("bytes="));
        // Several parts may be answered with everything.
        let Some((first, last)) = said
            .filter(|text| !text.contains(','))
            .and_then(|text| text.split_once('-'))
        else {
            return Self::Whole;
        };
        let (first, last) = (first.trim(), last.trim());
        let part = match (first, last) {
            ("", count) => match number(count) {
                None => return Self::Whole,
                Some(count) => (whole.saturating_sub(count), whole.checked_sub(1)),
            },
            (first, "") => match number(first) {
                None => return Self::Whole,
                Some(first) => (first, whole.checked_sub(1)),
            },
            (first, last) => match (number(first), number(last)) {
                (Some(first), Some(last)) if first <= last => {
                    (first, whole.checked_sub(1).map(|end| end.min(last)))
                }
                _ => return Self::Whole,
            },
        };
        match part {
            (first, Some(last)) if first <= last => Self::Part(Span { first, last }),
            _ => Self::Beyond,
        }
    }
}

/// What an answer's `Content-Range` says: which bytes, and of how many where that
/// is known.
pub(super) fn content_range(header: &str) -> Option<(Span, Option<u64>)> {
    let (span, whole) = header.trim().strip_prefix("bytes ")?.split_once('/')?;
    let span = Span::parse(span)?;
    match whole.trim() {
        "*" => Some((span, None)),
        whole => {
            let whole = number(whole)?;
            (span.last < whole).then_some((span, Some(whole)))
        }
    }
}

/// Where a list goes on: the target of the `Link` whose relation is `next`.
pub(super) fn next_page(header: &str) -> Option<&str> {
    if header.len() > LONGEST {
        return None;
    }
    let mut rest = header;
    for _ in 0..MOST {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let end = after.find(", <").or_else(|| after.find(",<"));
        let (parameters, next) = after.split_at(end.unwrap_or(after.len()));
        let is_next = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        if is_next {
            return Some(target);
        }
        rest = next;
    }
    None
}

/// Digits alone: no sign, as Rust's own parser takes.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_challenge_says_who_gives_tokens() {
        // Source: the example of distribution's token specification.
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:samalba/my-app:pull,push""#;
        let bearer = Challenge::Bearer {
            realm: "https://auth.docker.io/token".to_owned(),
            service: Some("registry.docker.io".to_owned()),
            scope: Some("repository:samalba/my-app:pull,push".to_owned()),
        };
        assert_eq!(Challenge::parse_all(header), std::slice::from_ref(&bearer));
        let both = format!("basic realm=\"a, Bearer b\" , Negotiate, {header}");
        assert_eq!(Challenge::parse_all(&both), [Challenge::Basic, bearer]);
        for none in [
            "",
            "Bearer",
            "Bearer realm=\"open",
            "Negotiate abc==",
            "=,=\"",
        ] {
            assert_eq!(Challenge::parse_all(none), [], "{none}");
        }
    }

    #[test]
    fn a_range_is_read_as_http_has_it() {
        let part = |first, last| Wanted::Part(Span { first, last });
        for (header, expected) in [
            ("bytes=0-3", part(0, 3)),
            ("bytes=4-", part(4, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("bytes=8-99", part(8, 9)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=3-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
        ] {
            assert_eq!(Wanted::parse(Some(header), 10), expected, "{header}");
        }
        assert_eq!(Wanted::parse(None, 10), Wanted::Whole);
        assert_eq!(Wanted::parse(Some("bytes=0-"), 0), Wanted::Beyond);
    }

    #[test]
    fn what_an_answer_holds_is_told_by_its_range() {
        let span = Span { first: 2, last: 9 };
        assert_eq!(content_range("bytes 2-9/10"), Some((span, Some(10))));
        assert_eq!(content_range("bytes 2-9/*"), Some((span, None)));
        for bad in ["bytes 2-10/10", "bytes 9-2/10", "2-9/10", "bytes */10"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
        assert_eq!(received("0-0"), Some(0));
        assert_eq!(received("bytes=0-9"), Some(10));
        assert_eq!(received("5-9"), None);
        assert_eq!(received("0-18446744073709551615"), None);
    }

    #[test]
    fn a_list_goes_on_where_its_link_says() {
        let link = r#"</v2/a/tags/list?last=b&n=1>; rel="next""#;
        assert_eq!(next_page(link), Some("/v2/a/tags/list?last=b&n=1"));
        let two = format!(r#"<https://x/a,b>; rel=prev, {link}"#);
        assert_eq!(next_page(&two), Some("/v2/a/tags/list?last=b&n=1"));
        for none in ["", "<x>", "<x>; rel=prev", "x; rel=next", "<x; rel=next"] {
            assert_eq!(next_page(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_header_makes_a_reader_panic(
            text in "\\PC{0,60}|((Bearer|Basic|realm|=|\"|,| |\\\\|<|>|;|rel=next|bytes|[0-9]{1,20}|-|/){0,20})",
            whole: u64,
        ) {
            let _ = Challenge::parse_all(&text);
            let _ = next_page(&text);
            let _ = content_range(&text);
            let _ = received(&text);
            if let Wanted::Part(span) = Wanted::parse(Some(&text), whole) {
                prop_assert!(span.first <= span.last && span.last < whole);
            }
        }

        #[test]
        fn a_quoted_realm_is_read_back(realm in "[ -~]{1,30}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let found = Challenge::parse_all(&format!("Bearer realm=\"{quoted}\""));
            let expected = Challenge::Bearer { realm, service: None, scope: None };
            prop_assert_eq!(found, [expected]);
        }
    }
}
