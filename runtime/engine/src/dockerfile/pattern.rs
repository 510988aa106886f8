//! The patterns of `${x#pattern}`, `${x%pattern}` and `${x/pattern/replacement}`.
//!
//! `*` is any number of characters and `?` is one, line breaks excepted; a
//! backslash takes the meaning from either. There are no brackets. A pattern is
//! followed in all its possible positions at once, so no value makes it slow.
//!
//! Source: BuildKit, `convertShellPatternToRegex` in `shell/lex.go`.

/// So many steps are as much work as writing a character.
const STEPS_A_CHARACTER: usize = 8;

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    AnyOne,
    AnyNumber,
}

/// A pattern, ready to be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Part>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::AnyNumber,
                '?' => Part::AnyOne,
                // What would end the pattern was escaped for that alone.
                '\\' if matches!(chars.peek(), Some('}' | '/')) => continue,
                '\\' => match chars.next() {
                    Some(c @ ('*' | '?' | '\\')) => Part::One(c),
                    Some(c) => return Err(format!("`\\{c}` in a pattern escapes nothing")),
                    None => return Err("a pattern ends with an escape".to_owned()),
                },
                c => Part::One(c),
            });
        }
        Ok(Self(parts))
    }

    /// How much work following it through `value` once is, at most.
    pub(super) fn steps(&self, value: &str) -> usize {
        let parts = self.0.len() + 1;
        let reach = match self.0.contains(&Part::AnyNumber) {
            true => value.len() + 1,
            false => parts,
        };
        parts.saturating_mul(reach) / STEPS_A_CHARACTER
    }

    /// `value` without the shortest, or longest, beginning that matches.
    pub(super) fn without_prefix(&self, value: &str, longest: bool) -> String {
        let value: Vec<char> = value.chars().collect();
        let end = matched(&self.0, &value, longest).unwrap_or(0);
        value[end..].iter().collect()
    }

    /// `value` without the shortest, or longest, end that matches.
    pub(super) fn without_suffix(&self, value: &str, longest: bool) -> String {
        let parts: Vec<Part> = self.0.iter().rev().copied().collect();
        let backwards: Vec<char> = value.chars().rev().collect();
        let end = matched(&parts, &backwards, longest).unwrap_or(0);
        backwards[end..].iter().rev().collect()
    }

    /// `value` with the first match, or every one, replaced: at each place the
    /// longest. `None` where that is longer than `longest`.
    pub(super) fn replace(
        &self,
        value: &str,
        replacement: &str,
        every: bool,
        longest: usize,
    ) -> Option<String> {
        let value: Vec<char> = value.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        let mut after_match = false;
        while at <= value.len() {
            let length = matched(&self.0, &value[at..], true);
            // Nothing at all does not match again where a match just ended.
            if let Some(length) = length.filter(|length| *length > 0 || !after_match) {
                out.push_str(replacement);
                at += length;
                if !every {
                    break;
                }
                after_match = length > 0;
                if after_match {
                    continue;
                }
            }
            after_match = false;
            if out.len() > longest {
                return None;
            }
            out.extend(value.get(at));
            at += 1;
        }
        out.extend(value.get(at..).unwrap_or_default());
        (out.len() <= longest).then_some(out)
    }
}

/// How many characters from the beginning of `value` match.
fn matched(parts: &[Part], value: &[char], longest: bool) -> Option<usize> {
    let mut here = vec![false; parts.len() + 1];
    here[0] = true;
    pass_over_nothing(parts, &mut here);
    let mut found = None;
    for at in 0.. {
        if here[parts.len()] {
            found = Some(at);
            if !longest {
                break;
            }
        }
        let Some(&c) = value.get(at) else { break };
        let mut next = vec![false; parts.len() + 1];
        for (state, part) in parts.iter().enumerate().filter(|(state, _)| here[*state]) {
            match part {
                Part::One(wanted) if *wanted == c => next[state + 1] = true,
                Part::AnyOne if c != '\n' => next[state + 1] = true,
                Part::AnyNumber if c != '\n' => next[state] = true,
                _ => {}
            }
        }
        pass_over_nothing(parts, &mut next);
        if !next.contains(&true) {
            break;
        }
        here = next;
    }
    found
}

/// `*` may be nothing.
fn pass_over_nothing(parts: &[Part], states: &mut [bool]) {
    for (state, part) in parts.iter().enumerate() {
        if *part == Part::AnyNumber && states[state] {
            states[state + 1] = true;
        }
    }
}
