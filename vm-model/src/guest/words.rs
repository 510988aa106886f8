//! Words of command lines: paths in QEMU's options, and all of them as a shell takes them.

use std::ffi::OsString;
use std::path::Path;

/// An option that ends with a path. A comma separates options there: it is doubled.
pub(crate) fn with_path(option: &str, path: &Path) -> OsString {
    let mut option = OsString::from(option);
    for (index, part) in path.to_string_lossy().split(',').enumerate() {
        if index > 0 {
            option.push(",,");
        }
        option.push(part);
    }
    option
}

/// Words as a shell takes them.
pub(crate) fn quoted(argv: &[OsString]) -> String {
    let quote = |word: &OsString| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./,:=+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    argv.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_survive_a_shell() {
        let words: Vec<OsString> = ["plain", "two words", "it's", ""].map(Into::into).to_vec();
        assert_eq!(quoted(&words), r"plain 'two words' 'it'\''s' ''");
        let echoed = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("printf '[%s]' {}", quoted(&words)))
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8_lossy(&echoed.stdout),
            "[plain][two words][it's][]"
        );
    }
}
