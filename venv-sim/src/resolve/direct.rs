//! A wheel that is named by its address or its path.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::str::FromStr;

use crate::catalogue::{Kind, Location, MetadataOffer, Offer};
use crate::refusal::{Refusal, shown, shown_url};
use crate::requirement::Name;
use crate::requirements_file::{BUILD, Refused, decoded, file_name};
use crate::wheel::{Digest, WheelName};

/// The offer that an address is: its file's name says what is in it.
pub(super) fn offer(name: &Name, written: &str) -> Result<Offer, Refused> {
    let (address, fragment) = written.split_once('#').unwrap_or((written, ""));
    let file_name = file_name(address);
    if !file_name.ends_with(".whl") {
        let why = format!("{} is no wheel but sources", shown_url(written));
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
            Location::Path(PathBuf::from(OsString::from_vec(decoded(path))))
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

/// What the fragment of an address says of the content: `sha256=…`.
fn digests(fragment: &str) -> Result<Vec<Digest>, Refusal> {
    let pairs = fragment.split('&').filter_map(|pair| pair.split_once('='));
    let known = pairs.filter(|(key, _)| matches!(*key, "sha256" | "sha384" | "sha512"));
    known
        .map(|(algorithm, hex)| Digest::from_hex(algorithm, hex))
        .collect()
}
