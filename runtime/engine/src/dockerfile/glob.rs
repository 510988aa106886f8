//! One pattern of a `.dockerignore`, or of a `COPY --parents`.
//!
//! `*` is any number of characters and `?` is one, slashes excepted; `[a-z]` and
//! `[^a-z]` are one character of a set; `**` is any number of directories; a
//! backslash takes the meaning from the next character. Case counts.
//!
//! A pattern is followed in all its possible positions at once, one character of
//! the path after the other. That takes no longer for a path that nearly matches,
//! and it tells, for a directory, whether anything below could still match.

/// A part of a pattern; each stands for a position before it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    /// `?`
    AnyOne,
    /// `*`
    AnyNumber,
    /// `[a-z]`; inverted with `^`. A slash may be one of them.
    Set {
        inverted: bool,
        ranges: Vec<(char, char)>,
    },
    /// `**/`: nothing, or anything that ends with a slash.
    Directories,
    /// `**` at the end, and `**x` at the beginning: anything.
    Anything,
}

/// A pattern, ready to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    parts: Vec<Part>,
}

impl Glob {
    pub(crate) fn parse(pattern: &str) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    let slash = chars.next_if_eq(&'/').is_some();
                    let is_last = chars.peek().is_none();
                    // At the beginning, what follows may begin within a name, if it
                    // is no pattern itself: `**.o`. Nobody says why; it is so.
                    let plain = || {
                        !chars
                            .clone()
                            .any(|c| matches!(c, '*' | '?' | '[' | ']' | '\\'))
                    };
                    match is_last || parts.is_empty() && !slash && plain() {
                        true => Part::Anything,
                        false => Part::Directories,
                    }
                }
                '*' => Part::AnyNumber,
                '?' => Part::AnyOne,
                '\\' => Part::One(chars.next().ok_or("it ends with an escape")?),
                '[' => set(&mut chars)?,
                c => Part::One(c),
            });
        }
        // Twice is as good as once, and a long row of them would be slow.
        parts.dedup_by(|a, b| matches!((a, b), (Part::Directories, Part::Directories)));
        Ok(Self { parts })
    }

    /// Whether `path`, or a directory that it is in, matches.
    pub(crate) fn matches_or_contains(&self, path: &str) -> bool {
        let mut followed = Followed::begin(&self.parts);
        for c in path.chars() {
            if c == '/' && followed.is_at_end() {
                return true;
            }
            if !followed.take(c) {
                return false;
            }
        }
        followed.is_at_end()
    }

    /// Whether something in the directory `path` could match.
    pub(crate) fn may_match_below(&self, path: &str) -> bool {
        let mut followed = Followed::begin(&self.parts);
        path.chars().chain(['/']).all(|c| followed.take(c))
    }
}

/// What follows a `[`.
fn set(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Part, &'static str> {
    const OPEN: &str = "a `[` is not closed";
    let inverted = chars.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    let one = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| match chars.next() {
        Some('\\') => chars.next().ok_or(OPEN),
        Some('-' | ']') => Err("a set needs `\\` before a `-` or `]` that it holds"),
        Some(c) => Ok(c),
        None => Err(OPEN),
    };
    loop {
        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
            return Ok(Part::Set { inverted, ranges });
        }
        let low = one(chars)?;
        let high = match chars.next_if_eq(&'-') {
            Some(_) => one(chars)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

/// The positions that a path may have brought a pattern to.
struct Followed<'a> {
    parts: &'a [Part],
    here: Vec<usize>,
    next: Vec<usize>,
    is_next: Vec<bool>,
}

impl<'a> Followed<'a> {
    fn begin(parts: &'a [Part]) -> Self {
        let mut followed = Self {
            parts,
            here: Vec::new(),
            next: Vec::new(),
            is_next: vec![false; parts.len() + 1],
        };
        followed.enter(0);
        followed.step();
        followed
    }

    fn is_at_end(&self) -> bool {
        self.here.contains(&self.parts.len())
    }

    /// Goes on by a character; `false` where that leads nowhere.
    fn take(&mut self, c: char) -> bool {
        for index in 0..self.here.len() {
            let at = self.here[index];
            match self.parts.get(at) {
                None => {}
                Some(Part::One(one)) if *one == c => self.enter(at + 1),
                Some(Part::AnyOne) if c != '/' => self.enter(at + 1),
                Some(Part::AnyNumber) if c != '/' => self.enter(at),
                Some(Part::Set { inverted, ranges })
                    if ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
                        != *inverted =>
                {
                    self.enter(at + 1);
                }
                Some(Part::Anything) => self.enter(at),
                Some(Part::Directories) => {
                    // Within a name: only a slash leads out.
                    self.stay(at);
                    if c == '/' {
                        self.enter(at + 1);
                    }
                }
                Some(_) => {}
            }
        }
        self.step();
        !self.here.is_empty()
    }

    fn stay(&mut self, at: usize) {
        if !self.is_next[at] {
            self.is_next[at] = true;
            self.next.push(at);
        }
    }

    /// Stands before the part `at`, and before those after it if it may be nothing.
    fn enter(&mut self, mut at: usize) {
        loop {
            self.stay(at);
            match self.parts.get(at) {
                Some(Part::AnyNumber | Part::Anything | Part::Directories) => at += 1,
                _ => return,
            }
        }
    }

    fn step(&mut self) {
        std::mem::swap(&mut self.here, &mut self.next);
        self.next.clear();
        self.here.iter().for_each(|at| self.is_next[*at] = false);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let glob = Glob::parse(pattern).unwrap();
        let mut followed = Followed::begin(&glob.parts);
        path.chars().all(|c| followed.take(c)) && followed.is_at_end()
    }

    #[test]
    fn wildcards_stop_at_slashes_and_two_stars_do_not() {
        for (pattern, path, expected) in [
            ("a", "a", true),
            ("a", "A", false),
            ("*", "abc", true),
            ("*", "a/b", false),
            ("a/*", "a/b", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("?", "é", true),
            ("**", "a/b", true),
            ("**/a", "a", true),
            ("**/a", "x/y/a", true),
            ("**/a", "xa", false),
            ("a/**/b", "a/b", true),
            ("a/**/b", "a/x/y/b", true),
            ("a/**/b", "a/xb", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a", false),
            ("a**", "ab/c", true),
            ("a**b", "ab", true),
            ("a**b", "axb", false),
            ("a**b", "ax/b", true),
            ("**.o", "x/y.o", true),
            ("**a*", "xa", false),
            ("**/**/**/a", "a", true),
            ("[a-c]", "b", true),
            ("[^a-c]", "b", false),
            ("[^a-c]", "d", true),
            ("[!a]", "!", true),
            ("[*]", "*", true),
            ("[*]", "x", false),
            (r"[\]x]", "]", true),
            (r"\*", "*", true),
            (r"\*", "x", false),
            ("a.b", "axb", false),
            ("a+(b)", "a+(b)", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused() {
        for pattern in ["[", "[a", "[]", "[]a]", "[a-]", "[-a]", r"[a\", r"a\", "[^"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn a_hostile_pattern_takes_no_long_time() {
        let path = "a".repeat(4096);
        let begin = std::time::Instant::now();
        for pattern in [
            "*a".repeat(2048) + "b",
            "*".repeat(4096) + "b",
            "**/".repeat(1365) + "b",
        ] {
            assert!(!Glob::parse(&pattern).unwrap().matches_or_contains(&path));
        }
        assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
    }

    /// What the same pattern means, plainly and slowly.
    fn naive(pattern: &str, path: &str) -> bool {
        let Some(c) = pattern.chars().next() else {
            return path.is_empty();
        };
        let tails: Vec<&str> = (0..=path.len()).map(|at| &path[at..]).collect();
        if let Some(rest) = pattern.strip_prefix("**") {
            let rest = rest.strip_prefix('/').unwrap_or(rest);
            return rest.is_empty()
                || tails.iter().any(|tail| {
                    let taken = &path[..path.len() - tail.len()];
                    (taken.is_empty() || taken.ends_with('/')) && naive(rest, tail)
                });
        }
        match c {
            '*' => tails.iter().any(|tail| {
                !path[..path.len() - tail.len()].contains('/') && naive(&pattern[1..], tail)
            }),
            '?' => !path.is_empty() && !path.starts_with('/') && naive(&pattern[1..], &path[1..]),
            c => path.starts_with(c) && naive(&pattern[1..], &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn following_agrees_with_trying(
            pattern in "(\\*\\*/)?[ab/?*]{0,6}", path in "[ab/]{0,8}",
        ) {
            // Without its peculiar form, which the table above has.
            prop_assume!(!pattern.starts_with("**") || pattern.starts_with("**/"));
            prop_assert_eq!(matches(&pattern, &path), naive(&pattern, &path));
        }

        #[test]
        fn no_pattern_is_too_strange(pattern in "[-ab/?*!\\[\\]^\\\\é]{0,12}", path in "\\PC{0,12}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let _ = glob.matches_or_contains(&path);
                let _ = glob.may_match_below(&path);
            }
        }
    }
}
