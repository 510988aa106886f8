//! Reading an archive into the store, in one pass: an archive may come through a
//! pipe, and its files in any order. In a file, what the store has is passed over.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path};

use tar::EntryType;

use super::packed::packing;
use super::{CONTAINERD_NAME, DockerEntry, REF_NAME, unpacked};
use crate::error::{Error, Result};
use crate::image::{
    Algorithm, Compression, Config, Descriptor, Digest, Document, Index, LONGEST_DOCUMENT,
    Manifest, MediaType, Reference,
};
use crate::store::{DEEPEST_INDEX, Origin, Provenance, Store, Version};

/// More entries than the archive of any image has: a bomb.
pub(super) const MOST_ENTRIES: usize = 100_000;
/// How many symlinks lead from a layer's path to a layer.
const MOST_LINKS: u32 = 8;

impl Store {
    /// Keeps every image of `archive`, an OCI or Docker archive that may be packed,
    /// under the names that it carries. An image without a name gets
    /// `loaded:` and the beginning of its digest.
    ///
    /// # Errors
    /// [`Error::Untrusted`] for an archive that lies, [`Error::Missing`] for one
    /// that lacks a blob, [`Error::Invalid`] for a document that is none: no tag
    /// has changed then.
    pub fn load(&self, archive: impl Read, provenance: &Provenance) -> Result<Vec<Version>> {
        let mut contents = Contents::new(self);
        contents.read(archive)?;
        contents.tag(provenance)
    }

    /// As [`load`](Self::load), of an archive that may lie in a file, where blobs that
    /// the store has, after [`take_layers`](Self::take_layers) say, are not read again.
    ///
    /// # Errors
    /// As there.
    pub fn load_file(&self, archive: &File, provenance: &Provenance) -> Result<Vec<Version>> {
        let mut contents = Contents::new(self);
        if is_plain(archive) {
            contents.read_in_place(archive)?;
        } else {
            contents.read(archive)?;
        }
        contents.tag(provenance)
    }
}

/// Whether `archive` is a file that is read from its beginning and not packed. What
/// cannot be asked is read as it comes, and that tells why it can't.
fn is_plain(mut archive: &File) -> bool {
    let mut first = [0; 4];
    archive.metadata().is_ok_and(|there| there.is_file())
        && archive.stream_position().is_ok_and(|at| at == 0)
        && archive.read_exact_at(&mut first, 0).is_ok()
        && packing(&first) == Compression::None
}

impl Contents<'_> {
    /// Gives the images that were read their names, when all is known to be here.
    fn tag(&self, provenance: &Provenance) -> Result<Vec<Version>> {
        let found = self.images()?;
        if found.is_empty() {
            return Err(untrusted(
                "it has neither an index.json nor a manifest.json that names an image",
            ));
        }
        self.check(&found)?;
        let provenance = Provenance {
            origin: Origin::Loaded,
            ..provenance.clone()
        };
        let store = self.store;
        let tag = |(name, image): &(Reference, Descriptor)| store.keep(name, image, &provenance);
        found.iter().map(tag).collect()
    }
}

fn broken(error: &io::Error) -> Error {
    untrusted(format!("it cannot be read: {error}"))
}

fn untrusted(reason: impl Into<String>) -> Error {
    Error::Untrusted {
        what: "the archive".to_owned(),
        reason: reason.into(),
    }
}

/// What has been read of an archive.
struct Contents<'a> {
    store: &'a Store,
    /// Files that are blobs now, by their path in the archive.
    files: HashMap<String, Descriptor>,
    /// Links, by their path: to where.
    links: HashMap<String, String>,
    index: Option<Vec<u8>>,
    docker: Option<Vec<u8>>,
}

impl<'a> Contents<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            files: HashMap::new(),
            links: HashMap::new(),
            index: None,
            docker: None,
        }
    }

    fn read(&mut self, archive: impl Read) -> Result<()> {
        let (plain, _) = unpacked(archive).map_err(|error| broken(&error))?;
        self.take(tar::Archive::new(plain).entries())
    }

    /// Reads a file from its beginning, and of it what is not in the store.
    fn read_in_place(&mut self, archive: &File) -> Result<()> {
        let archive = BufReader::with_capacity(128 * 1024, archive);
        self.take(tar::Archive::new(archive).entries_with_seek())
    }

    fn take<R: Read>(&mut self, entries: io::Result<tar::Entries<'_, R>>) -> Result<()> {
        let broken = |error| broken(&error);
        for (count, entry) in entries.map_err(broken)?.enumerate() {
            if count == MOST_ENTRIES {
                return Err(untrusted(format!(
                    "it has more than {MOST_ENTRIES} entries"
                )));
            }
            let mut entry = entry.map_err(broken)?;
            let Some(path) = plain_path(&entry.path().map_err(broken)?) else {
                continue;
            };
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => self.keep(path, &mut entry)?,
                EntryType::Symlink | EntryType::Link => {
                    let to = entry.link_name().map_err(broken)?.unwrap_or_default();
                    let hard = entry.header().entry_type() == EntryType::Link;
                    let base = match hard {
                        true => Path::new(""),
                        false => Path::new(&path).parent().unwrap_or(Path::new("")),
                    };
                    if let Some(to) = joined(base, &to) {
                        self.links.insert(path, to);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn keep<R: Read>(&mut self, path: String, entry: &mut tar::Entry<'_, R>) -> Result<()> {
        match &*path {
            "index.json" => self.index = Some(document(&path, entry)?),
            "manifest.json" => self.docker = Some(document(&path, entry)?),
            _ => {
                if let Some(blob) = self.blob(&path, entry)? {
                    self.files.insert(path, blob);
                }
            }
        }
        Ok(())
    }

    /// Keeps a file as a blob; `None` for one that no image needs.
    fn blob<R: Read>(
        &self,
        path: &str,
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Descriptor>> {
        let named = blob_name(path);
        let wanted = path.ends_with(".json") || path.ends_with(".tar");
        if named.is_none() && !wanted {
            return Ok(None);
        }
        // What it is, the documents that lead to it say.
        let kind = MediaType::Other(String::new());
        if let Some(digest) = &named
            && self.store.blob_bytes(digest) == Some(entry.size())
        {
            let blob = Descriptor::new(kind, digest.clone(), entry.size());
            return Ok(Some(blob));
        }
        let algorithm = named.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
        let mut writer = self.store.new_blob(algorithm)?;
        let size = entry.size();
        let bytes = io::copy(entry, &mut writer).map_err(|error| match error {
            // The archive's end comes too early, or its packing is broken.
            error if is_of_input(&error) => untrusted(format!("`{path}` cannot be read: {error}")),
            error => {
                let what = format!("`{path}` of the archive");
                let kept = writer.bytes();
                self.store.unwritten(what, Some(size), kept)(error)
            }
        })?;
        let expected = named.map(|digest| Descriptor::new(kind.clone(), digest, bytes));
        Ok(Some(match expected {
            Some(expected) => {
                writer.finish_as(&expected)?;
                expected
            }
            None => {
                let (digest, bytes) = writer.finish()?;
                Descriptor::new(kind, digest, bytes)
            }
        }))
    }

    /// The images, each under a name.
    fn images(&self) -> Result<Vec<(Reference, Descriptor)>> {
        let docker: Vec<DockerEntry> = match &self.docker {
            Some(text) => serde_json::from_slice(text)
                .map_err(|error| untrusted(format!("its manifest.json is none: {error}")))?,
            None => Vec::new(),
        };
        match &self.index {
            Some(text) => self.of_layout(text, &docker),
            None => self.of_docker(&docker),
        }
    }

    fn of_layout(
        &self,
        text: &[u8],
        docker: &[DockerEntry],
    ) -> Result<Vec<(Reference, Descriptor)>> {
        let index: Index = serde_json::from_slice(text)
            .map_err(|error| untrusted(format!("its index.json is none: {error}")))?;
        let mut found = Vec::new();
        for mut entry in index.manifests {
            let said = |key| entry.annotations.get(key);
            let mut names: Vec<String> = said(CONTAINERD_NAME)
                .or(said(REF_NAME))
                .cloned()
                .into_iter()
                .collect();
            entry.annotations.clear();
            if names.is_empty() {
                names = self.docker_names(&entry, docker);
            }
            found.extend(named(&names, &entry)?);
        }
        Ok(found)
    }

    /// What `manifest.json` calls the image of a manifest.
    fn docker_names(&self, manifest: &Descriptor, docker: &[DockerEntry]) -> Vec<String> {
        let Ok(Document::Manifest(manifest)) = self.store.read_manifest(manifest, "the archive")
        else {
            return Vec::new();
        };
        let config = &manifest.config.digest;
        let same = docker.iter().filter(|entry| {
            let blob = self.find(&entry.config);
            blob.is_ok_and(|blob| blob.digest == *config)
        });
        same.filter_map(|entry| entry.repo_tags.clone())
            .flatten()
            .collect()
    }

    fn of_docker(&self, docker: &[DockerEntry]) -> Result<Vec<(Reference, Descriptor)>> {
        let mut found = Vec::new();
        for entry in docker {
            let manifest = self.manifest_of(entry)?;
            let manifest = self.store.put_json(MediaType::Manifest, &manifest)?;
            found.extend(named(
                entry.repo_tags.as_deref().unwrap_or_default(),
                &manifest,
            )?);
        }
        Ok(found)
    }

    /// A manifest for an image that has none.
    fn manifest_of(&self, entry: &DockerEntry) -> Result<Manifest> {
        let mut config = self.find(&entry.config)?;
        config.media_type = MediaType::Config;
        let layers = entry.layers.iter().flatten();
        let layers = layers.map(|path| {
            let mut layer = self.find(path)?;
            layer.media_type = MediaType::Layer(self.packing(&layer)?);
            Ok(layer)
        });
        Ok(Manifest::new(config, layers.collect::<Result<_>>()?))
    }

    /// How a layer is packed, which its path does not say.
    fn packing(&self, layer: &Descriptor) -> Result<Compression> {
        let file = self.store.open_blob(layer, "the archive")?;
        let (_, compression) = unpacked(file).map_err(Error::read(self.store.root()))?;
        Ok(compression)
    }

    /// The blob that a path of `manifest.json` leads to.
    fn find(&self, path: &str) -> Result<Descriptor> {
        let missing = || untrusted(format!("its manifest.json names `{path}`, which it lacks"));
        let mut path = plain_path(Path::new(path)).ok_or_else(missing)?;
        for _ in 0..MOST_LINKS {
            if let Some(blob) = self.files.get(&path) {
                return Ok(blob.clone());
            }
            path = self.links.get(&path).ok_or_else(missing)?.clone();
        }
        Err(missing())
    }

    /// Whether all is here that the images need, and their documents agree. Of an
    /// index one manifest is enough.
    ///
    /// Each document is read once, however many indexes list it: forty of them that each
    /// list the next one twice would lead to the last 2^40 times.
    fn check(&self, images: &[(Reference, Descriptor)]) -> Result<()> {
        let mut seen = HashSet::new();
        let mut is_new = |image: &Descriptor| seen.insert((image.digest.clone(), image.size));
        let images = images.iter().map(|(_, image)| image);
        let mut pending: Vec<_> = images.filter(|image| is_new(image)).cloned().collect();
        for _ in 0..DEEPEST_INDEX {
            let mut listed = Vec::new();
            for image in &pending {
                let here = self.check_one(image)?;
                listed.extend(here.into_iter().filter(&mut is_new));
            }
            if listed.is_empty() {
                return Ok(());
            }
            pending = listed;
        }
        Err(untrusted(format!(
            "an index of it leads to an index more than {DEEPEST_INDEX} times"
        )))
    }

    /// Checks one document, and gives what is here of an index.
    fn check_one(&self, image: &Descriptor) -> Result<Vec<Descriptor>> {
        match self.store.read_manifest(image, "the archive")? {
            Document::Index(index) => {
                let mut here = index.manifests;
                here.retain(|entry| self.store.has(entry));
                if here.is_empty() {
                    return Err(untrusted(format!(
                        "it has nothing of index {}",
                        image.digest
                    )));
                }
                Ok(here)
            }
            Document::Manifest(manifest) => {
                for layer in &manifest.layers {
                    self.store.open_blob(layer, "the archive")?;
                }
                let config = self.store.read_document(&manifest.config, "the archive")?;
                if manifest
                    .layers
                    .iter()
                    .all(|layer| layer.media_type.layer().is_some())
                {
                    Config::parse(&config)?.check_against(&manifest)?;
                }
                Ok(Vec::new())
            }
        }
    }
}

/// One image under each of its names, or under one that is made up.
fn named(names: &[String], image: &Descriptor) -> Result<Vec<(Reference, Descriptor)>> {
    if names.is_empty() {
        let name = format!("loaded:{}", image.digest.short()).parse()?;
        return Ok(vec![(name, image.clone())]);
    }
    let parsed = names.iter().map(|name| Ok((name.parse()?, image.clone())));
    parsed.collect()
}

/// A document, which is no longer than one may be.
pub(super) fn document(path: &str, entry: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = entry.take(LONGEST_DOCUMENT + 1).read_to_end(&mut bytes);
    read.map_err(|error| untrusted(format!("`{path}` cannot be read: {error}")))?;
    if bytes.len() as u64 > LONGEST_DOCUMENT {
        return Err(untrusted(format!(
            "its `{path}` is longer than {LONGEST_DOCUMENT} bytes"
        )));
    }
    Ok(bytes)
}

/// `blobs/ALGORITHM/HEX`.
pub(super) fn blob_name(path: &str) -> Option<Digest> {
    let (algorithm, hex) = path.strip_prefix("blobs/")?.split_once('/')?;
    format!("{algorithm}:{hex}").parse().ok()
}

/// `path` without `./`; `None` for one that leads elsewhere, or is no text: no
/// image needs it.
pub(super) fn plain_path(path: &Path) -> Option<String> {
    joined(Path::new(""), path)
}

/// `path` from `base`, as text, with every `..` taken back.
fn joined(base: &Path, path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in base.components().chain(path.components()) {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Whether an error of a copy is about what was read.
fn is_of_input(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    matches!(
        error.kind(),
        InvalidData | InvalidInput | Other | UnexpectedEof
    )
}
