//! A real calibration, and what is done with it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Tested;
use super::support::{Home, contains};

/// What a busy machine may add to the half minute: this is no test of its speed.
const SLACK: Duration = Duration::from_secs(60);

pub(crate) fn calibrated() -> Tested {
    let home = Home::new();
    let begun = Instant::now();
    // Others may well be testing beside us.
    let made = home.json(&["calibrate", "--force", "--json"]);
    assert!(
        begun.elapsed() < Duration::from_secs(30) + SLACK,
        "{:?}",
        begun.elapsed()
    );
    fits_its_schema(&made);
    let parameter = |name: &str| {
        let mut all = made["parameters"].as_array().unwrap().iter();
        all.find(|one| one["name"] == name)
            .unwrap_or_else(|| panic!("no {name} in {made:#}"))
    };
    // On a busy machine the time may be up before all of them are had, which is said then.
    let late = |name: &str| {
        let mut all = made["missing"].as_array().unwrap().iter();
        all.any(|one| one["name"] == name && one["why"].as_str().unwrap().contains("was up"))
    };
    for name in [
        "vm.boot",
        "vm.reference",
        "vm.memory.kernel",
        "vm.memory.vmm",
        "vm.contention",
        "vm.contention.few",
        "vm.slowdown",
        "vm.slowdown.kernel",
        "vm.translation",
        "program.run",
        "process.start",
    ] {
        if late(name) && name != "vm.boot" {
            eprintln!("not had in time: {name}");
            continue;
        }
        let one = parameter(name);
        let number = |field: &str| one[field].as_f64().unwrap();
        assert!(
            number("low") <= number("value") && number("value") <= number("high"),
            "{one}"
        );
    }
    let by_emulator = made["machine"]["accelerator"]
        .as_str()
        .unwrap()
        .contains("TCG");
    let said = parameter("vm.boot")["origin"]["emulated_by"].is_string();
    assert_eq!(by_emulator, said, "{made:#}");
    // It is what is asked from now on.
    let text = home.says(&["ask", "memory", "--guests", "2"]);
    contains(&text, &["the calibration of"]);
    let left = fs::read_dir(home.path().join("cache/isolab/scratch")).unwrap();
    assert_eq!(left.count(), 0, "scratch files are left");
    Ok(())
}

fn fits_its_schema(made: &Value) {
    let path = format!(
        "{}/docs/calibration.schema.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut compiler = boon::Compiler::new();
    compiler
        .add_resource("urn:isolab:calibration:1", schema)
        .unwrap();
    let mut schemas = boon::Schemas::new();
    let index = compiler
        .compile("urn:isolab:calibration:1", &mut schemas)
        .unwrap();
    if let Err(error) = schemas.validate(made, index) {
        panic!("{error}");
    }
}
