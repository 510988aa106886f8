//! Limits as properties of a unit, where systemd has one.
//!
//! systemd writes them again whenever it looks at the unit, so a limit that it
//! has a property for must be there as one. What it has none for is written to
//! the group's files alone.
//!
//! Source: `systemd.resource-control(5)`.

use super::wire::{Property, Value};
use crate::cgroup::devices::is_about_all;
use crate::cgroup::limits::Setting;
use crate::spec::{DeviceRule, DeviceType, parse_cpus};

/// What systemd calls "no limit".
const INFINITY: u64 = u64::MAX;

/// Those that an older systemd does not know, which does without them: the
/// group's files have the limits all the same.
pub(super) const YOUNGER: [&str; 3] = ["CPUQuotaPeriodUSec", "AllowedCPUs", "AllowedMemoryNodes"];

/// What it shall count.
pub(super) fn accounting(is_unified: bool) -> impl Iterator<Item = Property> {
    let io = if is_unified {
        "IOAccounting"
    } else {
        "BlockIOAccounting"
    };
    ["MemoryAccounting", "CPUAccounting", "TasksAccounting", io]
        .map(|name| (name.into(), Value::Bool(true)))
        .into_iter()
}

/// The properties that have what would be written to the group's files.
pub(super) fn of(settings: &[Setting], rules: &[DeviceRule]) -> Vec<Property> {
    let mut all = Vec::new();
    let first = |setting: &Setting| setting.choices.first().cloned();
    let files: Vec<_> = settings.iter().filter_map(first).collect();
    for (file, value) in &files {
        if let Some(name) = number(file) {
            all.extend(amount(value).map(|value| (name.into(), Value::U64(value))));
        }
        let name = match &**file {
            "cpuset.cpus" => "AllowedCPUs",
            "cpuset.mems" => "AllowedMemoryNodes",
            _ => continue,
        };
        all.extend(bits(value).map(|bits| (name.into(), Value::Bytes(bits))));
    }
    let value = |file: &str| {
        files
            .iter()
            .rfind(|(name, _)| name == file)
            .map(|(_, v)| &**v)
    };
    let (quota, period) = match value("cpu.max") {
        Some(both) => {
            let mut both = both.split_whitespace();
            (both.next(), both.next())
        }
        None => (value("cpu.cfs_quota_us"), value("cpu.cfs_period_us")),
    };
    let period = period.and_then(|period| period.parse().ok());
    let number = |name: &'static str, value| (name.into(), Value::U64(value));
    if let Some(quota) = quota.and_then(amount) {
        let each_second = each_second(quota, period.unwrap_or(100_000));
        all.push(number("CPUQuotaPerSecUSec", each_second));
    }
    all.extend(period.map(|period| number("CPUQuotaPeriodUSec", period)));
    if !rules.is_empty() {
        all.extend(devices(rules));
    }
    all
}

/// The property that has the number in `file`.
fn number(file: &str) -> Option<&'static str> {
    Some(match file {
        "memory.min" => "MemoryMin",
        "memory.low" => "MemoryLow",
        "memory.high" => "MemoryHigh",
        "memory.max" => "MemoryMax",
        "memory.swap.max" => "MemorySwapMax",
        "memory.limit_in_bytes" => "MemoryLimit",
        "cpu.weight" => "CPUWeight",
        "cpu.shares" => "CPUShares",
        "pids.max" => "TasksMax",
        "io.weight" => "IOWeight",
        "blkio.weight" => "BlockIOWeight",
        _ => return None,
    })
}

/// A number as the kernel takes it: `max`, or below zero, is no limit.
fn amount(value: &str) -> Option<u64> {
    match value.trim() {
        "max" => Some(INFINITY),
        value => match value.parse::<i128>() {
            Ok(number) if number < 0 => Some(INFINITY),
            Ok(number) => u64::try_from(number).ok(),
            Err(_) => None,
        },
    }
}

/// Microseconds of CPU time in each second, which systemd takes in steps of ten
/// thousand: rounded up.
fn each_second(quota: u64, period: u64) -> u64 {
    if quota == INFINITY {
        return INFINITY;
    }
    let each_second = quota.saturating_mul(1_000_000) / period.max(1);
    each_second.div_ceil(10_000).saturating_mul(10_000)
}

/// `0-3,8` as a mask, the lowest in the first byte; `None` for an empty list.
fn bits(list: &str) -> Option<Vec<u8>> {
    let words = parse_cpus(list.trim()).ok()?;
    let mut mask: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    let length = mask.iter().rposition(|byte| *byte != 0)? + 1;
    mask.truncate(length);
    Some(mask)
}

/// systemd knows only what is allowed: what comes after the last rule that
/// denies everything. The group's own rules decide in the end.
fn devices(rules: &[DeviceRule]) -> [Property; 3] {
    let denies_all = |rule: &DeviceRule| !rule.allow && is_about_all(rule);
    let start = rules
        .iter()
        .rposition(denies_all)
        .map_or(0, |index| index + 1);
    let mut allowed: Vec<(String, String)> = ["block-*", "char-*"]
        .map(|all| (all.to_owned(), "m".to_owned()))
        .to_vec();
    let always = [
        (1, 3),
        (1, 5),
        (1, 7),
        (1, 8),
        (1, 9),
        (5, 0),
        (5, 2),
        (10, 200),
    ];
    let node = |kind, major, minor| format!("/dev/{kind}/{major}:{minor}");
    allowed.extend(always.map(|(major, minor)| (node("char", major, minor), "rwm".to_owned())));
    allowed.push(("char-pts".to_owned(), "rwm".to_owned()));
    for rule in rules[start..].iter().filter(|rule| rule.allow) {
        let access = rule.access.as_deref().unwrap_or("rwm").to_owned();
        let number = |number: Option<i64>| number.filter(|number| *number >= 0);
        let kinds: &[&str] = match rule.kind {
            Some(DeviceType::Block) => &["block"],
            Some(DeviceType::Character) => &["char"],
            Some(DeviceType::Fifo) => &[],
            Some(DeviceType::All) | None => &["block", "char"],
        };
        for kind in kinds {
            let name = match (number(rule.major), number(rule.minor)) {
                (Some(major), Some(minor)) => node(kind, major, minor),
                (Some(major), None) => match driver(kind, major) {
                    Some(driver) => format!("{kind}-{driver}"),
                    None => continue, // no such driver, and so no such device
                },
                (None, _) => format!("{kind}-*"),
            };
            allowed.push((name, access.clone()));
        }
    }
    [
        ("DevicePolicy".into(), Value::Text("strict".to_owned())),
        // An empty list takes back what was allowed before.
        ("DeviceAllow".into(), Value::Pairs(Vec::new())),
        ("DeviceAllow".into(), Value::Pairs(allowed)),
    ]
}

/// The driver that has `major`, by which systemd names all of its devices.
fn driver(kind: &str, major: i64) -> Option<String> {
    let text = std::fs::read_to_string("/proc/devices").ok()?;
    let (char, block) = text.split_once("Block devices:")?;
    let part = if kind == "block" { block } else { char };
    let mut lines = part.lines().filter_map(|line| line.trim().split_once(' '));
    let found = lines.find(|(number, _)| number.parse() == Ok(major));
    found.map(|(_, name)| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::limits;
    use crate::spec::Resources;

    fn check(settings: &[Setting], expected: &[(&str, u64)]) {
        let expected: Vec<Property> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned().into(), Value::U64(*value)))
            .collect();
        assert_eq!(of(settings, &[]), expected);
    }

    fn resources(text: &str) -> Resources {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn each_version_has_its_properties() {
        let asked = resources(
            r#"{"memory":{"limit":5,"reservation":4,"swap":7},"pids":{"limit":-1},
                "cpu":{"shares":1024,"quota":50000,"period":100000}}"#,
        );
        check(
            &limits::v2::settings(&asked, &|_| None).unwrap(),
            &[
                ("MemorySwapMax", 2),
                ("MemoryMax", 5),
                ("MemoryLow", 4),
                ("CPUWeight", 100),
                ("TasksMax", INFINITY),
                ("CPUQuotaPerSecUSec", 500_000),
                ("CPUQuotaPeriodUSec", 100_000),
            ],
        );
        check(
            &limits::v1::settings(&asked).unwrap(),
            &[
                ("MemoryLimit", 5),
                ("CPUShares", 1024),
                ("TasksMax", INFINITY),
                ("CPUQuotaPerSecUSec", 500_000),
                ("CPUQuotaPeriodUSec", 100_000),
            ],
        );
    }

    #[test]
    fn files_that_are_named_have_properties_too() {
        let asked = resources(
            r#"{"unified":{"memory.high":"6","memory.min":"max","cpu.max":"max","hugetlb.2MB.max":"0",
                "cpuset.cpus":"1"}}"#,
        );
        let all = of(&limits::v2::settings(&asked, &|_| None).unwrap(), &[]);
        let number = |name: &'static str, value| (name.into(), Value::U64(value));
        assert_eq!(
            all,
            [
                ("AllowedCPUs".into(), Value::Bytes(vec![2])),
                number("MemoryHigh", 6),
                number("MemoryMin", INFINITY),
                number("CPUQuotaPerSecUSec", INFINITY),
            ]
        );
    }

    #[test]
    fn a_quota_is_told_in_microseconds_of_each_second_rounded_up_to_a_hundredth() {
        assert_eq!(each_second(50_000, 100_000), 500_000);
        assert_eq!(each_second(1001, 100_000), 20_000);
        assert_eq!(each_second(5, 0), 5_000_000);
        assert_eq!(each_second(INFINITY, 5), INFINITY);
    }

    #[test]
    fn cpus_are_a_mask() {
        assert_eq!(bits("0-1,9"), Some(vec![3, 2]));
        assert_eq!(bits(""), None);
    }

    #[test]
    fn devices_that_are_allowed_have_systemds_names() {
        let rules: Vec<DeviceRule> = serde_json::from_str(
            r#"[{"allow":true,"type":"c","major":9,"minor":9},
                {"allow":false,"access":"rwm"},
                {"allow":true,"type":"b","major":8,"minor":1,"access":"r"},
                {"allow":true,"type":"c","major":1}]"#,
        )
        .unwrap();
        let Value::Pairs(allowed) = &devices(&rules)[2].1 else {
            panic!("no list");
        };
        let has =
            |name: &str, access: &str| allowed.contains(&(name.to_owned(), access.to_owned()));
        assert!(has("/dev/char/1:3", "rwm"));
        assert!(has("/dev/block/8:1", "r"));
        assert!(has("char-mem", "rwm"), "{allowed:?}");
        assert!(
            !has("/dev/char/9:9", "rwm"),
            "denied again by the rule after it"
        );
    }
}
