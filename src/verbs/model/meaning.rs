//! Which option means something for which topic. One that means nothing is refused: who gave it
//! would take the answer for one to another question.

use anyhow::Result;
use vm_model::model::question::Kind;

use super::ask::{Scene, TOPICS, Topic};
use crate::hint;

/// Refuses the first of `options` that bears on none of the answers.
///
/// # Errors
/// The option and the topics, with what it is for.
pub(super) fn check(
    options: &[&str],
    topics: &[Topic],
    kinds: &[Kind],
    scene: &Scene,
) -> Result<()> {
    let counts = |option: &str| {
        let of = |topic: &Topic| kinds.iter().any(|kind| means(option, *topic, *kind, scene));
        topics.iter().any(of)
    };
    let Some(option) = options.iter().find(|option| !counts(option)) else {
        return Ok(());
    };
    let named = |is: &dyn Fn(Topic) -> bool| {
        let names = TOPICS.iter().filter(|(_, topic)| is(*topic));
        names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let asked = named(&|topic| topics.contains(&topic));
    let what: Vec<String> = kinds.iter().map(|kind| kind.counted(2)).collect();
    let what = what.join(" and ").replace("2 ", "");
    let mut so = String::new();
    if scene.each.restored {
        so.push_str(" with --restored");
    }
    if scene.arrivals.is_some() {
        so.push_str(" with arrivals");
    }
    if scene.counted.is_some() && topics.contains(&Topic::Money) {
        so.push_str(" of a given number");
    }
    let free = Scene {
        counted: None,
        arrivals: None,
        each: Default::default(),
        ..*scene
    };
    let any = |topic| {
        Kind::ALL
            .iter()
            .any(|kind| means(option, topic, *kind, &free))
    };
    Err(hint::usage(
        format!("--{option} means nothing for {asked} of {what}{so}"),
        format!("leave it out; it can count for {}", named(&any)),
    ))
}

/// Whether `option` bears on what `topic` asks of `kind`.
fn means(option: &str, topic: Topic, kind: Kind, scene: &Scene) -> bool {
    use Topic::{Density, Disk, Memory, Money, Startup, Storm};
    // A restore was measured as a whole: nothing that a boot has is a part of it.
    let boots = kind == Kind::Vm && !scene.each.restored;
    // Money is shared by those that fit, where their number is not given.
    let fits = topic == Density || topic == Money && scene.counted.is_none();
    let starts = matches!(topic, Startup | Storm);
    let waits = topic == Storm && scene.arrivals.is_some();
    match option {
        "guests" => matches!(topic, Memory | Disk | Money) || topic == Storm && !waits,
        "memory" | "archive" => boots && (starts || fits || topic == Memory),
        "workload-time" => starts && (boots || kind != Kind::Vm),
        "workload-kernel" | "workload-code" => starts && boots,
        "workload-memory" => (fits || topic == Memory) && (boots || kind != Kind::Vm),
        "restored" => kind == Kind::Vm && (starts || fits || topic == Memory),
        "merged" | "balloon" => boots && (fits || topic == Memory),
        "image" | "growth" => fits || topic == Disk,
        "processor" | "iops" => fits,
        "read" => topic == Storm && !waits,
        "arrivals" => topic == Storm,
        "life" | "runs" => topic == Money,
        _ => false,
    }
}
