//! Projects in memory, written as a table.
//!
//! ```text
//! a 1.0 : b>=1 | c<2 ; python_version < '4'
//! a 2.0 yanked=broken extras=x,y python=>=3.12
//! c 1.0 sources
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalogue::{Asked, Catalogue, Kind, Location, MetadataOffer, Offer};
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::requirement::{MarkerEnvironment, Name};
use crate::requirements_file::Wanted;
use crate::resolve::{Demand, Held, Resolution, Rules, resolve};
use crate::wheel::{Digest, Metadata, Tag};

#[derive(Default)]
pub(super) struct Shelf {
    offers: BTreeMap<Name, Vec<Offer>>,
    metadata: BTreeMap<String, Result<Metadata, String>>,
    /// What was asked for, in order.
    pub(super) asked: RefCell<Vec<String>>,
    /// What an index that is not asked has.
    pub(super) elsewhere: BTreeMap<Name, Vec<Offer>>,
    /// Asking for this project fails.
    pub(super) unreachable: Option<Name>,
    /// Who is said to be asked.
    pub(super) who: Asked,
}

impl Shelf {
    pub(super) fn new(table: &str) -> Self {
        let mut shelf = Self::default();
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            shelf.put(line);
        }
        shelf
    }

    /// With what stands in another table on an index that is not asked.
    pub(super) fn and_elsewhere(mut self, table: &str) -> Self {
        self.elsewhere = Self::new(table).offers;
        self
    }

    fn put(&mut self, line: &str) {
        let (what, requires) = line.split_once(':').unwrap_or((line, ""));
        let mut words = what.split_whitespace();
        let name: Name = words.next().expect("a name").parse().expect("a name");
        let version = words.next().expect("a version");
        let flags: Vec<&str> = words.collect();
        let is = |flag: &str| flags.contains(&flag);
        let value = |key: &str| {
            let found = flags.iter().find_map(|flag| flag.strip_prefix(key));
            found.map(str::to_owned)
        };
        let tags = value("tags=").unwrap_or_else(|| "py3-none-any".to_owned());
        let build = value("build=").map_or(String::new(), |build| format!("-{build}"));
        let file_name = match is("sources") {
            true => format!("{name}-{version}.tar.gz"),
            false => format!("{}-{version}{build}-{tags}.whl", name.with_underscores()),
        };
        let kind = match is("sources") {
            true => Kind::Source {
                version: version.parse().expect("a version"),
            },
            false => Kind::Wheel(file_name.parse().expect("a wheel's name")),
        };
        let mut text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        for requirement in requires.split('|').filter(|one| !one.trim().is_empty()) {
            text.push_str(&format!("Requires-Dist: {}\n", requirement.trim()));
        }
        for extra in value("extras=").iter().flat_map(|extras| extras.split(',')) {
            text.push_str(&format!("Provides-Extra: {extra}\n"));
        }
        if let Some(python) = value("says-python=") {
            text.push_str(&format!("Requires-Python: {python}\n"));
        }
        let metadata = match (is("broken"), value("called=")) {
            (true, _) => Err("its METADATA has no Name".to_owned()),
            (_, Some(other)) => {
                let text = text.replace(&format!("Name: {name}"), &format!("Name: {other}"));
                Ok(Metadata::parse(&text).expect("METADATA"))
            }
            _ => Ok(Metadata::parse(&text).expect("METADATA")),
        };
        let offer = Offer {
            kind,
            location: Location::Url(format!("https://shelf.test/{file_name}")),
            digests: match is("undigested") {
                true => Vec::new(),
                false => vec![Digest::of(file_name.as_bytes())],
            },
            size: None,
            requires_python: value("python=").map(|it| it.parse().expect("versions")),
            yanked: is("yanked").then(String::new).or(value("yanked=")),
            metadata: MetadataOffer::No,
            origin: "shelf".to_owned(),
            file_name: file_name.clone(),
        };
        self.offers.entry(name).or_default().push(offer);
        self.metadata.insert(file_name, metadata);
    }
}

impl Catalogue for Shelf {
    fn offers(&self, project: &Name) -> Result<Vec<Offer>> {
        self.asked.borrow_mut().push(project.to_string());
        if self.unreachable.as_ref() == Some(project) {
            return Err(Error::Io {
                action: "reach",
                path: "shelf".into(),
                source: std::io::ErrorKind::ConnectionRefused.into(),
            });
        }
        Ok(self.offers.get(project).cloned().unwrap_or_default())
    }

    fn metadata(&self, offer: &Offer) -> Result<Arc<Metadata>> {
        self.asked.borrow_mut().push(offer.file_name.clone());
        let found = self.metadata.get(&offer.file_name).expect("on the shelf");
        found.clone().map(Arc::new).map_err(|why| Error::BadWheel {
            path: offer.file_name.clone().into(),
            cause: Refusal::new(why),
        })
    }

    fn elsewhere(&self, project: &Name) -> Result<Vec<Offer>> {
        Ok(self.elsewhere.get(project).cloned().unwrap_or_default())
    }

    fn asked(&self) -> Asked {
        self.who.clone()
    }

    fn expect_metadata(&self, offers: &[Offer]) {
        let files = offers
            .iter()
            .map(|offer| format!("likely {}", offer.file_name));
        self.asked.borrow_mut().extend(files);
    }

    fn expect(&self, projects: &[Name]) {
        let names: Vec<_> = projects.iter().map(Name::as_str).collect();
        self.asked
            .borrow_mut()
            .push(format!("soon {}", names.join(" ")));
    }
}

/// CPython 3.11 on Linux.
pub(super) fn here() -> MarkerEnvironment {
    MarkerEnvironment {
        os_name: "posix".to_owned(),
        sys_platform: "linux".to_owned(),
        platform_machine: "x86_64".to_owned(),
        platform_python_implementation: "CPython".to_owned(),
        platform_release: "6.1.0".to_owned(),
        platform_system: "Linux".to_owned(),
        platform_version: "#1 SMP".to_owned(),
        python_version: "3.11".to_owned(),
        python_full_version: "3.11.7".to_owned(),
        implementation_name: "cpython".to_owned(),
        implementation_version: "3.11.7".to_owned(),
    }
}

/// Three tags are enough to tell a better from a worse.
pub(super) fn rank(tag: &Tag) -> Option<usize> {
    let tags = ["cp311-cp311-linux_x86_64", "cp311-none-any", "py3-none-any"];
    tags.iter().position(|one| *one == tag.to_string())
}

/// Everything but the catalogue, to be changed where a test needs it.
#[derive(Default)]
pub(super) struct Ask {
    pub(super) wanted: Vec<Wanted>,
    pub(super) constraints: Vec<Wanted>,
    pub(super) held: Vec<Held>,
    pub(super) rules: Rules,
}

impl Ask {
    /// For these requirements, one a line.
    pub(super) fn new(wanted: &str) -> Self {
        let wanted = lines(wanted);
        Self {
            wanted,
            ..Self::default()
        }
    }

    pub(super) fn constrained(mut self, constraints: &str) -> Self {
        self.constraints = lines(constraints);
        self
    }

    /// With these installed: a table as a shelf's.
    pub(super) fn with_installed(mut self, table: &str) -> Self {
        let shelf = Shelf::new(table);
        let held = shelf.metadata.into_values().map(|metadata| Held {
            metadata: metadata.expect("METADATA"),
            url: None,
        });
        self.held = held.collect();
        self
    }

    pub(super) fn of(&self, shelf: &Shelf) -> Result<Resolution> {
        let demand = Demand {
            markers: &here(),
            rank: &rank,
            wanted: &self.wanted,
            constraints: &self.constraints,
            held: &self.held,
            rules: &self.rules,
        };
        resolve(&demand, shelf)
    }
}

fn lines(text: &str) -> Vec<Wanted> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| Wanted::typed(line).unwrap_or_else(|why| panic!("{why}")))
        .collect()
}
