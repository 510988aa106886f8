//! Markers.

use crate::requirement::{MarkerEnvironment, Name, Requirement};

fn environment(set: &[(&str, &str)]) -> MarkerEnvironment {
    let mut environment = MarkerEnvironment {
        os_name: "posix".to_owned(),
        sys_platform: "linux".to_owned(),
        platform_machine: "x86_64".to_owned(),
        platform_python_implementation: "CPython".to_owned(),
        platform_release: "4.4.0".to_owned(),
        platform_system: "Linux".to_owned(),
        platform_version: "#1".to_owned(),
        python_version: "3.8".to_owned(),
        python_full_version: "3.8.1".to_owned(),
        implementation_name: "cpython".to_owned(),
        implementation_version: "3.8.1".to_owned(),
    };
    for (variable, value) in set {
        let value = (*value).to_owned();
        match *variable {
            "os_name" => environment.os_name = value,
            "python_version" => environment.python_version = value,
            "python_full_version" => environment.python_full_version = value,
            "platform_release" => environment.platform_release = value,
            "sys_platform" => environment.sys_platform = value,
            other => panic!("{other}"),
        }
    }
    environment
}

#[test]
fn conditions_are_judged() {
    let other = &[("os_name", "other"), ("python_version", "2.7.4")][..];
    for (marker, set, holds) in [
        ("os_name == 'foo'", &[("os_name", "foo")][..], true),
        ("os_name == 'foo'", &[("os_name", "bar")], false),
        (
            "'2.7' in python_version",
            &[("python_version", "2.7.5")],
            true,
        ),
        (
            "'2.7' not in python_version",
            &[("python_version", "2.7")],
            false,
        ),
        (
            "os_name == 'foo' and python_version ~= '2.7.0'",
            &[("os_name", "foo"), ("python_version", "2.7.6")],
            true,
        ),
        (
            "python_version ~= '2.7.0' and (os_name == 'foo' or os_name == 'bar')",
            &[("os_name", "foo"), ("python_version", "2.7.4")],
            true,
        ),
        (
            "python_version ~= '2.7.0' and (os_name == 'foo' or os_name == 'bar')",
            &[("os_name", "bar"), ("python_version", "2.7.4")],
            true,
        ),
        (
            "python_version ~= '2.7.0' and (os_name == 'foo' or os_name == 'bar')",
            other,
            false,
        ),
        ("python_version == '3.*'", &[], true),
        ("python_version != '3.8.*'", &[], false),
        ("python_full_version < '3.9'", &[], true),
        (
            "python_full_version >= '3.8.0'",
            &[("python_full_version", "3.8.0rc1")],
            false,
        ),
        ("'3.6' <= python_version", &[], true),
        ("'3.9' > python_version", &[], true),
        ("'3.8' == python_version", &[], true),
        ("python_version === '3.8'", &[], true),
        ("sys_platform in 'linux darwin'", &[], true),
        ("sys_platform not in 'linux darwin'", &[], false),
        ("'inux' in sys_platform", &[], true),
        ("python_version in '3.7 3.8'", &[], true),
        ("sys_platform > 'a'", &[], true),
        // `python_full_version` ends in `+` for a build between releases: then texts are compared.
        (
            "python_full_version == '3.8.1+'",
            &[("python_full_version", "3.8.1+")],
            true,
        ),
        ("python_implementation=='CPython'", &[], true),
        ("platform.python_implementation == 'CPython'", &[], true),
        ("os.name == 'posix' and sys.platform == 'linux'", &[], true),
        (
            "platform.machine == 'x86_64' and platform.version == '#1'",
            &[],
            true,
        ),
        (
            "implementation_name == 'cpython' and implementation_version >= '3'",
            &[],
            true,
        ),
    ] {
        let line = format!("a ; {marker}");
        let read: Requirement = line.parse().unwrap_or_else(|why| panic!("{why}"));
        let read = read.marker.expect("a marker");
        assert_eq!(read.holds(&environment(set), &[]), holds, "{marker}");
    }
}

#[test]
fn extras_are_compared_by_their_normal_names() {
    for (marker, extra, holds) in [
        ("extra == 'SECURITY'", "security", true),
        ("extra == 'security'", "SECURITY", true),
        ("extra == 'pep-685-norm'", "PEP_685...norm", true),
        (
            "extra == 'different.punctuation..is...equal'",
            "different__punctuation_is_EQUAL",
            true,
        ),
        ("extra == 'security'", "other", false),
        ("extra != 'security'", "other", true),
    ] {
        let line = format!("a ; {marker}");
        let read: Requirement = line.parse().expect(marker);
        let extra: Name = extra.parse().expect("a name");
        let read = read.marker.expect("a marker");
        assert_eq!(read.holds(&environment(&[]), &[extra]), holds, "{marker}");
    }
}

#[test]
fn what_is_no_marker_is_refused() {
    for marker in [
        "named_in == 'a'",
        "os_name",
        "os_name = 'x'",
        "os_name === ",
        "os_name not 'x'",
        "(os_name == 'x'",
        "os_name == 'x')",
        "'x' == 'y'",
        "os_name == 'x' and",
        "or",
        "os_name == x",
        "os_name == 'x' os_name == 'y'",
        "os_name == \"x'",
        "not os_name == 'x'",
    ] {
        format!("a ; {marker}")
            .parse::<Requirement>()
            .expect_err(marker);
    }
}
