//! The figures that a report has, by name, with the words that go with each.

use std::fmt;
use std::str::FromStr;

use super::{paint, panel};
use crate::observation::{Evidence, Metric, State, Workload};
use crate::report::comparison::{Compared, Section, compare_only};
use crate::report::quantity::human;
use crate::report::text::{escaped, shown};
use crate::report::{Error, Report};

/// The metrics that share a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Start-up in its states.
    Startup,
    /// Memory of one, and of each further one.
    Memory,
    /// Disk of a full copy, and of one more.
    Disk,
    /// Provisioning and teardown.
    Lifecycle,
}

impl Group {
    /// Every group, in the order in which reports show them.
    pub const ALL: [Self; 4] = [Self::Startup, Self::Memory, Self::Disk, Self::Lifecycle];

    /// The metrics in the figure.
    #[must_use]
    pub fn metrics(self) -> &'static [Metric] {
        match self {
            Self::Startup => &[Metric::Startup],
            Self::Memory => &[Metric::Memory, Metric::MemorySlope],
            Self::Disk => &[Metric::Disk, Metric::DiskOneMore],
            Self::Lifecycle => &[Metric::Provision, Metric::Teardown],
        }
    }

    /// A heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Start-up",
            Self::Memory => "Memory",
            Self::Disk => "Disk",
            Self::Lifecycle => "Provisioning and teardown",
        }
    }

    /// The word in a figure's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// Names one figure: `startup-python`, `disk-true` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FigureId {
    /// What was run.
    pub workload: Workload,
    /// What is shown of it.
    pub group: Group,
}

impl FigureId {
    /// Every figure that a report can have, in the order in which it shows them.
    pub fn all() -> impl Iterator<Item = Self> {
        let of = |workload| {
            Group::ALL
                .into_iter()
                .map(move |group| Self { workload, group })
        };
        Workload::ALL.into_iter().flat_map(of)
    }
}

impl fmt::Display for FigureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.group.name(), self.workload)
    }
}

impl FromStr for FigureId {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all()
            .find(|id| id.to_string() == name)
            .ok_or_else(|| {
                let known: Vec<String> = Self::all().map(|id| id.to_string()).collect();
                format!(
                    "no figure is called `{}`; there are {}",
                    shown(name),
                    known.join(", ")
                )
            })
    }
}

/// A figure with its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    /// An `<svg>` element with `role="img"` and its alternative text inside. Its
    /// ground is transparent and its width that of its container.
    pub svg: String,
    /// What the figure is called.
    pub title: String,
    /// What it shows, for those who do not see it: plain text with every value.
    pub alt: String,
    /// What stands below it: how many samples, what the marks mean, the machine.
    pub caption: String,
}

/// The width in CSS pixels that [`figure`] draws for.
pub const WIDTH: u32 = 760;

/// The figure called `id`, drawn for a text column of 760 CSS pixels; `None` if
/// the report has nothing to show in it.
///
/// # Errors
/// [`Error::Draw`] if the drawing library refuses.
pub fn figure(report: &Report, id: FigureId) -> Result<Option<Figure>, Error> {
    figure_at(report, id, WIDTH)
}

/// The same for another width in CSS pixels; below 540 it shows less.
///
/// # Errors
/// As [`figure`].
pub fn figure_at(report: &Report, id: FigureId, width: u32) -> Result<Option<Figure>, Error> {
    let sections = compare_only(report, |o| {
        o.workload == id.workload && id.group.metrics().contains(&o.metric)
    });
    draw_figure(report, &sections, id, width)
}

/// The figure from what is compared already.
pub(in crate::report) fn draw_figure(
    report: &Report,
    sections: &[Section<'_>],
    id: FigureId,
    width: u32,
) -> Result<Option<Figure>, Error> {
    let own = of_figure(sections, id);
    if own.is_empty() {
        return Ok(None);
    }
    let drawing = panel::draw(&own, f64::from(width.max(300)));
    let title = format!("{} of `{}`", id.group.title(), id.workload);
    let alt = format!(
        "Points with their intervals on a logarithmic axis. {}",
        described(&own)
    );
    let name = format!("{id}-{width}");
    let svg = format!(
        "<svg class=\"figure\" xmlns=\"http://www.w3.org/2000/svg\" {} width=\"{:.0}\" height=\"{:.0}\" \
         role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\n<title id=\"{name}-title\">{}</title>\n\
         <desc id=\"{name}-desc\">{}</desc>{}</svg>",
        paint::view_box(&drawing),
        drawing.width,
        drawing.height,
        escaped(&title),
        escaped(&alt),
        paint::svg_elements(&drawing)?,
    );
    Ok(Some(Figure {
        svg,
        title,
        alt,
        caption: caption(report, &own),
    }))
}

/// The sections of a figure, in its order.
pub(in crate::report) fn of_figure<'a, 'b>(
    sections: &'a [Section<'b>],
    id: FigureId,
) -> Vec<&'a Section<'b>> {
    let metrics = id.group.metrics().iter();
    let of = |metric| {
        let own = move |s: &&Section<'_>| s.workload == id.workload && s.metric == metric;
        sections.iter().filter(own)
    };
    metrics.flat_map(|metric| of(*metric)).collect()
}

/// What a row says, in words: `container 4.94 ms, 3.37 ms over the process`.
fn described_row(row: &Compared<'_>) -> String {
    let unit = row.observation.unit;
    let value = human(row.centre(), unit);
    let subject = row.observation.subject;
    let range = |joint: &str| {
        row.ends()
            .map(|(low, high)| format!(" ({joint}{} to {})", human(low, unit), human(high, unit)))
            .unwrap_or_default()
    };
    match &row.observation.evidence {
        Evidence::Modelled { .. } => format!("{subject} {value}{}, modelled", range("")),
        Evidence::Emulated { .. } => format!("{subject} {value}, emulated"),
        Evidence::Measured { .. } => match row.added {
            Some(added) if added.median >= 0.0 => {
                format!(
                    "{subject} {value}, {} over the process",
                    human(added.median, unit)
                )
            }
            Some(added) => {
                format!(
                    "{subject} {value}, {} under the process",
                    human(-added.median, unit)
                )
            }
            None => format!("{subject} {value}"),
        },
    }
}

fn described(sections: &[&Section<'_>]) -> String {
    let of = |section: &&Section<'_>| {
        let rows: Vec<String> = section.rows.iter().map(described_row).collect();
        let state = match section.state {
            Some(State::First) => ", first",
            Some(State::AfterIdle) => ", after idle",
            Some(State::BackToBack) => ", back to back",
            None => "",
        };
        format!("{}{state}: {}.", section.metric.title(), rows.join("; "))
    };
    sections.iter().map(of).collect::<Vec<_>>().join(" ")
}

/// What the whole sheet shows.
pub(super) fn alt_of_all(report: &Report) -> String {
    let sections = compare_only(report, |_| true);
    let of = |workload| {
        let own: Vec<_> = sections.iter().filter(|s| s.workload == workload).collect();
        let about = crate::report::explainers::workload(workload);
        (!own.is_empty()).then(|| format!("{workload}, {about}. {}", described(&own)))
    };
    let all: Vec<String> = Workload::ALL.into_iter().filter_map(of).collect();
    all.join(" ")
}

/// How many samples, what the marks mean, and the machine.
pub(super) fn caption(report: &Report, sections: &[&Section<'_>]) -> String {
    let rows = || sections.iter().flat_map(|s| &s.rows);
    let counts = || rows().filter_map(|row| row.summary.map(|s| s.n));
    let n = match (counts().min(), counts().max()) {
        (Some(least), Some(most)) if least == most => format!("n = {least} each"),
        (Some(least), Some(most)) => format!("n = {least} to {most}"),
        _ => "nothing ran".to_owned(),
    };
    let is = |kind: &str| rows().any(|row| row.observation.evidence.kind() == kind);
    let mut text = format!("{n}. Marks are medians");
    if counts().any(|n| n >= crate::statistics::INTERVAL_NEEDS) {
        text.push_str(" with their bootstrap 95 % intervals");
    }
    text.push_str(", dots are samples");
    if counts().any(|n| n > panel::POINTS) {
        text.push_str(", thinned out");
    }
    if counts().any(|n| n > 1 && n < crate::statistics::INTERVAL_NEEDS) {
        text.push_str("; below ten samples the line spans them all");
    }
    if is("emulated") {
        text.push_str("; hollow is emulated, which is no measure of virtualization");
    }
    if is("modelled") {
        text.push_str("; hatched is a model's range and likely value");
    }
    let e = &report.environment;
    let cpus = if e.cpus == 1 { "CPU" } else { "CPUs" };
    let machine = format!(
        ". {}, {} {cpus}, Linux {}, {}.",
        e.cpu, e.cpus, e.kernel, e.os
    );
    text.push_str(&shown(&machine));
    text
}

/// CSS `@font-face` rules that embed the fonts that figures are drawn in.
#[must_use]
pub fn font_faces() -> String {
    let face = |weight: u32, bytes: &[u8]| {
        format!(
            "@font-face{{font-family:{};font-weight:{weight};font-display:swap;\
             src:url(data:font/otf;base64,{}) format(\"opentype\")}}",
            paint::FAMILY,
            base64(bytes)
        )
    };
    [face(400, paint::REGULAR), face(700, paint::BOLD)].concat()
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .fold(0, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = (group >> (18 - 6 * i) & 63) as usize;
            out.push(if i <= chunk.len() {
                char::from(ALPHABET[sextet])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn a_figure_is_found_by_its_name() {
        assert_eq!(
            "startup-python".parse::<FigureId>().unwrap().to_string(),
            "startup-python"
        );
        let error = "startup-ruby".parse::<FigureId>().unwrap_err();
        assert!(error.contains("startup-python, "), "{error}");
    }
}
