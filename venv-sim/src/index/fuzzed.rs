//! The parsers of what servers and users wrote, for the fuzzer alone.

use super::question::{Kind, question, reply};
use super::url::Url;
use super::{html, json, listing, pip_config};
use crate::requirement::Name;

/// Offers that are the name of a file and never a path.
fn offered(files: Vec<listing::Listed>, project: &Name) {
    for offer in files.into_iter().filter_map(|file| file.offer(project, "")) {
        assert!(!offer.file_name.contains('/') && offer.file_name != "..");
        assert!(matches!(offer.location, crate::Location::Url(_)));
    }
}

/// A page of a project, in either form.
pub fn page(bytes: &[u8]) {
    let (Ok(base), Ok(project)) = (
        "https://me:secret@index.test/a/".parse::<Url>(),
        "a".parse(),
    ) else {
        return;
    };
    if let Ok(page) = html::parse(bytes, &base) {
        offered(page.files, &project);
    }
    if let Ok(files) = json::parse(bytes, &base, &project) {
        offered(files, &project);
    }
}

/// A configuration of pip.
pub fn configuration(text: &str) {
    let _ = pip_config::parse(text);
}

/// An address, and what it leads to from another.
pub fn address(text: &str) {
    if let Ok(url) = text.parse::<Url>() {
        assert_eq!(url.to_text().parse().as_ref(), Ok(&url.public()));
        let _ = url.join(text);
    }
}

/// An answer of a server that knows names.
pub fn names(bytes: &[u8]) {
    if let Some(mut asked) = question(7, "index.test", Kind::V6) {
        let _ = reply(bytes, &asked, Kind::V6);
        let head = asked.clone();
        asked.extend_from_slice(bytes);
        asked[2] |= 0x80;
        asked[7] = 9;
        let _ = reply(&asked, &head, Kind::V6);
    }
}
