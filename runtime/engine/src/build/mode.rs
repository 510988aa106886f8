//! `--chmod`: a mode in octal digits, or changes of the one that a file has.
//!
//! Source: POSIX, `chmod`, "Extended Description"; BuildKit takes a umask of 022
//! where nobody is named.

use super::fault::Fault;

/// What becomes of modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Chmod {
    /// All have this one.
    Set(u32),
    /// These changes, one after the other.
    Change(Vec<Change>),
}

/// `u+x`, `go-w`, `a=rX`, `g=u`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    who: Who,
    action: Action,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Who {
    user: bool,
    group: bool,
    others: bool,
    /// Nobody was named: all, without the bits of the umask.
    masked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Add,
    Remove,
    Set,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct What {
    /// Of `rwx`, as for others.
    bits: u32,
    /// `X`: execution of directories, and of what somebody may execute.
    conditional: bool,
    /// `s`.
    lends: bool,
    /// `t`.
    sticky: bool,
    /// The bits that this one has already: by how many places they are shifted.
    copied: Option<u32>,
}

const UMASK: u32 = 0o022;
/// Where the bits of user, group and others begin.
const SHIFTS: [u32; 3] = [6, 3, 0];

impl Chmod {
    /// Reads it.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(format!(
                "--chmod={text} is no mode: write it as 0755, or as u+x,go-w"
            ))
        };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok();
            let mode = mode.filter(|mode| *mode <= 0o7777);
            return mode.map(Self::Set).ok_or_else(wrong);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            let named = clause.find(['+', '-', '=']).ok_or_else(wrong)?;
            let (who, mut actions) = clause.split_at(named);
            let who = Who::parse(who).ok_or_else(wrong)?;
            while let Some(first) = actions.chars().next() {
                let action = match first {
                    '+' => Action::Add,
                    '-' => Action::Remove,
                    _ => Action::Set,
                };
                let rest = &actions[1..];
                let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
                let what = What::parse(&rest[..end]).ok_or_else(wrong)?;
                changes.push(Change { who, action, what });
                actions = &rest[end..];
            }
        }
        Ok(Self::Change(changes))
    }

    /// The mode of what had `mode`.
    pub(super) fn of(&self, mode: u32, is_directory: bool) -> u32 {
        match self {
            Self::Set(mode) => *mode,
            Self::Change(changes) => changes
                .iter()
                .fold(mode, |mode, change| change.of(mode, is_directory)),
        }
    }
}

impl Who {
    fn parse(text: &str) -> Option<Self> {
        let mut who = Self {
            user: text.is_empty(),
            group: text.is_empty(),
            others: text.is_empty(),
            masked: text.is_empty(),
        };
        for letter in text.chars() {
            match letter {
                'u' => who.user = true,
                'g' => who.group = true,
                'o' => who.others = true,
                'a' => (who.user, who.group, who.others) = (true, true, true),
                _ => return None,
            }
        }
        Some(who)
    }

    fn shifts(self) -> impl Iterator<Item = u32> {
        let named = [self.user, self.group, self.others];
        SHIFTS
            .into_iter()
            .zip(named)
            .filter_map(|(shift, is)| is.then_some(shift))
    }
}

impl What {
    fn parse(text: &str) -> Option<Self> {
        let copied = match text {
            "u" => Some(6),
            "g" => Some(3),
            "o" => Some(0),
            _ => None,
        };
        let mut what = Self {
            copied,
            ..Self::default()
        };
        for letter in text.chars().filter(|_| copied.is_none()) {
            match letter {
                'r' => what.bits |= 4,
                'w' => what.bits |= 2,
                'x' => what.bits |= 1,
                'X' => what.conditional = true,
                's' => what.lends = true,
                't' => what.sticky = true,
                _ => return None,
            }
        }
        Some(what)
    }
}

impl Change {
    fn of(&self, mode: u32, is_directory: bool) -> u32 {
        let what = &self.what;
        let mut bits = what.bits;
        if let Some(shift) = what.copied {
            bits |= mode >> shift & 7;
        }
        if what.conditional && (is_directory || mode & 0o111 != 0) {
            bits |= 1;
        }
        let mut change = 0;
        let mut all = 0;
        for shift in self.who.shifts() {
            change |= bits << shift;
            all |= 7 << shift;
        }
        if self.who.masked {
            change &= !UMASK;
        }
        // The bits that lend an id stand above the others, in the same order.
        let lending = [(self.who.user, 0o4000), (self.who.group, 0o2000)];
        for (_, bit) in lending.into_iter().filter(|(named, _)| *named) {
            // A directory's are only taken away by name.
            all |= if is_directory { 0 } else { bit };
            change |= if what.lends { bit } else { 0 };
        }
        if what.sticky && (self.who.others || self.who.masked) {
            change |= 0o1000;
        }
        match self.action {
            Action::Add => mode | change,
            Action::Remove => mode & !change,
            Action::Set => mode & !all | change,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn modes_are_those_that_chmod_gives() {
        let place = tempfile::tempdir().unwrap();
        let (file, directory) = (place.path().join("file"), place.path().join("directory"));
        fs::write(&file, "").unwrap();
        fs::create_dir(&directory).unwrap();
        for text in [
            "u+x",
            "go-w",
            "a=rX",
            "+w",
            "u=rwx,g=u-w,o=",
            "g=o",
            "u+s,g+s",
            "ug=s",
            "+t",
            "o+t",
            "-x",
            "a-x+X",
            "u=g,g=o",
            "=rw",
            "+x",
        ] {
            for before in [0o644, 0o755, 0o600, 0o4711] {
                for path in [&file, &directory] {
                    fs::set_permissions(path, fs::Permissions::from_mode(before)).unwrap();
                    let mut chmod = Command::new("sh");
                    chmod.args(["-c", "umask 022; exec chmod \"$@\"", "chmod", "--", text]);
                    // It complains where the umask keeps something from happening.
                    let _ = chmod.arg(path).output().unwrap();
                    let after = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
                    let ours = Chmod::parse(text).unwrap().of(before, path == &directory);
                    let what = path.file_name();
                    assert_eq!(
                        format!("{ours:o}"),
                        format!("{after:o}"),
                        "{text} of {before:o} {what:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_no_mode_is_refused() {
        assert_eq!(Chmod::parse("0755").unwrap(), Chmod::Set(0o755));
        for wrong in ["", "9", "77777", "u", "u+y", "z+x", "u+x,", "755x"] {
            let refused = Chmod::parse(wrong).unwrap_err();
            assert!(refused.reason.contains("no mode"), "{wrong}");
        }
    }
}
