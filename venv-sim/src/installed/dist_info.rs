//! A `.dist-info` as installers leave it.

use std::path::Path;

use super::{DirectUrl, Distribution, Form, text};
use crate::wheel::{Metadata, headers};

/// Reads the directory at `path`; the error says in words why it cannot be.
pub(super) fn read(path: &Path) -> Result<Distribution, String> {
    let metadata = text(&path.join("METADATA"))?;
    let (name, metadata, refused) = described(&metadata)?;
    let origin = path.join("direct_url.json");
    let direct_url = match origin.is_file() {
        true => Some(DirectUrl::parse(&text(&origin)?)?),
        false => None,
    };
    let installer = text(&path.join("INSTALLER")).ok();
    let installer = installer.and_then(|text| text.split_whitespace().next().map(str::to_owned));
    Ok(Distribution {
        written_name: name,
        metadata,
        refused,
        form: Form::DistInfo,
        location: path.parent().unwrap_or(path).to_owned(),
        installer,
        is_requested: path.join("REQUESTED").exists(),
        direct_url,
        path: path.to_owned(),
    })
}

/// The name as written, and what else METADATA or PKG-INFO says.
pub(super) fn described(
    text: &str,
) -> Result<(String, Metadata, Vec<crate::refusal::Refusal>), String> {
    let (metadata, refused) = Metadata::parse_installed(text).map_err(|why| why.to_string())?;
    let mut headers = headers(text).into_iter();
    let name = headers.find(|(key, _)| key.eq_ignore_ascii_case("Name"));
    let name = name.map_or_else(|| metadata.name.to_string(), |(_, name)| name);
    Ok((name, metadata, refused))
}
