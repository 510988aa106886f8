//! Where a kernel may lie already, newest first.

use std::cmp::Ordering;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use super::Kernel;
use crate::error::{Error, Result};

/// The directory under which [`super::fetch`] keeps kernels for this user:
/// `$XDG_DATA_HOME/isolab/kernels`, else `~/.local/share/isolab/kernels`.
#[must_use]
pub fn store() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let data =
        absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(data.join("isolab/kernels"))
}

/// The newest kernel that this user can read: one fetched earlier, else the host's own.
///
/// Fetched ones come first, since they were asked for, and since a kernel made for clouds boots
/// faster than one made for every laptop. Each candidate's headers are checked; those that cannot
/// be read (some distributions keep `/boot` to root) or are no kernels are passed over.
///
/// # Errors
/// [`Error::NoKernel`], which names the places.
pub fn find() -> Result<Kernel> {
    find_in(store().as_deref(), Path::new("/"))
}

fn find_in(store: Option<&Path>, root: &Path) -> Result<Kernel> {
    let fetched = store.map(|dir| below(dir, "vmlinuz")).unwrap_or_default();
    let (boot, modules) = (root.join("boot"), root.join("lib/modules"));
    let host = [entries(&boot, "vmlinuz"), below(&modules, "vmlinuz")].concat();
    let newest = |paths: Vec<PathBuf>| {
        paths
            .iter()
            .filter_map(|path| Kernel::open(path).ok())
            .max_by(|a, b| by_release(&a.release, &b.release))
    };
    newest(fetched).or_else(|| newest(host)).ok_or_else(|| {
        let places = store.into_iter().chain([boot.as_path(), modules.as_path()]);
        let places: Vec<_> = places.map(|place| place.display().to_string()).collect();
        Error::NoKernel {
            looked_in: places.join(", "),
        }
    })
}

/// The files in `dir` whose names begin with `prefix`.
fn entries(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(dir) else {
        return Vec::new();
    };
    listing
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// The files called `name` in the directories directly below `dir`.
fn below(dir: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(listing) = fs::read_dir(dir) else {
        return Vec::new();
    };
    listing
        .flatten()
        .map(|entry| entry.path().join(name))
        .filter(|path| path.is_file())
        .collect()
}

/// Orders releases as people read them: 6.1.0-9 before 6.1.0-10.
fn by_release(a: &str, b: &str) -> Ordering {
    let numbers = |release: &str| -> Vec<u64> {
        release
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect()
    };
    numbers(a).cmp(&numbers(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest file that passes for a kernel of that release.
    fn image(release: &str) -> Vec<u8> {
        let mut image = vec![0; 2048];
        image[0x1f1] = 1;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        let text = format!("{release} (builder) #1 SMP\0");
        image[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
        image
    }

    fn place(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn the_newest_release_wins_by_number_and_not_by_letter() {
        let root = tempfile::tempdir().unwrap();
        for release in ["6.1.0-9-amd64", "6.1.0-10-amd64", "5.10.0-99-amd64"] {
            place(
                &root.path().join(format!("boot/vmlinuz-{release}")),
                &image(release),
            );
        }
        assert_eq!(
            find_in(None, root.path()).unwrap().release,
            "6.1.0-10-amd64"
        );
    }

    #[test]
    fn a_fetched_kernel_is_preferred_to_the_hosts() {
        let root = tempfile::tempdir().unwrap();
        place(&root.path().join("boot/vmlinuz-9.9"), &image("9.9"));
        let store = root.path().join("kernels");
        place(
            &store.join("6.1.0-1-cloud/vmlinuz"),
            &image("6.1.0-1-cloud"),
        );
        assert_eq!(
            find_in(Some(&store), root.path()).unwrap().release,
            "6.1.0-1-cloud"
        );
    }

    #[test]
    fn what_is_cut_off_or_no_kernel_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let mut cut_off = image("7.0");
        cut_off[0x24c] = 0xff;
        cut_off[0x24d] = 0xff;
        place(&root.path().join("boot/vmlinuz-7.0"), &cut_off);
        place(
            &root.path().join("boot/vmlinuz-8.0"),
            b"a script, not a kernel",
        );
        assert!(matches!(
            find_in(None, root.path()),
            Err(Error::NoKernel { .. })
        ));
        let error = Kernel::open(&root.path().join("boot/vmlinuz-7.0")).unwrap_err();
        assert!(error.to_string().contains("cut off"), "{error}");
        place(&root.path().join("lib/modules/6.0/vmlinuz"), &image("6.0"));
        assert_eq!(find_in(None, root.path()).unwrap().release, "6.0");
    }
}
