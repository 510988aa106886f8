//! Requirements.

use crate::requirement::{Requirement, Source};

#[test]
fn requirements_are_taken_apart() {
    for (line, name, extras, versions, has_marker) in [
        ("name<3.*,>=1", "", "", "", false),
        ("packaging", "packaging", "", "", false),
        ("packaging  ", "packaging", "", "", false),
        ("name>=3", "name", "", ">=3", false),
        ("name<3,>=1", "name", "", ">=1, <3", false),
        ("name (==4)", "name", "", "==4", false),
        ("name(>=1.0,<2)", "name", "", ">=1.0, <2", false),
        (
            "name [quux, strange] > 4",
            "name",
            "quux,strange",
            ">4",
            false,
        ),
        ("name[]", "name", "", "", false),
        ("name[ a , b ]>=1", "name", "a,b", ">=1", false),
        ("name[a.b-C_d]", "name", "a-b-c-d", "", false),
        ("name>=1;python_version<'3'", "name", "", ">=1", true),
        (
            "name ; python_version<'3' and os_name=='a'",
            "name",
            "",
            "",
            true,
        ),
        (
            "name[quux, strange] >=1 ; python_version<'2.7' and platform_version=='2'",
            "name",
            "quux,strange",
            ">=1",
            true,
        ),
        (
            "name\t>=1.0\t;\tos_name\t==\t'x'",
            "name",
            "",
            ">=1.0",
            true,
        ),
        ("name===1.0", "name", "", "===1.0", false),
        ("name~=1.4.2", "name", "", "~=1.4.2", false),
        ("name!=1.5.*", "name", "", "!=1.5.*", false),
    ] {
        let read = line.parse::<Requirement>();
        if name.is_empty() {
            read.expect_err(line);
            continue;
        }
        let read = read.unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(read.name.as_str(), name, "{line}");
        let found: Vec<_> = read.extras.iter().map(crate::Name::as_str).collect();
        assert_eq!(found.join(","), extras, "{line}");
        assert_eq!(read.marker.is_some(), has_marker, "{line}");
        let Source::Versions(found) = read.source else {
            panic!("{line}");
        };
        assert_eq!(found.to_string(), versions, "{line}");
    }
}

#[test]
fn an_address_goes_to_the_next_space() {
    for (line, url) in [
        ("name @ https://url/?a=b;c", "https://url/?a=b;c"),
        ("name@http://foo.com ; os_name=='a'", "http://foo.com"),
        ("name [x]@ file:///a/b#sha256=0", "file:///a/b#sha256=0"),
        (
            "pip @ https://github.com/pypa/pip/archive/1.3.1.zip#sha1=da9234ee9982d4bbb3c72346a6de940a148ea686",
            "https://github.com/pypa/pip/archive/1.3.1.zip#sha1=da9234ee9982d4bbb3c72346a6de940a148ea686",
        ),
    ] {
        let read: Requirement = line.parse().unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(read.source, Source::Url(url.to_owned()));
    }
}

#[test]
fn what_is_no_requirement_is_refused() {
    for line in [
        "",
        " ",
        "name[bar",
        "name[bar baz]",
        "name[bar,]",
        "name[,bar]",
        "name[1-]",
        "_name",
        "name=1.0",
        "name==",
        "name>=1.0.*",
        "name (>=1",
        "name >=1)",
        "name ; ",
        "name ; os_name",
        "name ; os_name == ",
        "name ; os_name == 'x' or",
        "name @",
        "name @ ; os_name == 'x'",
        "name >= 1 @ https://x",
        "name : 1.0",
        "name 1.0",
        "name;os_name=='x'==",
    ] {
        line.parse::<Requirement>().expect_err(line);
    }
}
