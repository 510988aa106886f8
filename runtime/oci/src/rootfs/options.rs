//! Mount options: from the words of `mount(8)` to the kernel's flags.

use crate::sys::mount::{MountAttr, attr};

/// The options of one mount, sorted by which call takes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Flags of `mount(2)`.
    pub(super) flags: u64,
    /// The same as attributes, for a bind mount.
    pub(super) attr: MountAttr,
    /// Attributes for the whole tree below (`rro` and its kin).
    pub(super) recursive: MountAttr,
    /// `MS_PRIVATE` and its kin, in order.
    pub(super) propagation: Vec<u64>,
    /// `Some(recursive)` for a bind mount.
    pub(super) bind: Option<bool>,
    /// What the file system itself understands, joined with commas.
    pub(super) data: String,
}

/// Words that set or clear one attribute: word, whether it sets, flag of
/// `mount(2)`, attribute.
const ATTRIBUTES: [(&str, bool, u64, u64); 10] = [
    ("ro", true, libc::MS_RDONLY, attr::RDONLY),
    ("rw", false, libc::MS_RDONLY, attr::RDONLY),
    ("nosuid", true, libc::MS_NOSUID, attr::NOSUID),
    ("suid", false, libc::MS_NOSUID, attr::NOSUID),
    ("nodev", true, libc::MS_NODEV, attr::NODEV),
    ("dev", false, libc::MS_NODEV, attr::NODEV),
    ("noexec", true, libc::MS_NOEXEC, attr::NOEXEC),
    ("exec", false, libc::MS_NOEXEC, attr::NOEXEC),
    ("nosymfollow", true, 256, attr::NOSYMFOLLOW),
    ("symfollow", false, 256, attr::NOSYMFOLLOW),
];

/// Words about access times, of which one holds: word, flag, attribute.
const ACCESS_TIMES: [(&str, u64, u64); 4] = [
    ("relatime", libc::MS_RELATIME, 0),
    ("noatime", libc::MS_NOATIME, attr::NOATIME),
    ("strictatime", libc::MS_STRICTATIME, attr::STRICTATIME),
    ("norelatime", 0, 0),
];

/// Words that only `mount(2)` knows: word, whether it sets, flag.
const FLAGS: [(&str, bool, u64); 13] = [
    ("defaults", true, 0),
    ("async", false, libc::MS_SYNCHRONOUS),
    ("sync", true, libc::MS_SYNCHRONOUS),
    ("dirsync", true, libc::MS_DIRSYNC),
    ("mand", true, libc::MS_MANDLOCK),
    ("nomand", false, libc::MS_MANDLOCK),
    ("silent", true, libc::MS_SILENT),
    ("loud", false, libc::MS_SILENT),
    ("iversion", true, libc::MS_I_VERSION),
    ("noiversion", false, libc::MS_I_VERSION),
    ("lazytime", true, libc::MS_LAZYTIME),
    ("nolazytime", false, libc::MS_LAZYTIME),
    ("atime", false, libc::MS_NOATIME),
];

/// The words for mount propagation (`mount_namespaces(7)`).
pub(super) fn propagation(word: &str) -> Option<u64> {
    let (word, recursive) = match word.strip_prefix('r') {
        Some(rest) => (rest, libc::MS_REC),
        None => (word, 0),
    };
    let kind = match word {
        "private" => libc::MS_PRIVATE,
        "slave" => libc::MS_SLAVE,
        "shared" => libc::MS_SHARED,
        "unbindable" => libc::MS_UNBINDABLE,
        _ => return None,
    };
    Some(kind | recursive)
}

impl Options {
    /// Sorts `words`; a later word overrides an earlier one.
    pub(super) fn parse(words: &[String]) -> Self {
        let mut all = Self::default();
        for word in words {
            all.add(word);
        }
        all
    }

    fn add(&mut self, word: &str) {
        let recursive = word.strip_prefix('r');
        if let Some(&(_, on, flag, attribute)) = ATTRIBUTES.iter().find(|a| a.0 == word) {
            self.flags = if on {
                self.flags | flag
            } else {
                self.flags & !flag
            };
            change(&mut self.attr, on, attribute);
        } else if let Some(&(_, flag, attribute)) = ACCESS_TIMES.iter().find(|a| a.0 == word) {
            let all = libc::MS_RELATIME | libc::MS_NOATIME | libc::MS_STRICTATIME;
            self.flags = self.flags & !all | flag;
            set_access_time(&mut self.attr, attribute);
        } else if let Some(&(_, on, flag)) = FLAGS.iter().find(|f| f.0 == word) {
            self.flags = if on {
                self.flags | flag
            } else {
                self.flags & !flag
            };
        } else if word == "nodiratime" || word == "diratime" {
            let on = word == "nodiratime";
            let flag = libc::MS_NODIRATIME;
            self.flags = if on {
                self.flags | flag
            } else {
                self.flags & !flag
            };
            change(&mut self.attr, on, attr::NODIRATIME);
        } else if word == "bind" || word == "rbind" {
            self.bind = Some(word == "rbind");
        } else if let Some(kind) = propagation(word) {
            self.propagation.push(kind);
        } else if let Some(&(_, on, _, attribute)) =
            ATTRIBUTES.iter().find(|a| Some(a.0) == recursive)
        {
            change(&mut self.recursive, on, attribute);
        } else if let Some(&(_, _, attribute)) =
            ACCESS_TIMES.iter().find(|a| Some(a.0) == recursive)
        {
            set_access_time(&mut self.recursive, attribute);
        } else {
            if !self.data.is_empty() {
                self.data.push(',');
            }
            self.data.push_str(word);
        }
    }
}

fn change(change: &mut MountAttr, on: bool, attribute: u64) {
    let (add, remove) = if on {
        (&mut change.set, &mut change.clear)
    } else {
        (&mut change.clear, &mut change.set)
    };
    *add |= attribute;
    *remove &= !attribute;
}

/// The kernel wants the whole field cleared before one of its values is set.
fn set_access_time(change: &mut MountAttr, attribute: u64) {
    change.clear |= attr::ATIME;
    change.set = change.set & !attr::ATIME | attribute;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], flags: u64, set: u64, data: &str) {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        let options = Options::parse(&words);
        assert_eq!(
            (options.flags, options.attr.set, options.data.as_str()),
            (flags, set, data)
        );
    }

    #[test]
    fn what_the_kernel_does_not_know_is_left_to_the_file_system() {
        check(
            &["nosuid", "mode=755", "size=64k"],
            libc::MS_NOSUID,
            attr::NOSUID,
            "mode=755,size=64k",
        );
    }

    #[test]
    fn a_later_word_overrides_an_earlier_one() {
        check(&["ro", "rw"], 0, 0, "");
        check(
            &["strictatime", "noatime"],
            libc::MS_NOATIME,
            attr::NOATIME,
            "",
        );
    }

    #[test]
    fn a_recursive_word_concerns_the_tree_and_not_the_mount_alone() {
        let options = Options::parse(&["rbind".to_owned(), "rro".to_owned()]);
        assert_eq!(options.bind, Some(true));
        assert_eq!((options.attr.set, options.recursive.set), (0, attr::RDONLY));
    }

    #[test]
    fn propagation_is_not_mistaken_for_data() {
        let options = Options::parse(&["rslave".to_owned(), "shared".to_owned()]);
        assert_eq!(
            options.propagation,
            [libc::MS_SLAVE | libc::MS_REC, libc::MS_SHARED]
        );
        assert_eq!(options.data, "");
    }
}
