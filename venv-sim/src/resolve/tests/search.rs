//! Made-up projects, each question answered by trying everything.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::shelf::{Ask, Shelf};
use crate::error::Error;
use crate::resolve::Resolution;

const PROJECTS: [&str; 4] = ["a", "b", "c", "d"];

/// A project's version, and what it needs: of which project, from which version to which.
type Needs = Vec<(usize, u8, u8)>;

/// For each project its versions 1, 2 and 3, where there are.
type World = Vec<Vec<Needs>>;

fn needs() -> impl Strategy<Value = Needs> {
    prop::collection::vec((0..PROJECTS.len(), 1u8..=3, 1u8..=3), 0..3)
}

fn worlds() -> impl Strategy<Value = World> {
    let versions = prop::collection::vec(needs(), 0..=3);
    prop::collection::vec(versions, PROJECTS.len()..=PROJECTS.len())
}

fn written((project, one, other): &(usize, u8, u8)) -> String {
    let (low, high) = (one.min(other), one.max(other));
    format!("{}>={low},<={high}", PROJECTS[*project])
}

fn table(world: &World) -> String {
    let mut table = String::new();
    for (name, versions) in PROJECTS.iter().zip(world) {
        for (version, needs) in (1..).zip(versions) {
            let needs: Vec<_> = needs.iter().map(written).collect();
            table.push_str(&format!("{name} {version} : {}\n", needs.join(" | ")));
        }
    }
    table
}

/// Whether `chosen`, a version for each project or 0 for none, meets all of `needs`.
fn meets(chosen: &[u8], needs: &Needs) -> bool {
    needs
        .iter()
        .all(|(project, one, other)| (one.min(other)..=one.max(other)).contains(&&chosen[*project]))
}

fn is_answer(world: &World, wanted: &Needs, chosen: &[u8]) -> bool {
    let all_there = chosen
        .iter()
        .zip(world)
        .all(|(version, versions)| usize::from(*version) <= versions.len());
    let needs_met = chosen.iter().zip(world).all(|(version, versions)| {
        let index = usize::from(*version).checked_sub(1);
        index.is_none_or(|index| meets(chosen, &versions[index]))
    });
    all_there && needs_met && meets(chosen, wanted)
}

fn has_answer(world: &World, wanted: &Needs) -> bool {
    let count = 4usize.pow(4);
    (0..count).any(|number| {
        let digit = |place: u32| u8::try_from(number / 4usize.pow(place) % 4).expect("a digit");
        let chosen: Vec<u8> = (0..4).map(digit).collect();
        // Before it is looked up: a version that is not there has no needs to look at.
        let there = chosen
            .iter()
            .zip(world)
            .all(|(version, of)| usize::from(*version) <= of.len());
        there && is_answer(world, wanted, &chosen)
    })
}

fn chosen(resolution: &Resolution) -> Vec<u8> {
    let picks = resolution.picks.iter();
    let versions: BTreeMap<_, _> = picks
        .map(|pick| (pick.name.as_str(), pick.version.to_string()))
        .collect();
    let version = |name: &&str| {
        versions
            .get(*name)
            .map_or(0, |version| version.parse().expect("a digit"))
    };
    PROJECTS.iter().map(version).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn there_is_an_answer_exactly_where_trying_everything_finds_one(
        world in worlds(),
        wanted in needs(),
        installed in prop::collection::vec(0u8..=3, 4),
        lowest in any::<bool>(),
    ) {
        let shelf = Shelf::new(&table(&world));
        let lines: Vec<_> = wanted.iter().map(written).collect();
        let mut ask = Ask::new(&lines.join("\n"));
        // What is installed must not make something possible or impossible.
        let held: String = PROJECTS.iter().zip(&world).zip(&installed).filter_map(|((name, versions), version)| {
            let needs = versions.get(usize::from(*version).checked_sub(1)?)?;
            let needs: Vec<_> = needs.iter().map(written).collect();
            Some(format!("{name} {version} : {}\n", needs.join(" | ")))
        }).collect();
        ask = ask.with_installed(&held);
        if lowest {
            ask.rules.strategy = crate::resolve::Strategy::Lowest;
        }
        match ask.of(&shelf) {
            Ok(resolution) => {
                let chosen = chosen(&resolution);
                prop_assert!(is_answer(&world, &wanted, &chosen), "{chosen:?}");
                for pick in &resolution.picks {
                    prop_assert!(pick.requested || !pick.needed_by.is_empty(), "{pick:?}");
                }
            }
            Err(Error::Unsatisfiable { why, .. }) => {
                prop_assert!(!has_answer(&world, &wanted), "{why}");
                prop_assert!(why.contains("you ask for"), "{why}");
            }
            Err(other) => panic!("{other}"),
        }
    }
}
