//! `isolab venv show`: all that is known of a distribution.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::{Distribution, MarkerEnvironment, Name};

use super::place::{Place, Seen};
use crate::report::text::shown;
use crate::{hint, stderr, stdout};

/// What `venv show` is asked to show.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 if one of them is not installed.")]
pub struct Args {
    /// The distributions
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Also list its files
    #[arg(short, long)]
    files: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or none of the names is installed in it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let names = names(&args.names)?;
    let seen = args.place.read()?;
    let markers = seen.interpreter()?.markers;
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for name in &names {
        match seen.installed.find(name) {
            Some(one) => found.push(facts(&seen, one, &markers, args.files)),
            None => missing.push(name.as_str()),
        }
    }
    let dir = seen.chosen.environment.dir.display();
    let message = format!("not installed in {dir}: {}", missing.join(", "));
    if found.is_empty() {
        return Err(hint::with(message, seen.list_hint()));
    }
    stdout::print(if args.json {
        let found: Vec<Value> = found.iter().map(Facts::json).collect();
        let shown =
            json!({ "schema": "isolab.venv.show/1", "packages": found, "missing": missing });
        format!("{shown:#}\n")
    } else {
        let found: Vec<String> = found.iter().map(Facts::text).collect();
        found.join("\n")
    })?;
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    stderr::tell(format_args!("warning: {message}"));
    Ok(ExitCode::FAILURE)
}

/// The names that were typed, normalized.
pub(super) fn names(typed: &[String]) -> Result<Vec<Name>> {
    let name = |text: &String| {
        text.parse::<Name>()
            .map_err(|why| hint::with(why.to_string(), "give names without versions or extras"))
    };
    typed.iter().map(name).collect()
}

/// What is shown: a title and its value each.
struct Facts {
    fields: Vec<(&'static str, Value)>,
}

fn facts(seen: &Seen, one: &Distribution, markers: &MarkerEnvironment, files: bool) -> Facts {
    let requires = seen.installed.requires(one, markers).into_iter();
    let mut requires: Vec<String> = requires.map(|needed| needed.name.to_string()).collect();
    requires.sort();
    requires.dedup();
    let by = seen.installed.required_by(one.name(), markers).into_iter();
    let by: Vec<String> = by.map(|one| one.written_name.clone()).collect();
    let header = |name: &str| json!(one.header(name).filter(|value| value != "UNKNOWN"));
    let license = match header("License-Expression") {
        Value::Null => header("License"),
        license => license,
    };
    let mut fields = vec![
        ("Name", json!(one.written_name)),
        ("Version", json!(one.version().to_string())),
        ("Summary", json!(one.metadata.summary)),
        ("Home-page", header("Home-page")),
        ("Author", header("Author")),
        ("License", license),
        ("Location", json!(one.location)),
        (
            "Direct-url",
            json!(one.direct_url.as_ref().map(|from| &from.url)),
        ),
        ("Editable", json!(one.is_editable())),
        ("Installer", json!(one.installer)),
        ("Requested", json!(one.is_requested)),
        (
            "Requires-Python",
            json!(
                one.metadata
                    .requires_python
                    .as_ref()
                    .map(ToString::to_string)
            ),
        ),
        ("Requires", json!(requires)),
        ("Required-by", json!(by)),
    ];
    if files {
        fields.push(match one.files() {
            Ok(files) => {
                let files = files.into_iter().map(|file| file.recorded);
                ("Files", json!(files.collect::<Vec<_>>()))
            }
            Err(why) => ("Files-unknown", json!(why)),
        });
    }
    Facts { fields }
}

impl Facts {
    fn json(&self) -> Value {
        let key = |title: &str| title.to_lowercase().replace('-', "_");
        let fields = self.fields.iter();
        fields
            .map(|(title, value)| (key(title), value.clone()))
            .collect()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (title, value) in &self.fields {
            let _ = match value {
                Value::Null => Ok(()),
                Value::Bool(value) => {
                    writeln!(text, "{title}: {}", if *value { "yes" } else { "no" })
                }
                Value::Array(files) if *title == "Files" => {
                    let files = files.iter().filter_map(Value::as_str);
                    let lines: String = files.map(|file| format!("  {}\n", shown(file))).collect();
                    write!(text, "{title}:\n{lines}")
                }
                Value::Array(names) => {
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    writeln!(text, "{title}: {}", shown(&names.join(", ")))
                }
                // A licence may be the whole text of one.
                value => {
                    let value = value.as_str().unwrap_or_default();
                    let (first, more) = value.split_once('\n').unwrap_or((value, ""));
                    let more = if more.is_empty() { "" } else { " …" };
                    writeln!(text, "{title}: {}{more}", shown(first))
                }
            };
        }
        text
    }
}
