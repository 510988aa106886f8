//! The book against what it shows and tells the reader to type.
//!
//! mdBook replaces an anchor that is not there by nothing, and exits as if all
//! were well. And no tool at all notices a command whose option was renamed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Programs that are not ours: each is on every machine that the book is for,
/// or the chapter says which package has it.
const OF_THE_SYSTEM: [&str; 18] = [
    // coreutils, util-linux, procps
    "cat",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "readlink",
    "wc",
    "hostname",
    "id",
    "ps",
    "unshare",
    "mount",
    "ipcmk",
    "ipcs",
    "lsns",
    "sed",
    "sh",
    // what `isolab venv create demo` has made
    "demo/bin/python",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A chapter's file and text.
struct Chapter {
    file: PathBuf,
    text: String,
}

fn chapters() -> Vec<Chapter> {
    let folder = root().join("book/src");
    let files = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = files.filter(|file| file.extension().is_some_and(|e| e == "md"));
    let chapters: Vec<_> = pages
        .map(|file| Chapter {
            text: fs::read_to_string(&file).unwrap(),
            file,
        })
        .collect();
    assert!(
        chapters.len() > 6,
        "the book has six chapters and a summary"
    );
    chapters
}

/// What stands between `open` and the next `close`, each time.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let after = text.split(open).skip(1);
    after
        .filter_map(|rest| rest.split_once(close))
        .map(|(inside, _)| inside.trim())
        .collect()
}

/// Why the listing `include` of a file in `folder` would not show what it should.
fn fault_of_include(folder: &Path, include: &str) -> Option<String> {
    let Some((path, anchor)) = include.split_once(':') else {
        return Some(format!(
            "{include}: without an anchor it shows a whole file"
        ));
    };
    if anchor.is_empty() || anchor.starts_with(|c: char| c.is_ascii_digit()) {
        return Some(format!("{include}: line numbers drift, anchors do not"));
    }
    let Ok(source) = fs::read_to_string(folder.join(path)) else {
        return Some(format!("{include}: there is no such file"));
    };
    let lines_with = |word: &str| -> Vec<usize> {
        let is = |line: &str| {
            line.split_once(word)
                .is_some_and(|(_, name)| name.trim() == anchor)
        };
        source
            .lines()
            .enumerate()
            .filter(|(_, line)| is(line))
            .map(|(n, _)| n)
            .collect()
    };
    match (&lines_with("ANCHOR:")[..], &lines_with("ANCHOR_END:")[..]) {
        ([], _) => Some(format!("{include}: there is no such anchor")),
        ([open], [close]) if open + 1 < *close => None,
        (_, []) => Some(format!("{include}: the anchor is never closed")),
        _ => Some(format!(
            "{include}: the anchor is empty, closed too early or not the only one"
        )),
    }
}

#[test]
fn every_listing_of_the_book_exists_and_is_closed() {
    let mut listings = 0;
    for Chapter { file, text } in chapters() {
        for directive in ["{{#include", "{{#rustdoc_include"] {
            for include in between(&text, directive, "}}") {
                listings += 1;
                let fault = fault_of_include(file.parent().unwrap(), include);
                assert!(fault.is_none(), "{}: {}", file.display(), fault.unwrap());
            }
        }
    }
    assert!(
        listings >= 6,
        "the container chapter shows the runtime's steps"
    );
}

#[test]
fn a_listing_that_shows_nothing_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let source = "// ANCHOR: a\nx\n// ANCHOR_END: a\n// ANCHOR: b\ny\n\
                  // ANCHOR: c\n// ANCHOR_END: c\n// ANCHOR_END: d\n// ANCHOR: d\n";
    fs::write(dir.path().join("s.rs"), source).unwrap();
    let fault = |include| fault_of_include(dir.path(), include);
    assert_eq!(fault("s.rs:a"), None);
    for include in [
        "s.rs:b", "s.rs:c", "s.rs:d", "s.rs:e", "s.rs:ab", "t.rs:a", "s.rs", "s.rs:1:2",
    ] {
        assert!(fault(include).is_some(), "{include}");
    }
}

#[test]
fn the_summary_names_every_chapter_and_no_other() {
    let mut files: Vec<String> = chapters()
        .iter()
        .map(|chapter| {
            chapter
                .file
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    files.retain(|name| name != "SUMMARY.md");
    files.sort();
    let summary = fs::read_to_string(root().join("book/src/SUMMARY.md")).unwrap();
    let mut named = between(&summary, "](", ")");
    named.sort_unstable();
    assert_eq!(named, files);
}

/// The commands of a script: a line each, unless a quote is open at its end.
fn commands(script: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut command = String::new();
    for line in script.lines() {
        command.push_str(line);
        if command.matches('\'').count() % 2 == 1 || command.matches('"').count() % 2 == 1 {
            command.push('\n');
            continue;
        }
        commands.push(std::mem::take(&mut command));
    }
    assert!(command.is_empty(), "a quote is never closed: {command}");
    commands.retain(|command| !command.trim().is_empty());
    commands
}

/// The simple commands of one line, each in words, the quotes gone.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut all = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | ';' | '|') => {
                all.last_mut().unwrap().extend(word.take());
                if c != ' ' {
                    all.push(Vec::new());
                }
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    all.last_mut().unwrap().extend(word);
    all
}

/// Why a reader could not run `line`.
fn fault_of_command(line: &str) -> Option<String> {
    simple_commands(line).iter().find_map(|words| {
        let (program, arguments) = words.split_first()?;
        // Whatever `sh -c` is given is a script of its own.
        let scripts = words
            .windows(3)
            .filter(|w| w[0] == "sh" && w[1] == "-c")
            .map(|w| &w[2]);
        let inner = scripts
            .flat_map(|script| commands(script))
            .find_map(|c| fault_of_command(&c));
        let missing = words
            .iter()
            .find(|w| w.starts_with("book/") && !root().join(w).exists());
        let missing = missing.map(|path| format!("{path} is not there"));
        let own = match program.as_str() {
            "isolab" => refused(&isolab(arguments)),
            "isorun" => isorun(arguments),
            "cargo" => fault_of_cargo(arguments),
            other if OF_THE_SYSTEM.contains(&other) => None,
            other => Some(format!("`{other}` is a program that nobody promised")),
        };
        inner.or(missing).or(own)
    })
}

/// With `--help` at its end a command line is read, and refused if it is wrong,
/// but nothing is done.
fn isolab(arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
    command.args(arguments).arg("--help").output().unwrap()
}

/// The same for the runtime, which belongs to another package and gives its
/// help whatever the verb.
fn isorun(arguments: &[String]) -> Option<String> {
    let built = Path::new(env!("CARGO_BIN_EXE_isolab")).with_file_name("isorun");
    let mut command = if built.exists() {
        Command::new(built)
    } else {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "run",
            "--quiet",
            "--offline",
            "--package",
            "isolab-oci",
            "--bin",
            "isorun",
            "--",
        ]);
        cargo
    };
    let output = command
        .args(arguments)
        .arg("--help")
        .current_dir(root())
        .output()
        .unwrap();
    let verb = format!("isorun {} ", arguments.first().map_or("", String::as_str));
    let knows = output
        .stdout
        .windows(verb.len())
        .any(|text| text == verb.as_bytes());
    refused(&output).or((!knows).then(|| format!("there is no `{verb}`")))
}

fn refused(output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success()).then_some(said)
}

/// Of cargo the book installs what lies at a path.
fn fault_of_cargo(arguments: &[String]) -> Option<String> {
    let path = arguments
        .windows(2)
        .find(|w| w[0] == "--path")
        .map(|w| root().join(&w[1]));
    let there = path.is_some_and(|path| path.join("Cargo.toml").is_file());
    (!there).then(|| "it names no package of ours".to_owned())
}

#[test]
fn every_command_of_the_book_can_be_typed() {
    let mut typed = 0;
    for Chapter { file, text } in chapters() {
        let blocks = between(&text, "```sh\n", "\n```")
            .into_iter()
            .flat_map(commands);
        let inline = text.split('`').skip(1).step_by(2);
        let inline =
            inline.filter(|code| code.starts_with("isolab ") || code.starts_with("isorun "));
        for line in blocks.chain(inline.map(str::to_owned)) {
            typed += 1;
            let fault = fault_of_command(&line);
            assert!(
                fault.is_none(),
                "{}: `{line}`: {}",
                file.display(),
                fault.unwrap()
            );
        }
    }
    assert!(typed > 20, "each chapter has commands, {typed} were found");
}

#[test]
fn a_command_that_cannot_be_typed_is_found() {
    for line in [
        "isolab compare --subject process",
        "isolab compare --subjects docker",
        "isolab compair",
        "isolab report book/data/none.json",
        "isorun walk",
        "cargo install --path runtime/none",
        "git clone x",
        "unshare --user sh -c 'isolab compair'",
        "ls | grep x",
    ] {
        assert!(fault_of_command(line).is_some(), "{line}");
    }
    assert_eq!(
        fault_of_command("unshare --user sh -c 'hostname box; hostname'"),
        None
    );
}
