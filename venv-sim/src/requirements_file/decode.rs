//! From the bytes of a file to its text.
//!
//! Source: pip's `auto_decode`: a byte order mark, else a declaration as of PEP 263 in one of the
//! first two lines. What has neither is UTF-8 here, whatever the locale says.

use crate::refusal::{Refusal, shown};

/// The text of a file, without its byte order mark.
pub(super) fn text(bytes: &[u8]) -> Result<String, Refusal> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        // Before UTF-16, whose mark this one begins with.
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => declared(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Refusal> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|why| {
            let line = 1 + bytes[..why.valid_up_to()]
                .iter()
                .filter(|b| **b == b'\n')
                .count();
            Refusal::new(format!("its line {line} is not UTF-8"))
        })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refusal> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| unit(*pair));
    let text: Result<String, _> = char::decode_utf16(units).collect();
    text.ok()
        .filter(|_| rest.is_empty())
        .ok_or_else(|| Refusal::new("it begins as UTF-16, and goes on as something else"))
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Result<String, Refusal> {
    let (units, rest) = bytes.as_chunks::<4>();
    let text: Option<String> = units
        .iter()
        .map(|four| char::from_u32(unit(*four)))
        .collect();
    text.filter(|_| rest.is_empty())
        .ok_or_else(|| Refusal::new("it begins as UTF-32, and goes on as something else"))
}

/// As its first lines declare: `# -*- coding: latin-1 -*-`.
fn declared(bytes: &[u8]) -> Result<String, Refusal> {
    let lines = bytes.split(|byte| *byte == b'\n').take(2);
    let name = lines
        .filter(|line| line.starts_with(b"#"))
        .find_map(|line| {
            let line = String::from_utf8_lossy(line);
            let (_, after) = line.split_once("coding")?;
            let after = after.strip_prefix([':', '='])?.trim_start();
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
            Some(after[..end].to_ascii_lowercase().replace('_', "-"))
        });
    match name.as_deref() {
        None | Some("utf-8" | "utf8" | "ascii" | "us-ascii") => utf8(bytes),
        Some("latin-1" | "latin1" | "iso-8859-1" | "iso8859-1") => {
            Ok(bytes.iter().copied().map(char::from).collect())
        }
        Some(other) => Err(Refusal::new(format!(
            "it says that it is written in {}; read are UTF-8, UTF-16, UTF-32 and latin-1",
            shown(other)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mark_or_a_declaration_tells_the_encoding() {
        let little = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wide = |text: &str| {
            text.chars()
                .flat_map(|c| u32::from(c).to_le_bytes())
                .collect()
        };
        let encoded: [Vec<u8>; 6] = [
            "a # é".as_bytes().to_vec(),
            "\u{feff}a # é".as_bytes().to_vec(),
            little("\u{feff}a # é"),
            big("\u{feff}a # é"),
            wide("\u{feff}a # é"),
            b"a # \xc3\xa9".to_vec(),
        ];
        for bytes in encoded {
            assert_eq!(text(&bytes).expect("text"), "a # é", "{bytes:?}");
        }
        let latin = text(b"# vim: set fileencoding=latin-1 :\na # \xe9").expect("text");
        assert!(latin.ends_with("a # é"));
        for (bytes, part) in [
            (&b"a\nb \xe9"[..], "line 2"),
            (b"# coding: cp1252\na", "cp1252"),
            (b"\xff\xfea", "UTF-16"),
            (b"\xff\xfe\0\0abc", "UTF-32"),
        ] {
            let why = text(bytes).expect_err("refused").to_string();
            assert!(why.contains(part), "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>(), mark in prop::sample::select(vec![
            &b""[..], b"\xff\xfe", b"\xfe\xff", b"\xff\xfe\0\0", b"# coding: ",
        ])) {
            let _ = text(&[mark, &bytes].concat());
        }
    }
}
