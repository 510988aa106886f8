//! Whoever the tests can run containers as: root, a user who was granted ids, and
//! one who was granted none.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use isolab_engine::account;
use isolab_engine::room::subordinate;
use isolab_oci::sys::process::effective_ids;

use crate::busybox;
use crate::driver::Asked;

/// `Ok`, or why the test cannot run here.
pub(crate) type Need = Result<(), String>;

/// As whom containers are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    /// Many ids are mapped.
    Granted,
    /// One id is.
    Single,
}

impl User {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Root => "as_root",
            Self::Granted => "as_a_user_with_ids",
            Self::Single => "as_a_user_with_one_id",
        }
    }

    /// The ids to become, or why nobody such can be had.
    fn ids(self) -> Result<Option<(u32, u32)>, String> {
        let own = effective_ids();
        let is_root = own.0 == 0;
        match self {
            Self::Root if is_root => Ok(None),
            Self::Root => Err("needs root".to_owned()),
            Self::Single if is_root => Ok(Some((65_534, 65_534))),
            Self::Granted if is_root => somebody_granted()
                .map(Some)
                .ok_or_else(|| "nobody is granted ids in /etc/subuid".to_owned()),
            Self::Granted | Self::Single => {
                let granted = is_granted(own.0);
                match granted == (self == Self::Granted) {
                    true => Ok(None),
                    false => Err(format!("this user is granted ids: {granted}")),
                }
            }
        }
    }

    /// Whether a container can be run as this user here, by doing.
    pub(crate) fn can_run(self) -> Need {
        busybox::find().ok_or(busybox::MISSING)?;
        let lab = Lab::new(self)?;
        let output = lab.run(&Asked::new(), &["true"]);
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }
}

fn is_granted(uid: u32) -> bool {
    let name = Command::new("id").arg("-un").output().unwrap().stdout;
    let name = String::from_utf8(name).unwrap();
    let name = Some(name.trim());
    ["/etc/subuid", "/etc/subgid"].into_iter().all(|path| {
        let text = fs::read(path).unwrap_or_default();
        !subordinate::ranges(&text, name, uid).is_empty()
    })
}

/// A user of this machine who is granted ids in both files.
fn somebody_granted() -> Option<(u32, u32)> {
    let passwd = fs::read("/etc/passwd").ok()?;
    let (uids, gids) = (fs::read("/etc/subuid").ok()?, fs::read("/etc/subgid").ok()?);
    let mut users = account::users(&passwd).filter(|user| user.uid != 0);
    let user = users.find(|user| {
        let name = std::str::from_utf8(user.name).ok();
        let has = |text: &[u8]| !subordinate::ranges(text, name, user.uid).is_empty();
        has(&uids) && has(&gids)
    })?;
    Some((user.uid, user.gid))
}

/// Layers that belong to a user, and places for containers of them.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    ids: Option<(u32, u32)>,
    pub(crate) user: User,
}

impl Lab {
    /// Two layers: busybox with its users, and one above that.
    pub(crate) fn new(user: User) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("isolab-test").tempdir();
        let lab = Self {
            directory: directory.unwrap(),
            ids: user.ids()?,
            user,
        };
        let base = lab.path("base");
        busybox::install(&base);
        let write = |path: &str, text: &str| fs::write(lab.path(path), text).unwrap();
        write(
            "base/etc/passwd",
            "root:x:0:0::/root:/bin/sh\nweb:x:33:34::/srv:/bin/sh\n",
        );
        write("base/etc/group", "root:x:0:\nstaff:x:50:web\n");
        fs::create_dir_all(lab.path("top/srv")).unwrap();
        write("top/srv/text", "no program\n");
        lab.give_away(lab.directory.path());
        Ok(lab)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn layers(&self) -> [PathBuf; 2] {
        ["base", "top"].map(|name| self.path(name))
    }

    /// A new directory of the user's.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        let place = self.path(name);
        fs::create_dir_all(&place).unwrap();
        self.give_away(&place);
        place
    }

    pub(crate) fn give_away(&self, path: &Path) {
        if let Some((uid, gid)) = self.ids {
            let owner = format!("{uid}:{gid}");
            let given = Command::new("chown")
                .args(["-hR", &owner])
                .arg(path)
                .status();
            assert!(given.unwrap().success());
        }
    }

    pub(crate) fn ids(&self) -> Option<(u32, u32)> {
        self.ids
    }

    /// Another program as the user.
    pub(crate) fn as_user(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
    }

    pub(crate) fn command(&self, asked: &Asked, place: &Path, args: &[&str]) -> Command {
        asked.command(self.ids, place, &self.layers(), args)
    }

    /// Runs a container, and sees that nothing of it is left.
    pub(crate) fn run(&self, asked: &Asked, args: &[&str]) -> Output {
        let place = self.place("place");
        let mut command = self.command(asked, &place, args);
        command.stdin(Stdio::null()).output().unwrap()
    }
}
