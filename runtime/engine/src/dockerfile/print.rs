//! Instructions as text again, such that reading the text yields the instruction.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::copy::{Add, Copy, Source, Sources};
use super::healthcheck::{Check, Healthcheck};
use super::instruction::{Argument, Command, Instruction, Pair};
use super::run::{Network, Run, RunCommand, Security};
use super::words::quoted_words;
use super::{Escape, Template};

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(Escape::Backslash))
    }
}

impl Instruction {
    /// As a file with that escape character would write it: on one line, and on as
    /// many more as its heredocs need.
    #[must_use]
    pub fn to_text(&self, escape: Escape) -> String {
        let mut line = Line {
            text: self.name().to_owned(),
            below: String::new(),
            escape,
            flags_may_follow: true,
        };
        match self {
            Self::Add(add) => line.add(add),
            Self::Arg(arguments) => arguments
                .iter()
                .for_each(|argument| line.argument(argument)),
            Self::Cmd(command) | Self::Entrypoint(command) => line.command(command),
            Self::Copy(copy) => line.copy(copy),
            Self::Env(pairs) | Self::Label(pairs) => line.pairs(pairs),
            Self::Expose(ports) => ports.iter().for_each(|port| line.word(port.as_str())),
            Self::Healthcheck(Healthcheck::None) => line.word("NONE"),
            Self::Healthcheck(Healthcheck::Check(check)) => line.check(check),
            Self::Maintainer(author) => line.word(author),
            Self::Onbuild(trigger) => line.word(trigger.text()),
            Self::Run(run) => line.run(run),
            Self::Shell(words) => line.list(words.iter().map(String::as_str)),
            Self::StopSignal(text) | Self::User(text) | Self::Workdir(text) => {
                line.word(text.as_str());
            }
            Self::Volume(paths) => line.list(paths.iter().map(Template::as_str)),
        }
        line.text + &line.below
    }
}

/// A line as it grows, and what its heredocs hold.
struct Line {
    text: String,
    below: String,
    escape: Escape,
    flags_may_follow: bool,
}

impl Line {
    /// A word that is no flag, though the first one may look like one.
    fn word(&mut self, word: &str) {
        if word.starts_with("--") && self.flags_may_follow {
            self.text.push_str(" --");
        }
        self.flags_may_follow = false;
        self.text.push(' ');
        self.text.push_str(word);
    }

    /// `--name=value`, with escapes where blanks and quotes would end it.
    fn flag(&mut self, name: &str, value: &str) {
        let _ = write!(self.text, " --{name}=");
        for c in value.chars() {
            if c.is_whitespace() || matches!(c, '\'' | '"') || c == self.escape.char() {
                self.text.push(self.escape.char());
            }
            self.text.push(c);
        }
    }

    fn template(&mut self, name: &str, value: Option<&Template>) {
        if let Some(value) = value {
            self.flag(name, value.as_str());
        }
    }

    fn switch(&mut self, name: &str, is_on: bool) {
        if is_on {
            let _ = write!(self.text, " --{name}");
        }
    }

    fn list<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let words: Vec<String> = words
            .map(|word| serde_json::Value::from(word).to_string())
            .collect();
        let _ = write!(self.text, " [{}]", words.join(", "));
    }

    fn command(&mut self, command: &Command) {
        match command {
            Command::Shell(text) => self.word(text),
            Command::Exec(words) => self.list(words.iter().map(String::as_str)),
        }
    }

    fn argument(&mut self, argument: &Argument) {
        match &argument.default {
            Some(default) => self.word(&format!("{}={default}", argument.name)),
            None => self.word(&argument.name),
        }
    }

    fn pairs(&mut self, pairs: &[Pair]) {
        for Pair { name, value } in pairs {
            let word = format!("{name}={value}");
            let is_one_word =
                || quoted_words(&word, self.escape).is_ok_and(|words| words == [&*word]);
            // The old form takes the rest of the line, blanks and all. A name that ends
            // with an escape would make one blank its own.
            match pairs.len() > 1 || is_one_word() {
                true => self.word(&word),
                false if name.as_str().ends_with(self.escape.char()) => {
                    self.word(&format!("{name}  {value}"));
                }
                false => self.word(&format!("{name} {value}")),
            }
        }
    }

    fn check(&mut self, check: &Check) {
        let times = [
            ("interval", check.interval),
            ("timeout", check.timeout),
            ("start-period", check.start_period),
            ("start-interval", check.start_interval),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                self.flag(name, &written(time));
            }
        }
        if let Some(retries) = check.retries {
            self.flag("retries", &retries.to_string());
        }
        self.word("CMD");
        self.command(&check.command);
    }

    fn copy(&mut self, copy: &Copy) {
        if let Some(from) = &copy.from {
            self.flag("from", from);
        }
        self.template("chown", copy.chown.as_ref());
        self.template("chmod", copy.chmod.as_ref());
        self.switch("link", copy.link);
        self.switch("parents", copy.parents);
        copy.exclude
            .iter()
            .for_each(|pattern| self.flag("exclude", pattern.as_str()));
        self.sources(&copy.sources);
    }

    fn add(&mut self, add: &Add) {
        self.template("chown", add.chown.as_ref());
        self.template("chmod", add.chmod.as_ref());
        self.switch("link", add.link);
        add.exclude
            .iter()
            .for_each(|pattern| self.flag("exclude", pattern.as_str()));
        self.template("checksum", add.checksum.as_ref());
        self.switch("keep-git-dir", add.keep_git_dir);
        if let Some(unpack) = add.unpack {
            self.flag("unpack", if unpack { "true" } else { "false" });
        }
        self.sources(&add.sources);
    }

    fn sources(&mut self, sources: &Sources) {
        let paths = sources.sources.iter().map(|source| match source {
            Source::Path(path) => Some(path.as_str()),
            Source::Inline(_) => None,
        });
        let destination = sources.destination.as_str();
        // A list holds any path; heredocs are in words only.
        if let Some(paths) = paths.collect::<Option<Vec<_>>>() {
            self.list(paths.into_iter().chain([destination]));
            return;
        }
        for source in &sources.sources {
            match source {
                Source::Path(path) => self.word(path.as_str()),
                Source::Inline(inline) => self.heredoc(&inline.name, &inline.text, inline.expand),
            }
        }
        self.word(destination);
    }

    /// A mark, and what it stands for below.
    fn heredoc(&mut self, name: &str, text: &str, expand: bool) {
        let escaped: String = name
            .chars()
            .flat_map(|c| {
                let special = matches!(c, '"' | '$' | '\\') || expand && c == '\'';
                special.then_some('\\').into_iter().chain([c])
            })
            .collect();
        self.flags_may_follow = false;
        let _ = match expand {
            true => write!(self.text, " <<{escaped}"),
            false => write!(self.text, " <<\"{escaped}\""),
        };
        let _ = write!(self.below, "\n{text}{name}");
    }

    fn run(&mut self, run: &Run) {
        run.mounts
            .iter()
            .for_each(|mount| self.flag("mount", mount.as_str()));
        match run.network {
            Network::Default => {}
            Network::None => self.flag("network", "none"),
            Network::Host => self.flag("network", "host"),
        }
        match run.security {
            Security::Sandbox => {}
            Security::Insecure => self.flag("security", "insecure"),
        }
        match &run.command {
            RunCommand::Exec(words) => self.list(words.iter().map(String::as_str)),
            RunCommand::Script { name, text } => self.heredoc(name, text, true),
            RunCommand::Shell(text) if text.is_empty() || text.ends_with('\n') => {
                let taken =
                    |name: &String| text.lines().any(|line| line.trim_end_matches('\r') == name);
                let names = (0..).map(|n: usize| format!("EOF{n}"));
                let mut names = std::iter::once("EOF".to_owned()).chain(names);
                let name = names.find(|name| !taken(name)).unwrap_or_default();
                self.heredoc(&name, text, true);
            }
            RunCommand::Shell(text) => self.word(text),
        }
    }
}

/// As Go reads it.
fn written(time: Duration) -> String {
    match time.subsec_nanos() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ns", time.as_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Dockerfile, parse};
    use super::*;

    /// Reads `text` and what is printed of it, each as the only step of a stage.
    fn twice(text: &str, escape: Escape) -> Option<(Instruction, Instruction)> {
        let read = |text: &str| {
            let text = format!("# escape={}\nFROM scratch\n{text}\n", escape.char());
            let file: Dockerfile = parse(text.as_bytes()).ok()?;
            let [step] = &file.stages.last()?.steps[..] else {
                return None;
            };
            Some(step.instruction.clone())
        };
        let once = read(text)?;
        let printed = once.to_text(escape);
        let again = read(&printed).unwrap_or_else(|| panic!("{printed:?} of {text:?}"));
        Some((once, again))
    }

    #[test]
    fn what_is_printed_reads_the_same() {
        for text in [
            "RUN --mount=type=cache,target=/a\\ b --network=none --security=insecure a b",
            "RUN -- --a",
            "RUN <<EOF\na\nEOF\n",
            "RUN <<-'EOF'\n\ta\n\tEOF\n",
            "RUN <<EOF\nEOF\n",
            "RUN <<X\nEOF\nEOF0\nX\n",
            "RUN <<EOF\n#!/usr/bin/python3\nprint()\nEOF\n",
            "RUN cat <<A 3<<-B >x\na\nA\n\tb\n\tB\n",
            "RUN [\"a\", \"b\\\"c\"]",
            "CMD []",
            "ENTRYPOINT a \\\n  b",
            "ENV a  b c",
            "ENV \\  --a=b c",
            "ENV a=\"b c\" 'd'=e\\ f",
            "ENV -- --a=b",
            "LABEL a.b=c",
            "ARG a b=c d=",
            "COPY --from=x --chown=1:2 --chmod=0644 --link --parents --exclude=*.md a b /c/",
            "COPY [\"a b\", \"<<EOF\", \"/c\"]",
            "COPY -- --a <<EOF <<'F\"' /x\na\nEOF\nb\nF\"\n",
            "ADD --checksum=sha256:00 --keep-git-dir --unpack=false https://a/b /c",
            "HEALTHCHECK --interval=1m --timeout=2.5s --retries=3 CMD curl -f x",
            "HEALTHCHECK NONE",
            "HEALTHCHECK CMD [\"a\"]",
            "ONBUILD RUN <<EOF\na\nEOF\n",
            "ONBUILD COPY --link a b",
            "EXPOSE 80 443/udp 8000-8010",
            "VOLUME /a /b",
            "SHELL [\"/bin/bash\", \"-c\"]",
            "STOPSIGNAL $X",
            "USER a:b",
            "WORKDIR /a b",
            "MAINTAINER a <b@c>",
        ] {
            let (once, again) = twice(text, Escape::Backslash).expect(text);
            assert_eq!(once, again, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_prints_to_the_same(
            name in prop::sample::select(&super::super::instruction::NAMES[..]),
            text in "[ -~\t\u{a0}µ]{0,40}",
            more in "[ -~\n]{0,40}",
            backtick: bool,
        ) {
            let escape = if backtick { Escape::Backtick } else { Escape::Backslash };
            if let Some((once, again)) = twice(&format!("{name} {text}\n{more}"), escape) {
                prop_assert_eq!(once, again);
            }
        }

        #[test]
        fn what_is_nearly_an_instruction_prints_to_the_same(
            name in prop::sample::select(&super::super::instruction::NAMES[..]),
            words in prop::collection::vec(
                prop::sample::select(&[
                    "a", "b=c", "a=\"b c\"", "'a b'", "<<EOF", "<<-'X y'", "<<\"F\"", "--", "--link",
                    "--from=a", "--mount=type=cache,target=/x", "--mount=type=tmpfs,dst=\"/ b\"",
                    "--interval=3s", "CMD", "NONE", "[\"a\",", "\"b\"]", "[]", "\\", "`", "\\ ", "RUN",
                    "COPY", "ONBUILD", "$x", "\"", "'", "=", "--chown=\"a b\"", "\t", "--unpack",
                ][..]),
                0..7,
            ),
            below in prop::collection::vec(
                prop::sample::select(&["EOF", "F", "X y", "\ta", "#!/bin/sh", "b\r", ""][..]),
                0..6,
            ),
            backtick: bool,
        ) {
            let escape = if backtick { Escape::Backtick } else { Escape::Backslash };
            let text = format!("{name} {}\n{}", words.join(" "), below.join("\n"));
            if let Some((once, again)) = twice(&text, escape) {
                prop_assert_eq!(once, again);
            }
        }
    }
}
