//! The report as one page that needs nothing else: no network, no scripts, no
//! files beside it.
//!
//! Whatever a report says is text on it and never markup; the policy in its head
//! would keep even a mistake here from fetching or running anything.

mod findings;
mod sections;

use super::comparison::{Section, compare};
use super::plot::{self, FigureId, Group};
use super::text::escaped;
use super::words::{conditions_of, warnings_of};
use super::{Error, Report, explainers};
use crate::observation::{Evidence, Metric, Source, Workload};

/// What people come for first; the bare cost of the subjects explains it.
const WORKLOADS: [Workload; 3] = [Workload::Python, Workload::True, Workload::Library];

/// A figure for phones.
const NARROW: u32 = 360;

/// The page of `report`.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn render(report: &Report) -> Result<String, Error> {
    let sections = compare(report);
    let mut page = String::with_capacity(1 << 20);
    head(&mut page, report, &sections);
    page.push_str("<main id=\"main\">\n");
    findings::append(&mut page, &sections);
    for workload in WORKLOADS {
        workload_part(&mut page, report, &sections, workload)?;
    }
    untrusted(&mut page, report);
    method(&mut page, report, &sections);
    machine(&mut page, report);
    page.push_str("</main>\n");
    page.push_str(
        "<footer class=\"muted\"><p>Drawn by Isolab from the report's JSON alone: \
         <code>isolab report FILE.json -o page.html</code> draws it again without measuring.</p>\
         <p>Set in Inter by the Inter Project Authors, under the SIL Open Font License 1.1.</p></footer>\n\
         </body>\n</html>\n",
    );
    Ok(page)
}

fn head(page: &mut String, report: &Report, sections: &[Section<'_>]) {
    let e = &report.environment;
    let title = "What isolation costs on this machine";
    let links = WORKLOADS
        .into_iter()
        .filter(|w| sections.iter().any(|s| s.workload == *w))
        .map(|w| format!("<li><a href=\"#{w}\">{w}</a></li>"));
    *page += &format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; font-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{}{}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the findings</a>\n\
         <header>\n<h1>{title}</h1>\n<p class=\"lead\">{}</p>\n\
         <p class=\"muted\">{}, {} CPU{}, Linux {}. Measured {}.</p>\n\
         <nav aria-label=\"On this page\"><ul><li><a href=\"#findings\">Findings</a></li>{}\
         <li><a href=\"#method\">Method</a></li><li><a href=\"#machine\">Machine</a></li></ul></nav>\n\
         </header>\n",
        plot::font_faces(),
        include_str!("style.css"),
        findings::lead(sections),
        escaped(&e.cpu),
        e.cpus,
        if e.cpus == 1 { "" } else { "s" },
        escaped(&e.kernel),
        escaped(&report.created.replace('T', " ").replace('Z', " UTC")),
        links.collect::<String>(),
    );
}

fn workload_part(
    page: &mut String,
    report: &Report,
    sections: &[Section<'_>],
    workload: Workload,
) -> Result<(), Error> {
    if !sections.iter().any(|s| s.workload == workload) {
        return Ok(());
    }
    *page += &format!(
        "<section aria-labelledby=\"{workload}\">\n<h2 id=\"{workload}\">{workload}</h2>\n\
         <p>{}.</p>\n",
        code(&capitalized(explainers::workload(workload)))
    );
    for group in Group::ALL {
        let id = FigureId { workload, group };
        let own = plot::of_figure(sections, id);
        let wide = plot::draw_figure(report, sections, id, plot::WIDTH)?;
        let narrow = plot::draw_figure(report, sections, id, NARROW)?;
        let (Some(wide), Some(narrow)) = (wide, narrow) else {
            continue;
        };
        let about: Vec<&str> = group
            .metrics()
            .iter()
            .map(|m| explainers::metric(*m))
            .collect();
        *page += &format!(
            "<div class=\"keep\"><h3 id=\"{id}\">{}</h3>\n<p class=\"muted\">{}</p>\n<figure>\n\
             <div class=\"wide\">{}</div>\n<div class=\"narrow\">{}</div>\n\
             <figcaption>{}</figcaption>\n</figure></div>\n",
            group.title(),
            about.join(" "),
            wide.svg,
            narrow.svg,
            escaped(&wide.caption),
        );
        sections::table(page, &own, &wide.title);
    }
    page.push_str("</section>\n");
    Ok(())
}

/// What is missing and what not to trust.
fn untrusted(page: &mut String, report: &Report) {
    if !report.missing.is_empty() {
        page.push_str(
            "<section aria-labelledby=\"missing\"><h2 id=\"missing\">Not measured</h2>\n",
        );
        let items = report.missing.iter().map(|m| {
            let remedy = m
                .remedy
                .iter()
                .map(|remedy| format!("<span class=\"remedy\">To get it: {}</span>", code(remedy)));
            let remedy: String = remedy.collect();
            format!(
                "<li><b>{}, {}</b>: {}{remedy}</li>\n",
                m.subject,
                m.workload,
                code(&m.why)
            )
        });
        *page += &format!(
            "<ul class=\"notes\">{}</ul></section>\n",
            items.collect::<String>()
        );
    }
    let mut warnings = warnings_of(report);
    if report.interrupted {
        warnings.insert(
            0,
            "The run was interrupted: this is what had been measured by then.".to_owned(),
        );
    }
    if !warnings.is_empty() {
        let items = warnings.iter().map(|w| format!("<li>{}</li>\n", code(w)));
        *page += &format!(
            "<section aria-labelledby=\"warnings\"><h2 id=\"warnings\">Reasons for caution</h2>\n\
             <ul class=\"notes\">{}</ul></section>\n",
            items.collect::<String>()
        );
    }
}

fn method(page: &mut String, report: &Report, sections: &[Section<'_>]) {
    let s = &report.settings;
    *page += &format!(
        "<section aria-labelledby=\"method\"><h2 id=\"method\">Method</h2>\n\
         <p>Every subject ran the same workloads, started one at a time in an order shuffled by seed {}, \
         so that drift of the machine hits all alike; {} runs were asked for{}. Numbers are medians. \
         Intervals are bootstrap 95 % intervals of the median, and are given from ten samples on. What is \
         added, and the ratio, compare measured medians with those of a bare process: evidence that is \
         emulated or modelled enters neither.</p>\n<dl>\n",
        s.seed,
        s.runs,
        if s.quick { ", in quick mode" } else { "" },
    );
    for kind in ["measured", "emulated", "modelled"] {
        let used = sections.iter().flat_map(|s| &s.rows);
        if used
            .clone()
            .any(|row| row.observation.evidence.kind() == kind)
        {
            *page += &format!("<dt>{kind}</dt><dd>{}</dd>\n", explainers::evidence(kind));
        }
    }
    for state in crate::observation::State::ALL {
        if sections.iter().any(|s| s.state == Some(state)) {
            *page += &format!("<dt>{state}</dt><dd>{}</dd>\n", explainers::state(state));
        }
    }
    for metric in Metric::ALL {
        if sections.iter().any(|s| s.metric == metric) {
            let about = code(explainers::metric(metric));
            *page += &format!("<dt>{}</dt><dd>{about}</dd>\n", metric.title());
        }
    }
    page.push_str("</dl>\n");
    conditions(page, report);
    sources(page, report);
    page.push_str("</section>\n");
}

fn conditions(page: &mut String, report: &Report) {
    let conditions = conditions_of(report);
    if conditions.is_empty() {
        return;
    }
    page.push_str("<h3 id=\"conditions\">Conditions</h3>\n");
    let rows = conditions.iter().map(|(condition, concerned)| {
        format!(
            "<tr><td>{}</td><td>{}</td></tr>\n",
            escaped(condition),
            escaped(concerned)
        )
    });
    let rows: String = rows.collect();
    prose_table(
        page,
        "What held while observations were taken",
        &["condition", "of"],
        &rows,
    );
}

/// Every figure that a model rests on, each once.
fn sources(page: &mut String, report: &Report) {
    let mut sources: Vec<&Source> = Vec::new();
    for o in &report.observations {
        if let Evidence::Modelled { sources: own, .. } = &o.evidence {
            for source in own {
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
    }
    if sources.is_empty() {
        return;
    }
    page.push_str("<h3 id=\"sources\">What the model rests on</h3>\n");
    let rows = sources.iter().map(|s| {
        let cells = [&s.name, &s.value, &s.conditions, &s.citation].map(|cell| escaped(cell));
        format!("<tr><td>{}</td></tr>\n", cells.join("</td><td>"))
    });
    let rows: String = rows.collect();
    let heads = ["figure", "value", "taken under", "published in"];
    prose_table(page, "Figures with their sources", &heads, &rows);
}

fn prose_table(page: &mut String, caption: &str, heads: &[&str], rows: &str) {
    let heads = heads
        .iter()
        .map(|head| format!("<th scope=\"col\">{head}</th>"));
    *page += &format!(
        "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\"><table class=\"prose\">\
         <caption>{caption}</caption><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table></div>\n",
        heads.collect::<String>()
    );
}

fn machine(page: &mut String, report: &Report) {
    let e = &report.environment;
    let user = if e.root { "root" } else { "an ordinary user" };
    let memory = format!("{:.1} GiB", e.memory_bytes as f64 / f64::from(1u32 << 30));
    let load = format!("{:.2} before, {:.2} after", e.load_before, e.load_after);
    let tools: Vec<String> = e
        .tools
        .iter()
        .map(|(tool, version)| format!("{tool} {version}"))
        .collect();
    page.push_str("<section aria-labelledby=\"machine\"><h2 id=\"machine\">Machine</h2>\n<dl>\n");
    for (name, value) in [
        ("Processor", &format!("{}, {} usable", e.cpu, e.cpus)),
        ("Memory", &memory),
        ("System", &e.os),
        ("Kernel", &format!("Linux {} {}", e.kernel, e.arch)),
        ("Runs inside", &e.virtualization),
        ("Control groups", &e.cgroup),
        ("File system", &e.filesystem),
        ("Run as", &user.to_owned()),
        ("Load average", &load),
        ("Isolab", &e.isolab),
        ("Tools", &tools.join("; ")),
    ] {
        *page += &format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value));
    }
    page.push_str("</dl></section>\n");
}

/// Escaped text in which what stands in backticks is set as code.
fn code(text: &str) -> String {
    let text = escaped(text);
    let mut out = String::with_capacity(text.len());
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick at the end encloses nothing.
    let paired = parts.len() % 2 == 1;
    for (i, part) in parts.iter().enumerate() {
        match (i % 2 == 1, paired || i + 1 < parts.len()) {
            (true, true) => out += &format!("<code>{part}</code>"),
            (true, false) => out += &format!("`{part}"),
            (false, _) => out.push_str(part),
        }
    }
    out
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_set_code_and_nothing_else() {
        assert_eq!(code("run `a <b>` now"), "run <code>a &lt;b&gt;</code> now");
        assert_eq!(code("an odd ` tick"), "an odd ` tick");
        assert_eq!(code("`a` and `b"), "<code>a</code> and `b");
    }
}
