//! `RUN --mount`: what a program finds mounted while it runs, and no longer.
//!
//! Options may hold variables, so they are kept as text and resolved when the
//! program is about to run. Those without any are checked at once.
//!
//! Source: Dockerfile reference, "RUN --mount"; BuildKit,
//! `instructions/commands_runmount.go` and `dockerfile2llb/convert_runmount.go`.

use super::problem::{Fault, did_you_mean, shown};
use super::{Escape, ExpansionError, Lookup, Template};

/// The value of a `--mount` flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    text: String,
    options: Vec<(String, Option<Template>)>,
    from: Option<String>,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mount {
    /// Files of the build context, a stage or an image.
    Bind {
        /// Where; relative to the working directory.
        target: String,
        /// Which of them: a path from the root of where they come from.
        source: String,
        /// A stage or an image; the build context where there is none.
        from: Option<String>,
        /// Whether it may be written to, which is forgotten afterwards.
        writable: bool,
    },
    /// A directory that stays from build to build.
    Cache {
        /// Where; relative to the working directory.
        target: String,
        /// Which.
        id: String,
        /// What happens when several want it.
        sharing: Sharing,
        /// Whether it cannot be written to.
        read_only: bool,
        /// What it holds at first: a stage or an image.
        from: Option<String>,
        /// A path in there.
        source: String,
        /// Whose it is when it is made.
        owner: Owner,
    },
    /// Memory.
    Tmpfs {
        /// Where; relative to the working directory.
        target: String,
        /// At most so many bytes.
        size: Option<u64>,
    },
    /// Something that must not be in the image.
    Secret {
        /// Which.
        id: String,
        /// The file that it is found in.
        target: Option<String>,
        /// The variable that it is found in.
        variable: Option<String>,
        /// Whether the build fails without.
        required: bool,
        /// Whose the file is.
        owner: Owner,
    },
    /// The socket of an agent that has keys.
    Ssh {
        /// Which.
        id: String,
        /// Where, if not where `SSH_AUTH_SOCK` will say.
        target: Option<String>,
        /// Whether the build fails without.
        required: bool,
        /// Whose the socket is.
        owner: Owner,
    },
}

/// Whose a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Permissions, where they are not the usual ones of the mount's type.
    pub mode: Option<u32>,
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What happens when several want one cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// All write at once.
    #[default]
    Shared,
    /// Each gets one of its own.
    Private,
    /// One after the other.
    Locked,
}

/// Nothing before `=`, and of what stands there only these are known.
const OPTIONS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "env",
];
const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARING: [(&str, Sharing); 3] = [
    ("shared", Sharing::Shared),
    ("private", Sharing::Private),
    ("locked", Sharing::Locked),
];

impl MountOptions {
    pub(super) fn read(text: &str, escape: Escape) -> Result<Self, Fault> {
        let fields = fields(text).map_err(|reason| invalid(text, &reason))?;
        let mut options = Vec::new();
        let mut from = None;
        for field in fields {
            let (name, value) = match field.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (&*field, None),
            };
            let name = name.to_ascii_lowercase();
            if !OPTIONS.contains(&&*name) {
                let fault = Fault::new(format!("--mount has no option `{}`", shown(&name)));
                let all = || format!("it has {}", OPTIONS.join(", "));
                return Err(fault.remedy(did_you_mean(&name, &OPTIONS).unwrap_or_else(all)));
            }
            if let ("from", Some(value)) = (&*name, value) {
                check_from("--mount=from", value)?;
                from = Some(value.to_owned()).filter(|from| !from.is_empty());
            }
            options.push((name, value.map(Template::new)));
        }
        let mount = Self {
            text: text.to_owned(),
            options,
            from,
        };
        let variables =
            |value: &Option<Template>| value.as_ref().is_some_and(Template::has_variables);
        if !mount.options.iter().any(|(_, value)| variables(value)) {
            let checked = mount.resolve(&|_| None, escape);
            checked.map_err(|error| invalid(text, &error.reason))?;
        }
        Ok(mount)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The stage or image that it comes from; variables cannot be in it.
    #[must_use]
    pub fn from(&self) -> Option<&str> {
        self.from.as_deref()
    }

    /// What it means, its variables replaced.
    ///
    /// # Errors
    /// [`ExpansionError`] for options that contradict each other or their mount's
    /// type, and for values that are none.
    pub fn resolve(&self, lookup: Lookup<'_>, escape: Escape) -> Result<Mount, ExpansionError> {
        let mut given = Given::default();
        for (name, value) in &self.options {
            let value = value.as_ref().map(|value| value.expand(lookup, escape));
            let taken = given.take(name, value.transpose()?);
            taken.map_err(|reason| self.invalid(reason))?;
        }
        given.mount().map_err(|reason| self.invalid(reason))
    }

    fn invalid(&self, reason: String) -> ExpansionError {
        ExpansionError {
            text: format!("--mount={}", shown(&self.text)),
            reason,
        }
    }
}

fn invalid(text: &str, reason: &str) -> Fault {
    Fault::new(format!("`{}` is no mount: {reason}", shown(text)))
}

/// Which stage something comes from has to be known before anything is built.
pub(super) fn check_from(flag: &str, from: &str) -> Result<(), Fault> {
    if !from.contains('$') {
        return Ok(());
    }
    let fault = Fault::new(format!("{flag} cannot hold a variable: `{}`", shown(from)));
    Err(fault.remedy("write `FROM` with the variable and `AS name`, and name that stage"))
}

/// Fields between commas, by the rules of CSV: one that begins with a quote ends
/// with one, and holds two for one.
fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, after) = match rest.split_once(',') {
                Some((field, after)) => (field, Some(after)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err("a quote stands within an option".to_owned());
            }
            fields.push(field.to_owned());
            match after {
                Some(after) => rest = after,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut chars = quoted.chars();
        loop {
            match chars.next() {
                None => return Err("a closing quote is missing".to_owned()),
                Some('"') if chars.as_str().starts_with('"') => {
                    chars.next();
                    field.push('"');
                }
                Some('"') => break,
                Some(c) => field.push(c),
            }
        }
        fields.push(field);
        match chars.as_str() {
            "" => return Ok(fields),
            after => {
                rest = after
                    .strip_prefix(',')
                    .ok_or("something follows a quoted option")?;
            }
        }
    }
}

/// The options, resolved and not yet compared with each other.
#[derive(Default)]
struct Given {
    kind: Option<&'static str>,
    from: Option<String>,
    source: Option<String>,
    target: Option<String>,
    read_only: Option<bool>,
    id: Option<String>,
    sharing: Option<Sharing>,
    required: Option<bool>,
    size: Option<u64>,
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    env: Option<String>,
}

impl Given {
    fn take(&mut self, name: &str, value: Option<String>) -> Result<(), String> {
        let flag = || match value.as_deref() {
            None => Ok(true),
            Some(value) => boolean(name, value),
        };
        match name {
            "readonly" | "ro" => {
                self.read_only = Some(flag()?);
                return Ok(());
            }
            "readwrite" | "rw" => {
                self.read_only = Some(!flag()?);
                return Ok(());
            }
            "required" => {
                self.required = Some(flag()?);
                return Ok(());
            }
            _ => {}
        }
        let value = value.ok_or_else(|| format!("`{name}` has no value"))?;
        let nonempty = |value: String| Some(value).filter(|value| !value.is_empty());
        match name {
            "type" => self.kind = Some(one_of(name, &value, &TYPES.map(|known| (known, known)))?),
            "from" => self.from = nonempty(value),
            "source" | "src" => self.source = nonempty(value),
            "target" | "dst" | "destination" => self.target = nonempty(value),
            "id" => self.id = nonempty(value),
            "sharing" => self.sharing = Some(one_of(name, &value, &SHARING)?),
            "size" => self.size = Some(size(&value)?),
            "mode" => self.mode = Some(number(name, &value, 8)?),
            "uid" => self.uid = Some(number(name, &value, 10)?),
            "gid" => self.gid = Some(number(name, &value, 10)?),
            "env" => self.env = nonempty(value),
            _ => return Err(format!("there is no option `{name}`")),
        }
        Ok(())
    }

    /// The mount, if every option that is given is one of its type's.
    fn mount(self) -> Result<Mount, String> {
        let kind = self.kind.unwrap_or("bind");
        self.refuse_foreign(kind)?;
        let owner = Owner {
            mode: self.mode,
            uid: self.uid.unwrap_or(0),
            gid: self.gid.unwrap_or(0),
        };
        let required = self.required.unwrap_or(false);
        if kind == "secret" {
            return self.secret(required, owner);
        }
        if kind == "ssh" {
            return Ok(Mount::Ssh {
                id: self
                    .id
                    .or(self.source)
                    .unwrap_or_else(|| "default".to_owned()),
                target: self.target,
                required,
                owner,
            });
        }
        let target = self.target.ok_or("`target` is missing")?;
        let source = self.source.unwrap_or_else(|| "/".to_owned());
        Ok(match kind {
            "cache" => Mount::Cache {
                id: self.id.unwrap_or_else(|| target.clone()),
                target,
                sharing: self.sharing.unwrap_or_default(),
                read_only: self.read_only.unwrap_or(false),
                from: self.from,
                source,
                owner,
            },
            "tmpfs" => Mount::Tmpfs {
                target,
                size: self.size,
            },
            _ => Mount::Bind {
                target,
                source,
                from: self.from,
                writable: self.read_only == Some(false),
            },
        })
    }

    fn secret(self, required: bool, owner: Owner) -> Result<Mount, String> {
        if self.source.is_some() && self.id.is_some() {
            return Err("a secret has `id` or `source`, not both".to_owned());
        }
        let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
        let id = self.id.or(self.source);
        let id = id.or_else(|| self.target.as_deref().map(last));
        let id = id.ok_or("`id` is missing")?;
        let target = match (self.target, &self.env) {
            (Some(target), _) => Some(target),
            (None, Some(_)) => None,
            (None, None) => Some(format!("/run/secrets/{}", last(&id))),
        };
        Ok(Mount::Secret {
            id,
            target,
            variable: self.env,
            required,
            owner,
        })
    }

    fn refuse_foreign(&self, kind: &str) -> Result<(), String> {
        let owned = ["cache", "secret", "ssh"];
        let secrets = ["secret", "ssh"];
        let foreign = [
            ("mode", self.mode.is_some(), &owned[..]),
            ("uid", self.uid.is_some(), &owned),
            ("gid", self.gid.is_some(), &owned),
            ("required", self.required.is_some(), &secrets),
            ("size", self.size.is_some(), &["tmpfs"]),
            ("sharing", self.sharing.is_some(), &["cache"]),
            ("env", self.env.is_some(), &["secret"]),
            (
                "from",
                self.from.is_some(),
                &["bind", "cache", "tmpfs", "ssh"],
            ),
        ];
        match foreign
            .iter()
            .find(|(_, given, kinds)| *given && !kinds.contains(&kind))
        {
            Some((name, ..)) => Err(format!("`{name}` is no option of a {kind} mount")),
            None => Ok(()),
        }
    }
}

fn one_of<T: Copy>(name: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(value));
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = known.iter().map(|(known, _)| *known).collect();
        format!(
            "`{name}` is one of {}, not `{}`",
            known.join(", "),
            shown(value)
        )
    })
}

/// As Go's `strconv.ParseBool` has it.
fn boolean(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err(format!("`{name}` is true or false, not `{}`", shown(value))),
    }
}

fn number(name: &str, value: &str, radix: u32) -> Result<u32, String> {
    let digits = value.chars().all(|c| c.is_digit(radix)) && !value.is_empty();
    let number = u32::from_str_radix(value, radix).ok().filter(|_| digits);
    let kind = if radix == 8 { "octal number" } else { "number" };
    number.ok_or_else(|| {
        format!("`{name}` is an {kind}, not `{}`", shown(value)).replace("an number", "a number")
    })
}

/// Bytes, or with `k`, `m`, `g`, `t`, `p`, each 1,024 of the one before.
fn size(value: &str) -> Result<u64, String> {
    let bad = || {
        format!(
            "`size` is a number of bytes such as 64m, not `{}`",
            shown(value)
        )
    };
    let digits = value
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let unit = unit.trim().to_ascii_lowercase();
    let unit = unit.strip_suffix('b').unwrap_or(&unit);
    let unit = match unit.strip_suffix('i') {
        Some("") => return Err(bad()),
        Some(unit) => unit,
        None => unit,
    };
    let power = ["", "k", "m", "g", "t", "p"]
        .iter()
        .position(|known| *known == unit);
    let bytes = number * 1024f64.powi(i32::try_from(power.ok_or_else(bad)?).unwrap_or(0));
    match bytes < 9e18 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in 0..9e18"
        )]
        true => Ok(bytes as u64),
        false => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Result<Mount, String> {
        let lookup: Lookup<'_> = &|name| (name == "x").then(|| "/v".to_owned());
        let options = MountOptions::read(text, Escape::Backslash).map_err(|fault| fault.what)?;
        options
            .resolve(lookup, Escape::Backslash)
            .map_err(|error| error.reason)
    }

    fn refused(text: &str, reason: &str) {
        let error = resolve(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }

    #[test]
    fn a_mount_is_a_bind_unless_it_says_otherwise() {
        let bind = |target: &str, source: &str, from: Option<&str>, writable| Mount::Bind {
            target: target.to_owned(),
            source: source.to_owned(),
            from: from.map(str::to_owned),
            writable,
        };
        assert_eq!(resolve("target=/a"), Ok(bind("/a", "/", None, false)));
        assert_eq!(
            resolve("type=BIND,dst=a,src=b,from=s,rw"),
            Ok(bind("a", "b", Some("s"), true))
        );
        assert_eq!(
            resolve("target=/a,readonly=false"),
            Ok(bind("/a", "/", None, true))
        );
        assert_eq!(
            resolve("\"target=/a,b\""),
            Ok(bind("/a,b", "/", None, false))
        );
        assert_eq!(resolve("target=$x/a"), Ok(bind("/v/a", "/", None, false)));
    }

    #[test]
    fn a_cache_is_known_by_its_target_and_shared() {
        let cache = |id: &str, sharing, owner| Mount::Cache {
            target: "/c".to_owned(),
            id: id.to_owned(),
            sharing,
            read_only: false,
            from: None,
            source: "/".to_owned(),
            owner,
        };
        let plain = cache("/c", Sharing::Shared, Owner::default());
        assert_eq!(resolve("type=cache,target=/c"), Ok(plain));
        let owner = Owner {
            mode: Some(0o700),
            uid: 1,
            gid: 2,
        };
        let full = cache("i", Sharing::Locked, owner);
        let text = "type=cache,target=/c,id=i,sharing=locked,mode=0700,uid=1,gid=2";
        assert_eq!(resolve(text), Ok(full));
    }

    #[test]
    fn a_secret_has_a_place_that_its_name_decides() {
        let secret = |id: &str, target: Option<&str>, variable: Option<&str>| {
            Ok(Mount::Secret {
                id: id.to_owned(),
                target: target.map(str::to_owned),
                variable: variable.map(str::to_owned),
                required: false,
                owner: Owner::default(),
            })
        };
        assert_eq!(
            resolve("type=secret,id=a"),
            secret("a", Some("/run/secrets/a"), None)
        );
        assert_eq!(
            resolve("type=secret,target=/x/b"),
            secret("b", Some("/x/b"), None)
        );
        assert_eq!(
            resolve("type=secret,id=a,env=T"),
            secret("a", None, Some("T"))
        );
        let both = secret("a", Some("/t"), Some("T"));
        assert_eq!(resolve("type=secret,src=a,env=T,target=/t"), both);
        refused("type=secret", "`id` is missing");
        refused("type=secret,id=a,source=b", "not both");
    }

    #[test]
    fn memory_has_a_size_and_keys_have_a_name() {
        let tmpfs = |size| {
            Ok(Mount::Tmpfs {
                target: "/t".to_owned(),
                size,
            })
        };
        assert_eq!(resolve("type=tmpfs,target=/t"), tmpfs(None));
        assert_eq!(
            resolve("type=tmpfs,target=/t,size=64m"),
            tmpfs(Some(64 << 20))
        );
        assert_eq!(
            resolve("type=tmpfs,target=/t,size=1.5KiB"),
            tmpfs(Some(1536))
        );
        let Ok(Mount::Ssh { id, required, .. }) = resolve("type=ssh,required") else {
            panic!()
        };
        assert_eq!((&*id, required), ("default", true));
    }

    #[test]
    fn an_option_of_another_type_or_of_no_sense_is_refused() {
        refused("type=cache", "`target` is missing");
        refused("type=volume,target=/a", "`type` is one of");
        refused("target=/a,uid=1", "bind");
        refused("type=cache,target=/a,required", "cache");
        refused("type=secret,id=a,sharing=locked", "secret");
        refused("type=secret,id=a,from=b", "secret");
        refused("type=cache,target=/a,mode=9", "octal");
        refused("type=cache,target=/a,uid=x", "number");
        refused("type=tmpfs,target=/a,size=x", "size");
        refused("target", "no value");
        refused("target=/a,tagret=/b", "`tagret`");
        refused("target=/a,from=$x", "variable");
        refused("\"target=/a", "quote");
        refused("", "no option");
        // Variables are looked at when they are known.
        refused("type=cache,target=/a,sharing=$x", "sharing");
    }
}
