//! A wheel that is named by its address or its path.

use std::path::PathBuf;
use std::str::FromStr;

use crate::catalogue::{Kind, Location, MetadataOffer, Offer};
use crate::refusal::{Refusal, shown};
use crate::requirement::Name;
use crate::wheel::{Digest, WheelName};

/// How to get what cannot be had here.
pub(super) const BUILD: &str = "only wheels are installed here: build one of it first (`python -m \
    build --wheel` in its sources), and name that wheel or the directory that holds it";

/// The offer that an address is: its file's name says what is in it.
pub(super) fn offer(name: &Name, written: &str) -> Result<Offer, (Refusal, &'static str)> {
    let (address, fragment) = written.split_once('#').unwrap_or((written, ""));
    let path = address.split('?').next().unwrap_or(address);
    let file_name = decoded(path.rsplit('/').next().unwrap_or(path));
    if !file_name.ends_with(".whl") {
        let why = format!("{} is no wheel but sources", shown(written));
        return Err((Refusal::new(why), BUILD));
    }
    let refused = |why: Refusal| (why, "name a file that is a wheel");
    let wheel = WheelName::from_str(&file_name).map_err(refused)?;
    if wheel.project != *name {
        let why = format!(
            "{} is a wheel of {}, not {name}",
            shown(&file_name),
            wheel.project
        );
        return Err((Refusal::new(why), "name a wheel of the project"));
    }
    let location = match address.strip_prefix("file://") {
        Some(path) => {
            let path = path.strip_prefix("localhost").unwrap_or(path);
            Location::Path(PathBuf::from(decoded(path)))
        }
        None => Location::Url(address.to_owned()),
    };
    Ok(Offer {
        file_name,
        kind: Kind::Wheel(wheel),
        location,
        digests: digests(fragment).map_err(refused)?,
        size: None,
        requires_python: None,
        yanked: None,
        metadata: MetadataOffer::No,
        origin: "the address".to_owned(),
    })
}

/// An address as `direct_url.json` has it.
pub(super) fn without_fragment(address: &str) -> &str {
    address.split('#').next().unwrap_or(address)
}

/// What the fragment of an address says of the content: `sha256=…`.
fn digests(fragment: &str) -> Result<Vec<Digest>, Refusal> {
    let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
    let known = pairs.filter(|(key, _)| matches!(*key, "sha256" | "sha384" | "sha512"));
    known
        .map(|(algorithm, hex)| Digest::from_hex(algorithm, hex))
        .collect()
}

/// `%2B` as `+`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
