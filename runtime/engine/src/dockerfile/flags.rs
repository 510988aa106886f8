//! `--name=value`: which flags an instruction has, and what stands in them.
//!
//! Source: BuildKit, `frontend/dockerfile/instructions/bflag.go`.

use super::problem::{Fault, did_you_mean, shown};

/// What a flag holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, `true` or `false`.
    Switch,
    /// A text.
    Text,
    /// A text, and the flag may be there several times.
    Texts,
}

/// The flags of one instruction.
#[derive(Debug)]
pub(super) struct Flags(Vec<(String, String)>);

impl Flags {
    /// Reads `flags`, of which `instruction` has the `known` ones.
    pub(super) fn read(
        instruction: &str,
        flags: &[String],
        known: &[(&str, Kind)],
    ) -> Result<Self, Fault> {
        let mut found: Vec<(String, String)> = Vec::new();
        for flag in flags {
            let flag = flag.strip_prefix("--").unwrap_or(flag);
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            let Some((_, kind)) = known.iter().find(|(known, _)| *known == name) else {
                return Err(unknown(instruction, name, known));
            };
            if *kind != Kind::Texts && found.iter().any(|(other, _)| other == name) {
                return Err(Fault::new(format!("--{name} is there twice")));
            }
            let value = match (kind, value) {
                (Kind::Switch, None) => "true".to_owned(),
                (Kind::Switch, Some(value)) => match &*value.to_ascii_lowercase() {
                    value @ ("true" | "false") => value.to_owned(),
                    _ => {
                        let what = format!("--{name} is true or false, not `{}`", shown(value));
                        return Err(Fault::new(what));
                    }
                },
                (_, Some(value)) => value.to_owned(),
                (_, None) => {
                    let fault = Fault::new(format!("--{name} has no value"));
                    return Err(fault.remedy(format!("write `--{name}=VALUE`")));
                }
            };
            found.push((name.to_owned(), value));
        }
        Ok(Self(found))
    }

    /// No flags at all.
    pub(super) fn none(instruction: &str, flags: &[String]) -> Result<(), Fault> {
        Self::read(instruction, flags, &[]).map(drop)
    }

    /// What stands in a flag; nothing is as good as no flag.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next().filter(|text| !text.is_empty())
    }

    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_that_name = self.0.iter().filter(move |(other, _)| other == name);
        of_that_name.map(|(_, value)| &**value)
    }

    pub(super) fn switch(&self, name: &str) -> Option<bool> {
        self.texts(name).next().map(|value| value == "true")
    }
}

fn unknown(instruction: &str, name: &str, known: &[(&str, Kind)]) -> Fault {
    let known: Vec<String> = known.iter().map(|(name, _)| format!("--{name}")).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let asked = format!("--{}", shown(name));
    let fault = Fault::new(format!("{instruction} has no flag `{asked}`"));
    let remedy = did_you_mean(&asked, &known).or_else(|| match &known[..] {
        [] => Some("`--` before the arguments ends the flags".to_owned()),
        known => Some(format!("it has {}", known.join(", "))),
    });
    fault.perhaps(remedy)
}
