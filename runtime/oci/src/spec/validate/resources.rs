//! What `linux.resources` must and must not say, whatever the kernel can do.

use super::{invalid, shown};
use crate::error::Result;
use crate::spec::{BlockIo, Cpu, DeviceRule, HugepageLimit, Memory, Network, Resources};

/// Checks limits that a bundle or an update asks for.
pub(crate) fn check(resources: &Resources) -> Result<()> {
    for (index, rule) in resources.devices.iter().enumerate() {
        check_device(index, rule)?;
    }
    if let Some(memory) = &resources.memory {
        check_memory(memory)?;
    }
    if let Some(cpu) = &resources.cpu {
        check_cpu(cpu)?;
    }
    if let Some(block) = &resources.block_io {
        check_block(block)?;
    }
    for (index, limit) in resources.hugepage_limits.iter().enumerate() {
        check_hugepage(index, limit)?;
    }
    if let Some(network) = &resources.network {
        check_network(network)?;
    }
    for (device, limit) in &resources.rdma {
        let field = format!("linux.resources.rdma.{}", shown(device));
        one_word(&field, device)?;
        if limit.hca_handles.is_none() && limit.hca_objects.is_none() {
            let reason = "it limits nothing";
            return Err(invalid(&field, reason, "give it hcaHandles or hcaObjects"));
        }
    }
    resources
        .unified
        .keys()
        .try_for_each(|file| check_unified(file))
}

fn check_device(index: usize, rule: &DeviceRule) -> Result<()> {
    let access = rule.access.as_deref().unwrap_or_default();
    if let Some(letter) = access.chars().find(|c| !"rwm".contains(*c)) {
        let field = format!("linux.resources.devices[{index}].access");
        let reason = format!(
            "`{}` has the letter `{}`",
            shown(access),
            shown(&letter.to_string())
        );
        return Err(invalid(
            &field,
            &reason,
            "r for read, w for write, m for mknod",
        ));
    }
    for (name, number) in [("major", rule.major), ("minor", rule.minor)] {
        if let Some(number) = number
            && !(-1..=i64::from(u32::MAX)).contains(&number)
        {
            let field = format!("linux.resources.devices[{index}].{name}");
            let reason = format!("{number} is no device number");
            return Err(invalid(&field, &reason, "0 or more, or -1 for all"));
        }
    }
    Ok(())
}

fn check_memory(memory: &Memory) -> Result<()> {
    let amounts = [
        ("limit", memory.limit),
        ("reservation", memory.reservation),
        ("swap", memory.swap),
    ];
    for (name, amount) in amounts {
        if let Some(amount) = amount
            && amount < -1
        {
            let reason = format!("{amount} is no amount of memory");
            let field = format!("linux.resources.memory.{name}");
            return Err(invalid(&field, &reason, "bytes, or -1 for no limit"));
        }
    }
    if let (Some(limit), Some(swap)) = (memory.limit, memory.swap)
        && limit > 0
        && (1..limit).contains(&swap)
    {
        let reason = format!(
            "memory+swap limit should be >= memory limit: {swap} is less than memory.limit, {limit}"
        );
        let remedy = "it counts memory and swap together: the limit itself for no swap";
        return Err(invalid("linux.resources.memory.swap", &reason, remedy));
    }
    if let Some(swappiness) = memory.swappiness
        && swappiness > 100
        && swappiness != u64::MAX
    {
        let reason =
            format!("invalid memory swappiness value: {swappiness} (valid range is 0-100)");
        let remedy = "0 to 100, or remove it";
        return Err(invalid(
            "linux.resources.memory.swappiness",
            &reason,
            remedy,
        ));
    }
    Ok(())
}

fn check_cpu(cpu: &Cpu) -> Result<()> {
    for (name, list) in [("cpus", &cpu.cpus), ("mems", &cpu.mems)] {
        if let Some(list) = list
            && !list.trim().is_empty()
            && !list.trim().split(',').all(is_range)
        {
            let field = format!("linux.resources.cpu.{name}");
            let reason = format!("`{}` is no list of numbers", shown(list));
            return Err(invalid(&field, &reason, "write it as in `0-3,8`"));
        }
    }
    if let Some(idle) = cpu.idle
        && !(0..=1).contains(&idle)
    {
        let reason = format!("{idle} is neither 0 nor 1");
        return Err(invalid(
            "linux.resources.cpu.idle",
            &reason,
            "1 for idle, else 0",
        ));
    }
    if let (Some(burst), Some(quota)) = (cpu.burst, cpu.quota)
        && quota > 0
        && burst > quota.cast_unsigned()
    {
        let reason = format!("{burst} is more than cpu.quota, {quota}");
        let remedy = "no more can be saved up than one period's quota";
        return Err(invalid("linux.resources.cpu.burst", &reason, remedy));
    }
    Ok(())
}

/// `7` or `0-3`, and the kernel's `0-7:2/4`.
fn is_range(text: &str) -> bool {
    let number = |text: &str| text.trim().parse::<u32>().is_ok();
    let (range, stride) = text.split_once(':').unwrap_or((text, "1/1"));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    number(first)
        && number(last)
        && stride
            .split_once('/')
            .is_some_and(|(a, b)| number(a) && number(b))
}

fn check_block(block: &BlockIo) -> Result<()> {
    let weight = |field: &str, weight: Option<u16>| match weight {
        Some(weight) if weight != 0 && !(10..=1000).contains(&weight) => {
            let field = format!("linux.resources.blockIO.{field}");
            let reason = format!("{weight} is outside of 10 to 1000");
            Err(invalid(
                &field,
                &reason,
                "10 to 1000, or 0 to leave it as it is",
            ))
        }
        _ => Ok(()),
    };
    weight("weight", block.weight)?;
    weight("leafWeight", block.leaf_weight)?;
    for (index, device) in block.weight_device.iter().enumerate() {
        weight(&format!("weightDevice[{index}].weight"), device.weight)?;
        weight(
            &format!("weightDevice[{index}].leafWeight"),
            device.leaf_weight,
        )?;
        if device.weight.is_none() && device.leaf_weight.is_none() {
            return Err(invalid(
                &format!("linux.resources.blockIO.weightDevice[{index}]"),
                "it gives no weight",
                "give `weight` or `leafWeight`, or remove the entry",
            ));
        }
        numbers(
            &format!("weightDevice[{index}]"),
            device.major,
            device.minor,
        )?;
    }
    let throttles = [
        ("throttleReadBpsDevice", &block.throttle_read_bps_device),
        ("throttleWriteBpsDevice", &block.throttle_write_bps_device),
        ("throttleReadIOPSDevice", &block.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", &block.throttle_write_iops_device),
    ];
    for (name, devices) in throttles {
        for (index, device) in devices.iter().enumerate() {
            numbers(&format!("{name}[{index}]"), device.major, device.minor)?;
        }
    }
    Ok(())
}

fn numbers(field: &str, major: i64, minor: i64) -> Result<()> {
    if major >= 0 && minor >= 0 {
        return Ok(());
    }
    let field = format!("linux.resources.blockIO.{field}");
    let reason = format!("{major}:{minor} is no device");
    Err(invalid(
        &field,
        &reason,
        "`ls -l` shows a block device's two numbers",
    ))
}

fn check_hugepage(index: usize, limit: &HugepageLimit) -> Result<()> {
    let size = &limit.page_size;
    let digits = ["KB", "MB", "GB"]
        .iter()
        .find_map(|unit| size.strip_suffix(unit));
    if digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) {
        return Ok(());
    }
    let field = format!("linux.resources.hugepageLimits[{index}].pageSize");
    let reason = format!("`{}` is no size of a page", shown(size));
    Err(invalid(
        &field,
        &reason,
        "write it as in `2MB`: a number and KB, MB or GB",
    ))
}

fn check_network(network: &Network) -> Result<()> {
    for (index, interface) in network.priorities.iter().enumerate() {
        let field = format!("linux.resources.network.priorities[{index}].name");
        one_word(&field, &interface.name)?;
    }
    Ok(())
}

/// What the kernel's line takes before the first space.
fn one_word(field: &str, word: &str) -> Result<()> {
    if !word.is_empty() && !word.contains(|c: char| c.is_whitespace() || c == '\0') {
        return Ok(());
    }
    let reason = format!("`{}` is no name of a device", shown(word));
    Err(invalid(field, &reason, "a name without spaces"))
}

/// A file of the group's own directory, and no other.
fn check_unified(file: &str) -> Result<()> {
    let field = format!("linux.resources.unified.{}", shown(file));
    if file.contains(['/', '\0']) {
        let reason = format!(
            "unified resource `{}` must be a file name (no slashes)",
            shown(file)
        );
        return Err(invalid(
            &field,
            &reason,
            "name a file of the group's own directory",
        ));
    }
    match file.split_once('.') {
        Some((controller, parameter)) if !controller.is_empty() && !parameter.is_empty() => Ok(()),
        _ => {
            let reason = format!(
                "unified resource `{}` must be in the form CONTROLLER.PARAMETER",
                shown(file)
            );
            Err(invalid(&field, &reason, "write it as in `memory.high`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    /// The field that is refused in `resources`, or an empty text.
    fn refused(resources: &str) -> String {
        let resources: Resources = serde_json::from_str(resources).unwrap();
        match check(&resources) {
            Ok(()) => String::new(),
            Err(Error::Invalid { field, .. }) => field,
            Err(error) => panic!("{error}"),
        }
    }

    fn check_field(resources: &str, expected: &str) {
        assert_eq!(refused(resources), expected, "{resources}");
    }

    #[test]
    fn what_docker_and_podman_write_is_accepted() {
        for resources in [
            r#"{"memory":{"swappiness":18446744073709551615,"disableOOMKiller":false},"cpu":{"shares":0}}"#,
            r#"{"blockIO":{"weight":0},"pids":{"limit":0},"network":null,"rdma":null,"devices":null}"#,
            r#"{"memory":{"limit":10,"swap":10,"reservation":0},"cpu":{"cpus":"","mems":"0"}}"#,
            r#"{"memory":{"limit":-1,"swap":-1},"cpu":{"cpus":"0-3,8","quota":-1,"burst":9}}"#,
        ] {
            check_field(resources, "");
        }
    }

    #[test]
    fn a_unified_key_names_a_file_of_the_groups_own_directory() {
        check_field(r#"{"unified":{"memory.high":"1"}}"#, "");
        for key in [
            "../memory.max",
            "a/memory.max",
            "memory",
            "..",
            ".x",
            "memory.",
        ] {
            let resources = format!(r#"{{"unified":{{"{key}":"1"}}}}"#);
            check_field(&resources, &format!("linux.resources.unified.{key}"));
        }
    }

    #[test]
    fn a_value_that_no_kernel_takes_is_refused_by_its_field() {
        for (resources, field) in [
            (r#"{"memory":{"swappiness":101}}"#, "memory.swappiness"),
            (r#"{"memory":{"limit":-2}}"#, "memory.limit"),
            (r#"{"memory":{"limit":9,"swap":8}}"#, "memory.swap"),
            (r#"{"cpu":{"cpus":"0-x"}}"#, "cpu.cpus"),
            (r#"{"cpu":{"idle":2}}"#, "cpu.idle"),
            (r#"{"cpu":{"quota":5,"burst":6}}"#, "cpu.burst"),
            (r#"{"blockIO":{"weight":9}}"#, "blockIO.weight"),
            (
                r#"{"blockIO":{"throttleReadIOPSDevice":[{"major":-1,"minor":0,"rate":1}]}}"#,
                "blockIO.throttleReadIOPSDevice[0]",
            ),
            (
                r#"{"hugepageLimits":[{"pageSize":"../2MB","limit":1}]}"#,
                "hugepageLimits[0].pageSize",
            ),
            (
                r#"{"network":{"priorities":[{"name":"a b","priority":1}]}}"#,
                "network.priorities[0].name",
            ),
            (r#"{"rdma":{"a b":{"hcaHandles":1}}}"#, "rdma.a b"),
            (r#"{"rdma":{"mlx5_1":{}}}"#, "rdma.mlx5_1"),
            (
                r#"{"blockIO":{"weightDevice":[{"major":8,"minor":0}]}}"#,
                "blockIO.weightDevice[0]",
            ),
            (
                r#"{"devices":[{"allow":true,"access":"rx"}]}"#,
                "devices[0].access",
            ),
            (
                r#"{"devices":[{"allow":true,"major":-2}]}"#,
                "devices[0].major",
            ),
        ] {
            check_field(resources, &format!("linux.resources.{field}"));
        }
    }

    #[test]
    fn every_limit_of_the_specification_is_read_and_written_back() {
        let text = r#"{"memory":{"limit":1,"useHierarchy":true,"checkBeforeUpdate":true},
            "blockIO":{"weight":10,"leafWeight":20,
              "weightDevice":[{"major":8,"minor":0,"weight":500,"leafWeight":300}],
              "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],
              "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":300}]},
            "hugepageLimits":[{"pageSize":"2MB","limit":209715200}],
            "network":{"classID":1048577,"priorities":[{"name":"eth0","priority":500}]},
            "rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000}}}"#;
        let resources: Resources = serde_json::from_str(text).unwrap();
        let given: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(resources).unwrap(), given);
    }
}
