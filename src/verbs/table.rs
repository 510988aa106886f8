//! Plain columns, as wide as what stands in them.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Modify, Padding, Style};

use crate::report::text::shown;

/// The rows below `header`, the columns from `numbers` on aligned to the right; a column in which
/// nothing stands is left out.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], numbers: Option<usize>) -> String {
    let is_used = |column: usize| {
        let mut cells = rows.iter().filter_map(|row| row.get(column));
        cells.any(|cell| !cell.is_empty())
    };
    let used: Vec<usize> = (0..header.len())
        .filter(|column| is_used(*column))
        .collect();
    let mut builder = Builder::default();
    builder.push_record(used.iter().map(|column| header[*column]));
    for row in rows {
        builder.push_record(used.iter().map(|column| shown(&row[*column]).into_owned()));
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    for (place, column) in used.iter().enumerate() {
        if numbers.is_some_and(|first| *column >= first) {
            let right = Modify::new(Columns::one(place)).with(Alignment::right());
            table.with(right);
        }
    }
    let table = table.to_string();
    let lines = table.lines().map(|line| format!("{}\n", line.trim_end()));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: [&str; 3]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn columns_are_as_wide_as_needed_and_the_empty_are_left_out() {
        let rows = [row(["django", "", "4.2"]), row(["six", "", "10"])];
        let drawn = table(&["name", "none", "size"], &rows, Some(2));
        assert_eq!(drawn, "name    size\ndjango   4.2\nsix       10\n");
    }

    #[test]
    fn what_is_installed_does_not_command_the_terminal() {
        let drawn = table(&["name"], &[row(["a\u{1b}[31m", "", ""])], None);
        assert!(drawn.contains("a\u{fffd}[31m"), "{drawn:?}");
    }
}
