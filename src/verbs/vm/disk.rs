//! `isolab vm disk`: a guest's disk of an image.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use isolab_engine::image::Platform;
use isolab_engine::room::Room;
use isolab_engine::run;
use isolab_engine::store::{Image, Owners, Store};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek64};
use serde_json::json;
use tempfile::NamedTempFile;
use vm_model::disk::{Format, QemuImg};
use vm_model::guest::Accel;

use crate::environment::tools;
use crate::footprint::allocated_bytes;
use crate::guest_disk::{self, Disk, Disks, Want, asked, start};
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::verbs::image::run::{Asked, layers};
use crate::verbs::image::store;
use crate::{hint, stderr, stdout, unfinished};

/// What `vm disk` is asked to make.
#[derive(Debug, Args)]
#[command(
    after_help = "The disk is kept, and made only once for each image; `isolab system prune` \
    removes it when its image is gone. With -o, FILE.kernel and FILE.initrd lie beside FILE: \
    the three start with any QEMU."
)]
pub struct DiskArgs {
    /// Write a copy to FILE, with a kernel and an initramfs beside it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The copy's format
    #[arg(long, value_enum, default_value_t = Kind::Raw, requires = "output")]
    format: Kind,
    /// How large it is to its guest, as 800M or 4G; its files and 512 MiB, unless this says so
    #[arg(long, value_parser = size)]
    size: Option<u64>,
    /// Print what was made as JSON
    #[arg(long)]
    json: bool,
    /// The image: NAME[:TAG], NAME@N for a version, or an id
    image: String,
}

/// A format of disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Byte for byte, with holes where nothing is
    Raw,
    /// QEMU's own, by qemu-img
    Qcow2,
}

impl From<Kind> for Format {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Raw => Self::Raw,
            Kind::Qcow2 => Self::Qcow2,
        }
    }
}

/// A number of bytes with a unit: powers of 1024, as qemu-img has them.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "a size is a number with K, M, G or T, such as 800M".to_owned();
    let (digits, shift) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        Some((at, 'T' | 't')) => (&text[..at], 40),
        _ => (text, 0),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits
        .parse()
        .ok()
        .filter(|_| is_number)
        .ok_or_else(wrong)?;
    let bytes = number.checked_mul(1 << shift);
    bytes
        .filter(|&bytes| bytes > 0 && bytes <= guest_disk::LARGEST)
        .ok_or_else(|| "a disk has from 1 byte to 4T".to_owned())
}

/// An image that guests can run, and its disk.
pub struct OfImage {
    /// The image.
    pub image: Image,
    /// Its disk.
    pub disk: Disk,
}

/// The disk of the image that `name` stands for, made where it is not there.
///
/// # Errors
/// If there is no such image, it is for other machines, or no disk can be made of it.
pub fn of_image(store: &Store, name: &str, bytes: Option<u64>, verb: &str) -> Result<OfImage> {
    let image = image(store, name)?;
    let room = Room::find();
    if let Some(why) = room.why_single() {
        stderr::tell(format_args!(
            "note: all files of the disk are root's: {why}"
        ));
    }
    // What it says itself: one that says nothing to run has a disk all the same.
    let says = Asked::default().settings(&image, name, verb);
    let wanted = says.and_then(|settings| asked::wanted(&settings, None, &[], false));
    let wanted = wanted.ok().and_then(|wanted| wanted.to_bytes().ok());
    let want = Want {
        image: image.descriptor.digest.to_string(),
        owners: match room.owners() {
            Owners::Real | Owners::Mapped => "kept",
            Owners::Single => "single",
        },
        bytes,
        wanted: wanted.unwrap_or_default(),
        store,
    };
    let unpacked = || {
        let mount_points = store.root().join("mount-points");
        run::lay_mount_points(&mount_points)?;
        let mut all = vec![mount_points];
        all.extend(layers(store, &image, name, &room)?);
        Ok(all)
    };
    let tell = || {
        let packed = human(image.packed_bytes() as f64, Unit::Bytes);
        stderr::tell(format_args!("making the disk of {name} ({packed} packed)"));
    };
    let disk = Disks::open()?.get(&want, &room, unpacked, tell)?;
    Ok(OfImage { image, disk })
}

fn image(store: &Store, name: &str) -> Result<Image> {
    let platform = Platform::host();
    let version = store.resolve(name).map_err(|error| match error {
        isolab_engine::Error::NotFound { .. } => hint::with(
            format!("cannot make a disk: there is no image {name} here"),
            format!("isolab pull {name}, or `isolab images` for what is here"),
        ),
        error => error.into(),
    })?;
    let foreign = |of: &str| {
        hint::with(
            format!("cannot make a disk of {name}: it is for {of}, and guests here are {platform}"),
            format!("isolab pull --platform {platform} {name}"),
        )
    };
    let image = store
        .image(&version.descriptor, &platform)
        .map_err(|error| match error {
            isolab_engine::Error::NotFound { .. } => foreign("other machines"),
            error => error.into(),
        })?;
    match image.config.platform.is_like(&platform) {
        true => Ok(image),
        false => Err(foreign(&image.config.platform.to_string())),
    }
}

pub(super) fn run(args: &DiskArgs) -> Result<ExitCode> {
    // Before the work: what is missing is known at once.
    let img = match args.format {
        Kind::Raw => None,
        Kind::Qcow2 => Some(QemuImg::at(&qemu_img()?)),
    };
    let kernel = match args.output {
        Some(_) => Some(start::kernel_with_modules(vm_model::kernel::find()?)?),
        None => None,
    };
    let began = Instant::now();
    let store = store()?;
    let OfImage { image, disk } = of_image(&store, &args.image, args.size, "isolab vm run")?;
    let mut path = disk.path.clone();
    let mut beside = None;
    if let (Some(output), Some(kernel)) = (&args.output, kernel) {
        let settings = Asked::default().settings(&image, &args.image, "isolab vm run")?;
        let start = start::Start {
            disk: disk.path.clone(),
            bytes: disk.label.facts.bytes,
            wanted: asked::wanted(&settings, Some(&disk.label), &[], false)?,
            files: Vec::new(),
            network: None,
            memory_mib: start::MEMORY_MIB,
        };
        let [kernel_at, initrd_at] = [".kernel", ".initrd"].map(|end| with_ending(output, end));
        let archive = Unfinished::write(&initrd_at, |new| {
            Ok(start::archive(&kernel, &start)?.write_file(new).map(drop)?)
        })?;
        let copy = Unfinished::write(&kernel_at, |new| copy_sparse(&kernel.path, new))?;
        let image = Unfinished::write(output, |new| match &img {
            None => copy_sparse(&disk.path, new),
            Some(img) => Ok(img.convert(&disk.path, new)?),
        })?;
        // All are there, or none.
        for file in [archive, copy, image] {
            file.place()?;
        }
        path.clone_from(output);
        beside = Some((kernel_at, initrd_at));
    }
    let seconds = began.elapsed().as_secs_f64();
    let facts = disk.label.facts;
    let allocated = allocated_bytes(&[&path])?;
    let command = beside
        .as_ref()
        .map(|(kernel, initrd)| command(&path, args.format.into(), kernel, initrd));
    stdout::print(if args.json {
        let told = json!({
            "schema": "isolab.vm.disk/1",
            "image": args.image,
            "digest": disk.label.image,
            "path": path,
            "format": Format::from(args.format).name(),
            "bytes": facts.bytes,
            "allocated_bytes": allocated,
            "content_bytes": facts.content_bytes,
            "inodes": facts.inodes,
            "was_there": disk.was_there,
            "seconds": seconds,
            "kernel": beside.as_ref().map(|(kernel, _)| kernel),
            "initrd": beside.as_ref().map(|(_, initrd)| initrd),
            "command": command,
        });
        format!("{told:#}\n")
    } else {
        let size = |bytes: u64| human(bytes as f64, Unit::Bytes);
        let line = format!(
            "{} ({} to its guest, {} on this disk)\n",
            path.display(),
            size(facts.bytes),
            size(allocated)
        );
        match command {
            Some(command) => format!("{line}start it: {command}\n"),
            None => line,
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn qemu_img() -> Result<PathBuf> {
    tools::find("qemu-img").ok_or_else(|| {
        hint::with(
            "cannot make a qcow2 image: qemu-img is not installed (not found along PATH)",
            "sudo apt-get install qemu-utils (Fedora: sudo dnf install qemu-img)",
        )
    })
}

/// How anybody starts it, without us: console and streams in the terminal.
fn command(disk: &Path, format: Format, kernel: &Path, initrd: &Path) -> String {
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
    let drive = format!(
        "if=virtio,format={},file={}",
        format.name(),
        disk.display().to_string().replace(',', ",,")
    );
    format!(
        "{} -nodefaults -no-reboot -display none -machine q35 -accel {} -cpu max -m {} -kernel {} \
         -initrd {} -append 'console=ttyS0 loglevel=3 panic=-1 random.trust_cpu=on' -drive {} \
         -serial null -serial stdio",
        tools::QEMU,
        Accel::Tcg,
        start::MEMORY_MIB,
        quoted(kernel),
        quoted(initrd),
        quoted(Path::new(&drive)),
    )
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A file that is seen whole or not at all: it is written beside its place.
struct Unfinished<'a> {
    path: &'a Path,
    new: NamedTempFile,
}

impl<'a> Unfinished<'a> {
    /// What is to become `path`, as `write` writes it.
    fn write(path: &'a Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        if path.is_dir() {
            bail!("cannot write {}: it is a directory", path.display());
        }
        let new = unfinished::file(parent, UNFINISHED, 0o600);
        let new = new.with_context(|| format!("cannot write to {}", parent.display()))?;
        write(new.path())?;
        Ok(Self { path, new })
    }

    /// Gives it its name.
    fn place(self) -> Result<()> {
        self.new
            .persist(self.path)
            .map(drop)
            .map_err(|error| anyhow!(error.error))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// How the names of files begin that are being written.
const UNFINISHED: &str = ".isolab-disk-";

/// Copies a file with its holes.
fn copy_sparse(from: &Path, to: &Path) -> Result<()> {
    let reading = || format!("cannot read {}", from.display());
    let writing = || format!("cannot write {}", to.display());
    let mut source = File::open(from).with_context(reading)?;
    let mut target = File::create(to).with_context(writing)?;
    let length = source.metadata().with_context(reading)?.len();
    target.set_len(length).with_context(writing)?;
    let mut at = 0;
    // Where the file system knows no holes, all of it is one piece of data.
    loop {
        let (data, hole) = match lseek64(&source, at, Whence::SeekData) {
            Ok(data) => (
                data,
                lseek64(&source, data, Whence::SeekHole).with_context(reading)?,
            ),
            // There is no more.
            Err(Errno::ENXIO) => break,
            // It knows none.
            Err(Errno::EINVAL) if at == 0 => (0, length.cast_signed()),
            Err(error) => return Err(error).with_context(reading),
        };
        let (start, bytes) = (data.cast_unsigned(), (hole - data).cast_unsigned());
        source.seek(SeekFrom::Start(start)).with_context(reading)?;
        target.seek(SeekFrom::Start(start)).with_context(writing)?;
        let copied = std::io::copy(&mut (&source).take(bytes), &mut target);
        copied.with_context(writing)?;
        at = hole;
    }
    target.flush().with_context(writing)?;
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .with_context(writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_a_unit() {
        assert_eq!(size("800M"), Ok(800 << 20));
        assert_eq!(size("4g"), Ok(4 << 30));
        assert_eq!(size("512"), Ok(512));
        for wrong in [
            "",
            "M",
            "-1G",
            "+1G",
            "1.5G",
            "0",
            "5T",
            "99999999999T",
            "4GiB",
            "é",
        ] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_copy_has_the_same_bytes_and_the_same_holes() {
        use std::os::unix::fs::{FileExt as _, MetadataExt as _};
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(8 << 20).unwrap();
        file.write_all_at(&[7; 5000], 3 << 20).unwrap();
        copy_sparse(&from, &to).unwrap();
        assert_eq!(fs::read(&from).unwrap(), fs::read(&to).unwrap());
        assert!(fs::metadata(&to).unwrap().blocks() * 512 < 1 << 20);
    }

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing_and_takes_nothing_away() {
        let dir = tempfile::tempdir().unwrap();
        // What a kill leaves: a file that nobody holds.
        fs::write(dir.path().join(".isolab-disk-x"), "half").unwrap();
        let path = dir.path().join("disk");
        fs::write(&path, "before").unwrap();
        assert!(Unfinished::write(&path, |_| bail!("no")).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
