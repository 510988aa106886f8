//! One pass over the arguments, from left to right.

use super::suggest::nearest;
use super::table::{self, Entry};
use super::{Given, Key, Opt, Tail, options};
use crate::failure::Failure;

impl<'a> Given<'a> {
    /// Takes in what follows the program's name.
    ///
    /// Options come before and after positional arguments and the command;
    /// `--name=value` is `--name value`, `-bDIR` is `-b DIR`, `-dt` is `-d -t`,
    /// `-name` is `--name`, and a flag may say `=false`. After `--` there are
    /// no options. What follows the program of `exec` is the program's.
    pub(crate) fn scan(&mut self, arguments: &'a [String]) -> Result<(), Failure> {
        let mut words = arguments.iter();
        let mut only_positionals = false;
        while let Some(word) = words.next().map(String::as_str) {
            if !only_positionals && word == "--" {
                only_positionals = true;
            } else if only_positionals || !word.starts_with('-') || word == "-" {
                if self.positional_ends_options(word)? {
                    self.positionals.extend(words.map(String::as_str));
                    break;
                }
            } else if self.belongs_to_ps(word, words.as_slice().first()) {
                self.positionals.push(word);
            } else {
                self.option(word, &mut words)?;
            }
        }
        self.check()
    }

    /// Takes a positional argument; whether all that follow are, too.
    fn positional_ends_options(&mut self, word: &'a str) -> Result<bool, Failure> {
        if let Some(verb) = self.verb {
            self.positionals.push(word);
            return Ok(verb.tail == Tail::Command && self.positionals.len() > 1);
        }
        let verb = table::find(word).ok_or_else(|| {
            let names = table::VERBS.iter().filter(|v| !v.hidden).map(|v| v.name);
            Failure::new(
                format!("`{word}` is not a command of isorun"),
                match nearest(word, names) {
                    Some(name) => format!("did you mean `isorun {name}`?"),
                    None => "`isorun --help` lists them".to_owned(),
                },
            )
        })?;
        self.verb = Some(verb);
        Ok(verb.tail == Tail::Anything)
    }

    /// After the container's id, options are those of ps(1), except ours about
    /// the format, which no format of ps(1) is called by.
    fn belongs_to_ps(&self, word: &str, next: Option<&String>) -> bool {
        let after_id = !self.positionals.is_empty();
        if !after_id || self.verb.is_none_or(|v| v.tail != Tail::PsOptions) {
            return false;
        }
        let value = match word {
            "--json" | "--help" => return false,
            "-f" | "--format" => next.map(String::as_str),
            _ => word.strip_prefix("--format=").or(word.strip_prefix("-f=")),
        };
        !matches!(value, Some("json" | "table"))
    }

    /// Takes an option, and its value from what follows where it has one.
    fn option(
        &mut self,
        word: &'a str,
        words: &mut std::slice::Iter<'a, String>,
    ) -> Result<(), Failure> {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let long = name.trim_start_matches('-');
        let double = name.starts_with("--");
        // Go's flag package, which runc uses, takes `-bundle` for `--bundle`.
        let found = (double || long.len() > 1).then(|| self.find_long(long));
        if let Some(option) = found.flatten() {
            let value = value_of(option, inline, words)?;
            self.options.push((option, value));
            return Ok(());
        }
        if double {
            return Err(self.unknown(name));
        }
        self.cluster(word, words)
    }

    /// Takes `-dt`, `-bDIR` and `-b=DIR`.
    fn cluster(
        &mut self,
        word: &'a str,
        words: &mut std::slice::Iter<'a, String>,
    ) -> Result<(), Failure> {
        for (at, letter) in word.char_indices().skip(1) {
            let short = match letter {
                '?' => 'h',
                'V' => 'v',
                other => other,
            };
            let option = self
                .find_short(short)?
                .ok_or_else(|| self.unknown(&format!("-{letter}")))?;
            let rest = &word[at + letter.len_utf8()..];
            let explicit = rest.strip_prefix('=');
            if option.takes.is_none() && explicit.is_none() {
                self.options.push((option, "true"));
                continue;
            }
            let inline = explicit.or((!rest.is_empty()).then_some(rest));
            let value = value_of(option, inline, words)?;
            self.options.push((option, value));
            break;
        }
        Ok(())
    }

    fn find_long(&self, long: &str) -> Option<&'static Opt> {
        match self.verb {
            Some(verb) => verb.long(long),
            None => table::anywhere(|o| o.long == long),
        }
    }

    /// Before the command, a letter that means different things to different
    /// commands means nothing.
    fn find_short(&self, short: char) -> Result<Option<&'static Opt>, Failure> {
        if let Some(verb) = self.verb {
            return Ok(verb.short(short));
        }
        let first = table::anywhere(|o| o.short == Some(short));
        let ambiguous = first.is_some_and(|first| {
            table::anywhere(|o| o.short == Some(short) && o.key != first.key).is_some()
        });
        if ambiguous {
            return Err(Failure::new(
                format!("`-{short}` before the command could mean several options"),
                "write it after the command",
            ));
        }
        Ok(first)
    }

    fn unknown(&self, name: &str) -> Failure {
        let of = self
            .verb
            .map(|v| format!(" {}", v.name))
            .unwrap_or_default();
        let hint = match self.meant(name) {
            Some(long) => format!("did you mean `--{long}`?"),
            None => format!("`isorun{of} --help` lists them"),
        };
        Failure::new(format!("`{name}` is not an option of `isorun{of}`"), hint)
    }

    /// The option that an unknown one resembles.
    fn meant(&self, name: &str) -> Option<&'static str> {
        let long = name.strip_prefix("--")?;
        let own = self.verb.into_iter().flat_map(Entry::own);
        let known = own.chain(options::GLOBAL).map(|o| o.long);
        nearest(long, known)
    }

    /// What can be judged only when everything has been read.
    fn check(&self) -> Result<(), Failure> {
        let Some(verb) = self.verb else {
            let of_a_command = |key| !options::GLOBAL.iter().any(|o| o.key == key);
            return match self.options.iter().any(|o| of_a_command(o.0.key)) {
                true => Err(Failure::new(
                    "no command is given",
                    "`isorun --help` lists them",
                )),
                false => Ok(()),
            };
        };
        if self.flag(Key::Help) || self.flag(Key::Version) {
            return Ok(());
        }
        if let Some((option, _)) = self.options.iter().find(|o| !verb.knows(o.0.key)) {
            return Err(self.unknown(&format!("--{}", option.long)));
        }
        let (least, most) = verb.count;
        let usage = || {
            let line = format!("isorun {} [options] {}", verb.name, verb.usage);
            line.trim_end().to_owned()
        };
        if self.positionals.len() < least {
            let what = verb.usage.split_whitespace().next().unwrap_or_default();
            return Err(Failure::new(
                format!("`isorun {}` needs {}", verb.name, article(what)),
                usage(),
            ));
        }
        if let Some(extra) = self.positionals.get(most) {
            return Err(Failure::new(
                format!(
                    "`{extra}` is one argument too many for `isorun {}`",
                    verb.name
                ),
                usage(),
            ));
        }
        if verb.usage.starts_with("ID") && self.positional(0).is_empty() {
            return Err(Failure::new("a container's id cannot be empty", usage()));
        }
        Ok(())
    }
}

/// `ID` becomes `a container's ID`.
fn article(what: &str) -> String {
    match what {
        "ID" => "a container's ID".to_owned(),
        other => format!("one of {}", other.replace('|', ", ")),
    }
}

/// The value of an option, inline or the next word; a flag's is true or false.
fn value_of<'a>(
    option: &'static Opt,
    inline: Option<&'a str>,
    words: &mut std::slice::Iter<'a, String>,
) -> Result<&'a str, Failure> {
    let long = option.long;
    match (option.takes, inline) {
        (Some(takes), None) => words.next().map(String::as_str).ok_or_else(|| {
            Failure::new(
                format!("`--{long}` needs a value"),
                format!("--{long} {takes}"),
            )
        }),
        (Some(_), Some(value)) => Ok(value),
        (None, None | Some("true" | "1" | "t" | "T" | "TRUE" | "True")) => Ok("true"),
        (None, Some("false" | "0" | "f" | "F" | "FALSE" | "False")) => Ok("false"),
        (None, Some(value)) => Err(Failure::new(
            format!("`--{long}={value}`: the option takes no value"),
            format!("write `--{long}`"),
        )),
    }
}
