//! Weights and throttles of block devices, in the files of both versions.

use super::{Setting, given, set};
use crate::spec::{BlockIo, ThrottleDevice};

/// Files of version 1, with those of the BFQ scheduler where the older ones are gone.
pub(super) fn v1(block: &BlockIo) -> Vec<Setting> {
    let mut all = Vec::new();
    let weight = |file: &'static str, bfq, value: &str| {
        set("blockIO.weight", "blkio", file, value).or(bfq, value)
    };
    all.extend(
        given(block.weight).map(|v| weight("blkio.weight", "blkio.bfq.weight", &v.to_string())),
    );
    all.extend(
        given(block.leaf_weight)
            .map(|v| set("blockIO.leafWeight", "blkio", "blkio.leaf_weight", v)),
    );
    for (index, device) in block.weight_device.iter().enumerate() {
        let line = |weight: u16| format!("{}:{} {weight}", device.major, device.minor);
        let name = |what: &str| format!("blockIO.weightDevice[{index}].{what}");
        all.extend(given(device.weight).map(|v| {
            weight("blkio.weight_device", "blkio.bfq.weight_device", &line(v)).named(name("weight"))
        }));
        all.extend(given(device.leaf_weight).map(|v| {
            set("", "blkio", "blkio.leaf_weight_device", line(v)).named(name("leafWeight"))
        }));
    }
    for (field, file, _, devices) in throttles(block) {
        for (index, device) in devices.iter().enumerate() {
            let line = format!("{}:{} {}", device.major, device.minor, device.rate);
            let file = format!("blkio.throttle.{file}_device");
            all.push(set("", "blkio", file, line).named(format!("blockIO.{field}[{index}]")));
        }
    }
    all
}

/// Files of version 2. BFQ knows weights of 1 to 1000, the other one of 1 to 10000.
pub(super) fn v2(block: &BlockIo) -> Vec<Setting> {
    let mut all = Vec::new();
    all.extend(
        given(block.weight)
            .map(|v| set("blockIO.weight", "io", "io.bfq.weight", v).or("io.weight", scaled(v))),
    );
    all.extend(
        given(block.leaf_weight)
            .map(|v| set("blockIO.leafWeight", "io", "io.leaf_weight", v).of_version_1()),
    );
    for (index, device) in block.weight_device.iter().enumerate() {
        let name = || format!("blockIO.weightDevice[{index}].weight");
        let line = |weight: u64| format!("{}:{} {weight}", device.major, device.minor);
        all.extend(given(device.weight).map(|v| {
            set("", "io", "io.bfq.weight", line(v.into()))
                .or("io.weight", line(scaled(v)))
                .named(name())
        }));
    }
    for (field, _, key, devices) in throttles(block) {
        for (index, device) in devices.iter().enumerate() {
            let rate = match device.rate {
                0 => "max".to_owned(),
                rate => rate.to_string(),
            };
            let line = format!("{}:{} {key}={rate}", device.major, device.minor);
            all.push(set("", "io", "io.max", line).named(format!("blockIO.{field}[{index}]")));
        }
    }
    all
}

/// The field, version 1's word, version 2's word, the devices.
fn throttles(
    block: &BlockIo,
) -> [(&'static str, &'static str, &'static str, &[ThrottleDevice]); 4] {
    [
        (
            "throttleReadBpsDevice",
            "read_bps",
            "rbps",
            &block.throttle_read_bps_device,
        ),
        (
            "throttleWriteBpsDevice",
            "write_bps",
            "wbps",
            &block.throttle_write_bps_device,
        ),
        (
            "throttleReadIOPSDevice",
            "read_iops",
            "riops",
            &block.throttle_read_iops_device,
        ),
        (
            "throttleWriteIOPSDevice",
            "write_iops",
            "wiops",
            &block.throttle_write_iops_device,
        ),
    ]
}

/// 10 to 1000 spread over 1 to 10000.
fn scaled(weight: u16) -> u64 {
    1 + (u64::from(weight.clamp(10, 1000)) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    fn block() -> BlockIo {
        serde_json::from_str(
            r#"{"weight":1000,"weightDevice":[{"major":8,"minor":0,"weight":10}],
                "throttleReadBpsDevice":[{"major":8,"minor":16,"rate":5}],
                "throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}"#,
        )
        .unwrap()
    }

    #[test]
    fn version_1_has_a_file_for_each_throttle() {
        check(
            &v1(&block()),
            &[
                ("blkio.weight", "1000"),
                ("blkio.weight_device", "8:0 10"),
                ("blkio.throttle.read_bps_device", "8:16 5"),
                ("blkio.throttle.write_iops_device", "8:16 0"),
            ],
        );
    }

    #[test]
    fn version_2_has_one_file_and_says_max_for_none() {
        let settings = v2(&block());
        check(
            &settings,
            &[
                ("io.bfq.weight", "1000"),
                ("io.bfq.weight", "8:0 10"),
                ("io.max", "8:16 rbps=5"),
                ("io.max", "8:16 wiops=max"),
            ],
        );
        assert_eq!(settings[0].choices[1].1, "10000");
        assert_eq!(settings[1].choices[1].1, "8:0 1");
    }
}
