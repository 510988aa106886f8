//! What a source of `ADD` is: a path, a file on a server, or a repository.
//!
//! Source: Dockerfile reference, "ADD"; BuildKit, `util/gitutil/git_ref.go`.

use super::super::fault::Fault;
use crate::registry::decoded;

/// What a file is called whose address ends with no name, as BuildKit has it. It only
/// counts where the file is copied into a directory.
const UNNAMED: &str = "__unnamed__";

/// Where a source of `ADD` lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// In the build context.
    Path,
    /// On a server.
    File {
        /// The whole address, without what nobody else may know.
        url: String,
        /// User and password, their `%XX` decoded.
        credentials: Option<(String, String)>,
        /// What the file is called.
        name: String,
    },
    /// In a repository of git.
    Repository(Repository),
}

/// A repository of git, and what of it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repository {
    /// As git takes it, without what nobody else may know.
    pub(super) remote: String,
    /// User and password, as an address of `http` or `https` has them.
    pub(super) credentials: Option<String>,
    /// A branch, a tag or a commit; what its `HEAD` is where there is none.
    pub(super) reference: Option<String>,
    /// A directory in it, without slashes at its ends; empty for all.
    pub(super) directory: String,
}

impl Repository {
    /// The server's address with the credentials, and without: it has them for all of
    /// its repositories.
    pub(super) fn server(&self) -> Option<(String, String)> {
        let credentials = self.credentials.as_ref()?;
        let (scheme, rest) = self.remote.split_once("://")?;
        let host = rest.split('/').next()?;
        Some((
            format!("{scheme}://{credentials}@{host}/"),
            format!("{scheme}://{host}/"),
        ))
    }
}

/// An address of `http` or `https` without user and password, and these.
fn part(address: &str) -> (String, Option<String>) {
    let whole = || (address.to_owned(), None);
    let Some((scheme, rest)) = address.split_once("://") else {
        return whole();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((credentials, host)) if is_web(scheme) => {
            let remote = format!("{scheme}://{host}{path}");
            (remote, Some(credentials.to_owned()))
        }
        _ => whole(),
    }
}

fn is_web(scheme: &str) -> bool {
    let scheme = scheme.to_ascii_lowercase();
    scheme.ends_with("http") || scheme.ends_with("https")
}

/// A text, its addresses without users and passwords: what may be kept of an
/// instruction or an argument, and shown.
#[must_use]
pub fn without_credentials(text: &str) -> String {
    let words = text.split_inclusive(|c: char| c.is_whitespace() || c == '"');
    words.map(without_any).collect()
}

/// The same of a word, in which several addresses may stand, whatever their schemes: a user alone
/// is no secret but in `http`.
fn without_any(word: &str) -> String {
    const BEGINS: &str = "://";
    let (mut shown, mut rest) = (String::new(), word);
    while let Some(at) = rest.find(BEGINS) {
        let (scheme, after) = (&rest[..at], &rest[at + BEGINS.len()..]);
        let slash = after.find('/').unwrap_or(after.len());
        // That may be another's: `a://b,c://d`.
        let next = after.find(BEGINS).unwrap_or(after.len());
        let (host, behind) = after.split_at(slash.min(next));
        shown += scheme;
        let is_web = is_web(&shown);
        shown += BEGINS;
        shown += match host.rsplit_once('@') {
            Some((credentials, server)) if is_web || credentials.contains(':') => server,
            _ => host,
        };
        rest = behind;
    }
    shown + rest
}

/// User and password of an address: a password may be missing.
fn pair(credentials: &str) -> Option<(String, String)> {
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    Some((decoded(user)?, decoded(password)?))
}

impl Address {
    pub(super) fn of(text: &str) -> Result<Self, Fault> {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let scheme = scheme.map(str::to_ascii_lowercase);
        let before_fragment = text.split('#').next().unwrap_or_default();
        let path = before_fragment.split('?').next().unwrap_or_default();
        match scheme.as_deref() {
            None if text.starts_with("git@") => repository(text),
            None => Ok(Self::Path),
            Some("git" | "ssh") => repository(text),
            Some("http" | "https") if path.ends_with(".git") => repository(text),
            Some("http" | "https") => {
                let (url, credentials) = part(before_fragment);
                let wrong = |why: &str| Fault::new(format!("`{url}` {why}"));
                let credentials = credentials.map(|both| {
                    let why = "has a user and a password whose `%` are not those of an address";
                    pair(&both).ok_or_else(|| wrong(why))
                });
                Ok(Self::File {
                    credentials: credentials.transpose()?,
                    name: name(path).unwrap_or_else(|| UNNAMED.to_owned()),
                    url,
                })
            }
            // `C://` and the like are nothing that is fetched.
            Some(_) => Err(Fault::new(format!(
                "ADD cannot fetch `{}`: it fetches http, https and git addresses",
                without_credentials(text)
            ))),
        }
    }
}

/// `REMOTE[#[REFERENCE][:DIRECTORY]]`.
fn repository(text: &str) -> Result<Address, Fault> {
    let (remote, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
    // Git would take what begins like this for an option.
    if reference.starts_with('-') {
        return Err(Fault::new(format!(
            "`{reference}` is no branch, tag or commit"
        )));
    }
    let reference = (!reference.is_empty()).then(|| reference.to_owned());
    let (remote, credentials) = part(remote);
    Ok(Address::Repository(Repository {
        remote,
        credentials,
        reference,
        directory: directory.trim_matches('/').to_owned(),
    }))
}

/// The last part of an address's path, its `%XX` decoded.
fn name(path: &str) -> Option<String> {
    let (_, below) = path.split_once("://")?.1.split_once('/')?;
    let last = below.trim_end_matches('/').rsplit('/').next()?;
    let mut bytes = Vec::new();
    let mut rest = last.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, decoded) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let name = String::from_utf8(bytes).ok()?;
    let is_one = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '\0']);
    is_one.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Option<String> {
        match Address::of(text) {
            Ok(Address::File { name, .. }) => Some(name),
            _ => None,
        }
    }

    #[test]
    fn a_file_is_called_as_its_address_ends() {
        for (text, name) in [
            ("https://h/a/b.tar.gz?x=/y.git", "b.tar.gz"),
            ("HTTP://h/a%20b%2", "a b%2"),
            ("http://h/x.github", "x.github"),
            ("http://h/a/b/", "b"),
        ] {
            assert_eq!(file(text).as_deref(), Some(name), "{text}");
        }
        for none in [
            "http://h",
            "http://h/?x=/y",
            "http://h/a/..",
            "http://h/%2f",
        ] {
            assert_eq!(file(none).as_deref(), Some(UNNAMED), "{none}");
        }
        assert!(Address::of("ftp://h/a").is_err());
        assert_eq!(Address::of("a/b.git").unwrap(), Address::Path);
    }

    #[test]
    fn credentials_are_apart_from_the_address() {
        let Address::Repository(one) = Address::of("https://u:p%40@h:1/o/r.git#v1").unwrap() else {
            panic!("no repository");
        };
        assert_eq!(one.remote, "https://h:1/o/r.git");
        let server = ("https://u:p%40@h:1/".to_owned(), "https://h:1/".to_owned());
        assert_eq!(one.server(), Some(server));
        for (text, shown) in [
            ("ADD https://token@h/r.git /x", "ADD https://h/r.git /x"),
            (
                "ADD [\"http://u:p@h/f\", \"/\"]",
                "ADD [\"http://h/f\", \"/\"]",
            ),
            ("ADD ssh://git@h/r /x", "ADD ssh://git@h/r /x"),
            ("ADD http://u:p,q@h/f /", "ADD http://h/f /"),
            ("ADD 'ftp://u:p@h/f' /", "ADD 'ftp://h/f' /"),
            ("ARG A=http://u:p@h/f", "ARG A=http://h/f"),
            (
                "ARG P=https://h,https://u:p@i/x|http://t@j,direct",
                "ARG P=https://h,https://i/x|http://j,direct",
            ),
            (
                "ADD git@h:r https://h/a@b /x",
                "ADD git@h:r https://h/a@b /x",
            ),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }

    #[test]
    fn a_server_is_told_what_its_address_says_and_nobody_else() {
        let Address::File {
            url, credentials, ..
        } = Address::of("http://u:p%40%3a@h/f#x").unwrap()
        else {
            panic!("no file");
        };
        assert_eq!(url, "http://h/f");
        assert_eq!(credentials, Some(("u".to_owned(), "p@:".to_owned())));
        for wrong in ["http://u:s3cr3t%zz@h/f", "ftp://u:s3cr3t@h/f"] {
            let fault = Address::of(wrong).unwrap_err();
            assert!(!fault.reason.contains("s3cr3t"), "{}", fault.reason);
        }
    }

    #[test]
    fn a_repository_is_known_by_its_scheme_or_its_end() {
        let parts = |text: &str| match Address::of(text).unwrap() {
            Address::Repository(one) => (one.remote, one.reference, one.directory),
            other => panic!("{text}: {other:?}"),
        };
        let is = |remote: &str, reference: Option<&str>, directory: &str| {
            (
                remote.to_owned(),
                reference.map(str::to_owned),
                directory.to_owned(),
            )
        };
        assert_eq!(parts("https://h/r.git"), is("https://h/r.git", None, ""));
        assert_eq!(
            parts("https://h/r.git#v1:a/b/"),
            is("https://h/r.git", Some("v1"), "a/b")
        );
        assert_eq!(parts("git@h:o/r.git#:d"), is("git@h:o/r.git", None, "d"));
        assert_eq!(parts("git://h/r#main"), is("git://h/r", Some("main"), ""));
        assert!(Address::of("git://h/r#--upload-pack=x").is_err());
    }
}
