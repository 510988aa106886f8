//! Mount options: from the words of `mount(8)` to the kernel's flags.

use super::context::Context;
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
    /// `Some(recursive)` for an id-mapped mount.
    pub(super) id_map: Option<bool>,
    /// A mount that exists is to be changed.
    pub(super) remount: bool,
    /// A tmpfs begins with what its directory holds.
    pub(super) copy_up: bool,
    /// What the file system itself understands, in order.
    pub(super) data: Vec<String>,
}

/// Words that set or clear one attribute: word, whether it sets, flag of
/// `mount(2)`, attribute. With an `r` before it, each is recursive.
const ATTRIBUTES: [(&str, bool, u64, u64); 12] = [
    ("ro", true, libc::MS_RDONLY, attr::RDONLY),
    ("rw", false, libc::MS_RDONLY, attr::RDONLY),
    ("nosuid", true, libc::MS_NOSUID, attr::NOSUID),
    ("suid", false, libc::MS_NOSUID, attr::NOSUID),
    ("nodev", true, libc::MS_NODEV, attr::NODEV),
    ("dev", false, libc::MS_NODEV, attr::NODEV),
    ("noexec", true, libc::MS_NOEXEC, attr::NOEXEC),
    ("exec", false, libc::MS_NOEXEC, attr::NOEXEC),
    ("nodiratime", true, libc::MS_NODIRATIME, attr::NODIRATIME),
    ("diratime", false, libc::MS_NODIRATIME, attr::NODIRATIME),
    ("nosymfollow", true, MS_NOSYMFOLLOW, attr::NOSYMFOLLOW),
    ("symfollow", false, MS_NOSYMFOLLOW, attr::NOSYMFOLLOW),
];

/// `MS_NOSYMFOLLOW`, which libc lacks for some targets.
const MS_NOSYMFOLLOW: u64 = 256;

/// Words about access times, of which one holds: word, flag, attribute. What
/// takes one of them back leaves the kernel's choice, `relatime`.
const ACCESS_TIMES: [(&str, u64, u64); 6] = [
    ("relatime", libc::MS_RELATIME, attr::RELATIME),
    ("noatime", libc::MS_NOATIME, attr::NOATIME),
    ("strictatime", libc::MS_STRICTATIME, attr::STRICTATIME),
    ("atime", 0, attr::RELATIME),
    ("nostrictatime", 0, attr::RELATIME),
    ("norelatime", 0, attr::RELATIME),
];

/// Words that only `mount(2)` knows: word, whether it sets, flag.
const FLAGS: [(&str, bool, u64); 12] = [
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
];

/// The words for mount propagation (`mount_namespaces(7)`).
const PROPAGATION: [(&str, u64); 4] = [
    ("private", libc::MS_PRIVATE),
    ("slave", libc::MS_SLAVE),
    ("shared", libc::MS_SHARED),
    ("unbindable", libc::MS_UNBINDABLE),
];

/// The flags for a word for mount propagation.
pub(super) fn propagation(word: &str) -> Option<u64> {
    let find = |word| PROPAGATION.iter().find(|p| p.0 == word).map(|p| p.1);
    find(word).or_else(|| Some(find(word.strip_prefix('r')?)? | libc::MS_REC))
}

/// Every word that is not left to the file system, sorted: what `features` tells.
#[must_use]
pub fn known_words() -> Vec<String> {
    let plain = ATTRIBUTES.iter().map(|a| a.0);
    let plain = plain.chain(ACCESS_TIMES.iter().map(|a| a.0));
    let plain = plain.chain(PROPAGATION.iter().map(|p| p.0));
    let mut all: Vec<String> = plain
        .flat_map(|word| [word.to_owned(), format!("r{word}")])
        .collect();
    all.extend(FLAGS.iter().map(|f| f.0.to_owned()));
    let special = ["bind", "rbind", "remount", "idmap", "ridmap", "tmpcopyup"];
    all.extend(special.map(str::to_owned));
    all.sort_unstable();
    all
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
        match word {
            "bind" | "rbind" => self.bind = Some(word == "rbind"),
            "idmap" | "ridmap" => self.id_map = Some(word == "ridmap"),
            "remount" => self.remount = true,
            "tmpcopyup" => self.copy_up = true,
            "" => {}
            _ => {
                let known = self.add_attribute(word)
                    || self.add_flag(word)
                    || self.add_propagation(word)
                    || word
                        .strip_prefix('r')
                        .is_some_and(|rest| self.add_recursive(rest));
                if !known {
                    self.data.push(word.to_owned());
                }
            }
        }
    }

    fn add_attribute(&mut self, word: &str) -> bool {
        if let Some(&(_, on, flag, attribute)) = ATTRIBUTES.iter().find(|a| a.0 == word) {
            self.set(on, flag);
            change(&mut self.attr, on, attribute);
        } else if let Some(&(_, flag, attribute)) = ACCESS_TIMES.iter().find(|a| a.0 == word) {
            self.set(
                false,
                libc::MS_RELATIME | libc::MS_NOATIME | libc::MS_STRICTATIME,
            );
            self.set(true, flag);
            set_access_time(&mut self.attr, attribute);
        } else {
            return false;
        }
        true
    }

    fn add_flag(&mut self, word: &str) -> bool {
        let found = FLAGS.iter().find(|f| f.0 == word);
        if let Some(&(_, on, flag)) = found {
            self.set(on, flag);
        }
        found.is_some()
    }

    fn add_propagation(&mut self, word: &str) -> bool {
        let kind = propagation(word);
        self.propagation.extend(kind);
        kind.is_some()
    }

    /// `word` without its `r`.
    fn add_recursive(&mut self, word: &str) -> bool {
        if let Some(&(_, on, _, attribute)) = ATTRIBUTES.iter().find(|a| a.0 == word) {
            change(&mut self.recursive, on, attribute);
        } else if let Some(&(_, _, attribute)) = ACCESS_TIMES.iter().find(|a| a.0 == word) {
            set_access_time(&mut self.recursive, attribute);
        } else {
            return false;
        }
        true
    }

    fn set(&mut self, on: bool, flag: u64) {
        self.flags = if on {
            self.flags | flag
        } else {
            self.flags & !flag
        };
    }

    /// Warns of what only a file system could take, where none is mounted.
    pub(super) fn warn_of_data(&self, index: usize, context: &Context<'_>) {
        for word in &self.data {
            context.warn(format!(
                "mounts[{index}].options: `{word}` means nothing to a bind mount"
            ));
        }
    }

    /// The changes to a mount, in the order in which `mount_setattr(2)` has to
    /// make them: what concerns the tree before what concerns its root alone.
    /// Each with whether it is recursive.
    pub(super) fn changes(&self, attributes: bool) -> Vec<(MountAttr, bool)> {
        let mut all: Vec<(MountAttr, bool)> = Vec::new();
        if !self.recursive.is_empty() {
            all.push((self.recursive, true));
        }
        if attributes && !self.attr.is_empty() {
            all.push((self.attr, false));
        }
        for &kind in &self.propagation {
            let (kind, recursive) = (kind & !libc::MS_REC, kind & libc::MS_REC != 0);
            match all.last_mut() {
                Some((last, same)) if *same == recursive && last.propagation == 0 => {
                    last.propagation = kind;
                }
                _ => {
                    let propagation = kind;
                    all.push((
                        MountAttr {
                            propagation,
                            ..MountAttr::default()
                        },
                        recursive,
                    ));
                }
            }
        }
        all
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

    fn parse(words: &[&str]) -> Options {
        let words: Vec<String> = words.iter().map(|&w| w.to_owned()).collect();
        Options::parse(&words)
    }

    fn check(words: &[&str], flags: u64, set: u64, data: &[&str]) {
        let options = parse(words);
        assert_eq!((options.flags, options.attr.set), (flags, set), "{words:?}");
        assert_eq!(options.data, data, "{words:?}");
    }

    #[test]
    fn what_the_kernel_does_not_know_is_left_to_the_file_system() {
        let data = ["mode=755", "size=64k", "rsize=8192", "errors=remount-ro"];
        let words = [
            "nosuid",
            "mode=755",
            "size=64k",
            "rsize=8192",
            "errors=remount-ro",
        ];
        check(&words, libc::MS_NOSUID, attr::NOSUID, &data);
    }

    #[test]
    fn a_later_word_overrides_an_earlier_one() {
        check(&["ro", "rw"], 0, 0, &[]);
        check(
            &["strictatime", "noatime"],
            libc::MS_NOATIME,
            attr::NOATIME,
            &[],
        );
        check(&["noatime", "atime"], 0, attr::RELATIME, &[]);
        check(&["sync", "async", "lazytime"], libc::MS_LAZYTIME, 0, &[]);
    }

    #[test]
    fn a_recursive_word_concerns_the_tree_and_not_the_mount_alone() {
        let options = parse(&["rbind", "rro", "rnosuid", "rexec", "rnoatime"]);
        assert_eq!(options.bind, Some(true));
        let all = attr::RDONLY | attr::NOSUID | attr::NOATIME;
        assert_eq!((options.attr.set, options.recursive.set), (0, all));
        assert_eq!(options.recursive.clear, attr::NOEXEC | attr::ATIME);
        assert_eq!(options.data, [""; 0]);
    }

    #[test]
    fn propagation_is_not_mistaken_for_data() {
        let options = parse(&["rslave", "shared"]);
        assert_eq!(
            options.propagation,
            [libc::MS_SLAVE | libc::MS_REC, libc::MS_SHARED]
        );
        assert_eq!(options.data, [""; 0]);
    }

    #[test]
    fn one_call_makes_all_changes_that_concern_the_same_mounts() {
        let changes = parse(&["ro", "nosuid", "private"]).changes(true);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes[0].0.propagation, libc::MS_PRIVATE);
        let changes = parse(&["rro", "nodev", "rslave", "shared"]).changes(true);
        let depth: Vec<bool> = changes.iter().map(|c| c.1).collect();
        assert_eq!(depth, [true, false, true, false]);
    }

    /// The words of `config.md`, "Linux mount options".
    #[test]
    fn every_word_of_the_specification_is_known() {
        let words = "async atime bind defaults dev diratime dirsync exec iversion lazytime loud \
             noatime nodev nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid \
             nosymfollow private ratime rbind rdev rdiratime relatime remount rexec rnoatime \
             rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow ro \
             rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow runbindable \
             rw shared silent slave strictatime suid symfollow sync tmpcopyup unbindable idmap ridmap \
             mand nomand";
        let known = known_words();
        for word in words.split_whitespace() {
            assert_eq!(parse(&[word]).data, [""; 0], "{word}");
            assert!(known.iter().any(|k| k == word), "{word} is not told");
        }
        for word in &known {
            assert_eq!(parse(&[word]).data, [""; 0], "{word}");
        }
    }
}
