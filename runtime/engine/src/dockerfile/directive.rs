//! Parser directives: comments at the very top that say how to read the rest.
//!
//! ```text
//! # syntax=docker/dockerfile:1
//! # escape=`
//! # check=skip=StageNameCasing
//! ```
//!
//! They end at the first line that is none, an empty one or another comment
//! included: what looks like one below is a comment.
//!
//! Source: Dockerfile reference, "Parser directives"; BuildKit,
//! `frontend/dockerfile/parser/directives.go`.

use super::problem::Fault;

/// The character that continues a line and takes the meaning from the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// `\`.
    #[default]
    Backslash,
    /// `` ` ``, for files full of Windows paths.
    Backtick,
}

impl Escape {
    /// The character itself.
    #[must_use]
    pub fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// What the top of a file declares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// Which frontend should read the file: an image's name. We read all alike.
    pub syntax: Option<String>,
    /// How lines continue.
    pub escape: Escape,
    /// Options of the checks, as written: `skip=RULE,…;error=true`.
    pub check: Option<String>,
    escape_was_set: bool,
}

impl Directives {
    /// Reads `line`, whose leading blanks are gone; `false` where it is none, and
    /// no later line is one either.
    pub(super) fn read(&mut self, line: &str) -> Result<bool, Fault> {
        let Some((name, value)) = cut(line) else {
            return Ok(false);
        };
        let name = name.to_ascii_lowercase();
        let again = || Fault::new(format!("the parser directive `{name}` is there twice"));
        match &*name {
            "syntax" | "check" => {
                let place = match &*name {
                    "syntax" => &mut self.syntax,
                    _ => &mut self.check,
                };
                if place.replace(value.to_owned()).is_some() {
                    return Err(again());
                }
            }
            "escape" if self.escape_was_set => return Err(again()),
            "escape" => {
                self.escape_was_set = true;
                self.escape = match value {
                    "\\" => Escape::Backslash,
                    "`" => Escape::Backtick,
                    _ => {
                        let what =
                            format!("`{}` is no escape character", super::problem::shown(value));
                        return Err(Fault::new(what).remedy("write `# escape=\\` or `# escape=``"));
                    }
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// `# name = value`.
fn cut(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let letters = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && letters(name);
    (is_name && !value.is_empty()).then_some((name, value))
}
