//! What no ledger may hold, beyond what its types forbid: a claim that leaves
//! something out, or a text that acts on whoever reads it.

use super::Claim;
use crate::report::text::acts;

/// The longest text, in bytes.
const TEXT: usize = 1_000;
/// The longest id, in bytes.
const ID: usize = 40;
/// The greatest threshold.
const GREATEST: f64 = 1e15;

/// Whether a claim says all that it must, and nothing that acts.
pub(super) fn claim(claim: &Claim) -> Result<(), String> {
    let Claim {
        id,
        statement,
        metric,
        comparison,
        workload,
        needs,
        chapter,
        source,
        docker: _,
        waits_for,
        thresholds,
        timeline,
    } = claim;
    let in_id = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > ID || !id.chars().all(in_id) {
        return Err(format!(
            "`id` is `{id}`, not 1 to {ID} small letters, digits and dashes"
        ));
    }
    for (name, value) in [
        ("statement", statement),
        ("metric", metric),
        ("comparison", comparison),
        ("workload", workload),
        ("chapter", chapter),
        ("source", source),
    ] {
        text(id, name, value)?;
    }
    for (name, values) in [("needs", needs), ("waits-for", waits_for)] {
        values.iter().try_for_each(|value| text(id, name, value))?;
    }
    let page = chapter.strip_suffix(".md").unwrap_or_default();
    if page.is_empty() || !page.chars().all(in_id) {
        return Err(format!("claim `{id}`: `chapter` names no page of the book"));
    }
    if thresholds.is_empty() && timeline.is_empty() {
        return Err(format!(
            "claim `{id}` has neither a threshold nor a timeline: nothing could settle it"
        ));
    }
    for (name, threshold) in thresholds {
        text(id, "threshold", name)?;
        text(id, "effect", &threshold.effect)?;
        text(id, "why", &threshold.why)?;
        if !threshold.value.is_finite() || threshold.value.abs() > GREATEST {
            return Err(format!(
                "claim `{id}`: threshold `{name}` is no number that an effect could have"
            ));
        }
    }
    for event in timeline {
        text(id, "name", &event.name)?;
        text(id, "what", &event.what)?;
        text(id, "citation", &event.citation)?;
    }
    Ok(())
}

fn text(id: &str, name: &str, value: &str) -> Result<(), String> {
    let wrong = match value {
        value if value.trim().is_empty() => "is empty",
        value if value.len() > TEXT => "is too long",
        value if value.contains(acts) => "holds a character that acts on a terminal",
        _ => return Ok(()),
    };
    Err(format!("claim `{id}`: `{name}` {wrong}"))
}
