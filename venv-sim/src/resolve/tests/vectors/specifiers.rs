//! Specifiers: which versions they take.

use pep440_rs::{Version, VersionSpecifiers};

use crate::requirement::takes;

#[track_caller]
fn check(is_in: bool, cases: &[(&str, &str)]) {
    for (version, specifier) in cases {
        let read: VersionSpecifiers = specifier
            .parse()
            .unwrap_or_else(|why| panic!("{specifier}: {why}"));
        let parsed: Version = version.parse().expect(version);
        assert_eq!(takes(&read, &parsed), is_in, "{version} in {specifier}");
    }
}

#[test]
fn these_are_taken() {
    check(
        true,
        &[
            // Equality
            ("2.0", "==2"),
            ("2.0", "==2.0"),
            ("2.0", "==2.0.0"),
            ("2.0+deadbeef", "==2"),
            ("2.0+deadbeef", "==2.0"),
            ("2.0+deadbeef", "==2.0.0"),
            ("2.0+deadbeef", "==2+deadbeef"),
            ("2.0+deadbeef", "==2.0+deadbeef"),
            ("2.0+deadbeef.0", "==2.0.0+deadbeef.00"),
            // Prefixes
            ("2.dev1", "==2.*"),
            ("2a1", "==2.*"),
            ("2a1.post1", "==2.*"),
            ("2b1", "==2.*"),
            ("2b1.dev1", "==2.*"),
            ("2c1", "==2.*"),
            ("2c1.post1.dev1", "==2.*"),
            ("2rc1", "==2.*"),
            ("2", "==2.*"),
            ("2.0", "==2.*"),
            ("2.0.0", "==2.*"),
            ("2.1+local.version", "==2.1.*"),
            ("1!2.5", "==1!2.*"),
            // Inequality
            ("2.1", "!=2"),
            ("2.1", "!=2.0"),
            ("2.0.1", "!=2"),
            ("2.0.1", "!=2.0.0"),
            ("2.0", "!=2.0+deadbeef"),
            ("2.0", "!=3.*"),
            ("2.1", "!=2.0.*"),
            // At least, at most
            ("2.0", ">=2"),
            ("2.0.post1", ">=2"),
            ("2.0.post1.dev1", ">=2"),
            ("3", ">=2"),
            ("2.0", "<=2"),
            ("2.0.dev1", "<=2"),
            ("2.0a1.dev1", "<=2"),
            ("2.0rc1.post1.dev1", "<=2"),
            // Above, below
            ("3", ">2"),
            ("2.1", ">2.0"),
            ("2.0.1", ">2"),
            ("2.1.post1", ">2"),
            ("2.1+local.version", ">2"),
            ("2.post2", ">2.post1"),
            ("1", "<2"),
            ("2.0", "<2.1"),
            ("2.0.dev0", "<2.1"),
            ("2.0.dev1", "<2.0rc1"),
            // Compatible releases
            ("1", "~=1.0"),
            ("1.0.1", "~=1.0"),
            ("1.1", "~=1.0"),
            ("1.9999999", "~=1.0"),
            ("1.1", "~=1.0a1"),
            ("2022.01.01", "~=2022.01.01"),
            ("2.2.post3", "~=2.2"),
            ("2.3", "~=2.2.post3"),
            ("1.4.5.3", "~=1.4.5a4"),
            // Epochs
            ("2!1.0", "~=2!1.0"),
            ("2!1.0", "==2!1.*"),
            ("2!1.0", "==2!1.0"),
            ("2!1.0", "!=1.0"),
            ("1.0", "!=2!1.0"),
            ("1.0", "<=2!0.1"),
            ("2!1.0", ">=2.0"),
            ("1.0", "<2!0.1"),
            ("2!1.0", ">2.0"),
            // Locals with what knows none
            ("2.0.5", ">2.0dev"),
            ("1.1.post1", "==1.1.*"),
            // Several
            ("1.5", ">=1.0,<2.0,!=1.4"),
            ("1.5", ""),
            // Arbitrary equality
            ("1.0", "===1.0"),
            ("1.0.dev1", "===1.0.dev1"),
        ],
    );
}

#[test]
fn these_are_not() {
    check(
        false,
        &[
            ("2.1", "==2"),
            ("2.1", "==2.0"),
            ("2.0", "==2.0+deadbeef"),
            ("2.0", "==3.*"),
            ("2.1", "==2.0.*"),
            ("1", "==1.5.*"),
            ("2.0", "!=2"),
            ("2.0", "!=2.0.0"),
            ("2.0+deadbeef", "!=2"),
            ("2.0+deadbeef", "!=2.0.0"),
            ("2.0+deadbeef", "!=2.0+deadbeef"),
            ("2.dev1", "!=2.*"),
            ("2a1.post1", "!=2.*"),
            ("2.0.0", "!=2.*"),
            ("2.0.dev1", ">=2"),
            ("2.0a1", ">=2"),
            ("2.0rc1.post1.dev1", ">=2"),
            ("1", ">=2"),
            ("2.0.post1", "<=2"),
            ("2.0.post1.dev1", "<=2"),
            ("3", "<=2"),
            ("1", ">2"),
            ("2.0.dev1", ">2"),
            ("2.0rc1.post1.dev1", ">2"),
            ("2.0", ">2"),
            // Neither a post-release nor a local one is above what it belongs to.
            ("2.post1", ">2"),
            ("2.post1.dev1", ">2"),
            ("2.0+local.version", ">2"),
            ("2.0", "<2"),
            ("2.post1", "<2"),
            ("3.1", "<2"),
            // No pre-release is below what it leads to.
            ("2.0.dev1", "<2"),
            ("2.0a1.post1", "<2"),
            ("2.0rc1", "<2"),
            ("2.0", "~=1.0"),
            ("1.1.0", "~=1.0.0"),
            ("1.1.post1", "~=1.0.0"),
            ("1.5", "~=1.4.5"),
            ("1.0", "~=2!1.0"),
            ("2!1.0", "~=1.0"),
            ("2!1.0", "==1.0"),
            ("1.0", "==2!1.0"),
            ("2!1.0", "==1.*"),
            ("1.0", "==2!1.*"),
            ("2!1.0", "!=2!1.0"),
            ("1.4", ">=1.0,<2.0,!=1.4"),
            // Equal versions that are written differently.
            ("1.0.0", "===1.0"),
            ("1.0+a", "===1.0"),
        ],
    );
}

/// `packaging` reads a prefix that ends in a pre- or a post-release, which the specification does
/// not name; pep440_rs does not. Nobody writes one, and a refusal guesses nothing.
#[test]
fn prefixes_of_releases_only_are_read() {
    for text in ["==2.0.post1.*", "!=2.0a1.*"] {
        text.parse::<VersionSpecifiers>().expect_err(text);
    }
}

#[test]
fn what_is_no_specifier_is_refused() {
    for text in [
        "=>2.0",
        "2.0",
        "==",
        "~=1.0+5",
        ">=1.0+deadbeef",
        "<=1.0+abc123",
        ">1.0+watwat",
        "<1.0+1.0",
        "~=1.0.*",
        "<1.0.*",
        ">=1.0.*",
        "<=1.0.*",
        ">1.0.*",
        "==1.0.*+5",
        "!=1.0.*+deadbeef",
        "==2.0a1.dev1.*",
        "==1.0.dev1.*",
        "~=1",
        "=1.0",
        "==1.0,,>1",
        "== 1.0 1.1",
    ] {
        text.parse::<VersionSpecifiers>().expect_err(text);
    }
}
