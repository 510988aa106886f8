//! The image that is moved about: one layer of this machine's own packages, as the
//! base of a distribution with an interpreter has them.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use isolab::observation::Unit;
use isolab::report::quantity::human;
use isolab_engine::image::{
    Algorithm, Compression, Config, Descriptor, Digest, Hasher, History, Manifest, MediaType,
    Platform, Reference,
};
use isolab_engine::store::{Origin, Provenance, Store};

use crate::find_program;

/// What the image is called: everybody's full name for it.
pub(super) const BASE: &str = "docker.io/library/isolab-peers-base:latest";
/// The image, packed in two ways.
pub(super) struct Sample {
    /// What it is.
    pub(super) about: String,
    pub(super) gzip: Packed,
    /// `None` where there is nobody to pack it.
    pub(super) zstd: Option<Packed>,
}

/// The image in files.
#[derive(Clone)]
pub(super) struct Packed {
    /// The layer.
    pub(super) layer: PathBuf,
    /// An OCI layout in which it is called [`BASE`].
    pub(super) layout: PathBuf,
    /// An archive that everybody loads.
    pub(super) archive: PathBuf,
}

impl Sample {
    /// Makes it, in a few seconds.
    pub(super) fn make(scratch: &Path) -> Result<Rc<Self>> {
        let dir = scratch.join("sample");
        fs::create_dir_all(&dir)?;
        let files = files()?;
        let list = dir.join("list");
        fs::write(&list, files.join(&b'\n'))?;
        let plain = dir.join("layer.tar");
        let mut tar = Command::new("tar");
        tar.args(["--create", "--no-recursion", "--verbatim-files-from"])
            .args(["--numeric-owner", "--owner=0", "--group=0", "--mtime=@0"])
            .args(["--directory=/", "--files-from"])
            .args([&list, Path::new("--file"), &plain]);
        quietly(&mut tar)?;
        let packed = |packing, program: &str, options: &[&str]| {
            pack(&dir, &plain, packing, program, options)
        };
        let gzip = packed(Compression::Gzip, "gzip", &["-6", "-n"])?;
        let zstd = find_program("zstd")
            .map(|_| packed(Compression::Zstd, "zstd", &["-3", "-q"]))
            .transpose()?;
        let bytes =
            |path: &Path| Ok::<_, io::Error>(human(path.metadata()?.len() as f64, Unit::Bytes));
        let about = format!(
            "the image is one layer of {} entries and {}, {} by gzip: the packages that Debian \
             requires and Python, as they are installed here",
            files.len(),
            bytes(&plain)?,
            bytes(&gzip.layer)?,
        );
        Ok(Rc::new(Self { about, gzip, zstd }))
    }
}

/// The packages: every one that Debian requires, Python, and what these need.
fn packages() -> Result<BTreeSet<String>> {
    let format = "--showformat=${Package}\t${Priority}\t${Pre-Depends}, ${Depends}\n";
    let said = said(Command::new("dpkg-query").args(["--show", format]))?;
    let text = String::from_utf8_lossy(&said);
    let installed: HashMap<&str, (&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (package, rest) = line.split_once('\t')?;
            Some((package, rest.split_once('\t')?))
        })
        .collect();
    let required = installed.iter().filter(|(_, said)| said.0 == "required");
    let mut pending: Vec<&str> = required.map(|(package, _)| *package).collect();
    pending.push("python3");
    let mut found = BTreeSet::new();
    while let Some(package) = pending.pop() {
        // Of alternatives all that are here; what is not here is needed by nobody.
        if let Some((_, needs)) = installed.get(package)
            && found.insert(package.to_owned())
        {
            let names = needs.split([',', '|']).map(str::trim_start);
            pending.extend(names.filter_map(|need| need.split([' ', ':', '(']).next()));
        }
    }
    Ok(found)
}

/// The files of the packages, by their real names without the first `/`, sorted.
fn files() -> Result<Vec<Vec<u8>>> {
    let listed = said(Command::new("dpkg").arg("--listfiles").args(packages()?))?;
    let mut found = BTreeSet::new();
    for line in listed.split(|&byte| byte == b'\n') {
        let path = Path::new(OsStr::from_bytes(line));
        let Some((parent, name)) = path.parent().zip(path.file_name()) else {
            continue;
        };
        // Packages still say /bin where that is a link to /usr/bin.
        let Ok(parent) = parent.canonicalize() else {
            continue;
        };
        let path = parent.join(name);
        let readable = match path.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => File::open(&path).is_ok(),
            found => found.is_ok(),
        };
        if readable && let Ok(inner) = path.strip_prefix("/") {
            found.insert(inner.as_os_str().as_bytes().to_vec());
        }
    }
    ensure!(
        found.contains(&b"usr/bin/sh"[..]),
        "dpkg knows of no packages that an image could be made of"
    );
    Ok(found.into_iter().collect())
}

/// What a command writes.
fn said(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output();
    let output = output.with_context(|| format!("cannot run {:?}", command.get_program()))?;
    Ok(output.stdout)
}

/// Packs the layer, and makes an image of it.
fn pack(
    dir: &Path,
    plain: &Path,
    packing: Compression,
    program: &str,
    options: &[&str],
) -> Result<Packed> {
    let layer = dir.join(format!("layer.{program}"));
    let mut packer = Command::new(program);
    packer
        .args(options)
        .arg("-c")
        .stdin(File::open(plain)?)
        .stdout(File::create(&layer)?);
    let status = packer.status();
    let status = status.with_context(|| format!("cannot run {program}"))?;
    ensure!(status.success(), "{program}: {status}");
    let layout = dir.join(program);
    let store = Store::open(&layout)?;
    let mut blob = store.new_blob(Algorithm::Sha256)?;
    io::copy(&mut File::open(&layer)?, &mut blob)?;
    let (digest, bytes) = blob.finish()?;
    let image = image(
        &store,
        Descriptor::new(MediaType::Layer(packing), digest, bytes),
        plain,
    )?;
    let name: Reference = BASE.parse()?;
    store.tag(&name, &image, &Provenance::now(Origin::Imported))?;
    let archive = dir.join(format!("{program}.tar"));
    let image = store.image(&image, &Platform::host())?;
    store.save(&[(vec![name], image)], File::create(&archive)?)?;
    Ok(Packed {
        layer,
        layout,
        archive,
    })
}

fn image(store: &Store, layer: Descriptor, plain: &Path) -> Result<Descriptor> {
    let mut blob = Hasher::new(Algorithm::Sha256);
    io::copy(&mut File::open(plain)?, &mut blob)?;
    let diff_id: Digest = blob.finish();
    let mut config = Config::empty(Platform::host());
    config.rootfs.diff_ids.push(diff_id);
    // Podman does not build on layers that have none.
    config.history.push(History {
        created_by: Some("packed by the bench".to_owned()),
        ..History::default()
    });
    config.config.env = vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    config.config.cmd = Some(vec!["/bin/sh".to_owned()]);
    let config = store.put_json(MediaType::Config, &config)?;
    let manifest = Manifest::new(config, vec![layer]);
    Ok(store.put_json(MediaType::Manifest, &manifest)?)
}

fn quietly(command: &mut Command) -> Result<()> {
    crate::crowd::quietly(command.stdin(Stdio::null()))
}
