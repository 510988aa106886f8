//! Who vouches for servers: the certificates of the authorities that the machine trusts.
//!
//! No list of authorities is compiled in: an administrator who takes one away, or adds a
//! company's own, means this program, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, parse_pem};

use super::inputs::Inputs;
use crate::error::{Error, Result};
use crate::refusal::Refusal;

/// Where the certificates are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Trust {
    /// Files and directories, and who named them: the first that is there counts.
    places: Vec<(PathBuf, Option<String>)>,
}

/// Where systems keep them in one file: Debian, Ubuntu, Arch, Alpine; Fedora, RHEL; openSUSE;
/// the BSDs. Source: Go's `crypto/x509`, `root_linux.go`.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// As requests and OpenSSL read them, in this order.
const VARIABLES: [&str; 4] = [
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// More than any bundle has, in bytes.
const LONGEST: u64 = 16 << 20;

impl Trust {
    pub(super) fn of(named: Option<(PathBuf, String)>, inputs: &Inputs<'_>) -> Self {
        if let Some((path, from)) = named {
            return Self {
                places: vec![(path, Some(from))],
            };
        }
        for name in VARIABLES {
            let value = inputs.variables.get(name).filter(|value| !value.is_empty());
            if let Some(value) = value {
                let path = |value: &str| (PathBuf::from(value), Some(name.to_owned()));
                // A directory may be several.
                let places = value.split(':').filter(|part| !part.is_empty());
                return Self {
                    places: places.map(path).collect(),
                };
            }
        }
        let places = BUNDLES.map(|path| (inputs.below_root(path), None));
        Self {
            places: places.into(),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// [`Error::BadSetting`] where what was named has none. A machine without any trusts nobody,
    /// and each server is refused when it is asked.
    pub(super) fn certificates(&self) -> Result<Arc<Vec<Certificate<'static>>>> {
        let mut certificates = Vec::new();
        for (path, from) in &self.places {
            let found = read(path);
            if let (true, Some(from)) = (found.is_empty() && self.places.len() == 1, from) {
                return Err(Error::BadSetting {
                    what: "certificates".to_owned(),
                    from: from.clone(),
                    cause: Refusal::new(format!("{} holds none in PEM", path.display())),
                });
            }
            certificates.extend(found);
            if from.is_none() && !certificates.is_empty() {
                break;
            }
        }
        Ok(Arc::new(certificates))
    }
}

/// The certificates in a file, or in the files of a directory.
fn read(path: &Path) -> Vec<Certificate<'static>> {
    if !path.is_dir() {
        return in_file(path);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.flat_map(|entry| in_file(&entry.path())).collect()
}

fn in_file(path: &Path) -> Vec<Certificate<'static>> {
    let fits = fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() <= LONGEST);
    let text = match fits {
        true => fs::read(path).unwrap_or_default(),
        false => Vec::new(),
    };
    let items = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    items.collect()
}
