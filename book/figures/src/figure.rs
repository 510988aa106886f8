//! `{{#figure FILE ID caption="…" alt="…"}}`: a figure, drawn by the report's
//! own code.
//!
//! It is drawn twice, for a wide and for a narrow column, and the style sheet
//! shows the one that fits: a figure scaled down to a telephone has letters that
//! nobody can read.

use isolab::report::plot::{Figure, FigureId, figure_at};
use isolab::report::text::escaped;

use crate::Reports;
use crate::directive::Directive;
use crate::error::Problem;

/// Widths to draw for, in CSS pixels: mdBook's text column, and a telephone's.
/// The style sheet's name for each goes with it.
const WIDTHS: [(&str, u32); 2] = [("wide", 740), ("narrow", 350)];

/// The HTML of the figure that `directive` asks for.
///
/// # Errors
/// [`Problem`] if it lacks a caption or alternative text, or the report has no
/// such figure.
pub(crate) fn expand(directive: &Directive<'_>, reports: &mut Reports) -> Result<String, Problem> {
    directive.allow_options(&["caption", "alt"])?;
    let [file, id] = directive.words[..] else {
        let why = "wanted are FILE ID caption=\"…\" alt=\"…\"".to_owned();
        return Err(Problem::Arguments { why });
    };
    let words = |option: &'static str, what: &'static str| {
        let text = directive.option(option).unwrap_or_default().trim();
        let mute = || Problem::Mute {
            figure: id.to_owned(),
            what,
        };
        (!text.is_empty()).then_some(text).ok_or_else(mute)
    };
    let (caption, alt) = (words("caption", "caption")?, words("alt", "alt text")?);
    let parsed: FigureId = id.parse().map_err(|why| Problem::Arguments { why })?;
    let report = reports.get(file)?;
    let mut drawn = Vec::new();
    for (name, width) in WIDTHS {
        let figure = figure_at(report, parsed, width)?.ok_or_else(|| Problem::NoDatum {
            what: format!("figure `{id}`"),
            why: format!("{file} has nothing to show in it"),
        })?;
        drawn.push((name, figure));
    }
    Ok(html(id, &drawn, caption, alt))
}

/// One block of HTML: a blank line within it would end the block and begin
/// Markdown again.
fn html(id: &str, drawn: &[(&str, Figure)], caption: &str, alt: &str) -> String {
    let mut html = format!("<figure class=\"drawn\" id=\"figure-{}\">\n", escaped(id));
    for (name, figure) in drawn {
        let lines = figure
            .svg
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        html.push_str(&format!(
            "<div class=\"{name}\" role=\"img\" aria-label=\"{} {}\">{}</div>\n",
            escaped(alt),
            escaped(&figure.alt),
            lines.collect::<String>()
        ));
    }
    let provenance = drawn
        .first()
        .map(|(_, figure)| figure.caption.as_str())
        .unwrap_or_default();
    html.push_str(&format!(
        "<figcaption>{} <small>{}</small></figcaption>\n</figure>\n",
        escaped(caption),
        escaped(provenance)
    ));
    html
}
