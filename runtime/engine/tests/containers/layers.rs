//! Layers of odd names and in great number, and roots that are no overlay.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use isolab_engine::run;

use crate::Check;
use crate::driver::Asked;
use crate::users::Lab;

pub(crate) const CHECKS: &[Check] = &[
    ("a_name_may_have_what_options_are_made_of", |lab, asked| {
        let odd = lab.path("a:b,c\\d=e upperdir=x");
        fs::create_dir(&odd).unwrap();
        fs::write(odd.join("odd"), "found\n").unwrap();
        lab.give_away(&odd);
        let [base, _] = lab.layers();
        check(lab, asked, &[base, odd], &["cat", "/odd"], "found\n");
        let place = lab.place("p:l,a\\ce");
        let output = lab.command(asked, &place, &["true"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }),
    ("more_layers_than_fit_in_a_page_of_options", |lab, asked| {
        let [base, _] = lab.layers();
        let mut layers = vec![base];
        for number in 0..400 {
            let layer = lab.path(&format!("layer-{number}"));
            fs::create_dir(&layer).unwrap();
            fs::write(layer.join("number"), format!("{number}\n")).unwrap();
            fs::write(layer.join(format!("own-{number}")), "").unwrap();
            layers.push(layer);
        }
        lab.give_away(&lab.path(""));
        let script = "cat /number; ls / | grep -c own-";
        check(lab, asked, &layers, &["sh", "-c", script], "399\n400\n");
    }),
    (
        "with_mount_points_below_nothing_is_written_above",
        |lab, asked| {
            // A root that has nothing but its program.
            let bare = lab.path("bare");
            fs::create_dir_all(bare.join("bin")).unwrap();
            let programs = fs::read_dir(lab.path("base/bin")).unwrap();
            for program in programs.map(|entry| entry.unwrap().path()) {
                let there = bare.join("bin").join(program.file_name().unwrap());
                let mut copy = Command::new("cp");
                let copied = copy.arg("-P").arg(&program).arg(there).status();
                assert!(copied.unwrap().success());
            }
            let points = lab.path("mount-points");
            run::lay_mount_points(&points).unwrap();
            lab.give_away(&bare);
            lab.give_away(&points);
            // What was written is where the root is mounted, seen from outside.
            let asked = asked.clone().with(&["--keep"]);
            let script = "cat /etc/hostname; ls /proc/self/comm; ls -A /";
            let said = "isolab\n/proc/self/comm\nbin\ndev\netc\nproc\nsys\n";
            check(lab, &asked, &[points, bare], &["sh", "-c", script], said);
            let upper = lab.path("place/upper");
            assert_eq!(fs::read_dir(upper).unwrap().count(), 0);
        },
    ),
    ("a_layer_that_is_missing_is_named", |lab, asked| {
        let layers = [lab.path("base"), lab.path("missing")];
        let place = lab.place("place");
        let mut command = asked.command(lab.ids(), &place, &layers, &["true"]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("/missing") && said.contains("No such file"),
            "{output:?}"
        );
    }),
    ("a_directory_can_be_the_root", |lab, asked| {
        let asked = asked.clone().with(&["--directory"]);
        let layers = [lab.path("base")];
        let args = ["sh", "-c", "echo kept > /file; cat /file"];
        check(lab, &asked, &layers, &args, "kept\n");
        assert!(lab.path("base/file").exists());
    }),
    (
        "where_no_overlay_can_be_mounted_it_is_refused_and_nothing_is_done",
        |lab, asked| {
            // What is written cannot go to a directory that is to stay as it is.
            let base = lab.path("base");
            let asked = asked.clone().with(&["--upper", base.to_str().unwrap()]);
            let output = lab.run(&asked, &["true"]);
            assert_eq!(output.status.code(), Some(125), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("cannot mount layers"), "{said}");
        },
    ),
];

fn check(lab: &Lab, asked: &Asked, layers: &[PathBuf], args: &[&str], said: &str) {
    let place = lab.place("place");
    let mut command = asked.command(lab.ids(), &place, layers, args);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), said, "{output:?}");
}
