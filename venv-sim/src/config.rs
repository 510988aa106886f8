//! `pyvenv.cfg`: the file of lines that makes a directory an environment.
//!
//! Python reads each line that holds `=` as a key and a value. A value with a newline in it
//! would be two lines, and the second could say `home = /elsewhere`: such values are
//! escaped where the key allows it, and refused where it does not.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The keys and values of one `pyvenv.cfg`, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Config {
    lines: Vec<(String, String)>,
}

impl Config {
    /// Reads that of the environment at `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join("pyvenv.cfg");
        let content = fs::read(&path).map_err(Error::io("read", &path))?;
        Ok(Self::parse(&String::from_utf8_lossy(&content)))
    }

    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let lines = pairs
            .map(|(key, value)| (key.trim().to_lowercase(), value.trim().to_owned()))
            .collect();
        Self { lines }
    }

    /// The value of `key`; of the first line that has it, as CPython's `getpath` takes it.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.lines
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// Whether `key` is there and true, as `site` takes it.
    pub(crate) fn is(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Major and minor, from `version` (CPython) or `version_info` (virtualenv, uv).
    pub(crate) fn version(&self) -> Option<(u8, u8)> {
        let mut parts = self
            .get("version")
            .or_else(|| self.get("version_info"))?
            .split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    }

    /// The prompt asked for at creation: Python's `repr` of it is written.
    pub(crate) fn prompt(&self) -> Option<String> {
        let written = self.get("prompt")?;
        let quote = written
            .chars()
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'))?;
        let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
        let mut prompt = String::new();
        let mut characters = inner.chars();
        while let Some(character) = characters.next() {
            prompt.push(if character == '\\' {
                characters.next()?
            } else {
                character
            });
        }
        Some(prompt)
    }

    /// The text to write.
    pub(crate) fn to_text(&self) -> String {
        self.lines
            .iter()
            .fold(String::new(), |mut text, (key, value)| {
                let _ = writeln!(text, "{key} = {value}");
                text
            })
    }

    pub(crate) fn push(&mut self, key: &str, value: impl Into<String>) {
        self.lines.push((key.to_owned(), value.into()));
    }

    /// Adds a path that Python must read back as it is.
    pub(crate) fn push_path(&mut self, key: &'static str, path: &Path) -> Result<()> {
        let refused = |cause| Error::Unwritable {
            what: key,
            value: path.display().to_string(),
            cause,
        };
        let text = path.to_str().ok_or_else(|| refused("it is not UTF-8"))?;
        if text.chars().any(char::is_control) {
            return Err(refused("it holds a control character"));
        }
        if text.trim() != text {
            return Err(refused("Python would strip the space at its end"));
        }
        self.push(key, text);
        Ok(())
    }

    /// Adds the prompt as Python's `repr` writes it, which activation scripts read.
    pub(crate) fn push_prompt(&mut self, prompt: &str) -> Result<()> {
        if prompt.chars().any(char::is_control) {
            let cause = "it holds a control character";
            return Err(Error::Unwritable {
                what: "the prompt",
                value: prompt.to_owned(),
                cause,
            });
        }
        let quote = if prompt.contains('\'') && !prompt.contains('"') {
            '"'
        } else {
            '\''
        };
        let mut written = String::from(quote);
        for character in prompt.chars() {
            if character == '\\' || character == quote {
                written.push('\\');
            }
            written.push(character);
        }
        written.push(quote);
        self.push("prompt", written);
        Ok(())
    }
}

/// What names the environment at `dir` to a verb of ours, with a space before it; nothing where
/// it need not be named.
#[must_use]
pub fn env_flag(dir: Option<&Path>) -> String {
    dir.map_or_else(String::new, |dir| {
        format!(" --env {}", shell_word(dir.as_os_str()))
    })
}

/// One word of a shell's command line, on one line whatever it holds.
#[must_use]
pub fn shell_word(word: &OsStr) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:@%,".contains(byte);
    let bytes = word.as_bytes();
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match word.to_str() {
        Some(text) if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        // bash's and zsh's form, in which any byte can be named.
        _ => {
            bytes.iter().fold("$'".to_owned(), |mut text, byte| {
                let _ = match byte {
                    b'\'' | b'\\' => write!(text, "\\{}", char::from(*byte)),
                    b' '..=b'~' => write!(text, "{}", char::from(*byte)),
                    _ => write!(text, "\\x{byte:02x}"),
                };
                text
            }) + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_value_can_add_a_line(path in "[a-z=\\n\\r'\\\\ \u{85}é]{1,20}", prompt in "\\PC{0,20}|[\\n'\"\\\\a]{0,8}") {
            let mut config = Config::default();
            let lines = usize::from(config.push_path("home", Path::new(&path)).is_ok())
                + usize::from(config.push_prompt(&prompt).is_ok());
            config.push("command", shell_word(path.as_ref()));
            let again = Config::parse(&config.to_text());
            prop_assert_eq!(again.lines.len(), lines + 1);
            if again.get("home").is_some() {
                prop_assert_eq!(again.get("home"), Some(path.as_str()));
            }
            if again.get("prompt").is_some() {
                prop_assert_eq!(again.prompt(), Some(prompt));
            }
        }

        #[test]
        fn any_text_can_be_read(text in "\\PC{0,60}") {
            let config = Config::parse(&text);
            let _ = (config.version(), config.prompt());
        }
    }

    #[test]
    fn the_first_home_counts() {
        let config = Config::parse("HOME = /a\nhome = /b\nversion_info = 3.11.7.final.0\n");
        assert_eq!(config.get("home"), Some("/a"));
        assert_eq!(config.version(), Some((3, 11)));
    }
}
