//! From one logical line to one instruction.
//!
//! Source: BuildKit, `frontend/dockerfile/instructions/parse.go`.

use super::copy::{not_strings, read_add, read_copy};
use super::flags::{Flags, Kind};
use super::heredoc::Heredoc;
use super::instruction::{Argument, Command, Instruction, NAMES, Pair, Trigger};
use super::logical::Logical;
use super::problem::{Fault, Warning, did_you_mean, shown};
use super::words::{Head, Json, at_blanks, cut_at_blank, json, meant_as_json, quoted_words};
use super::{Escape, Template, healthcheck, run};

/// What an instruction is read from.
pub(super) struct Arguments<'a> {
    pub flags: &'a [String],
    /// What follows the flags.
    pub rest: &'a str,
    pub heredocs: &'a [Heredoc],
    pub escape: Escape,
}

/// Reads any instruction but `FROM`.
pub(super) fn instruction(
    logical: &Logical,
    escape: Escape,
    warnings: &mut Vec<Warning>,
) -> Result<Instruction, Fault> {
    let line = *logical.lines.start();
    one(&logical.text, &logical.heredocs, line, escape, warnings)
}

fn one(
    text: &str,
    heredocs: &[Heredoc],
    line: usize,
    escape: Escape,
    warnings: &mut Vec<Warning>,
) -> Result<Instruction, Fault> {
    let head = Head::cut(text, escape);
    let arguments = Arguments {
        flags: &head.flags,
        rest: head.rest,
        heredocs,
        escape,
    };
    let mut warn = |rule: &'static str, what: String| {
        warnings.push(Warning { line, rule, what });
    };
    let name = head.name.to_ascii_uppercase();
    let has_exec_form = ["RUN", "CMD", "ENTRYPOINT", "SHELL", "VOLUME", "COPY", "ADD"];
    if has_exec_form.contains(&&*name) && json(head.rest) == Json::No && meant_as_json(head.rest) {
        warn("ExecFormInvalid", not_quite_json(&name, head.rest));
    }
    let no_flags = || Flags::none(&name, &head.flags);
    Ok(match &*name {
        "ADD" => Instruction::Add(read_add(&arguments)?),
        "COPY" => Instruction::Copy(read_copy(&arguments)?),
        "RUN" => Instruction::Run(run::read(&arguments)?),
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck::read(&arguments)?),
        "ONBUILD" => {
            no_flags()?;
            Instruction::Onbuild(trigger(&arguments, line, warnings)?)
        }
        "ARG" => no_flags().and_then(|()| declarations(&arguments))?,
        "CMD" => no_flags().and_then(|()| Ok(Instruction::Cmd(command("CMD", head.rest)?)))?,
        "ENTRYPOINT" => {
            no_flags()?;
            Instruction::Entrypoint(command("ENTRYPOINT", head.rest)?)
        }
        "ENV" | "LABEL" => {
            no_flags()?;
            let (pairs, is_old_form) = pairs(&name, &arguments)?;
            if is_old_form {
                let what =
                    format!("`{name} name value` is the old form: write `{name} name=value`");
                warn("LegacyKeyValueFormat", what);
            }
            match &*name {
                "ENV" => Instruction::Env(pairs),
                _ => Instruction::Label(pairs),
            }
        }
        "EXPOSE" => {
            no_flags()?;
            Instruction::Expose(at_least_one("EXPOSE", "PORT", at_blanks(head.rest))?)
        }
        "VOLUME" => no_flags().and_then(|()| volumes(&arguments))?,
        "SHELL" => no_flags().and_then(|()| shell(head.rest))?,
        "USER" => Instruction::User(only("USER", no_flags(), head.rest)?),
        "WORKDIR" => Instruction::Workdir(only("WORKDIR", no_flags(), head.rest)?),
        "STOPSIGNAL" => Instruction::StopSignal(only("STOPSIGNAL", no_flags(), head.rest)?),
        "MAINTAINER" => {
            let author = only("MAINTAINER", no_flags(), head.rest)?;
            warn(
                "MaintainerDeprecated",
                "MAINTAINER is deprecated: write `LABEL org.opencontainers.image.authors=…`"
                    .to_owned(),
            );
            Instruction::Maintainer(author.as_str().to_owned())
        }
        "FROM" => return Err(Fault::new("FROM begins a stage and cannot stand here")),
        _ => return Err(unknown(head.name)),
    })
}

fn unknown(name: &str) -> Fault {
    let fault = Fault::new(format!("unknown instruction `{}`", shown(name)));
    // Two commands on two lines, and no escape character between them.
    let forgotten =
        "a line that continues the one above needs an escape character at the end of that";
    let remedy = did_you_mean(name, &NAMES);
    fault.remedy(remedy.unwrap_or_else(|| forgotten.to_owned()))
}

fn not_quite_json(name: &str, text: &str) -> String {
    let quotes = "JSON has double quotes only";
    let reason = if text.contains('\'') {
        quotes
    } else {
        "this is not valid JSON"
    };
    format!(
        "{name} takes `{}` as plain words, not as a list: {reason}",
        shown(text)
    )
}

/// A command in either form.
pub(super) fn command(instruction: &str, text: &str) -> Result<Command, Fault> {
    match json(text) {
        Json::Strings(words) => Ok(Command::Exec(words)),
        Json::Others => Err(not_strings()),
        Json::No if text.is_empty() => {
            let fault = Fault::new(format!("{instruction} has no command"));
            Err(match instruction {
                "CMD" | "ENTRYPOINT" => fault.remedy(format!(
                    "write `{instruction} []` to take back what the base image has"
                )),
                _ => fault,
            })
        }
        Json::No => Ok(Command::Shell(text.to_owned())),
    }
}

fn only(name: &str, flags: Result<(), Fault>, text: &str) -> Result<Template, Fault> {
    flags?;
    match text {
        "" => Err(Fault::new(format!("{name} has no argument"))),
        text => Ok(Template::new(text)),
    }
}

fn at_least_one<'a>(
    name: &str,
    what: &str,
    words: impl Iterator<Item = &'a str>,
) -> Result<Vec<Template>, Fault> {
    let words: Vec<Template> = words.map(Template::new).collect();
    match words.is_empty() {
        false => Ok(words),
        true => {
            let fault = Fault::new(format!("{name} has no argument"));
            Err(fault.remedy(format!("write `{name} {what}`")))
        }
    }
}

fn volumes(arguments: &Arguments<'_>) -> Result<Instruction, Fault> {
    let listed = match json(arguments.rest) {
        Json::Strings(words) => words,
        Json::Others => return Err(not_strings()),
        Json::No => at_blanks(arguments.rest).map(str::to_owned).collect(),
    };
    let paths = listed.iter().map(|path| path.trim());
    let volumes = at_least_one("VOLUME", "PATH", paths)?;
    if volumes.iter().any(|volume| volume.as_str().is_empty()) {
        return Err(Fault::new("a VOLUME is an empty text"));
    }
    Ok(Instruction::Volume(volumes))
}

fn shell(text: &str) -> Result<Instruction, Fault> {
    match json(text) {
        Json::Strings(words) if !words.is_empty() => Ok(Instruction::Shell(words)),
        Json::Others => Err(not_strings()),
        _ => Err(
            Fault::new("SHELL takes a JSON list of a program and its arguments")
                .remedy("write `SHELL [\"/bin/bash\", \"-c\"]`"),
        ),
    }
}

/// `name=value …`, or the old `name value`; whether it is the latter.
fn pairs(name: &str, arguments: &Arguments<'_>) -> Result<(Vec<Pair>, bool), Fault> {
    let words = quoted_words(arguments.rest, arguments.escape)?;
    let example = format!("write `{name} name=value`");
    let Some(first) = words.first() else {
        return Err(Fault::new(format!("{name} has no argument")).remedy(example));
    };
    let pair = |name: &str, value: &str| Pair {
        name: Template::new(name),
        value: Template::new(value),
    };
    if !first.contains('=') {
        let (key, value) = cut_at_blank(arguments.rest);
        if value.is_empty() {
            let fault = Fault::new(format!("{name} `{}` has no value", shown(key)));
            return Err(fault.remedy(example));
        }
        return Ok((vec![pair(key, value)], true));
    }
    let pairs = words.iter().map(|word| match word.split_once('=') {
        Some(("", _)) => Err(Fault::new(format!(
            "`{}` has no name before its `=`",
            shown(word)
        ))),
        Some((name, value)) => Ok(pair(name, value)),
        None => {
            let fault = Fault::new(format!("`{}` has no `=`", shown(word)));
            Err(fault.remedy("put a value that has blanks in double quotes"))
        }
    });
    Ok((pairs.collect::<Result<_, _>>()?, false))
}

fn declarations(arguments: &Arguments<'_>) -> Result<Instruction, Fault> {
    let words = quoted_words(arguments.rest, arguments.escape)?;
    if words.is_empty() {
        let fault = Fault::new("ARG has no argument");
        return Err(fault.remedy("write `ARG name` or `ARG name=default`"));
    }
    let declared = words.iter().map(|word| match word.split_once('=') {
        Some(("", _)) => Err(Fault::new(format!(
            "`{}` has no name before its `=`",
            shown(word)
        ))),
        Some((name, default)) => Ok(Argument {
            name: name.to_owned(),
            default: Some(Template::new(default)),
        }),
        None => Ok(Argument {
            name: word.clone(),
            default: None,
        }),
    });
    Ok(Instruction::Arg(declared.collect::<Result<_, _>>()?))
}

fn trigger(
    arguments: &Arguments<'_>,
    line: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Trigger, Fault> {
    let head = Head::cut(arguments.rest, arguments.escape);
    match &*head.name.to_ascii_uppercase() {
        "" => {
            let fault = Fault::new("ONBUILD has no instruction");
            return Err(fault.remedy("write `ONBUILD INSTRUCTION ARGUMENTS`"));
        }
        name @ ("ONBUILD" | "FROM" | "MAINTAINER") => {
            return Err(Fault::new(format!("ONBUILD cannot hold {name}")));
        }
        _ => {}
    }
    let (rest, heredocs) = (arguments.rest, arguments.heredocs);
    let inner = one(rest, heredocs, line, arguments.escape, warnings)?;
    let mut text = rest.to_owned();
    for heredoc in heredocs {
        text.push('\n');
        text.push_str(&heredoc.content);
        text.push_str(&heredoc.mark.name);
    }
    Trigger::new(text, inner)
}

/// What `FROM` says.
#[derive(Debug)]
pub(super) struct From {
    pub base: Template,
    pub platform: Option<Template>,
    /// As it is written.
    pub name: Option<String>,
    /// The word before the name.
    pub keyword: Option<String>,
}

pub(super) fn from(head: &Head<'_>) -> Result<From, Fault> {
    let flags = Flags::read("FROM", &head.flags, &[("platform", Kind::Text)])?;
    let words: Vec<&str> = at_blanks(head.rest).collect();
    let (base, keyword, name) = match words[..] {
        [base] => (base, None, None),
        [base, keyword, name] if keyword.eq_ignore_ascii_case("as") => {
            check_stage_name(name)?;
            (base, Some(keyword.to_owned()), Some(name.to_owned()))
        }
        _ => {
            let fault = Fault::new("FROM takes an image, and `AS name` after it");
            return Err(fault.remedy("write `FROM IMAGE` or `FROM IMAGE AS NAME`"));
        }
    };
    Ok(From {
        base: Template::new(base),
        platform: flags.text("platform").map(Template::new),
        name,
        keyword,
    })
}

fn check_stage_name(name: &str) -> Result<(), Fault> {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match first && name.bytes().all(letter) {
        true => Ok(()),
        false => Err(
            Fault::new(format!("`{}` is no name for a stage", shown(name)))
                .remedy("begin with a letter, and go on with letters, digits, `-`, `_` and `.`"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Dockerfile, Healthcheck, Lookup, Network, Problem, RunCommand, Security, Source, parse,
    };
    use super::*;

    fn file(text: &str) -> Dockerfile {
        parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    /// The only instruction of a stage.
    fn read(text: &str) -> Instruction {
        file(&format!("FROM scratch\n{text}")).stages[0].steps[0]
            .instruction
            .clone()
    }

    fn problem(text: &str) -> Problem {
        let problems = parse(format!("FROM scratch\n{text}").as_bytes()).unwrap_err();
        problems.iter().next().unwrap().clone()
    }

    fn refused(text: &str, what: &str) {
        let problem = problem(text);
        assert_eq!(problem.line, 2, "{text}");
        assert!(problem.what.contains(what), "{text}: {problem}");
    }

    fn templates(texts: &[&str]) -> Vec<Template> {
        texts.iter().map(|text| Template::new(*text)).collect()
    }

    fn warned(text: &str) -> Vec<&'static str> {
        let file = file(&format!("FROM scratch\n{text}"));
        file.warnings.iter().map(|warning| warning.rule).collect()
    }

    #[test]
    fn an_unknown_instruction_is_refused_with_the_nearest_known_one() {
        let typo = problem("RNU a");
        assert_eq!(typo.remedy.as_deref(), Some("did you mean `RUN`?"));
        let continued = problem("apt-get install -y x");
        assert!(continued.remedy.unwrap().contains("escape character"));
        assert_eq!(read("rUn a"), read("RUN a"));
    }

    #[test]
    fn commands_are_words_for_the_shell_unless_they_are_a_list_of_strings() {
        let shell = |text: &str| Instruction::Cmd(Command::Shell(text.to_owned()));
        assert_eq!(read("CMD a  'b' $c"), shell("a  'b' $c"));
        assert_eq!(read("CMD [\"a\"] b"), shell("[\"a\"] b"));
        assert_eq!(read("CMD ['a']"), shell("['a']"));
        let exec = Command::Exec(vec!["a".to_owned(), "$b".to_owned()]);
        assert_eq!(
            read("ENTRYPOINT [ \"a\" , \"$b\" ]"),
            Instruction::Entrypoint(exec)
        );
        assert_eq!(read("CMD []"), Instruction::Cmd(Command::Exec(vec![])));
        refused("CMD [\"a\", 1]", "strings");
        refused("RUN []", "nothing to run");
        refused("RUN", "nothing to run");
        refused("CMD", "no command");
    }

    #[test]
    fn a_list_in_single_quotes_is_no_list_and_that_is_told() {
        assert_eq!(warned("CMD ['a', 'b']"), ["ExecFormInvalid"]);
        assert_eq!(warned("ENTRYPOINT [\"a\",]"), ["ExecFormInvalid"]);
        assert_eq!(warned("RUN [ -d /x ]"), [""; 0]);
        assert_eq!(warned("RUN [\"a\"]"), [""; 0]);
    }

    #[test]
    fn run_takes_a_line_a_list_or_a_file() {
        let command = |text: &str| match read(text) {
            Instruction::Run(run) => run.command,
            other => panic!("{other:?}"),
        };
        let shell = |text: &str| RunCommand::Shell(text.to_owned());
        assert_eq!(command("RUN a \\\n && b"), shell("a  && b"));
        assert_eq!(command("RUN <<EOF\na\nb\nEOF"), shell("a\nb\n"));
        assert_eq!(command("RUN <<-EOF\n\ta\n\tEOF"), shell("a\n"));
        // What stands beside the heredoc is the shell's.
        assert_eq!(
            command("RUN cat <<-E >f\n\ta\n\tE"),
            shell("cat <<-E >f\n\ta\nE")
        );
        assert_eq!(
            command("RUN <<A <<B\na\nA\nb\nB"),
            shell("<<A <<B\na\nA\nb\nB")
        );
        let script = RunCommand::Script {
            name: "EOF".to_owned(),
            text: "#!/bin/awk -f\n".to_owned(),
        };
        assert_eq!(command("RUN <<EOF\n#!/bin/awk -f\nEOF"), script);
    }

    #[test]
    fn run_has_a_network_and_a_security() {
        let Instruction::Run(run) = read("RUN --network=none --security=insecure true") else {
            panic!()
        };
        assert_eq!(
            (run.network, run.security),
            (Network::None, Security::Insecure)
        );
        refused("RUN --network=nono true", "nono");
        assert_eq!(
            problem("RUN --network=hst true").remedy.unwrap(),
            "did you mean `host`?"
        );
        refused("RUN --network true", "no value");
        refused("RUN --mont=type=cache,target=/x true", "--mont");
    }

    #[test]
    fn copy_takes_paths_or_files_that_stand_below() {
        let Instruction::Copy(copy) = read("COPY --from=Build --chown=$u a* \"b\" /c/") else {
            panic!()
        };
        assert_eq!(copy.from.as_deref(), Some("Build"));
        assert_eq!(copy.chown, Some(Template::new("$u")));
        let paths = templates(&["a*", "\"b\""]).into_iter().map(Source::Path);
        assert_eq!(copy.sources.sources, paths.collect::<Vec<_>>());
        assert_eq!(copy.sources.destination.as_str(), "/c/");

        let lookup: Lookup<'_> = &|_| Some("v".to_owned());
        let Instruction::Copy(copy) = read("COPY x <<a.txt <<-'b' /c/\n$x\na.txt\n\t$x\n\tb")
        else {
            panic!()
        };
        let files: Vec<_> = copy
            .sources
            .sources
            .iter()
            .filter_map(|source| match source {
                Source::Inline(file) => Some((file.name(), file.content(lookup).unwrap())),
                Source::Path(_) => None,
            })
            .collect();
        assert_eq!(
            files,
            [("a.txt", "v\n".to_owned()), ("b", "$x\n".to_owned())]
        );
    }

    #[test]
    fn copy_without_source_or_with_a_strange_flag_is_refused() {
        refused("COPY a", "destination");
        refused("COPY", "destination");
        refused("COPY a <<EOF\nEOF", "write to a heredoc");
        refused("COPY <<'a b' /x\na b", "no word");
        refused("COPY --form=a b c", "--form");
        refused("COPY --link=maybe b c", "maybe");
        refused("COPY --from=a --from=b c d", "twice");
        refused("COPY --from=$x a b", "variable");
        refused("COPY --checksum=a b c", "--checksum");
        refused("ADD --from=a b c", "--from");
    }

    #[test]
    fn variables_are_set_in_either_form() {
        let pairs = |text: &str| match read(text) {
            Instruction::Env(pairs) | Instruction::Label(pairs) => {
                let text = |pair: &Pair| format!("{}|{}", pair.name, pair.value);
                pairs.iter().map(text).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(pairs("ENV a=b c=\"d e\" f="), ["a|b", "c|\"d e\"", "f|"]);
        assert_eq!(pairs("ENV a  b c=d "), ["a|b c=d"]);
        assert_eq!(pairs("LABEL \"a b\"=c"), ["\"a b\"|c"]);
        assert_eq!(warned("ENV a b"), ["LegacyKeyValueFormat"]);
        refused("ENV", "no argument");
        refused("ENV a", "no value");
        refused("ENV a=b c", "`c`");
        refused("ENV =b", "no name");
        refused("ENV a it's", "closing '");
    }

    #[test]
    fn arguments_have_a_default_or_none() {
        let argument = |name: &str, default: Option<&str>| Argument {
            name: name.to_owned(),
            default: default.map(Template::new),
        };
        let expected = [
            argument("a", None),
            argument("b", Some("")),
            argument("c", Some("\"d e\"")),
        ];
        assert_eq!(
            read("ARG a b= c=\"d e\""),
            Instruction::Arg(expected.to_vec())
        );
        refused("ARG", "no argument");
        refused("ARG =a", "no name");
    }

    #[test]
    fn lists_and_single_texts_are_taken_as_they_are() {
        assert_eq!(
            read("EXPOSE 80 $p 1-2/udp"),
            Instruction::Expose(templates(&["80", "$p", "1-2/udp"]))
        );
        assert_eq!(
            read("VOLUME /a /b"),
            Instruction::Volume(templates(&["/a", "/b"]))
        );
        assert_eq!(
            read("VOLUME [\"/a b\"]"),
            Instruction::Volume(templates(&["/a b"]))
        );
        assert_eq!(
            read("WORKDIR /a  b "),
            Instruction::Workdir(Template::new("/a  b"))
        );
        assert_eq!(read("USER a:b"), Instruction::User(Template::new("a:b")));
        assert_eq!(
            read("STOPSIGNAL 9"),
            Instruction::StopSignal(Template::new("9"))
        );
        refused("EXPOSE", "no argument");
        refused("VOLUME [\"\"]", "empty");
        refused("USER", "no argument");
        refused("WORKDIR --x /a", "--x");
        assert_eq!(warned("MAINTAINER a"), ["MaintainerDeprecated"]);
    }

    #[test]
    fn a_shell_is_a_list() {
        let words = vec!["/bin/bash".to_owned(), "-c".to_owned()];
        assert_eq!(
            read("SHELL [\"/bin/bash\", \"-c\"]"),
            Instruction::Shell(words)
        );
        for text in ["SHELL []", "SHELL /bin/bash", "SHELL"] {
            refused(text, "JSON list");
        }
    }

    #[test]
    fn a_healthcheck_is_a_command_or_none() {
        assert_eq!(
            read("HEALTHCHECK none"),
            Instruction::Healthcheck(Healthcheck::None)
        );
        let text = "HEALTHCHECK --interval=1m30s --retries=0 --start-period=0s cmd [\"a\"]";
        let Instruction::Healthcheck(Healthcheck::Check(check)) = read(text) else {
            panic!()
        };
        assert_eq!(check.command, Command::Exec(vec!["a".to_owned()]));
        assert_eq!(check.interval, Some(std::time::Duration::from_secs(90)));
        assert_eq!((check.retries, check.start_period), (None, None));
        refused("HEALTHCHECK", "checks nothing");
        refused("HEALTHCHECK NONE a", "nothing can follow");
        refused("HEALTHCHECK curl x", "curl");
        refused("HEALTHCHECK CMD", "no command");
        refused("HEALTHCHECK CMD []", "no command");
        refused("HEALTHCHECK --interval=30 CMD a", "not a time");
        refused("HEALTHCHECK --timeout=10us CMD a", "millisecond");
        refused("HEALTHCHECK --retries=-1 CMD a", "--retries");
    }

    #[test]
    fn a_trigger_holds_any_instruction_but_three() {
        let Instruction::Onbuild(trigger) = read("ONBUILD  copy <<EOF /a\nx\nEOF") else {
            panic!()
        };
        assert_eq!(trigger.text(), "copy <<EOF /a\nx\nEOF");
        assert_eq!(trigger.instruction().name(), "COPY");
        assert_eq!(
            super::super::Trigger::parse(trigger.text()).as_ref(),
            Ok(&trigger)
        );
        refused("ONBUILD", "no instruction");
        refused("ONBUILD ONBUILD RUN a", "ONBUILD cannot hold ONBUILD");
        refused("ONBUILD FROM a", "FROM");
        refused("ONBUILD maintainer a", "MAINTAINER");
        refused("ONBUILD RNU a", "unknown");
        for text in ["FROM a", "ONBUILD RUN a", "RUN a\nRUN b", "", "COPY a"] {
            assert!(super::super::Trigger::parse(text).is_err(), "{text}");
        }
    }
}
