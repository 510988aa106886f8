//! Unpacks or packs a layer by hand, to measure it or to try it on other programs:
//! `cargo run --release -p isolab-engine --example layer -- unpack FILE DIRECTORY`.
//! What a file's name ends in says how it is packed.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use isolab_engine::image::Compression;
use isolab_engine::layer::{
    self, Content, Form, How, Limits, MergeHow, Ownership, PackHow, Packing, Whiteouts,
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", file, directory] => unpack(file, Path::new(directory)),
        ["pack", directory, file] => pack(Path::new(directory), file),
        ["merge", layers @ .., directory] => merge(layers, Path::new(directory)),
        _ => eprintln!(
            "usage: layer unpack FILE DIRECTORY | pack DIRECTORY FILE | merge LAYER... DIRECTORY"
        ),
    }
}

fn compression(file: &str) -> Compression {
    match file.rsplit('.').next() {
        Some("gz" | "tgz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    }
}

/// Prints how long it took and what came of it.
fn tell<T: std::fmt::Debug>(work: impl FnOnce() -> isolab_engine::Result<T>) {
    let begin = Instant::now();
    match work() {
        Ok(done) => println!("{:?} {done:?}", begin.elapsed()),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn unpack(file: &str, directory: &Path) {
    fs::create_dir(directory).unwrap();
    let how = How {
        expected: None,
        limits: Limits::default(),
        ownership: Ownership::Squash,
        whiteouts: Whiteouts::Overlay { userxattr: true },
    };
    let packed = File::open(file).unwrap();
    tell(|| layer::unpack(packed, compression(file), directory, &how));
}

fn pack(directory: &Path, file: &str) {
    let how = PackHow {
        packing: match compression(file) {
            Compression::None => Packing::None,
            Compression::Gzip => Packing::Gzip(6),
            Compression::Zstd => Packing::Zstd(3),
        },
        form: Form::Upper { userxattr: true },
        ids: &|uid, gid| (uid, gid),
        source_date_epoch: None,
        limits: Limits::default(),
    };
    let out = File::create(file).unwrap();
    tell(|| layer::pack(directory, out, &how));
}

fn merge(layers: &[&str], directory: &Path) {
    fs::create_dir(directory).unwrap();
    let how = MergeHow {
        content: Content::Copy,
        userxattr: true,
        ownership: Ownership::Squash,
    };
    let layers: Vec<&Path> = layers.iter().map(Path::new).collect();
    tell(|| layer::merge(&layers, directory, &how));
}
