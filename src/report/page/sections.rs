//! The table under a figure: every value with every interval.

use crate::observation::{Evidence, Subject};
use crate::report::comparison::{Compared, Section};
use crate::report::quantity::{digits, human};
use crate::report::text::escaped;
use crate::statistics::{Range, Summary};

const HEADS: [&str; 8] = [
    "evidence",
    "n",
    "median",
    "95 % interval",
    "added",
    "95 % interval",
    "ratio",
    "95 % interval",
];

/// Appends the table of `sections` with what `title` calls them.
pub(super) fn table(page: &mut String, sections: &[&Section<'_>], title: &str) {
    let title = title.replace('`', "");
    let heads = HEADS.map(|head| {
        let class = if head == "evidence" {
            " class=\"word\""
        } else {
            ""
        };
        format!("<th scope=\"col\"{class}>{head}</th>")
    });
    *page += &format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Values: {title}\"><table>\n\
         <caption>{title}: the values</caption>\n<thead><tr><td></td>{}</tr></thead>\n",
        heads.concat()
    );
    for section in sections {
        *page += &format!(
            "<tbody>\n<tr><th class=\"section\" scope=\"rowgroup\" colspan=\"9\">{}</th></tr>\n",
            escaped(&section.title())
        );
        for row in &section.rows {
            self::row(page, row);
        }
        page.push_str("</tbody>\n");
    }
    page.push_str("</table></div>\n");
}

fn row(page: &mut String, row: &Compared<'_>) {
    let unit = row.observation.unit;
    let quantity = |v: f64| human(v, unit);
    let factor = |v: f64| format!("{}×", digits(v));
    let signed = |s: Summary| {
        let sign = if s.median > 0.0 { "+" } else { "" };
        format!("{sign}{}", human(s.median, unit))
    };
    let is_baseline = row.observation.subject == Subject::Process
        && row.observation.evidence.measured().is_some();
    let range = match (&row.observation.evidence, row.summary) {
        (Evidence::Modelled { low, high, .. }, _) => {
            format!("{} to {}, range", quantity(*low), quantity(*high))
        }
        (_, Some(s)) if s.n > 1 => span(s, &quantity),
        _ => String::new(),
    };
    let compared = |s: Option<Summary>, show: &dyn Fn(f64) -> String| {
        s.filter(|s| matches!(s.range, Range::Interval { .. }))
            .map(|s| span(s, show))
            .unwrap_or_default()
    };
    let cells = [
        row.summary.map(|s| s.n.to_string()).unwrap_or_default(),
        quantity(row.centre()),
        range,
        if is_baseline {
            "baseline".to_owned()
        } else {
            row.added.map(signed).unwrap_or_default()
        },
        compared(row.added, &quantity),
        row.ratio.map(|s| factor(s.median)).unwrap_or_default(),
        compared(row.ratio, &factor),
    ];
    let measured = row.observation.evidence.measured().is_some();
    let cells: String = cells
        .iter()
        .map(|cell| format!("<td>{cell}</td>"))
        .collect();
    *page += &format!(
        "<tr{}><th scope=\"row\">{}</th><td class=\"word\">{}</td>{cells}</tr>\n",
        if measured {
            ""
        } else {
            " class=\"unmeasured\""
        },
        row.observation.subject,
        row.observation.evidence.kind(),
    );
}

fn span(summary: Summary, show: &dyn Fn(f64) -> String) -> String {
    let (low, high) = summary.range.ends();
    let mark = match summary.range {
        Range::Interval { .. } => "",
        Range::Extremes { .. } => ", all",
    };
    format!("{} to {}{mark}", show(low), show(high))
}
