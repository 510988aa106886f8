//! What a chapter may ask for, and what fails the build.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use isolab::observation::{Evidence, Metric, Observation, Source, State, Subject, Workload};
use isolab::report::{self, Environment, Report, SCHEMA, Settings};
use serde_json::{Value, json};

/// What the invented estimate rests on.
fn source() -> Source {
    let none = || "invented".to_owned();
    Source {
        name: none(),
        value: none(),
        conditions: none(),
        citation: none(),
    }
}

/// A report of invented numbers; it exists in a test's folder only.
fn invented() -> Report {
    let startup = |subject, evidence| Observation {
        subject,
        workload: Workload::True,
        metric: Metric::Startup,
        state: Some(State::BackToBack),
        unit: Metric::Startup.unit(),
        evidence,
        conditions: BTreeMap::new(),
        warnings: Vec::new(),
    };
    let around = |centre: f64| (0..21).map(|i| centre + f64::from(i - 10) * 1e-5).collect();
    let measured = |centre| Evidence::Measured {
        samples: around(centre),
    };
    Report {
        schema: SCHEMA.to_owned(),
        created: "2025-01-31T12:00:00Z".to_owned(),
        environment: Environment {
            isolab: "0.1.0".to_owned(),
            os: "Test <b>& Co".to_owned(),
            kernel: "6.1.0".to_owned(),
            arch: "x86_64".to_owned(),
            cpu: "invented".to_owned(),
            cpus: 2,
            memory_bytes: 4_000_000_000,
            cgroup: "v2".to_owned(),
            virtualization: "none".to_owned(),
            root: false,
            filesystem: "ext4".to_owned(),
            load_before: 0.0,
            load_after: 0.0,
            tools: BTreeMap::from([("qemu".to_owned(), "7.2".to_owned())]),
        },
        settings: Settings {
            runs: 21,
            seed: 1,
            quick: false,
            subjects: Subject::ALL.to_vec(),
            workloads: vec![Workload::True],
        },
        observations: vec![
            startup(Subject::Process, measured(0.002)),
            startup(Subject::Container, measured(0.006)),
            startup(
                Subject::Vm,
                Evidence::Emulated {
                    samples: vec![1.5, 1.75, 2.0],
                    by: "QEMU TCG".to_owned(),
                },
            ),
            startup(
                Subject::Vm,
                Evidence::Modelled {
                    low: 0.1,
                    likely: 0.25,
                    high: 0.5,
                    sources: vec![source()],
                },
            ),
        ],
        missing: Vec::new(),
        warnings: Vec::new(),
        interrupted: false,
        predictions: Vec::new(),
    }
}

/// mdBook's JSON of a book with one chapter and another one below it.
fn book(chapter: &str, below: &str) -> Value {
    let of = |content: &str, path: &str, below: Value| {
        json!({"Chapter": {"name": "x", "content": content, "number": null, "sub_items": below,
               "path": path, "source_path": path, "parent_names": []}})
    };
    json!({"items": ["Separator", of(chapter, "a.md", json!([of(below, "b/c.md", json!([]))]))]})
}

/// The first chapter with its directives replaced, or every failure.
fn build(chapter: &str, below: &str) -> Result<String, Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("data")).unwrap();
    let data = |name: &str| root.path().join("data").join(name);
    let json = report::to_json(&invented());
    fs::write(data("r.json"), &json).unwrap();
    fs::write(data("half.json"), &json[..json.len() / 2]).unwrap();
    let mut book = book(chapter, below);
    match book_figures::process(&mut book, root.path(), Path::new("src")) {
        Ok(()) => Ok(book["items"][1]["Chapter"]["content"]
            .as_str()
            .unwrap()
            .to_owned()),
        Err(failures) => Err(failures.iter().map(ToString::to_string).collect()),
    }
}

/// `directive` fails the build, and the message names its place and `says`.
fn fails(directive: &str, says: &str) {
    let failures = build(&format!("One.\n\n{directive}\n"), "").unwrap_err();
    let [failure] = &failures[..] else {
        panic!("{failures:#?}")
    };
    assert!(failure.starts_with("src/a.md:3: "), "{failure}");
    assert!(failure.contains(says), "{failure}");
}

/// `directive` becomes something in which `text` stands.
fn shows(directive: &str, text: &str) {
    let page = build(&format!("It took {directive} here."), "").unwrap();
    assert!(
        page.starts_with("It took ") && page.ends_with(" here."),
        "{page}"
    );
    assert!(page.contains(text), "{page}");
}

#[test]
fn a_number_has_its_unit_and_the_mark_of_its_evidence() {
    shows(
        "{{#number r.json container true startup back-to-back}}",
        ">6.00\u{a0}ms<span class=\"mark measured\">",
    );
    shows(
        "{{#number r.json vm true startup back-to-back}}",
        ">1.75\u{a0}s<span class=\"mark emulated\">",
    );
    shows(
        "{{#number r.json vm true startup back-to-back what=model}}",
        ">250\u{a0}ms<span class=\"mark modelled\">",
    );
}

#[test]
fn what_is_added_and_how_many_times_stand_beside_the_median() {
    shows(
        "{{#number r.json container true startup back-to-back what=added}}",
        ">+4.00\u{a0}ms<",
    );
    shows(
        "{{#number r.json container true startup back-to-back what=ratio}}",
        ">3.00\u{a0}×<",
    );
    shows(
        "{{#number r.json container true startup back-to-back what=samples}}",
        ">21<",
    );
    shows(
        "{{#number r.json container true startup back-to-back what=greatest}}",
        ">6.10\u{a0}ms<",
    );
    shows(
        "{{#number r.json vm true startup back-to-back what=interval}}",
        ">1.50\u{a0}s to 2.00\u{a0}s<",
    );
    shows(
        "{{#number r.json vm true startup back-to-back what=model-range}}",
        ">100\u{a0}ms to 500\u{a0}ms<",
    );
}

#[test]
fn a_number_says_what_it_rests_on() {
    shows(
        "{{#number r.json container true startup back-to-back}}",
        "measured: median of 21, 95 % interval ",
    );
    shows(
        "{{#number r.json vm true startup back-to-back}}",
        "emulated: median of 3, least to greatest ",
    );
    shows(
        "{{#number r.json vm true startup back-to-back what=model}}",
        "nothing ran",
    );
}

#[test]
fn an_emulated_guest_has_no_ratio_and_nothing_is_added_by_it() {
    for what in ["ratio", "added", "ratio-interval", "added-interval"] {
        let directive = format!("{{{{#number r.json vm true startup back-to-back what={what}}}}}");
        fails(&directive, "only what was measured");
    }
}

#[test]
fn a_number_that_is_not_in_the_report_fails_the_build() {
    fails(
        "{{#number r.json venv python startup first}}",
        "does not hold it",
    );
    fails(
        "{{#number r.json container true startup}}",
        "does not hold it",
    );
    fails(
        "{{#number r.json process true startup back-to-back what=model}}",
        "does not hold it",
    );
    fails("{{#environment r.json podman}}", "qemu");
}

#[test]
fn a_misspelt_word_fails_the_build_and_the_right_ones_are_named() {
    fails(
        "{{#number r.json contaner true startup first}}",
        "process, venv, container, vm",
    );
    fails(
        "{{#number r.json container true startup first what=mean}}",
        "median, interval",
    );
    fails(
        "{{#number r.json container true startup first waht=ratio}}",
        "no option `waht`",
    );
    fails("{{#number r.json container}}", "SUBJECT WORKLOAD METRIC");
    fails(
        "{{#figure r.json startup caption=a alt=b}}",
        "startup-python",
    );
    fails("{{#mark invented}}", "measured, emulated, modelled");
    fails("{{#numbr r.json}}", "no such directive");
}

#[test]
fn a_figure_without_caption_or_alternative_text_fails_the_build() {
    fails(
        "{{#figure r.json startup-true alt=\"b\"}}",
        "it has no caption",
    );
    fails(
        "{{#figure r.json startup-true caption=\"a\"}}",
        "it has no alt text",
    );
    fails(
        "{{#figure r.json startup-true caption=\"a\" alt=\" \"}}",
        "it has no alt text",
    );
    fails(
        "{{#figure r.json disk-true caption=\"a\" alt=\"b\"}}",
        "nothing to show",
    );
}

#[test]
fn a_figure_is_one_block_of_html_with_its_words_escaped() {
    let page = build(
        "\n\n{{#figure r.json startup-true caption=\"a < b\" alt=\"c & d\"}}\n\nEnd",
        "",
    );
    let page = page.unwrap();
    let block = page
        .trim_start()
        .strip_suffix("\n\nEnd")
        .unwrap()
        .trim_end();
    assert!(
        block.starts_with("<figure") && block.ends_with("</figure>"),
        "{block}"
    );
    assert!(!block.contains("\n\n"), "a blank line ends a block of HTML");
    assert!(
        block.contains("a &lt; b") && block.contains("aria-label=\"c &amp; d "),
        "{block}"
    );
    assert!(
        block.contains("Test &lt;b&gt;&amp; Co"),
        "the machine is named: {block}"
    );
    assert_eq!(
        block.matches("<svg").count(),
        2,
        "one for wide columns, one for narrow ones"
    );
}

#[test]
fn a_report_that_cannot_be_read_fails_the_build_by_name() {
    fails(
        "{{#number none.json container true startup first}}",
        "none.json",
    );
    fails(
        "{{#number half.json container true startup first}}",
        "half.json",
    );
}

#[test]
fn every_failure_is_told_also_those_of_chapters_below() {
    let failures = build("{{#number}}\n{{#mark x}}", "\n\n\n{{#figure").unwrap_err();
    let places: Vec<&str> = failures
        .iter()
        .filter_map(|f| f.split_once(": "))
        .map(|f| f.0)
        .collect();
    assert_eq!(places, ["src/a.md:1", "src/a.md:2", "src/b/c.md:4"]);
}

#[test]
fn markup_in_a_report_is_text_in_the_page() {
    shows("{{#environment r.json os}}", "Test &lt;b&gt;&amp; Co");
    shows("{{#environment r.json memory}}", "4.00 GB");
    shows("{{#environment r.json day}}", "2025-01-31");
}

/// Runs the command as mdBook does; gives its status and what it printed.
fn command(arguments: &[&str], input: &str) -> (bool, Vec<u8>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_book-figures"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    (
        output.status.success(),
        output.stdout,
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn the_command_speaks_mdbooks_protocol() {
    assert!(command(&["supports", "html"], "").0);
    assert!(!command(&["supports", "markdown"], "").0);
    let context = json!({"root": "/nowhere", "config": {"book": {"src": "src"}}});

    let plain = json!([context, book("No directive.", "")]);
    let (worked, out, _) = command(&[], &plain.to_string());
    assert!(worked);
    assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), plain[1]);

    let (worked, out, said) = command(&[], &json!([context, book("{{#mark x}}", "")]).to_string());
    assert!(
        !worked && out.is_empty() && said.contains("src/a.md:1: "),
        "{said}"
    );
    assert!(!command(&[], "[1").0 && !command(&[], "[1]").0);
}
