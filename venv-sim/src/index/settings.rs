//! Which indexes are asked, how, and who said so.
//!
//! Each value is the command line's, else that of pip's variable, else that of pip's
//! configuration, else a default; and each remembers which. Nobody should have to guess why a
//! package came from where it came from.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::default_index::default_index;
use super::inputs::{IndexFlags, Inputs, Strategy};
use super::netrc::Netrc;
use super::pip_config::PipConfig;
use super::proxy::Proxies;
use super::trust::Trust;
use super::url::Url;
use crate::catalogue::Asked;
use crate::error::{Error, Result};
use crate::redaction::redacted;
use crate::refusal::{Refusal, shown, shown_url};

/// Which indexes are asked, and how.
#[derive(Debug, Clone)]
pub struct IndexSettings {
    /// In the order in which they are asked.
    pub(super) indexes: Vec<Url>,
    /// Directories, files and pages that are looked at besides.
    pub(super) find_links: Vec<Url>,
    pub(super) strategy: Strategy,
    pub(super) trust: Trust,
    pub(super) trusted_hosts: Vec<(String, Option<u16>)>,
    pub(super) proxies: Proxies,
    pub(super) netrc: Netrc,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) offline: bool,
    pub(super) refresh: bool,
    /// What was set, to what, and where.
    said: Vec<(&'static str, String, String)>,
}

/// As pip's: how long nothing may come, and how often it is tried again.
const TIMEOUT: Duration = Duration::from_secs(15);
const RETRIES: u32 = 5;

impl IndexSettings {
    /// Reads the settings that the interpreter's own pip would use, with `flags` over them.
    ///
    /// # Errors
    /// [`Error::BadSetting`] where a value cannot be used; [`Error::NoIndex`] where nobody names
    /// an index and none is bundled with the interpreter.
    pub fn of(inputs: &Inputs<'_>, flags: &IndexFlags) -> Result<Self> {
        let config = PipConfig::read(inputs)?;
        let mut reader = Reader {
            inputs,
            config,
            said: Vec::new(),
        };
        let find_links = reader.find_links(flags)?;
        let indexes = reader.indexes(flags, !find_links.is_empty())?;
        let trusted_hosts = reader.trusted_hosts(flags)?;
        let proxies = reader.proxies(flags)?;
        let trust = reader.trust(flags);
        let (timeout, retries) = (reader.timeout(flags)?, reader.retries(flags)?);
        Ok(Self {
            indexes,
            find_links,
            strategy: flags.strategy,
            trust,
            trusted_hosts,
            proxies,
            netrc: Netrc::of(inputs.variables)?,
            timeout,
            retries,
            offline: flags.offline,
            refresh: flags.refresh,
            said: reader.said,
        })
    }

    /// What is set, a line each: what it is, its value, and who said so. No secret is in it.
    #[must_use]
    pub fn explanation(&self) -> String {
        let mut text = String::new();
        for (what, value, from) in &self.said {
            let _ = writeln!(text, "{what} {value}, from {from}");
        }
        text
    }

    /// Who is asked, without what is secret.
    pub(super) fn asked(&self) -> Asked {
        Asked {
            is_known: true,
            indexes: self.indexes(),
            places: self.find_links.iter().map(shown_link).collect(),
        }
    }

    /// The addresses that are asked, in order, without what is secret in them.
    #[must_use]
    pub fn indexes(&self) -> Vec<String> {
        self.indexes.iter().map(ToString::to_string).collect()
    }
}

/// What is read from, and what was found.
struct Reader<'a> {
    inputs: &'a Inputs<'a>,
    config: PipConfig,
    said: Vec<(&'static str, String, String)>,
}

impl Reader<'_> {
    /// The value of one of pip's options, and where it was found.
    fn option(&self, option: &str) -> Option<(String, String)> {
        let name = format!("PIP_{}", option.to_uppercase().replace('-', "_"));
        let value = self.inputs.variables.get(&name);
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            return Some((value.trim().to_owned(), name));
        }
        let (value, from) = self.config.get(self.inputs.command, option)?;
        Some((value.trim().to_owned(), from))
    }

    fn say(&mut self, what: &'static str, value: &str, from: &str) {
        self.said.push((what, value.to_owned(), from.to_owned()));
    }

    fn flag_or(&self, flag: Option<&String>, option: &str) -> Option<(String, String)> {
        match flag {
            Some(value) => Some((value.clone(), format!("--{option}"))),
            None => self.option(option),
        }
    }

    /// Of an option that may be given several times: the command line's in place of the others.
    fn flags_or(&self, flags: &[String], option: &str) -> Vec<(String, String)> {
        if !flags.is_empty() {
            let from = format!("--{option}");
            return flags
                .iter()
                .map(|value| (value.clone(), from.clone()))
                .collect();
        }
        let (values, from) = self.option(option).unwrap_or_default();
        let values = values.split_whitespace();
        values
            .map(|value| (value.to_owned(), from.clone()))
            .collect()
    }

    fn indexes(&mut self, flags: &IndexFlags, has_links: bool) -> Result<Vec<Url>> {
        let no_index = match flags.no_index {
            true => Some("--no-index".to_owned()),
            false => self
                .truth("no-index")?
                .and_then(|(is, from)| is.then_some(from)),
        };
        // What the command line names is meant, whatever a file says.
        let named = flags.index_url.is_some() || !flags.extra_index_urls.is_empty();
        if let Some(from) = no_index.filter(|_| flags.no_index || !named) {
            self.say("no index is asked:", "no-index", &from);
            return Ok(Vec::new());
        }
        let mut indexes = Vec::new();
        // The extra ones first: they are the private ones, whose names nobody may take over by
        // putting the same onto the public one.
        for (value, from) in self.flags_or(&flags.extra_index_urls, "extra-index-url") {
            let url = index_address(&value, &from)?;
            self.say("index", &url.to_string(), &from);
            indexes.push(url);
        }
        if let Some((value, from)) = self.flag_or(flags.index_url.as_ref(), "index-url") {
            let url = index_address(&value, &from)?;
            self.say("index", &url.to_string(), &from);
            indexes.push(url);
            return Ok(indexes);
        }
        match default_index(self.inputs) {
            Ok((url, from)) => {
                let from = format!("the pip in {}", from.display());
                self.say("index", &url.to_string(), &from);
                indexes.push(url);
            }
            Err(_) if has_links || !indexes.is_empty() => {}
            Err(tried) => return Err(Error::NoIndex { tried }),
        }
        Ok(indexes)
    }

    fn find_links(&mut self, flags: &IndexFlags) -> Result<Vec<Url>> {
        let mut found = Vec::new();
        for (value, from) in self.flags_or(&flags.find_links, "find-links") {
            let url = self
                .link(&value)
                .map_err(|cause| bad("--find-links", &from, cause))?;
            let is_gone = url.to_path().is_some_and(|path| !path.exists());
            if is_gone && flags.find_links.is_empty() {
                // As pip has it: a place of a year ago in a configuration stops nobody.
                self.say("passed over, for it is gone:", &shown_link(&url), &from);
                continue;
            }
            if is_gone {
                let cause = Refusal::new(format!("{} is not there", shown_url(&value)));
                return Err(bad("the place", &from, cause));
            }
            self.say("also files of", &shown_link(&url), &from);
            found.push(url);
        }
        Ok(found)
    }

    /// A path, or an address.
    fn link(&self, value: &str) -> Result<Url, Refusal> {
        if value.contains("://") || value.starts_with("file:") {
            return value.parse();
        }
        let home = self.inputs.variables.get("HOME").map(PathBuf::from);
        let path = match (value.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(value),
        };
        let path = std::path::absolute(&path)
            .map_err(|_| Refusal::new(format!("{} is no path", shown(value))))?;
        Ok(Url::of_path(&path))
    }

    fn trusted_hosts(&mut self, flags: &IndexFlags) -> Result<Vec<(String, Option<u16>)>> {
        let mut hosts = Vec::new();
        for (value, from) in self.flags_or(&flags.trusted_hosts, "trusted-host") {
            let url = trusted_host(&value).map_err(|cause| bad("--trusted-host", &from, cause))?;
            self.say("trusted without proof:", &value, &from);
            // As written: 443 is no port that was not said.
            let has_port = value
                .rsplit(']')
                .next()
                .is_some_and(|rest| rest.contains(':'));
            hosts.push((url.host.clone(), has_port.then(|| url.port_or_default())));
        }
        Ok(hosts)
    }

    fn proxies(&mut self, flags: &IndexFlags) -> Result<Proxies> {
        let named = self.flag_or(flags.proxy.as_ref(), "proxy");
        let (proxies, said) = Proxies::of(named, self.inputs.variables)?;
        for (value, from) in said {
            self.say("proxy", &redacted(&value), &from);
        }
        Ok(proxies)
    }

    fn trust(&mut self, flags: &IndexFlags) -> Trust {
        let flag = flags.cert.as_ref().map(|path| path.display().to_string());
        let named = self.flag_or(flag.as_ref(), "cert");
        if let Some((value, from)) = &named {
            self.say("certificates of", value, from);
        }
        let named = named.map(|(value, from)| (flags.cert.clone().unwrap_or(value.into()), from));
        Trust::of(named, self.inputs)
    }

    fn timeout(&mut self, flags: &IndexFlags) -> Result<Duration> {
        if let Some(timeout) = flags.timeout {
            return Ok(timeout);
        }
        let Some((value, from)) = self
            .option("timeout")
            .or_else(|| self.option("default-timeout"))
        else {
            return Ok(TIMEOUT);
        };
        let seconds: Option<f64> = value.parse().ok();
        let seconds = seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0);
        let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        timeout.ok_or_else(|| {
            bad(
                "--timeout",
                &from,
                Refusal::new(format!("{} is no time in seconds", shown(&value))),
            )
        })
    }

    fn retries(&mut self, flags: &IndexFlags) -> Result<u32> {
        if let Some(retries) = flags.retries {
            return Ok(retries);
        }
        let Some((value, from)) = self.option("retries") else {
            return Ok(RETRIES);
        };
        let refused = |_| {
            bad(
                "--retries",
                &from,
                Refusal::new(format!("{} is no number", shown(&value))),
            )
        };
        value.parse().map_err(refused)
    }

    /// Of an option that is on or off.
    fn truth(&self, option: &'static str) -> Result<Option<(bool, String)>> {
        let Some((value, from)) = self.option(option) else {
            return Ok(None);
        };
        match &value.to_lowercase()[..] {
            "y" | "yes" | "t" | "true" | "on" | "1" => Ok(Some((true, from))),
            "n" | "no" | "f" | "false" | "off" | "0" => Ok(Some((false, from))),
            _ => {
                let cause = Refusal::new(format!("{} is neither yes nor no", shown(&value)));
                Err(bad(option, &from, cause))
            }
        }
    }
}

/// The address of an index, or the path of a directory that has its form.
fn index_address(value: &str, from: &str) -> Result<Url> {
    let url = index_url(value).map_err(|cause| bad("--index-url", from, cause))?;
    Ok(url.as_directory())
}

fn index_url(value: &str) -> Result<Url, Refusal> {
    match value.starts_with(['/', '.']) {
        true => std::path::absolute(value)
            .map(|path| Url::of_path(&path))
            .map_err(|_| Refusal::new(format!("{} is no path", shown(value)))),
        false => value.parse(),
    }
}

/// Whether `value` can be the address of an index: asked where its file and line are known.
pub(crate) fn check_index_url(value: &str) -> Result<(), Refusal> {
    index_url(value).map(drop)
}

/// The same of a host that is trusted: `HOST` or `HOST:PORT`.
pub(crate) fn check_host(value: &str) -> Result<(), Refusal> {
    trusted_host(value).map(drop)
}

fn trusted_host(value: &str) -> Result<Url, Refusal> {
    let url = Url::from_str(&format!("https://{value}/"))?;
    match url.path != "/" || url.user.is_some() || url.query.is_some() {
        true => Err(Refusal::new(format!(
            "{} is no HOST or HOST:PORT",
            shown_url(value)
        ))),
        false => Ok(url),
    }
}

fn shown_link(url: &Url) -> String {
    match url.to_path() {
        Some(path) => path.display().to_string(),
        None => url.to_string(),
    }
}

pub(super) fn bad(what: &str, from: &str, cause: Refusal) -> Error {
    Error::BadSetting {
        what: what.to_owned(),
        from: from.to_owned(),
        cause,
    }
}
