//! Packed bytes, whole or not, and what they were said to be.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;

use super::building::Tar;
use super::*;
use crate::Error;
use crate::image::Digest;
use crate::layer::{Checks, Expected};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn tar() -> Vec<u8> {
    let letter = |n: u32| char::from(b'a' + u8::try_from(n.wrapping_mul(n) % 23).unwrap());
    let noise: String = (0..200_000).map(letter).collect();
    Tar::new().file("a", &noise).file("b", "end").end()
}

fn check(packed: &[u8], compression: Compression) -> crate::Result<Unpacked> {
    let place = Place::new();
    unpack(packed, compression, &place.root(), &how())
}

#[test]
fn both_digests_and_lengths_are_those_of_all_bytes() {
    let mut tar = tar();
    // What follows the archive's end is read by nobody and counts.
    tar.extend_from_slice(&[0; 5000]);
    tar.extend_from_slice(b"anything");
    for (packed, compression) in [
        (tar.clone(), Compression::None),
        (gzip(&tar), Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
    ] {
        let unpacked = check(&packed, compression).unwrap();
        assert_eq!(unpacked.blob, Digest::of(&packed));
        assert_eq!(unpacked.blob_bytes, packed.len() as u64);
        assert_eq!(unpacked.diff_id, Digest::of(&tar));
        assert_eq!(unpacked.diff_bytes, tar.len() as u64);
        assert_eq!(unpacked.entries, 2);
    }
}

#[test]
fn streams_behind_each_other_are_one() {
    let tar = tar();
    let (one, two) = tar.split_at(70_000);
    for (packed, compression) in [
        (
            [gzip(one), gzip(b""), gzip(two)].concat(),
            Compression::Gzip,
        ),
        ([zstd(one), zstd(two)].concat(), Compression::Zstd),
    ] {
        assert_eq!(
            check(&packed, compression).unwrap().diff_id,
            Digest::of(&tar)
        );
    }
}

#[test]
fn a_stream_that_is_cut_off_or_followed_by_something_is_refused() {
    let tar = tar();
    for (packed, compression) in [
        (gzip(&tar), Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
    ] {
        for length in [0, 1, 9, packed.len() / 2, packed.len() - 1] {
            let error = check(&packed[..length], compression).unwrap_err();
            assert!(
                matches!(error, Error::Untrusted { .. }),
                "{length}: {error}"
            );
        }
        for tail in [
            &b"x"[..],
            b"\0\0\0\0",
            b"\x1f",
            b"tail that is long enough to be a header",
        ] {
            let error = check(&[&packed, tail].concat(), compression).unwrap_err();
            assert!(
                matches!(error, Error::Untrusted { .. }),
                "{tail:?}: {error}"
            );
        }
    }
    for length in [0, 100, 600, tar.len() / 2] {
        let error = check(&tar[..length], Compression::None).unwrap_err();
        assert!(
            matches!(error, Error::Untrusted { .. }),
            "{length}: {error}"
        );
    }
    // An archive without its end is read by everybody.
    let without = &tar[..tar.len() - 1024];
    assert!(check(without, Compression::None).is_ok());
    let error = check(&tar, Compression::Gzip).unwrap_err();
    assert!(error.to_string().contains("gzip"), "{error}");
}

#[test]
fn a_flipped_bit_is_found() {
    let mut packed = gzip(&tar());
    let middle = packed.len() / 2;
    packed[middle] ^= 4;
    assert!(check(&packed, Compression::Gzip).is_err());
}

#[test]
fn success_is_told_only_of_what_was_expected() {
    let tar = tar();
    let packed = gzip(&tar);
    let right = Expected {
        checks: Checks::Here,
        blob: Digest::of(&packed),
        blob_bytes: packed.len() as u64,
        diff_id: Digest::of(&tar),
    };
    let check = |packed: &[u8], expected: Expected| {
        let place = Place::new();
        let how = How {
            expected: Some(expected),
            ..how()
        };
        unpack(packed, Compression::Gzip, &place.root(), &how)
    };
    check(&packed, right.clone()).unwrap();
    let other = Digest::of(b"other");
    for (wrong, reason) in [
        (
            Expected {
                blob: other.clone(),
                ..right.clone()
            },
            "digest",
        ),
        (
            Expected {
                diff_id: other,
                ..right.clone()
            },
            "unpacks to",
        ),
        (
            Expected {
                blob_bytes: right.blob_bytes + 1,
                ..right.clone()
            },
            "bytes long",
        ),
        (
            Expected {
                blob_bytes: right.blob_bytes - 1,
                ..right.clone()
            },
            "longer",
        ),
    ] {
        let error = check(&packed, wrong).unwrap_err();
        assert!(matches!(error, Error::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    // By another algorithm, too: the digest's own one is made.
    let mut hasher = crate::image::Hasher::new(crate::image::Algorithm::Sha512);
    hasher.update(&tar);
    let diff_id = hasher.finish();
    let unpacked = check(
        &packed,
        Expected {
            diff_id: diff_id.clone(),
            ..right
        },
    )
    .unwrap();
    assert_eq!(unpacked.diff_id, diff_id);
}

#[test]
fn a_source_that_fails_is_told_apart_from_a_layer_that_is_bad() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let tar = tar();
    for (packed, compression) in [
        (tar.clone(), Compression::None),
        (gzip(&tar), Compression::Gzip),
        (zstd(&tar), Compression::Zstd),
    ] {
        let place = Place::new();
        let half = packed[..packed.len() / 2].chain(Broken);
        let error = unpack(half, compression, &place.root(), &how()).unwrap_err();
        let Error::Read { source, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn an_entry_that_is_refused_ends_a_stream_that_has_no_end() {
    let endless = io::Cursor::new(Tar::new().file("../x", "").end()).chain(io::repeat(0));
    let place = Place::new();
    let error = unpack(endless, Compression::None, &place.root(), &how()).unwrap_err();
    assert!(matches!(error, Error::Layer { .. }), "{error}");
}
