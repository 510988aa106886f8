//! `COPY` and `ADD`: what goes where.

use super::flags::{Flags, Kind};
use super::heredoc::{Heredoc, Mark};
use super::problem::{Fault, shown};
use super::read::Arguments;
use super::template::expand_body;
use super::words::{Json, at_blanks, json};
use super::{ExpansionError, Lookup, Template};

/// `COPY [--from=…] SOURCE… DESTINATION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// What goes where.
    pub sources: Sources,
    /// A stage by name or number, or an image; the build context where there is none.
    pub from: Option<String>,
    /// User, and group after a colon.
    pub chown: Option<Template>,
    /// Octal digits, or as `chmod(1)` has it.
    pub chmod: Option<Template>,
    /// Whether the layer must not depend on those below.
    pub link: bool,
    /// Whether the sources' directories are kept.
    pub parents: bool,
    /// Patterns, as in `.dockerignore`, of what stays.
    pub exclude: Vec<Template>,
}

/// `ADD SOURCE… DESTINATION`: as [`struct@Copy`], and archives are unpacked, and
/// addresses fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// What goes where.
    pub sources: Sources,
    /// User, and group after a colon.
    pub chown: Option<Template>,
    /// Octal digits, or as `chmod(1)` has it.
    pub chmod: Option<Template>,
    /// Whether the layer must not depend on those below.
    pub link: bool,
    /// Patterns, as in `.dockerignore`, of what stays.
    pub exclude: Vec<Template>,
    /// The digest of what is fetched.
    pub checksum: Option<Template>,
    /// Whether a repository's `.git` comes along.
    pub keep_git_dir: bool,
    /// Whether archives are unpacked; where nothing is said, local ones are.
    pub unpack: Option<bool>,
}

/// What goes where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// At least one.
    pub sources: Vec<Source>,
    /// A file, or a directory, which a slash at its end says.
    pub destination: Template,
}

impl Sources {
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let paths = self.sources.iter().filter_map(|source| match source {
            Source::Path(path) => Some(path),
            Source::Inline(_) => None,
        });
        paths.chain([&self.destination])
    }
}

/// One of what goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path, with wildcards; for `ADD` also an address.
    Path(Template),
    /// A file that stands in the Dockerfile.
    Inline(Inline),
}

/// A file that stands in the Dockerfile: a heredoc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inline {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) expand: bool,
}

impl Inline {
    /// Its name, where the destination is a directory.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its content. Variables are replaced unless a part of the delimiter was quoted.
    ///
    /// # Errors
    /// [`ExpansionError`] of a variable in it.
    pub fn content(&self, lookup: Lookup<'_>) -> Result<String, ExpansionError> {
        match self.expand {
            true => expand_body(&self.text, lookup),
            false => Ok(self.text.clone()),
        }
    }
}

/// The flags that both have.
const COMMON: [(&str, Kind); 4] = [
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Switch),
    ("exclude", Kind::Texts),
];

pub(super) fn read_copy(arguments: &Arguments<'_>) -> Result<Copy, Fault> {
    let own = [("from", Kind::Text), ("parents", Kind::Switch)];
    let flags = Flags::read("COPY", arguments.flags, &[&COMMON[..], &own].concat())?;
    let from = flags.text("from").map(str::to_owned);
    if let Some(from) = &from {
        super::mount::check_from("COPY --from", from)?;
    }
    Ok(Copy {
        sources: read_sources("COPY", arguments)?,
        from,
        chown: template(&flags, "chown"),
        chmod: template(&flags, "chmod"),
        link: flags.switch("link") == Some(true),
        parents: flags.switch("parents") == Some(true),
        exclude: flags.texts("exclude").map(Template::new).collect(),
    })
}

pub(super) fn read_add(arguments: &Arguments<'_>) -> Result<Add, Fault> {
    let own = [
        ("checksum", Kind::Text),
        ("keep-git-dir", Kind::Switch),
        ("unpack", Kind::Switch),
    ];
    let flags = Flags::read("ADD", arguments.flags, &[&COMMON[..], &own].concat())?;
    Ok(Add {
        sources: read_sources("ADD", arguments)?,
        chown: template(&flags, "chown"),
        chmod: template(&flags, "chmod"),
        link: flags.switch("link") == Some(true),
        exclude: flags.texts("exclude").map(Template::new).collect(),
        checksum: template(&flags, "checksum"),
        keep_git_dir: flags.switch("keep-git-dir") == Some(true),
        unpack: flags.switch("unpack"),
    })
}

fn template(flags: &Flags, name: &str) -> Option<Template> {
    flags.text(name).map(Template::new)
}

fn read_sources(instruction: &str, arguments: &Arguments<'_>) -> Result<Sources, Fault> {
    let (words, mut heredocs) = match json(arguments.rest) {
        Json::Strings(words) => (words, [].iter()),
        Json::Others => return Err(not_strings()),
        Json::No => (
            at_blanks(arguments.rest).map(str::to_owned).collect(),
            arguments.heredocs.iter(),
        ),
    };
    let is_exec = json(arguments.rest) != Json::No;
    let (destination, sources) = match words.split_last() {
        Some((destination, sources)) if !sources.is_empty() => (destination, sources),
        _ => {
            let fault = Fault::new(format!("{instruction} needs a source and a destination"));
            return Err(fault.remedy(format!("write `{instruction} SOURCE DESTINATION`")));
        }
    };
    if !is_exec && matches!(Mark::parse(destination), Ok(Some(_))) {
        let fault = Fault::new(format!("{instruction} cannot write to a heredoc"));
        return Err(fault.remedy("name a destination after it"));
    }
    let sources = sources.iter().map(|source| match Mark::parse(source) {
        Ok(Some(_)) if !is_exec => {
            let heredoc: Option<&Heredoc> = heredocs.next();
            let heredoc = heredoc.ok_or_else(|| torn(source))?;
            Ok(Source::Inline(Inline {
                name: heredoc.mark.name.clone(),
                text: heredoc.file(),
                expand: heredoc.mark.expand,
            }))
        }
        _ => Ok(Source::Path(Template::new(&**source))),
    });
    let sources: Vec<Source> = sources.collect::<Result<_, Fault>>()?;
    if let Some(heredoc) = heredocs.next() {
        return Err(torn(&heredoc.mark.name));
    }
    Ok(Sources {
        sources,
        destination: Template::new(&**destination),
    })
}

/// The words are cut at every blank, and heredocs are found at those outside quotes.
fn torn(word: &str) -> Fault {
    let fault = Fault::new(format!(
        "the heredoc `{}` is no word of its own",
        shown(word)
    ));
    fault.remedy("give it a delimiter without blanks")
}

pub(super) fn not_strings() -> Fault {
    let fault = Fault::new("the JSON array holds something else than strings");
    fault.remedy("put each of its items in double quotes")
}
