//! Names and passwords that the user keeps in `~/.netrc`.
//!
//! Source: the `.netrc` file of `ftp(1)`; `netrc` of Python's library reference, for quotes.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::inputs::Variables;
use super::settings::bad;
use crate::error::{Error, Result};
use crate::refusal::Refusal;

/// Who the user is on which machine.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    machines: Vec<Machine>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Machine {
    /// None for `default`.
    host: Option<String>,
    login: String,
    password: String,
}

/// Files longer than this are none, in bytes.
const LONGEST: u64 = 1 << 20;

impl Netrc {
    /// Reads the file that `NETRC` names, else `~/.netrc`, else none.
    pub(super) fn of(variables: &Variables) -> Result<Self> {
        let named = variables.get("NETRC").filter(|path| !path.is_empty());
        let home = || {
            variables
                .get("HOME")
                .map(|home| PathBuf::from(home).join(".netrc"))
        };
        let Some(path) = named.map(PathBuf::from).or_else(home) else {
            return Ok(Self::default());
        };
        let refused = |cause| bad("names and passwords", &path.display().to_string(), cause);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() <= LONGEST => {}
            Ok(_) => {
                return Err(refused(Refusal::new(
                    "it is no file of a length that can be read",
                )));
            }
            Err(_) => return Ok(Self::default()),
        }
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            // Not for this user: then it says nothing about them.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(Self::default()),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        Self::parse(&String::from_utf8_lossy(&bytes)).map_err(refused)
    }

    /// Reads `machine HOST login NAME password SECRET`, in lines of any form.
    ///
    /// # Errors
    /// Where a word is missing or unknown. What is secret is not in the message.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut words = Words {
            rest: text,
            line: 1,
        };
        let mut machines: Vec<Machine> = Vec::new();
        while let Some(word) = words.keyword()? {
            let line = words.line;
            let missing =
                |what: &str| Refusal::new(format!("`{what}` in line {line} has nothing behind it"));
            match &word[..] {
                "machine" => {
                    let host = words.value()?.ok_or_else(|| missing("machine"))?;
                    let host = Some(host.to_lowercase());
                    machines.push(Machine {
                        host,
                        ..Machine::default()
                    });
                }
                "default" => machines.push(Machine::default()),
                // A macro goes up to the next empty line.
                "macdef" => words.skip_paragraph(),
                "login" | "user" | "password" | "account" => {
                    let value = words.value()?.ok_or_else(|| missing(&word))?;
                    let machine = machines.last_mut().ok_or_else(|| {
                        Refusal::new(format!("`{word}` in line {line} belongs to no machine"))
                    })?;
                    match &word[..] {
                        "login" | "user" => machine.login = value,
                        "password" => machine.password = value,
                        _ => {}
                    }
                }
                // It may be half of a password.
                _ => {
                    return Err(Refusal::new(format!(
                        "a word in line {line} is none of machine, default, login, password, account and macdef"
                    )));
                }
            }
        }
        Ok(Self { machines })
    }

    /// The name and the password for `host`; those of `default` only where `is_named`, as it is
    /// for a server that the user named and not for one that a page leads to.
    #[must_use]
    pub fn of_host(&self, host: &str, is_named: bool) -> Option<(&str, &str)> {
        let own = |machine: &&Machine| machine.host.as_deref() == Some(host);
        let any = |machine: &&Machine| is_named && machine.host.is_none();
        let found = self.machines.iter().find(own);
        let found = found.or_else(|| self.machines.iter().find(any))?;
        Some((&found.login, &found.password))
    }
}

/// What is in it is secret.
impl fmt::Debug for Netrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Netrc of {} machines", self.machines.len())
    }
}

struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl Words<'_> {
    /// The next word that is none of a comment.
    fn keyword(&mut self) -> Result<Option<String>, Refusal> {
        loop {
            match self.value()? {
                Some(word) if word.starts_with('#') => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                word => return Ok(word),
            }
        }
    }

    /// The next word, without its quotes; a password may begin with `#`.
    fn value(&mut self) -> Result<Option<String>, Refusal> {
        let start = self.rest.trim_start();
        let space = &self.rest[..self.rest.len() - start.len()];
        self.line += space.matches('\n').count();
        self.rest = start;
        if let Some(inside) = start.strip_prefix('"') {
            return self.quoted(inside).map(Some);
        }
        let end = start.find(char::is_whitespace).unwrap_or(start.len());
        self.rest = &start[end..];
        Ok((end > 0).then(|| start[..end].to_owned()))
    }

    /// Up to the other quote, where `\\` makes the next character an ordinary one.
    fn quoted(&mut self, inside: &str) -> Result<String, Refusal> {
        let mut value = String::new();
        let mut characters = inside.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 2..];
                    return Ok(value);
                }
                '\n' => break,
                '\\' => value.extend(characters.next().map(|(_, next)| next)),
                other => value.push(other),
            }
        }
        let line = self.line;
        Err(Refusal::new(format!(
            "the quoted text in line {line} has no end"
        )))
    }

    fn skip_paragraph(&mut self) {
        let end = self.rest.find("\n\n").unwrap_or(self.rest.len());
        self.line += self.rest[..end].matches('\n').count();
        self.rest = &self.rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn machines_are_read_in_any_form() {
        // The first is an example of Python's library reference.
        let text = "machine host.test login log1 password pass1 account acct1\n\
            # a comment machine login\n\
            machine  Other.test\n  login  me\n  password  #se\"cret\n\
            macdef init\ncd /x\nmachine none login none\n\n\
            machine quoted.test login \"a b\" password \"c\\\"d\"\n\
            default login anonymous password x@y\n";
        let netrc = Netrc::parse(text).expect("a netrc");
        for (host, expected) in [
            ("host.test", Some(("log1", "pass1"))),
            ("other.test", Some(("me", "#se\"cret"))),
            ("quoted.test", Some(("a b", "c\"d"))),
            ("none", None),
        ] {
            assert_eq!(netrc.of_host(host, false), expected, "{host}");
        }
        assert_eq!(netrc.of_host("none", true), Some(("anonymous", "x@y")));
        assert!(!format!("{netrc:?}").contains("pass1"));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_line_and_without_the_secret() {
        for (text, line) in [
            ("machine", "line 1"),
            ("machine a\nlogin b password", "line 2"),
            ("login a", "line 1"),
            ("machine a login b password two secret-words\n", "line 1"),
            ("machine a\n\n password \"secret-without-end\n", "line 3"),
        ] {
            let why = Netrc::parse(text).expect_err(text).to_string();
            assert!(why.contains(line) && !why.contains("secret"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_written_is_read(
            text in "\\PC{0,30}|((machine|login|password|default|macdef|#|\"|\\\\)[ \n]?){0,12}",
            host in "[a-z.]{1,8}", login in "[!-~]{1,8}", password in "[!-~]{1,8}",
        ) {
            let _ = Netrc::parse(&text);
            let quote = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let written = format!("machine {host} login {} password {}\n", quote(&login), quote(&password));
            let netrc = Netrc::parse(&written).expect("read");
            prop_assert_eq!(netrc.of_host(&host, false), Some((&login[..], &password[..])));
        }
    }
}
