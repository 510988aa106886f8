//! Who made a container, by name where the host knows one.

/// The name of user `uid`, or its number.
///
/// Read from the file and not through libc, which in a static program could
/// not load the modules that `nsswitch.conf` names.
pub(crate) fn name(uid: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    look_up(&users, uid).unwrap_or_else(|| uid.to_string())
}

fn look_up(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        (number == uid && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_name_has_a_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:1000::/home/ann:\n";
        assert_eq!(look_up(users, 0).as_deref(), Some("root"));
        assert_eq!(look_up(users, 1000).as_deref(), Some("ann"));
        assert_eq!(look_up(users, 7), None);
        assert_eq!(name(u32::MAX - 1), "4294967294");
    }
}
