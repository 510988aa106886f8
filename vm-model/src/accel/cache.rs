//! Keeping the probe's answer, for as long as nothing that it depends on has changed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::AccelChoice;
use crate::error::{Error, Result};
use crate::guest::Guest;
use crate::whole_file;

/// All that the answer depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKey {
    /// The release and build of the host's kernel.
    pub host_kernel: String,
    /// The host's boot: modules and permissions may be others after the next.
    pub boot_id: String,
    /// How QEMU names itself.
    pub qemu: String,
    /// The SHA-256 of the guest's kernel.
    pub guest_kernel: String,
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
    /// [`Error::File`] if the guest's kernel or `/proc` cannot be read.
    pub fn of(guest: &Guest) -> Result<Self> {
        let read = |path: &str| {
            let path = Path::new(path);
            let text = fs::read_to_string(path).map_err(Error::file("read", path))?;
            Ok::<_, Error>(text.trim().to_owned())
        };
        Ok(Self {
            host_kernel: read("/proc/version")?,
            boot_id: read("/proc/sys/kernel/random/boot_id")?,
            qemu: guest.qemu().name.clone(),
            guest_kernel: guest.kernel().sha256()?,
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

    /// Stores `choice` under this key.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written; the answer is good all the same.
    pub fn store(&self, dir: &Path, choice: &AccelChoice) -> Result<()> {
        let kept = Kept {
            key: self.clone(),
            choice: choice.clone(),
        };
        let json = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        whole_file::write(&self.file(dir), &json)
    }

    /// Where this user's answers are kept: `$XDG_CACHE_HOME/isolab`, else `~/.cache/isolab`.
    #[must_use]
    pub fn directory() -> Option<PathBuf> {
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|dir| dir.is_absolute())
        };
        let cache =
            absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(cache.join("isolab"))
    }

    fn file(&self, dir: &Path) -> PathBuf {
        let mut hasher = Sha256::new();
        for part in [
            &self.host_kernel,
            &self.boot_id,
            &self.qemu,
            &self.guest_kernel,
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
    fn a_damaged_answer_is_none() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(key("a").file(dir.path()), b"{\"key\": ").unwrap();
        assert_eq!(key("a").load(dir.path()), None);
    }
}
