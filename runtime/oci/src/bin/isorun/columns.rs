//! Tables for people: aligned columns, as runc prints them.

/// The narrowest column, and what separates two.
const NARROWEST: usize = 12;
const GAP: usize = 3;

/// `rows` with each column as wide as its widest cell; the last is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max();
        NARROWEST.max(widest.unwrap_or(0) + GAP)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            text.push_str(cell);
            if at + 1 < row.len() {
                let padding = width - cell.chars().count();
                text.extend(std::iter::repeat_n(' ', padding));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_at_least_twelve_wide_and_three_apart() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["ID", "PID", "BUNDLE"]),
            row(["a-very-long-id", "1", "/b"]),
        ];
        let expected = "ID               PID         BUNDLE\na-very-long-id   1           /b\n";
        assert_eq!(table(&rows), expected);
        assert_eq!(table(&[]), "");
    }
}
