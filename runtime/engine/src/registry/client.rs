//! The client: what can be asked of a registry, a verb a method.

use serde::Deserialize;
use ureq::http::{Method, header};

use super::credentials;
use super::docker_config::Login;
use super::header::next_page;
use super::progress::Progress;
use super::session::{Question, Session, Site};
use super::settings::Settings;
use super::trouble::{Trouble, wrong};
use crate::error::Result;
use crate::image::{Descriptor, Digest, Index, LONGEST_DOCUMENT, MediaType, Reference};

/// Asks registries. It may be shared between threads; tokens and connections are
/// kept as long as it lives.
pub struct Client {
    pub(super) session: Session,
}

/// A page of a list, in bytes, and the most pages.
const LONGEST_PAGE: u64 = 8 << 20;
const MOST_PAGES: usize = 1000;

impl Client {
    /// One that asks as `settings` say.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            session: Session::new(settings),
        }
    }

    /// Whether `registry` is one that lets this user in: the check of a login.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry).
    pub fn check(&self, registry: &str) -> Result<()> {
        let checked = Site::of_registry(&self.session.settings, registry).and_then(|site| {
            let answer = self.session.ask(&site, Question::get(site.api("")))?;
            answer.expect(&[200]).map(drop)
        });
        checked.map_err(|trouble| trouble.about(format!("log in at {registry}"), registry))
    }

    /// Checks a name and a password, and keeps them where docker does: with the
    /// credential helper that its `config.json` names, else in that file.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry): nothing is kept then;
    /// [`Error::Write`](crate::Error::Write).
    pub fn login(
        &self,
        registry: &str,
        user: &str,
        secret: &str,
        progress: &dyn Progress,
    ) -> Result<()> {
        let login = Login::Password {
            user: user.to_owned(),
            secret: secret.to_owned(),
        };
        self.session.use_login(registry, login);
        let line = &self.session.line;
        line.while_wanted(progress, || self.check(registry))?;
        credentials::keep(&self.session.settings, registry, user, secret)
    }

    /// Forgets what was kept; whether anything was.
    ///
    /// # Errors
    /// [`Error::Write`](crate::Error::Write), or a helper's failure.
    pub fn logout(&self, registry: &str) -> Result<bool> {
        credentials::forget(&self.session.settings, registry)
    }

    /// Every tag of the reference's repository, in the registry's order.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry).
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let repository = reference.familiar_repository();
        let listed = Site::new(&self.session.settings, reference, "pull").and_then(|site| {
            let first = site.below("tags/list");
            self.pages(&site, first, |page: Page| page.tags.unwrap_or_default())
        });
        listed.map_err(|trouble| {
            trouble.about(
                format!("list the tags of {repository}"),
                reference.registry(),
            )
        })
    }

    /// Every repository of `registry`, where it tells.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry).
    pub fn catalog(&self, registry: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            repositories: Option<Vec<String>>,
        }
        let listed = Site::of_registry(&self.session.settings, registry).and_then(|site| {
            let site = site.and("registry:catalog:*".to_owned());
            let first = site.api("_catalog");
            self.pages(&site, first, |page: Page| {
                page.repositories.unwrap_or_default()
            })
        });
        listed.map_err(|trouble| {
            trouble.about(format!("list the repositories of {registry}"), registry)
        })
    }

    /// What says something about the manifest `digest`: signatures, lists of
    /// parts, of `artifact_type` alone where one is named.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry).
    ///
    /// Source: OCI distribution specification, "Listing Referrers", with its way
    /// for registries that do not know how.
    pub fn referrers(
        &self,
        reference: &Reference,
        digest: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let listed = Site::new(&self.session.settings, reference, "pull").and_then(|site| {
            let mut url = site.below(&format!("referrers/{digest}"));
            if let Some(kind) = artifact_type {
                url = url.with("artifactType", kind);
            }
            let found = self.pages(&site, url, |page: Index| page.manifests);
            let found = match found {
                Err(trouble) if trouble.is_absence() => {
                    let tag = digest.to_string().replace(':', "-");
                    let url = site.below(&format!("manifests/{tag}"));
                    let found = self.pages(&site, url, |page: Index| page.manifests);
                    found.or_else(|trouble| match trouble.is_absence() {
                        true => Ok(Vec::new()),
                        false => Err(trouble),
                    })
                }
                found => found,
            };
            let mut found = found?;
            if let Some(kind) = artifact_type {
                found.retain(|entry| entry.artifact_type.as_deref() == Some(kind));
            }
            Ok(found)
        });
        listed.map_err(|trouble| {
            trouble.about(
                format!("list what refers to {digest}"),
                reference.registry(),
            )
        })
    }

    /// Deletes the tag, or the manifest where the reference names a digest.
    ///
    /// # Errors
    /// [`Error::Registry`](crate::Error::Registry); many registries delete
    /// manifests only.
    pub fn delete(&self, reference: &Reference, progress: &dyn Progress) -> Result<()> {
        let actions = "pull,push,delete";
        let deleted = Site::new(&self.session.settings, reference, actions).and_then(|site| {
            let url = site.below(&format!("manifests/{}", reference.asked()));
            self.session.patiently(progress, || {
                let question = Question::new(Method::DELETE, url.clone());
                let answer = self.session.ask(&site, question)?;
                answer.expect(&[200, 202, 204]).map(drop)
            })
        });
        deleted
            .map_err(|trouble| trouble.about(format!("delete {reference}"), reference.registry()))
    }

    /// Page after page, as far as the links lead.
    fn pages<P: for<'de> Deserialize<'de>, T>(
        &self,
        site: &Site,
        first: super::url::Url,
        items: impl Fn(P) -> Vec<T>,
    ) -> std::result::Result<Vec<T>, Trouble> {
        let mut url = first;
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let answer = self.session.patiently(&(), || {
                let accept = format!("{}, application/json", MediaType::Index);
                let question = Question::get(url.clone()).header(header::ACCEPT, accept);
                self.session.ask(site, question)?.expect(&[200])
            })?;
            let next = answer.header("link").and_then(next_page);
            let next = next.map(|next| answer.url.join(next)).transpose();
            let next = next.map_err(|why| wrong(format!("where its list goes on: {why}")))?;
            let text = answer.into_bytes(LONGEST_PAGE.max(LONGEST_DOCUMENT))?;
            let page = serde_json::from_slice(&text);
            let page = page.map_err(|why| wrong(format!("its list is none: {why}")))?;
            let found = items(page);
            // A list that goes on with nothing is a circle.
            let ends = found.is_empty();
            all.extend(found);
            match next {
                Some(next) if !ends && next != url => url = next,
                _ => return Ok(all),
            }
        }
        Err(wrong(format!("its list has more than {MOST_PAGES} pages")))
    }
}
