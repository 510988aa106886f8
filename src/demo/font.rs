//! Large letters for a projector: five by seven squares each, two squares one
//! above the other in a character of the terminal.

/// The rows of a letter, in squares.
const ROWS: usize = 7;
/// The squares of a space, with the gap behind it.
const SPACE: usize = 4;

/// How large the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Four lines high: a square is a column wide and half a line high.
    Large,
    /// Seven lines high: a square is two columns wide and a line high.
    Huge,
}

/// A row of squares, set or not.
type Squares = Vec<bool>;

/// `text` in large letters, in as many lines of them as `most` permits, none
/// wider than `width` columns. `None` if it does not fit, or holds a character
/// that has no letter.
#[must_use]
pub fn block(text: &str, size: Size, width: usize, most: usize) -> Option<Vec<String>> {
    let squares = match size {
        Size::Large => width,
        Size::Huge => width / 2,
    };
    let words: Option<Vec<[Squares; ROWS]>> = text.split_whitespace().map(word).collect();
    let lines = filled(words?, squares)?;
    let fits = !lines.is_empty() && lines.len() <= most;
    fits.then(|| lines.iter().flat_map(|line| drawn(line, size)).collect())
}

/// `words` side by side, in lines of at most `width` squares; `None` if a word is
/// wider.
fn filled(words: Vec<[Squares; ROWS]>, width: usize) -> Option<Vec<[Squares; ROWS]>> {
    let mut lines: Vec<[Squares; ROWS]> = Vec::new();
    for word in words {
        if word[0].len() > width {
            return None;
        }
        match lines.last_mut() {
            Some(line) if line[0].len() + SPACE + word[0].len() <= width => {
                join(line, &word, SPACE);
            }
            _ => lines.push(word),
        }
    }
    Some(lines)
}

/// Puts `next` behind `line`, `gap` squares apart.
fn join(line: &mut [Squares; ROWS], next: &[Squares; ROWS], gap: usize) {
    for (row, more) in line.iter_mut().zip(next) {
        row.resize(row.len() + gap, false);
        row.extend(more);
    }
}

/// The letters of a word side by side, each as wide as it is; `None` if one is
/// unknown.
fn word(text: &str) -> Option<[Squares; ROWS]> {
    let mut word: [Squares; ROWS] = Default::default();
    for c in text.chars() {
        let rows = glyph(c)?;
        let all = rows.iter().fold(0, |all, row| all | row);
        let set = (0..5).filter(|column| all >> (4 - column) & 1 == 1);
        let (first, last) = (set.clone().min()?, set.max()?);
        let letter = rows.map(|row| (first..=last).map(|c| row >> (4 - c) & 1 == 1).collect());
        let gap = usize::from(!word[0].is_empty());
        join(&mut word, &letter, gap);
    }
    Some(word)
}

fn drawn(line: &[Squares; ROWS], size: Size) -> Vec<String> {
    let rows: Vec<String> = match size {
        Size::Huge => line
            .iter()
            .map(|row| row.iter().map(|on| if *on { "██" } else { "  " }).collect())
            .collect(),
        Size::Large => line.chunks(2).map(halves).collect(),
    };
    rows.iter().map(|row| row.trim_end().to_owned()).collect()
}

/// A row of squares and the one below it, if any, in one line of characters.
fn halves(rows: &[Squares]) -> String {
    let below = |column: usize| rows.get(1).is_some_and(|row| row[column]);
    let pairs = rows[0]
        .iter()
        .enumerate()
        .map(|(column, above)| (*above, below(column)));
    pairs
        .map(|pair| match pair {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        })
        .collect()
}

/// The squares of `c`: a byte for each row, its five lowest bits from the left.
#[rustfmt::skip]
fn glyph(c: char) -> Option<[u8; ROWS]> {
    Some(match c {
        'A' => [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'B' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10001, 0b10001, 0b11110],
        'C' => [0b01111, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b01111],
        'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b11110],
        'E' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        'F' => [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000],
        'G' => [0b01111, 0b10000, 0b10000, 0b10011, 0b10001, 0b10001, 0b01111],
        'H' => [0b10001, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        'I' => [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'J' => [0b00111, 0b00010, 0b00010, 0b00010, 0b00010, 0b10010, 0b01100],
        'K' => [0b10001, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b11001, 0b10101, 0b10011, 0b10011, 0b10001],
        'O' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'P' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10000, 0b10000, 0b10000],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10101, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b10001, 0b11110, 0b10100, 0b10010, 0b10001],
        'S' => [0b01111, 0b10000, 0b10000, 0b01110, 0b00001, 0b00001, 0b11110],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        'U' => [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        'V' => [0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10001, 0b10101, 0b10101, 0b11011, 0b10001],
        'X' => [0b10001, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001, 0b10001],
        'Y' => [0b10001, 0b10001, 0b01010, 0b00100, 0b00100, 0b00100, 0b00100],
        'Z' => [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b11111],
        'a' => [0b00000, 0b00000, 0b01110, 0b00001, 0b01111, 0b10001, 0b01111],
        'b' => [0b10000, 0b10000, 0b11110, 0b10001, 0b10001, 0b10001, 0b11110],
        'c' => [0b00000, 0b00000, 0b01111, 0b10000, 0b10000, 0b10000, 0b01111],
        'd' => [0b00001, 0b00001, 0b01111, 0b10001, 0b10001, 0b10001, 0b01111],
        'e' => [0b00000, 0b00000, 0b01110, 0b10001, 0b11111, 0b10000, 0b01110],
        'f' => [0b00110, 0b01000, 0b11110, 0b01000, 0b01000, 0b01000, 0b01000],
        'g' => [0b00000, 0b00000, 0b01111, 0b10001, 0b01111, 0b00001, 0b01110],
        'h' => [0b10000, 0b10000, 0b11110, 0b10001, 0b10001, 0b10001, 0b10001],
        'i' => [0b00100, 0b00000, 0b01100, 0b00100, 0b00100, 0b00100, 0b01110],
        'j' => [0b00010, 0b00000, 0b00110, 0b00010, 0b00010, 0b10010, 0b01100],
        'k' => [0b10000, 0b10000, 0b10010, 0b10100, 0b11000, 0b10100, 0b10010],
        'l' => [0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        'm' => [0b00000, 0b00000, 0b11110, 0b10101, 0b10101, 0b10101, 0b10101],
        'n' => [0b00000, 0b00000, 0b11110, 0b10001, 0b10001, 0b10001, 0b10001],
        'o' => [0b00000, 0b00000, 0b01110, 0b10001, 0b10001, 0b10001, 0b01110],
        'p' => [0b00000, 0b00000, 0b11110, 0b10001, 0b11110, 0b10000, 0b10000],
        'q' => [0b00000, 0b00000, 0b01111, 0b10001, 0b01111, 0b00001, 0b00001],
        'r' => [0b00000, 0b00000, 0b10111, 0b11000, 0b10000, 0b10000, 0b10000],
        's' => [0b00000, 0b00000, 0b01111, 0b10000, 0b01110, 0b00001, 0b11110],
        't' => [0b01000, 0b01000, 0b11110, 0b01000, 0b01000, 0b01000, 0b00110],
        'u' => [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b10001, 0b01111],
        'v' => [0b00000, 0b00000, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        'w' => [0b00000, 0b00000, 0b10001, 0b10001, 0b10101, 0b10101, 0b01010],
        'x' | '×' => [0b00000, 0b00000, 0b10001, 0b01010, 0b00100, 0b01010, 0b10001],
        'y' => [0b00000, 0b00000, 0b10001, 0b10001, 0b01111, 0b00001, 0b01110],
        'z' => [0b00000, 0b00000, 0b11111, 0b00010, 0b00100, 0b01000, 0b11111],
        'µ' => [0b00000, 0b00000, 0b10001, 0b10001, 0b11111, 0b10000, 0b10000],
        '0' => [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        '1' => [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        '2' => [0b01110, 0b10001, 0b00001, 0b00110, 0b01000, 0b10000, 0b11111],
        '3' => [0b11110, 0b00001, 0b00001, 0b01110, 0b00001, 0b00001, 0b11110],
        '4' => [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
        '5' => [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
        '6' => [0b01110, 0b10000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
        '7' => [0b11111, 0b00001, 0b00010, 0b00100, 0b00100, 0b01000, 0b01000],
        '8' => [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
        '9' => [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00001, 0b01110],
        '.' => [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b01100],
        ',' => [0b00000, 0b00000, 0b00000, 0b00000, 0b01100, 0b00100, 0b01000],
        ':' => [0b00000, 0b01100, 0b01100, 0b00000, 0b01100, 0b01100, 0b00000],
        ';' => [0b00000, 0b01100, 0b01100, 0b00000, 0b01100, 0b00100, 0b01000],
        '!' => [0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00000, 0b00100],
        '?' => [0b01110, 0b10001, 0b00001, 0b00110, 0b00100, 0b00000, 0b00100],
        '-' | '−' => [0b00000, 0b00000, 0b00000, 0b01110, 0b00000, 0b00000, 0b00000],
        '+' => [0b00000, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0b00000],
        '=' => [0b00000, 0b00000, 0b11111, 0b00000, 0b11111, 0b00000, 0b00000],
        '/' => [0b00001, 0b00001, 0b00010, 0b00100, 0b01000, 0b10000, 0b10000],
        '%' => [0b11001, 0b11001, 0b00010, 0b00100, 0b01000, 0b10011, 0b10011],
        '(' => [0b00010, 0b00100, 0b01000, 0b01000, 0b01000, 0b00100, 0b00010],
        ')' => [0b01000, 0b00100, 0b00010, 0b00010, 0b00010, 0b00100, 0b01000],
        '\'' | '’' => [0b00100, 0b00100, 0b01000, 0b00000, 0b00000, 0b00000, 0b00000],
        '_' => [0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b00000, 0b11111],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::columns;

    #[test]
    fn a_letter_is_drawn_square_by_square() {
        let rows = block("T", Size::Huge, 10, 1).unwrap();
        assert_eq!(rows[0], "██████████");
        assert_eq!(rows[6], "    ██");
        assert_eq!(
            block("T", Size::Large, 5, 1).unwrap(),
            ["▀▀█▀▀", "  █", "  █", "  ▀"]
        );
    }

    #[test]
    fn letters_keep_to_the_width_or_are_not_drawn() {
        for width in 5..90 {
            for (text, size) in [("Four ways", Size::Large), ("4.33 ms", Size::Huge)] {
                if let Some(rows) = block(text, size, width, 2) {
                    assert!(rows.iter().all(|row| columns(row) <= width), "{width}");
                }
            }
        }
        // Four letters of five squares, two gaps between them, and a space.
        assert_eq!(block("HH HH", Size::Large, 26, 1).unwrap().len(), 4);
        assert!(block("HH HH", Size::Large, 25, 1).is_none());
        assert_eq!(block("HH HH", Size::Large, 25, 2).unwrap().len(), 8);
        assert!(block("HH", Size::Huge, 21, 1).is_none());
        assert!(block("日本", Size::Large, 90, 2).is_none());
        assert!(block("", Size::Large, 90, 2).is_none());
    }

    #[test]
    fn no_two_letters_look_alike() {
        let letters = ('0'..='9').chain('A'..='Z').chain('a'..='z');
        let mut seen = std::collections::BTreeMap::new();
        for letter in letters {
            let drawn = glyph(letter).unwrap();
            // In most typefaces these differ by little or nothing as well.
            if let Some(other) = seen.insert(drawn, letter) {
                assert!(
                    [('0', 'O')].contains(&(other, letter)),
                    "{other} and {letter}"
                );
            }
        }
    }
}
