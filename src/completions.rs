//! What a shell and `man` can know of the command line, made from the command
//! line itself, so that neither can lag behind it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Command;
pub use clap_complete::Shell;

/// The script that teaches `shell` to complete `command`.
///
/// Verbs that are hidden from help are left out.
#[must_use]
pub fn script(shell: Shell, command: &Command) -> Vec<u8> {
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut without_hidden(command), name, &mut script);
    script
}

/// The same command without its hidden verbs, which are for the program's own
/// use. The generator would offer them, and a command can only be told to add
/// verbs, so this one is made anew from what a completion shows.
fn without_hidden(command: &Command) -> Command {
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let bare = Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .version(command.get_version().unwrap_or_default().to_owned())
        .disable_version_flag(command.get_version().is_none())
        .visible_aliases(command.get_visible_aliases().map(str::to_owned))
        .args(command.get_arguments().cloned())
        .groups(command.get_groups().cloned());
    bare.subcommands(verbs.map(without_hidden))
}

/// Writes a page of section 1 for `command` and each verb below it that is not
/// hidden, into `dir`, which is made if need be. Returns the files in order.
///
/// # Errors
/// If `dir` cannot be made or a page cannot be written.
pub fn man_pages(command: Command, dir: &Path) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut written = Vec::new();
    write_pages(&command, dir, &mut written)?;
    written.sort();
    Ok(written)
}

fn write_pages(command: &Command, dir: &Path, written: &mut Vec<PathBuf>) -> Result<()> {
    let page = clap_mangen::Man::new(command.clone()).manual("Isolab");
    let path = dir.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| fs::write(&path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    written.push(path);
    let mut verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    verbs.try_for_each(|verb| write_pages(verb, dir, written))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command::new("isolab")
            .version("1.2.3")
            .about("Measure things")
            .subcommand(Command::new("__probe").hide(true))
            .subcommand(
                Command::new("venv").about("Environments").subcommand(
                    Command::new("create")
                        .arg(clap::arg!(--env <DIR> "Where"))
                        .group(clap::ArgGroup::new("place").arg("env"))
                        .arg(clap::arg!(--here "Here").conflicts_with("place")),
                ),
            )
    }

    #[test]
    fn every_shell_learns_the_verbs_and_options_and_none_that_is_hidden() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            let script = String::from_utf8(script(shell, &command())).unwrap();
            assert!(
                script.contains("create") && script.contains("env"),
                "{shell}"
            );
            assert!(!script.contains("__probe"), "{shell}");
        }
    }

    #[test]
    fn every_verb_has_a_page_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let pages = man_pages(command(), &dir.path().join("man1")).unwrap();
        let names: Vec<_> = pages
            .iter()
            .filter_map(|page| page.file_name()?.to_str())
            .collect();
        assert_eq!(names, ["isolab-venv-create.1", "isolab-venv.1", "isolab.1"]);
        let text = fs::read_to_string(&pages[2]).unwrap();
        assert!(text.contains("Measure things") && text.contains("isolab 1.2.3"));
        assert!(fs::read_to_string(&pages[0]).unwrap().contains("DIR"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_named() {
        let error = man_pages(command(), Path::new("/dev/null/man1")).unwrap_err();
        assert!(format!("{error:#}").contains("/dev/null/man1"));
    }
}
