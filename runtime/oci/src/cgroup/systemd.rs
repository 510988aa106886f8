//! systemd as the maker of a container's groups (`--systemd-cgroup`): a scope
//! unit, asked for over D-Bus, that the container's init is put in.
//!
//! Where systemd runs it takes itself for the only writer of the tree, and
//! moves or limits what it did not make. A scope is how a runtime asks it for a
//! part of its own: systemd makes the group, keeps the limits that it knows as
//! the unit's properties, and leaves what is below to the runtime (`Delegate`).
//! Limits that it has no property for are written to the group's files as ever.
//!
//! Source: `org.freedesktop.systemd1(5)`, `systemd.scope(5)`, systemd's
//! `CGROUP_DELEGATION`.

mod annotations;
mod bus;
mod properties;
mod unit;
mod wire;

use std::collections::BTreeMap;

use super::limits::Setting;
use crate::error::Result;
use crate::spec::DeviceRule;

pub(super) use unit::Unit;
pub(super) use wire::Property;

/// A unit that is to be started.
#[derive(Debug)]
pub(super) struct Transient {
    pub(super) unit: Unit,
    /// What its container's annotations ask for.
    properties: Vec<Property>,
}

impl Transient {
    pub(super) fn new(
        cgroups_path: Option<&str>,
        id: &str,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Self> {
        Ok(Self {
            unit: Unit::new(cgroups_path, id, super::apply::is_privileged())?,
            properties: annotations::properties(annotations)?,
        })
    }

    /// Starts it around `pid`.
    pub(super) fn start(
        &self,
        pid: i32,
        is_unified: bool,
        settings: &[Setting],
        devices: &[DeviceRule],
    ) -> Result<()> {
        let mut all = properties::of(settings, devices);
        all.extend(self.properties.iter().cloned());
        self.unit.start(pid, is_unified, all)
    }
}

/// Changes the limits of a unit that runs.
pub(super) fn update(unit: &Unit, settings: &[Setting], devices: &[DeviceRule]) -> Result<()> {
    unit.change(properties::of(settings, devices))
}

/// What a bus sends, and limits as properties, for the fuzzer.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8], settings: &[Setting], devices: &[DeviceRule]) {
    if let Some(start) = bytes.first_chunk() {
        let length = wire::Message::length(start);
        assert!(length.is_err() || length.unwrap_or_default() < 3 << 20);
    }
    if let Ok(message) = wire::Message::parse(bytes) {
        // What was read is written as it was understood.
        let again = wire::Message::parse(&message.to_bytes());
        assert_eq!(again.ok(), Some(message));
    }
    let mut body = wire::Body::default();
    body.properties(&properties::of(settings, devices));
    let text = String::from_utf8_lossy(bytes).into_owned();
    let name = "org.systemd.property.After".to_owned();
    if let Ok(all) = annotations::properties(&BTreeMap::from([(name, text.clone())])) {
        body.properties(&all);
    }
    let _ = Unit::new(Some(&text), "id", true).and_then(|unit| unit.directory());
}
