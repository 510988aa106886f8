//! Reports are mailed and merged: they name the machine's kind, never its user.

use std::env;

use crate::report::Report;

/// Writes `~` where a report's words hold the path of the user's home.
pub fn redact(report: &mut Report) {
    let home = env::var("HOME").unwrap_or_default();
    let observed = report.observations.iter_mut().flat_map(|observation| {
        observation
            .conditions
            .values_mut()
            .chain(&mut observation.warnings)
    });
    let missing = report.missing.iter_mut().flat_map(|part| {
        [Some(&mut part.why), part.remedy.as_mut()]
            .into_iter()
            .flatten()
    });
    for text in observed.chain(missing).chain(&mut report.warnings) {
        *text = without(text, &home);
    }
}

/// `text` with `~` for `home`. A home of `/`, as some services have, hides
/// nobody, and would be found in every path.
fn without(text: &str, home: &str) -> String {
    match home.trim_end_matches('/') {
        "" => text.to_owned(),
        home => text.replace(home, "~"),
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn the_users_home_is_not_named() {
        assert_eq!(
            without("-initrd /home/ann/.cache/x", "/home/ann"),
            "-initrd ~/.cache/x"
        );
        assert_eq!(without("/usr/bin/python3", "/"), "/usr/bin/python3");
        assert_eq!(without("/usr/bin/python3", ""), "/usr/bin/python3");
    }
}
