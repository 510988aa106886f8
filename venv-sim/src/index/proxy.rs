//! Through whom servers are asked.
//!
//! Source: `--proxy` of pip's documentation; the variables as `requests` and curl read them.

use std::fmt;
use std::net::IpAddr;

use super::inputs::Variables;
use super::settings::bad;
use super::url::{Scheme, Url};
use crate::error::Result;
use crate::refusal::Refusal;

/// A proxy for each scheme, and the hosts that are asked without one.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Proxies {
    http: Option<ureq::Proxy>,
    https: Option<ureq::Proxy>,
    without: Vec<String>,
}

/// Value and where it was found.
type Said = (String, String);

impl Proxies {
    /// The one that is `named`, for everything; else those of the variables.
    pub(super) fn of(named: Option<Said>, variables: &Variables) -> Result<(Self, Vec<Said>)> {
        if let Some((value, from)) = named {
            let proxy = Some(proxy(&value, &from)?);
            let proxies = Self {
                http: proxy.clone(),
                https: proxy,
                without: Vec::new(),
            };
            return Ok((proxies, vec![(value, from)]));
        }
        let variable = |name: &str| -> Option<Said> {
            let names = [name.to_owned(), name.to_uppercase()];
            let is_script = variables.contains_key("REQUEST_METHOD");
            names.into_iter().find_map(|name| {
                // A web server sets HTTP_PROXY from what its client sends (CVE-2016-5385).
                let value = variables
                    .get(&name)
                    .filter(|value| !value.trim().is_empty())?;
                (!(is_script && name == "HTTP_PROXY")).then(|| (value.trim().to_owned(), name))
            })
        };
        let all = || variable("all_proxy");
        let mut said: Vec<Said> = Vec::new();
        let mut one = |found: Option<Said>| -> Result<Option<ureq::Proxy>> {
            let Some((value, from)) = found else {
                return Ok(None);
            };
            let proxy = proxy(&value, &from)?;
            said.push((value, from));
            Ok(Some(proxy))
        };
        let https = one(variable("https_proxy").or_else(all))?;
        let http = one(variable("http_proxy").or_else(all))?;
        said.dedup();
        let without = variable("no_proxy").unwrap_or_default().0;
        let without = without.split(',').map(|host| host.trim().to_lowercase());
        let without = without.filter(|host| !host.is_empty()).collect();
        Ok((
            Self {
                http,
                https,
                without,
            },
            said,
        ))
    }

    /// The proxy through which `url` is asked.
    pub(super) fn to(&self, url: &Url) -> Option<&ureq::Proxy> {
        let proxy = match url.scheme {
            Scheme::Https => self.https.as_ref(),
            Scheme::Http => self.http.as_ref(),
            Scheme::File => None,
        }?;
        let direct = self.without.iter().any(|entry| matches(entry, url));
        (!direct).then_some(proxy)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = [&self.http, &self.https].map(|proxy| proxy.as_ref().map(ureq::Proxy::host));
        write!(f, "Proxies {hosts:?} but for {:?}", self.without)
    }
}

fn proxy(value: &str, from: &str) -> Result<ureq::Proxy> {
    let refused = |why: &str| bad("the proxy", from, Refusal::new(why));
    if value.starts_with("socks") {
        return Err(refused(
            "a SOCKS proxy cannot be used here, an HTTP proxy can",
        ));
    }
    ureq::Proxy::new(value).map_err(|_| refused("it is no address of a proxy"))
}

/// Whether an entry of `no_proxy` means the host: itself, what is below it, or the network that
/// it lies in.
fn matches(entry: &str, url: &Url) -> bool {
    if entry == "*" {
        return true;
    }
    let bare = url.host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>()
        && let Some((network, bits)) = entry.split_once('/')
    {
        let network = network.parse().ok().zip(bits.parse().ok());
        return network.is_some_and(|(network, bits)| is_within(address, network, bits));
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => match port.parse::<u16>() {
            Ok(port) => (host, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry.trim_start_matches('[').trim_end_matches(']'), None),
    };
    let host = host.trim_start_matches("*.").trim_start_matches('.');
    let below = bare
        .strip_suffix(host)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !host.is_empty() && below && port.is_none_or(|port| port == url.port_or_default())
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn each_scheme_has_its_own_and_a_named_one_is_for_both() {
        let host = |proxies: &Proxies, url: &str| {
            let url = url.parse().expect(url);
            proxies.to(&url).map(|proxy| proxy.host().to_owned())
        };
        let variables = variables(&[
            ("HTTPS_PROXY", "http://upper.test:1"),
            ("https_proxy", "http://me:secret@lower.test:1"),
            ("ALL_PROXY", "http://all.test:1"),
            (
                "NO_PROXY",
                "direct.test, .below.test,10.0.0.0/8,*.star.test,only.test:8443",
            ),
        ]);
        let (proxies, said) = Proxies::of(None, &variables).expect("proxies");
        assert_eq!(said.len(), 2);
        assert!(!format!("{proxies:?}").contains("secret"));
        for (url, expected) in [
            ("https://a.test/", Some("lower.test")),
            ("http://a.test/", Some("all.test")),
            ("https://direct.test/", None),
            ("https://x.direct.test/", None),
            ("https://indirect.test/", Some("lower.test")),
            ("https://x.below.test/", None),
            ("https://10.1.2.3/", None),
            ("https://11.1.2.3/", Some("lower.test")),
            ("https://x.star.test/", None),
            ("https://only.test/", Some("lower.test")),
            ("https://only.test:8443/", None),
        ] {
            assert_eq!(host(&proxies, url).as_deref(), expected, "{url}");
        }
        let named = Some(("http://named.test:3".to_owned(), "--proxy".to_owned()));
        let (proxies, _) = Proxies::of(named, &variables).expect("proxies");
        for url in ["https://direct.test/", "http://a.test/"] {
            assert_eq!(host(&proxies, url).as_deref(), Some("named.test"));
        }
    }

    #[test]
    fn what_a_client_of_a_web_server_can_set_is_not_followed() {
        let variables = variables(&[
            ("HTTP_PROXY", "http://evil.test:1"),
            ("REQUEST_METHOD", "GET"),
        ]);
        let (proxies, _) = Proxies::of(None, &variables).expect("none");
        assert_eq!(proxies, Proxies::default());
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_secret() {
        for value in [
            "socks5://me:secret@a:1",
            "http://me:secret@",
            "http://me:secret@a b",
        ] {
            let named = Some((value.to_owned(), "--proxy".to_owned()));
            let why = Proxies::of(named, &Variables::new())
                .expect_err(value)
                .to_string();
            assert!(why.contains("--proxy") && !why.contains("secret"), "{why}");
        }
    }
}
