//! How the JSON is laid out: indented for people, except that an array of
//! numbers stays on its line, or a thousand samples would be a thousand lines.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// `value` as JSON text with a final newline.
pub(crate) fn laid_out(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, Layout::default());
    value
        .serialize(&mut serializer)
        .expect("a report has string keys, and memory does not fail to be written");
    out.push(b'\n');
    String::from_utf8(out).expect("serde_json writes UTF-8")
}

#[derive(Default)]
struct Layout {
    depth: usize,
    /// For each open object or array: whether it has broken its line.
    broken: Vec<bool>,
    /// An array's element is due, and not known to be a number yet.
    due: Option<Due>,
}

#[derive(Clone, Copy)]
struct Due {
    first: bool,
}

impl Layout {
    fn new_line<W: ?Sized + Write>(&self, out: &mut W) -> io::Result<()> {
        out.write_all(b"\n")?;
        (0..self.depth).try_for_each(|_| out.write_all(b"  "))
    }

    /// Ahead of anything but a number.
    fn break_line<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        let Some(due) = self.due.take() else {
            return Ok(());
        };
        if let Some(broken) = self.broken.last_mut() {
            *broken = true;
        }
        if !due.first {
            out.write_all(b",")?;
        }
        self.new_line(out)
    }

    /// Ahead of a number.
    fn stay_on_line<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        match self.due.take() {
            Some(Due { first: false }) => out.write_all(b", "),
            _ => Ok(()),
        }
    }

    fn open<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.break_line(out)?;
        self.depth += 1;
        self.broken.push(false);
        out.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, out: &mut W, bracket: &[u8]) -> io::Result<()> {
        self.depth -= 1;
        if self.broken.pop() == Some(true) {
            self.new_line(out)?;
        }
        out.write_all(bracket)
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty),*) => {
        $(fn $name<W: ?Sized + Write>(&mut self, out: &mut W, value: $type) -> io::Result<()> {
            self.stay_on_line(out)?;
            CompactFormatter.$name(out, value)
        })*
    };
}

impl Formatter for Layout {
    numbers!(write_u32: u32, write_u64: u64, write_f64: f64);

    fn write_null<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.stay_on_line(out)?;
        out.write_all(b"null")
    }

    fn write_bool<W: ?Sized + Write>(&mut self, out: &mut W, value: bool) -> io::Result<()> {
        self.stay_on_line(out)?;
        CompactFormatter.write_bool(out, value)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.break_line(out)?;
        out.write_all(b"\"")
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, _: &mut W, first: bool) -> io::Result<()> {
        self.due = Some(Due { first });
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.open(out, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.close(out, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if let Some(broken) = self.broken.last_mut() {
            *broken = true;
        }
        if !first {
            out.write_all(b",")?;
        }
        self.new_line(out)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_share_a_line_and_nothing_else_does() {
        let value = json!({ "a": [1.5, 2, 3], "b": ["x", "y"], "c": [{ "d": [] }], "e": {} });
        let text = laid_out(&value);
        let expected = r#"{
  "a": [1.5, 2, 3],
  "b": [
    "x",
    "y"
  ],
  "c": [
    {
      "d": []
    }
  ],
  "e": {}
}
"#;
        assert_eq!(text, expected);
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&text).unwrap(),
            value
        );
    }
}
