//! The plots, as documents and as pixels.

use isolab::report::plot::{self, FigureId};
use isolab::report::{Report, write};
use proptest::prelude::*;
use roxmltree::{Document, Node};

use crate::{anything, synthetic};

fn figures(report: &Report, width: u32) -> Vec<(FigureId, plot::Figure)> {
    let drawn = FigureId::all().map(|id| (id, plot::figure_at(report, id, width).unwrap()));
    drawn
        .filter_map(|(id, figure)| Some((id, figure?)))
        .collect()
}

/// A text's box in SVG units, from an average letter's width.
struct Label {
    text: String,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

fn labels(root: Node<'_, '_>) -> Vec<Label> {
    let number = |node: Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let texts = root
        .descendants()
        .filter(|n| n.has_tag_name((root.tag_name().namespace().unwrap(), "text")));
    texts
        .map(|node| {
            let text = node.text().unwrap().to_owned();
            let size = number(node, "font-size");
            let count = text.chars().count() as f64;
            let width = count * size * if count < 40.0 { 0.52 } else { 0.47 };
            let x = number(node, "x");
            let left = match node.attribute("text-anchor") {
                None => x,
                Some("middle") => x - width / 2.0,
                Some(_) => x - width,
            };
            let y = number(node, "y");
            Label {
                text,
                left,
                right: left + width,
                top: y - 0.7 * size,
                bottom: y,
            }
        })
        .collect()
}

fn assert_reads_well(svg: &str, name: &str) {
    let document = Document::parse(svg).unwrap_or_else(|e| panic!("{name}: {e}"));
    let root = document.root_element();
    let view_box: Vec<f64> = root
        .attribute("viewBox")
        .unwrap()
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let labels = labels(root);
    assert!(labels.len() > 5, "{name}");
    for (i, a) in labels.iter().enumerate() {
        let inside = a.left >= -1.0 && a.right <= view_box[2] + 1.0 && a.bottom <= view_box[3];
        assert!(inside && a.top >= 0.0, "{name}: `{}` is cut off", a.text);
        for b in &labels[..i] {
            let apart =
                a.left >= b.right || b.left >= a.right || a.top >= b.bottom || b.top >= a.bottom;
            assert!(apart, "{name}: `{}` lies on `{}`", a.text, b.text);
        }
    }
}

#[test]
fn no_label_is_cut_off_or_lies_on_another() {
    for report in [
        synthetic::full(),
        synthetic::quick(),
        synthetic::without_a_guest(),
    ] {
        for width in [360, 560, 760] {
            for (id, figure) in figures(&report, width) {
                assert_reads_well(&figure.svg, &format!("{id} at {width}"));
            }
        }
        assert_reads_well(&plot::svg(&report).unwrap(), "the sheet");
    }
}

#[test]
fn every_figure_has_a_title_a_caption_and_its_values_in_words() {
    let report = synthetic::full();
    let figures = figures(&report, plot::WIDTH);
    assert_eq!(figures.len(), FigureId::all().count());
    for (id, figure) in figures {
        let document = Document::parse(&figure.svg).unwrap();
        let root = document.root_element();
        assert_eq!(root.attribute("role"), Some("img"));
        let named: Vec<&str> = root
            .attribute("aria-labelledby")
            .unwrap()
            .split(' ')
            .collect();
        for (name, text) in named.into_iter().zip([&figure.title, &figure.alt]) {
            let described = root
                .children()
                .find(|n| n.attribute("id") == Some(name))
                .unwrap();
            assert_eq!(described.text(), Some(text.as_str()));
        }
        assert!(
            figure.alt.contains("over the process"),
            "{id}: {}",
            figure.alt
        );
        assert!(figure.alt.contains("emulated"), "{id}");
        assert!(figure.caption.contains("n = "), "{id}");
        assert!(figure.caption.contains("Synthetic CPU"), "{id}");
    }
}

#[test]
fn what_was_not_measured_is_hollow() {
    let report = synthetic::full();
    let id = "startup-python".parse().unwrap();
    let svg = plot::figure(&report, id).unwrap().unwrap().svg;
    let (guest, container) = ("#D55E00", "#0072B2");
    assert!(
        !svg.contains(&format!("fill=\"{guest}\"")),
        "a guest's mark is filled"
    );
    assert!(svg.contains(&format!("stroke=\"{guest}\"")));
    assert!(svg.contains(&format!("fill=\"{container}\"")));
}

#[test]
fn the_axis_is_labelled_in_units_that_people_read() {
    let report = synthetic::full();
    let svg = plot::figure(&report, "startup-true".parse().unwrap())
        .unwrap()
        .unwrap()
        .svg;
    let document = Document::parse(&svg).unwrap();
    let texts: Vec<String> = labels(document.root_element())
        .into_iter()
        .map(|l| l.text)
        .collect();
    for tick in ["1 ms", "10 ms", "100 ms", "1 s"] {
        assert!(
            texts.iter().any(|t| t == tick),
            "{tick} is not among {texts:?}"
        );
    }
}

#[test]
fn a_metric_that_nobody_measured_has_no_figure() {
    let mut report = synthetic::full();
    report.observations.clear();
    assert!(figures(&report, plot::WIDTH).is_empty());
    assert!(plot::svg(&report).is_ok());
}

#[test]
fn every_format_is_what_its_extension_says() {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut report = synthetic::quick();
    // Pixels are slow to draw without optimization: a few rows will do.
    report.observations.truncate(3);
    for (name, begins) in [
        ("r.json", b"{\n  \"schema\"".as_slice()),
        ("r.html", b"<!doctype html>"),
        ("r.svg", b"<svg xmlns="),
        ("r.PNG", b"\x89PNG\r\n\x1a\n"),
    ] {
        let path = directory.path().join(name);
        write(&path, &report).unwrap();
        assert!(std::fs::read(&path).unwrap().starts_with(begins), "{name}");
    }
}

#[test]
fn a_picture_has_ink_of_every_subject() {
    let mut report = synthetic::quick();
    report
        .observations
        .retain(|o| o.metric == isolab::observation::Metric::Teardown);
    let bytes = plot::png(&report).unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.width, 2512);
    for (subject, colour) in [
        ("process", [0x3D, 0x44, 0x4D]),
        ("venv", [0x00, 0x9E, 0x73]),
        ("container", [0x00, 0x72, 0xB2]),
        ("vm", [0xD5, 0x5E, 0x00]),
    ] {
        let count = pixels.chunks_exact(3).filter(|p| **p == colour).count();
        assert!(count > 60, "{subject} has {count} pixels");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_report_draws_a_document(report in anything::report()) {
        let svg = plot::svg(&report).unwrap();
        let parsed = Document::parse(&svg);
        prop_assert!(parsed.is_ok(), "{:?}", parsed.err());
        for (_, figure) in figures(&report, 360) {
            prop_assert!(Document::parse(&figure.svg).is_ok());
        }
    }
}
