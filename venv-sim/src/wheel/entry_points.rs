//! `entry_points.txt`: the commands that a project brings, each a function to call.

use crate::refusal::{Refusal, shown};

/// The sections of an `entry_points.txt`, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EntryPoints {
    /// Section, and one of its lines.
    entries: Vec<(String, EntryPoint)>,
}

/// One line: a name for an object in a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// Its name; of a script, that of its file.
    pub name: String,
    /// The module, dotted.
    pub module: String,
    /// The path of the object in it, dotted; empty for the module itself.
    pub object: String,
}

/// The section of scripts that have a terminal.
const CONSOLE: &str = "console_scripts";
/// The section of scripts that have a window; the same here.
const GUI: &str = "gui_scripts";

/// Each becomes a file in `bin`, out of a line: the greatest projects have some hundreds.
const MOST_SCRIPTS: usize = 10_000;

/// What no project may put into `bin`: the environment's own.
const RESERVED: [&str; 3] = ["python", "pypy", "activate"];

impl EntryPoints {
    /// Reads the text, as `importlib.metadata` does: sections in brackets, `name = value`, and
    /// lines that begin with `#` or `;` passed over.
    ///
    /// # Errors
    /// A line in a section of scripts that is none of these, or whose value is no
    /// `module:object`. What other sections say is for others.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut entries = Vec::new();
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                section = name.trim();
                continue;
            }
            let entry = line.split_once('=').map(|(name, value)| entry(name, value));
            match entry {
                Some(Ok(entry)) => entries.push((section.to_owned(), entry)),
                Some(Err(why)) if is_script(section) => return Err(why),
                None if is_script(section) => {
                    let shown = shown(line);
                    return Err(Refusal::new(format!(
                        "its entry point {shown} has no value"
                    )));
                }
                _ => {}
            }
        }
        Ok(Self { entries })
    }

    /// The scripts, each to be a file in `bin` of the entry point's name.
    ///
    /// # Errors
    /// A name that is no plain name of a file, or one of the environment's own; or more of them
    /// than anybody could mean.
    pub fn scripts(&self) -> Result<Vec<&EntryPoint>, Refusal> {
        let scripts = self
            .entries
            .iter()
            .filter(|(section, _)| is_script(section));
        let count = scripts.clone().count();
        if count > MOST_SCRIPTS {
            return Err(Refusal::new(format!(
                "it brings {count} scripts, and no project has more than {MOST_SCRIPTS}"
            )));
        }
        scripts
            .map(|(_, entry)| script_name(&entry.name).map(|()| entry))
            .collect()
    }
}

fn is_script(section: &str) -> bool {
    section == CONSOLE || section == GUI
}

/// `module`, `module:object`, and after either the extras that it needs, in brackets.
fn entry(name: &str, value: &str) -> Result<EntryPoint, Refusal> {
    let (name, value) = (name.trim(), value.trim());
    let reference = value.split('[').next().unwrap_or("").trim();
    let (module, object) = reference.split_once(':').unwrap_or((reference, ""));
    let (module, object) = (module.trim(), object.trim());
    let dotted = |text: &str| text.split('.').all(is_identifier);
    if name.is_empty() || !dotted(module) || !(object.is_empty() || dotted(object)) {
        return Err(Refusal::new(format!(
            "the entry point {} is {}, which is no module:object",
            shown(name),
            shown(value)
        )));
    }
    Ok(EntryPoint {
        name: name.to_owned(),
        module: module.to_owned(),
        object: object.to_owned(),
    })
}

/// A Python identifier, near enough: what it holds goes into a line of code.
fn is_identifier(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
}

/// A name that becomes one file in `bin`, and replaces none of the environment's.
fn script_name(name: &str) -> Result<(), Refusal> {
    let refused = |why: &str| {
        let shown = shown(name);
        Err(Refusal::new(format!("the script {shown} {why}")))
    };
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
    {
        return refused("is no name of a file");
    }
    if name.starts_with(['.', '-']) || name.len() > 200 {
        return refused("is no name of a command");
    }
    let lower = name.to_lowercase();
    let own = |reserved: &str| {
        let rest = lower.strip_prefix(reserved);
        rest.is_some_and(|rest| {
            rest.chars().all(|c| c.is_ascii_digit() || c == '.') || rest.starts_with('.')
        })
    };
    if RESERVED.into_iter().any(own) {
        return refused("would replace the environment's own");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scripts_are_found_among_other_sections() {
        let text = "# what it brings\n[console_scripts]\ndjango-admin = django.core.management:execute_from_command_line\n\
            pip3.11 = pip._internal.cli.main:main [extra]\n\n[gui_scripts]\nshow=show:main.run\n\
            [other]\nodd line\n";
        let points = EntryPoints::parse(text).expect("entry points");
        let scripts = points.scripts().expect("scripts");
        let found: Vec<_> = scripts
            .iter()
            .map(|e| (&e.name[..], &e.module[..], &e.object[..]))
            .collect();
        assert_eq!(
            found,
            [
                (
                    "django-admin",
                    "django.core.management",
                    "execute_from_command_line"
                ),
                ("pip3.11", "pip._internal.cli.main", "main"),
                ("show", "show", "main.run"),
            ]
        );
    }

    #[test]
    fn a_script_cannot_be_a_path_or_the_interpreter() {
        for name in [
            "../python",
            "a/b",
            "a\\b",
            ".",
            "..",
            ".hidden",
            "-c",
            "python",
            "Python3",
            "python3.11",
            "pypy3",
            "activate",
            "activate.csh",
            "a:b",
        ] {
            let text = format!("[console_scripts]\n{name} = m:f\n");
            let points = EntryPoints::parse(&text).expect("entry points");
            points.scripts().expect_err(name);
        }
        for name in [
            "pythonic",
            "python-config",
            "activate-global",
            "a b",
            "ipython",
            "ü",
        ] {
            let text = format!("[console_scripts]\n{name} = m:f\n");
            let points = EntryPoints::parse(&text).expect("entry points");
            points.scripts().unwrap_or_else(|why| panic!("{why}"));
        }
    }

    #[test]
    fn more_scripts_than_anybody_could_mean_are_refused() {
        let points = |count: usize| {
            let lines = (0..count).map(|number| format!("tool-{number} = m:f\n"));
            let text = format!("[console_scripts]\n{}", lines.collect::<String>());
            EntryPoints::parse(&text).expect("entry points")
        };
        assert_eq!(points(10_000).scripts().expect("scripts").len(), 10_000);
        let why = points(10_001).scripts().expect_err("too many").to_string();
        assert!(why.contains("10001 scripts"), "{why}");
    }

    #[test]
    fn a_value_that_would_be_other_code_is_refused() {
        for value in [
            "m:f()",
            "m;import os",
            "",
            "m:",
            "1m:f",
            "m:f-g",
            "m f",
            "m:f\\",
        ] {
            let text = format!("[console_scripts]\nx = {value}\n");
            let parsed = EntryPoints::parse(&text);
            if value == "m:" {
                // The module itself: refused where it is to be called.
                assert_eq!(parsed.expect("read").entries[0].1.object, "");
            } else {
                parsed.expect_err(value);
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_code_gets_in(text in "(\\[console_scripts\\]\n)?\\PC{0,60}") {
            if let Ok(points) = EntryPoints::parse(&text) {
                for (_, entry) in &points.entries {
                    let code = |c: char| !(c.is_alphanumeric() || c == '_' || c == '.');
                    prop_assert!(!entry.module.contains(code) && !entry.object.contains(code));
                }
            }
        }
    }
}
