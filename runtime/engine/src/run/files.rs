//! The three files of `/etc` that say where a container is: they are the
//! container's own, and no image's.

use std::fs;
use std::path::Path;

use isolab_oci::spec::Mount;

use super::settings::{Network, Settings};
use crate::error::{Error, Result};

const NAMES: [&str; 3] = ["hostname", "hosts", "resolv.conf"];

/// Writes them into the container's directory.
pub(super) fn write(place: &Path, settings: &Settings) -> Result<()> {
    for name in NAMES {
        let path = place.join(name);
        fs::write(&path, content(name, settings)).map_err(Error::write(&path))?;
    }
    Ok(())
}

/// Their mounts. They can be written to inside, which only this container sees.
pub(super) fn mounts(place: &Path) -> impl Iterator<Item = Mount> {
    NAMES.into_iter().map(move |name| Mount {
        destination: Path::new("/etc").join(name),
        source: Some(place.join(name)),
        options: ["bind", "rprivate", "nosuid", "nodev"]
            .map(str::to_owned)
            .to_vec(),
        ..Mount::default()
    })
}

fn content(name: &str, settings: &Settings) -> Vec<u8> {
    let of_host = || fs::read(Path::new("/etc").join(name)).unwrap_or_default();
    match (name, settings.network) {
        ("hostname", _) => format!("{}\n", settings.hostname).into_bytes(),
        ("hosts", Network::None) => format!(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n\
             127.0.0.1\t{}\n",
            settings.hostname
        )
        .into_bytes(),
        // Without a network there is nobody to ask.
        (_, Network::None) => Vec::new(),
        (_, Network::Host) => of_host(),
    }
}
