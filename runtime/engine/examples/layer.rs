//! Unpacks or packs a layer by hand, to measure it or to try it on other programs:
//! `cargo run --release -p isolab-engine --example layer -- unpack FILE DIRECTORY`.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use isolab_engine::image::Compression;
use isolab_engine::layer::{self, How, Limits, Ownership, Whiteouts};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["unpack", file, directory] => unpack(file, Path::new(directory)),
        _ => eprintln!("usage: layer unpack FILE DIRECTORY"),
    }
}

fn unpack(file: &str, directory: &Path) {
    let compression = match file.rsplit('.').next() {
        Some("gz" | "tgz") => Compression::Gzip,
        Some("zst") => Compression::Zstd,
        _ => Compression::None,
    };
    fs::create_dir(directory).unwrap();
    let how = How {
        expected: None,
        limits: Limits::default(),
        ownership: Ownership::Squash,
        whiteouts: Whiteouts::Overlay { userxattr: true },
    };
    let begin = Instant::now();
    let unpacked = layer::unpack(File::open(file).unwrap(), compression, directory, &how);
    let took = begin.elapsed();
    match unpacked {
        Ok(unpacked) => println!("{took:?} {unpacked:#?}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
