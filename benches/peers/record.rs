//! Every sample and every ratio as JSON, under a schema of its own: peers are no
//! subjects of the lab's report.

use std::collections::BTreeMap;

use anyhow::Result;
use isolab::report::Environment;
use isolab::statistics::Summary;
use serde::Serialize;

use crate::contestant::{Contestant, Race, State};
use crate::guests::memory::Weighed;
use crate::memory::Kept;

/// The schema that this writes.
const SCHEMA: &str = "isolab.peers/3";

/// What one run of the bench found.
#[derive(Serialize)]
pub(crate) struct Record<'a> {
    schema: &'static str,
    environment: &'a Environment,
    races: Vec<RaceRecord<'a>>,
    /// What each runtime keeps in memory for a container.
    memory: &'a [Kept],
    /// What guests take of memory, with the program that runs each.
    guests: &'a [Weighed],
}

#[derive(Serialize)]
struct RaceRecord<'a> {
    name: &'a str,
    about: &'a str,
    notes: &'a [String],
    contestants: Vec<ContestantRecord<'a>>,
}

#[derive(Serialize)]
struct ContestantRecord<'a> {
    name: &'a str,
    version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<&'a str>,
    lacks: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclusive_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry_bytes: Option<u64>,
    states: BTreeMap<&'static str, StateRecord<'a>>,
}

#[derive(Serialize)]
struct StateRecord<'a> {
    seconds: &'a [f64],
    /// Ours over this one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_most: Option<f64>,
}

impl<'a> Record<'a> {
    /// The record of `races`, run in `environment`.
    pub(crate) fn of(
        environment: &'a Environment,
        races: &'a [Race],
        memory: &'a [Kept],
        guests: &'a [Weighed],
    ) -> Self {
        let races = races.iter().map(|race| RaceRecord {
            name: race.name,
            about: race.about,
            notes: &race.notes,
            contestants: race
                .contestants
                .iter()
                .map(|c| contestant(race, c))
                .collect(),
        });
        Self {
            schema: SCHEMA,
            environment,
            races: races.collect(),
            memory,
            guests,
        }
    }

    /// As text that ends in a newline.
    pub(crate) fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn contestant<'a>(race: &Race, own: &'a Contestant) -> ContestantRecord<'a> {
    let states = State::ALL.into_iter().filter_map(|state| {
        let record = StateRecord {
            seconds: own.samples.get(&state)?,
            ratio: race.ratio(own, state),
            at_most: race.target(own, state).map(|target| target.at_most),
        };
        Some((state.name(), record))
    });
    ContestantRecord {
        name: own.name,
        version: &own.version,
        absent: own.absent.as_deref(),
        lacks: &own.lacks,
        disk_bytes: own.left.map(|left| left.allocated),
        exclusive_bytes: own.left.map(|left| left.exclusive),
        peak_bytes: own.peak_bytes,
        registry_bytes: own.received.as_ref().and_then(|bytes| bytes.get()),
        states: states.collect(),
    }
}
