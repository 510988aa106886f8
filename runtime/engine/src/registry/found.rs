//! A login that is found in one process and used in another.
//!
//! In the room the user's groups do not count, so a file of credentials that only
//! they may read is closed there; and a helper does not reach his session's keyring.
//! So who the user is is found outside, and handed in.

use std::io::Read;
use std::result;

use serde::{Deserialize, Serialize};

use super::docker_config::Login;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::image::{Invalid, Reference};

/// Who the user is to a repository of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    registry: String,
    repository: String,
    /// Or why that was not to be had, for whoever needs it: many images are
    /// everybody's.
    login: result::Result<Option<Login>, String>,
}

impl Found {
    /// As the files and the helpers of this user say.
    #[must_use]
    pub fn find(settings: &Settings, reference: &Reference) -> Self {
        Self::of_names(settings, reference.registry(), reference.repository())
    }

    pub(super) fn of_names(settings: &Settings, registry: &str, repository: &str) -> Self {
        let login = super::credentials::find(settings, registry, repository);
        Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            login: login.map_err(|error| error.in_one_line()),
        }
    }

    /// What [`read`](Self::read) reads; a secret is in it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads what another process of ours found.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is nothing of the kind.
    pub fn read(input: impl Read) -> Result<Self> {
        // The text is not shown: a secret may be in it.
        let read = serde_json::from_reader(input);
        read.map_err(|_| Invalid::new("login", "it was not handed on whole").into())
    }

    /// The login, where it is that of this repository.
    pub(super) fn of(&self, registry: &str, repository: &str) -> Option<Result<Option<Login>>> {
        let same = self.registry == registry && self.repository == repository;
        same.then(|| {
            self.login.clone().map_err(|reason| Error::Registry {
                action: format!("find the login for {registry}"),
                reason,
                remedy: None,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found with a file of credentials of this text counts elsewhere.
    fn handed_on(text: &str) -> Result<Option<Login>> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::of(|_| None);
        settings.credential_files = vec![path];
        let reference = "r.example/a:1".parse().unwrap();
        let found = Found::find(&settings, &reference);
        drop(place);
        settings.found = Some(Found::read(found.to_text().as_bytes()).unwrap());
        assert_eq!(
            super::super::credentials::find(&settings, "r.example", "other").unwrap(),
            None
        );
        super::super::credentials::find(&settings, "r.example", "a")
    }

    #[test]
    fn what_was_found_counts_where_the_files_are_out_of_reach() {
        // `bWU6YTpi` is `me:a:b`.
        let expected = Login::Password {
            user: "me".to_owned(),
            secret: "a:b".to_owned(),
        };
        let known = handed_on(r#"{"auths":{"r.example":{"auth":"bWU6YTpi"}}}"#);
        assert_eq!(known.unwrap(), Some(expected));
        assert_eq!(handed_on("{}").unwrap(), None);
        let error = handed_on("none").unwrap_err().to_string();
        assert!(error.contains("no JSON object"), "{error}");
    }
}
