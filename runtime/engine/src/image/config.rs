//! The configuration of an image: what to run in it, and what its layers are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::document::{LONGEST_DOCUMENT, null_is_default};
use super::{Digest, Invalid, Manifest, Platform};

/// The configuration; its digest is what docker calls the image's id.
///
/// Source: OCI image specification, `config.md`; what Docker adds to it
/// (`Healthcheck`, `OnBuild`, `Shell`) is in `docker-image-spec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// When it was made, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Which machines it is for.
    #[serde(flatten)]
    pub platform: Platform,
    /// What to run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub config: Run,
    /// What the layers are.
    pub rootfs: RootFs,
    /// How each came to be, the first first.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub history: Vec<History>,
}

/// What a container of the image runs, unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Run {
    /// User and group, by name or number.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub user: String,
    /// `8000/tcp`: ports that it listens on.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// `KEY=value`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub env: Vec<String>,
    /// What is always run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// What is run, or added to the entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories whose content is not the image's.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub volumes: BTreeMap<String, Empty>,
    /// Where it runs.
    #[serde(
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub working_dir: String,
    /// Remarks.
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How to find out whether it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Instructions for a build on top of it.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub on_build: Vec<String>,
    /// What takes the text of a `RUN`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub shell: Vec<String>,
}

/// `{}`: the value of a set written as a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// How to find out whether a container is well; times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `NONE`, `CMD` and words, or `CMD-SHELL` and a line.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub test: Vec<String>,
    /// Between two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// For one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// Before failures count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// Between two until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<u64>,
    /// How many failures in a row make it unwell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u64>,
}

/// What the layers are once uncompressed, the lowest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootFs {
    /// Always `layers`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The digest of each layer's tar archive.
    #[serde(deserialize_with = "null_is_default")]
    pub diff_ids: Vec<Digest>,
}

/// One step of how the image came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Remarks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// It made no layer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

impl Config {
    /// Of nothing: no layer, nothing to run.
    #[must_use]
    pub fn empty(platform: Platform) -> Self {
        Self {
            created: None,
            author: None,
            platform,
            config: Run::default(),
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: Vec::new(),
            },
            history: Vec::new(),
        }
    }

    /// Reads `bytes`.
    ///
    /// # Errors
    /// [`Invalid`] for what is none, or has layers of another kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("image configuration", reason);
        if bytes.len() as u64 > LONGEST_DOCUMENT {
            return Err(invalid(format!(
                "it is longer than {LONGEST_DOCUMENT} bytes"
            )));
        }
        let config: Self =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if config.rootfs.kind != "layers" {
            return Err(invalid(format!(
                "rootfs.type is `{}`, not `layers`",
                config.rootfs.kind
            )));
        }
        Ok(config)
    }

    /// Holds it to the manifest that led to it: each layer needs a diff id.
    ///
    /// # Errors
    /// [`Invalid`] where they disagree.
    pub fn check_against(&self, manifest: &Manifest) -> Result<(), Invalid> {
        let (ids, layers) = (self.rootfs.diff_ids.len(), manifest.layers.len());
        if ids == layers {
            return Ok(());
        }
        Err(Invalid::new(
            "image configuration",
            format!("it has {ids} diff ids for {layers} layers"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::image::{Descriptor, MediaType};

    #[test]
    fn what_docker_writes_is_read() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"architecture":"arm64","variant":"v8","os":"linux","created":"2024-01-01T00:00:00Z",
            "container_config":{{"Cmd":null}},"docker_version":"24",
            "config":{{"Env":["A=b"],"Cmd":["sh"],"Entrypoint":null,"Volumes":null,"Labels":null,
            "ExposedPorts":{{"80/tcp":{{}}}},"OnBuild":null,"ArgsEscaped":true,
            "Healthcheck":{{"Test":["NONE"],"Interval":1000000000}}}},
            "history":[{{"created_by":"x","empty_layer":true}}],
            "rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#
        );
        let config = Config::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform.to_string(), "linux/arm64/v8");
        assert_eq!(config.config.cmd, Some(vec!["sh".to_owned()]));
        assert_eq!(config.config.entrypoint, None);
        assert!(config.config.exposed_ports.contains_key("80/tcp"));
        assert_eq!(
            config.config.healthcheck.as_ref().unwrap().interval,
            Some(1_000_000_000)
        );
        assert!(config.history[0].empty_layer);
        let again = Config::parse(&serde_json::to_vec(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn a_configuration_agrees_with_its_manifest() {
        let mut config = Config::empty(Platform::linux("amd64"));
        let blob = Descriptor::of(MediaType::Config, b"{}");
        let manifest = Manifest::new(blob.clone(), vec![blob]);
        assert!(config.check_against(&manifest).is_err());
        config.rootfs.diff_ids.push(Digest::of(b""));
        config.check_against(&manifest).unwrap();
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        for (text, reason) in [
            ("{}", "missing field"),
            ("[]", "invalid"),
            (
                r#"{"os":"linux","architecture":"x","rootfs":{"type":"y","diff_ids":[]}}"#,
                "`y`",
            ),
            (
                r#"{"os":"linux","architecture":"x","rootfs":{"type":"layers","diff_ids":["z"]}}"#,
                "digest",
            ),
        ] {
            let error = Config::parse(text.as_bytes()).unwrap_err();
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
            let _ = Config::parse(text.as_bytes());
        }
    }
}
