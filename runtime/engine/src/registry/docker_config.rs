//! `config.json` and `auth.json`: who the user is to which registry, as docker,
//! podman and skopeo keep it.
//!
//! Only what is about credentials is understood. All else in the file is
//! somebody's, and stays when a login is written.
//!
//! Source: docker's documentation, "Docker CLI configuration files";
//! `containers-auth.json(5)`.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::image::Invalid;

/// Longer than such a file is, in bytes.
const LONGEST: u64 = 1 << 20;
/// Docker's name for its own registry, from before there were others.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// What somebody says to be let in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Login {
    /// A name and a password.
    Password {
        /// The name.
        user: String,
        /// The password.
        secret: String,
    },
    /// What is exchanged for tokens.
    Identity(String),
    /// A token for the registry itself.
    Token(String),
}

/// What is secret is not shown.
impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Password { user, .. } => write!(f, "Password of {user}"),
            Self::Identity(_) => f.write_str("Identity"),
            Self::Token(_) => f.write_str("Token"),
        }
    }
}

/// A file of credentials.
#[derive(Clone, Default, PartialEq)]
pub struct DockerConfig {
    whole: Map<String, Value>,
}

impl std::fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DockerConfig of {} entries", self.whole.len())
    }
}

impl DockerConfig {
    /// Reads `path`; one that is not there says nothing.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Invalid`] for what is no such file.
    pub fn read(path: &Path) -> Result<Self> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            opened => opened.map_err(Error::read(path))?,
        };
        let mut text = Vec::new();
        let read = file.take(LONGEST + 1).read_to_end(&mut text);
        read.map_err(Error::read(path))?;
        Self::parse(&text).map_err(|mut invalid| {
            invalid.what = path.display().to_string();
            invalid.into()
        })
    }

    /// Reads its text. An empty file says nothing.
    ///
    /// # Errors
    /// [`Invalid`], in whose text nothing of the file is: it may be a password.
    pub fn parse(text: &[u8]) -> std::result::Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("file of credentials", reason);
        if text.len() as u64 > LONGEST {
            return Err(invalid(format!("it is longer than {LONGEST} bytes")));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        let whole = serde_json::from_slice(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            invalid(format!(
                "it is no JSON object: line {line}, column {column}"
            ))
        })?;
        Ok(Self { whole })
    }

    /// What the file itself says for `registry`, for its `repository` first:
    /// `HOST/a/b`, then `HOST/a`, then `HOST`.
    #[must_use]
    pub fn login(&self, registry: &str, repository: &str) -> Option<Login> {
        let auths = self.whole.get("auths")?.as_object()?;
        let whole = format!("{registry}/{repository}");
        let mut wanted = &*whole;
        loop {
            let named = auths.iter().find(|(key, _)| names(key, wanted));
            if let Some(login) = named.and_then(|(_, entry)| login_of(entry)) {
                return Some(login);
            }
            match wanted.rsplit_once('/') {
                Some((parent, _)) => wanted = parent,
                None => return None,
            }
        }
    }

    /// The helper, `docker-credential-NAME`, that keeps the credentials of
    /// `registry`.
    #[must_use]
    pub fn helper(&self, registry: &str) -> Option<&str> {
        let own = self.whole.get("credHelpers").and_then(Value::as_object);
        let own = own.and_then(|all| all.iter().find(|(key, _)| names(key, registry)));
        let named = own.map(|(_, name)| name);
        let name = named.or_else(|| self.whole.get("credsStore"))?.as_str()?;
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        (!name.is_empty() && name.bytes().all(letter)).then_some(name)
    }

    /// Notes a name and a password for `registry`.
    pub fn set(&mut self, registry: &str, user: &str, secret: &str) {
        let auth = STANDARD.encode(format!("{user}:{secret}"));
        let auths = self
            .whole
            .entry("auths")
            .or_insert_with(|| Map::new().into());
        if !auths.is_object() {
            *auths = Map::new().into();
        }
        if let Some(auths) = auths.as_object_mut() {
            auths.retain(|key, _| !names(key, registry));
            let entry = Map::from_iter([("auth".to_owned(), Value::from(auth))]);
            auths.insert(key_of(registry).to_owned(), entry.into());
        }
    }

    /// Forgets `registry`; whether it was known.
    pub fn remove(&mut self, registry: &str) -> bool {
        let auths = self.whole.get_mut("auths").and_then(Value::as_object_mut);
        auths.is_some_and(|auths| {
            let before = auths.len();
            auths.retain(|key, _| !names(key, registry));
            auths.len() < before
        })
    }

    /// Its text, for people, too.
    #[must_use]
    pub fn to_text(&self) -> String {
        let text = serde_json::to_string_pretty(&self.whole).unwrap_or_default();
        text + "\n"
    }

    /// Changes the file at `path`, whole or not at all, while no other command of
    /// ours does. Only its user may read it.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`Error::Write`].
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> T) -> Result<T> {
        // What is a link elsewhere stays one.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let directory = target.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(directory).map_err(Error::write(directory))?;
        let alone = File::open(directory).map_err(Error::read(directory))?;
        alone.lock().map_err(Error::write(directory))?;
        let mut config = Self::read(&target)?;
        let result = change(&mut config);
        replace(&target, config.to_text().as_bytes())?;
        Ok(result)
    }
}

fn replace(target: &Path, text: &[u8]) -> Result<()> {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let new: PathBuf = target.with_file_name(name);
    let _ = fs::remove_file(&new);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(text)?;
        // It is short, it is a user's, and there is no other copy.
        file.sync_all()?;
        fs::rename(&new, target)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        Error::write(target)(error)
    })
}

/// The key under which docker keeps the credentials of `registry`.
pub(super) fn key_of(registry: &str) -> &str {
    match registry {
        "docker.io" => DOCKER_HUB,
        other => other,
    }
}

/// Whether a file's `key` means `wanted`, `HOST[/PATH]`: it may have a scheme, and
/// then a path that says nothing.
fn names(key: &str, wanted: &str) -> bool {
    let with_scheme = ["https://", "http://"]
        .iter()
        .find_map(|scheme| key.strip_prefix(scheme));
    let bare = match with_scheme {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => key.trim_end_matches('/'),
    };
    let usual = |text: &str| -> String {
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let host = match host {
            "index.docker.io" | "registry-1.docker.io" => "docker.io",
            other => other,
        };
        format!("{host}/{path}")
    };
    // Docker's oldest key is written with and without its scheme.
    let bare = if bare == "index.docker.io/v1" {
        "docker.io"
    } else {
        bare
    };
    usual(bare) == usual(wanted)
}

fn login_of(entry: &Value) -> Option<Login> {
    let said = |key: &str| {
        let value = entry.get(key).and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    };
    if let Some(token) = said("identitytoken") {
        return Some(Login::Identity(token.to_owned()));
    }
    if let Some(token) = said("registrytoken") {
        return Some(Login::Token(token.to_owned()));
    }
    if let Some((user, secret)) = said("username").zip(said("password")) {
        let (user, secret) = (user.to_owned(), secret.to_owned());
        return Some(Login::Password { user, secret });
    }
    let auth = said("auth")?.trim();
    let bytes = STANDARD
        .decode(auth)
        .or_else(|_| STANDARD_NO_PAD.decode(auth));
    let text = String::from_utf8(bytes.ok()?).ok()?;
    let (user, secret) = text.split_once(':')?;
    Some(Login::Password {
        user: user.to_owned(),
        // Docker once filled it up.
        secret: secret.trim_end_matches('\0').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use proptest::prelude::*;

    use super::*;

    fn password(user: &str, secret: &str) -> Login {
        Login::Password {
            user: user.to_owned(),
            secret: secret.to_owned(),
        }
    }

    #[test]
    fn a_registry_is_known_under_each_of_its_names() {
        // `bWU6YTpi` is `me:a:b`.
        for (key, registry) in [
            ("r.example:5000", "r.example:5000"),
            ("https://r.example/v1/", "r.example"),
            ("http://r.example", "r.example"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("r.example/team", "r.example"),
        ] {
            let text = format!(r#"{{"auths":{{"{key}":{{"auth":"bWU6YTpi"}}}}}}"#);
            let config = DockerConfig::parse(text.as_bytes()).unwrap();
            let found = config.login(registry, "team/app");
            assert_eq!(found, Some(password("me", "a:b")), "{key}");
            assert_eq!(config.login("other.example", "team/app"), None, "{key}");
        }
    }

    #[test]
    fn the_nearest_repository_and_the_registrys_own_helper_count() {
        let text = br#"{"auths":{"r":{"username":"a","password":"b"},
            "r/team":{"identitytoken":"t"},"s":{}},
            "credHelpers":{"r":"own"},"credsStore":"any"}"#;
        let config = DockerConfig::parse(text).unwrap();
        assert_eq!(config.login("r", "x"), Some(password("a", "b")));
        let team = config.login("r", "team/app");
        assert_eq!(team, Some(Login::Identity("t".to_owned())));
        assert_eq!(config.login("s", "x"), None);
        assert_eq!(config.helper("r"), Some("own"));
        assert_eq!(config.helper("s"), Some("any"));
        let evil = br#"{"credsStore":"../../bin/evil"}"#;
        assert_eq!(DockerConfig::parse(evil).unwrap().helper("r"), None);
    }

    #[test]
    fn a_login_is_written_for_its_user_alone_and_loses_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sub/config.json");
        DockerConfig::change(&path, |config| config.set("r", "a", "b")).unwrap();
        let text = r#"{"psFormat":"x","auths":{"s":{"auth":"bWU6YTpi","more":1}}}"#;
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        DockerConfig::change(&path, |config| config.set("docker.io", "me", "pass:word")).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let config = DockerConfig::read(&path).unwrap();
        assert_eq!(config.whole["psFormat"], "x");
        assert_eq!(config.whole["auths"]["s"]["more"], 1);
        let found = config.login("docker.io", "library/python");
        assert_eq!(found, Some(password("me", "pass:word")));
        assert!(DockerConfig::change(&path, |config| config.remove("docker.io")).unwrap());
        assert!(!DockerConfig::change(&path, |config| config.remove("docker.io")).unwrap());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_not_replaced_and_not_shown() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config.json");
        fs::write(&path, "{\"auths\": secret").unwrap();
        let error = DockerConfig::change(&path, |config| config.set("r", "a", "b")).unwrap_err();
        assert!(error.to_string().contains("line 1") && !error.to_string().contains("secret"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"auths\": secret");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(
            text in "\\PC{0,60}|(\\{\"(auths|credHelpers|credsStore)\":(\\{\"r\":(\\{\"auth\":\"[a-zA-Z0-9+/=]{0,9}\"\\}|1|null)\\}|\"x\"|1)\\})"
        ) {
            if let Ok(mut config) = DockerConfig::parse(text.as_bytes()) {
                let _ = (config.login("r", "a/b"), config.helper("r"));
                config.set("r", "a", "b");
                let again = DockerConfig::parse(config.to_text().as_bytes()).unwrap();
                prop_assert_eq!(again, config);
            }
        }

        #[test]
        fn what_is_set_is_found(user in "[^:\\x00]{1,10}", secret in "[^\\x00]{1,10}") {
            let mut config = DockerConfig::default();
            config.set("r.example", &user, &secret);
            prop_assert_eq!(config.login("r.example", "x"), Some(password(&user, &secret)));
        }
    }
}
