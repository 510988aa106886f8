//! The class as one page: the strips, the table, and who predicted what.

use super::{Class, Guess, guesses, render, svg};
use crate::report::Error;
use crate::report::quantity::{digits, human};
use crate::report::text::escaped;

/// A page that needs nothing else and runs nothing.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn page(class: &Class) -> Result<String, Error> {
    let title = "What isolation costs in this class";
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n"
    );
    page += &svg(class)?;
    if !guesses(class).is_empty() {
        predictions(&mut page, class);
    }
    page += &format!(
        "<h2>Over all machines</h2>\n<pre>{}</pre>\n</main>\n</body>\n</html>\n",
        preformatted(&render(class, 80))
    );
    Ok(page)
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#1B1F24;background:#FFFFFE}svg{max-width:100%;height:auto}table{border-collapse:collapse}\
    th,td{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #E4E8EC;vertical-align:top}\
    pre{overflow-x:auto}";

fn predictions(page: &mut String, class: &Class) {
    *page += "<h2>Predicted</h2>\n<table>\n<thead><tr><th scope=\"col\">machine</th><th scope=\"col\">question</th>\
        <th scope=\"col\">predicted</th><th scope=\"col\">measured</th><th scope=\"col\">off by</th>\
        <th scope=\"col\">sure</th><th scope=\"col\">because</th></tr></thead>\n<tbody>\n";
    for machine in &class.machines {
        for guess in &machine.predictions {
            *page += &row(machine.label(), guess);
        }
    }
    *page += "</tbody>\n</table>\n";
}

fn row(label: &str, guess: &Guess) -> String {
    let measured = guess
        .measured
        .map_or_else(|| "not measured".to_owned(), |v| human(v, guess.unit));
    let off = guess
        .score
        .map(|score| format!("{}×", digits(score.factor)));
    let sure = guess.confidence.map(|percent| format!("{percent} %"));
    let cells = [
        label.to_owned(),
        guess.question.to_string(),
        human(guess.predicted, guess.unit),
        measured,
        off.unwrap_or_default(),
        sure.unwrap_or_default(),
        guess.reason.clone().unwrap_or_default(),
    ];
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{}</td>", escaped(cell)))
        .collect();
    format!("<tr>{cells}</tr>\n")
}

/// Lines as they are; what is in them is text.
fn preformatted(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escaped).collect();
    lines.join("\n")
}
