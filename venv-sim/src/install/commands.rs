//! Under which names a wheel's entry points become commands.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::requirement::Name;
use crate::wheel::EntryPoint;

/// The commands of `project` for a Python of this version, each with what it calls.
///
/// The wheels of pip and of old setuptools name the Python that built them: pip 18.1 brings
/// `pip3.7`, and newer ones no such name. Installers give them those of the interpreter.
///
/// Source: pip's `get_console_script_specs`.
pub(crate) fn commands<'a>(
    project: &Name,
    scripts: &'a [EntryPoint],
    (major, minor): (u8, u8),
) -> Vec<(Cow<'a, str>, &'a EntryPoint)> {
    let plain = match project.as_str() {
        "pip" => "pip",
        "setuptools" => "easy_install",
        _ => "",
    };
    let of_version = |name: &str| {
        let rest = name.strip_prefix(plain);
        let digit = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
        rest.is_some_and(|rest| !plain.is_empty() && !rest.is_empty() && rest.chars().all(digit))
    };
    // The last of two of one name, as in a file of settings.
    let mut seen = HashSet::new();
    let last = scripts
        .iter()
        .rev()
        .filter(|script| !of_version(&script.name) && seen.insert(&script.name));
    let mut commands: Vec<(Cow<'a, str>, &EntryPoint)> = last
        .map(|script| (Cow::Borrowed(&script.name[..]), script))
        .collect();
    commands.reverse();
    let called = commands.iter().find(|(name, _)| name == plain);
    let more = match called {
        Some((_, script)) if plain == "pip" => vec![
            (format!("pip{major}").into(), *script),
            (format!("pip{major}.{minor}").into(), *script),
        ],
        Some((_, script)) => vec![(format!("{plain}-{major}.{minor}").into(), *script)],
        None => Vec::new(),
    };
    commands.extend(more);
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(project: &str, names: &[&str], expected: &[&str]) {
        let script = |name: &&str| EntryPoint {
            name: (*name).to_owned(),
            module: "m".to_owned(),
            object: "main".to_owned(),
        };
        let scripts: Vec<_> = names.iter().map(script).collect();
        let project = project.parse().expect("a name");
        let commands = commands(&project, &scripts, (3, 13));
        let seen: Vec<_> = commands.iter().map(|(name, _)| &**name).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn the_commands_of_pip_are_those_of_the_interpreter() {
        check(
            "pip",
            &["pip", "pip3", "pip3.7"],
            &["pip", "pip3", "pip3.13"],
        );
        check("pip", &["pip", "pip3"], &["pip", "pip3", "pip3.13"]);
        check(
            "setuptools",
            &["easy_install", "easy_install-3.6"],
            &["easy_install", "easy_install-3.13"],
        );
        check("setuptools", &[], &[]);
    }

    #[test]
    fn of_two_of_one_name_the_last_counts_however_many_there_are() {
        check("tool", &["a", "b", "a", "c"], &["b", "a", "c"]);
        let begun = std::time::Instant::now();
        let names: Vec<String> = (0..200_000)
            .map(|number| format!("tool-{number}"))
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        check("tool", &names, &names);
        assert!(begun.elapsed().as_secs() < 20);
    }

    #[test]
    fn the_commands_of_others_are_as_they_say() {
        check(
            "tool",
            &["pip3.7", "tool", "tool-3"],
            &["pip3.7", "tool", "tool-3"],
        );
        check(
            "pip-tools",
            &["pip-compile", "pip-sync"],
            &["pip-compile", "pip-sync"],
        );
    }
}
