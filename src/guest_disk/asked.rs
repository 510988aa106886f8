//! From what a user asks of an image, in the words that he has for containers, to what its guest
//! is told.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use isolab_engine::account;
use isolab_engine::run::Settings;

use super::Label;
use super::wanted::{Brought, Wanted};
use crate::hint;

/// A file of this machine that the guest finds on its disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bring {
    /// Here.
    pub from: PathBuf,
    /// There, absolute.
    pub to: String,
    /// Its permissions there.
    pub mode: u32,
}

impl Bring {
    /// `SOURCE:DESTINATION`: a file, and an absolute path in the guest; or one for both.
    ///
    /// # Errors
    /// If it is no such pair, or there is no such file.
    pub fn parse(text: &str) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;
        let wrong = |why: &str| {
            hint::with(
                format!("cannot bring `{text}`: {why}"),
                "write it as --file SOURCE:/DESTINATION",
            )
        };
        let (from, to) = text.rsplit_once(':').unwrap_or((text, text));
        if !to.starts_with('/') || to.ends_with('/') || to.contains('\0') {
            return Err(wrong("the destination is no absolute path of a file"));
        }
        let from = Path::new(from);
        let found = from
            .metadata()
            .with_context(|| format!("cannot bring {}", from.display()))?;
        if !found.is_file() {
            return Err(wrong("the source is no file"));
        }
        Ok(Self {
            from: from.to_owned(),
            to: to.to_owned(),
            mode: found.permissions().mode() & 0o777,
        })
    }
}

/// What the guest of a disk is told that is to run `settings`.
///
/// # Errors
/// If the image does not know the user, or a text holds a zero byte.
pub fn wanted(
    settings: &Settings,
    label: Option<&Label>,
    files: &[Bring],
    network: bool,
) -> Result<Wanted> {
    let (passwd, group) = label.map_or(("", ""), |label| (&label.passwd, &label.group));
    let account = account::resolve(
        &settings.user,
        &settings.groups,
        passwd.as_bytes(),
        group.as_bytes(),
    )?;
    let cwd = settings
        .cwd
        .to_str()
        .context("the working directory is not UTF-8")?;
    let wanted = Wanted {
        args: settings.args.clone(),
        env: settings.environment(account.home.as_deref()),
        cwd: cwd.to_owned(),
        uid: account.uid,
        gid: account.gid,
        groups: account.groups,
        hostname: settings.hostname.clone(),
        network,
        terminal: settings.terminal,
        files: files
            .iter()
            .map(|file| Brought {
                mode: file.mode,
                path: file.to.clone(),
            })
            .collect(),
    };
    match wanted.to_bytes() {
        Ok(_) => Ok(wanted),
        Err(text) => bail!(
            "cannot tell the guest `{}`: it holds a zero byte",
            text.escape_debug()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_disk::Facts;

    #[test]
    fn a_user_is_looked_up_in_the_images_own_files() {
        let label = Label {
            image: String::new(),
            maker: String::new(),
            facts: Facts::default(),
            passwd: "root:x:0:0::/root:/bin/sh\nada:x:1000:1001::/home/ada:/bin/sh\n".to_owned(),
            group: "ada:x:1001:\nbooks:x:50:ada\n".to_owned(),
        };
        let settings = Settings {
            user: "ada".to_owned(),
            ..Settings::new(["id"])
        };
        let told = wanted(&settings, Some(&label), &[], false).unwrap();
        assert_eq!(
            (told.uid, told.gid, &told.groups[..]),
            (1000, 1001, &[50][..])
        );
        assert!(
            told.env.contains(&"HOME=/home/ada".to_owned()),
            "{:?}",
            told.env
        );
        let nobody = Settings {
            user: "eve".to_owned(),
            ..settings
        };
        assert!(wanted(&nobody, Some(&label), &[], false).is_err());
    }

    #[test]
    fn what_cannot_be_told_is_refused_by_name() {
        let error = wanted(&Settings::new(["a\0b"]), None, &[], false).unwrap_err();
        assert!(error.to_string().contains(r"a\0b"), "{error}");
    }

    #[test]
    fn a_file_to_bring_is_a_file_and_goes_to_an_absolute_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a:b");
        std::fs::write(&file, "x").unwrap();
        let text = format!("{}:/etc/x", file.display());
        assert_eq!(Bring::parse(&text).unwrap().from, file);
        for wrong in [
            "x",
            "/nonexistent:/x",
            &format!("{}:x", file.display()),
            "/:/x",
        ] {
            assert!(Bring::parse(wrong).is_err(), "{wrong}");
        }
    }
}
