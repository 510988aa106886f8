//! A Python distribution of our own: two files and the metadata by which pip
//! and `importlib.metadata` know it, laid down as a wheel would be.
//!
//! Real packages with conflicting versions would have to be downloaded first.
//! To the interpreter these are no less real.
//!
//! Source: the Python Packaging User Guide, "Recording installed projects" and
//! "Binary distribution format".

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// What can be imported and asked for its version.
pub(super) struct Distribution {
    /// Its name, and its module's.
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// The module's text.
    pub(super) module: &'static str,
}

impl Distribution {
    /// Lays it down in `site_packages`.
    pub(super) fn install(&self, site_packages: &Path) -> Result<()> {
        let Self {
            name,
            version,
            module,
        } = self;
        let info = format!("{name}-{version}.dist-info");
        let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        let wheel = "Wheel-Version: 1.0\nGenerator: isolab\nRoot-Is-Purelib: true\n\
                     Tag: py3-none-any\n";
        let files = [
            (format!("{name}.py"), (*module).to_owned()),
            (format!("{info}/METADATA"), metadata),
            (format!("{info}/WHEEL"), wheel.to_owned()),
            (format!("{info}/INSTALLER"), "isolab\n".to_owned()),
        ];
        fs::create_dir_all(site_packages.join(&info))
            .with_context(|| format!("cannot make {info}"))?;
        let mut record = String::new();
        for (path, content) in &files {
            write(&site_packages.join(path), content)?;
            let (hash, size) = (url_safe(&Sha256::digest(content)), content.len());
            record.push_str(&format!("{path},sha256={hash},{size}\n"));
        }
        record.push_str(&format!("{info}/RECORD,,\n"));
        write(&site_packages.join(&info).join("RECORD"), &record)
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

/// Base64 with the alphabet of URLs and without padding (RFC 4648, section 5).
fn url_safe(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(three);
        for place in 0..=chunk.len() {
            let index = bits >> (18 - 6 * place) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, section 10, without their padding.
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(url_safe(plain.as_bytes()), coded);
        }
        assert_eq!(url_safe(&[0xfb, 0xff]), "-_8");
    }
}
