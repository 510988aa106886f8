//! Reports are mailed and merged: they name the machine's kind, never its user,
//! and hold nothing that acts on whoever reads them.

use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

use crate::report::Report;
use crate::report::text::shown;

/// The longest text that a report takes in, in bytes. A guest's last words may
/// be longer.
const LONGEST: usize = 4_000;

/// Writes `~` where a report's words hold the path of the user's home, and makes
/// what programs and guests said safe to show.
pub fn redact(report: &mut Report) {
    let homes = homes();
    let observed = report.observations.iter_mut().flat_map(|observation| {
        observation
            .conditions
            .values_mut()
            .chain(&mut observation.warnings)
    });
    let missing = report.missing.iter_mut().flat_map(|part| {
        [Some(&mut part.why), part.remedy.as_mut()]
            .into_iter()
            .flatten()
    });
    for text in observed.chain(missing).chain(&mut report.warnings) {
        *text = told(text, &homes);
    }
}

/// Makes single texts safe in the same way, for what is no report.
#[derive(Clone, Debug)]
pub struct Redactor {
    homes: Vec<String>,
}

impl Redactor {
    /// One that knows this user's home.
    #[must_use]
    pub fn of_process() -> Self {
        Self { homes: homes() }
    }

    /// `text` without the path of the home, and safe to show.
    #[must_use]
    pub fn told(&self, text: &str) -> String {
        told(text, &self.homes)
    }

    /// The same for every text in `value`, but not for the names of its fields.
    pub fn tell_all(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.told(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.tell_all(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.tell_all(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn told(text: &str, homes: &[String]) -> String {
    let mut told = shown(text).into_owned();
    for home in homes {
        told = without(&told, home);
    }
    shortened(&told)
}

/// The home directory as it is called and as it is reached.
fn homes() -> Vec<String> {
    let Some(home) = env::var_os("HOME").map(PathBuf::from) else {
        return Vec::new();
    };
    let real = fs::canonicalize(&home).unwrap_or_else(|_| home.clone());
    let named = |path: PathBuf| path.to_string_lossy().trim_end_matches('/').to_owned();
    let mut homes = vec![named(real), named(home)];
    homes.dedup();
    // A home of `/`, as some services have, hides nobody, and is in every path.
    homes.retain(|home| home.starts_with('/'));
    homes
}

/// `text` with `~` for `home` where that is a whole path or begins one.
fn without(text: &str, home: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(home) {
        let (before, after) = (&rest[..at], &rest[at + home.len()..]);
        let in_a_name = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let begins = !before.ends_with(|c: char| in_a_name(c) || c == '/');
        let ends = !after.starts_with(in_a_name);
        told.push_str(before);
        told.push_str(if begins && ends { "~" } else { home });
        rest = after;
    }
    told + rest
}

/// The beginning of `text`, as much as a report takes in.
fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let end = (0..=LONGEST).rev().find(|&end| text.is_char_boundary(end));
    format!("{} […]", &text[..end.unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, shortened, without};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(without(text, "/root"), expected);
    }

    #[test]
    fn the_users_home_is_not_named() {
        check(
            "-initrd /root/cache/x -append y",
            "-initrd ~/cache/x -append y",
        );
        check("file=/root/a,b=/root", "file=~/a,b=~");
    }

    #[test]
    fn a_path_that_only_looks_like_the_home_stays() {
        check("0/rootfs/true", "0/rootfs/true");
        check("/rootfs", "/rootfs");
        check("/srv/root/x", "/srv/root/x");
    }

    #[test]
    fn last_words_are_cut_between_characters() {
        let long = "é".repeat(LONGEST);
        assert!(shortened(&long).len() < LONGEST + 10);
        assert_eq!(shortened("short"), "short");
    }
}
