//! What no run can have produced: the bounds that a JSON Schema states and
//! serde does not hold, and those that neither can state.

use std::collections::{BTreeMap, BTreeSet};

use crate::observation::{Evidence, Metric, Observation, Source};
use crate::prediction::{self, Prediction};
use crate::report::text::acts;
use crate::report::{Environment, Report, SCHEMA, Settings};

/// The longest string, in bytes.
const TEXT: usize = 4_096;
/// The most entries of any list but samples.
const ENTRIES: usize = 1_000;
/// The most samples of one observation.
const SAMPLES: usize = 10_000;
/// The most samples of a report: resampling takes time in proportion.
const ALL_SAMPLES: usize = 200_000;
/// The greatest number, in seconds or bytes.
const GREATEST: f64 = 1e18;

/// A value that is refused.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: String,
    pub(super) why: String,
}

type Checked = Result<(), Fault>;

fn fault(at: impl Into<String>, why: impl Into<String>) -> Checked {
    Err(Fault {
        at: at.into(),
        why: why.into(),
    })
}

pub(super) fn report(report: &Report) -> Checked {
    if report.schema != SCHEMA {
        return fault("schema", format!("is not `{SCHEMA}`"));
    }
    if !is_utc_time(&report.created) {
        return fault("created", "is not a time like 2025-01-31T12:00:00Z");
    }
    environment(&report.environment)?;
    settings(&report.settings)?;
    entries("observations", report.observations.len())?;
    entries("missing", report.missing.len())?;
    texts("warnings", &report.warnings)?;
    for (i, missing) in report.missing.iter().enumerate() {
        text(&format!("missing[{i}].why"), &missing.why)?;
        if let Some(remedy) = &missing.remedy {
            text(&format!("missing[{i}].remedy"), remedy)?;
        }
    }
    for (i, observed) in report.observations.iter().enumerate() {
        observation(&format!("observations[{i}]"), observed)?;
    }
    predictions(&report.predictions)?;
    together(&report.observations)
}

fn predictions(predictions: &[Prediction]) -> Checked {
    entries("predictions", predictions.len())?;
    let mut asked = BTreeSet::new();
    for (i, one) in predictions.iter().enumerate() {
        let at = format!("predictions[{i}]");
        prediction(&at, one)?;
        if !asked.insert(one.question) {
            return fault(at, "answers a question that an earlier one answers");
        }
    }
    Ok(())
}

pub(super) fn prediction(at: &str, prediction: &Prediction) -> Checked {
    let Prediction {
        id,
        made,
        isolab,
        question: _,
        value,
        confidence,
        reason,
    } = prediction;
    if id.len() != 16 || !id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return fault(format!("{at}.id"), "is not 16 hexadecimal digits");
    }
    if !is_utc_time(made) {
        return fault(
            format!("{at}.made"),
            "is not a time like 2025-01-31T12:00:00Z",
        );
    }
    text(&format!("{at}.isolab"), isolab)?;
    if !prediction::VALUES.contains(value) {
        return fault(format!("{at}.value"), "is no amount that can be predicted");
    }
    if confidence.is_some_and(|percent| percent > 100) {
        return fault(format!("{at}.confidence"), "is more than 100 %");
    }
    if let Some(reason) = reason {
        text(&format!("{at}.reason"), reason)?;
        if reason.chars().count() > prediction::LONGEST_REASON {
            return fault(format!("{at}.reason"), "is too long for one line");
        }
    }
    Ok(())
}

fn environment(environment: &Environment) -> Checked {
    let Environment {
        isolab,
        os,
        kernel,
        arch,
        cpu,
        cpus: _,
        memory_bytes: _,
        cgroup,
        virtualization,
        root: _,
        filesystem,
        load_before,
        load_after,
        tools,
    } = environment;
    for (name, value) in [
        ("isolab", isolab),
        ("os", os),
        ("kernel", kernel),
        ("arch", arch),
        ("cpu", cpu),
        ("cgroup", cgroup),
        ("virtualization", virtualization),
        ("filesystem", filesystem),
    ] {
        text(&format!("environment.{name}"), value)?;
    }
    number("environment.load_before", *load_before, 0.0)?;
    number("environment.load_after", *load_after, 0.0)?;
    map("environment.tools", tools)
}

fn settings(settings: &Settings) -> Checked {
    entries("settings.subjects", settings.subjects.len())?;
    entries("settings.workloads", settings.workloads.len())
}

fn observation(at: &str, observed: &Observation) -> Checked {
    if observed.unit != observed.metric.unit() {
        return fault(format!("{at}.unit"), "is not the unit of its metric");
    }
    // A slope goes through noise; nothing else can be less than nothing.
    let least = match observed.metric {
        Metric::MemorySlope => -GREATEST,
        _ => 0.0,
    };
    match &observed.evidence {
        Evidence::Measured { samples } => self::samples(at, samples, least)?,
        Evidence::Emulated { samples, by } => {
            self::samples(at, samples, least)?;
            text(&format!("{at}.evidence.by"), by)?;
        }
        Evidence::Modelled {
            low,
            likely,
            high,
            sources,
        } => modelled(at, [*low, *likely, *high], sources, least)?,
    }
    map(&format!("{at}.conditions"), &observed.conditions)?;
    texts(&format!("{at}.warnings"), &observed.warnings)
}

fn samples(at: &str, samples: &[f64], least: f64) -> Checked {
    let at = format!("{at}.evidence.samples");
    if samples.is_empty() {
        return fault(at, "is empty: what was not measured belongs in `missing`");
    }
    if samples.len() > SAMPLES {
        return fault(at, format!("has more than {SAMPLES} entries"));
    }
    let mut each = samples.iter().enumerate();
    each.try_for_each(|(i, sample)| number(&format!("{at}[{i}]"), *sample, least))
}

fn modelled(at: &str, [low, likely, high]: [f64; 3], sources: &[Source], least: f64) -> Checked {
    let at = format!("{at}.evidence");
    number(&format!("{at}.low"), low, least)?;
    number(&format!("{at}.likely"), likely, least)?;
    number(&format!("{at}.high"), high, least)?;
    if !(low <= likely && likely <= high) {
        return fault(at, "is not in the order low, likely, high");
    }
    if sources.is_empty() {
        return fault(
            format!("{at}.sources"),
            "is empty: an estimate rests on something",
        );
    }
    entries(&format!("{at}.sources"), sources.len())?;
    for (i, source) in sources.iter().enumerate() {
        for (name, value) in [
            ("name", &source.name),
            ("value", &source.value),
            ("conditions", &source.conditions),
            ("citation", &source.citation),
        ] {
            text(&format!("{at}.sources[{i}].{name}"), value)?;
        }
    }
    Ok(())
}

/// One answer to one question, and not more samples than can be resampled.
fn together(observations: &[Observation]) -> Checked {
    let mut seen = BTreeSet::new();
    let mut total = 0;
    for (i, o) in observations.iter().enumerate() {
        let samples = o.evidence.samples();
        total += samples.map_or(0, <[f64]>::len);
        if !seen.insert((o.subject, o.workload, o.metric, o.state, samples.is_some())) {
            return fault(
                format!("observations[{i}]"),
                format!(
                    "repeats an earlier one of {}, {}, {}",
                    o.subject, o.workload, o.metric
                ),
            );
        }
    }
    if total > ALL_SAMPLES {
        return fault(
            "observations",
            format!("have more than {ALL_SAMPLES} samples"),
        );
    }
    Ok(())
}

fn number(at: &str, value: f64, least: f64) -> Checked {
    if value.is_finite() && value >= least && value <= GREATEST {
        return Ok(());
    }
    let why = match value {
        v if !v.is_finite() => "is not a finite number",
        v if v < least => "is negative",
        _ => "is absurdly large",
    };
    fault(at, why)
}

fn text(at: &str, value: &str) -> Checked {
    if value.len() > TEXT {
        return fault(at, format!("is longer than {TEXT} bytes"));
    }
    if value.contains(acts) {
        return fault(
            at,
            "holds a control character, which could act on a terminal",
        );
    }
    Ok(())
}

fn texts(at: &str, values: &[String]) -> Checked {
    entries(at, values.len())?;
    let mut each = values.iter().enumerate();
    each.try_for_each(|(i, value)| text(&format!("{at}[{i}]"), value))
}

fn map(at: &str, values: &BTreeMap<String, String>) -> Checked {
    entries(at, values.len())?;
    for (key, value) in values {
        text(at, key)?;
        text(&format!("{at}.{key}"), value)?;
    }
    Ok(())
}

fn entries(at: &str, count: usize) -> Checked {
    if count > ENTRIES {
        return fault(at, format!("has more than {ENTRIES} entries"));
    }
    Ok(())
}

/// Whether `text` looks like `2025-01-31T12:00:00Z`, with a fraction if any.
fn is_utc_time(text: &str) -> bool {
    let Some(rest) = text.strip_suffix('Z') else {
        return false;
    };
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
    let shape = "dddd-dd-ddTdd:dd:dd";
    whole.len() == shape.len()
        && shape.chars().zip(whole.chars()).all(|(s, c)| match s {
            'd' => c.is_ascii_digit(),
            s => s == c,
        })
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_utc_by_rfc_3339_is_a_time() {
        assert!(is_utc_time("2025-01-31T12:00:00Z"));
        assert!(is_utc_time("2025-01-31T12:00:00.123Z"));
        for wrong in [
            "",
            "Z",
            "2025-01-31",
            "2025-01-31T12:00:00",
            "2025-01-31T12:00:00.Z",
            "éééé",
        ] {
            assert!(!is_utc_time(wrong), "{wrong}");
        }
    }
}
