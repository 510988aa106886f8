//! Files of requirements, as pip reads them.
//!
//! A file is read whole, with those that it includes, or not at all: each error names the file and
//! the line. What only building could serve (sources, repositories, editable directories) is
//! refused by name.
//!
//! A file called `pyproject.toml` is a project's own, and one that ends in `.py` a script: what
//! these say that they need is read, and nothing else of them.
//!
//! Source: *Requirements File Format* of pip's documentation, and `req_file.py` where that is silent.

mod address;
mod decode;
mod lines;
mod option;
mod pyproject;
mod script;
mod settings;
mod source;
mod toml_file;
mod wanted;
mod words;

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::index::{check_host, check_index_url};
use crate::refusal::{Refusal, shown_url};
use crate::requirement::Name;
use crate::wheel::Digest;
pub(crate) use address::{decoded, file_name};
use lines::Line;
use option::Choice;
pub use pyproject::Extras;
pub use settings::{Chosen, Settings};
use source::{Identity, content_of, decoded_text, identity};
pub(crate) use wanted::{BUILD, Refused};
pub use wanted::{Position, Wanted};

/// The value of an environment variable.
pub type Variables<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// How deep files may include others.
const DEEPEST: usize = 32;

/// What files of requirements ask for, with all that they include.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequirementsFile {
    /// What is asked for, in order.
    pub wanted: Vec<Wanted>,
    /// What must hold of a project if it is needed.
    pub constraints: Vec<Wanted>,
    /// What is set for all.
    pub settings: Settings,
}

impl RequirementsFile {
    /// Reads the file at `path`, or standard input where that is `-`, and those that it includes,
    /// into this. `variables` are those
    /// that `${NAME}` may stand for.
    ///
    /// # Errors
    /// [`Error::Io`] where a file cannot be read; [`Error::BadRequirement`] where a line cannot be
    /// used, by its file and number.
    pub fn read(&mut self, path: &Path, variables: &Variables<'_>) -> Result<()> {
        self.include(path, variables, Meaning::Wanted, &Extras::default())
    }

    /// As [`read`](Self::read), with those extras where the file is a `pyproject.toml`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and where the project has no such extra.
    pub fn read_with(
        &mut self,
        path: &Path,
        extras: &Extras,
        variables: &Variables<'_>,
    ) -> Result<()> {
        self.include(path, variables, Meaning::Wanted, extras)
    }

    /// Reads what the group `name` of the `pyproject.toml` at `path` asks for.
    ///
    /// # Errors
    /// As [`read`](Self::read), and where there is no such group.
    pub fn read_group(&mut self, path: &Path, name: &Name) -> Result<()> {
        let mut content = Vec::new();
        content_of(path, &mut content)?;
        self.parse_group(&path.to_string_lossy(), &content, name)
    }

    /// As [`read_with`](Self::read_with), of the `text` of a `pyproject.toml` called `file`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_project(&mut self, file: &str, text: &[u8], extras: &Extras) -> Result<()> {
        let mut reader = Reader {
            into: self,
            variables: &|_| None,
            extras,
            open: vec![(file.into(), None)],
        };
        reader.text(text, Meaning::Wanted)
    }

    /// As [`read_group`](Self::read_group), of the `text` of a file called `file`.
    ///
    /// # Errors
    /// As there.
    pub fn parse_group(&mut self, file: &str, text: &[u8], name: &Name) -> Result<()> {
        let file = file.replace(char::is_control, "?");
        let text = decoded_text(&file, text)?;
        let file = toml_file::File {
            name: file,
            text: &text,
            above: 0,
        };
        self.wanted.extend(pyproject::group(&file, name)?);
        Ok(())
    }

    /// As [`read`](Self::read), for a file whose lines are constraints.
    ///
    /// # Errors
    /// As [`read`](Self::read), and for what a constraint cannot be.
    pub fn read_constraints(&mut self, path: &Path, variables: &Variables<'_>) -> Result<()> {
        self.include(path, variables, Meaning::Constraint, &Extras::default())
    }

    /// Reads `text`, which is the content of a file called `name` in the working directory.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(&mut self, name: &str, text: &[u8], variables: &Variables<'_>) -> Result<()> {
        let mut reader = Reader {
            into: self,
            variables,
            extras: &Extras::default(),
            open: vec![(name.into(), None)],
        };
        reader.text(text, Meaning::Wanted)
    }

    fn include(
        &mut self,
        path: &Path,
        variables: &Variables<'_>,
        meaning: Meaning,
        extras: &Extras,
    ) -> Result<()> {
        let mut reader = Reader {
            into: self,
            variables,
            extras,
            open: Vec::new(),
        };
        reader.file(path, meaning)
    }
}

/// What a line that is a requirement means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Wanted,
    Constraint,
}

/// Files that are being read, one in another.
struct Reader<'r, 'v> {
    into: &'r mut RequirementsFile,
    variables: &'r Variables<'v>,
    /// Of a project's own file, these extras are read.
    extras: &'r Extras,
    /// As it was named, and which it is; what is no file has no identity.
    open: Vec<(PathBuf, Option<Identity>)>,
}

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, meaning: Meaning) -> Result<()> {
        let mut content = Vec::new();
        let identity = content_of(path, &mut content)?;
        self.open.push((path.to_owned(), identity));
        self.text(&content, meaning)?;
        self.open.pop();
        Ok(())
    }

    fn text(&mut self, content: &[u8], meaning: Meaning) -> Result<()> {
        let text = decoded_text(&self.name(), content)?;
        if meaning == Meaning::Wanted
            && let Some(wanted) = self.of_another_form(&text)?
        {
            self.into.wanted.extend(wanted);
            return Ok(());
        }
        for line in lines::lines(&text, self.variables) {
            let at = Position {
                file: self.name(),
                line: line.number,
            };
            self.line(&line, &at, meaning)?;
        }
        Ok(())
    }

    /// What a project's own file or a script asks for; `None` where the text is a list.
    fn of_another_form(&self, text: &str) -> Result<Option<Vec<Wanted>>> {
        let name = self.name();
        let path = Path::new(&name);
        if path
            .file_name()
            .is_some_and(|name| name == "pyproject.toml")
        {
            let file = toml_file::File {
                name,
                text,
                above: 0,
            };
            return pyproject::project(&file, self.extras).map(Some);
        }
        match path.extension().is_some_and(|end| end == "py") {
            true => script::wanted(&name, text).map(Some),
            false => Ok(None),
        }
    }

    /// The innermost file, as it was named.
    fn name(&self) -> String {
        let name = self.open.last().map(|(named, _)| named.to_string_lossy());
        name.unwrap_or_default().replace(char::is_control, "?")
    }

    fn line(&mut self, line: &Line, at: &Position, meaning: Meaning) -> Result<()> {
        let refused = |cause| refused(at, (cause, "correct the line, or leave it out"));
        let (text, options) = words::split(&line.text);
        let options = words::words(options)
            .and_then(option::read)
            .map_err(refused)?;
        match text {
            "" => options
                .into_iter()
                .try_for_each(|choice| self.choose(choice, at)),
            _ => self.want(text, options, at, meaning),
        }
    }

    fn want(
        &mut self,
        text: &str,
        options: Vec<Choice>,
        at: &Position,
        meaning: Meaning,
    ) -> Result<()> {
        let requirement = wanted::requirement(text).map_err(|why| refused(at, why))?;
        let mut hashes = Vec::new();
        for option in options {
            match option {
                Choice::Hash(written) => {
                    let hash = hash(&written);
                    hashes.push(hash.map_err(|why| {
                        refused(at, (why, "give a hash as `pip hash` prints it"))
                    })?);
                }
                Choice::Building(name) => return Err(refused(at, building(name))),
                other => {
                    let why = format!("{} does not belong behind a requirement", other.name());
                    return Err(refused(
                        at,
                        (Refusal::new(why), "write it on a line of its own"),
                    ));
                }
            }
        }
        if meaning == Meaning::Constraint && !requirement.extras.is_empty() {
            let why = Refusal::new("a constraint cannot ask for extras");
            return Err(refused(at, (why, "ask for the extras in a requirement")));
        }
        let wanted = Wanted {
            requirement,
            hashes,
            at: Some(at.clone()),
        };
        match meaning {
            Meaning::Wanted => self.into.wanted.push(wanted),
            Meaning::Constraint => self.into.constraints.push(wanted),
        }
        Ok(())
    }

    fn choose(&mut self, choice: Choice, at: &Position) -> Result<()> {
        let settings = &mut self.into.settings;
        match choice {
            Choice::Requirements(path) => return self.included(&path, at, Meaning::Wanted),
            Choice::Constraints(path) => return self.included(&path, at, Meaning::Constraint),
            Choice::Editable(what) => {
                let why = format!(
                    "{} would be an editable installation, which is built",
                    shown_url(&what)
                );
                return Err(refused(at, (Refusal::new(why), BUILD)));
            }
            Choice::Building(name) => return Err(refused(at, building(name))),
            Choice::Hash(_) => {
                let why = Refusal::new("a hash belongs behind a requirement");
                return Err(refused(
                    at,
                    (why, "join the lines with `\\` at the end of the first"),
                ));
            }
            Choice::IndexUrl(url) => {
                usable(at, check_index_url(&url))?;
                settings.index_url = Some(url);
            }
            Choice::ExtraIndexUrl(url) => {
                usable(at, check_index_url(&url))?;
                settings.extra_index_urls.push(url);
            }
            Choice::FindLinks(place) => {
                let place = self.beside(&place).unwrap_or(place);
                if self.is_lost(&place) {
                    let why = Refusal::new(format!("{} is not there", shown_url(&place)));
                    let remedy = "look at the path, which begins at this file's directory";
                    return Err(refused(at, (why, remedy)));
                }
                self.into.settings.find_links.push(place);
            }
            Choice::NoIndex => settings.no_index = true,
            Choice::Pre => settings.prereleases = true,
            Choice::RequireHashes => settings.require_hashes = true,
            Choice::TrustedHost(host) => {
                usable(at, check_host(&host))?;
                settings.trusted_hosts.push(host);
            }
            Choice::NoBinary(names) => self.binaries(&names, at, true)?,
            Choice::OnlyBinary(names) => self.binaries(&names, at, false)?,
            // Wheels are all that there is here.
            Choice::PreferBinary | Choice::Nothing => {}
        }
        Ok(())
    }

    /// A path that is seen from the directory of the file, if something lies there.
    fn beside(&self, place: &str) -> Option<String> {
        let directory = self.open.last()?.0.parent()?;
        let path = directory.join(place);
        (!address::is_one(place) && path.exists())
            .then(|| path.into_os_string().into_string().ok())
            .flatten()
    }

    /// Whether a path leads nowhere. Of a text that is no file's nobody can tell.
    fn is_lost(&self, place: &str) -> bool {
        let is_file = self.open.last().is_some_and(|(_, known)| known.is_some());
        let is_path = !address::is_one(place) && !place.starts_with('~');
        is_file && is_path && !Path::new(place).exists()
    }

    fn included(&mut self, written: &str, at: &Position, meaning: Meaning) -> Result<()> {
        if address::is_one(written) && !written.starts_with("file:") {
            let why = format!("{} is not on this machine", shown_url(written));
            let remedy = "bring the file here first, and name its path";
            return Err(refused(at, (Refusal::new(why), remedy)));
        }
        let written = written.strip_prefix("file://").unwrap_or(written);
        let directory = self.open.last().and_then(|(named, _)| named.parent());
        let path = directory.unwrap_or(Path::new("")).join(written);
        let there = path.metadata().map_err(|why| {
            let why = format!("{} cannot be read: {why}", shown_url(written));
            refused(
                at,
                (
                    Refusal::new(why),
                    "look at the path, which begins at this file's directory",
                ),
            )
        })?;
        let there = Some(identity(&there));
        if self.open.iter().any(|(_, open)| *open == there) || self.open.len() >= DEEPEST {
            let why = format!(
                "{} is being read already: files that include each other have no end",
                shown_url(written)
            );
            return Err(refused(
                at,
                (Refusal::new(why), "leave one of the two inclusions out"),
            ));
        }
        self.file(&path, meaning)
    }

    /// `:all:`, `:none:`, or names; later lines change what earlier ones said.
    fn binaries(&mut self, names: &str, at: &Position, none: bool) -> Result<()> {
        for name in names.split(',').map(str::trim) {
            let chosen = &mut self.into.settings.no_binary;
            match name {
                ":all:" => {
                    chosen.all = none;
                    chosen.names.clear();
                    chosen.but.clear();
                }
                ":none:" if none => *chosen = Chosen::default(),
                ":none:" => {}
                _ => {
                    let name: Name = name
                        .parse()
                        .map_err(|why| refused(at, (why, "name projects, `:all:` or `:none:`")))?;
                    let (into, from) = match none {
                        true => (&mut chosen.names, &mut chosen.but),
                        false => (&mut chosen.but, &mut chosen.names),
                    };
                    from.retain(|other| *other != name);
                    into.push(name);
                }
            }
        }
        Ok(())
    }
}

fn refused(at: &Position, (cause, remedy): Refused) -> Error {
    Error::BadRequirement {
        at: at.to_string(),
        cause,
        remedy,
    }
}

/// A value of an option, by the line that it stands on.
fn usable(at: &Position, checked: Result<(), Refusal>) -> Result<()> {
    checked.map_err(|why| refused(at, (why, "correct the address, or leave the line out")))
}

fn building(option: &str) -> Refused {
    let why = format!("{option} says how to build, and nothing is built here");
    (Refusal::new(why), BUILD)
}

/// `sha256:` and the digest in hexadecimal.
fn hash(written: &str) -> Result<Digest, Refusal> {
    let (algorithm, hex) = written.split_once(':').unwrap_or(("", written));
    Digest::from_hex(algorithm, hex)
}

#[cfg(test)]
mod pyproject_tests;
#[cfg(test)]
mod tests;
