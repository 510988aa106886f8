//! mdBook's preprocessor for this book: every figure is drawn and every number
//! written from a report that the lab measured, by the lab's own code.
//!
//! ```text
//! {{#figure FILE ID caption="…" alt="…"}}
//! {{#number FILE SUBJECT WORKLOAD METRIC [STATE] [what=…]}}
//! {{#environment FILE FIELD}}
//! {{#mark EVIDENCE}}
//! ```
//!
//! `FILE` lies in the book's `data/`. What cannot be replaced fails the build
//! with its file and line: prose may be wrong, but never out of step with the
//! data it speaks of.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use isolab::report::{self, Report};
use serde_json::Value;

mod directive;
mod environment;
mod error;
mod figure;
mod mark;
mod number;
mod words;

use directive::Directive;
pub use error::{Failure, Problem};

/// Replaces the directives of every chapter of `book`, which is mdBook's JSON.
/// `root` is the folder of `book.toml`, `source` the one of the chapters,
/// relative to it.
///
/// # Errors
/// Every directive that cannot be replaced.
pub fn process(book: &mut Value, root: &Path, source: &Path) -> Result<(), Vec<Failure>> {
    let mut reports = Reports::new(root.join("data"));
    let mut failures = Vec::new();
    let items = book.get_mut("items").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        process_item(item, source, &mut reports, &mut failures);
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// A chapter and those below it; separators and part titles are passed over.
fn process_item(
    item: &mut Value,
    source: &Path,
    reports: &mut Reports,
    failures: &mut Vec<Failure>,
) {
    let Some(chapter) = item.get_mut("Chapter") else {
        return;
    };
    let file = source.join(chapter["source_path"].as_str().unwrap_or("?"));
    if let Some(content) = chapter["content"].as_str() {
        chapter["content"] = Value::String(replace(content, &file, reports, failures));
    }
    for below in chapter["sub_items"].as_array_mut().into_iter().flatten() {
        process_item(below, source, reports, failures);
    }
}

/// `content` with its directives replaced.
fn replace(
    content: &str,
    file: &Path,
    reports: &mut Reports,
    failures: &mut Vec<Failure>,
) -> String {
    let mut replaced = String::with_capacity(content.len());
    let mut copied = 0;
    for found in directive::find_all(content) {
        replaced.push_str(&content[copied..found.span.start]);
        copied = found.span.end;
        match found
            .directive
            .and_then(|directive| expand(&directive, reports))
        {
            Ok(html) => replaced.push_str(&html),
            Err(problem) => {
                failures.push(Failure {
                    file: file.to_owned(),
                    line: found.line,
                    problem,
                });
            }
        }
    }
    replaced.push_str(&content[copied..]);
    replaced
}

/// What stands in the page in place of `directive`.
fn expand(directive: &Directive<'_>, reports: &mut Reports) -> Result<String, Problem> {
    match directive.name {
        "figure" => figure::expand(directive, reports),
        "number" => number::expand(directive, reports),
        "environment" => environment::expand(directive, reports),
        "mark" => mark::expand(directive),
        name => Err(Problem::UnknownDirective {
            name: name.to_owned(),
        }),
    }
}

/// The reports of the book, each read once.
struct Reports {
    folder: PathBuf,
    read: BTreeMap<String, Report>,
}

impl Reports {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            read: BTreeMap::new(),
        }
    }

    fn get(&mut self, file: &str) -> Result<&Report, Problem> {
        if !self.read.contains_key(file) {
            let report = report::load(&self.folder.join(file))?;
            self.read.insert(file.to_owned(), report);
        }
        Ok(&self.read[file])
    }
}
