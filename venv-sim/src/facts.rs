//! What an interpreter says about itself, and the checks before it is believed.
//!
//! The answer comes from a program that merely claims to be Python, or from a cache file that
//! anything may have written to. Paths made from it are created and linked to, so each field
//! is checked here, once, and nothing downstream checks again.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::requirement::MarkerEnvironment;

/// One interpreter's own words: the JSON that `facts.py` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// `sys.executable`
    #[serde(with = "bytes_as_latin1")]
    pub(crate) executable: PathBuf,
    /// `sys.base_prefix`
    #[serde(with = "bytes_as_latin1")]
    pub(crate) base_prefix: PathBuf,
    /// Where `os.py` lies.
    #[serde(with = "bytes_as_latin1")]
    pub(crate) stdlib: PathBuf,
    /// `purelib` with an empty base, so with a slash in front.
    #[serde(with = "bytes_as_latin1")]
    pub(crate) site_packages: PathBuf,
    pub(crate) version: (u8, u8, u8),
    pub(crate) abiflags: String,
    /// Pointers of 64 bits: CPython then makes `lib64`.
    pub(crate) wide: bool,
    /// `sys.implementation.cache_tag`
    pub(crate) cache_tag: Option<String>,
    /// Without what is the kernel's alone.
    pub(crate) markers: MarkerEnvironment,
    pub(crate) build: Build,
}

/// How it was built, and for what: which wheels it accepts follows from this.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Build {
    /// `sysconfig.get_platform()`
    pub(crate) platform: String,
    /// The glibc that it ran with.
    pub(crate) glibc: Option<(u32, u32)>,
    /// `py_version_nodot`, where it has that
    pub(crate) nodot: String,
    /// `EXT_SUFFIX`
    pub(crate) ext_suffix: String,
    pub(crate) debug: bool,
    pub(crate) free_threaded: bool,
    pub(crate) pymalloc: bool,
    /// Characters of 32 bits, which were a choice before Python 3.3.
    pub(crate) wide_unicode: bool,
}

impl Facts {
    /// Reads what `facts.py` printed: the last line that is not empty.
    ///
    /// The error says in words what is wrong with it.
    pub(crate) fn parse(printed: &[u8]) -> Result<Self, String> {
        let line = printed
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .rfind(|line| !line.is_empty())
            .ok_or("it printed nothing")?;
        let facts: Self = serde_json::from_slice(line)
            .map_err(|error| format!("it printed no facts about itself ({error})"))?;
        facts.checked()
    }

    /// These facts, if an environment can be built from them.
    pub(crate) fn checked(mut self) -> Result<Self, String> {
        for (name, path) in [
            ("executable", &self.executable),
            ("base_prefix", &self.base_prefix),
            ("stdlib", &self.stdlib),
        ] {
            if !path.is_absolute() || path.as_os_str().as_bytes().contains(&0) {
                return Err(format!("its {name} is {path:?}, not an absolute path"));
            }
        }
        let relative = self
            .site_packages
            .strip_prefix("/")
            .unwrap_or(&self.site_packages);
        let plain = |part: Component<'_>| match part {
            Component::Normal(name) => !name.as_bytes().iter().any(u8::is_ascii_control),
            _ => false,
        };
        if relative.as_os_str().is_empty() || !relative.components().all(plain) {
            return Err(format!(
                "its site_packages is {:?}, not a place in an environment",
                self.site_packages
            ));
        }
        let relative = relative.to_owned();
        self.site_packages = relative;
        self.check_words()?;
        Ok(self)
    }

    /// What becomes part of a file's name or of a tag holds nothing else.
    fn check_words(&self) -> Result<(), String> {
        let is_word = |text: &str, also: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
            text.len() <= 100 && text.chars().all(fits)
        };
        let Build {
            platform,
            nodot,
            ext_suffix,
            ..
        } = &self.build;
        let implementation = &self.markers.implementation_name;
        if implementation.is_empty() {
            return Err("it does not say its implementation".to_owned());
        }
        for (name, text, also) in [
            ("implementation", implementation, ""),
            ("abiflags", &self.abiflags, ""),
            ("platform", platform, "._-"),
            ("py_version_nodot", nodot, "_"),
            ("EXT_SUFFIX", ext_suffix, "._-"),
        ] {
            if !is_word(text, also) {
                return Err(format!("its {name} is {text:?}"));
            }
        }
        let tag = self.cache_tag.as_deref();
        if tag.is_some_and(|tag| tag.is_empty() || !is_word(tag, "_-")) {
            return Err(format!("its cache_tag is {tag:?}"));
        }
        Ok(())
    }
}

/// A path in JSON: each byte as the character of the same number (see `facts.py`).
pub(crate) mod bytes_as_latin1 {
    use super::{OsStrExt, OsString, OsStringExt, Path, PathBuf};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        let text: String = path
            .as_os_str()
            .as_bytes()
            .iter()
            .map(|byte| char::from(*byte))
            .collect();
        to.serialize_str(&text)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(from)?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(|_| D::Error::custom("a path with a character above U+00FF"))?;
        Ok(OsString::from_vec(bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{"executable":"/usr/bin/python3.11","base_prefix":"/usr","stdlib":"/usr/lib/python3.11","site_packages":"/lib/python3.11/site-packages","version":[3,11,2],"abiflags":"","wide":true,"cache_tag":"cpython-311","markers":{"os_name":"posix","sys_platform":"linux","platform_machine":"x86_64","platform_python_implementation":"CPython","platform_system":"Linux","python_version":"3.11","python_full_version":"3.11.2","implementation_name":"cpython","implementation_version":"3.11.2"},"build":{"platform":"linux-x86_64","glibc":[2,36],"nodot":"311","ext_suffix":".cpython-311-x86_64-linux-gnu.so","debug":false,"free_threaded":false,"pymalloc":true,"wide_unicode":true}}"#;

    #[track_caller]
    fn check(change: (&str, &str), refusal: &str) {
        let text = GOOD.replace(change.0, change.1);
        assert_ne!(text, GOOD, "the change applies");
        let error = Facts::parse(text.as_bytes()).expect_err("refused");
        assert!(error.contains(refusal), "{error}");
    }

    #[test]
    fn an_honest_answer_is_read_behind_a_banner() {
        let facts = Facts::parse(format!("welcome!\n{GOOD}\n\n").as_bytes()).expect("facts");
        assert_eq!(facts.version, (3, 11, 2));
        assert_eq!(
            facts.site_packages,
            Path::new("lib/python3.11/site-packages")
        );
    }

    #[test]
    fn what_would_lead_out_of_the_environment_is_refused() {
        check(("/lib/python3.11/site", "/../../etc/site"), "site_packages");
        check(("/lib/python3.11/site-packages", "/"), "site_packages");
        check(("/lib/python3.11/site", "/lib/a\\nb/site"), "site_packages");
        check(("/usr/bin/python3.11", "python3.11"), "executable");
        check(("/usr/bin/python3.11", "/usr/bin/\\u0000"), "executable");
        check((r#""cpython""#, r#""c/../python""#), "implementation");
        check(("cpython-311\"", "../../x\""), "cache_tag");
        check(("linux-x86_64", "linux/x86_64"), "platform");
        check(("[3,11,2]", "[3,11,256]"), "no facts");
        check(("[3,11,2]", "[3,-1,2]"), "no facts");
        check(("/usr/bin/", "/usr/\\u0100/"), "no facts");
        check(("}}", "}"), "no facts");
    }

    #[test]
    fn a_path_that_is_not_utf8_survives() {
        let facts = Facts::parse(GOOD.replace("/usr/bin/", "/\u{ff}/").as_bytes()).expect("facts");
        assert_eq!(facts.executable.as_os_str().as_bytes(), b"/\xff/python3.11");
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_parser_panic(printed in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Facts::parse(&printed);
        }

        #[test]
        fn what_passes_the_checks_stays_inside(
            site in "[a-z/.\\n\\x00]{0,20}", executable in "[a-z/.]{0,12}", version in any::<(u8, u8, u8)>(),
        ) {
            let facts = Facts {
                executable: executable.into(),
                base_prefix: "/usr".into(),
                stdlib: "/usr/lib".into(),
                site_packages: site.into(),
                version,
                abiflags: String::new(),
                wide: true,
                cache_tag: None,
                markers: MarkerEnvironment {
                    implementation_name: "cpython".into(),
                    ..Default::default()
                },
                build: Build::default(),
            };
            if let Ok(facts) = facts.checked() {
                let inside = Path::new("/env").join(&facts.site_packages);
                prop_assert!(inside.starts_with("/env") && inside != Path::new("/env"));
                prop_assert!(!inside.components().any(|part| part == Component::ParentDir));
                let again = Facts::parse(&serde_json::to_vec(&facts).unwrap()).unwrap();
                prop_assert_eq!(again, facts);
            }
        }
    }
}
