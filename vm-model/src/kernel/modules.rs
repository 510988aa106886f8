//! The modules that a guest loads itself: where they lie, what each needs, and in which order.
//!
//! A distribution's kernel has its disk's driver and its file system as modules, which lie on
//! that very disk. So they travel in the initramfs. What depends on what is said by each module
//! itself, and not by `modules.dep`, which a package does not hold: `depmod` makes it where the
//! package is installed.
//!
//! Source: the kernel's `include/linux/module.h` (`MODULE_INFO`), `modules.builtin` in
//! `Documentation/kbuild/kbuild.rst`, `elf(5)`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Kernel;
use super::decompress::unpack_stream;
use super::elf;
use crate::error::{Error, Result};

/// The list of what is part of the kernel itself, in a directory of modules.
pub(super) const BUILT_IN: &str = "modules.builtin";

/// The deepest directory in which a module lies, below that of its release.
const DEEPEST: usize = 12;

/// A module, ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Its name, as the kernel has it: with `_` and never `-`.
    pub name: String,
    /// Its object file, whatever compression lay on it taken off.
    pub bytes: Vec<u8>,
}

/// The modules of one kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modules {
    files: BTreeMap<String, PathBuf>,
    built_in: Vec<String>,
    dir: PathBuf,
}

impl Modules {
    /// Those of `kernel`: beside it, as [`super::fetch`] leaves them, else where distributions
    /// keep those of its release. None at all is no error: they may all be part of the kernel.
    #[must_use]
    pub fn of(kernel: &Kernel) -> Self {
        let beside = kernel.path.parent().map(|dir| dir.join("modules"));
        let system =
            ["/lib/modules", "/usr/lib/modules"].map(|dir| Path::new(dir).join(&kernel.release));
        let places = beside.into_iter().chain(system);
        let mut all = places.map(|dir| Self::in_dir(&dir));
        all.find(|found| !found.files.is_empty())
            .unwrap_or_default()
    }

    /// Those below `dir`.
    pub(super) fn in_dir(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut pending = vec![(dir.to_owned(), 0)];
        while let Some((dir, depth)) = pending.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                if kind.is_dir() && depth < DEEPEST {
                    pending.push((entry.path(), depth + 1));
                } else if let Some(name) = module_name(&entry.path()).filter(|_| kind.is_file()) {
                    files.insert(name, entry.path());
                }
            }
        }
        let built_in = fs::read_to_string(dir.join(BUILT_IN)).unwrap_or_default();
        let built_in = built_in
            .lines()
            .filter_map(|line| module_name(Path::new(line)));
        Self {
            files,
            built_in: built_in.collect(),
            dir: dir.to_owned(),
        }
    }

    /// Where the module of that name lies, if there is one.
    pub(super) fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// `wanted` and all that they need, each once and behind what it needs. What is part of the
    /// kernel is left out; of several names for one thing, as `a|b`, the first that is there is
    /// taken.
    ///
    /// # Errors
    /// [`Error::Module`] for one that is neither here nor part of the kernel, or is damaged.
    pub fn with_needs(&self, wanted: &[&str]) -> Result<Vec<Module>> {
        let mut loaded = Vec::new();
        for names in wanted {
            let there = |name: &&str| self.files.contains_key(*name) || self.is_built_in(name);
            let name = names.split('|').find(there).unwrap_or(names);
            self.add(name, &mut loaded, &mut Vec::new())?;
        }
        Ok(loaded)
    }

    fn is_built_in(&self, name: &str) -> bool {
        self.built_in.iter().any(|built_in| built_in == name)
    }

    fn add(&self, name: &str, loaded: &mut Vec<Module>, above: &mut Vec<String>) -> Result<()> {
        let is_there = loaded.iter().any(|module| module.name == name);
        if is_there || self.is_built_in(name) || above.iter().any(|asking| asking == name) {
            return Ok(());
        }
        let refused = |reason: String| Error::Module {
            name: name.to_owned(),
            reason,
        };
        let path = self.files.get(name).ok_or_else(|| {
            refused(format!(
                "it is not in {} and not part of the kernel",
                self.dir.display()
            ))
        })?;
        let packed = fs::read(path).map_err(Error::file("read", path))?;
        let bytes = unpack_stream(packed)
            .ok_or_else(|| refused(format!("{} cannot be unpacked", path.display())))?;
        let info = info(&bytes)
            .ok_or_else(|| refused(format!("{} is no module for this machine", path.display())))?;
        above.push(name.to_owned());
        for need in needs(&info) {
            self.add(&need, loaded, above)?;
        }
        // What it only would like before itself, and no kernel has to have.
        for wish in wishes(&info) {
            if self.files.contains_key(&wish) {
                self.add(&wish, loaded, above)?;
            }
        }
        above.pop();
        loaded.push(Module {
            name: name.to_owned(),
            bytes,
        });
        Ok(())
    }
}

/// The name of the module in a file `virtio-rng.ko.xz`: `virtio_rng`.
fn module_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (name, compression) = name.split_once(".ko")?;
    ["", ".xz", ".zst", ".gz"]
        .contains(&compression)
        .then(|| name.replace('-', "_"))
}

/// The `key=value` texts of a module's object file.
fn info(object: &[u8]) -> Option<Vec<String>> {
    let section = elf::section(object, b".modinfo")?;
    let texts = section
        .split(|&byte| byte == 0)
        .filter(|text| !text.is_empty());
    Some(
        texts
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect(),
    )
}

/// What a module cannot be loaded without.
fn needs(info: &[String]) -> Vec<String> {
    let lists = info.iter().filter_map(|text| text.strip_prefix("depends="));
    let names = lists.flat_map(|list| list.split(','));
    names
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// What it asks to have before it: `softdep=pre: a b post: c`.
fn wishes(info: &[String]) -> Vec<String> {
    let mut wishes = Vec::new();
    for text in info.iter().filter_map(|text| text.strip_prefix("softdep=")) {
        let mut is_before = false;
        for word in text.split_ascii_whitespace() {
            match word {
                "pre:" => is_before = true,
                "post:" => is_before = false,
                name if is_before => wishes.push(name.replace('-', "_")),
                _ => {}
            }
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The smallest object file with such a section.
    fn object(info: &str) -> Vec<u8> {
        elf::tests::object(b".modinfo", info.as_bytes())
    }

    fn place(dir: &Path, name: &str, info: &str) {
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join(name), object(info)).unwrap();
    }

    fn names(modules: &[Module]) -> Vec<&str> {
        modules.iter().map(|module| module.name.as_str()).collect()
    }

    #[test]
    fn each_comes_once_and_behind_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let fs_dir = dir.path().join("kernel/fs");
        place(
            &fs_dir,
            "ext4.ko",
            "license=GPL\0depends=jbd2,mb-cache\0softdep=pre: crc32c post: x\0",
        );
        place(&fs_dir, "jbd2.ko", "depends=mbcache2,built-in\0");
        place(&fs_dir, "mb-cache.ko", "depends=\0");
        place(&fs_dir, "mbcache2.ko", "depends=jbd2\0"); // a circle, which no kernel has
        fs::write(dir.path().join(BUILT_IN), "kernel/lib/built-in.ko\n").unwrap();
        let modules = Modules::in_dir(dir.path());
        let loaded = modules
            .with_needs(&["ext4", "jbd2", "none|mb_cache"])
            .unwrap();
        assert_eq!(names(&loaded), ["mbcache2", "jbd2", "mb_cache", "ext4"]);
        let error = modules.with_needs(&["virtio_blk"]).unwrap_err();
        assert!(error.to_string().contains("virtio_blk"), "{error}");
        assert!(error.hint().unwrap().contains("vm kernel"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_module_is_refused_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("virtio_blk.ko"), "text").unwrap();
        fs::write(dir.path().join("ext4.ko.xz"), "\u{fd}7zXZ").unwrap();
        let modules = Modules::in_dir(dir.path());
        for name in ["virtio_blk", "ext4"] {
            let error = modules.with_needs(&[name]).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_reader_of_modules(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400),
            at in any::<prop::sample::Index>(), to in any::<u8>(),
        ) {
            let _ = info(&bytes);
            let mut whole = object("depends=a\0");
            let index = at.index(whole.len());
            whole[index] = to;
            let _ = info(&whole);
            bytes.splice(0..0, elf::MAGIC.iter().copied());
            let _ = info(&bytes);
        }
    }
}
