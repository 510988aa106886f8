//! Questions to the model, none of which starts anything.

use std::fs;

use serde_json::{Value, json};

use super::Tested;
use super::support::{Home, contains};

pub(crate) fn an_answer() -> Tested {
    let home = Home::new();
    for topic in ["startup", "memory", "density", "storm", "money"] {
        let mut words = vec!["ask", topic, "--from", "published", "--json"];
        // How one starts and how many fit hang on no number of them.
        if !matches!(topic, "startup" | "density") {
            words.extend(["--guests", "3"]);
        }
        let told = home.json(&words);
        for answer in told["answers"].as_array().unwrap() {
            let number = |name: &str| answer[name].as_f64().unwrap();
            assert_eq!(answer["evidence"], "modelled", "{topic}");
            assert!(
                number("low") < number("value") && number("value") < number("high"),
                "{answer}"
            );
            for parameter in answer["parameters"].as_array().unwrap() {
                assert!(parameter["origin"]["kind"].is_string(), "{parameter}");
            }
            let shares = answer["sensitivity"].as_array().unwrap();
            let all: f64 = shares
                .iter()
                .map(|one| one["share"].as_f64().unwrap())
                .sum();
            assert!((all - 1.0).abs() < 1e-9, "{answer}");
        }
    }
    let text = home.says(&["ask", "memory", "--from", "published", "--guests", "3"]);
    contains(
        &text,
        &[
            "the memory of 3 guests",
            "modelled",
            "90 %",
            "NSDI 2020",
            "vm.memory.kernel",
        ],
    );
    Ok(())
}

pub(crate) fn in_words() -> Tested {
    let home = Home::new();
    let question = "three guests of a 700 MB system";
    let mut words = vec!["ask", "--from", "published"];
    words.extend(question.split(' '));
    let text = home.says(&words);
    // Three copies, and one with three overlays of three clusters each.
    contains(
        &text,
        &[
            "the disk of 3 guests",
            "2.10 GB",
            "701 MB",
            "the memory of 3 guests",
        ],
    );
    let told = home.model(&words);
    contains(
        &String::from_utf8_lossy(&told.stderr),
        &["understood: 3 guests", "700 MB"],
    );
    Ok(())
}

pub(crate) fn a_sweep() -> Tested {
    let home = Home::new();
    let words = [
        "ask",
        "memory",
        "--from",
        "published",
        "--sweep",
        "guests=1..200",
        "-o",
        "m.svg",
    ];
    let text = home.says(&words);
    contains(&text, &["guests", "200", "90 % interval"]);
    let svg = fs::read_to_string(home.path().join("m.svg")).unwrap();
    roxmltree::Document::parse(&svg).unwrap();
    contains(&svg, &["Modelled", "Memory by guests"]);
    let told = home.json(&[
        "ask",
        "memory",
        "--from",
        "published",
        "--sweep",
        "guests=1..3",
        "--json",
    ]);
    let points = told[0]["points"].as_array().unwrap();
    let values: Vec<f64> = points
        .iter()
        .map(|point| point["value"].as_f64().unwrap())
        .collect();
    assert_eq!(values.len(), 3);
    // The equation is linear in the number of guests.
    assert!(
        (values[2] - values[1] - (values[1] - values[0])).abs() < 1.0,
        "{values:?}"
    );
    home.says(&[
        "ask",
        "memory",
        "--from",
        "published",
        "--sweep",
        "guests=1..9",
        "-o",
        "m.png",
    ]);
    assert!(
        fs::read(home.path().join("m.png"))
            .unwrap()
            .starts_with(b"\x89PNG")
    );
    Ok(())
}

pub(crate) fn refused() -> Tested {
    let home = Home::new();
    let cases: [(&[&str], &[&str]); 8] = [
        (&["ask", "what", "about", "cats"], &["`cats`", "hint"]),
        (&["ask", "memory", "--guests", "0"], &["--guests", "1..="]),
        (&["ask", "memory", "--memory", "7 parsecs"], &["--memory"]),
        (
            &["ask", "memory", "--sweep", "guests=9..1"],
            &["less to more", "hint"],
        ),
        (&["ask", "memory", "--set", "vm.bot=1"], &["vm.bot", "hint"]),
        (
            &["ask", "memory", "--sweep", "guests=1..9", "-o", "m.pdf"],
            &["m.pdf", ".svg"],
        ),
        (
            &["ask", "memory", "--kind", "container", "--restored"],
            &["no memory of its own"],
        ),
        (
            &[
                "ask",
                "startup",
                "--workload-time",
                "5ms",
                "--workload-kernel",
                "6ms",
            ],
            &["no more for a workload", "hint"],
        ),
    ];
    for (arguments, parts) in cases {
        contains(&home.fails(arguments), parts);
    }
    assert!(!home.path().join("m.pdf").exists());
    Ok(())
}

/// Options that bear on none of the answers, which would be taken for answers to another question.
pub(crate) fn meaningless() -> Tested {
    let home = Home::new();
    let check = |words: &str, parts: &[&str]| {
        let words: Vec<&str> = ["ask", "--from", "published"]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        contains(&home.fails(&words), &[parts, &["hint: "]].concat());
        assert_eq!(home.model(&words).status.code(), Some(2), "{words:?}");
    };
    check(
        "memory --restored --merged",
        &["--merged means nothing", "memory", "--restored"],
    );
    check(
        "memory --restored --memory 16G",
        &["--memory means nothing", "--restored"],
    );
    check(
        "memory --restored --workload-memory 8G",
        &["--workload-memory means nothing", "--restored"],
    );
    check(
        "startup --restored --workload-time 5ms",
        &["--workload-time means nothing", "startup"],
    );
    check(
        "startup --sweep guests=1..9",
        &["--guests means nothing", "memory, disk, storm, money"],
    );
    check(
        "storm --arrivals 1 --guests 3",
        &["--guests means nothing", "arrivals"],
    );
    check(
        "disk --kind container --memory 1G",
        &["--memory means nothing", "disk of containers"],
    );
    check(
        "money --guests 3 --memory 1G",
        &["--memory means nothing", "given number"],
    );
    // What counts for one of several topics or kinds is no mistake.
    home.says(&[
        "ask",
        "--from",
        "published",
        "startup",
        "memory",
        "--guests",
        "3",
    ]);
    // And what nobody published is asked for.
    let larger = ["ask", "startup", "--from", "published", "--archive", "1G"];
    contains(&home.fails(&larger), &["--set vm.boot.archive="]);
    let file = home.calibration(|_| ());
    let other = [
        "ask",
        "startup",
        "--from",
        &file,
        "--monitor",
        "firecracker",
    ];
    contains(&home.fails(&other), &["--monitor", "--from published"]);
    Ok(())
}

/// What is given counts: less fit that bring an image and more that give memory back.
pub(crate) fn counted() -> Tested {
    let home = Home::new();
    let fit = |more: &[&str]| {
        let words = [
            "ask",
            "density",
            "--from",
            "published",
            "--host-memory",
            "8G",
        ];
        let disk = ["--host-disk", "4G", "--json"];
        let told = home.json(&[&words, &disk[..], more].concat());
        told["answers"][0]["value"].as_f64().unwrap()
    };
    let plain = fit(&[]);
    assert!(fit(&["--balloon", "64M"]) > plain);
    // Of 4 GiB an image of 3 leaves 1: four overlays of 240 MiB, and no fifth.
    assert_eq!(fit(&["--image", "3G", "--growth", "240M"]), 4.0);
    assert_eq!(fit(&["--image", "5G"]), 0.0);
    Ok(())
}

/// Amounts that nothing can have, and words that contradict each other: wrong usage, as clap's.
pub(crate) fn impossible() -> Tested {
    let home = Home::new();
    let cases: [(&[&str], &[&str]); 9] = [
        (
            &["ask", "memory", "--guests", "3", "--balloon", "1G"],
            &["1.07 GB of its 268 MB", "--memory"],
        ),
        (&["ask", "money", "--life", "0"], &["--life", "such as"]),
        (
            &["ask", "money", "--runs", "1e305y"],
            &["--runs", "such as"],
        ),
        (&["ask", "money", "--runs", "0"], &["--runs", "such as"]),
        (
            &["ask", "memory", "--memory", "0"],
            &["--memory", "such as"],
        ),
        (
            &["ask", "storm", "--host-processors", "0"],
            &["--host-processors", "such as"],
        ),
        (
            &["ask", "storm", "--host-processors", "1000000"],
            &["--host-processors", "such as"],
        ),
        (
            &["ask", "storm", "--set", "host.processors=0"],
            &["host.processors", "hint"],
        ),
        (&["ask", "0", "guests"], &["1 to 1000000", "hint"]),
    ];
    for (arguments, parts) in cases {
        contains(&home.fails(arguments), parts);
        assert_eq!(
            home.model(arguments).status.code(),
            Some(2),
            "{arguments:?}"
        );
    }
    Ok(())
}

pub(crate) fn bad_calibrations() -> Tested {
    let home = Home::new();
    let check = |change: fn(&mut Value), part: &str| {
        let file = home.calibration(change);
        let said = home.fails(&["ask", "startup", "--from", &file]);
        contains(&said, &[part, "hint", "isolab model calibrate"]);
    };
    check(
        |v| v["parameters"][0]["unit"] = json!("B"),
        "its unit is `s`",
    );
    check(|v| v["parameters"][0]["value"] = json!(-3), "can only be");
    check(
        |v| v["parameters"][0]["low"] = json!(99),
        "contradicts itself",
    );
    check(
        |v| v["parameters"][0]["name"] = json!("vm.soup"),
        "no parameter of this model",
    );
    check(
        |v| v["machine"]["cpu"] = json!("a processor of a dream"),
        "another machine",
    );
    check(|v| v["machine"]["cpus"] = json!(4097), "another machine");
    check(|v| v["surprise"] = json!(1), "surprise");
    fs::write(home.path().join("none.json"), "{").unwrap();
    contains(
        &home.fails(&["ask", "startup", "--from", "none.json"]),
        &["hint"],
    );
    contains(
        &home.fails(&["ask", "startup", "--from", "absent.json"]),
        &["absent.json", "hint"],
    );
    // And one that is as it should be is used, and says that an emulator stands behind it.
    let file = home.calibration(|_| ());
    let text = home.says(&["ask", "startup", "--from", &file]);
    contains(
        &text,
        &[
            "modelled, from samples that were emulated by QEMU TCG 7.2",
            "1.50 s",
        ],
    );
    Ok(())
}

/// A calibration of before programs were told apart by what they do.
pub(crate) fn older_calibrations() -> Tested {
    let home = Home::new();
    let file = home.calibration(|v| {
        let slowdown = json!({
            "name": "vm.slowdown", "value": 4.0, "unit": "1", "low": 2.0, "high": 8.0,
            "origin": { "kind": "calibrated", "samples": 4, "how": "made up" },
        });
        v["parameters"].as_array_mut().unwrap().push(slowdown);
    });
    let workload = ["ask", "startup", "--from", &file, "--workload-time", "50ms"];
    // What it knows is answered: 1.5 s, and four times the 50 ms.
    contains(&home.says(&workload), &["1.70 s"]);
    for (option, amount, name) in [
        ("--workload-kernel", "10ms", "vm.slowdown.kernel"),
        ("--workload-code", "6M", "program.run"),
    ] {
        let more = [workload.as_slice(), &[option, amount]].concat();
        contains(&home.fails(&more), &[name, "isolab model calibrate"]);
    }
    Ok(())
}

pub(crate) fn missing() -> Tested {
    let home = Home::new();
    let nobodys = [
        "ask",
        "storm",
        "--from",
        "published",
        "--monitor",
        "microvm",
    ];
    contains(&home.fails(&nobodys), &["--set vm.contention="]);
    let file = home.calibration(|_| ());
    let said = home.fails(&["ask", "startup", "--restored", "--from", &file]);
    contains(&said, &["vm.restore", "--set vm.restore="]);
    let text = home.says(&[
        "ask",
        "startup",
        "--restored",
        "--from",
        &file,
        "--set",
        "vm.restore=0.03..0.05",
    ]);
    contains(&text, &["40.0 ms", "given by --set"]);
    Ok(())
}

pub(crate) fn nothing_to_validate() -> Tested {
    let home = Home::new();
    contains(
        &home.fails(&["validate"]),
        &["no calibration", "isolab model calibrate"],
    );
    contains(
        &home.fails(&["validate", "-o", "v.txt"]),
        &["v.txt", ".svg"],
    );
    let file = home.calibration(|v| v["split_sha256"] = json!("0123"));
    contains(
        &home.fails(&["validate", "--from", &file]),
        &["another split", "isolab model calibrate"],
    );
    Ok(())
}
