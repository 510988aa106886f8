//! What a character looks like: the cells that transcripts and frames are made
//! of, and that the painter turns into bytes.

use std::fmt::Write as _;

use crate::report::text::columns;
use crate::terminal;

/// A colour of the terminal's own palette, so that it suits the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// One of the eight of `SGR 30` to `37`.
    Usual(u8),
    /// One of the eight of `SGR 90` to `97`.
    Bright(u8),
}

/// How a character is drawn. There is no faint ink: from the last row of a room
/// nobody could read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ink {
    /// Heavier.
    pub bold: bool,
    /// Background and foreground changed over.
    pub reverse: bool,
    /// Its colour; `None` for the terminal's usual one.
    pub colour: Option<Colour>,
}

impl Ink {
    /// What is to be read first.
    pub const STRONG: Self = Self {
        bold: true,
        reverse: false,
        colour: None,
    };
    /// A bar across the screen.
    pub const BAR: Self = Self {
        bold: true,
        reverse: true,
        colour: None,
    };
    /// A bar that nobody may overlook.
    pub const BANNER: Self = Self {
        bold: true,
        reverse: true,
        colour: Some(Colour::Usual(3)),
    };

    /// The escape sequence that switches to this ink.
    ///
    /// Source: ECMA-48, 8.3.117 (SGR).
    fn sequence(self, colours: bool) -> String {
        let mut codes = String::from("\u{1b}[0");
        if self.bold {
            codes.push_str(";1");
        }
        if self.reverse {
            codes.push_str(";7");
        }
        if let Some(colour) = self.colour.filter(|_| colours) {
            let _ = match colour {
                Colour::Usual(n) => write!(codes, ";{}", 30 + n % 8),
                Colour::Bright(n) => write!(codes, ";{}", 90 + n % 8),
            };
        }
        codes.push('m');
        codes
    }
}

/// A character and its ink. The character never [acts](crate::report::text::acts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The character.
    pub c: char,
    /// Its ink.
    pub ink: Ink,
}

/// A line of cells.
pub type Line = Vec<Cell>;

/// `text` in one ink.
#[must_use]
pub fn line(text: &str, ink: Ink) -> Line {
    let shown = crate::report::text::shown(text);
    shown.chars().map(|c| Cell { c, ink }).collect()
}

/// The columns that `line` takes.
#[must_use]
pub fn width(line: &[Cell]) -> usize {
    line.iter().map(|cell| wide(cell.c)).sum()
}

fn wide(c: char) -> usize {
    if c.is_ascii() {
        1
    } else {
        columns(c.encode_utf8(&mut [0; 4]))
    }
}

/// `line` in pieces of at most `most` columns.
#[must_use]
pub fn folded(line: &[Cell], most: usize) -> Vec<Line> {
    let mut pieces = vec![Line::new()];
    let mut used = 0;
    for cell in line {
        let wide = wide(cell.c);
        if used + wide > most && used > 0 {
            pieces.push(Line::new());
            used = 0;
        }
        used += wide;
        pieces
            .last_mut()
            .expect("there is always a piece")
            .push(*cell);
    }
    pieces
}

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Whether colours may be sent (<https://no-color.org>).
    pub colours: bool,
    /// Whether it reads UTF-8.
    pub unicode: bool,
}

impl Palette {
    /// By the conventions: `NO_COLOR` and the locale's encoding.
    #[must_use]
    pub fn of_environment() -> Self {
        Self {
            colours: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            unicode: terminal::speaks_unicode(),
        }
    }

    /// The bytes that draw `line`, ending in the usual ink.
    #[must_use]
    pub fn painted(self, line: &[Cell]) -> String {
        let mut out = String::new();
        let mut ink = Ink::default();
        for cell in line {
            if cell.ink != ink {
                ink = cell.ink;
                out.push_str(&ink.sequence(self.colours));
            }
            out.push(self.shown(cell.c));
        }
        if ink != Ink::default() {
            out.push_str("\u{1b}[0m");
        }
        out
    }

    /// The text of `line` alone.
    #[must_use]
    pub fn plain(self, line: &[Cell]) -> String {
        line.iter().map(|cell| self.shown(cell.c)).collect()
    }

    /// `c`, or the nearest character that a terminal without UTF-8 has.
    #[must_use]
    pub fn shown(self, c: char) -> char {
        if self.unicode || c.is_ascii() {
            return c;
        }
        match c {
            '─' | '━' | '–' | '—' | '╸' | '−' => '-',
            '│' => '|',
            '·' | '•' => '.',
            '×' => 'x',
            'µ' | 'μ' => 'u',
            '≈' => '~',
            '✓' => '+',
            '✗' => 'x',
            '’' | '‘' => '\'',
            '“' | '”' => '"',
            '█' | '▀' | '▄' => '#',
            '↓' => 'v',
            '↑' => '^',
            _ => '?',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_painted_with_its_inks_and_ends_without() {
        let palette = Palette {
            colours: true,
            unicode: true,
        };
        let mut cells = line("a", Ink::STRONG);
        cells.extend(line("b", Ink::default()));
        assert_eq!(palette.painted(&cells), "\u{1b}[0;1ma\u{1b}[0mb");
        let banner = line("x", Ink::BANNER);
        assert_eq!(palette.painted(&banner), "\u{1b}[0;1;7;33mx\u{1b}[0m");
        let sober = Palette {
            colours: false,
            unicode: true,
        };
        assert_eq!(sober.painted(&banner), "\u{1b}[0;1;7mx\u{1b}[0m");
    }

    #[test]
    fn without_utf_8_every_character_is_ascii_and_as_wide() {
        let palette = Palette {
            colours: true,
            unicode: false,
        };
        let text = palette.plain(&line("3 µs · 2× ─ 日", Ink::default()));
        assert_eq!(text, "3 us . 2x - ?");
    }

    #[test]
    fn a_folded_line_loses_nothing() {
        let cells = line("abcdefg日本", Ink::default());
        let pieces = folded(&cells, 3);
        assert_eq!(pieces.concat(), cells);
        assert!(pieces.iter().all(|piece| width(piece) <= 3));
        assert_eq!(folded(&[], 3), vec![Line::new()]);
    }
}
