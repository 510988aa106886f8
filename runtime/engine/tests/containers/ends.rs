//! How a container ends is how the command ends, whoever runs it and by which
//! runtime.

use std::process::Output;

use crate::Check;
use crate::driver::Asked;
use crate::users::{Lab, User};

pub(crate) const CHECKS: &[Check] = &[
    ("the_exit_code_is_the_programs", |lab, asked| {
        check(lab, asked, &["true"], 0, "");
        check(lab, asked, &["false"], 1, "");
        check(lab, asked, &["sh", "-c", "echo out; exit 7"], 7, "out\n");
        check(lab, asked, &["sh", "-c", "exit 255"], 255, "");
    }),
    (
        "a_missing_program_is_127_and_one_that_is_none_126",
        |lab, asked| {
            check(lab, asked, &["missing"], 127, "");
            check(lab, asked, &["/bin/missing"], 127, "");
            check(lab, asked, &["/srv/text"], 126, "");
        },
    ),
    ("it_is_root_of_its_layers", |lab, asked| {
        let script =
            "id -u; id -g; cat /srv/text; echo more > /srv/text; echo new > /new; stat -c %u /new";
        check(
            lab,
            asked,
            &["sh", "-c", script],
            0,
            "0\n0\nno program\n0\n",
        );
        // It wrote to a copy.
        let text = std::fs::read_to_string(lab.path("top/srv/text")).unwrap();
        assert_eq!(text, "no program\n");
        assert!(!lab.path("top/new").exists() && !lab.path("base/new").exists());
    }),
    ("a_user_is_one_of_the_image", |lab, asked| {
        let web = asked.clone().with(&["-u", "web"]);
        let script = "id -u; id -g; id -G; echo $HOME";
        match lab.user {
            User::Single => {
                let output = lab.run(&web, &["id"]);
                assert_eq!(output.status.code(), Some(125), "{output:?}");
            }
            _ => check(lab, &web, &["sh", "-c", script], 0, "33\n34\n34 50\n/srv\n"),
        }
        let unknown = lab.run(&asked.clone().with(&["-u", "nobody-such"]), &["id"]);
        assert_eq!(unknown.status.code(), Some(125), "{unknown:?}");
    }),
    (
        "files_can_be_given_away_where_there_are_ids",
        |lab, asked| {
            let script = "touch /f; chown 5:6 /f && stat -c %u:%g /f";
            match lab.user {
                User::Single => check(lab, asked, &["sh", "-c", script], 1, ""),
                _ => check(lab, asked, &["sh", "-c", script], 0, "5:6\n"),
            }
        },
    ),
    (
        "a_container_makes_no_node_of_the_hosts_disk",
        |lab, asked| {
            // Whatever device this is: who is not allowed it gets EPERM, not ENXIO.
            let script = "mknod /disk b 8 0 && exec 3< /disk";
            let output = lab.run(asked, &["sh", "-c", script]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("not permitted"), "{output:?}");
        },
    ),
    ("what_is_asked_for_is_what_it_has", |lab, asked| {
        let with = |words: &[&str]| asked.clone().with(words);
        check(
            lab,
            &with(&["-w", "/made/here"]),
            &["sh", "-c", "pwd"],
            0,
            "/made/here\n",
        );
        check(
            lab,
            &with(&["-e", "A=b c"]),
            &["sh", "-c", "echo $A"],
            0,
            "b c\n",
        );
        check(lab, asked, &["cat", "/etc/hostname"], 0, "isolab\n");
        let volume = format!("{}:/mnt:ro", lab.path("top/srv").display());
        let script = "cat /mnt/text; echo x > /mnt/text";
        check(
            lab,
            &with(&["-v", &volume]),
            &["sh", "-c", script],
            1,
            "no program\n",
        );
        check(
            lab,
            &with(&["--read-only"]),
            &["sh", "-c", "echo x > /x"],
            1,
            "",
        );
        let interfaces = "ls /sys/class/net";
        check(lab, asked, &["sh", "-c", interfaces], 0, "lo\n");
        check(
            lab,
            &with(&["--host"]),
            &["sh", "-c", "ls /sys/class/net | grep -v lo | head -c1"],
            0,
            &host_interface(),
        );
    }),
];

/// The first letter of the first interface that the host has beside its loopback.
fn host_interface() -> String {
    let names = std::fs::read_dir("/sys/class/net").unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.contains("lo")).collect();
    names.sort();
    names
        .first()
        .map(|name| name[..1].to_owned())
        .unwrap_or_default()
}

fn check(lab: &Lab, asked: &Asked, args: &[&str], code: i32, said: &str) {
    let output: Output = lab.run(asked, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        said,
        "{args:?}: {output:?}"
    );
}
