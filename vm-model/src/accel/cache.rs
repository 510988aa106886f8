//! Keeping the probe's answer, for as long as nothing that it depends on has changed.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AccelChoice;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::kernel::Kernel;
use crate::qemu::Qemu;
use crate::{cached, whole_file};

/// All that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The release and build of the host's kernel.
    pub host_kernel: String,
    /// The host's boot: modules and permissions may be others after the next.
    pub boot_id: String,
    /// How QEMU names itself.
    pub qemu: String,
    /// Which file the guest's kernel is, and of what time.
    pub guest_kernel: String,
    /// The module that drives KVM: loaded anew, it may be another or have other options.
    pub kvm_module: String,
    /// Whether this user may open the device; joining a group must not wait for the next boot.
    pub opens: bool,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    key: CacheKey,
    choice: AccelChoice,
}

impl CacheKey {
    /// The key of `guest` on this host now.
    ///
    /// # Errors
    /// [`Error::File`] if the guest's kernel or `/proc` cannot be read, [`Error::Guest`] if it has
    /// no QEMU.
    pub fn of(guest: &Guest) -> Result<Self> {
        let qemu = guest.qemu().ok_or_else(|| Error::Guest {
            reason: "no QEMU was given".to_owned(),
        })?;
        Self::new(qemu, guest.kernel())
    }

    /// The key of guests that boot `kernel` under `qemu`.
    ///
    /// # Errors
    /// [`Error::File`] if the kernel or `/proc` cannot be read.
    pub fn new(qemu: &Qemu, kernel: &Kernel) -> Result<Self> {
        let gone =
            |path: &Path| Error::file("read", path)(io::Error::from(io::ErrorKind::NotFound));
        let read = |path: &str| {
            let path = Path::new(path);
            let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
            Ok::<_, Error>(text.trim().to_owned())
        };
        Ok(Self {
            host_kernel: read("/proc/version")?,
            boot_id: read("/proc/sys/kernel/random/boot_id")?,
            qemu: qemu.name.clone(),
            guest_kernel: cached::identity(&kernel.path).ok_or_else(|| gone(&kernel.path))?,
            kvm_module: kvm_module(Path::new("/sys/module")),
            opens: super::closed(Path::new(super::DEVICE)).is_none(),
        })
    }

    /// The answer that was stored under this key, if there is one.
    ///
    /// A damaged or foreign file counts as none: the probe is run again.
    #[must_use]
    pub fn load(&self, dir: &Path) -> Option<AccelChoice> {
        let kept: Kept = serde_json::from_slice(&fs::read(self.file(dir)).ok()?).ok()?;
        (kept.key == *self).then_some(kept.choice)
    }

    /// Stores `choice` under this key, if it is definite. One for now only is not stored, and
    /// takes away what was stored before, which it casts doubt on.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written; the answer is good all the same.
    pub fn store(&self, dir: &Path, choice: &AccelChoice) -> Result<()> {
        if !choice.definite {
            return self.forget(dir);
        }
        let kept = Kept {
            key: self.clone(),
            choice: choice.clone(),
        };
        let json = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        whole_file::write(&self.file(dir), &json)
    }

    /// Removes the answer that was stored under this key. That there is none is no error.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be removed.
    pub fn forget(&self, dir: &Path) -> Result<()> {
        let file = self.file(dir);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::file("remove", &file)(error))
            }
            _ => Ok(()),
        }
    }

    /// Where this user's answers are kept: `$XDG_CACHE_HOME/isolab`, else `~/.cache/isolab`.
    #[must_use]
    pub fn directory() -> Option<PathBuf> {
        cached::directory()
    }

    fn file(&self, dir: &Path) -> PathBuf {
        let mut hasher = Sha256::new();
        for part in [
            &self.host_kernel,
            &self.boot_id,
            &self.qemu,
            &self.guest_kernel,
            &self.kvm_module,
        ] {
            hasher.update(part);
            hasher.update([0]);
        }
        hasher.update([u8::from(self.opens)]);
        let digest: String = hasher.finalize()[..8]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        dir.join(format!("accel-{digest}.json"))
    }
}

/// What tells one loading of the KVM modules below `modules` from another: sysfs gives a
/// directory a new number each time it is made. (Its times say nothing: they are those of the
/// first look since the kernel last forgot it.)
fn kvm_module(modules: &Path) -> String {
    let told = ["kvm", "kvm_intel", "kvm_amd"].map(|name| {
        let module = modules.join(name);
        let number = fs::metadata(&module).ok()?.ino();
        let nested = fs::read_to_string(module.join("parameters/nested")).unwrap_or_default();
        Some(format!("{name} {number} {}", nested.trim()))
    });
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::Accel;

    fn key(guest_kernel: &str) -> CacheKey {
        CacheKey {
            host_kernel: "Linux 6".to_owned(),
            boot_id: "one".to_owned(),
            qemu: "QEMU 7".to_owned(),
            guest_kernel: guest_kernel.to_owned(),
            kvm_module: "kvm 1".to_owned(),
            opens: true,
        }
    }

    #[test]
    fn an_answer_is_kept_for_its_own_key_only() {
        let dir = tempfile::tempdir().unwrap();
        let choice = AccelChoice {
            accel: Accel::Kvm,
            why: "it ran".to_owned(),
            remedy: None,
            definite: true,
        };
        key("a").store(dir.path(), &choice).unwrap();
        assert_eq!(key("a").load(dir.path()), Some(choice));
        assert_eq!(key("b").load(dir.path()), None);
        let joined_the_group = CacheKey {
            opens: false,
            ..key("a")
        };
        assert_eq!(joined_the_group.load(dir.path()), None);
    }

    #[test]
    fn an_answer_for_now_is_not_kept_and_takes_an_older_one_away() {
        let dir = tempfile::tempdir().unwrap();
        let definite = AccelChoice::tcg("KVM stopped the guest", None);
        let for_now = AccelChoice::tcg("it was silent", None).for_now();
        key("a").store(dir.path(), &for_now).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        key("a").store(dir.path(), &definite).unwrap();
        assert_eq!(key("a").load(dir.path()), Some(definite));
        key("a").store(dir.path(), &for_now).unwrap();
        assert_eq!(key("a").load(dir.path()), None);
    }

    #[test]
    fn a_module_that_is_loaded_anew_or_nests_is_another() {
        let modules = tempfile::tempdir().unwrap();
        let parameters = modules.path().join("kvm_intel/parameters");
        let load = |nested: &str| {
            fs::create_dir_all(&parameters).unwrap();
            fs::write(parameters.join("nested"), nested).unwrap();
            kvm_module(modules.path())
        };
        assert_eq!(kvm_module(modules.path()), "");
        let (off, on) = (load("N\n"), load("Y\n"));
        assert_ne!(off, on);
        // Both exist at once, so that the file system cannot give the number again.
        fs::rename(modules.path().join("kvm_intel"), modules.path().join("old")).unwrap();
        assert_ne!(on, load("Y\n"));
    }

    #[test]
    fn a_damaged_answer_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(key("a").file(dir.path()), b"{\"key\": ").unwrap();
        assert_eq!(key("a").load(dir.path()), None);
    }
}
