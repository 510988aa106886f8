//! Names of images, as people type them.

use std::fmt;
use std::str::FromStr;

use super::{Digest, Invalid};

/// Where an unqualified name is looked for, by the custom that Docker set.
const DEFAULT_REGISTRY: &str = "docker.io";
/// Where that registry keeps the names that have one part.
const OFFICIAL: &str = "library/";
const DEFAULT_TAG: &str = "latest";
/// The longest `REGISTRY/REPOSITORY`.
const LONGEST_NAME: usize = 255;

/// `[REGISTRY/]REPOSITORY[:TAG][@DIGEST]`, completed as Docker completes it:
/// `python` is `docker.io/library/python:latest`.
///
/// Source: the grammar of `github.com/distribution/reference`; OCI distribution
/// specification, "Pulling manifests".
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Host, and port where one is named: `docker.io`, `localhost:5000`.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path within the registry: `library/python`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `None` where only a digest was named.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where one was named: it alone decides then.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The same image's digest in the same repository.
    #[must_use]
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self {
            digest: Some(digest),
            ..self.clone()
        }
    }

    /// The same repository under another tag.
    ///
    /// # Errors
    /// [`Invalid`] for what is no tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, Invalid> {
        check_tag(tag).map_err(|reason| Invalid::new(format!("tag `{tag}`"), reason))?;
        Ok(Self {
            tag: Some(tag.to_owned()),
            digest: None,
            ..self.clone()
        })
    }

    /// Whether an image can be given it as its name.
    ///
    /// # Errors
    /// [`Invalid`] where it has a digest, which is one image's for ever.
    pub fn check_can_be_given(&self) -> Result<(), Invalid> {
        match self.digest {
            None => Ok(()),
            Some(_) => Err(Invalid::new(
                format!("image name `{self}`"),
                "a digest is one image's for ever: it is left out of a name that is given",
            )),
        }
    }

    /// `TAG` or `DIGEST`: what a registry is asked for.
    #[must_use]
    pub fn asked(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => DEFAULT_TAG.to_owned(),
        }
    }

    /// The whole name without its digest: what a store files a tag under.
    #[must_use]
    pub fn name(&self) -> String {
        let tag = self.tag.as_deref().unwrap_or(DEFAULT_TAG);
        format!("{}/{}:{tag}", self.registry, self.repository)
    }

    /// Registry and repository as people write them: without what is understood.
    #[must_use]
    pub fn familiar_repository(&self) -> String {
        if self.registry != DEFAULT_REGISTRY {
            return format!("{}/{}", self.registry, self.repository);
        }
        let short = self.repository.strip_prefix(OFFICIAL);
        // `docker.io/library/a/b` is not `a/b`.
        let short = short.filter(|rest| !rest.contains('/'));
        short.unwrap_or(&self.repository).to_owned()
    }
}

/// As people write it: `python:3.12`, not `docker.io/library/python:3.12`.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.familiar_repository())?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Reference {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        parse(text).map_err(|reason| {
            let shown: String = text.chars().take(LONGEST_NAME).collect();
            Invalid::new(format!("image name `{shown}`"), reason)
        })
    }
}

fn parse(text: &str) -> Result<Reference, String> {
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.parse::<Digest>().is_ok() || is_bare_hex(text) {
        return Err("64 hexadecimal digits are an image's digest, not its name".to_owned());
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            let digest = digest.parse::<Digest>().map_err(|error| error.reason)?;
            (rest, Some(digest))
        }
        None => (text, None),
    };
    // A colon before the last slash is a port.
    let name_ends = rest.rfind('/').map_or(0, |slash| slash + 1);
    let (name, tag) = match rest[name_ends..].split_once(':') {
        Some((last, tag)) => (&rest[..name_ends + last.len()], Some(tag)),
        None => (rest, None),
    };
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let (registry, repository) = split_registry(name);
    check_registry(registry)?;
    if repository.chars().any(char::is_uppercase) {
        return Err("a repository's name is written in lower case".to_owned());
    }
    let official = registry == DEFAULT_REGISTRY && !repository.contains('/');
    let repository = match official {
        true => format!("{OFFICIAL}{repository}"),
        false => repository.to_owned(),
    };
    for part in repository.split('/') {
        check_part(part)?;
    }
    if registry.len() + 1 + repository.len() > LONGEST_NAME {
        return Err(format!("it is longer than {LONGEST_NAME} characters"));
    }
    let tag = match (tag, &digest) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, Some(_)) => None,
        (None, None) => Some(DEFAULT_TAG.to_owned()),
    };
    Ok(Reference {
        registry: registry.to_owned(),
        repository,
        tag,
        digest,
    })
}

fn is_bare_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first part is a host where it could not be part of a path: it has a dot,
/// a port or an upper-case letter, or is `localhost`.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some((first, rest))
            if first.contains(['.', ':', '['])
                || first == "localhost"
                || first.chars().any(char::is_uppercase) =>
        {
            // Docker's old name for the same registry.
            let registry = match first {
                "index.docker.io" => DEFAULT_REGISTRY,
                other => other,
            };
            (registry, rest)
        }
        _ => (DEFAULT_REGISTRY, name),
    }
}

fn check_registry(registry: &str) -> Result<(), String> {
    let invalid = || format!("`{registry}` is not a registry's HOST[:PORT]");
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(invalid)?;
            address
                .parse::<std::net::Ipv6Addr>()
                .map_err(|_| invalid())?;
            match port.strip_prefix(':') {
                Some(port) => ("ipv6", Some(port)),
                None if port.is_empty() => ("ipv6", None),
                None => return Err(invalid()),
            }
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (registry, None),
        },
    };
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let port_is_one = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    if host.split('.').all(label) && port.is_none_or(port_is_one) {
        return Ok(());
    }
    Err(invalid())
}

/// A part of a path: words of a-z and 0-9, between two of which stands one dot,
/// one or two underscores, or any number of hyphens.
fn check_part(part: &str) -> Result<(), String> {
    let word = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let bytes = part.as_bytes();
    let ends = bytes.first().zip(bytes.last());
    let mut separators = part.split(|c: char| c.is_ascii() && word(c as u8));
    let known = |between: &str| {
        matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-')
    };
    if ends.is_some_and(|(first, last)| word(*first) && word(*last)) && separators.all(known) {
        return Ok(());
    }
    Err(match part {
        "" => "a part of its path is empty".to_owned(),
        part => format!(
            "`{part}` is not made of a-z and 0-9 with single dots, underscores or hyphens between"
        ),
    })
}

fn check_tag(tag: &str) -> Result<(), String> {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let inner = |byte: u8| word(byte) || byte == b'.' || byte == b'-';
    let first = tag.bytes().next();
    if first.is_some_and(word) && tag.bytes().all(inner) && tag.len() <= 128 {
        return Ok(());
    }
    Err(
        "a tag is up to 128 letters, digits, underscores, dots and hyphens, the first of them \
         no dot and no hyphen"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, whole: &str, shown: &str) {
        let reference: Reference = text.parse().unwrap();
        assert_eq!(reference.name(), whole, "{text}");
        assert_eq!(reference.to_string(), shown, "{text}");
    }

    #[test]
    fn a_name_is_completed_as_docker_completes_it() {
        check("python", "docker.io/library/python:latest", "python:latest");
        check("python:3", "docker.io/library/python:3", "python:3");
        check("me/app", "docker.io/me/app:latest", "me/app:latest");
        check("localhost/a", "localhost/a:latest", "localhost/a:latest");
        check(
            "localhost:5000/a:b",
            "localhost:5000/a:b",
            "localhost:5000/a:b",
        );
        check(
            "a.example/x/y/z",
            "a.example/x/y/z:latest",
            "a.example/x/y/z:latest",
        );
        check(
            "index.docker.io/a",
            "docker.io/library/a:latest",
            "a:latest",
        );
        check("docker.io/a/b", "docker.io/a/b:latest", "a/b:latest");
        check(
            "docker.io/library/a/b",
            "docker.io/library/a/b:latest",
            "library/a/b:latest",
        );
        check("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest");
        check("Host/a", "Host/a:latest", "Host/a:latest");
        check(
            "a__b/c---d.e_f",
            "docker.io/a__b/c---d.e_f:latest",
            "a__b/c---d.e_f:latest",
        );
    }

    #[test]
    fn a_digest_needs_no_tag_and_decides() {
        let digest = Digest::of(b"x");
        let plain: Reference = format!("a@{digest}").parse().unwrap();
        assert_eq!((plain.tag(), plain.asked()), (None, digest.to_string()));
        let both: Reference = format!("a:b@{digest}").parse().unwrap();
        assert_eq!((both.tag(), both.asked()), (Some("b"), digest.to_string()));
        assert_eq!(both.to_string(), format!("a:b@{digest}"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_what_is_wrong() {
        let long = "a/".repeat(130) + "a";
        let long_tag = format!("a:{}", "t".repeat(129));
        for (bad, reason) in [
            ("", "empty"),
            ("/a", "empty"),
            ("a//b", "empty"),
            ("a/", "empty"),
            ("App", "lower case"),
            ("a:", "tag"),
            ("a:-b", "tag"),
            ("a:b:c", "tag"),
            ("a b", "a-z"),
            ("a___b", "a-z"),
            ("x/a..b/c", "a-z"),
            ("x/../a", "a-z"),
            ("../a", "HOST"),
            ("-a", "a-z"),
            ("a@", "ALGORITHM"),
            ("a@sha256:12", "64 digits"),
            ("host:99999/a", "HOST"),
            ("host:/a", "HOST"),
            ("-.b/a", "HOST"),
            ("[::g]/a", "HOST"),
            (Digest::of(b"").hex(), "digest"),
            (&long, "longer"),
            (&long_tag, "128"),
        ] {
            let error = bad.parse::<Reference>().unwrap_err();
            assert!(error.reason.contains(reason), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_safe_and_reads_the_same_again(text in "\\PC{0,40}") {
            if let Ok(reference) = text.parse::<Reference>() {
                let again: Reference = reference.to_string().parse().unwrap();
                prop_assert_eq!(&again, &reference);
                prop_assert!(!reference.repository().contains(".."));
                prop_assert!(!reference.repository().starts_with('/'));
            }
        }

        #[test]
        fn what_looks_like_a_name_reads_the_same_again(
            text in "([a-z0-9.:-]{1,8}/)?[a-z0-9._-]{1,8}(/[a-z0-9._-]{1,8})?(:[a-zA-Z0-9._-]{1,5})?"
        ) {
            if let Ok(reference) = text.parse::<Reference>() {
                let again: Reference = reference.to_string().parse().unwrap();
                prop_assert_eq!(again, reference.clone());
                let whole: Reference = reference.name().parse().unwrap();
                prop_assert_eq!(whole, reference);
            }
        }
    }
}
