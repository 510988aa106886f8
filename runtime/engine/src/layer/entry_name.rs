//! Names of entries: where in the root they lie, before any symlink is seen.
//!
//! As docker and containerd clean them: an absolute name lies beneath the root
//! (archives of `tar -P` have such), `.` and doubled slashes are nothing, `..` takes
//! back the part before it. A `..` that would leave the root is no mistake of
//! anybody who makes layers, and is refused; containerd keeps such a file at the
//! root's top, where nobody meant it to be.

/// `name` as parts with single slashes between, none in front; empty for the root.
pub(super) fn clean(name: &[u8], longest: usize) -> Result<Vec<u8>, &'static str> {
    if name.len() > longest {
        return Err("its name is too long");
    }
    if name.contains(&0) {
        return Err("its name has a NUL");
    }
    let mut path = Vec::with_capacity(name.len());
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if path.is_empty() => return Err("its name leads out of the root"),
            b".." => {
                let kept = split(&path).0.len();
                path.truncate(kept);
            }
            part => {
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(part);
            }
        }
    }
    Ok(path)
}

/// The parent and the last part of a clean path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// `name` in `parent`, a clean path.
pub(super) fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    match parent {
        [] => name.to_owned(),
        _ => [parent, b"/", name].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_as_paths_beneath_the_root() {
        for (name, clean_name) in [
            ("", ""),
            ("./", ""),
            ("/", ""),
            ("a", "a"),
            ("/a", "a"),
            ("//a//b/", "a/b"),
            ("./a/./b", "a/b"),
            ("a/../b", "b"),
            ("a/b/../../c", "c"),
            ("a/..", ""),
            ("a\n/b", "a\n/b"),
            ("...", "..."),
            ("..a", "..a"),
        ] {
            assert_eq!(
                clean(name.as_bytes(), 100),
                Ok(clean_name.as_bytes().to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_name_that_leads_out_is_refused() {
        for name in ["..", "/..", "a/../..", "./../a", "a/b/../../../c/d"] {
            assert!(clean(name.as_bytes(), 100).is_err(), "{name}");
        }
        assert!(clean(b"a\0b", 100).is_err());
        assert!(clean(b"abc", 2).is_err());
    }
}
