//! The invariants of docs/ARCHITECTURE.md, each as a test: a picture of the code
//! that nobody checks is soon a picture of something else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The only places where `unsafe` may be written.
const UNSAFE_ROOMS: [&str; 3] = ["runtime/oci/src/sys/", "vm-model/src/kvm/", "workload/"];

/// For each crate of ours, the crates of ours that it may use.
const ARROWS: [(&str, &[&str]); 5] = [
    ("isolab-oci", &[]),
    ("isolab-engine", &["isolab-oci"]),
    ("venv-sim", &[]),
    ("vm-model", &[]),
    (
        "isolab",
        &["isolab-engine", "isolab-oci", "venv-sim", "vm-model"],
    ),
];

/// Where each crate lies.
const CRATES: [(&str, &str); 5] = [
    ("isolab", "src"),
    ("isolab-oci", "runtime/oci/src"),
    ("isolab-engine", "runtime/engine/src"),
    ("venv-sim", "venv-sim/src"),
    ("vm-model", "vm-model/src"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust source of the workspace: path from the root, and text.
fn sources() -> Vec<(String, String)> {
    let tops = [
        "src", "runtime", "venv-sim", "vm-model", "workload", "benches", "tests", "book",
    ];
    let mut pending: Vec<PathBuf> = tops.iter().map(|top| root().join(top)).collect();
    pending.push(root().join("build.rs"));
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() && !path.ends_with("target") {
            pending.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// A line of code without its comment and without what stands in quotes.
fn code(line: &str) -> String {
    let mut parts = line.split('"');
    let outside: String = parts.by_ref().step_by(2).collect();
    outside.split("//").next().unwrap_or_default().to_owned()
}

#[test]
fn arrows_between_crates_run_one_way() {
    let manifests = [
        "Cargo.toml",
        "runtime/oci/Cargo.toml",
        "runtime/engine/Cargo.toml",
        "venv-sim/Cargo.toml",
    ];
    let mut seen = 0;
    for manifest in manifests.into_iter().chain(["vm-model/Cargo.toml"]) {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let package = text.split("[package]").nth(1).unwrap();
        let name = package
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .unwrap();
        let name = name.trim_matches('"');
        let allowed = ARROWS.iter().find(|(from, _)| *from == name).unwrap().1;
        let dependencies = package.split("[dependencies]").nth(1).unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for (other, _) in ARROWS {
            let used = dependencies.lines().any(|line| {
                line.strip_prefix(other)
                    .is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
            });
            assert!(
                !used || allowed.contains(&other),
                "{name} must not depend on {other}"
            );
            seen += usize::from(used);
        }
    }
    assert!(
        seen >= 4,
        "only {seen} arrows found: the test no longer reads the manifests"
    );
}

#[test]
fn unsafe_is_written_in_its_rooms_only() {
    let mut inside = 0;
    for (path, text) in sources() {
        let lines = text.lines().filter(|line| says_unsafe(&code(line)));
        let count = lines.count();
        if UNSAFE_ROOMS.iter().any(|room| path.starts_with(room)) {
            inside += count;
        } else {
            assert_eq!(
                count, 0,
                "`unsafe` in {path}, which is not one of {UNSAFE_ROOMS:?}"
            );
        }
    }
    assert!(
        inside > 0,
        "no `unsafe` anywhere: the test no longer sees it"
    );
}

/// Whether the keyword stands in `code`; `unsafe-inline` is a word of HTML.
fn says_unsafe(code: &str) -> bool {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    code.split(|c: char| !part_of_word(c))
        .any(|word| word == "unsafe")
}

#[test]
fn every_file_says_why_it_exists() {
    for (path, text) in sources() {
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        assert!(first.starts_with("//!"), "{path} does not begin with `//!`");
    }
}

#[test]
fn no_module_imports_itself_through_others() {
    for (name, dir) in CRATES {
        let imports = imports_of(dir);
        assert!(imports.len() > 1, "no modules found in {dir}");
        for module in imports.keys() {
            let mut path = vec![module.as_str()];
            assert!(
                !reaches(&imports, module, module, &mut path, &mut BTreeSet::new()),
                "a circle in {name}: {}",
                path.join(" -> ")
            );
        }
    }
}

/// Top-level modules of a crate, and the top-level modules that each uses.
/// `lib.rs` and `main.rs`, which hold the rest together, do not count.
fn imports_of(dir: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in sources() {
        let Some(rest) = path
            .strip_prefix(dir)
            .and_then(|rest| rest.strip_prefix('/'))
        else {
            continue;
        };
        let module = rest.split(['/', '.']).next().unwrap().to_owned();
        if matches!(module.as_str(), "lib" | "main" | "bin") {
            continue;
        }
        let uses = imports.entry(module.clone()).or_default();
        // A file of tests is cut off as tests at a file's end are.
        if rest.ends_with("/tests.rs") || rest.contains("/tests/") {
            continue;
        }
        let text: String = text
            .split("#[cfg(test)]")
            .next()
            .unwrap_or_default()
            .to_owned();
        let code: String = text.lines().map(|line| code(line) + "\n").collect();
        for after in code.split("crate::").skip(1) {
            let names = match after.strip_prefix('{') {
                Some(list) => top_level_names(list),
                None => vec![leading_name(after)],
            };
            uses.extend(names.into_iter().filter(|name| *name != module));
        }
    }
    let known: BTreeSet<String> = imports.keys().cloned().collect();
    for uses in imports.values_mut() {
        uses.retain(|used| known.contains(used));
    }
    imports
}

fn leading_name(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// The first names in `a::b, c::{d, e}, f}`.
fn top_level_names(list: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![String::new()];
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth == 0 => names.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    names.iter().map(|name| leading_name(name.trim())).collect()
}

fn reaches<'a>(
    imports: &'a BTreeMap<String, BTreeSet<String>>,
    from: &str,
    goal: &str,
    path: &mut Vec<&'a str>,
    visited: &mut BTreeSet<String>,
) -> bool {
    for next in &imports[from] {
        path.push(next);
        if next == goal {
            return true;
        }
        if visited.insert(next.clone()) && reaches(imports, next, goal, path, visited) {
            return true;
        }
        path.pop();
    }
    false
}

#[test]
fn the_readmes_commands_are_those_that_ci_runs() {
    let has_line = |path: &str, wanted: &str| {
        let text = fs::read_to_string(root().join(path)).unwrap();
        text.lines().any(|line| line.trim() == wanted)
    };
    for command in ["cargo run --release -- compare", "cargo test --workspace"] {
        assert!(
            has_line("README.md", command),
            "README.md lacks `{command}`"
        );
        assert!(has_line(".ci/run", command), ".ci/run lacks `{command}`");
    }
}

#[test]
fn a_circle_would_be_found() {
    let uses = |name: &str| BTreeSet::from([name.to_owned()]);
    let imports = BTreeMap::from([
        ("a".into(), uses("b")),
        ("b".into(), uses("c")),
        ("c".into(), uses("a")),
    ]);
    let mut path = vec!["a"];
    assert!(reaches(&imports, "a", "a", &mut path, &mut BTreeSet::new()));
    assert_eq!(path, ["a", "b", "c", "a"]);
}
