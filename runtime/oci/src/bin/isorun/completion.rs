//! Completion scripts for bash, zsh and fish, from the tables of options.

use std::fmt::Write as _;

use crate::arguments::Opt;
use crate::arguments::options::GLOBAL;
use crate::arguments::table::{Entry, VERBS};
use crate::failure::Failure;

/// The script for `shell`.
pub(crate) fn script(shell: &str) -> Result<String, Failure> {
    match shell {
        "bash" => Ok(bash()),
        "zsh" => Ok(zsh()),
        "fish" => Ok(fish()),
        other => Err(Failure::new(
            format!("there is no completion for `{other}`"),
            "the shells are bash, zsh and fish",
        )),
    }
}

fn visible() -> impl Iterator<Item = &'static Entry> {
    VERBS.iter().filter(|v| !v.hidden)
}

/// What the first argument of a command is completed with.
enum Argument {
    Container,
    Command,
    Words(&'static str),
    Nothing,
}

fn argument(verb: &Entry) -> Argument {
    match verb.usage {
        "" => Argument::Nothing,
        usage if usage.starts_with("ID") => match verb.name {
            "create" | "run" => Argument::Nothing, // a new name
            _ => Argument::Container,
        },
        usage if usage.contains("COMMAND") => Argument::Command,
        words => Argument::Words(words),
    }
}

fn names(options: impl Iterator<Item = &'static Opt>) -> String {
    let mut text = String::new();
    for option in options {
        let _ = write!(text, "--{} ", option.long);
        if let Some(letter) = option.short {
            let _ = write!(text, "-{letter} ");
        }
    }
    text.trim_end().to_owned()
}

/// The options whose next word is a value.
fn with_value(options: impl Iterator<Item = &'static Opt>) -> String {
    names(options.filter(|o| o.takes.is_some())).replace(' ', "|")
}

fn bash() -> String {
    let commands: Vec<&str> = visible().map(|v| v.name).collect();
    let commands = commands.join(" ");
    let all = GLOBAL.iter().chain(visible().flat_map(Entry::own));
    let mut text = format!(
        "# bash completion for isorun: source it, or put it where bash-completion looks.
_isorun() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= id= options= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
        {with_value}) ((i++)) ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=${{COMP_WORDS[i]}}; else id=${{COMP_WORDS[i]}}; fi ;;
        esac
    done
    case $previous in
    --bundle|-b|--root|--cwd) COMPREPLY=($(compgen -d -- \"$word\")); return ;;
    {with_value}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;
    esac
    local arguments=
    case $command in
    '') arguments='{commands}' ;;
",
        with_value = with_value(all),
    );
    for verb in visible() {
        let arguments = match argument(verb) {
            Argument::Container => "$([[ -z $id ]] && isorun list --quiet 2>/dev/null)".to_owned(),
            Argument::Command => commands.clone(),
            Argument::Words(words) => words.replace('|', " "),
            Argument::Nothing => String::new(),
        };
        let _ = writeln!(
            text,
            "    {}) options='{}' arguments=\"{arguments}\" ;;",
            verb.name,
            names(verb.own())
        );
    }
    let _ = write!(
        text,
        "    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W \"$options {}\" -- \"$word\"))
    else
        COMPREPLY=($(compgen -W \"$arguments\" -- \"$word\"))
    fi
}}
complete -F _isorun isorun
",
        names(GLOBAL.iter())
    );
    text
}

fn zsh() -> String {
    let mut text = "#compdef isorun
# zsh completion for isorun: put it as _isorun into a directory of $fpath.
_isorun_containers() { compadd -- ${(f)\"$(isorun list --quiet 2>/dev/null)\"} }
_isorun() {
    local context state state_descr line
    typeset -A opt_args
    _arguments -C \\\n"
        .to_owned();
    zsh_options(&mut text, GLOBAL.iter());
    text.push_str("        '1:command:->command' '*::argument:->argument'\n    case $state in\n    command)\n        local -a commands=(\n");
    for verb in visible() {
        let _ = writeln!(text, "            '{}:{}'", verb.name, quoted(verb.about));
    }
    text.push_str("        )\n        _describe command commands ;;\n    argument)\n        case $line[1] in\n");
    for verb in visible() {
        let _ = writeln!(text, "        {})\n            _arguments \\", verb.name);
        zsh_options(&mut text, verb.own());
        let words = match argument(verb) {
            Argument::Container => "'1:container:_isorun_containers' '*:argument:()'".to_owned(),
            Argument::Command => {
                let all: Vec<&str> = visible().map(|v| v.name).collect();
                format!("'1:command:({})'", all.join(" "))
            }
            Argument::Words(words) => format!("'1:argument:({})'", words.replace('|', " ")),
            // With a message in its place zsh would list a match and not insert it.
            Argument::Nothing => "'*:argument:()'".to_owned(),
        };
        let _ = writeln!(text, "        {words} ;;");
    }
    text.push_str("        esac ;;\n    esac\n}\n_isorun \"$@\"\n");
    text
}

fn zsh_options(text: &mut String, options: impl Iterator<Item = &'static Opt>) {
    for option in options {
        let help = quoted(option.help).replace(['[', ']'], "");
        let value = match option.takes {
            Some("DIR") => ":directory:_directories".to_owned(),
            Some("FILE" | "SOCKET") => ":file:_files".to_owned(),
            Some(words) if words.contains('|') => format!(":value:({})", words.replace('|', " ")),
            Some(other) => format!(":{}: ", other.to_lowercase().replace(['[', ']', ':'], "")),
            None => String::new(),
        };
        let long = option.long;
        let _ = match option.short {
            Some(short) => writeln!(
                text,
                "        '(-{short} --{long})'{{-{short},--{long}}}'[{help}]{value}' \\"
            ),
            None => writeln!(text, "        '--{long}[{help}]{value}' \\"),
        };
    }
}

/// For zsh and fish: between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn fish() -> String {
    let commands: Vec<&str> = visible().map(|v| v.name).collect();
    let commands = commands.join(" ");
    let mut text = format!(
        "# fish completion for isorun: put it as isorun.fish into ~/.config/fish/completions.
complete -c isorun -f
set -l without 'not __fish_seen_subcommand_from {commands}'
"
    );
    fish_options(&mut text, "", GLOBAL.iter());
    for verb in visible() {
        let name = verb.name;
        let about = quoted(verb.about);
        let _ = writeln!(
            text,
            "complete -c isorun -n $without -a {name} -d '{about}'"
        );
        let seen = format!(" -n '__fish_seen_subcommand_from {name}'");
        match argument(verb) {
            Argument::Container => {
                let _ = writeln!(
                    text,
                    "complete -c isorun{seen} -a '(isorun list --quiet 2>/dev/null)'"
                );
            }
            Argument::Command => {
                let _ = writeln!(text, "complete -c isorun{seen} -a '{commands}'");
            }
            Argument::Words(words) => {
                let _ = writeln!(
                    text,
                    "complete -c isorun{seen} -a '{}'",
                    words.replace('|', " ")
                );
            }
            Argument::Nothing => {}
        }
        fish_options(&mut text, &seen, verb.own());
    }
    text
}

fn fish_options(text: &mut String, seen: &str, options: impl Iterator<Item = &'static Opt>) {
    for option in options {
        let short = option.short.map(|s| format!(" -s {s}")).unwrap_or_default();
        let value = match option.takes {
            Some("DIR") => " -x -a '(__fish_complete_directories)'".to_owned(),
            Some("FILE" | "SOCKET") => " -r -F".to_owned(),
            Some(words) if words.contains('|') => format!(" -x -a '{}'", words.replace('|', " ")),
            Some(_) => " -x".to_owned(),
            None => String::new(),
        };
        let help = quoted(option.help);
        let _ = writeln!(
            text,
            "complete -c isorun{seen} -l {}{short}{value} -d '{help}'",
            option.long
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// What a shell says of a script's syntax; `None` where it is not here.
    fn syntax(shell: &str, option: &str, script: &str) -> Option<String> {
        let mut child = Command::new(shell)
            .arg(option)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        child.stdin.take()?.write_all(script.as_bytes()).ok()?;
        let output = child.wait_with_output().ok()?;
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    #[test]
    fn every_script_names_every_command_and_option() {
        for shell in ["bash", "zsh", "fish"] {
            let script = script(shell).unwrap();
            for verb in visible() {
                assert!(script.contains(verb.name), "{shell}: {}", verb.name);
                for option in verb.own() {
                    assert!(script.contains(option.long), "{shell}: {}", option.long);
                }
            }
        }
        assert!(script("tcsh").unwrap_err().message.contains("tcsh"));
    }

    #[test]
    fn the_shells_that_are_here_accept_their_script() {
        for shell in ["bash", "zsh", "fish"] {
            if let Some(complaint) = syntax(shell, "-n", &script(shell).unwrap()) {
                assert_eq!(complaint, "", "{shell}");
            }
        }
    }

    #[test]
    fn bash_completes_commands_options_and_directories() {
        let ask = "
            complete_line() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _isorun; echo \"${COMPREPLY[*]}\"; }
            complete_line isorun cre; complete_line isorun --root /x run --no-p
            complete_line isorun completion z; complete_line isorun run --bundle /pro";
        let output = Command::new("bash")
            .arg("-c")
            .arg(format!("{}{ask}", bash()))
            .output();
        if let Ok(output) = output {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(said, "create\n--no-pivot\nzsh\n/proc\n", "{output:?}");
        }
    }

    /// What `shell` says, or `None` where it is not here.
    fn say(shell: &str, arguments: &[&str]) -> Option<String> {
        let output = Command::new("timeout")
            .args(["-s", "KILL", "20", shell])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .ok()?;
        // timeout(1) has it that 127 is a command that is not there.
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code() != Some(127)).then_some(said)
    }

    #[test]
    fn fish_completes_commands_and_options() {
        let ask = "complete -C 'isorun cre'; complete -C 'isorun --root /x run --no-p'
            complete -C 'isorun completion z'; complete -C 'isorun --log-format j'";
        let script = format!("{}{ask}", fish());
        let Some(said) = say("fish", &["--no-config", "-c", &script]) else {
            return;
        };
        let words: Vec<_> = said.lines().filter_map(|l| l.split('\t').next()).collect();
        assert_eq!(words, ["create", "--no-pivot", "zsh", "json"], "{said}");
    }

    /// Typed at a terminal, since zsh completes nowhere else.
    #[test]
    fn zsh_completes_commands_and_options() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("_isorun"), zsh()).unwrap();
        let path = directory.path().to_str().unwrap();
        let script = r#"zmodload zsh/zpty; zpty z zsh -f -i
            zpty -w z "PS1=; fpath=($1 \$fpath); autoload -U compinit; compinit -u -D; echo UP''UP"
            zpty -r z line "*UPUP*"
            complete() { zpty -w -n z "$1"$'\t'; zpty -r z line "*$2*"; print found $2; zpty -w -n z $'\x15' }
            complete 'isorun cre' 'isorun create'
            complete 'isorun run --det' 'run --detach'
            complete 'isorun --debug kill --al' 'kill --all'"#;
        let Some(said) = say("zsh", &["-f", "-c", script, "zsh", path]) else {
            return;
        };
        assert_eq!(said.matches("found").count(), 3, "{said}");
    }
}
