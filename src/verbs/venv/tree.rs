//! `isolab venv tree`: who needs whom.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::installed::{Mark, Node};

use super::place::Place;
use super::show::names;
use crate::report::text::shown;
use crate::{hint, stdout, terminal};

/// What `venv tree` is asked to draw.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "(*) its requirements are shown above; (cycle) it stands above itself.\n\
    Exits with 1 if one of the names is not installed."
)]
pub struct Args {
    /// Only these, and what is below them
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    #[command(flatten)]
    place: Place,
    /// Show who needs each, instead of what each needs
    #[arg(long, visible_alias = "reverse")]
    invert: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, its interpreter cannot be asked, or a name is not installed.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let only = names(&args.names)?;
    let seen = args.place.read()?;
    if let Some(absent) = only.iter().find(|name| seen.installed.find(name).is_none()) {
        let dir = seen.chosen.environment.dir.display();
        let message = format!("{absent} is not installed in {dir}");
        return Err(hint::with(message, seen.list_hint()));
    }
    let markers = seen.interpreter()?.markers;
    let trees = seen.installed.tree(&markers, args.invert, &only);
    stdout::print(if args.json {
        let trees: Vec<Value> = trees.iter().map(described).collect();
        let tree = json!({
            "schema": "isolab.venv.tree/1",
            "environment": seen.chosen.environment.dir,
            "inverted": args.invert,
            "trees": trees,
        });
        format!("{tree:#}\n")
    } else {
        let signs = if terminal::speaks_unicode() {
            UNICODE
        } else {
            ASCII
        };
        let mut text = String::new();
        for tree in &trees {
            draw(tree, "", &signs, &mut text);
        }
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn described(node: &Node) -> Value {
    let mark = node.mark.map(|mark| match mark {
        Mark::Missing => "missing",
        Mark::Conflict => "conflict",
        Mark::Cycle => "cycle",
        Mark::Shown => "shown",
    });
    let below: Vec<Value> = node.below.iter().map(described).collect();
    json!({
        "name": node.written_name,
        "version": node.version.as_ref().map(ToString::to_string),
        "required": node.asked,
        "mark": mark,
        "below": below,
    })
}

/// What branches are drawn with: to one of several, to the last, past it, and past the last.
type Signs = [&'static str; 4];
const UNICODE: Signs = ["├── ", "└── ", "│   ", "    "];
const ASCII: Signs = ["|-- ", "`-- ", "|   ", "    "];

fn draw(node: &Node, indent: &str, signs: &Signs, text: &mut String) {
    text.push_str(&line(node));
    text.push('\n');
    let last = node.below.len().saturating_sub(1);
    for (index, below) in node.below.iter().enumerate() {
        let [to, past] = match index == last {
            false => [signs[0], signs[2]],
            true => [signs[1], signs[3]],
        };
        text.push_str(indent);
        text.push_str(to);
        draw(below, &format!("{indent}{past}"), signs, text);
    }
}

fn line(node: &Node) -> String {
    let name = &node.written_name;
    let version = node.version.as_ref().map(|version| format!(" {version}"));
    let asked = node
        .asked
        .as_ref()
        .filter(|asked| *asked != node.name.as_str());
    let asked = asked.map(|asked| format!(" [{asked}]"));
    let mark = match node.mark {
        Some(Mark::Missing) => " (missing)",
        Some(Mark::Conflict) => " (conflict)",
        Some(Mark::Cycle) => " (cycle)",
        Some(Mark::Shown) => " (*)",
        None => "",
    };
    let line = format!(
        "{name}{}{}{mark}",
        version.unwrap_or_default(),
        asked.unwrap_or_default()
    );
    shown(&line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, mark: Option<Mark>, below: Vec<Node>) -> Node {
        Node {
            name: name.parse().unwrap(),
            written_name: name.to_owned(),
            version: Some("1.0".parse().unwrap()),
            asked: None,
            mark,
            below,
        }
    }

    #[test]
    fn branches_end_where_nothing_follows() {
        let leaf = |name| node(name, None, vec![]);
        let tree = node(
            "app",
            None,
            vec![
                node("web", None, vec![leaf("core")]),
                node("core", Some(Mark::Shown), vec![]),
            ],
        );
        let mut text = String::new();
        draw(&tree, "", &ASCII, &mut text);
        assert_eq!(
            text,
            "app 1.0\n|-- web 1.0\n|   `-- core 1.0\n`-- core 1.0 (*)\n"
        );
    }
}
