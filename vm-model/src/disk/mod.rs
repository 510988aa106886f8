//! A guest's disk as a file: QEMU's own format, full clones, and clones that hold only what they
//! changed.
//!
//! An overlay names the image it is based on and keeps each block that the guest writes; all else
//! is read from below. So a clone costs at first next to nothing, and the base must never change
//! while it has one. `qemu-img` does the work where data is moved; an overlay that holds nothing
//! yet is written [here](overlay()), since each guest gets one.
//!
//! Source: QEMU's `docs/interop/qcow2.txt` and `qemu-img(1)`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod overlay;

use crate::error::{Error, Result};
pub use overlay::{Format, overlay};

/// The program that makes images.
const PROGRAM: &str = "qemu-img";

/// The program that makes images, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QemuImg {
    path: PathBuf,
}

impl QemuImg {
    /// The one at `path`.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Makes at `to` a qcow2 image of the raw image `from`. What is zero takes no space in it.
    ///
    /// # Errors
    /// [`Error::Image`] with what the program said.
    pub fn convert(&self, from: &Path, to: &Path) -> Result<()> {
        self.run(to, &self.convert_words(from, to))
    }

    /// Makes at `to` a qcow2 image that holds what differs from the qcow2 image `base`: nothing,
    /// at first.
    ///
    /// # Errors
    /// As [`convert`](Self::convert).
    pub fn overlay(&self, base: &Path, to: &Path) -> Result<()> {
        self.run(to, &self.overlay_words(base, to))
    }

    /// The command of [`convert`](Self::convert), to be shown.
    #[must_use]
    pub fn convert_words(&self, from: &Path, to: &Path) -> Vec<OsString> {
        let options = ["convert", "-q", "-f", "raw", "-O", "qcow2", "--"];
        self.words(&options, &[from, to])
    }

    /// The command of [`overlay`](Self::overlay), to be shown. The base's format is named, or it
    /// would be guessed from what a guest may have written.
    #[must_use]
    pub fn overlay_words(&self, base: &Path, to: &Path) -> Vec<OsString> {
        let mut words = self.words(
            &["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"],
            &[base],
        );
        words.extend([OsString::from("--"), to.into()]);
        words
    }

    fn words(&self, options: &[&str], paths: &[&Path]) -> Vec<OsString> {
        let options = options.iter().map(OsStr::new);
        let paths = paths.iter().map(|path| path.as_os_str());
        [self.path.as_os_str()]
            .into_iter()
            .chain(options)
            .chain(paths)
            .map(OsStr::to_owned)
            .collect()
    }

    fn run(&self, image: &Path, words: &[OsString]) -> Result<()> {
        let failed = |reason: String| Error::Image {
            path: image.to_owned(),
            reason,
        };
        let output = Command::new(&words[0])
            .args(&words[1..])
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(format!("{PROGRAM} does not run: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().next_back().unwrap_or("nothing").trim();
        Err(failed(format!("{PROGRAM} says `{last}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[OsString]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    }

    #[test]
    fn no_format_is_left_to_be_guessed() {
        let img = QemuImg::at(Path::new("/q"));
        let (base, clone) = (Path::new("/base"), Path::new("/clone"));
        assert_eq!(
            shown(&img.overlay_words(base, clone)),
            "/q create -q -f qcow2 -F qcow2 -b /base -- /clone"
        );
        assert_eq!(
            shown(&img.convert_words(base, clone)),
            "/q convert -q -f raw -O qcow2 -- /base /clone"
        );
    }

    #[test]
    fn what_the_program_says_is_told() {
        let error = QemuImg::at(Path::new("/bin/false"))
            .overlay(Path::new("/base"), Path::new("/clone"))
            .unwrap_err();
        assert!(error.to_string().contains("/clone"), "{error}");
        assert!(error.hint().unwrap().contains("qemu-utils"));
        let error = QemuImg::at(Path::new("/nonexistent/qemu-img"))
            .overlay(Path::new("/base"), Path::new("/clone"))
            .unwrap_err();
        assert!(error.to_string().contains("does not run"), "{error}");
    }
}
