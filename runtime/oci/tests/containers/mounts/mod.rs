//! What an entry of `mounts` does, seen from inside.

pub(crate) mod destinations;
pub(crate) mod groups;
pub(crate) mod id_mapped;
pub(crate) mod options;
pub(crate) mod spread;
pub(crate) mod tmpfs;

use std::fs;

use isolab_oci::Spec;
use isolab_oci::spec::Mount;

use crate::support::Place;

pub(super) fn mount(destination: &str, fstype: &str, source: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        fstype: Some(fstype.to_owned()),
        source: Some(source.into()),
        options: options.iter().map(|&o| o.to_owned()).collect(),
        ..Mount::default()
    }
}

/// A bundle with a directory `data`, and the example spec with `mounts` added.
pub(super) fn with(script: &str, mounts: Vec<Mount>) -> (Place, Spec) {
    let place = Place::new();
    fs::create_dir(place.path().join("data")).unwrap();
    let mut spec = place.spec(script);
    spec.mounts.extend(mounts);
    (place, spec)
}

/// The options that `mountinfo` shows for each mount point below `/m`.
pub(super) const SHOW: &str = "while read -r _ _ _ _ at options rest; do \
    case $at in /m*) echo \"$at $options\" ;; esac; done </proc/self/mountinfo";
