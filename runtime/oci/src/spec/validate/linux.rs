//! What `linux` must and must not say, apart from its namespaces.

use std::path::{Component, Path};

use super::{invalid, shown};
use crate::error::Result;
use crate::spec::{Device, DeviceType, IdMapping, Linux};

/// Lines that the kernel takes in a map of ids (`user_namespaces(7)`).
const MOST_RANGES: usize = 340;
/// A device's number in the kernel: 12 bits of major, 20 of minor.
const MOST_MAJOR: i64 = (1 << 12) - 1;
const MOST_MINOR: i64 = (1 << 20) - 1;

pub(super) fn check(linux: &Linux) -> Result<()> {
    map("linux.uidMappings", &linux.uid_mappings)?;
    map("linux.gidMappings", &linux.gid_mappings)?;
    for (index, device) in linux.devices.iter().enumerate() {
        check_device(&format!("linux.devices[{index}]"), device)?;
    }
    let lists = [
        ("maskedPaths", &linux.masked_paths),
        ("readonlyPaths", &linux.readonly_paths),
    ];
    for (name, paths) in lists {
        for (index, path) in paths.iter().enumerate() {
            inside(&format!("linux.{name}[{index}]"), path)?;
        }
    }
    for (clock, offset) in &linux.time_offsets {
        let field = format!("linux.timeOffsets.{}", shown(clock));
        if !matches!(clock.as_str(), "monotonic" | "boottime") {
            let reason = "no such clock has an offset";
            return Err(invalid(&field, reason, "`monotonic` or `boottime`"));
        }
        if offset.nanosecs >= 1_000_000_000 {
            let reason = format!("{} nanoseconds are a second or more", offset.nanosecs);
            return Err(invalid(&field, &reason, "0 to 999999999, and `secs`"));
        }
    }
    if let Some(flag) = linux.personality.iter().flat_map(|p| &p.flags).next() {
        let reason = format!("the specification knows no flag, and not `{}`", shown(flag));
        return Err(invalid("linux.personality.flags", &reason, "remove it"));
    }
    if let Some(resources) = &linux.resources {
        super::resources::check(resources)?;
    }
    net_devices(linux)
}

/// A path as the container sees it: absolute, and without a way out.
fn inside(field: &str, path: &Path) -> Result<()> {
    let remedy = "use an absolute path without `..`";
    let reason = if !path.is_absolute() {
        format!("`{}` is not absolute", path.display())
    } else if path.components().any(|part| part == Component::ParentDir) {
        format!("`{}` contains `..`", path.display())
    } else {
        return Ok(());
    };
    Err(invalid(field, &reason, remedy))
}

/// The kernel refuses a map with an empty, an overlapping or an endless range,
/// with one `EINVAL` for all three.
fn map(field: &str, ranges: &[IdMapping]) -> Result<()> {
    if ranges.len() > MOST_RANGES {
        let reason = format!("there are {} ranges", ranges.len());
        return Err(invalid(
            field,
            &reason,
            "the kernel takes 340: merge neighbours",
        ));
    }
    for (index, range) in ranges.iter().enumerate() {
        let field = |name| format!("{field}[{index}].{name}");
        if range.size == 0 {
            return Err(invalid(&field("size"), "it is 0", "remove the range"));
        }
        for name in ["containerID", "hostID"] {
            let first = |r: &IdMapping| match name {
                "hostID" => r.host_id,
                _ => r.container_id,
            };
            let end = |r: &IdMapping| u64::from(first(r)) + u64::from(r.size);
            if end(range) > u64::from(u32::MAX) {
                let reason = format!("{} ids from {} on are too many", range.size, first(range));
                return Err(invalid(&field(name), &reason, "the last id is 4294967294"));
            }
            let start = |r: &IdMapping| u64::from(first(r));
            let overlaps = |r: &&IdMapping| start(r) < end(range) && start(range) < end(r);
            if let Some(other) = ranges[..index].iter().find(overlaps) {
                let reason = format!(
                    "{} ids from {} on overlap the range from {} on",
                    range.size,
                    first(range),
                    first(other)
                );
                return Err(invalid(&field(name), &reason, "make the ranges disjoint"));
            }
        }
    }
    Ok(())
}

fn check_device(field: &str, device: &Device) -> Result<()> {
    inside(&format!("{field}.path"), &device.path)?;
    if !device
        .path
        .components()
        .any(|c| matches!(c, Component::Normal(_)))
    {
        let reason = format!("`{}` names no file", device.path.display());
        return Err(invalid(
            &format!("{field}.path"),
            &reason,
            "as in /dev/fuse",
        ));
    }
    if device.kind == DeviceType::All {
        let reason = "`a` is no type of a node";
        return Err(invalid(&format!("{field}.type"), reason, "c, b, u or p"));
    }
    let numbers = [
        ("major", device.major, MOST_MAJOR),
        ("minor", device.minor, MOST_MINOR),
    ];
    for (name, number, most) in numbers {
        let reason = match number {
            _ if device.kind == DeviceType::Fifo => continue,
            Some(number) if (0..=most).contains(&number) => continue,
            Some(number) => format!("{number} is out of range"),
            None => "it is missing".to_owned(),
        };
        let remedy = format!("0 to {most}");
        return Err(invalid(&format!("{field}.{name}"), &reason, &remedy));
    }
    let ids = [("uid", device.uid), ("gid", device.gid)];
    if let Some((name, _)) = ids.into_iter().find(|&(_, id)| id == Some(u32::MAX)) {
        let reason = "4294967295 is no id";
        return Err(invalid(
            &format!("{field}.{name}"),
            reason,
            "0 to 4294967294",
        ));
    }
    Ok(())
}

/// Names of network devices (`dev_valid_name` in the kernel).
fn net_devices(linux: &Linux) -> Result<()> {
    let good = |name: &str| {
        (1..16).contains(&name.len())
            && name != "."
            && name != ".."
            && !name.contains(['/', ':'])
            && !name.contains(char::is_whitespace)
            && !name.contains('\0')
    };
    for (host, device) in &linux.net_devices {
        let field = format!("linux.netDevices.{}", shown(host));
        let inside = device.name.as_deref().unwrap_or(host);
        if let Some(bad) = [host, inside].into_iter().find(|name| !good(name)) {
            let reason = format!("`{}` is no name of a network device", shown(bad));
            let remedy = "1 to 15 bytes without `/`, `:` and white space";
            return Err(invalid(&field, &reason, remedy));
        }
        let (stem, is_template) = match inside.strip_suffix("%d") {
            Some(stem) => (stem, true),
            None => (inside, false),
        };
        if stem.contains('%') {
            let reason = format!("`{inside}` is no name of a network device, and no template");
            let remedy = "a template ends in `%d`, where the kernel puts a number";
            return Err(invalid(&field, &reason, remedy));
        }
        let same = |(other, device): &(&String, &crate::spec::NetDevice)| {
            *other != host && device.name.as_deref().unwrap_or(other) == inside
        };
        if !is_template && linux.net_devices.iter().any(|entry| same(&entry)) {
            let reason = format!("two devices would be called `{inside}`");
            return Err(invalid(&field, &reason, "give each a name of its own"));
        }
    }
    Ok(())
}
