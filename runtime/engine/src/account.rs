//! Users and groups as an image knows them: its own `/etc/passwd` and `/etc/group`.
//!
//! What is asked for (`-u`) is `USER`, `USER:GROUP` or `:GROUP`, each a name or a
//! number. A number need not be known to the image; a name does.
//!
//! Source: `passwd(5)`, `group(5)`; the rules are Docker's, which images are
//! written for (moby/sys `user.GetExecUser`).

use crate::error::{Error, Result};

/// A line of `/etc/passwd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The user id.
    pub uid: u32,
    /// The id of the main group.
    pub gid: u32,
    /// The home directory.
    pub home: &'a [u8],
}

/// A line of `/etc/group`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The group id.
    pub gid: u32,
    /// The names of its members, between commas.
    members: &'a [u8],
}

/// The users of a `passwd` file; a line that names none is passed over.
pub fn users(passwd: &[u8]) -> impl Iterator<Item = User<'_>> {
    lines(passwd).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let (_password, uid, gid) = (fields.next()?, fields.next()?, fields.next()?);
        let home = fields.nth(1).unwrap_or_default();
        Some(User {
            name,
            uid: number(uid)?,
            gid: number(gid)?,
            home,
        })
    })
}

/// The groups of a `group` file.
pub fn groups(group: &[u8]) -> impl Iterator<Item = Group<'_>> {
    lines(group).filter_map(|line| {
        let mut fields = line.split(|&byte| byte == b':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let (_password, gid) = (fields.next()?, fields.next()?);
        Some(Group {
            name,
            gid: number(gid)?,
            members: fields.next().unwrap_or_default(),
        })
    })
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii)
}

/// An id: no sign, and not the one that means "no id".
fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&id| digits && id != u32::MAX)
}

/// Who a program runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// The user id.
    pub uid: u32,
    /// The group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The home directory, where the image knows one.
    pub home: Option<String>,
}

/// Who is meant by `asked`, root where it is empty, with the groups `more`.
///
/// # Errors
/// [`Error::NotFound`] for a name that the image does not know.
pub fn resolve(asked: &str, more: &[String], passwd: &[u8], group: &[u8]) -> Result<Account> {
    let (user, in_group) = match asked.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (asked, None),
    };
    let uid = match user {
        "" => Some(0),
        user => number(user.as_bytes()),
    };
    let known = users(passwd).find(|known| match uid {
        Some(uid) => known.uid == uid,
        None => known.name == user.as_bytes(),
    });
    let mut account = match (known, uid) {
        (Some(known), _) => Account {
            uid: known.uid,
            gid: known.gid,
            groups: Vec::new(),
            home: std::str::from_utf8(known.home)
                .ok()
                .filter(|home| !home.is_empty())
                .map(str::to_owned),
        },
        (None, Some(uid)) => Account {
            uid,
            ..Account::default()
        },
        (None, None) => return Err(unknown("user", user, "/etc/passwd")),
    };
    match (in_group, known) {
        (Some(name), _) => account.gid = group_id(name, group)?,
        (None, Some(known)) => {
            let of_user = groups(group).filter(|group| has_member(group, known.name));
            account.groups = of_user.map(|group| group.gid).collect();
        }
        (None, None) => {}
    }
    for name in more {
        account.groups.push(group_id(name, group)?);
    }
    // More than the kernel takes nobody means (`setgroups(2)`).
    account.groups.truncate(65_536);
    account.groups.sort_unstable();
    account.groups.dedup();
    Ok(account)
}

fn has_member(group: &Group<'_>, name: &[u8]) -> bool {
    let mut members = group.members.split(|&byte| byte == b',');
    members.any(|member| member == name)
}

fn group_id(name: &str, group: &[u8]) -> Result<u32> {
    if let Some(gid) = number(name.as_bytes()) {
        return Ok(gid);
    }
    let known = groups(group).find(|known| known.name == name.as_bytes());
    known
        .map(|known| known.gid)
        .ok_or_else(|| unknown("group", name, "/etc/group"))
}

fn unknown(what: &str, name: &str, file: &str) -> Error {
    Error::NotFound {
        what: format!("{what} `{}` in the image's {file}", name.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        # daemon:x:1:1:::\n\
        web:x:33:34:Web,,,:/var/www:/usr/sbin/nologin\n\
        broken:x:a:b\n";
    const GROUP: &[u8] = b"root:x:0:\nstaff:x:50:web,ada\nlog:x:4:ada,web\nweb:x:34:\n";

    fn check(asked: &str, more: &[&str], expected: (u32, u32, &[u32], Option<&str>)) {
        let more: Vec<_> = more.iter().map(|&group| group.to_owned()).collect();
        let account = resolve(asked, &more, PASSWD, GROUP).unwrap();
        let (uid, gid, groups, home) = expected;
        assert_eq!((account.uid, account.gid), (uid, gid), "{asked}");
        assert_eq!(account.groups, groups, "{asked}");
        assert_eq!(account.home.as_deref(), home, "{asked}");
    }

    #[test]
    fn a_user_is_meant_by_name_or_number_and_brings_the_groups_along() {
        check("", &[], (0, 0, &[], Some("/root")));
        check("web", &[], (33, 34, &[4, 50], Some("/var/www")));
        check("33", &[], (33, 34, &[4, 50], Some("/var/www")));
        check("1000", &[], (1000, 0, &[], None));
        check("1000:1000", &[], (1000, 1000, &[], None));
    }

    #[test]
    fn a_group_that_is_asked_for_is_the_only_one_but_for_what_is_added() {
        check("web:staff", &[], (33, 50, &[], Some("/var/www")));
        check(":50", &[], (0, 50, &[], Some("/root")));
        check("web:0", &["log", "7"], (33, 0, &[4, 7], Some("/var/www")));
    }

    #[test]
    fn a_name_that_the_image_does_not_know_is_refused_by_that_name() {
        let refused = |asked: &str| resolve(asked, &[], PASSWD, GROUP).unwrap_err().to_string();
        assert_eq!(
            refused("ada"),
            "cannot find user `ada` in the image's /etc/passwd"
        );
        assert_eq!(
            refused("web:ada"),
            "cannot find group `ada` in the image's /etc/group"
        );
        for odd in ["-1", "+5", "4294967295", "broken", "99999999999", " 5"] {
            refused(odd);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_files_hold_an_id_is_one_that_can_be_had(
            passwd in any::<Vec<u8>>(),
            group in any::<Vec<u8>>(),
            asked in "[a-z0-9:+-]{0,12}",
        ) {
            if let Ok(account) = resolve(&asked, &[], &passwd, &group) {
                let all = account.groups.iter().chain([&account.uid, &account.gid]);
                prop_assert!(all.copied().all(|id| id != u32::MAX));
            }
        }
    }
}
