//! A calibration as a file: the parameters of one machine, with all that they hold for.
//!
//! It is read as strictly as if an enemy had written it: bounded, of this schema, without a field
//! that the schema does not name, no parameter twice, each in its own unit and possible. The schema
//! stands in `docs/calibration.schema.json`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Parameter, Parameters, bounded, refused};
use crate::error::{Error, Result};

/// The schema that this version writes and reads.
pub const SCHEMA: &str = "isolab.calibration/1";

/// No calibration is larger than this, in bytes.
pub const SIZE_LIMIT: u64 = 1_000_000;

/// The longest text in one, in bytes.
const TEXT: usize = 4096;

/// The machine that was calibrated, as far as it bears on the numbers. No host name, no user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The processor's model.
    pub cpu: String,
    /// Its architecture.
    pub arch: String,
    /// The processors that could be used.
    pub cpus: usize,
    /// The physical memory, in bytes.
    pub memory_bytes: u64,
    /// The host's kernel.
    pub kernel: String,
    /// QEMU as it names itself; nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qemu: Option<String>,
    /// The release of the guests' kernel; nothing where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest_kernel: Option<String>,
    /// What executed the guests' instructions; nothing where none ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accelerator: Option<String>,
}

/// How busy the machine was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Was {
    /// The load average of one minute before.
    pub load_before: f64,
    /// The same after.
    pub load_after: f64,
    /// For which part of the ten seconds before something waited for a processor, in percent;
    /// nothing where the kernel does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pressure_before: Option<f64>,
    /// Why it should have been refused, where it was forced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// How many guests hung and were started again.
    pub hangs: u32,
    /// How long it took, in seconds.
    pub took: f64,
}

/// A parameter that could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Its name, or the beginning of those of many.
    pub name: String,
    /// Why.
    pub why: String,
}

/// A calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// When it began, in UTC, by RFC 3339.
    pub created: String,
    /// The version of Isolab.
    pub isolab: String,
    /// The split of configurations that it was made by, by the SHA-256 of its bytes; nothing in
    /// files of before it was noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_sha256: Option<String>,
    /// Where.
    pub machine: Machine,
    /// Under which load.
    pub was: Was,
    /// What was found.
    pub parameters: Vec<Parameter>,
    /// What was not.
    #[serde(default)]
    pub missing: Vec<Missing>,
}

/// Only as much as tells whose file it is.
#[derive(Deserialize)]
struct Head {
    schema: Option<serde_json::Value>,
}

impl Calibration {
    /// Reads one.
    ///
    /// # Errors
    /// [`Error::Parameters`] if it is none, or holds what no calibration can have found.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if text.len() as u64 > SIZE_LIMIT {
            return Err(refused(format!("it is larger than {SIZE_LIMIT} bytes")));
        }
        let told = |error: &serde_json::Error| refused(bounded(&error.to_string()));
        let head: Head = serde_json::from_slice(text).map_err(|error| told(&error))?;
        match head.schema {
            Some(serde_json::Value::String(schema)) if schema == SCHEMA => {}
            Some(other) => {
                let found = bounded(&other.to_string());
                return Err(refused(format!(
                    "it is of the schema {found}, not `{SCHEMA}`"
                )));
            }
            None => return Err(refused(format!("it does not say that it is `{SCHEMA}`"))),
        }
        let read: Self = serde_json::from_slice(text).map_err(|error| told(&error))?;
        read.check()?;
        Ok(read)
    }

    /// The parameters, by name.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.parameters.iter().cloned().collect()
    }

    /// Refuses what no calibration can have found.
    ///
    /// # Errors
    /// [`Error::Parameters`] with the first fault.
    pub fn check(&self) -> Result<()> {
        let fits = |text: &str| text.len() <= TEXT && !text.chars().any(char::is_control);
        if !self.texts().into_iter().all(fits) {
            return Err(refused("a text in it is too long, or no text".to_owned()));
        }
        let mut names = BTreeSet::new();
        for parameter in &self.parameters {
            if !names.insert(&parameter.name) {
                let name = bounded(&parameter.name);
                return Err(refused(format!("`{name}` stands in it twice")));
            }
        }
        let was = &self.was;
        let numbers = [was.load_before, was.load_after, was.took];
        if numbers
            .iter()
            .any(|number| !number.is_finite() || *number < 0.0)
        {
            return Err(refused("its load or its time is no number".to_owned()));
        }
        if let Some(missing) = self.missing.iter().find(|one| names.contains(&one.name)) {
            let name = bounded(&missing.name);
            return Err(refused(format!(
                "it contradicts itself: `{name}` is missing, and has a value"
            )));
        }
        self.parameters().check()
    }

    /// Every text in it: whatever is told of it reaches a terminal, which obeys escape sequences.
    fn texts(&self) -> Vec<&str> {
        let machine = &self.machine;
        let always = [
            &self.schema,
            &self.created,
            &self.isolab,
            &machine.cpu,
            &machine.arch,
            &machine.kernel,
        ];
        let optional = [
            &machine.qemu,
            &machine.guest_kernel,
            &machine.accelerator,
            &self.was.forced,
            &self.split_sha256,
        ];
        let missing = self.missing.iter().flat_map(|one| [&one.name, &one.why]);
        let names = self.parameters.iter().map(|one| &one.name);
        let origins = self.parameters.iter().flat_map(|one| one.origin.texts());
        let all = always.into_iter().chain(optional.into_iter().flatten());
        let all = all.chain(missing).chain(names).map(String::as_str);
        all.chain(origins).collect()
    }

    /// Refuses a calibration that was made elsewhere than on `here`.
    ///
    /// # Errors
    /// [`Error::Parameters`] with what differs.
    pub fn check_machine(&self, here: &Machine) -> Result<()> {
        let there = &self.machine;
        let differs = |what: &str, there: &str, here: &str| Error::Parameters {
            reason: format!(
                "it was made on another machine: its {what} is {there}, here it is {here}"
            ),
            remedy: "`isolab model calibrate` makes one for this machine".to_owned(),
        };
        if there.cpu != here.cpu || there.arch != here.arch {
            return Err(differs("processor", &there.cpu, &here.cpu));
        }
        if there.cpus != here.cpus {
            let (there, here) = (there.cpus.to_string(), here.cpus.to_string());
            return Err(differs("number of processors", &there, &here));
        }
        // The kernel keeps more or less for itself from one release to the next.
        let ratio = there.memory_bytes as f64 / (here.memory_bytes.max(1)) as f64;
        if !(0.98..=1.02).contains(&ratio) {
            let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
            let (there, here) = (mib(there.memory_bytes), mib(here.memory_bytes));
            return Err(differs("memory", &there, &here));
        }
        Ok(())
    }

    /// What has changed on the machine since: each a reason to calibrate again.
    #[must_use]
    pub fn aged(&self, here: &Machine) -> Vec<String> {
        let there = &self.machine;
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
        // Who only looks at a machine does not know what executes its guests.
        let executes = [&there.accelerator, &here.accelerator];
        let executes = match executes.iter().all(|one| one.is_some()) {
            true => executes.map(said),
            false => Default::default(),
        };
        let [executed, executing] = executes;
        [
            ("kernel", there.kernel.clone(), here.kernel.clone()),
            ("QEMU", said(&there.qemu), said(&here.qemu)),
            (
                "guests' kernel",
                said(&there.guest_kernel),
                said(&here.guest_kernel),
            ),
            ("accelerator", executed, executing),
        ]
        .into_iter()
        .filter(|(_, there, here)| there != here)
        .map(|(what, there, here)| {
            format!("the {what} was {there} at the calibration, and is {here}")
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        let parameter = |name: &str, unit: &str, value: f64| {
            json!({
                "name": name, "value": value, "unit": unit, "low": value * 0.9, "high": value * 1.2,
                "origin": { "kind": "calibrated", "samples": 5, "how": "boots", "emulated_by": "QEMU TCG 7.2" },
            })
        };
        json!({
            "schema": SCHEMA, "created": "2026-01-02T03:04:05Z", "isolab": "0.1.0",
            "split_sha256": "0123456789abcdef",
            "machine": {
                "cpu": "a processor", "arch": "x86_64", "cpus": 2, "memory_bytes": 8_000_000_000_u64,
                "kernel": "6.1", "qemu": "QEMU 7.2", "guest_kernel": "6.1", "accelerator": "QEMU TCG 7.2",
            },
            "was": { "load_before": 0.1, "load_after": 1.5, "pressure_before": 2.0, "hangs": 0, "took": 20.0 },
            "parameters": [
                parameter("vm.boot", "s", 1.5),
                parameter("vm.reference", "B", 268_435_456.0),
                parameter("host.speed", "1", 1.0),
            ],
            "missing": [{ "name": "vm.restore", "why": "nothing saved" }],
        })
    }

    fn parse(value: &Value) -> Result<Calibration> {
        Calibration::parse(value.to_string().as_bytes())
    }

    #[track_caller]
    fn refuses(change: impl FnOnce(&mut Value), expected: &str) {
        let mut value = sample();
        change(&mut value);
        let error = parse(&value).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().unwrap().contains("isolab model calibrate"));
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let read = parse(&sample()).unwrap();
        let text = serde_json::to_vec(&read).unwrap();
        assert_eq!(Calibration::parse(&text).unwrap(), read);
        assert_eq!(read.parameters().len(), 3);
        let mut older = sample();
        older.as_object_mut().unwrap().remove("split_sha256");
        assert_eq!(parse(&older).unwrap().split_sha256, None);
    }

    #[test]
    fn a_file_that_is_wrong_is_refused_with_what_is_wrong() {
        refuses(
            |v| v["schema"] = json!("isolab.calibration/9"),
            "isolab.calibration/9",
        );
        refuses(|v| v["schema"] = Value::Null, "does not say");
        refuses(
            |v| v["parameters"][0]["unit"] = json!("B"),
            "its unit is `s`",
        );
        refuses(|v| v["parameters"][0]["unit"] = json!("ms"), "ms");
        refuses(|v| v["parameters"][0]["value"] = json!(-1.0), "can only be");
        refuses(
            |v| v["parameters"][0]["low"] = json!(9.0),
            "contradicts itself",
        );
        refuses(
            |v| v["parameters"][0]["name"] = json!("vm.bot"),
            "no parameter of this model",
        );
        refuses(
            |v| v["parameters"][0]["more"] = json!(1),
            "unknown field `more`",
        );
        refuses(|v| v["parameters"][2]["name"] = json!("vm.boot"), "twice");
        refuses(
            |v| v["missing"][0]["name"] = json!("vm.boot"),
            "is missing, and has a value",
        );
        refuses(|v| v["machine"]["cpu"] = json!("a\u{1b}[31m"), "no text");
        refuses(|v| v["was"]["took"] = json!(-1.0), "no number");
        let long = format!("vm.{}", "x".repeat(4000));
        let unknown = |v: &mut Value| v["parameters"][0]["name"] = json!(long);
        refuses(unknown, "no parameter of this model");
        let mut named = sample();
        unknown(&mut named);
        assert!(parse(&named).unwrap_err().to_string().len() < 400);
        assert!(Calibration::parse(b"").is_err());
        assert!(Calibration::parse(&vec![b' '; 1 << 21]).is_err());
    }

    #[test]
    fn no_text_in_it_reaches_a_terminal_that_is_more_than_text() {
        let given = json!({ "kind": "given", "why": "" });
        let published = json!({ "kind": "published", "citation": "", "conditions": "" });
        let places = [
            ("/created", None),
            ("/isolab", None),
            ("/machine/kernel", None),
            ("/machine/accelerator", None),
            ("/split_sha256", None),
            ("/was/forced", None),
            ("/missing/0/name", None),
            ("/missing/0/why", None),
            ("/parameters/0/name", None),
            ("/parameters/0/origin/how", None),
            ("/parameters/0/origin/emulated_by", None),
            ("/parameters/0/origin/why", Some(&given)),
            ("/parameters/0/origin/citation", Some(&published)),
            ("/parameters/0/origin/conditions", Some(&published)),
        ];
        for (place, origin) in places {
            for text in ["\u{1b}]0;a title\u{7}".to_owned(), "x".repeat(TEXT + 1)] {
                refuses(
                    |v| {
                        v["was"]["forced"] = json!("the load was 3");
                        if let Some(origin) = origin {
                            v["parameters"][0]["origin"] = origin.clone();
                        }
                        *v.pointer_mut(place).unwrap() = json!(text);
                    },
                    "too long, or no text",
                );
            }
        }
    }

    #[test]
    fn another_machines_is_refused_and_an_aged_one_says_so() {
        let read = parse(&sample()).unwrap();
        let here = |change: fn(&mut Machine)| {
            let mut machine = read.machine.clone();
            change(&mut machine);
            machine
        };
        assert!(read.check_machine(&here(|_| ())).is_ok());
        for other in [
            here(|m| m.cpu = "another".to_owned()),
            here(|m| m.cpus = 4),
            here(|m| m.memory_bytes *= 2),
        ] {
            let error = read.check_machine(&other).unwrap_err();
            assert!(error.to_string().contains("another machine"), "{error}");
            assert!(error.hint().unwrap().contains("for this machine"));
        }
        assert!(read.aged(&here(|_| ())).is_empty());
        assert_eq!(read.aged(&here(|m| m.kernel = "7.0".to_owned())).len(), 1);
        let other = read.aged(&here(|m| m.accelerator = Some("KVM".to_owned())));
        assert_eq!(
            other,
            ["the accelerator was QEMU TCG 7.2 at the calibration, and is KVM"]
        );
        assert!(
            read.aged(&here(|m| m.accelerator = None)).is_empty(),
            "not known"
        );
    }

    proptest! {
        #[test]
        fn nothing_read_is_impossible(at in 0usize..3, field in 0usize..4, number in any::<f64>()) {
            let mut value = sample();
            let field = ["value", "low", "high", "unit"][field];
            value["parameters"][at][field] = json!(number);
            if let Ok(read) = parse(&value) {
                for parameter in &read.parameters {
                    prop_assert!(parameter.check().is_ok());
                    prop_assert!(parameter.low <= parameter.value && parameter.value <= parameter.high);
                }
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Calibration::parse(&bytes);
        }
    }
}
