//! What the numbers come to, in a sentence and a card for each subject, drawn
//! from the data and from nothing else.

use crate::observation::{Evidence, Metric, State, Subject, Unit, Workload};
use crate::report::comparison::{Compared, Section};
use crate::report::quantity::{self, digits};
use crate::statistics::{Range, Summary};

/// The state that a person who types commands lives in comes first.
const STATES: [State; 3] = [State::AfterIdle, State::BackToBack, State::First];

/// A quantity that no line break divides.
fn human(value: f64, unit: Unit) -> String {
    quantity::human(value, unit).replace(' ', "\u{a0}")
}

/// One sentence for the head of the page.
pub(super) fn lead(sections: &[Section<'_>]) -> String {
    let workload = super::WORKLOADS
        .into_iter()
        .find(|w| startup(sections, *w).is_some());
    let Some(section) = workload.and_then(|w| startup(sections, w)) else {
        return "No start-up was measured.".to_owned();
    };
    let parts = clauses(&section.rows);
    let process = section
        .rows
        .iter()
        .find(|row| row.observation.subject == Subject::Process);
    let process = process.filter(|row| row.observation.evidence.measured().is_some());
    let what = match section.workload {
        Workload::Python => "a Python program",
        Workload::Library => "a Django site",
        Workload::True => "a program that does nothing",
    };
    let Some(process) = process else {
        return "Nothing can be compared: the bare process was not measured.".to_owned();
    };
    let begins = format!(
        "Here {what} is ready {} after a bare start",
        human(process.centre(), process.observation.unit)
    );
    match parts.as_slice() {
        [] => format!("{begins}."),
        [only] => format!("{begins}; {only}."),
        [most @ .., last] => format!("{begins}; {}, and {last}.", most.join(", ")),
    }
}

/// What measured subjects do to the start, as parts of a sentence: what is
/// settled first, then together what is not.
fn clauses(rows: &[Compared<'_>]) -> Vec<String> {
    let compared = || rows.iter().filter_map(|row| Some((row, row.added?)));
    let mut clauses: Vec<String> = compared()
        .filter(|(row, _)| row.settled)
        .map(|(row, added)| {
            let subject = article(row.observation.subject);
            let amount = human(added.median.abs(), row.observation.unit);
            match added.median < 0.0 {
                true => format!("{subject} takes {amount} less"),
                false => format!("{subject} adds {amount}"),
            }
        })
        .collect();
    let open: Vec<_> = compared().filter(|(row, _)| !row.settled).collect();
    let names: Vec<&str> = open
        .iter()
        .map(|(row, _)| article(row.observation.subject))
        .collect();
    match (names.as_slice(), open.first()) {
        ([only], Some((_, added))) => {
            clauses.push(format!(
                "{only} makes no difference that {}",
                unsettled(*added)
            ));
        }
        ([_, ..], Some((_, added))) => clauses.push(format!(
            "neither {} makes a difference that {}",
            names.join(" nor "),
            unsettled(*added)
        )),
        _ => {}
    }
    clauses
}

/// Why a difference is not settled.
fn unsettled(added: Summary) -> &'static str {
    match added.range {
        Range::Interval { .. } => "could be measured",
        Range::Extremes { .. } => "so few samples could show",
    }
}

fn article(subject: Subject) -> &'static str {
    match subject {
        Subject::Process => "the process",
        Subject::Venv => "a virtual environment",
        Subject::Container => "a container",
        Subject::Vm => "a virtual machine",
    }
}

fn startup<'a, 'b>(sections: &'a [Section<'b>], workload: Workload) -> Option<&'a Section<'b>> {
    STATES
        .into_iter()
        .find_map(|state| find(sections, workload, Metric::Startup, Some(state)))
}

fn find<'a, 'b>(
    sections: &'a [Section<'b>],
    workload: Workload,
    metric: Metric,
    state: Option<State>,
) -> Option<&'a Section<'b>> {
    let is = |s: &&Section<'_>| s.workload == workload && s.metric == metric && s.state == state;
    sections.iter().find(is)
}

/// The cards of every workload.
pub(super) fn append(page: &mut String, sections: &[Section<'_>]) {
    page.push_str("<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings</h2>\n");
    page.push_str("<p>What each adds over a bare process that runs the same.</p>\n");
    for workload in super::WORKLOADS {
        let Some(section) = startup(sections, workload) else {
            continue;
        };
        let state = section.state.map_or("", when);
        *page += &format!("<h3>{workload}, {state}</h3>\n<div class=\"cards\">\n");
        for subject in Subject::ALL {
            card(
                page,
                sections,
                &rows_of(sections, workload, subject),
                section.state,
            );
        }
        page.push_str("</div>\n");
    }
    page.push_str("</section>\n");
}

/// What ran of a subject's start-up, then what the model says: each in the state
/// that comes first.
fn rows_of<'a, 'b>(
    sections: &'a [Section<'b>],
    workload: Workload,
    subject: Subject,
) -> Vec<&'a Compared<'b>> {
    let rows = || {
        let of = |state| find(sections, workload, Metric::Startup, Some(state));
        let all = STATES.into_iter().filter_map(of).flat_map(|s| &s.rows);
        all.filter(move |row| row.observation.subject == subject)
    };
    let ran = rows().find(|row| row.summary.is_some());
    let modelled = rows().find(|row| row.summary.is_none());
    ran.into_iter().chain(modelled).collect()
}

/// What ran of a subject, and beside it what the model says; or the model alone.
fn card(page: &mut String, sections: &[Section<'_>], rows: &[&Compared<'_>], state: Option<State>) {
    let [row, beside @ ..] = rows else {
        return;
    };
    let o = row.observation;
    let measured = o.evidence.measured().is_some();
    let (number, words) = headline(row);
    let model: String = beside
        .iter()
        .map(|model| {
            let state = model.observation.state.filter(|own| Some(*own) != state);
            let state = state.map_or_else(String::new, |own| format!(" ({})", when(own)));
            format!(
                "<p>The model says {}{}{state}.</p>",
                value(model),
                range(model)
            )
        })
        .collect();
    let also: String = [
        Metric::Memory,
        Metric::MemorySlope,
        Metric::Disk,
        Metric::DiskOneMore,
        Metric::Provision,
    ]
    .into_iter()
    .filter_map(|metric| also(sections, row, metric))
    .collect();
    let also = if also.is_empty() {
        also
    } else {
        format!("<ul>{also}</ul>")
    };
    *page += &format!(
        "<div class=\"card {}{}\"><h4>{}</h4><p class=\"figure-number\">{number}</p>\
         <p>{words}{}</p>{model}{also}</div>\n",
        o.subject,
        if measured { "" } else { " unmeasured" },
        match o.evidence.kind() {
            "measured" => o.subject.name().to_owned(),
            kind => format!("{}, {kind}", o.subject),
        },
        match o.state {
            Some(own) if o.state != state => format!(" ({})", when(own)),
            _ => String::new(),
        },
    );
}

fn when(state: State) -> &'static str {
    match state {
        State::First => "at its first start",
        State::AfterIdle => "started after a pause",
        State::BackToBack => "started back to back",
    }
}

fn value(row: &Compared<'_>) -> String {
    human(row.centre(), row.observation.unit)
}

fn range(row: &Compared<'_>) -> String {
    let show = |v: f64| human(v, row.observation.unit);
    row.ends()
        .map(|(low, high)| format!(", {} to {}", show(low), show(high)))
        .unwrap_or_default()
}

/// The card's number, and what it means.
fn headline(row: &Compared<'_>) -> (String, String) {
    let unit = row.observation.unit;
    let show = |v: f64| human(v, unit);
    let value = value(row);
    match &row.observation.evidence {
        Evidence::Modelled { .. } => (
            value,
            format!("start-up by the model{}; nothing ran", range(row)),
        ),
        Evidence::Emulated { .. } => (
            value,
            "start-up under an emulator: no measure of virtualization".to_owned(),
        ),
        Evidence::Measured { .. } => match row.added {
            None => (value, "start-up to the ready byte: the baseline".to_owned()),
            Some(added) if !row.settled => {
                let words = match added.range {
                    Range::Interval { low, high } => {
                        format!("between {} and {} more start-up", show(low), show(high))
                    }
                    Range::Extremes { .. } => {
                        format!("{value} start-up; too few samples to tell from the process")
                    }
                };
                ("within noise".to_owned(), words)
            }
            Some(added) => {
                let sign = if added.median > 0.0 { "+" } else { "" };
                let interval = match added.range {
                    Range::Interval { low, high } => {
                        format!(", 95 % between {} and {}", show(low), show(high))
                    }
                    Range::Extremes { .. } => ", too few samples for an interval".to_owned(),
                };
                let ratio = row
                    .ratio
                    .map(|r| format!("; {} times the process", digits(r.median)));
                let words = format!("start-up{interval}{}", ratio.unwrap_or_default());
                (format!("{sign}{}", show(added.median)), words)
            }
        },
    }
}

/// Another metric of the same subject: of what ran, or of the model.
fn also(sections: &[Section<'_>], row: &Compared<'_>, metric: Metric) -> Option<String> {
    let section = find(sections, row.observation.workload, metric, None)?;
    let same = |other: &&Compared<'_>| {
        other.observation.subject == row.observation.subject
            && other.summary.is_some() == row.summary.is_some()
    };
    let other = section.rows.iter().find(same)?;
    let unit = other.observation.unit;
    let value = match other.added {
        // Nothing more, each time: that is no noise.
        Some(added) if added.range.ends() == (0.0, 0.0) => "none".to_owned(),
        Some(_) if !other.settled => "within noise".to_owned(),
        Some(added) if added.median > 0.0 => format!("+{}", human(added.median, unit)),
        Some(added) => human(added.median, unit),
        None => human(other.centre(), unit),
    };
    let name = match metric {
        Metric::MemorySlope => "each further",
        Metric::Memory => "memory",
        Metric::Disk => "disk",
        Metric::DiskOneMore => "disk, one more",
        Metric::Provision => "provisioning",
        Metric::Startup | Metric::Teardown => metric.name(),
    };
    Some(format!("<li><span>{name}</span> <b>{value}</b></li>"))
}
