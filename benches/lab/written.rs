//! Where a bench leaves what it found.

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result};
use isolab::report::{Output, Report};
use plotters::style::{FontStyle, register_font as register_font_as};

/// The directory that cargo builds in, whatever it was told to use: at its top
/// cargo keeps what it knows of the compiler.
fn target() -> &'static Path {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut above = temporary.ancestors();
    above
        .find(|dir| dir.join(".rustc_info.json").is_file())
        .unwrap_or(temporary)
}

/// Criterion draws with plotters, which here knows no font of the machine's: the
/// report's own, under the name that criterion asks for.
pub(super) fn register_font() {
    let font = include_bytes!("../../src/report/plot/fonts/Inter-Regular.subset.otf");
    // Without it criterion's page could not be drawn, and says so.
    let _ = register_font_as("sans-serif", FontStyle::Normal, font);
}

/// Where criterion keeps what is its own.
pub(super) fn criterion() -> PathBuf {
    env::var_os("CRITERION_HOME").map_or_else(|| target().join("criterion"), PathBuf::from)
}

/// Writes the report of the bench called `name`; where.
pub(super) fn write(name: &str, report: &Report) -> Result<PathBuf> {
    let dir = target().join("isolab");
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let path = dir.join(format!("{name}.json"));
    Output::parse(&path)?.write(report)?;
    Ok(path)
}

/// Tells where the report lies, and criterion's page if there is one.
pub(super) fn say_where(path: &Path) {
    let here = env::current_dir().unwrap_or_default();
    let shown = |path: &Path| {
        path.strip_prefix(&here)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    println!("the report:       {}", shown(path));
    println!(
        "  as a table:     cargo run --release -- report {}",
        shown(path)
    );
    let page = criterion().join("report/index.html");
    if page.is_file() {
        println!("criterion's page: {}", shown(&page));
    }
}
