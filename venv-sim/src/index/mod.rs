//! Indexes: what they offer, and how it comes here.
//!
//! Which index is asked, and how, is what the interpreter's own pip would do
//! ([`IndexSettings::of`]): its variables, its configuration, else the index that the pip bundled
//! with it knows. [`Index`] is the [`Catalogue`] that the resolver asks, from several threads at
//! once; it asks ahead what it is told to expect. What a server says is never believed further
//! than it can be checked.
//!
//! Source: *Simple repository API* of the Python Packaging User Guide (PEP 503, 592, 629, 658,
//! 691, 700, 714).

mod ahead;
mod answers;
mod client;
mod condensed;
mod default_index;
mod fetch;
#[cfg(fuzzing)]
pub mod fuzzed;
mod html;
mod inputs;
mod json;
mod links;
mod listing;
mod memo;
mod metadata;
mod names;
mod netrc;
mod pip_config;
mod proxy;
mod question;
mod ranges;
mod remembered;
mod settings;
mod trust;
mod url;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use ahead::Ahead;
use answers::{Page, Reading};
use client::{Client, at, wrong};
pub use inputs::{IndexFlags, Inputs, Strategy, Variables, variables_of_process};
use listing::Listed;
use memo::Memo;
pub use names::look_up;
pub use netrc::Netrc;
pub use remembered::{Forget, Remembered, forget, remembered};
pub use settings::IndexSettings;
pub(crate) use settings::{check_host, check_index_url};
use url::Url;

use crate::cache::Cache;
use crate::catalogue::{Asked, Catalogue, Listing, Offer};
use crate::error::Result;
use crate::requirement::Name;
use crate::threads::help;
use crate::trouble::Trouble;
use crate::wheel::Metadata;

/// The indexes and directories of the settings, as one catalogue.
///
/// Cheap to share: threads may ask it at once, and what one has asked for, all know.
pub struct Index {
    shared: Arc<Shared>,
    ahead: Ahead<Job>,
    work: Arc<dyn Fn(Job) + Send + Sync>,
}

struct Shared {
    client: Client,
    cache: Cache,
    listings: Memo<Name, Listing>,
    metadata: Memo<metadata::Key, Metadata>,
    links: Memo<(), HashMap<Name, Vec<Listed>>>,
    likely: OnceLock<Box<Likely>>,
}

type Likely = dyn Fn(&[Offer]) -> Option<Offer> + Send + Sync;

enum Job {
    Offers(Name),
    Metadata(Box<Offer>),
}

/// What is understood, the richer the better.
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, \
    application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// As many files come at once.
const FETCHES: usize = 8;

impl Index {
    /// The indexes of `settings`; what can be remembered is remembered in `cache`.
    #[must_use]
    pub fn new(settings: IndexSettings, cache: &Cache) -> Self {
        let shared = Arc::new(Shared {
            client: Client::new(settings),
            cache: cache.clone(),
            listings: Memo::default(),
            metadata: Memo::default(),
            links: Memo::default(),
            likely: OnceLock::new(),
        });
        let worker = Arc::clone(&shared);
        let work = Arc::new(move |job| worker.work(job));
        Self {
            shared,
            ahead: Ahead::new(),
            work,
        }
    }

    /// Gives a guess at which of a project's files will be chosen: whose offers were expected,
    /// the metadata of the likely one is asked for ahead, too.
    pub fn guess(&self, likely: impl Fn(&[Offer]) -> Option<Offer> + Send + Sync + 'static) {
        let _ = self.shared.likely.set(Box::new(likely));
    }

    /// What settings it has.
    #[must_use]
    pub fn settings(&self) -> &IndexSettings {
        self.shared.client.settings()
    }

    /// Brings the file that is offered into `directory`, which is made if need be. A file of this
    /// machine stays where it is. Gives the path of either, after it was held to its size and its
    /// digests.
    ///
    /// # Errors
    /// [`Error::Index`](crate::Error::Index) where it cannot be had, or is not what was promised;
    /// then nothing is left of it.
    pub fn fetch(&self, offer: &Offer, directory: &Path) -> Result<PathBuf> {
        fetch::fetch(&self.shared.client, offer, directory, &|_| {})
    }

    /// Brings all files that are offered into `directory`, several at once; their paths, in the
    /// order of the offers. `came` is told of the bytes of each as they come, a negative number
    /// where some come again.
    ///
    /// # Errors
    /// As [`Index::fetch`], the first; what was complete by then stays.
    pub fn fetch_all(
        &self,
        offers: &[Offer],
        directory: &Path,
        came: &(dyn Fn(&Offer, i64) + Sync),
    ) -> Result<Vec<PathBuf>> {
        // The longest first: the last to end should be a short one.
        let mut order: Vec<usize> = (0..offers.len()).collect();
        order.sort_by_key(|index| std::cmp::Reverse(offers[*index].size));
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::with_capacity(offers.len()));
        let client = &self.shared.client;
        let work = || {
            while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let offer = &offers[*index];
                let fetched = fetch::fetch(client, offer, directory, &|count| came(offer, count));
                if fetched.is_err() {
                    next.store(order.len(), Ordering::Relaxed);
                }
                let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                results.push((*index, fetched));
            }
        };
        thread::scope(|scope| {
            help(scope, FETCHES.min(offers.len()).saturating_sub(1), work);
            work();
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(index, fetched)| (fetched.is_ok(), *index));
        results.into_iter().map(|(_, fetched)| fetched).collect()
    }
}

impl Catalogue for Index {
    fn offers(&self, project: &Name) -> Result<Vec<Offer>> {
        self.listing(project).map(|listing| listing.offers())
    }

    fn listing(&self, project: &Name) -> Result<Listing> {
        let found = self.shared.listing(project)?;
        Ok(Listing::clone(&found))
    }

    fn metadata(&self, offer: &Offer) -> Result<Arc<Metadata>> {
        self.shared.metadata(offer)
    }

    fn expect(&self, projects: &[Name]) {
        let jobs = projects.iter().cloned().map(Job::Offers);
        self.ahead.give(jobs, &self.work);
    }

    fn expect_metadata(&self, offers: &[Offer]) {
        let jobs = offers
            .iter()
            .cloned()
            .map(|offer| Job::Metadata(Box::new(offer)));
        self.ahead.give(jobs, &self.work);
    }

    fn elsewhere(&self, project: &Name) -> Result<Vec<Offer>> {
        self.shared.elsewhere(project)
    }

    fn asked(&self) -> Asked {
        self.settings().asked()
    }
}

impl Shared {
    fn work(&self, job: Job) {
        match job {
            Job::Offers(project) => {
                let listing = self
                    .listings
                    .ask_ahead(&project, || self.ask_offers(&project));
                let likely = listing.zip(self.likely.get());
                if let Some(offer) = likely.and_then(|(it, likely)| likely(&it.offers())) {
                    self.ask_metadata_ahead(&offer);
                }
            }
            Job::Metadata(offer) => self.ask_metadata_ahead(&offer),
        }
    }

    fn listing(&self, project: &Name) -> Result<Arc<Listing>> {
        self.listings.get(project, || self.ask_offers(project))
    }

    fn metadata(&self, offer: &Offer) -> Result<Arc<Metadata>> {
        self.metadata.get(&metadata::Key::of(offer), || {
            metadata::of(&self.client, &self.cache, offer)
        })
    }

    fn ask_metadata_ahead(&self, offer: &Offer) {
        let ask = || metadata::of(&self.client, &self.cache, offer);
        self.metadata.ask_ahead(&metadata::Key::of(offer), ask);
    }

    /// What lies about, and what the first index has that has the project, or all have.
    fn ask_offers(&self, project: &Name) -> Result<Listing> {
        let settings = self.client.settings();
        let mut found = Vec::new();
        let here = self.lying_about(project)?;
        if !here.is_empty() {
            found.push(here.into());
        }
        for index in &settings.indexes {
            let listing = self.ask_index(index, project)?;
            let has_it = listing.is_some();
            found.extend(listing);
            if has_it && settings.strategy == Strategy::FirstIndex {
                break;
            }
        }
        Ok(match &found[..] {
            // As it was remembered.
            [only] => Listing::clone(only),
            several => {
                let offers = several.iter().flat_map(Listing::offers);
                each_once(offers.collect()).into()
            }
        })
    }

    fn elsewhere(&self, project: &Name) -> Result<Vec<Offer>> {
        let settings = self.client.settings();
        let mut offers = Vec::new();
        let mut has_it = false;
        for index in &settings.indexes {
            let is_asked = has_it && settings.strategy == Strategy::FirstIndex;
            let found = self.ask_index(index, project)?;
            has_it |= found.is_some();
            if let Some(listing) = found.filter(|_| is_asked) {
                offers.extend(listing.offers());
            }
        }
        Ok(offers)
    }

    /// The files that `--find-links` leads to; the places are looked at once.
    fn lying_about(&self, project: &Name) -> Result<Vec<Offer>> {
        let places = &self.client.settings().find_links;
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let links = self.links.get(&(), || {
            let mut by_project: HashMap<Name, Vec<Listed>> = HashMap::new();
            for place in places {
                for listed in links::of(&self.client, &self.cache, place)? {
                    if let Some(project) = listing::project(&listed.name) {
                        by_project.entry(project).or_default().push(listed);
                    }
                }
            }
            Ok(by_project)
        })?;
        let found = links.get(project).into_iter().flatten().cloned();
        let offers = found.filter_map(|listed| listed.offer(project, "--find-links"));
        Ok(each_once(offers.collect()))
    }

    /// The files of `project` on one index, each once; `None` where it does not know it.
    fn ask_index(&self, index: &Url, project: &Name) -> Result<Option<Listing>> {
        let origin = index.to_string();
        let offers = |files: Vec<Listed>| {
            let offers = files
                .into_iter()
                .filter_map(|file| file.offer(project, &origin));
            each_once(offers.collect())
        };
        if let Some(directory) = index.to_path() {
            let files = links::in_directory(&directory, project.as_str())?;
            return Ok(files.map(|files| offers(files).into()));
        }
        let mut address = index.clone();
        address.path = format!("{}{project}/", index.path);
        let open = |condensed| condensed::open(condensed, project, &origin);
        let make = |page: &Page| {
            let offers = offers(files(page, project)?);
            let condensed = condensed::condense(&offers);
            let opened = condensed.clone().and_then(open);
            Ok((opened.unwrap_or_else(|| offers.into()), condensed))
        };
        let reading = Reading {
            make: &make,
            open: &open,
        };
        answers::read(&self.client, &self.cache, &address, ACCEPT, &reading).map_err(at(&address))
    }
}

/// The files that a project's page lists, in whichever form it came.
fn files(page: &Page, project: &Name) -> Result<Vec<Listed>, Trouble> {
    let is_json = match &page.content_type[..] {
        "application/vnd.pypi.simple.v1+json" | "application/json" => true,
        "application/vnd.pypi.simple.v1+html" | "text/html" | "application/xhtml+xml" => false,
        "" => page.body.trim_ascii_start().starts_with(b"{"),
        other => {
            let shown = crate::refusal::shown(other);
            return Err(wrong(&format!(
                "it sends {shown} where a list of files is due"
            )));
        }
    };
    if is_json {
        return json::parse(&page.body, &page.url, project).map_err(Trouble::Wrong);
    }
    let page = html::parse(&page.body, &page.url).map_err(Trouble::Wrong)?;
    let is_of_it = |listed: &Listed| listed.clone().offer(project, "").is_some();
    if page.is_for_people && !page.files.iter().any(is_of_it) {
        return Err(wrong(
            "it sends a page for people where a list of files is due",
        ));
    }
    Ok(page.files)
}

/// Of several files of one name the first, as the places are in order.
fn each_once(offers: Vec<Offer>) -> Vec<Offer> {
    let mut seen = HashSet::new();
    let first = offers
        .into_iter()
        .filter(|offer| seen.insert(offer.file_name.clone()));
    first.collect()
}
