//! What is understood, and what is refused by name.

use super::{Given, Key, table};
use crate::failure::Failure;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// The command, one option's value, and the positional arguments.
fn check(line: &str, verb: &str, key: Key, value: Option<&str>, positionals: &[&str]) {
    let words = words(line);
    let mut given = Given::default();
    if let Err(failure) = given.scan(&words) {
        panic!("{line}: {}", failure.message);
    }
    assert_eq!(given.verb().map(|v| v.name), Some(verb), "{line}");
    assert_eq!(given.value(key), value, "{line}");
    assert_eq!(given.rest(0), positionals, "{line}");
}

fn refused(line: &str, word: &str) -> Failure {
    let words = words(line);
    let failure = Given::default().scan(&words).expect_err(line);
    assert!(
        failure.message.contains(word),
        "{line}: {}",
        failure.message
    );
    assert!(failure.hint.is_some(), "{line}");
    failure
}

#[test]
fn options_come_before_and_after_positionals() {
    for line in [
        "run -b /b x",
        "run x -b /b",
        "--bundle=/b run x",
        "-b /b run x",
        "run --bundle /b -- x",
        "run -b/b x",
        "run -b=/b x",
        "run -bundle /b x",
        "run -d -b /a x --bundle /b",
        "run -db/b x",
    ] {
        check(line, "run", Key::Bundle, Some("/b"), &["x"]);
    }
}

#[test]
fn global_options_come_before_and_after_the_command() {
    for line in [
        "--root /r state x",
        "state x --root=/r",
        "state --root /r x",
    ] {
        check(line, "state", Key::Root, Some("/r"), &["x"]);
    }
}

#[test]
fn every_option_of_every_command_is_taken_at_each_place() {
    for verb in table::VERBS.iter().filter(|v| !v.hidden) {
        let id = if verb.count.1 == 0 {
            vec![]
        } else {
            vec!["bash"]
        };
        for option in verb.own().chain(super::options::GLOBAL) {
            if (verb.name, option.key) == ("spec", Key::Rootless) {
                continue; // hidden by its own
            }
            let long = format!("--{}", option.long);
            let value = option.takes.map_or("true", |_| "json");
            let typed: Vec<&str> = match option.takes {
                Some(_) => vec![&long, value],
                None => vec![&long],
            };
            let name = [verb.name];
            let mut places = vec![
                [&name[..], &typed[..], &id[..]],
                [&name[..], &id[..], &typed[..]],
            ];
            if option.key != Key::SpecRootless {
                places.push([&typed[..], &name[..], &id[..]]);
            }
            // What follows the id of `ps` is for ps(1), but for the format.
            if verb.name == "ps" && !matches!(option.key, Key::Format | Key::Json | Key::Help) {
                places.remove(1);
            }
            for place in places {
                let words: Vec<String> = place.concat().iter().map(|&w| w.to_owned()).collect();
                let mut given = Given::default();
                if let Err(failure) = given.scan(&words) {
                    panic!("{words:?}: {}", failure.message);
                }
                assert_eq!(given.value(option.key), Some(value), "{words:?}");
                assert_eq!(given.rest(0), id, "{words:?}");
            }
        }
    }
}

#[test]
fn a_slip_is_answered_with_what_may_have_been_meant() {
    for (line, meant) in [
        ("strat x", "isorun start"),
        ("run --bundel /b x", "`--bundle`"),
        ("--rooot /r list", "`--root`"),
        ("exec --enviroment A=b x sh", "lists them"),
        ("run --frob x", "lists them"),
    ] {
        let hint = refused(line, "`").hint.unwrap_or_default();
        assert!(hint.contains(meant), "{line}: {hint}");
    }
}

#[test]
fn a_flag_may_say_that_it_is_not_set() {
    check("run -d x", "run", Key::Detach, Some("true"), &["x"]);
    check(
        "run --detach=false x",
        "run",
        Key::Detach,
        Some("false"),
        &["x"],
    );
    check(
        "--systemd-cgroup=1 start x",
        "start",
        Key::SystemdCgroup,
        Some("true"),
        &["x"],
    );
    refused("run --detach=maybe x", "--detach=maybe");
}

#[test]
fn a_value_may_begin_with_a_dash() {
    check(
        "update --memory -1 x",
        "update",
        Key::Memory,
        Some("-1"),
        &["x"],
    );
    check("update -r - x", "update", Key::Resources, Some("-"), &["x"]);
}

#[test]
fn what_follows_the_program_of_exec_is_the_programs() {
    let command = ["x", "ls", "-e", "--", "-x"];
    check("exec x ls -e -- -x", "exec", Key::Env, None, &command);
    check(
        "exec -e A=b x ls -e -- -x",
        "exec",
        Key::Env,
        Some("A=b"),
        &command,
    );
    check(
        "exec x -e A=b ls -e -- -x",
        "exec",
        Key::Env,
        Some("A=b"),
        &command,
    );
    check("exec x -- ls -e -- -x", "exec", Key::Env, None, &command);
    check("exec -- x ls -e -- -x", "exec", Key::Env, None, &command);
    check("exec -t x", "exec", Key::Tty, Some("true"), &["x"]);
    check(
        "exec x --process p.json",
        "exec",
        Key::Process,
        Some("p.json"),
        &["x"],
    );
    check(
        "exec -dt x top",
        "exec",
        Key::Detach,
        Some("true"),
        &["x", "top"],
    );
}

#[test]
fn options_after_the_id_of_ps_are_those_of_ps() {
    check("ps x -ef", "ps", Key::Format, None, &["x", "-ef"]);
    check(
        "ps x -o pid,comm",
        "ps",
        Key::Format,
        None,
        &["x", "-o", "pid,comm"],
    );
    check("ps x -f", "ps", Key::Format, None, &["x", "-f"]);
    check("ps x -f json", "ps", Key::Format, Some("json"), &["x"]);
    check(
        "ps x --format=json",
        "ps",
        Key::Format,
        Some("json"),
        &["x"],
    );
    check(
        "ps --format table x -u 0",
        "ps",
        Key::Format,
        Some("table"),
        &["x", "-u", "0"],
    );
}

#[test]
fn spec_and_everybody_have_a_rootless_of_their_own() {
    check(
        "spec --rootless",
        "spec",
        Key::SpecRootless,
        Some("true"),
        &[],
    );
    check(
        "--rootless auto spec",
        "spec",
        Key::Rootless,
        Some("auto"),
        &[],
    );
    check(
        "--rootless=true run x",
        "run",
        Key::Rootless,
        Some("true"),
        &["x"],
    );
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    refused("run x --frob", "--frob");
    refused("fly x", "fly");
    refused("run", "ID");
    refused("run x y", "`y`");
    refused("start x --force", "--force");
    refused("--force start x", "--force");
    refused("run x -b", "--bundle");
    refused("run -z x", "-z");
    refused("-f json list", "`-f`");
    refused("--bundle /b", "no command");
    refused("completion", "bash");
}

#[test]
fn an_empty_id_is_no_id() {
    let words = ["delete".to_owned(), String::new()];
    let failure = Given::default().scan(&words).unwrap_err();
    assert!(failure.message.contains("empty"), "{}", failure.message);
}

#[test]
fn what_came_before_a_mistake_is_known() {
    let words = words("--log /l run --frob x");
    let mut given = Given::default();
    assert!(given.scan(&words).is_err());
    assert_eq!(given.value(Key::Log), Some("/l"));
}

#[test]
fn no_command_has_two_options_of_one_name() {
    for verb in table::VERBS {
        let mut seen: Vec<String> = Vec::new();
        for option in verb.own() {
            let short = option.short.map(|s| format!("-{s}"));
            for name in short.into_iter().chain([format!("--{}", option.long)]) {
                assert!(!seen.contains(&name), "{}: {name}", verb.name);
                seen.push(name);
            }
        }
    }
}

#[test]
fn a_number_that_is_none_is_refused_with_its_option() {
    let words = words("update --memory lots x");
    let mut given = Given::default();
    given.scan(&words).unwrap();
    let failure = given.number::<i64>(Key::Memory).unwrap_err();
    assert!(failure.message.contains("--memory"), "{}", failure.message);
    assert!(failure.message.contains("lots"), "{}", failure.message);
}

proptest::proptest! {
    #[test]
    fn whatever_is_typed_is_understood_or_refused(
        words in proptest::collection::vec("(-{0,3})[a-z=?é-]{0,6}|run|exec|ps|update|x", 0..7),
    ) {
        let mut given = Given::default();
        if let Err(failure) = given.scan(&words) {
            proptest::prop_assert!(!failure.message.is_empty());
        }
    }

    #[test]
    fn a_program_gets_its_words_as_they_were_typed(
        words in proptest::collection::vec("[-a-z=]{0,5}", 0..5),
    ) {
        let mut line = vec!["exec".to_owned(), "-t".to_owned(), "x".to_owned(), "ls".to_owned()];
        line.extend(words.clone());
        let mut given = Given::default();
        given.scan(&line).unwrap();
        proptest::prop_assert_eq!(given.rest(2), words);
    }
}
