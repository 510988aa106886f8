//! Addresses of files.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Whether a text begins as an address does: `https://`, `git+ssh://`, `file:`.
pub(super) fn is_one(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(is_part);
    is_scheme && (rest.starts_with("//") || scheme == "file")
}

/// The name of the file at an address, without what is asked of it and its fragment.
pub(crate) fn file_name(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let name = url[..end].rsplit('/').next().unwrap_or_default();
    String::from_utf8_lossy(&decoded(name)).into_owned()
}

/// The address of an absolute path.
pub(super) fn of_path(path: &Path) -> String {
    let mut url = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'/'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'+'
            | b'!' => {
                url.push(char::from(*byte));
            }
            _ => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// `%2B` as `+`.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high * 16 + low);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_and_windows_drives_are_told_apart() {
        for (text, is_address) in [
            ("https://x.test/a.whl", true),
            ("git+ssh://git@x.test/a.git", true),
            ("file:a.whl", true),
            ("a @ https://x.test", false),
            ("a>=1", false),
            ("c:\\a.whl", false),
            ("://x", false),
        ] {
            assert_eq!(is_one(text), is_address, "{text}");
        }
        assert_eq!(
            file_name("https://x.test/b/a-1.0%2Bcpu-py3-none-any.whl?x=/y#sha256=0"),
            "a-1.0+cpu-py3-none-any.whl"
        );
    }

    proptest! {
        #[test]
        fn a_path_comes_back_from_its_address(bytes in prop::collection::vec(1u8.., 0..20)) {
            let url = of_path(OsStr::from_bytes(&bytes).as_ref());
            prop_assert_eq!(decoded(&url["file://".len()..]), bytes);
            prop_assert!(!url.contains(['#', '?', ' ', ';', '@', '[']), "{}", url);
        }
    }
}
