//! Where Isolab keeps what it writes, named once: a cache, whose loss costs only
//! time; the user's data, whose loss cannot be made good; and a directory below
//! the temporary one, for where there is no home.
//!
//! `venv-sim` and `vm-model` name the same two by the same rule, since they use
//! nothing of ours: a test holds them to it. [`clean`](crate::clean) removes
//! these directories and nothing else.
//!
//! Source: XDG Base Directory Specification.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, iter};

use anyhow::{Context, Result};

use crate::hint;

/// What a directory of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What can be found out or fetched again.
    Cache,
    /// What cannot: predictions, reports, recordings; kernels lie here too.
    Data,
    /// The cache of a user without a home.
    Temporary,
}

impl Kind {
    /// The word for people and for JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Data => "data",
            Self::Temporary => "temporary",
        }
    }
}

/// A directory in which everything was written by Isolab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is for.
    pub kind: Kind,
    /// Where it is, or would be.
    pub path: PathBuf,
}

/// `$XDG_CACHE_HOME/isolab`, else `~/.cache/isolab`; `None` without a home.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    of("XDG_CACHE_HOME", ".cache")
}

/// `$XDG_DATA_HOME/isolab`, else `~/.local/share/isolab`; `None` without a home.
#[must_use]
pub fn data() -> Option<PathBuf> {
    of("XDG_DATA_HOME", ".local/share")
}

/// A directory of this user's own name below the temporary one.
#[must_use]
pub fn temporary() -> PathBuf {
    env::temp_dir().join(format!("isolab-{}", nix::unistd::geteuid()))
}

/// Every directory that Isolab writes to, whether it is there or not.
#[must_use]
pub fn all() -> Vec<Place> {
    let named = [(Kind::Cache, cache()), (Kind::Data, data())];
    let named = named
        .into_iter()
        .filter_map(|(kind, path)| path.map(|path| Place { kind, path }));
    let last = Place {
        kind: Kind::Temporary,
        path: temporary(),
    };
    let mut places: Vec<Place> = Vec::new();
    for place in named.chain(iter::once(last)) {
        if !places.iter().any(|known| known.path == place.path) {
            places.push(place);
        }
    }
    places
}

/// The data directory, made for this user alone if it was not there.
///
/// # Errors
/// If there is no home, or the directory cannot be made or is not this user's.
pub fn make_data() -> Result<PathBuf> {
    let Some(path) = data() else {
        return Err(hint::with(
            "cannot keep anything: neither HOME nor XDG_DATA_HOME names a directory",
            "export XDG_DATA_HOME=/a/directory/of/yours",
        ));
    };
    // What somebody predicted and why is nobody else's to read.
    let made = own_parent(&path)
        .and_then(|()| make_private(&path))
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o700)));
    made.with_context(|| format!("cannot keep anything in {}", path.display()))
        .map_err(|error| {
            let remedy =
                "make it yours, or name another: export XDG_DATA_HOME=/a/directory/of/yours";
            hint::with(format!("{error:#}"), remedy)
        })?;
    Ok(path)
}

/// Makes `path` for this user alone.
///
/// In a shared directory somebody else may have made it first, or put a link
/// there, to choose what we execute: it has to be a directory of our own that
/// nobody else writes to.
///
/// # Errors
/// If it cannot be made or is not this user's.
pub fn make_private(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    own_directory(path, nix::unistd::geteuid().as_raw())
}

/// `name` in each place where such things may lie: in the cache, and in the temporary directory for
/// who has none. Only those that are there and this user's: what lies in another's is not to be
/// believed, and what it names not to be removed or ended.
#[must_use]
pub fn own(name: &str) -> Vec<PathBuf> {
    own_of(cache().into_iter().chain([temporary()]), name)
}

fn own_of(places: impl Iterator<Item = PathBuf>, name: &str) -> Vec<PathBuf> {
    let user = nix::unistd::geteuid().as_raw();
    let own = places.filter_map(|place| {
        let path = place.join(name);
        own_directory(&place, user)
            .and_then(|()| own_directory(&path, user))
            .ok()?;
        Some(path)
    });
    own.collect()
}

/// `name` in the first of those places that can be written to, made for this user alone.
///
/// # Errors
/// If there is none.
pub fn make_own(name: &str) -> Result<PathBuf> {
    let mut failure = None;
    for place in cache().into_iter().chain([temporary()]) {
        match writable(&place, name) {
            Ok(path) => return Ok(path),
            Err(error) => failure = Some((place, error)),
        }
    }
    let (place, error) = failure.context("there is no place for what is kept for a while")?;
    Err(error).with_context(|| format!("cannot write to {}", place.display()))
}

/// Makes `place` and `name` in it for this user alone, and shows by doing that it can be written
/// to.
fn writable(place: &Path, name: &str) -> io::Result<PathBuf> {
    let path = place.join(name);
    make_private(place)?;
    make_private(&path)?;
    tempfile::tempfile_in(&path)?;
    path.canonicalize()
}

/// Refuses `path` unless it is a directory of `user`, and closes it to others'
/// writing.
///
/// # Errors
/// [`ErrorKind::PermissionDenied`] if it is a link or somebody else's.
pub fn own_directory(path: &Path, user: u32) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() || metadata.uid() != user {
        let whose = format!("{} is not a directory of this user", path.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, whose));
    }
    if metadata.mode() & 0o022 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Under sudo, HOME may still be the user's: root's directory there would be one
/// that the user can never write to.
fn own_parent(path: &Path) -> io::Result<()> {
    let nearest = path.ancestors().find(|ancestor| ancestor.exists());
    let user = nix::unistd::geteuid();
    let Some(nearest) = nearest.filter(|_| user.is_root()) else {
        return Ok(());
    };
    let owner = fs::metadata(nearest)?.uid();
    if owner == user.as_raw() {
        return Ok(());
    }
    let whose = format!("{} is another user's", nearest.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, whose))
}

/// `isolab` below the directory that `variable` names, or below `usual` at home.
fn of(variable: &str, usual: &str) -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(usual)))?;
    Some(base.join("isolab"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_crates_keep_what_they_write_where_we_look_for_it() {
        assert_eq!(
            vm_model::kernel::store().and_then(|store| store.parent().map(Path::to_owned)),
            data()
        );
        assert_eq!(vm_model::accel::CacheKey::directory(), cache());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_made_our_own() {
        let shared = tempfile::tempdir().unwrap();
        let path = shared.path().join("isolab");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        make_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_lies_behind_a_link_or_in_anothers_place_is_not_believed() {
        let shared = tempfile::tempdir().unwrap();
        let place = |name: &str| shared.path().join(name);
        let own = place("own").join("guests");
        fs::create_dir_all(&own).unwrap();
        fs::create_dir(place("trap")).unwrap();
        std::os::unix::fs::symlink(&own, place("trap").join("guests")).unwrap();
        std::os::unix::fs::symlink(place("own"), place("link")).unwrap();
        let places = || ["trap", "link", "absent", "own"].map(place).into_iter();
        assert_eq!(own_of(places(), "guests"), [&*own]);
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(place("own"), Some(1), None).unwrap();
            assert!(own_of(places(), "guests").is_empty());
        }
    }

    #[test]
    fn a_directory_of_somebody_else_or_a_link_is_refused() {
        let shared = tempfile::tempdir().unwrap();
        let path = shared.path().join("isolab");
        make_private(&path).unwrap();
        let own = nix::unistd::geteuid().as_raw();
        assert!(own_directory(&path, own + 1).is_err());
        let link = shared.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(own_directory(&link, own).is_err());
    }
}
