//! `isorun update`: the new limits, from a file or from options of their own.

use std::path::Path;
use std::str::FromStr;

use isolab_oci::spec::Resources;
use serde_json::{Map, Value, json};

use crate::arguments::{Given, Key};
use crate::container;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::log::Log;

/// Changes the limits of a container.
pub(crate) fn update(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    let resources = resources(given)?;
    if let Some(warning) = not_used(given) {
        log.warn(warning);
    }
    let container = container::load(given)?;
    if resources == Resources::default() {
        log.warn("no limit was given, and none is changed: `isorun update --help` lists them");
    }
    for warning in container.update(&resources)? {
        log.warn(warning);
    }
    Ok(ExitCode::SUCCESS)
}

/// The limits that were typed beside a file and, as in runc and crun, change nothing.
fn not_used(given: &Given<'_>) -> Option<String> {
    given.value(Key::Resources)?;
    let fields = [&CPU[..], &MEMORY, &PIDS, &BLOCK_IO].concat();
    let keys = fields.into_iter().map(|(key, ..)| key);
    let names = given.spelled(keys.chain([Key::CpusetCpus, Key::CpusetMems]));
    (!names.is_empty()).then(|| {
        format!(
            "not used, since the limits are those of --resources: {}",
            names.join(", ")
        )
    })
}

/// What is to change. Where a file says so, the other options are not read.
fn resources(given: &Given<'_>) -> Result<Resources, Failure> {
    if given.value(Key::L3CacheSchema).is_some() || given.value(Key::MemBwSchema).is_some() {
        return Err(Failure::new(
            "Intel RDT (--l3-cache-schema, --mem-bw-schema) is not supported",
            "leave the option out",
        ));
    }
    let resources = match given.value(Key::Resources) {
        Some("-") => Resources::read(std::io::stdin(), "the standard input".as_ref())?,
        Some(file) => {
            let path = Path::new(file);
            let text =
                std::fs::File::open(path).map_err(|error| Failure::file("read", path, &error))?;
            Resources::read(text, path)?
        }
        None => {
            let value = from_options(given)?;
            serde_json::from_value(value)
                .map_err(|error| Failure::plain(format!("cannot understand the limits: {error}")))?
        }
    };
    Ok(resources)
}

/// The options in the form of `linux.resources`: only what was given.
fn from_options(given: &Given<'_>) -> Result<Value, Failure> {
    let mut all = given.object(&CPU)?;
    if let Some(cpus) = given.value(Key::CpusetCpus) {
        all.insert("cpus".to_owned(), cpus.into());
    }
    if let Some(mems) = given.value(Key::CpusetMems) {
        all.insert("mems".to_owned(), mems.into());
    }
    let mut resources = Map::new();
    let parts = [
        ("cpu", all),
        ("memory", given.object(&MEMORY)?),
        ("pids", given.object(&PIDS)?),
        ("blockIO", given.object(&BLOCK_IO)?),
    ];
    for (name, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        resources.insert(name.to_owned(), part.into());
    }
    Ok(resources.into())
}

/// An option, its field, and what it takes.
type Field = (Key, &'static str, Takes);

#[derive(Clone, Copy)]
enum Takes {
    Count,
    /// A number that may be negative.
    Signed,
    /// Bytes, or a number with a unit; negative for no limit.
    Size,
}

const CPU: [Field; 7] = [
    (Key::CpuShare, "shares", Takes::Count),
    (Key::CpuQuota, "quota", Takes::Signed),
    (Key::CpuPeriod, "period", Takes::Count),
    (Key::CpuBurst, "burst", Takes::Count),
    (Key::CpuRtRuntime, "realtimeRuntime", Takes::Signed),
    (Key::CpuRtPeriod, "realtimePeriod", Takes::Count),
    (Key::CpuIdle, "idle", Takes::Signed),
];
const MEMORY: [Field; 5] = [
    (Key::Memory, "limit", Takes::Size),
    (Key::MemoryReservation, "reservation", Takes::Size),
    (Key::MemorySwap, "swap", Takes::Size),
    (Key::KernelMemory, "kernel", Takes::Size),
    (Key::KernelMemoryTcp, "kernelTCP", Takes::Size),
];
const PIDS: [Field; 1] = [(Key::PidsLimit, "limit", Takes::Signed)];
const BLOCK_IO: [Field; 1] = [(Key::BlkioWeight, "weight", Takes::Count)];

/// A size as runc takes it: `50M`, `1.5gb`, `512KiB`, each unit 1024 of the one
/// before.
struct Size(i64);

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(bytes) = text.parse() {
            return Ok(Self(bytes));
        }
        let end = text.find(|c: char| c != '.' && !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = unit.trim_start().to_ascii_lowercase();
        let prefix = unit.strip_suffix("ib").or(unit.strip_suffix('b'));
        let power = match prefix.unwrap_or(&unit) {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            "p" => 50,
            _ => return Err(()),
        };
        let bytes = number.parse::<f64>().map_err(drop)? * (1_u64 << power) as f64;
        // The number is not negative: it has no sign.
        match bytes < i64::MAX as f64 {
            true => Ok(Self(bytes as i64)),
            false => Err(()),
        }
    }
}

impl Given<'_> {
    /// Those of `fields` that were given, as a JSON object.
    fn object(&self, fields: &[Field]) -> Result<Map<String, Value>, Failure> {
        let mut object = Map::new();
        for &(key, name, takes) in fields {
            let value = match takes {
                Takes::Count => self.number::<u64>(key)?.map(|n| json!(n)),
                Takes::Signed => self.number::<i64>(key)?.map(|n| json!(n)),
                Takes::Size => self.number::<Size>(key)?.map(|size| json!(size.0)),
            };
            if let Some(value) = value {
                object.insert(name.to_owned(), value);
            }
        }
        Ok(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Value, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut given = Given::default();
        given.scan(&words)?;
        resources(&given).map(|r| serde_json::to_value(r).unwrap())
    }

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(check("update x").unwrap(), json!({}));
    }

    #[test]
    fn options_become_the_specifications_fields() {
        let resources = check(
            "update --memory 100 --memory-swap -1 --cpu-share=5 --cpu-quota -1 --cpuset-cpus 0-1 --pids-limit 7 x",
        );
        let expected = json!({
            "memory": {"limit": 100, "swap": -1},
            "cpu": {"shares": 5, "quota": -1, "cpus": "0-1"},
            "pids": {"limit": 7},
        });
        assert_eq!(resources.unwrap(), expected);
    }

    #[test]
    fn a_size_may_have_a_unit() {
        for (text, bytes) in [
            ("50M", 50 << 20),
            ("512KiB", 512 << 10),
            ("1.5gb", 3 << 29),
            ("7b", 7),
            ("-1", -1),
        ] {
            let line = format!("update --memory {text} x");
            assert_eq!(check(&line).unwrap(), json!({"memory": {"limit": bytes}}));
        }
        for text in ["M", "5X", "-5M", "9999999P", "5bb", "1.2.3k"] {
            check(&format!("update --memory {text} x")).expect_err(text);
        }
    }

    #[test]
    fn a_file_outranks_the_options() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"pids": {"limit": 3}, "cpu": null}"#).unwrap();
        let line = format!("update -r {} --memory 5 x", file.path().display());
        assert_eq!(check(&line).unwrap(), json!({"pids": {"limit": 3}}));
    }

    #[test]
    fn what_changes_nothing_beside_a_file_is_told_by_name() {
        let check = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let mut given = Given::default();
            given.scan(&words).unwrap();
            not_used(&given)
        };
        assert_eq!(check("update --memory 5 x"), None);
        assert_eq!(check("update -r f x"), None);
        let warning = check("update -r f --memory 5 --pids-limit 7 --cpuset-mems 0 x").unwrap();
        let names = ": --memory, --pids-limit, --cpuset-mems";
        assert!(warning.ends_with(names), "{warning}");
    }

    #[test]
    fn what_cannot_be_a_limit_is_refused_by_name() {
        for (line, word) in [
            ("update --memory lots x", "--memory"),
            ("update --cpu-share -1 x", "--cpu-share"),
            ("update -r /nonexistent/file x", "/nonexistent/file"),
            ("update --l3-cache-schema L3:0=f x", "RDT"),
        ] {
            let failure = check(line).expect_err(line);
            assert!(failure.message.contains(word), "{}", failure.message);
        }
    }
}
