//! Whether an interpreter's own packages belong to someone else's installer.
//!
//! Source: PEP 668: the file `EXTERNALLY-MANAGED` in the directory of the standard library.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A file that says more than this says nothing to read.
const LONGEST: u64 = 64 * 1024;

/// What the distributor says, empty where nothing is said; `None` where the file is not there.
pub(crate) fn reason(stdlib: &Path) -> Option<String> {
    let mut content = Vec::new();
    match File::open(stdlib.join("EXTERNALLY-MANAGED")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        // It is there: that it cannot be read makes nothing less managed.
        Err(_) => return Some(String::new()),
        Ok(file) => {
            let _ = file.take(LONGEST).read_to_end(&mut content);
        }
    }
    Some(error_text(&String::from_utf8_lossy(&content)))
}

/// The value of `Error` in the section `externally-managed`.
///
/// As `configparser` reads it: keys in any case, a value goes on over indented lines, and
/// an empty line in it is kept.
fn error_text(file: &str) -> String {
    let mut text: Option<String> = None;
    let mut is_section = false;
    for line in file.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(['#', ';']) {
            continue;
        }
        let goes_on = trimmed.is_empty() || line.starts_with([' ', '\t']);
        match &mut text {
            Some(text) if goes_on => {
                text.push('\n');
                text.push_str(trimmed);
                continue;
            }
            Some(_) => break,
            None => {}
        }
        if trimmed.starts_with('[') {
            is_section = trimmed == "[externally-managed]";
        } else if is_section
            && let Some((key, value)) = trimmed.split_once(['=', ':'])
            && key.trim().eq_ignore_ascii_case("error")
        {
            text = Some(value.trim().to_owned());
        }
    }
    let text = text.unwrap_or_default();
    // It is shown on a terminal.
    let shown = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    text.trim().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_reason_is_read_over_its_lines() {
        let file = "# Debian\n[other]\nError=no\n[externally-managed]\nError-de=Nein\nerror = Use apt.\n\n \
                    Or an environment:\n  see X\nNext=1\nError=later\n";
        assert_eq!(error_text(file), "Use apt.\n\nOr an environment:\nsee X");
        assert_eq!(error_text("[externally-managed]\n"), "");
        assert_eq!(error_text(""), "");
    }

    #[test]
    fn a_file_that_says_nothing_still_says_no() {
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(reason(home.path()), None);
        std::fs::write(home.path().join("EXTERNALLY-MANAGED"), b"\xff").expect("written");
        assert_eq!(reason(home.path()), Some(String::new()));
    }

    proptest! {
        #[test]
        fn nothing_in_it_reaches_the_terminal_as_a_command(
            text in "(\\[externally-managed\\]\nError=)?[\u{1b}\\[a-z= \n\t\u{7}]{0,40}",
        ) {
            prop_assert!(!error_text(&text).chars().any(|c| c.is_control() && c != '\n'));
        }
    }
}
