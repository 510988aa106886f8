//! `isolab history`: how an image came to be, step by step.

use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::image::{Descriptor, History};
use serde_json::json;

use super::when::ago;
use super::{image_of, size, store};
use crate::stdout;
use crate::verbs::table::table;

/// What `history` is asked to show.
#[derive(Debug, clap::Args)]
pub struct HistoryArgs {
    /// The image
    image: String,
    /// Show whole instructions
    #[arg(long)]
    no_trunc: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The width that an instruction is cut at.
const WIDTH: usize = 60;

/// Does it.
///
/// # Errors
/// If there is no such image.
pub fn history(args: &HistoryArgs) -> Result<ExitCode> {
    let store = store()?;
    let image = image_of(&store, &store.resolve(&args.image)?)?;
    let mut layers = image.manifest.layers.iter();
    let mut steps: Vec<(History, Option<&Descriptor>)> = Vec::new();
    for step in image.config.history {
        let layer = if step.empty_layer {
            None
        } else {
            layers.next()
        };
        steps.push((step, layer));
    }
    // A layer that no step tells of is there all the same.
    steps.extend(layers.map(|layer| (History::default(), Some(layer))));
    steps.reverse();
    if args.json {
        let steps: Vec<_> = steps
            .iter()
            .map(|(step, layer)| {
                json!({
                    "created": step.created, "created_by": step.created_by,
                    "comment": step.comment, "layer": layer.map(|layer| &layer.digest),
                    "packed_bytes": layer.map(|layer| layer.size),
                })
            })
            .collect();
        let told = json!({ "schema": "isolab.history/1", "id": image.manifest.config.digest, "steps": steps });
        stdout::print(format!("{told:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |(step, layer): &(History, Option<&Descriptor>)| {
        let by = step.created_by.as_deref().unwrap_or_default();
        let by = by.split_whitespace().collect::<Vec<_>>().join(" ");
        let by = if args.no_trunc { by } else { cut(&by) };
        vec![
            ago(step.created.as_deref()),
            by,
            layer.map_or(String::new(), |layer| layer.digest.short().to_owned()),
            layer.map_or("0 B".to_owned(), |layer| size(layer.size)),
            step.comment.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<_> = steps.iter().map(row).collect();
    let header = ["CREATED", "CREATED BY", "LAYER", "PACKED", "COMMENT"];
    stdout::print(table(&header, &rows, None))?;
    Ok(ExitCode::SUCCESS)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
