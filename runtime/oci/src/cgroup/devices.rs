//! Which devices a container may use: the rules of version 1's controller.
//!
//! The author's rules come first; what every container has by the
//! specification ("Default Devices") is then allowed again, or the rule
//! `deny all` would take away `/dev/null`.

use crate::spec::{DeviceRule, DeviceType};

/// Nodes of every kind may be made, since making is not using; then the
/// default devices, pseudo terminals and the pty multiplexer.
const ALWAYS: [&str; 10] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

/// The lines for `devices.allow` (true) and `devices.deny` (false), in order.
pub(super) fn v1(rules: &[DeviceRule]) -> Vec<(bool, String)> {
    let mut lines: Vec<_> = rules.iter().map(|rule| (rule.allow, line(rule))).collect();
    lines.extend(ALWAYS.iter().map(|&always| (true, always.to_owned())));
    lines
}

fn line(rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| match n {
        Some(n) if n >= 0 => n.to_string(),
        _ => "*".to_owned(),
    };
    let access = rule.access.as_deref().unwrap_or("rwm");
    let kind = match rule.kind {
        // The kernel takes `a` for everything at once, whatever follows it.
        None | Some(DeviceType::All | DeviceType::Fifo) => return "a *:* rwm".to_owned(),
        Some(DeviceType::Character) => 'c',
        Some(DeviceType::Block) => 'b',
    };
    format!(
        "{kind} {}:{} {access}",
        number(rule.major),
        number(rule.minor)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_devices_survive_a_rule_that_denies_all() {
        let deny_all = DeviceRule {
            allow: false,
            kind: None,
            major: None,
            minor: None,
            access: None,
        };
        let lines = v1(&[deny_all]);
        assert_eq!(lines[0], (false, "a *:* rwm".to_owned()));
        assert!(lines[1..].contains(&(true, "c 1:3 rwm".to_owned())));
    }

    #[test]
    fn a_missing_number_means_every_number() {
        let rule = DeviceRule {
            allow: true,
            kind: Some(DeviceType::Block),
            major: Some(8),
            minor: None,
            access: Some("r".to_owned()),
        };
        assert_eq!(line(&rule), "b 8:* r");
    }
}
