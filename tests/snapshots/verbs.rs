//! What the two verbs do and refuse.

use serde_json::Value;

use super::{Home, Tested};

pub(super) fn whole_way() -> Tested {
    let home = Home::new();
    let taken = home.json(&["vm", "snapshot", "--name", "held", "-m", "96", "--json"]);
    assert_eq!(taken["name"], "held");
    assert_eq!(taken["manifest"]["hardware"]["memory_mib"], 96);
    assert_eq!(
        taken["emulated"],
        taken["manifest"]["hardware"]["accel"] == "tcg"
    );

    let again = home.fails(&["vm", "snapshot", "--name", "held"]);
    assert!(
        again.contains("there already") && again.contains(" hint: "),
        "{again}"
    );
    let listed = home.run(&["vm", "snapshot", "ls"]);
    let listed = String::from_utf8(listed.stdout)?;
    assert!(
        listed.contains("held") && listed.contains("vmlinux"),
        "{listed}"
    );
    let kept = home.json(&["system", "df", "--json"]).to_string();
    assert!(kept.contains("isolab vm snapshot ls"), "{kept}");

    for count in ["1", "3"] {
        let told = home.json(&["vm", "restore", "held", "--count", count, "--json"]);
        let guests = told["guests"].as_array().unwrap();
        assert_eq!(guests.len().to_string(), count);
        for guest in guests {
            let number = |name: &str| guest[name].as_f64().unwrap();
            assert!(
                number("running_ms") > 1.0,
                "no QEMU starts so soon: {guest}"
            );
            assert!(number("first_word_ms") > number("running_ms"), "{guest}");
            assert_eq!(guest["answer"], "said a word");
            assert!(number("own_bytes") > 1e6, "QEMU takes more: {guest}");
        }
    }
    assert!(home.guests().is_empty(), "a restored guest is left");

    let removed = home.json(&["vm", "snapshot", "rm", "held", "--json"]);
    assert_eq!(removed["removed"][0], "held");
    home.nothing_is_left()
}

pub(super) fn ends_at_its_word() -> Tested {
    let home = Home::new();
    let script = "printf R; read line; printf word";
    let args = [
        "vm", "snapshot", "--name", "ends", "--json", "sh", "-c", script,
    ];
    home.json(&args);
    // Of several, the first has ended before the last has said anything.
    let told = home.json(&["vm", "restore", "ends", "--count", "4", "--json"]);
    let guests = told["guests"].as_array().unwrap();
    assert_eq!(guests.len(), 4);
    for guest in guests {
        assert_eq!(guest["answer"], "said a word");
    }
    home.json(&["vm", "snapshot", "rm", "ends", "--json"]);
    home.nothing_is_left()
}

pub(super) fn bad_names() -> Tested {
    let home = Home::new();
    for verb in [&["vm", "snapshot", "rm"][..], &["vm", "restore"]] {
        for (name, why) in [
            ("../kernels", "letter or a digit"),
            ("absent", "there is none"),
        ] {
            let said = home.fails(&[verb, &[name]].concat());
            assert!(said.contains(why), "{said}");
            assert!(said.contains(" hint: `isolab vm snapshot ls`"), "{said}");
        }
    }
    let said = home.fails(&["vm", "snapshot", "--name", "a/b"]);
    assert!(said.contains("`a/b`"), "{said}");
    for (size, why) in [("0", "give it 64M or more"), ("many", "write it as 512M")] {
        let said = home.fails(&["vm", "snapshot", "-m", size]);
        assert!(said.contains(why), "{said}");
    }
    let said = home.fails(&["vm", "snapshot", "/nonexistent/program"]);
    assert!(said.contains("/nonexistent/program"), "{said}");
    let said = home.fails(&["vm", "restore", "x", "--count", "0"]);
    assert!(said.contains("--count"), "{said}");
    Ok(())
}

pub(super) fn empty_list() -> Tested {
    let home = Home::new();
    let listed = home.json(&["vm", "snapshot", "ls", "--json"]);
    assert_eq!(listed, Value::Array(Vec::new()));
    Ok(())
}
