//! What an installer writes into the `.dist-info`: who it was, why, from where, and RECORD.
//!
//! Source: *Recording installed projects* of the Python Packaging User Guide (PEP 376, 610, 627).

use crate::wheel::Digest;

/// Who installed it.
pub(crate) const INSTALLER: &[u8] = b"isolab\n";

/// The lines of a RECORD that is being written.
#[derive(Debug, Default)]
pub(crate) struct RecordText(String);

impl RecordText {
    /// A file of this digest, as RECORD has it, and size.
    pub(crate) fn push(&mut self, path: &str, digest: &str, size: u64) {
        use std::fmt::Write as _;
        self.path(path);
        let _ = writeln!(self.0, ",{digest},{size}");
    }

    /// A file that nobody vouches for: bytecode, RECORD itself, a link.
    pub(crate) fn push_bare(&mut self, path: &str) {
        self.path(path);
        self.0.push_str(",,\n");
    }

    /// A field in quotes where it has to be.
    fn path(&mut self, path: &str) {
        if path.contains([',', '"', '\n', '\r']) {
            self.0.push('"');
            self.0.push_str(&path.replace('"', "\"\""));
            self.0.push('"');
        } else {
            self.0.push_str(path);
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

/// The digest of something that is written here.
pub(crate) fn digest(content: &[u8]) -> String {
    Digest::of(content).to_string()
}

/// A path from the environment's top as a RECORD in `site` has it.
pub(crate) fn recorded(site: &str, path: &str) -> String {
    if let Some(below) = path
        .strip_prefix(site)
        .and_then(|rest| rest.strip_prefix('/'))
    {
        return below.to_owned();
    }
    let up = "../".repeat(site.split('/').count());
    format!("{up}{path}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wheel::Record;

    #[test]
    fn what_is_not_below_site_packages_is_reached_upwards() {
        let site = "lib/python3.11/site-packages";
        assert_eq!(
            recorded(site, "lib/python3.11/site-packages/a/b.py"),
            "a/b.py"
        );
        assert_eq!(recorded(site, "bin/tool"), "../../../bin/tool");
        let beside = "lib/python3.11/site-packages-2/x";
        assert_eq!(recorded(site, beside), format!("../../../{beside}"));
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written(
            paths in prop::collection::vec("[a-z,\"\n ]{1,12}|\\PC{1,12}", 0..6),
        ) {
            let mut text = RecordText::default();
            for path in &paths {
                text.push(path, &digest(path.as_bytes()), 7);
                text.push_bare(path);
            }
            let record = Record::parse(&text.into_bytes()).expect("a RECORD");
            let read: Vec<_> = record.entries.iter().step_by(2).map(|entry| &entry.path).collect();
            prop_assert_eq!(read, paths.iter().collect::<Vec<_>>());
        }
    }
}
