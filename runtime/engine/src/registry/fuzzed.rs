//! The parsers of what registries, their clients and users wrote, for the fuzzer
//! alone.

use super::docker_config::DockerConfig;
use super::header::{Challenge, Wanted, content_range, next_page, received};
use super::server::fuzz_path;
use super::url::Url;

/// A `config.json`: what is written of it reads the same.
pub fn config(text: &[u8]) {
    let Ok(mut config) = DockerConfig::parse(text) else {
        return;
    };
    let _ = config.login("registry.example", "a/b");
    let helper = config.helper("registry.example");
    assert!(helper.is_none_or(|name| !name.contains('/')));
    config.set("registry.example", "me", "secret");
    let again = DockerConfig::parse(config.to_text().as_bytes());
    assert!(again.is_ok_and(|again| again == config));
}

/// Each header, whichever it was meant to be.
pub fn headers(text: &str, whole: u64) {
    let _ = Challenge::parse_all(text);
    let _ = next_page(text);
    let _ = received(text);
    if let Some((span, Some(whole))) = content_range(text) {
        assert!(span.first <= span.last && span.last < whole);
    }
    if let Wanted::Part(span) = Wanted::parse(Some(text), whole) {
        assert!(span.first <= span.last && span.last < whole);
    }
}

/// Where a server leads to, and the path of a request.
pub fn addresses(text: &str) {
    for base in ["https://registry.example/v2/", "http://127.0.0.1:5000/v2/"] {
        if let Ok(base) = Url::parse(base)
            && let Ok(next) = base.join(text)
        {
            assert!(next.encrypted || !base.encrypted);
        }
    }
    fuzz_path(text);
}
