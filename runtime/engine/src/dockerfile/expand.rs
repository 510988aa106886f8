//! Variables in a word: what BuildKit's `shell/lex.go` makes of one.
//!
//! It is not a shell. `${x:-word}` and its kin nest, quotes go, and an escape
//! takes the next character as it is; nothing is globbed and no command is run.
//! One pass yields both what the word becomes and, for the instructions that want
//! it, the words it falls into: blanks that came out of a variable cut, blanks that
//! stood in quotes do not.
//!
//! A word may be short and what it becomes long (`$a$a` with `a` long, and so on
//! line by line), so every character that is written is charged to a budget.

use super::Escape;
use super::pattern::Pattern;

/// How deep `${a:-${b:-…}}` may nest.
const DEEPEST: usize = 32;
/// How many characters may be written, discarded ones too, and how many steps
/// patterns may take.
const BUDGET: usize = 8 << 20;

/// Why a word, or what it becomes, is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot use `{text}`: {reason}")]
pub struct ExpansionError {
    /// The word.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What is done besides replacing variables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode {
    pub escape: Escape,
    /// Quotes are characters like others.
    pub ignore_quotes: bool,
    /// Quotes group, and stay.
    pub keep_quotes: bool,
    /// Escapes stay.
    pub keep_escapes: bool,
    /// Unset variables stay as they are written.
    pub keep_unset: bool,
}

impl Mode {
    /// What is done to most words.
    pub(super) fn word(escape: Escape) -> Self {
        Self {
            escape,
            ignore_quotes: false,
            keep_quotes: false,
            keep_escapes: false,
            keep_unset: false,
        }
    }
}

/// What a word became.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expanded {
    pub text: String,
    pub words: Vec<String>,
    /// The variables that are not set, where the text has no alternative for them.
    pub unset: Vec<String>,
}

/// Expands `text`.
pub(super) fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    mode: Mode,
) -> Result<Expanded, ExpansionError> {
    let mut lexer = Lexer {
        rest: text,
        lookup,
        mode,
        depth: 0,
        budget: BUDGET,
        unset: Vec::new(),
    };
    let expanded = lexer.until(None).map_err(|reason| ExpansionError {
        text: super::problem::shown(text),
        reason,
    })?;
    Ok(Expanded {
        unset: lexer.unset,
        ..expanded
    })
}

type Fallible<T> = Result<T, String>;

struct Lexer<'a> {
    rest: &'a str,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    mode: Mode,
    depth: usize,
    budget: usize,
    unset: Vec<String>,
}

/// A text, and the words it falls into, as they grow.
#[derive(Default)]
struct Growing {
    text: String,
    words: Vec<String>,
    word: String,
}

impl Growing {
    /// A character that cuts words if it is a blank.
    fn bare(&mut self, c: char) {
        self.text.push(c);
        if !c.is_whitespace() {
            self.word.push(c);
        } else if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }

    /// Characters that stay together.
    fn whole(&mut self, text: &str) {
        self.text.push_str(text);
        self.word.push_str(text);
    }

    fn done(mut self) -> Expanded {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        Expanded {
            text: self.text,
            words: self.words,
            unset: Vec::new(),
        }
    }
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// What a variable is worth that has no alternative.
    fn value(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        if value.is_none() {
            self.unset.push(name.to_owned());
        }
        value
    }

    fn charge(&mut self, steps: usize) -> Fallible<()> {
        self.budget = self
            .budget
            .checked_sub(steps)
            .ok_or("it becomes longer than a build should need")?;
        Ok(())
    }

    /// Everything up to `stop`, which is taken and not returned.
    fn until(&mut self, stop: Option<char>) -> Fallible<Expanded> {
        let mut out = Growing::default();
        while let Some(c) = self.peek() {
            self.charge(1)?;
            match c {
                _ if Some(c) == stop => {
                    self.next();
                    return Ok(out.done());
                }
                '$' => {
                    let value = self.dollar()?;
                    self.charge(value.len())?;
                    value.chars().for_each(|c| out.bare(c));
                }
                '\'' if !self.mode.ignore_quotes => out.whole(&self.single_quoted()?),
                '"' if !self.mode.ignore_quotes => out.whole(&self.double_quoted()?),
                _ if c == self.mode.escape.char() => {
                    self.next();
                    if self.mode.keep_escapes {
                        out.whole(c.encode_utf8(&mut [0; 4]));
                    }
                    if let Some(escaped) = self.next() {
                        out.whole(escaped.encode_utf8(&mut [0; 4]));
                    }
                }
                _ => {
                    self.next();
                    out.bare(c);
                }
            }
        }
        match stop {
            Some(stop) => Err(format!("a `{stop}` is missing")),
            None => Ok(out.done()),
        }
    }

    /// As [`until`](Self::until), one level down, and with or without the escapes.
    fn inner(&mut self, stop: char, keep_escapes: bool) -> Fallible<String> {
        if self.depth == DEEPEST {
            return Err(format!("substitutions nest deeper than {DEEPEST}"));
        }
        let outer = std::mem::replace(&mut self.mode.keep_escapes, keep_escapes);
        self.depth += 1;
        let inner = self.until(Some(stop));
        self.depth -= 1;
        self.mode.keep_escapes = outer;
        Ok(inner?.text)
    }

    /// What stands between single quotes, as it is.
    fn single_quoted(&mut self) -> Fallible<String> {
        let quoted = &self.rest[1..];
        let end = quoted.find('\'').ok_or("a closing `'` is missing")?;
        let whole = &self.rest[..end + 2];
        self.rest = &quoted[end + 1..];
        self.charge(end)?;
        Ok(match self.mode.keep_quotes {
            true => whole.to_owned(),
            false => quoted[..end].to_owned(),
        })
    }

    /// What stands between double quotes: variables are replaced, and only the
    /// quote, the dollar and the escape itself can be escaped.
    fn double_quoted(&mut self) -> Fallible<String> {
        let mut out = String::new();
        self.next();
        if self.mode.keep_quotes {
            out.push('"');
        }
        let escape = self.mode.escape.char();
        loop {
            self.charge(1)?;
            match self.peek() {
                None => return Err("a closing `\"` is missing".to_owned()),
                Some('"') => {
                    self.next();
                    if self.mode.keep_quotes {
                        out.push('"');
                    }
                    return Ok(out);
                }
                Some('$') => {
                    let value = self.dollar()?;
                    self.charge(value.len())?;
                    out.push_str(&value);
                }
                Some(mut c) => {
                    self.next();
                    if c == escape {
                        if self.mode.keep_escapes {
                            out.push(c);
                        }
                        if let Some(escaped) = self.peek()
                            && (matches!(escaped, '"' | '$') || escaped == escape)
                        {
                            self.next();
                            c = escaped;
                        }
                    }
                    out.push(c);
                }
            }
        }
    }

    /// A dollar, and what it stands for.
    fn dollar(&mut self) -> Fallible<String> {
        self.next();
        if self.peek() == Some('{') {
            self.next();
            return self.braces();
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".to_owned());
        }
        Ok(match self.value(&name) {
            Some(value) => value,
            None if self.mode.keep_unset => format!("${name}"),
            None => String::new(),
        })
    }

    /// What follows `${`.
    fn braces(&mut self) -> Fallible<String> {
        match self.peek() {
            None => return Err("a `}` is missing".to_owned()),
            Some('{' | '}' | ':') => return Err("`${` is not followed by a name".to_owned()),
            Some(_) => {}
        }
        let name = self.name();
        let mut operator = String::new();
        let mut last = self.next();
        operator.extend(last);
        if last == Some('}') {
            return Ok(match self.value(&name) {
                Some(value) => value,
                None if self.mode.keep_unset => format!("${{{name}}}"),
                None => String::new(),
            });
        }
        let empty_is_unset = last == Some(':');
        if empty_is_unset {
            last = self.next();
            operator.extend(last);
        }
        match last {
            None => Err("a `}` is missing".to_owned()),
            Some('/') if !empty_is_unset => self.replace(&name),
            Some(kind @ ('-' | '+' | '?' | '#' | '%')) => {
                let word = self.inner('}', matches!(kind, '#' | '%'))?;
                let value = match kind {
                    '#' | '%' => self.value(&name),
                    _ => (self.lookup)(&name),
                };
                if value.is_none() && self.mode.keep_unset {
                    return Ok(format!("${{{name}{operator}{word}}}"));
                }
                self.alternative(&name, kind, value, word, empty_is_unset)
            }
            Some(_) => Err(format!(
                "`{operator}` is none of the operators `:-` `:+` `:?` `#` `%` `/`"
            )),
        }
    }

    /// `${name KIND word}`.
    fn alternative(
        &mut self,
        name: &str,
        kind: char,
        value: Option<String>,
        word: String,
        empty_is_unset: bool,
    ) -> Fallible<String> {
        let was_set = value.is_some();
        let value = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match kind {
            '-' => Ok(value.unwrap_or(word)),
            '+' => Ok(value.map(|_| word).unwrap_or_default()),
            '?' => value.ok_or_else(|| match (&*word, was_set) {
                ("", false) => format!("{name} must be set"),
                ("", true) => format!("{name} must not be empty"),
                (message, _) => format!("{name}: {message}"),
            }),
            _ => {
                let value = value.unwrap_or_default();
                let (longest, word) = match word.strip_prefix(kind) {
                    Some(word) => (true, word),
                    None => (false, &*word),
                };
                let pattern = Pattern::parse(word)?;
                self.charge(pattern.steps(&value))?;
                Ok(match kind {
                    '#' => pattern.without_prefix(&value, longest),
                    _ => pattern.without_suffix(&value, longest),
                })
            }
        }
    }

    /// `${name/pattern/replacement}`, with a second slash in front: each of them.
    fn replace(&mut self, name: &str) -> Fallible<String> {
        let every = self.peek() == Some('/');
        if every {
            self.next();
        }
        let pattern = self.inner('/', true)?;
        let replacement = self.inner('}', true)?;
        let Some(value) = self.value(name) else {
            return Ok(match self.mode.keep_unset {
                true => format!("${{{name}/{pattern}/{replacement}}}"),
                false => String::new(),
            });
        };
        let pattern = Pattern::parse(&pattern)?;
        // From each character on, in the worst case to the end.
        self.charge(pattern.steps(&value).saturating_mul(value.len() + 1))?;
        let out = pattern.replace(&value, &replacement, every, self.budget);
        out.ok_or_else(|| "it becomes longer than a build should need".to_owned())
    }

    /// A name: letters, digits and underscores; digits alone; or one of the
    /// characters that a shell has variables of.
    fn name(&mut self) -> String {
        let digits = |c: char| c.is_numeric();
        let letters = |c: char| c.is_alphanumeric() || c == '_';
        let length = match self.peek() {
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => 1,
            Some(c) if digits(c) => self.rest.find(|c| !digits(c)).unwrap_or(self.rest.len()),
            _ => self.rest.find(|c| !letters(c)).unwrap_or(self.rest.len()),
        };
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name.to_owned()
    }
}
