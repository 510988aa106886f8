//! The images that were built, in the user's cache: each is there whole or not
//! at all, and nobody builds one twice.
//!
//! They lie in `images/`, a directory for each, named after everything that went
//! in. A build happens in the command's scratch directory and is renamed into
//! place at its end, so what an interrupt or a kill leaves is swept with any
//! other scratch file. `isolab system clean` removes `images/` with the cache.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::{Image, Label, Origin, Recipe, build};
use crate::compare::Progress;
use crate::interrupt::Interrupt;
use crate::places;

/// The label's file in an image's directory: written last.
const LABEL: &str = "image.json";
/// No label is longer, in bytes.
const LABEL_LIMIT: u64 = 16_384;
/// How often it is asked whether another command is done building.
const GLANCE: Duration = Duration::from_millis(200);

/// The images in the user's cache.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    origin: Origin,
}

impl Store {
    /// Opens the store, making it if it was not there; images are of `origin`.
    ///
    /// # Errors
    /// If the cache cannot be written to.
    pub fn open(origin: Origin) -> Result<Self> {
        Self::at(&places::make_own("images")?, origin)
    }

    fn at(dir: &Path, origin: Origin) -> Result<Self> {
        places::make_private(dir)
            .with_context(|| format!("cannot keep images in {}", dir.display()))?;
        Ok(Self {
            dir: dir.to_owned(),
            origin,
        })
    }

    /// The image of `recipe`, if it was built before.
    #[must_use]
    pub fn cached(&self, recipe: Recipe) -> Option<Image> {
        let dir = self.dir_of(recipe);
        let mut text = String::new();
        let file = File::open(dir.join(LABEL)).ok()?;
        file.take(LABEL_LIMIT).read_to_string(&mut text).ok()?;
        let label: Label = serde_json::from_str(&text).ok()?;
        let image = Image {
            recipe,
            disk: dir.join("disk.qcow2"),
            kernel: dir.join("kernel"),
            initrd: dir.join("initrd"),
            rootfs: dir.join("rootfs"),
            label,
        };
        let files = [&image.disk, &image.kernel, &image.initrd];
        let whole = files.iter().all(|file| file.is_file()) && image.rootfs.is_dir();
        whole.then_some(image)
    }

    /// The image of `recipe`, built in `scratch` if it is not there.
    ///
    /// # Errors
    /// As a build: if a program, the network, memory or a permission is missing.
    pub fn get(
        &self,
        recipe: Recipe,
        scratch: &Path,
        interrupt: &Interrupt,
        progress: &dyn Progress,
    ) -> Result<Image> {
        if let Some(image) = self.cached(recipe) {
            return Ok(image);
        }
        let _lock = self.lock(interrupt, progress)?;
        // Another command may have built it while this one waited.
        if let Some(image) = self.cached(recipe) {
            return Ok(image);
        }
        let dir = scratch.join(format!("build-{recipe}"));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let built = build::build(recipe, &self.origin, &dir, interrupt, progress)
            .and_then(|label| self.keep(recipe, &dir, &label));
        // Half an image helps nobody and may fill the disk.
        let _ = fs::remove_dir_all(&dir);
        built?;
        self.cached(recipe)
            .context("the image is gone as soon as it was built")
    }

    /// Moves a finished build into its place.
    fn keep(&self, recipe: Recipe, dir: &Path, label: &Label) -> Result<()> {
        let text = serde_json::to_string_pretty(label).context("cannot write the label")?;
        let place = self.dir_of(recipe);
        fs::write(dir.join(LABEL), text)
            .and_then(|()| match fs::remove_dir_all(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::rename(dir, &place),
            })
            .with_context(|| format!("cannot keep the image in {}", place.display()))
    }

    /// Where an image lies: named after all that goes into it.
    fn dir_of(&self, recipe: Recipe) -> PathBuf {
        let words = build::packages(Path::new("mmdebstrap"), recipe, &self.origin);
        let mut hasher = Sha256::new();
        for word in words {
            hasher.update(word.as_encoded_bytes());
            hasher.update([0]);
        }
        hasher.update(build::SCRIPT);
        let digest = hasher.finalize();
        let digest: String = digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.dir.join(format!("{recipe}-{digest}"))
    }

    /// Waits until nobody else builds. The kernel drops the lock with its owner.
    fn lock(&self, interrupt: &Interrupt, progress: &dyn Progress) -> Result<File> {
        let path = self.dir.join("lock");
        let file =
            File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(error).context("cannot lock the images");
                }
            }
            ensure!(!interrupt.raised(), "interrupted");
            progress.show(0.0, "another command builds a guest");
            thread::sleep(GLANCE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            name: "Some GNU/Linux".into(),
            kernel: "6.1.0".into(),
            packages: 100,
            built: "2026-01-01T00:00:00Z".into(),
            command: "mmdebstrap".into(),
        }
    }

    /// A finished build in `dir`.
    fn built(dir: &Path) -> PathBuf {
        let build = dir.join("build");
        fs::create_dir_all(build.join("rootfs")).unwrap();
        for file in ["disk.qcow2", "kernel", "initrd"] {
            fs::write(build.join(file), "x").unwrap();
        }
        build
    }

    #[test]
    fn an_image_is_there_only_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("images"), Origin::default()).unwrap();
        assert_eq!(store.cached(Recipe::Minimal), None);
        store
            .keep(Recipe::Minimal, &built(dir.path()), &label())
            .unwrap();
        let image = store.cached(Recipe::Minimal).unwrap();
        assert_eq!(image.label, label());
        assert_eq!(store.cached(Recipe::Server), None);
        fs::remove_file(&image.disk).unwrap();
        assert_eq!(store.cached(Recipe::Minimal), None);
        // A newer build takes the place of the damaged one.
        store
            .keep(Recipe::Minimal, &built(dir.path()), &label())
            .unwrap();
        assert!(store.cached(Recipe::Minimal).is_some());
    }

    #[test]
    fn a_damaged_label_is_no_image() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(&dir.path().join("images"), Origin::default()).unwrap();
        store
            .keep(Recipe::Server, &built(dir.path()), &label())
            .unwrap();
        let file = store.dir_of(Recipe::Server).join(LABEL);
        for text in ["", "{", "{\"name\": 7}", "\u{0}"] {
            fs::write(&file, text).unwrap();
            assert_eq!(store.cached(Recipe::Server), None, "{text}");
        }
    }

    #[test]
    fn another_release_is_another_image() {
        let dir = tempfile::tempdir().unwrap();
        let one = Store::at(dir.path(), Origin::default()).unwrap();
        let other = Store::at(dir.path(), Origin::ubuntu("noble")).unwrap();
        assert_ne!(one.dir_of(Recipe::Server), other.dir_of(Recipe::Server));
        assert_ne!(one.dir_of(Recipe::Server), one.dir_of(Recipe::Minimal));
    }
}
