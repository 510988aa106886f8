//! Paths in an archive, before anything is written by them.

use std::path::{Component, Path, PathBuf};

use crate::refusal::{Refusal, shown};

/// The longest path that is taken, in bytes; Linux has `PATH_MAX` for 4096.
const LONGEST: usize = 1024;

/// The relative path of an archive's member called `name`: below wherever it is put, and the
/// same for whoever reads it.
///
/// # Errors
/// Where it is absolute, leads upwards, holds a backslash (which another system takes for a
/// separator), a drive or a control character, or is empty or endless.
pub fn member_path(name: &str) -> Result<PathBuf, Refusal> {
    let refused = |why: &str| {
        let shown = shown(name);
        Err(Refusal::new(format!("the path {shown} {why}")))
    };
    if name.len() > LONGEST {
        return refused("is too long");
    }
    if name.chars().any(char::is_control) {
        return refused("holds a control character");
    }
    if name.contains('\\') {
        return refused("holds a backslash");
    }
    if name.starts_with('/') || name.as_bytes().get(1) == Some(&b':') {
        return refused("is absolute");
    }
    if name.split('/').any(|part| part.len() > 255) {
        return refused("has a part that is too long");
    }
    let mut path = PathBuf::new();
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            _ => return refused("leads out of the directory that it is for"),
        }
    }
    if path.as_os_str().is_empty() {
        return refused("names nothing");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for name in [
            "",
            ".",
            "..",
            "/etc/passwd",
            "a/../../b",
            "../a",
            "a\\b",
            "C:/a",
            "a\0b",
            "a\nb",
            "x/..",
            "./",
        ] {
            assert!(member_path(name).is_err(), "{name:?}");
        }
        assert!(member_path(&"a/".repeat(600)).is_err());
        assert!(member_path(&"a".repeat(256)).is_err());
        assert_eq!(member_path("./a//b/").expect("a path"), Path::new("a/b"));
        assert_eq!(
            member_path("..a/b..").expect("a path"),
            Path::new("..a/b..")
        );
    }

    proptest! {
        #[test]
        fn what_is_taken_stays_below(name in "([a.]{0,3}/?){0,6}|\\PC{0,30}") {
            if let Ok(path) = member_path(&name) {
                let normal = |component| matches!(component, Component::Normal(_));
                prop_assert!(path.components().all(normal));
                prop_assert!(path.is_relative());
            }
        }
    }
}
