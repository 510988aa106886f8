//! Whom wheels are for, where that is not this interpreter on this machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::resolve::world::World;
use crate::wheel::Tag;

/// So many tags are named, the nearest first.
const MOST: usize = 4;

const OF_SYSTEM: &str = "ask for a version that has a wheel for this system; if there is none, build \
    one here from its sources (`pip wheel NAME`) and name it";

/// Whom wheels are for, each with its tags, and in what that differs from who asks; what to do.
pub(super) fn only_for(
    world: &World<'_>,
    wheels: &[Arc<Vec<Tag>>],
) -> (String, Option<&'static str>) {
    let remedy =
        "ask for another version, or make an environment of a Python that it has wheels for";
    let here = Here::of(world);
    let tags: Vec<&Tag> = wheels.iter().flat_map(|tags| tags.iter()).collect();
    let that = |fits: &dyn Fn(&Tag) -> bool| -> Vec<&Tag> {
        tags.iter().copied().filter(|tag| fits(tag)).collect()
    };
    let of_our_python = that(&|tag| here.runs(tag));
    if !of_our_python.is_empty() {
        let text = format!(
            "no wheel for this system, only for {}",
            here.platforms(&of_our_python)
        );
        return (text, Some(OF_SYSTEM));
    }
    let of_our_system = that(&|tag| here.is_on(tag));
    if !of_our_system.is_empty() {
        let text = format!(
            "no wheel for this interpreter, {}, only for {}",
            here.python,
            here.pythons(&of_our_system)
        );
        return (text, Some(remedy));
    }
    let text = format!(
        "no wheel for this interpreter on this machine, only for {} on {}",
        here.pythons(&tags),
        here.platforms(&tags)
    );
    (text, Some(remedy))
}

/// Who asks.
struct Here<'w, 'a> {
    world: &'w World<'a>,
    /// The tag of its own interpreter: `cp311`.
    python: String,
    minor: u64,
    machine: &'a str,
}

impl<'w, 'a> Here<'w, 'a> {
    fn of(world: &'w World<'a>) -> Self {
        let markers = world.demand.markers;
        let letters = match &markers.implementation_name[..] {
            "cpython" => "cp",
            "pypy" => "pp",
            other => other,
        };
        let release = world.python.release();
        let (major, minor) = (release[0], release.get(1).copied().unwrap_or(0));
        Self {
            world,
            python: format!("{letters}{major}{minor}"),
            minor,
            machine: &markers.platform_machine,
        }
    }

    fn takes(&self, python: &str, abi: &str, platform: &str) -> bool {
        let tag = Tag {
            python: python.to_owned(),
            abi: abi.to_owned(),
            platform: platform.to_owned(),
        };
        (self.world.demand.rank)(&tag).is_some()
    }

    /// Whether it would do if it were for this system.
    fn runs(&self, tag: &Tag) -> bool {
        let own = format!("linux_{}", self.machine);
        [&own[..], "any"]
            .iter()
            .any(|platform| self.takes(&tag.python, &tag.abi, platform))
    }

    /// Whether it would do if it were for this interpreter.
    fn is_on(&self, tag: &Tag) -> bool {
        self.takes("py3", "none", &tag.platform)
            || self.takes(&self.python, &self.python, &tag.platform)
    }

    fn pythons(&self, tags: &[&Tag]) -> String {
        let all: BTreeSet<&str> = tags.iter().map(|tag| &tag.python[..]).collect();
        // The nearest version of the same implementation, of two the newer.
        nearest(all, |python| {
            let same = self.python.trim_end_matches(|c: char| c.is_ascii_digit());
            let version = python.strip_prefix(same);
            let minor = version.and_then(|version| version.get(1..)?.parse::<u64>().ok());
            match minor {
                Some(minor) => (0, minor.abs_diff(self.minor), minor < self.minor),
                None => (1, 0, false),
            }
        })
    }

    fn platforms(&self, tags: &[&Tag]) -> String {
        let all: BTreeSet<&str> = tags.iter().map(|tag| &tag.platform[..]).collect();
        nearest(all, |platform| {
            let is_other_system = !platform.contains("linux");
            (is_other_system, !platform.ends_with(self.machine))
        })
    }
}

/// Those that come first by `order`, which are told apart by their text.
fn nearest<K: Ord>(all: BTreeSet<&str>, order: impl Fn(&str) -> K) -> String {
    let more = if all.len() > MOST { ", …" } else { "" };
    let mut all: Vec<&str> = all.into_iter().collect();
    all.sort_by_key(|text| order(text));
    all.truncate(MOST);
    all.join(", ") + more
}
