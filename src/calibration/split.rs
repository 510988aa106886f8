//! Which configurations a calibration sees, and which only a validation does: the
//! file `vm-model/data/split.toml`, which stands in git before anything is fitted.

use anyhow::{Context, Result};
use serde::Deserialize;
use vm_model::model::SPLIT;

/// The whole file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// What a calibration sees.
    pub calibrated: Calibrated,
    /// Single guests that it does not.
    pub guests: Vec<Guests>,
    /// Several at once.
    pub at_once: Vec<AtOnce>,
    /// Several whose equal pages are merged.
    pub merged: Vec<Merged>,
    /// Clones of saved guests.
    pub restored: Vec<Clones>,
    /// Disks.
    pub disks: Vec<Disks>,
    /// Published figures.
    pub published: Published,
}

/// What a calibration sees.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// The memory of its guests.
    pub memory_mib: [u32; 2],
    /// The initial file system of a third kind.
    pub archive_mib: u32,
    /// And that kind's memory.
    pub archive_memory_mib: u32,
    /// How many it starts at once.
    pub at_once: Vec<u32>,
    /// How many clones of a saved guest of the smaller memory it holds.
    pub clones: u32,
    /// Its disk image.
    pub image_mib: u32,
    /// What is written to an overlay of it.
    pub growth_mib: u32,
}

/// Single guests of one kind.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guests {
    /// What it is called.
    pub name: String,
    /// Its memory.
    pub memory_mib: u32,
    /// Bytes without a pattern in its initial file system.
    #[serde(default)]
    pub archive_mib: u32,
    /// `python` for the Python workload with its closure, else the smallest program.
    #[serde(default)]
    pub image: Option<String>,
    /// `seabios` for that one, else what guests have here.
    #[serde(default)]
    pub firmware: Option<String>,
    /// `compressed` for the kernel as it is distributed.
    #[serde(default)]
    pub kernel: Option<String>,
    /// `memory` where the model has no term for that of it: it is shown then, and not scored.
    #[serde(default)]
    pub beyond: Option<String>,
    /// How many of them are run.
    pub repeats: u32,
    /// Whether `--quick` runs it.
    #[serde(default)]
    pub quick: bool,
}

/// Guests that are started at once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtOnce {
    /// What it is called.
    pub name: String,
    /// How many.
    pub guests: u32,
    /// The memory of each.
    pub memory_mib: u32,
    /// How often.
    pub repeats: u32,
    /// Whether `--quick` runs it.
    #[serde(default)]
    pub quick: bool,
}

/// Guests whose equal pages are merged.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merged {
    /// What it is called.
    pub name: String,
    /// How many.
    pub guests: u32,
    /// The memory of each.
    pub memory_mib: u32,
}

/// Clones of a saved guest.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clones {
    /// What it is called.
    pub name: String,
    /// How many are held at once.
    pub guests: u32,
    /// The memory of each.
    pub memory_mib: u32,
    /// How often one is restored alone.
    pub repeats: u32,
    /// Whether `--quick` runs it.
    #[serde(default)]
    pub quick: bool,
}

/// Clones of a disk.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disks {
    /// What it is called.
    pub name: String,
    /// The bytes that are in the image.
    pub image_mib: u32,
    /// How many clones.
    pub clones: u32,
    /// What is written to each.
    pub growth_mib: u32,
    /// Whether `--quick` makes them.
    #[serde(default)]
    pub quick: bool,
}

/// Sizes of the published guests.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Those that the curve is fitted to.
    pub fitted_mib: Vec<f64>,
    /// Those that it is checked on.
    pub validated_mib: Vec<f64>,
}

impl Split {
    /// Ours.
    ///
    /// # Errors
    /// If the file that ships with us is damaged.
    pub fn ours() -> Result<Self> {
        toml::from_str(SPLIT).context("the split of the configurations cannot be read")
    }

    /// Which it is, by its bytes.
    #[must_use]
    pub fn sha256() -> String {
        super::sha256(SPLIT.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration that was calibrated would validate nothing.
    #[test]
    fn nothing_is_on_both_sides() {
        let split = Split::ours().unwrap();
        let seen = &split.calibrated;
        assert!(split.guests.len() >= 6);
        for guest in &split.guests {
            let usual = guest.image.is_none() && guest.firmware.is_none() && guest.kernel.is_none();
            let calibrated = guest.archive_mib == 0 && seen.memory_mib.contains(&guest.memory_mib);
            assert!(!(usual && calibrated), "{} was calibrated", guest.name);
            assert_ne!(guest.archive_mib, seen.archive_mib);
            assert!(matches!(guest.beyond.as_deref(), None | Some("memory")));
        }
        for storm in &split.at_once {
            assert!(!seen.at_once.contains(&storm.guests), "{}", storm.name);
        }
        for clones in &split.restored {
            assert_ne!(clones.guests, seen.clones, "{}", clones.name);
            assert_ne!(clones.memory_mib, seen.memory_mib[0], "{}", clones.name);
        }
        for disk in &split.disks {
            assert_ne!(disk.image_mib, seen.image_mib, "{}", disk.name);
        }
        let published = &split.published;
        for size in &published.validated_mib {
            assert!(
                !published.fitted_mib.contains(size),
                "{size} MiB was fitted"
            );
        }
        let sizes: Vec<f64> = vm_model::model::parameters::rows()
            .iter()
            .map(|row| row.size / 1024.0 / 1024.0)
            .collect();
        let mut named = published.fitted_mib.iter().chain(&published.validated_mib);
        assert!(named.all(|size| sizes.contains(size)));
    }
}
