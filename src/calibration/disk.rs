//! What images and their clones take on the disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use vm_model::disk::QemuImg;
use vm_model::model::parameters::{Origin, Parameter};

use super::bench::noise;
use super::samples::allocated;
use super::{Found, Split};
use crate::environment::bounded::{self, Ended};
use crate::environment::tools;
use crate::hint;
use crate::interrupt::Interrupt;

/// The longest that one step may take.
const BOUND: Duration = Duration::from_secs(30);

/// The tools that make images and write to them.
#[derive(Clone, Debug)]
pub struct Images {
    img: QemuImg,
    io: PathBuf,
    dir: PathBuf,
}

/// An image and its clones, in allocated bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Clones {
    /// The image.
    pub image: f64,
    /// Overlays of it, empty.
    pub overlays: Vec<f64>,
    /// The same after each was written to.
    pub grown: Vec<f64>,
    /// Full copies.
    pub copies: Vec<f64>,
}

impl Images {
    /// Finds the tools; files are kept in `dir`.
    ///
    /// # Errors
    /// If one is not there, with how to get it.
    pub fn find(dir: &Path) -> Result<Self> {
        let found = |name| {
            tools::find(name).ok_or_else(|| {
                hint::with(
                    format!("{name} is not installed"),
                    "`sudo apt-get install qemu-utils` (Fedora: `sudo dnf install qemu-img`)",
                )
            })
        };
        Ok(Self {
            img: QemuImg::at(&found("qemu-img")?),
            io: found("qemu-io")?,
            dir: dir.to_owned(),
        })
    }

    /// An image of `image_mib` of bytes without a pattern, `clones` overlays of it
    /// that are each written to, and as many copies. All are removed again.
    ///
    /// # Errors
    /// If one cannot be made.
    pub fn cloned(
        &self,
        image_mib: u32,
        growth_mib: u32,
        clones: u32,
        interrupt: &Interrupt,
    ) -> Result<Clones> {
        let dir = self.dir.join(format!("images-{image_mib}"));
        fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let made = self.in_dir(&dir, image_mib, growth_mib, clones, interrupt);
        fs::remove_dir_all(&dir)?;
        made
    }

    fn in_dir(
        &self,
        dir: &Path,
        image_mib: u32,
        growth_mib: u32,
        clones: u32,
        interrupt: &Interrupt,
    ) -> Result<Clones> {
        let (raw, base) = (dir.join("raw"), dir.join("base"));
        fs::write(&raw, noise(image_mib))?;
        self.img.convert(&raw, &base)?;
        fs::remove_file(&raw)?;
        settled(&base)?;
        let mut made = Clones {
            image: allocated(&base)?,
            overlays: Vec::new(),
            grown: Vec::new(),
            copies: Vec::new(),
        };
        for number in 0..clones {
            anyhow::ensure!(!interrupt.raised(), "interrupted");
            let overlay = dir.join(format!("overlay-{number}"));
            self.img.overlay(&base, &overlay)?;
            settled(&overlay)?;
            made.overlays.push(allocated(&overlay)?);
            if growth_mib > 0 {
                self.write(&overlay, growth_mib, interrupt)?;
                settled(&overlay)?;
            }
            made.grown.push(allocated(&overlay)?);
            let copy = dir.join(format!("copy-{number}"));
            fs::copy(&base, &copy)?;
            settled(&copy)?;
            made.copies.push(allocated(&copy)?);
        }
        Ok(made)
    }

    fn write(&self, image: &Path, mib: u32, interrupt: &Interrupt) -> Result<()> {
        let mut command = Command::new(&self.io);
        command.args(["-f", "qcow2", "-c", &format!("write -P 7 0 {mib}M")]);
        let ended = bounded::run_unless(command.arg(image), BOUND, &|| interrupt.raised())?;
        match ended {
            Ended::Exited { code: Some(0), .. } => Ok(()),
            Ended::Exited { stderr, .. } => bail!("qemu-io says `{}`", stderr.trim()),
            Ended::TimedOut => bail!("qemu-io was not done in time"),
        }
    }
}

/// Blocks are given out when a file is written back, not before.
fn settled(path: &Path) -> Result<()> {
    fs::File::open(path)?.sync_all()?;
    Ok(())
}

/// The parameters of disks; what cannot be had is noted.
pub(super) fn calibrate(split: &Split, dir: &Path, interrupt: &Interrupt, found: &mut Found) {
    let seen = &split.calibrated;
    let made = Images::find(dir)
        .and_then(|images| images.cloned(seen.image_mib, seen.growth_mib, 2, interrupt));
    match made {
        Ok(made) => {
            let bytes = |mib: u32| f64::from(mib) * 1024.0 * 1024.0;
            parameters(&made, bytes(seen.image_mib), bytes(seen.growth_mib), found);
        }
        Err(error) => found.miss("vm.disk.overlay", &error),
    }
}

/// A larger image has more tables, of a cluster each: so much one of another size may differ.
const CLUSTER: f64 = 65_536.0;
/// Blocks of the host's file system.
const BLOCKS: f64 = 2.0 * 4096.0;

fn parameters(made: &Clones, image: f64, growth: f64, found: &mut Found) {
    let count = made.overlays.len();
    let mean = |sizes: &[f64]| sizes.iter().sum::<f64>() / sizes.len().max(1) as f64;
    let overlay = mean(&made.overlays);
    let table = mean(&made.grown) - overlay - growth;
    for (name, value, reach, how) in [
        (
            "vm.disk.overlay",
            overlay,
            BLOCKS,
            "allocated bytes of overlays that nothing was written to",
        ),
        (
            "vm.disk.metadata",
            made.image - image,
            CLUSTER,
            "allocated bytes of an image less those in it; a cluster for tables of other sizes",
        ),
        (
            "vm.disk.table",
            table,
            BLOCKS,
            "allocated bytes of overlays that were written to, less those of the others and what was written",
        ),
    ] {
        let origin = Origin::Calibrated {
            samples: count,
            how: how.to_owned(),
            emulated_by: None,
        };
        let interval = [value - reach, value + reach];
        found
            .parameters
            .push(Parameter::new(name, value, interval, origin));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clones_take_becomes_parameters_in_their_units() {
        let made = Clones {
            image: 1_300_000.0,
            overlays: vec![200_000.0, 200_000.0],
            grown: vec![365_000.0, 365_000.0],
            copies: vec![1_300_000.0],
        };
        let mut found = Found::default();
        parameters(&made, 1e6, 1e5, &mut found);
        let value = |name: &str| {
            let mut all = found.parameters.iter();
            all.find(|one| one.name == name).map(|one| one.value)
        };
        assert_eq!(value("vm.disk.overlay"), Some(200_000.0));
        assert_eq!(value("vm.disk.metadata"), Some(300_000.0));
        assert_eq!(value("vm.disk.table"), Some(65_000.0));
    }
}
