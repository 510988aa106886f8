//! Through whom registries are asked, as the environment says.
//!
//! Source: the variables as curl and Go's `net/http` read them.

use super::url::Url;

/// A proxy for each scheme, and the hosts that are asked without one.
#[derive(Default)]
pub(super) struct Proxies {
    http: Option<ureq::Proxy>,
    https: Option<ureq::Proxy>,
    without: Vec<String>,
}

impl Proxies {
    /// Those of the variables.
    pub(super) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let upper = name.to_uppercase();
            // A web server sets HTTP_PROXY from what its client sends (CVE-2016-5385).
            let forged = upper == "HTTP_PROXY" && variable("REQUEST_METHOD").is_some();
            let upper = || (!forged).then(|| variable(&upper)).flatten();
            let said = variable(name).or_else(upper)?;
            let said = said.trim().to_owned();
            (!said.is_empty()).then_some(said)
        };
        let proxy = |name: &str| {
            let said = either(name).or_else(|| either("all_proxy"))?;
            ureq::Proxy::new(&said).ok()
        };
        let without = either("no_proxy").unwrap_or_default().to_lowercase();
        let without = without.split(',').map(str::trim);
        Self {
            http: proxy("http_proxy"),
            https: proxy("https_proxy"),
            without: without
                .filter(|host| !host.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The one through which `url` is asked.
    pub(super) fn to(&self, url: &Url) -> Option<&ureq::Proxy> {
        let proxy = if url.encrypted {
            &self.https
        } else {
            &self.http
        };
        let direct = super::url::is_loopback(&url.host)
            || self.without.iter().any(|entry| means(entry, url));
        proxy.as_ref().filter(|_| !direct)
    }
}

/// Whether an entry of `no_proxy` means the host, or what it lies below.
fn means(entry: &str, url: &Url) -> bool {
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, port.parse::<u16>().ok()),
        _ => (entry, None),
    };
    let host = host.trim_start_matches("*.").trim_start_matches('.');
    let below = url
        .host
        .strip_suffix(host)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    entry == "*" || (!host.is_empty() && below && port.is_none_or(|port| port == url.port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_own_and_named_hosts_have_none() {
        let variables = [
            ("HTTPS_PROXY", "http://secure.example:1"),
            ("http_proxy", "http://plain.example:1"),
            (
                "NO_PROXY",
                "direct.example, .below.example,only.example:8443",
            ),
        ];
        let proxies = Proxies::of(|name| {
            let mut said = variables.iter().filter(|(known, _)| *known == name);
            said.next().map(|(_, value)| (*value).to_owned())
        });
        for (url, expected) in [
            ("https://a.example/", Some("secure.example")),
            ("http://a.example/", Some("plain.example")),
            ("https://direct.example/", None),
            ("https://indirect.example/", Some("secure.example")),
            ("https://x.below.example/", None),
            ("https://only.example/", Some("secure.example")),
            ("https://only.example:8443/", None),
            ("http://127.0.0.1:5000/", None),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(proxies.to(&url).map(ureq::Proxy::host), expected, "{url}");
        }
    }
}
