//! A layer is a stranger's: whatever it says, nothing beside its root is touched, and
//! it ends within its limits.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use isolab_engine::image::Compression;
use isolab_engine::layer::{self, How, Limits, Ownership, Whiteouts};

static PLACE: LazyLock<PathBuf> = LazyLock::new(|| {
    let place = std::env::temp_dir().join(format!("fuzz-layer-{}", std::process::id()));
    fs::create_dir_all(place.join("outside")).unwrap();
    fs::write(place.join("outside/secret"), "secret").unwrap();
    place
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let how = How {
        expected: None,
        limits: Limits {
            entries: 200,
            bytes: 1 << 20,
            depth: 20,
            ..Limits::default()
        },
        ownership: Ownership::Squash,
        whiteouts: match choice & 1 {
            0 => Whiteouts::Overlay { userxattr: true },
            _ => Whiteouts::Apply,
        },
    };
    let compression = match choice >> 1 & 7 {
        0 => Compression::Gzip,
        1 => Compression::Zstd,
        _ => Compression::None,
    };
    let mut bytes = bytes.to_owned();
    if compression == Compression::None && choice & 0x80 == 0 {
        seal(&mut bytes);
    }
    let root = PLACE.join("root");
    fs::create_dir(&root).unwrap();
    let unpacked = layer::unpack(&bytes[..], compression, &root, &how);
    if let Ok(unpacked) = unpacked {
        assert!(unpacked.entries <= 200 && unpacked.blob_bytes == bytes.len() as u64);
    }
    fs::remove_dir_all(&root).unwrap();
    assert_eq!(fs::read(PLACE.join("outside/secret")).unwrap(), b"secret");
    assert_eq!(fs::read_dir(PLACE.join("outside")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(&*PLACE).unwrap().count(), 1);
});

/// Sets the checksum of what looks like a header, which no mutation hits.
fn seal(bytes: &mut [u8]) {
    for header in bytes.chunks_exact_mut(512) {
        if header[257..262] == *b"ustar" {
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
            header[154] = 0;
        }
    }
}
