//! Versions: their order, and their one spelling.

use pep440_rs::Version;

/// In ascending order; behind these the same again in epoch 1.
const ORDER: [&str; 27] = [
    "1.0.dev456",
    "1.0a1",
    "1.0a2.dev456",
    "1.0a12.dev456",
    "1.0a12",
    "1.0b1.dev456",
    "1.0b2",
    "1.0b2.post345.dev456",
    "1.0b2.post345",
    "1.0b2-346",
    "1.0c1.dev456",
    "1.0c1",
    "1.0rc2",
    "1.0c3",
    "1.0",
    "1.0.post456.dev34",
    "1.0.post456",
    "1.1.dev1",
    "1.2+123abc",
    "1.2+123abc456",
    "1.2+abc",
    "1.2+abc123",
    "1.2+abc123def",
    "1.2+1234.abc",
    "1.2+123456",
    "1.2.r32+123456",
    "1.2.rev33+123456",
];

fn version(text: &str) -> Version {
    text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn versions_are_ordered_as_pep_440_has_them() {
    let first = ORDER.iter().map(|text| version(text));
    let second = ORDER.iter().map(|text| version(&format!("1!{text}")));
    let all: Vec<Version> = first.chain(second).collect();
    for (index, one) in all.iter().enumerate() {
        for (place, other) in all.iter().enumerate() {
            assert_eq!(one.cmp(other), index.cmp(&place), "{one} and {other}");
        }
    }
    // The example of the section "Summary of permitted suffixes and relative ordering".
    let example = [
        "1.dev0",
        "1.0.dev456",
        "1.0a1",
        "1.0a2.dev456",
        "1.0a12.dev456",
        "1.0a12",
        "1.0b1.dev456",
        "1.0b2",
        "1.0b2.post345.dev456",
        "1.0b2.post345",
        "1.0rc1.dev456",
        "1.0rc1",
        "1.0",
        "1.0+abc.5",
        "1.0+abc.7",
        "1.0+5",
        "1.0.post456.dev34",
        "1.0.post456",
        "1.0.15",
        "1.1.dev1",
    ];
    let example: Vec<_> = example.iter().map(|text| version(text)).collect();
    assert!(example.is_sorted_by(|one, other| one < other));
}

#[test]
fn each_version_has_one_spelling() {
    for (written, normal) in [
        // Development releases
        ("1.0dev", "1.0.dev0"),
        ("1.0.dev", "1.0.dev0"),
        ("1.0dev1", "1.0.dev1"),
        ("1.0-dev", "1.0.dev0"),
        ("1.0-dev1", "1.0.dev1"),
        ("1.0DEV", "1.0.dev0"),
        ("1.0.DEV1", "1.0.dev1"),
        ("1.0-DEV1", "1.0.dev1"),
        // Alpha
        ("1.0a", "1.0a0"),
        ("1.0.a", "1.0a0"),
        ("1.0.a1", "1.0a1"),
        ("1.0-a", "1.0a0"),
        ("1.0-a1", "1.0a1"),
        ("1.0alpha", "1.0a0"),
        ("1.0.alpha1", "1.0a1"),
        ("1.0-ALPHA1", "1.0a1"),
        // Beta
        ("1.0b", "1.0b0"),
        ("1.0.b1", "1.0b1"),
        ("1.0-beta", "1.0b0"),
        ("1.0BETA1", "1.0b1"),
        // Candidate
        ("1.0c", "1.0rc0"),
        ("1.0.c1", "1.0rc1"),
        ("1.0-rc", "1.0rc0"),
        ("1.0RC1", "1.0rc1"),
        ("1.0pre1", "1.0rc1"),
        ("1.0preview_2", "1.0rc2"),
        // Post-releases
        ("1.0post", "1.0.post0"),
        ("1.0.post", "1.0.post0"),
        ("1.0post1", "1.0.post1"),
        ("1.0-post1", "1.0.post1"),
        ("1.0POST1", "1.0.post1"),
        ("1.0r", "1.0.post0"),
        ("1.0rev1", "1.0.post1"),
        ("1.0.r7", "1.0.post7"),
        ("1.0-5", "1.0.post5"),
        // Locals
        ("1.0+AbC", "1.0+abc"),
        ("1.0+ubuntu-1", "1.0+ubuntu.1"),
        ("1.0+ubuntu_1", "1.0+ubuntu.1"),
        ("1.0+0010.a", "1.0+10.a"),
        // Numbers, and what may stand before
        ("1.01", "1.1"),
        ("1.0a05", "1.0a5"),
        ("1.0b07", "1.0b7"),
        ("1.0c056", "1.0rc56"),
        ("1.0rc09", "1.0rc9"),
        ("1.0.post000", "1.0.post0"),
        ("1.1.dev09000", "1.1.dev9000"),
        ("00!1.2", "1.2"),
        ("0100!0.0", "100!0.0"),
        ("v1.0", "1.0"),
        ("   v1.0\t\n", "1.0"),
    ] {
        assert_eq!(version(written).to_string(), normal, "{written:?}");
    }
}

#[test]
fn versions_that_differ_in_zeros_are_equal() {
    for (one, other) in [
        ("1", "1.0"),
        ("1.0", "1.0.0"),
        ("1!1", "1!1.0"),
        ("1.0a1", "1.a1"),
    ] {
        assert_eq!(version(one), version(other));
    }
    assert_ne!(version("1.0"), version("1.0+a"));
}

#[test]
fn what_is_no_version_is_refused() {
    for text in [
        "french toast",
        "1.0+a+",
        "1.0++",
        "1.0+_foobar",
        "1.0+foo&asd",
        "1.0+1+1",
        "",
        "1.0 a",
        "1..0",
        "a1",
        "1!",
        "1.0.postx",
        "1.0+",
        "==1.0",
        "١.٠",
    ] {
        text.parse::<Version>().expect_err(text);
    }
}
