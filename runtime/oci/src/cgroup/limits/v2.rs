//! The settings of version 2, in the order in which they are written.

use super::{Absent, Setting, block, cpusets, given, hugepages, or_max, pids, rdma, set, v1};
use crate::error::{Error, Result};
use crate::spec::{Cpu, Memory, Resources};

/// What a file of the group says now, where there is a group.
pub(in crate::cgroup) type Current<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The settings that `resources` asks for. Version 2 has values in one file
/// that the specification has apart: what is not asked for keeps its value.
pub(in crate::cgroup) fn settings(
    resources: &Resources,
    current: Current<'_>,
) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    if let Some(memory) = &resources.memory {
        memory_settings(memory, current, &mut all)?;
    }
    if let Some(cpu) = &resources.cpu {
        cpu_settings(cpu, current, &mut all);
    }
    all.extend(resources.pids.as_ref().and_then(pids));
    all.extend(resources.block_io.iter().flat_map(block::v2));
    let pages = resources.hugepage_limits.iter().enumerate();
    all.extend(pages.flat_map(|(index, limit)| hugepages(index, limit, "max")));
    all.extend(
        resources
            .rdma
            .iter()
            .filter_map(|(name, limits)| rdma(name, limits)),
    );
    only_of_version_1(resources, &mut all)?;
    all.extend(resources.unified.iter().map(|(file, value)| Setting {
        field: format!("unified.{file}").into(),
        controller: controller(file).into(),
        choices: vec![(file.clone().into(), value.clone())],
        absent: Absent::Fails,
    }));
    Ok(all)
}

/// The controller that has `file`; a group's own files have none.
fn controller(file: &str) -> String {
    match file.split('.').next() {
        Some("cgroup") | None => String::new(),
        Some(controller) => controller.to_owned(),
    }
}

fn memory_settings(memory: &Memory, current: Current<'_>, all: &mut Vec<Setting>) -> Result<()> {
    let limit = given(memory.limit);
    if let Some(swap) = swap(memory, current)? {
        let setting = set("memory.swap", "memory", "memory.swap.max", or_max(swap));
        // A kernel without swap accounting neither limits nor uses any.
        all.push(if swap <= 0 {
            setting.if_there()
        } else {
            setting
        });
    }
    if memory.check_before_update == Some(true)
        && let Some(limit) = limit.filter(|limit| *limit > 0)
        && let Some(usage) =
            current("memory.current").and_then(|text| text.trim().parse::<i64>().ok())
        && usage >= limit
    {
        return Err(Error::Invalid {
            field: "linux.resources.memory.limit".to_owned(),
            reason: format!(
                "rejecting memory limit {limit}, because it's lower than current usage {usage} \
                 (memory.checkBeforeUpdate)"
            ),
            remedy: "ask for more, or set checkBeforeUpdate to false and let the kernel kill"
                .to_owned(),
        });
    }
    all.extend(limit.map(|v| set("memory.limit", "memory", "memory.max", or_max(v))));
    let low = given(memory.reservation);
    all.extend(low.map(|v| set("memory.reservation", "memory", "memory.low", or_max(v))));
    Ok(())
}

/// The specification counts memory and swap together, version 2 swap alone.
fn swap(memory: &Memory, current: Current<'_>) -> Result<Option<i64>> {
    let limit = given(memory.limit);
    let Some(swap) = given(memory.swap) else {
        return Ok((limit == Some(-1)).then_some(-1));
    };
    if swap == -1 {
        return Ok(Some(-1));
    }
    let now = || current("memory.max").and_then(|text| text.trim().parse::<i64>().ok());
    match limit.or_else(now).filter(|limit| *limit > 0) {
        Some(limit) if swap >= limit => Ok(Some(swap - limit)),
        limit => Err(Error::Invalid {
            field: "linux.resources.memory.swap".to_owned(),
            reason: match limit {
                Some(limit) => format!(
                    "memory+swap limit should be >= memory limit: {swap} is less than {limit}"
                ),
                None => format!(
                    "unable to set swap limit without memory limit: {swap} counts both together"
                ),
            },
            remedy: "give memory.limit too, and swap as the sum of both".to_owned(),
        }),
    }
}

fn cpu_settings(cpu: &Cpu, current: Current<'_>, all: &mut Vec<Setting>) {
    all.extend(cpu.idle.map(|v| set("cpu.idle", "cpu", "cpu.idle", v)));
    let shares = given(cpu.shares);
    all.extend(shares.map(|v| set("cpu.shares", "cpu", "cpu.weight", weight(v))));
    let (quota, period) = (given(cpu.quota), given(cpu.period));
    if quota.is_some() || period.is_some() {
        let now = current("cpu.max").unwrap_or_default();
        let mut now = now.split_whitespace();
        let (quota_now, period_now) = (now.next().unwrap_or("max"), now.next());
        let quota = quota.map_or_else(|| quota_now.to_owned(), or_max);
        let period = period.map(|p| p.to_string());
        let period = period.as_deref().or(period_now).unwrap_or("100000");
        all.push(set(
            "cpu.quota",
            "cpu",
            "cpu.max",
            format!("{quota} {period}"),
        ));
    }
    all.extend(
        cpu.burst
            .map(|v| set("cpu.burst", "cpu", "cpu.max.burst", v)),
    );
    all.extend(cpusets(cpu));
}

/// What version 2 has no file for is still told of, not dropped in silence.
fn only_of_version_1(resources: &Resources, all: &mut Vec<Setting>) -> Result<()> {
    let is_lost = |s: &Setting| {
        let controllers = ["net_cls", "net_prio"];
        let fields = [
            "memory.kernelTCP",
            "memory.swappiness",
            "memory.disableOOMKiller",
            "cpu.realtimePeriod",
            "cpu.realtimeRuntime",
        ];
        controllers.contains(&&*s.controller) || fields.contains(&&*s.field)
    };
    let only = Resources {
        memory: resources.memory.clone(),
        cpu: resources.cpu.as_ref().map(|cpu| Cpu {
            shares: None,
            ..cpu.clone()
        }),
        network: resources.network.clone(),
        ..Resources::default()
    };
    let lost = v1::settings(&only)?.into_iter().filter(is_lost);
    all.extend(lost.map(Setting::of_version_1));
    Ok(())
}

/// Shares (2 to 262144, 1024 by default) as a weight (1 to 10000, 100 by
/// default): the curve through those three pairs that today's runtimes share,
/// in place of a line that made the default container lose against its
/// neighbours.
///
/// Source: `https://github.com/kubernetes/kubernetes/issues/131216`.
fn weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let l = (shares as f64).log2();
            #[expect(clippy::cast_sign_loss, reason = "a power of ten is positive")]
            let weight = 10f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil() as u64;
            weight
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check, resources};
    use super::*;

    fn on_a_new_group(text: &str, expected: &[(&str, &str)]) {
        check(&settings(&resources(text), &|_| None).unwrap(), expected);
    }

    fn on_a_group_with(files: &[(&str, &str)], text: &str, expected: &[(&str, &str)]) {
        let current = |file: &str| {
            let found = files.iter().find(|(name, _)| *name == file);
            found.map(|(_, value)| (*value).to_owned())
        };
        check(&settings(&resources(text), &current).unwrap(), expected);
    }

    #[test]
    fn every_limit_has_its_file() {
        on_a_new_group(
            r#"{"memory":{"limit":1000,"swap":1500,"reservation":9},
                "cpu":{"shares":1024,"quota":-1,"burst":1,"idle":0,"cpus":"0"},
                "pids":{"limit":-1},
                "hugepageLimits":[{"pageSize":"1GB","limit":4}],
                "unified":{"memory.high":"500"}}"#,
            &[
                ("memory.swap.max", "500"),
                ("memory.max", "1000"),
                ("memory.low", "9"),
                ("cpu.idle", "0"),
                ("cpu.weight", "100"),
                ("cpu.max", "max 100000"),
                ("cpu.max.burst", "1"),
                ("cpuset.cpus", "0"),
                ("pids.max", "max"),
                ("hugetlb.1GB.max", "4"),
                ("hugetlb.1GB.rsvd.max", "4"),
                ("memory.high", "500"),
            ],
        );
    }

    #[test]
    fn swap_equal_to_memory_means_no_swap_and_no_limit_means_none_of_both() {
        on_a_new_group(
            r#"{"memory":{"limit":5,"swap":5}}"#,
            &[("memory.swap.max", "0"), ("memory.max", "5")],
        );
        on_a_new_group(
            r#"{"memory":{"limit":-1}}"#,
            &[("memory.swap.max", "max"), ("memory.max", "max")],
        );
        let alone = resources(r#"{"memory":{"swap":5}}"#);
        assert!(settings(&alone, &|_| None).is_err());
    }

    #[test]
    fn an_update_keeps_what_it_does_not_name() {
        let files = [("cpu.max", "20000 50000\n"), ("memory.max", "1000\n")];
        on_a_group_with(
            &files,
            r#"{"cpu":{"period":70000}}"#,
            &[("cpu.max", "20000 70000")],
        );
        on_a_group_with(
            &files,
            r#"{"cpu":{"quota":30000}}"#,
            &[("cpu.max", "30000 50000")],
        );
        on_a_group_with(
            &files,
            r#"{"memory":{"swap":1200}}"#,
            &[("memory.swap.max", "200")],
        );
    }

    #[test]
    fn a_limit_below_what_is_in_use_is_refused_where_that_was_asked_for() {
        let current = |file: &str| (file == "memory.current").then(|| "500\n".to_owned());
        let asked = |check: bool| {
            resources(&format!(
                r#"{{"memory":{{"limit":400,"checkBeforeUpdate":{check}}}}}"#
            ))
        };
        assert!(settings(&asked(true), &current).is_err());
        assert!(settings(&asked(false), &current).is_ok());
    }

    #[test]
    fn what_only_version_1_has_is_told_of() {
        let asked = resources(r#"{"memory":{"swappiness":5},"network":{"classID":1}}"#);
        let settings = settings(&asked, &|_| None).unwrap();
        assert_eq!(settings.len(), 2);
        assert!(settings.iter().all(|s| s.absent == Absent::IsOfVersion1));
    }

    #[test]
    fn the_default_shares_are_the_default_weight_and_the_ends_are_the_ends() {
        let pairs = [
            (0, 1),
            (2, 1),
            (1024, 100),
            (262_144, 10_000),
            (u64::MAX, 10_000),
        ];
        assert_eq!(pairs.map(|(shares, _)| (shares, weight(shares))), pairs);
        let mut last = 0;
        for shares in 2..=262_144 {
            let weight = weight(shares);
            assert!((1..=10_000).contains(&weight) && weight >= last, "{shares}");
            last = weight;
        }
    }
}
