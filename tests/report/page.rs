//! The page, as a browser, a screen reader and an enemy meet it.

use std::collections::BTreeSet;

use isolab::report::{Report, page, plot};
use proptest::prelude::*;

use crate::{anything, synthetic};

fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    page.split(start.as_str())
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect()
}

/// Tags that are opened are closed, in order.
fn assert_well_formed(page: &str) {
    const VOID: [&str; 2] = ["meta", "!doctype"];
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.trim_end_matches('/').split([' ', '\n']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "before {open:?}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_needs_nothing_else() {
    let page = page::render(&synthetic::full()).unwrap();
    for forbidden in [
        "<script",
        "<link",
        "<iframe",
        "<img",
        " src=",
        "@import",
        "javascript:",
        "url(http",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
}

#[test]
fn every_figure_stands_over_a_table_of_its_values() {
    let report = synthetic::full();
    let page = page::render(&report).unwrap();
    let figures = plot::FigureId::all().count();
    assert_eq!(page.matches("<figcaption>").count(), figures);
    assert_eq!(
        page.matches("role=\"img\"").count(),
        2 * figures,
        "a wide and a narrow one"
    );
    assert_eq!(page.matches(": the values</caption>").count(), figures);
    let rows = page.matches("<th scope=\"row\">").count();
    assert_eq!(rows, report.observations.len());
}

#[test]
fn headings_links_and_regions_can_be_reached_by_keyboard() {
    let page = page::render(&synthetic::full()).unwrap();
    assert_well_formed(&page);
    let ids = values(&page, "id");
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "an id is given twice");
    for link in values(&page, "href") {
        let target = link.strip_prefix('#').expect("links stay on the page");
        assert!(unique.contains(target), "{link} leads nowhere");
    }
    for labels in values(&page, "aria-labelledby") {
        assert!(labels.split(' ').all(|id| unique.contains(id)), "{labels}");
    }
    let scrolling = page.matches("class=\"scroll\"").count();
    assert_eq!(
        page.matches("role=\"region\" tabindex=\"0\" aria-label=")
            .count(),
        scrolling
    );
    assert_eq!(page.matches("<h1>").count(), 1);
}

#[test]
fn markup_in_a_report_is_text_on_the_page() {
    let attack = "</style><script>alert(1)</script><img src=x onerror=alert(1)>\"'`";
    let mut report = synthetic::full();
    let e = &mut report.environment;
    for field in [
        &mut e.os,
        &mut e.cpu,
        &mut e.kernel,
        &mut e.cgroup,
        &mut e.virtualization,
        &mut e.filesystem,
        &mut e.isolab,
        &mut e.arch,
    ] {
        attack.clone_into(field);
    }
    e.tools.insert(attack.to_owned(), attack.to_owned());
    report.created = attack.to_owned();
    report.warnings = vec![attack.to_owned()];
    report.missing[0].why = attack.to_owned();
    report.missing[0].remedy = Some(attack.to_owned());
    for o in &mut report.observations {
        o.warnings = vec![attack.to_owned()];
        o.conditions.insert(attack.to_owned(), attack.to_owned());
        if let isolab::observation::Evidence::Modelled { sources, .. } = &mut o.evidence {
            attack.clone_into(&mut sources[0].name);
            attack.clone_into(&mut sources[0].value);
            attack.clone_into(&mut sources[0].conditions);
            attack.clone_into(&mut sources[0].citation);
        }
    }
    let page = page::render(&report).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"));
    assert!(page.contains("&lt;script&gt;"));
    assert_well_formed(&page);
    assert!(!plot::svg(&report).unwrap().contains("<script"));
}

#[test]
fn the_findings_are_those_of_the_data() {
    let page = page::render(&synthetic::full()).unwrap();
    let lead = page
        .split("<p class=\"lead\">")
        .nth(1)
        .unwrap()
        .split("</p>")
        .next()
        .unwrap();
    assert!(
        lead.contains("a container adds") && lead.contains("a virtual environment adds"),
        "{lead}"
    );
    assert!(
        !lead.contains("virtual machine"),
        "an emulated guest has no part in it: {lead}"
    );

    let mut alike = synthetic::full();
    let process = alike.observations.iter().find(|o| {
        o.subject == isolab::observation::Subject::Process
            && o.workload == isolab::observation::Workload::Python
            && o.state == Some(isolab::observation::State::AfterIdle)
    });
    let evidence = process.unwrap().evidence.clone();
    for o in &mut alike.observations {
        if o.evidence.measured().is_some() && o.state == Some(isolab::observation::State::AfterIdle)
        {
            o.evidence = evidence.clone();
        }
    }
    let page = page::render(&alike).unwrap();
    let neither = "neither a virtual environment nor a container makes a difference";
    assert!(page.contains(neither));
    assert!(page.contains(">within noise<"));
}

#[test]
fn few_samples_that_overlap_settle_nothing() {
    use isolab::observation::{Evidence, State, Subject, Workload};
    let mut report = synthetic::quick();
    for o in &mut report.observations {
        if o.workload == Workload::Python && o.state == Some(State::AfterIdle) {
            if o.subject == Subject::Vm {
                o.state = Some(State::BackToBack);
            }
            let samples = match o.subject {
                Subject::Process => vec![0.040, 0.042, 0.060],
                Subject::Venv => vec![0.025, 0.034, 0.052],
                _ => vec![0.080, 0.090, 0.100],
            };
            o.evidence = Evidence::Measured { samples };
        }
    }
    report
        .observations
        .retain(|o| o.subject != Subject::Vm || o.state != Some(State::AfterIdle));
    let page = page::render(&report).unwrap();
    assert!(
        page.contains("a virtual environment makes no difference that so few samples could show")
    );
    assert!(
        page.contains("a container adds 48.0"),
        "all of its samples lie beyond"
    );
    assert!(
        page.contains("(started back to back)"),
        "a guest without that state is shown in another"
    );
}

#[test]
fn what_takes_nothing_every_time_is_no_noise() {
    use isolab::observation::{Evidence, Metric, Subject};
    let mut report = synthetic::full();
    for o in &mut report.observations {
        let nobody_shares = matches!(o.subject, Subject::Process | Subject::Container);
        if o.metric == Metric::DiskOneMore && nobody_shares {
            o.evidence = Evidence::Measured {
                samples: vec![0.0; 40],
            };
        }
    }
    let page = page::render(&report).unwrap();
    let container = page.split("class=\"card container").nth(1).unwrap();
    let card = container.split("</div>").next().unwrap();
    assert!(
        card.contains("<span>disk, one more</span> <b>none</b>"),
        "{card}"
    );
}

#[test]
fn an_empty_report_is_a_page_too() {
    let mut report = synthetic::full();
    report.observations.clear();
    report.interrupted = true;
    let page = page::render(&report).unwrap();
    assert_well_formed(&page);
    assert!(page.contains("No start-up was measured.") && page.contains("interrupted"));
}

fn assert_sane(report: &Report) {
    let page = page::render(report).unwrap();
    assert_well_formed(&page);
    assert!(
        !page.contains("NaN") && !page.contains(">inf"),
        "a number is none"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_report_is_a_page(report in anything::report()) {
        assert_sane(&report);
    }
}
