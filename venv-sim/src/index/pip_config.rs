//! pip's configuration: which files, in which order, and what stands in them.
//!
//! Whoever has told pip where their index is should not have to tell it again. So the files are
//! found as pip finds them and read as Python's `configparser` reads them, sections and
//! continued lines and all; of what they say, only what concerns an index is used.
//!
//! Source: *Configuration* of pip's documentation; `configparser` of Python's library reference.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::inputs::{Inputs, Variables};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};

/// The options of all files together, each with where it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PipConfig {
    /// By section and option.
    options: BTreeMap<(String, String), (String, PathBuf)>,
}

/// Configuration files longer than this are none, in bytes.
const LONGEST: u64 = 1 << 20;

impl PipConfig {
    /// Reads the files that are there, a later one over an earlier one.
    pub(super) fn read(inputs: &Inputs<'_>) -> Result<Self> {
        let mut config = Self::default();
        for path in files(inputs) {
            let Some(text) = text(&path)? else { continue };
            let options = parse(&text).map_err(|cause| Error::BadSetting {
                what: "the configuration of pip".to_owned(),
                from: path.display().to_string(),
                cause,
            })?;
            for (key, value) in options {
                config.options.insert(key, (value, path.clone()));
            }
        }
        Ok(config)
    }

    /// The value of `option` for `command`, and where it was found: the command's own section
    /// comes before `[global]`, whichever file either stands in.
    pub(super) fn get(&self, command: &str, option: &str) -> Option<(&str, String)> {
        let of = |section: &str| {
            let key = (section.to_owned(), option.to_owned());
            let (value, path) = self.options.get(&key)?;
            let from = format!("`{option}` of [{section}] in {}", path.display());
            (!value.trim().is_empty()).then_some((value.as_str(), from))
        };
        of(command).or_else(|| of("global"))
    }
}

/// Where configurations may lie, the weakest first: of the machine, of the user, of the
/// environment, and the one that a variable names.
fn files(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    let variables = inputs.variables;
    let named = variables.get("PIP_CONFIG_FILE").map(String::as_str);
    if named == Some("/dev/null") {
        return Vec::new();
    }
    let mut files = Vec::new();
    let dirs = variable(variables, "XDG_CONFIG_DIRS").unwrap_or("/etc/xdg");
    for dir in dirs.split(':').filter(|dir| dir.starts_with('/')) {
        files.push(inputs.below_root(dir).join("pip/pip.conf"));
    }
    files.push(inputs.below_root("/etc").join("pip.conf"));
    let named = named.map(PathBuf::from);
    // As pip has it: whoever names a file that exists does without their own.
    if !named.as_ref().is_some_and(|path| path.exists()) {
        let home = variable(variables, "HOME").map(Path::new);
        files.extend(home.map(|home| home.join(".pip/pip.conf")));
        let own = variable(variables, "XDG_CONFIG_HOME").map(PathBuf::from);
        let own = own.or_else(|| home.map(|home| home.join(".config")));
        files.extend(own.map(|own| own.join("pip/pip.conf")));
    }
    files.extend(inputs.environment.map(|dir| dir.join("pip.conf")));
    files.extend(named);
    files
}

fn variable<'a>(variables: &'a Variables, name: &str) -> Option<&'a str> {
    let value = variables.get(name)?;
    (!value.is_empty()).then_some(value)
}

/// The text of a file; `None` where there is none.
fn text(path: &Path) -> Result<Option<String>> {
    let length = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Ok(None),
        Ok(metadata) => metadata.len(),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        // pip passes over what it may not read, too: it says so only when asked.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(Error::io("look at", path)(error)),
    };
    let refused = |why: &str| Error::BadSetting {
        what: "the configuration of pip".to_owned(),
        from: path.display().to_string(),
        cause: Refusal::new(why),
    };
    if length > LONGEST {
        return Err(refused("it is longer than a MiB"));
    }
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(refused("it is not UTF-8")),
        },
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

type Options = Vec<((String, String), String)>;

/// Reads sections of `option = value` or `option: value`, where a deeper indented line goes on
/// with the value above it.
pub(super) fn parse(text: &str) -> Result<Options, Refusal> {
    let mut options: Options = Vec::new();
    let mut section: Option<String> = None;
    // The indentation of the option that a line may go on with.
    let mut open: Option<usize> = None;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        let indentation = line.len() - line.trim_start().len();
        if let (Some(above), Some((_, value))) = (open, options.last_mut())
            && indentation > above
        {
            value.push('\n');
            value.push_str(content);
            continue;
        }
        open = None;
        if let Some(name) = content.strip_prefix('[') {
            let name = name.split_once(']').map(|(name, _)| name);
            let name = name
                .ok_or_else(|| Refusal::new(format!("the section in line {number} has no `]`")))?;
            section = Some(name.to_owned());
            continue;
        }
        let Some(section) = &section else {
            return Err(Refusal::new(format!(
                "line {number} stands above the first [section]"
            )));
        };
        let Some((option, value)) = content.split_once(['=', ':']) else {
            let shown = shown(content);
            return Err(Refusal::new(format!(
                "line {number}, {shown}, is no `option = value`"
            )));
        };
        let key = (section.clone(), normalized(option));
        if options.iter().any(|(other, _)| *other == key) {
            let shown = shown(option.trim());
            return Err(Refusal::new(format!(
                "line {number} gives {shown} of [{section}] a second time"
            )));
        }
        options.push((key, value.trim().to_owned()));
        open = Some(indentation);
    }
    Ok(options)
}

/// `--Index_URL` is `index-url`.
fn normalized(option: &str) -> String {
    let option = option.trim().to_lowercase().replace('_', "-");
    option.strip_prefix("--").unwrap_or(&option).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_read_as_configparser_reads_it() {
        // What `configparser.RawConfigParser` gives for the same text.
        let text = "# of the machine\n[global]\nindex-url = https://one.test/simple/\n\
            Extra_Index_URL:\n    https://two.test/\n  ; between\n\n    https://three.test/\n\
            --timeout = 7\nempty =\n[install]\n  no-index = yes\n  find-links = a\n   b\n";
        let global = |option: &str| ("global".to_owned(), option.to_owned());
        let install = |option: &str| ("install".to_owned(), option.to_owned());
        let expected = [
            (global("index-url"), "https://one.test/simple/"),
            (
                global("extra-index-url"),
                "\nhttps://two.test/\nhttps://three.test/",
            ),
            (global("timeout"), "7"),
            (global("empty"), ""),
            (install("no-index"), "yes"),
            (install("find-links"), "a\nb"),
        ];
        let expected = expected.map(|(key, value)| (key, value.to_owned()));
        assert_eq!(parse(text).expect("options"), expected);
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_line() {
        for (text, line) in [
            ("index-url = x\n", "line 1"),
            ("[global\nx = y\n", "line 1"),
            ("[global]\n\nnonsense\n", "line 3"),
            ("[global]\na = 1\nA = 2\n", "line 3"),
        ] {
            let why = parse(text).expect_err(text).to_string();
            assert!(why.contains(line) && !why.contains('\n'), "{why}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_each_refusal_is_one_line(text in "(\\[?[a-z#;=: -]{0,8}\\]?\n?){0,12}|\\PC{0,30}") {
            if let Err(why) = parse(&text) {
                prop_assert!(!why.to_string().contains('\n'));
            }
        }
    }
}
