//! Platforms: which machine an image is for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Operating system and processor, in Go's words, as the specification has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The processor: `amd64`, `arm64`, …
    pub architecture: String,
    /// The system: `linux`, …
    pub os: String,
    /// The system's version, which Windows needs.
    #[serde(
        rename = "os.version",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// What the system must offer.
    #[serde(
        rename = "os.features",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "super::document::null_is_default"
    )]
    pub os_features: Vec<String>,
    /// Which kind of the processor: `v7`, `v8`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

impl Platform {
    /// This machine.
    #[must_use]
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::linux(architecture)
    }

    /// Whether programs for it run where those for `other` do, as far as the names of
    /// system and architecture tell; those of an image that says nothing may.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let says = |name: &str| name.is_empty() || name == "unknown";
        let same = |one: &str, two: &str| says(one) || says(two) || one == two;
        same(&self.os, &other.os) && same(&self.architecture, &other.architecture)
    }

    /// Linux on `architecture`, no variant named.
    #[must_use]
    pub fn linux(architecture: &str) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: None,
        }
    }

    /// Whether what is made for `self` is what was asked for with `wanted`.
    ///
    /// A variant counts only where both name one; `v8` is what an `arm64` is
    /// where nothing is said.
    #[must_use]
    pub fn serves(&self, wanted: &Self) -> bool {
        let variant = |platform: &Self| match (&*platform.architecture, platform.variant.as_deref())
        {
            ("arm64", Some("v8")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        let agree = match (variant(self), variant(wanted)) {
            (Some(has), Some(asked)) => has == asked,
            _ => true,
        };
        self.os == wanted.os && self.architecture == wanted.architecture && agree
    }
}

/// `OS/ARCHITECTURE[/VARIANT]`.
impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// `OS/ARCHITECTURE[/VARIANT]`, or `ARCHITECTURE` alone, for Linux, under the
/// names that `uname -m` has, too.
impl FromStr for Platform {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            Invalid::new(
                format!("platform `{text}`"),
                "it is written OS/ARCHITECTURE[/VARIANT], such as linux/amd64",
            )
        };
        let parts: Vec<&str> = text.split('/').collect();
        let word = |part: &&str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !part.is_empty() && part.bytes().all(letter)
        };
        if !parts.iter().all(word) {
            return Err(invalid());
        }
        let (os, architecture, variant) = match parts[..] {
            [architecture] => ("linux", architecture, None),
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(invalid()),
        };
        let architecture = architecture.to_ascii_lowercase();
        let architecture = match &*architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            "i386" | "i686" => "386",
            "armhf" => "arm",
            other => other,
        };
        Ok(Self {
            variant: variant.map(str::to_owned),
            os: os.to_ascii_lowercase(),
            ..Self::linux(architecture)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_as_docker_reads_it() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("x86_64", "linux/amd64"),
            ("linux/arm/v7", "linux/arm/v7"),
            ("Linux/aarch64", "linux/arm64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), expected);
        }
        for bad in ["", "/", "linux/", "a/b/c/d", "linux/am d64"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variant_counts_where_both_name_one() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let serves = |has: &str, wanted: &str| platform(has).serves(&platform(wanted));
        assert!(serves("linux/arm64/v8", "linux/arm64"));
        assert!(serves("linux/arm64", "linux/arm64/v8"));
        assert!(serves("linux/arm/v7", "linux/arm"));
        assert!(!serves("linux/arm/v6", "linux/arm/v7"));
        assert!(!serves("linux/amd64", "linux/arm64"));
        assert!(!serves("windows/amd64", "linux/amd64"));
    }
}
