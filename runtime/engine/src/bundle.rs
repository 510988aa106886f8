//! Bundle directories: where the engine hands over to the runtime.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use isolab_oci::Spec;

use crate::error::{Error, Result};

/// Writes `spec` as `directory/config.json`, making the directory where it is
/// missing.
///
/// The file appears whole or not at all: it is written beside its place,
/// flushed, and renamed over it.
///
/// # Errors
/// [`Error::Write`].
pub fn write(directory: &Path, spec: &Spec) -> Result<()> {
    let place = directory.join("config.json");
    let beside = directory.join(format!(".config.json.{}", std::process::id()));
    let failed = |source| Error::Write {
        path: place.clone(),
        source,
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let text = serde_json::to_vec_pretty(spec).map_err(|error| failed(error.into()))?;
    let written = fs::File::create(&beside)
        .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_data()))
        .and_then(|()| fs::rename(&beside, &place));
    written.map_err(|source| {
        let _ = fs::remove_file(&beside);
        failed(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_the_runtime_loads_and_nothing_lies_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("new");
        let spec = Spec::example();
        write(&directory, &spec).unwrap();
        write(&directory, &spec).unwrap();
        assert_eq!(isolab_oci::Bundle::load(&directory).unwrap().spec(), &spec);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_the_file() {
        let error = write(Path::new("/proc/nowhere"), &Spec::example()).unwrap_err();
        assert!(
            error.to_string().contains("/proc/nowhere/config.json"),
            "{error}"
        );
    }
}
