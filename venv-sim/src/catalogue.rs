//! What can be had, and from where: the seam between those who choose and those who fetch.
//!
//! The resolver asks a [`Catalogue`] which files there are of a project and what one of them
//! needs. Whether the answer comes from an index, a directory or a test is not its concern.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pep440_rs::{Version, VersionSpecifiers};

use crate::error::Result;
use crate::redaction::redacted;
use crate::requirement::Name;
use crate::wheel::{Build, Digest, Metadata, Tag, WheelName};

/// Where projects are found.
pub trait Catalogue {
    /// All files of `project`, in no order; none where nobody knows it.
    ///
    /// # Errors
    /// Where an index does not answer, or not in a way that can be understood.
    fn offers(&self, project: &Name) -> Result<Vec<Offer>>;

    /// The same for whoever chooses among many and takes few.
    ///
    /// # Errors
    /// As [`Catalogue::offers`].
    fn listing(&self, project: &Name) -> Result<Listing> {
        self.offers(project).map(Listing::from)
    }

    /// What the wheel `offer` says of itself, by the cheapest way that its origin allows.
    ///
    /// # Errors
    /// Where it cannot be had, or is not what the offer says.
    fn metadata(&self, offer: &Offer) -> Result<Arc<Metadata>>;

    /// Says that these will probably be asked for soon; an implementation may begin to fetch.
    fn expect(&self, projects: &[Name]) {
        let _ = projects;
    }

    /// Says that the metadata of these will probably be asked for soon.
    fn expect_metadata(&self, offers: &[Offer]) {
        let _ = offers;
    }

    /// Files of `project` that exist and are not offered, since an earlier index has the project:
    /// for the explanation of why a version cannot be had, never to be chosen from.
    ///
    /// # Errors
    /// As [`Catalogue::offers`].
    fn elsewhere(&self, project: &Name) -> Result<Vec<Offer>> {
        let _ = project;
        Ok(Vec::new())
    }

    /// Who is asked, for the explanation of why something is not there.
    fn asked(&self) -> Asked {
        Asked::default()
    }
}

/// Who is asked for projects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Whether this says it at all.
    pub is_known: bool,
    /// The addresses of indexes, without secrets.
    pub indexes: Vec<String>,
    /// Directories, files and pages besides.
    pub places: Vec<String>,
}

/// A file of a project that can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name, as its origin has it.
    pub file_name: String,
    /// What its name says.
    pub kind: Kind,
    /// Where it lies.
    pub location: Location,
    /// What its content has to be, each of them; none where its origin does not say.
    pub digests: Vec<Digest>,
    /// Its size in bytes, where its origin says.
    pub size: Option<u64>,
    /// The interpreters that it is for, where its origin says.
    pub requires_python: Option<VersionSpecifiers>,
    /// Why its author took it back; `Some` of nothing where no reason was given.
    pub yanked: Option<String>,
    /// Whether its METADATA can be had alone (PEP 658), and what that has to be.
    pub metadata: MetadataOffer,
    /// Which index or directory offers it, for messages.
    pub origin: String,
}

/// What a file's name says that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A wheel, ready to be installed.
    Wheel(WheelName),
    /// Sources, of which a wheel would have to be built.
    Source {
        /// The version.
        version: Version,
    },
}

/// Where a file lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Location {
    /// At an address, without its fragment.
    Url(String),
    /// On this machine.
    Path(PathBuf),
}

/// Whether a wheel's METADATA can be had without the wheel (PEP 658, 714).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetadataOffer {
    /// It cannot, or the origin does not say so.
    No,
    /// It lies at the wheel's address with `.metadata` behind it.
    Yes {
        /// What its content has to be.
        digests: Vec<Digest>,
    },
}

/// All files of a project, in the order of their versions.
///
/// What choosing asks of each file is at hand; the whole of one is put together when somebody
/// wants it, since a project may have thousands, of which one is taken. A copy costs nothing.
#[derive(Clone)]
pub struct Listing(Arc<Parts>);

/// What a listing is made of.
pub(crate) struct Parts {
    /// The versions, as the names have them: two may be equal.
    pub(crate) versions: Vec<Version>,
    /// What the names of wheels say behind the version.
    pub(crate) builds: Vec<Built>,
    /// The interpreters that files are for.
    pub(crate) pythons: Vec<Arc<VersionSpecifiers>>,
    /// The files, in the order of their versions.
    pub(crate) files: Vec<Brief>,
    /// Puts the whole of a file together, by its place in `files`.
    pub(crate) whole: Box<Whole>,
}

type Whole = dyn Fn(&Parts, usize) -> Option<Offer> + Send + Sync;

/// A file, by what choosing asks: its version, build and interpreters by their places in [`Parts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) version: usize,
    /// None for sources.
    pub(crate) build: Option<usize>,
    pub(crate) python: Option<usize>,
    pub(crate) is_yanked: bool,
}

/// Which build a wheel is, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Built {
    pub(crate) build: Option<Build>,
    pub(crate) tags: Arc<Vec<Tag>>,
}

impl Listing {
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// None at all.
    #[must_use]
    pub fn none() -> Self {
        Vec::new().into()
    }

    /// Whether there is no file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.files.is_empty()
    }

    /// All files, whole.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        let places = 0..self.0.files.len();
        places.filter_map(|place| self.offer(place)).collect()
    }

    /// The file at `place`, whole; `None` where what was remembered of it cannot be read.
    pub(crate) fn offer(&self, place: usize) -> Option<Offer> {
        (self.0.whole)(&self.0, place)
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }
}

impl From<Vec<Offer>> for Listing {
    fn from(mut offers: Vec<Offer>) -> Self {
        offers.sort_by(|one, other| one.version().cmp(other.version()));
        let (mut builds, mut pythons) = (Vec::new(), Vec::new());
        let briefs = offers.iter().enumerate().map(|(version, offer)| Brief {
            version,
            build: match &offer.kind {
                Kind::Source { .. } => None,
                Kind::Wheel(name) => {
                    builds.push(Built {
                        build: name.build.clone(),
                        tags: Arc::new(name.tags.clone()),
                    });
                    Some(builds.len() - 1)
                }
            },
            python: offer.requires_python.as_ref().map(|python| {
                pythons.push(Arc::new(python.clone()));
                pythons.len() - 1
            }),
            is_yanked: offer.yanked.is_some(),
        });
        Self::new(Parts {
            files: briefs.collect(),
            versions: offers.iter().map(Offer::version).cloned().collect(),
            builds,
            pythons,
            whole: Box::new(move |_, place| offers.get(place).cloned()),
        })
    }
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0.files).finish()
    }
}

impl Offer {
    /// The version that its name says.
    #[must_use]
    pub fn version(&self) -> &Version {
        match &self.kind {
            Kind::Wheel(name) => &name.version,
            Kind::Source { version } => version,
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(&redacted(url)),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}
