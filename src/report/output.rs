//! Where a report goes: a file whose extension names its format.
//!
//! A run takes minutes, so an output that cannot be written is found out before
//! it begins; and a report that is there already is replaced whole or not at
//! all.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Error, Report, json, page, plot};
use crate::unfinished;

/// How the names of reports begin that are being written.
const UNFINISHED: &str = ".isolab-report-";

/// A format that a report can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The report itself.
    Json,
    /// A page for a browser.
    Html,
    /// Its plots as vectors.
    Svg,
    /// Its plots as pixels.
    Png,
}

/// A file to write a report to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    target: Target,
    format: Format,
}

/// A file that is replaced whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    path: PathBuf,
}

impl Output {
    /// Takes the format from the extension of `path`.
    ///
    /// # Errors
    /// [`Error::Extension`] if that names no format.
    pub fn parse(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let target = Target::at(path);
        let format = match target.extension().as_str() {
            "json" => Format::Json,
            "html" => Format::Html,
            "svg" => Format::Svg,
            "png" => Format::Png,
            _ => return Err(Error::Extension { path: target.path }),
        };
        Ok(Self { target, format })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.target.path()
    }

    /// The format its extension names.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// As [`Target::check`].
    ///
    /// # Errors
    /// [`Error::Write`] if the file cannot be written.
    pub fn check(&self) -> Result<(), Error> {
        self.target.check()
    }

    /// Writes `report`, replacing what is there in one step.
    ///
    /// # Errors
    /// If the report holds what [`json::check`] refuses, cannot be drawn, or the
    /// file cannot be written; what was there before is untouched then.
    pub fn write(&self, report: &Report) -> Result<(), Error> {
        json::check(report, self.path())?;
        let content = match self.format {
            Format::Json => json::to_json(report).into_bytes(),
            Format::Html => page::render(report)?.into_bytes(),
            Format::Svg => plot::svg(report)?.into_bytes(),
            Format::Png => plot::png(report)?,
        };
        self.replace(&content)
    }

    /// As [`Target::replace`].
    ///
    /// # Errors
    /// [`Error::Write`]; what was there before is untouched then.
    pub fn replace(&self, content: &[u8]) -> Result<(), Error> {
        self.target.replace(content)
    }
}

impl Target {
    /// The file at `path`; what a link points to is to be replaced, not the link.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        let mut path: PathBuf = path.into();
        if path.is_symlink()
            && let Ok(target) = path.canonicalize()
        {
            path = target;
        }
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What its name ends in after the last point, in lower case.
    #[must_use]
    pub fn extension(&self) -> String {
        let extension = self.path.extension().and_then(|e| e.to_str());
        extension.unwrap_or_default().to_ascii_lowercase()
    }

    /// Finds out by doing whether the file can be written, and leaves nothing.
    ///
    /// # Errors
    /// [`Error::Write`] if not.
    pub fn check(&self) -> Result<(), Error> {
        self.temporary()?;
        // In a directory like /tmp, somebody else's file can be seen and not
        // replaced.
        let mine = |metadata: &Metadata| metadata.uid() == nix::unistd::geteuid().as_raw();
        let (Ok(there), Ok(directory)) = (self.path.metadata(), self.directory().metadata()) else {
            return Ok(());
        };
        let sticky = directory.mode() & 0o1000 != 0;
        if sticky && !mine(&there) && !mine(&directory) && !nix::unistd::geteuid().is_root() {
            return Err(self.refused(io::ErrorKind::PermissionDenied.into()));
        }
        Ok(())
    }

    /// Writes `content`, replacing what is there in one step.
    ///
    /// # Errors
    /// [`Error::Write`] if it cannot be written; what was there before is
    /// untouched then.
    pub fn replace(&self, content: &[u8]) -> Result<(), Error> {
        let written = self.replace_with(|file| file.write_all(content));
        written?.map_err(|e| self.refused(e))
    }

    /// The same with what `write` writes, which may be more than memory holds. If
    /// that fails, what was there before is untouched, and its error is given.
    ///
    /// # Errors
    /// As there.
    pub fn replace_with<E>(
        &self,
        write: impl FnOnce(&mut File) -> Result<(), E>,
    ) -> Result<Result<(), E>, Error> {
        let mut file = self.temporary()?;
        if let Err(error) = write(file.as_file_mut()) {
            return Ok(Err(error));
        }
        file.persist(&self.path)
            .map_err(|e| self.refused(e.error))?;
        Ok(Ok(()))
    }

    /// A file beside the output: in one directory, so that renaming replaces.
    fn temporary(&self) -> Result<NamedTempFile, Error> {
        if self.path.is_dir() {
            return Err(self.refused(io::ErrorKind::IsADirectory.into()));
        }
        let file =
            unfinished::file(self.directory(), UNFINISHED, 0o666).map_err(|e| self.refused(e))?;
        if let Ok(before) = self.path.metadata() {
            // A file that was private stays private.
            file.as_file()
                .set_permissions(before.permissions())
                .map_err(|e| self.refused(e))?;
        }
        Ok(file)
    }

    fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        }
    }

    fn refused(&self, source: io::Error) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }
}

/// Writes `report` to `path` in the format that its extension names.
///
/// # Errors
/// As [`Output::parse`] and [`Output::write`].
pub fn write(path: &Path, report: &Report) -> Result<(), Error> {
    Output::parse(path)?.write(report)
}
