//! A container that sees the host's files, all of them read-only, except for
//! those that are hidden from it: a way to take something away from a program
//! without taking it from the machine.
//!
//! An overlay over `/` is refused in a user namespace; binding each directory of
//! `/` with everything below it is allowed to everybody.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::Spec;
use isolab_oci::spec::Mount;

/// What the container gets of its own, as every container does.
const OWN: [&str; 3] = ["proc", "dev", "sys"];

/// A container that runs `words` with the host's files, without those at
/// `hidden`; `root` becomes the empty directory that they are bound into.
pub(super) fn spec(root: &Path, words: &[&str], hidden: &[PathBuf]) -> Result<Spec> {
    fs::create_dir_all(root).with_context(|| format!("cannot make {}", root.display()))?;
    let settings = Settings::new(root, words.iter().copied());
    let mut spec = default_spec(&settings);
    for entry in fs::read_dir("/").context("cannot read /")? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if OWN.iter().any(|own| name == *own) {
            continue;
        }
        if kind.is_symlink() {
            // Where /usr is merged, `/lib` is a link into it.
            let link = root.join(&name);
            if !link.is_symlink() {
                let target = fs::read_link(entry.path())?;
                symlink(target, &link)
                    .with_context(|| format!("cannot make {}", link.display()))?;
            }
        } else if kind.is_dir() {
            spec.mounts.push(bind(&entry.path()));
        }
    }
    if let Some(linux) = &mut spec.linux {
        linux.masked_paths.extend(hidden.iter().cloned());
    }
    Ok(spec)
}

/// The host's directory with everything below it, at its own place.
fn bind(path: &Path) -> Mount {
    Mount {
        destination: path.to_owned(),
        source: Some(path.to_owned()),
        options: ["rbind", "rro", "rprivate"].map(str::to_owned).to_vec(),
        ..Mount::default()
    }
}
