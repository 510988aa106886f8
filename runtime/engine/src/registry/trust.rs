//! Who vouches for registries: the authorities whose certificates this machine
//! keeps. None are compiled in, so that an administrator who adds a company's own,
//! or takes one away, means this program, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, parse_pem};

/// Where systems keep them in one file: Debian, Arch, Alpine; Fedora; openSUSE;
/// the BSDs. Source: Go's `crypto/x509`, `root_linux.go`.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// More than any bundle has, in bytes.
const LONGEST: u64 = 16 << 20;

/// The certificates in the files and directories that `SSL_CERT_FILE` and
/// `SSL_CERT_DIR` name, else in the system's bundle.
pub(super) fn certificates(
    variable: impl Fn(&str) -> Option<String>,
) -> Arc<Vec<Certificate<'static>>> {
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = variable(name).filter(|value| !value.is_empty()) {
            let places = value.split(':').map(PathBuf::from);
            return Arc::new(places.flat_map(|place| below(&place)).collect());
        }
    }
    let found = BUNDLES.iter().map(|path| below(Path::new(path)));
    Arc::new(
        found
            .into_iter()
            .find(|found| !found.is_empty())
            .unwrap_or_default(),
    )
}

fn below(path: &Path) -> Vec<Certificate<'static>> {
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
    let certificates = parse_pem(&text).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    certificates.collect()
}
