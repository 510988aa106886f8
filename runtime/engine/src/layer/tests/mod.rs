//! Archives as nobody would make them, and what becomes of them.
//!
//! They are put together byte by byte (`building`): what pack writes would be as
//! harmless as pack is.

mod building;
mod faithful;
mod hostile;
mod merging;
mod packing;
mod random;
mod streams;
mod whiteouts;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{How, Limits, Ownership, Unpacked, Whiteouts, unpack};
use crate::image::Compression;
use building::Tar;

/// A root, and beside it what no layer may touch.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { directory };
        fs::create_dir(place.root()).unwrap();
        fs::create_dir(place.outside()).unwrap();
        fs::write(place.outside().join("secret"), "secret").unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn unpack(&self, tar: &[u8], how: &How) -> crate::Result<Unpacked> {
        let unpacked = unpack(tar, Compression::None, &self.root(), how);
        self.check_outside();
        unpacked
    }

    /// Beside the root all is as it was.
    fn check_outside(&self) {
        let names = |path: &Path| {
            let names = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names(self.directory.path()), ["outside", "root"]);
        assert_eq!(names(&self.outside()), ["secret"]);
        let secret = self.outside().join("secret");
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        use std::os::unix::fs::MetadataExt;
        assert_eq!(fs::metadata(secret).unwrap().nlink(), 1);
    }
}

/// As any user can unpack.
fn how() -> How {
    How {
        expected: None,
        limits: Limits::default(),
        ownership: Ownership::Squash,
        whiteouts: Whiteouts::Overlay { userxattr: true },
    }
}

/// Unpacks what has to be unpackable.
fn unpacked(tar: Tar) -> (Place, Unpacked) {
    let place = Place::new();
    let unpacked = place.unpack(&tar.end(), &how()).unwrap();
    (place, unpacked)
}

/// Why `tar` is refused.
fn refused(tar: Tar) -> String {
    let place = Place::new();
    place.unpack(&tar.end(), &how()).unwrap_err().to_string()
}
