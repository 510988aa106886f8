//! Names, of projects and of wheels.

use crate::requirement::Name;
use crate::wheel::WheelName;

#[test]
fn names_are_normalized() {
    for (written, normal) in [
        ("foo", "foo"),
        ("Foo", "foo"),
        ("fOo", "foo"),
        ("foo.bar", "foo-bar"),
        ("Foo.Bar", "foo-bar"),
        ("Foo.....Bar", "foo-bar"),
        ("foo_bar", "foo-bar"),
        ("foo___bar", "foo-bar"),
        ("foo-bar", "foo-bar"),
        ("foo----bar", "foo-bar"),
        ("FrIeNdLy-._.-bArD", "friendly-bard"),
        ("1x", "1x"),
    ] {
        let name: Name = written.parse().expect(written);
        assert_eq!(name.as_str(), normal);
    }
    for text in ["_not_legal", "not-", ".a", "a b", "a!", "", "-"] {
        text.parse::<Name>().expect_err(text);
    }
}

#[test]
fn names_of_wheels_are_taken_apart() {
    for (file, project, version, build, tag) in [
        (
            "foo-1.0-py3-none-any.whl",
            "foo",
            "1.0",
            None,
            "py3-none-any",
        ),
        (
            "some_PACKAGE-1.0-py3-none-any.whl",
            "some-package",
            "1.0",
            None,
            "py3-none-any",
        ),
        (
            "foo-1.0-1000-py3-none-any.whl",
            "foo",
            "1.0",
            Some((1000, "")),
            "py3-none-any",
        ),
        (
            "foo-1.0-1000abc-py3-none-any.whl",
            "foo",
            "1.0",
            Some((1000, "abc")),
            "py3-none-any",
        ),
        (
            "foo_bar-1.0-42-py3-none-any.whl",
            "foo-bar",
            "1.0",
            Some((42, "")),
            "py3-none-any",
        ),
        (
            "distribution-1.0-1-py27-none-any.whl",
            "distribution",
            "1.0",
            Some((1, "")),
            "py27-none-any",
        ),
    ] {
        let name: WheelName = file.parse().expect(file);
        assert_eq!(name.project.as_str(), project);
        assert_eq!(name.version.to_string(), version);
        let found = name
            .build
            .as_ref()
            .map(|build| (build.number, &build.rest[..]));
        assert_eq!(found, build);
        assert_eq!(name.tags[0].to_string(), tag);
    }
    for file in [
        "foo-1.0.whl",
        "foo-1.0-py3-none-any.wheel",
        "foo-1.0-200-py3-none-any-junk.whl",
        "foo-1.0-abc-py3-none-any.whl",
        "foo-V-py3-none-any.whl",
    ] {
        file.parse::<WheelName>().expect_err(file);
    }
}
