//! What can be had, and from where: the seam between those who choose and those who fetch.
//!
//! The resolver asks a [`Catalogue`] which files there are of a project and what one of them
//! needs. Whether the answer comes from an index, a directory or a test is not its concern.

use std::fmt;
use std::path::PathBuf;

use pep440_rs::{Version, VersionSpecifiers};

use crate::error::Result;
use crate::redaction::redacted;
use crate::requirement::Name;
use crate::wheel::{Digest, Metadata, WheelName};

/// Where projects are found.
pub trait Catalogue {
    /// All files of `project`, in no order; none where nobody knows it.
    ///
    /// # Errors
    /// Where an index does not answer, or not in a way that can be understood.
    fn offers(&self, project: &Name) -> Result<Vec<Offer>>;

    /// What the wheel `offer` says of itself, by the cheapest way that its origin allows.
    ///
    /// # Errors
    /// Where it cannot be had, or is not what the offer says.
    fn metadata(&self, offer: &Offer) -> Result<Metadata>;

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
