//! What a script says in its own comments that it needs.
//!
//! ```text
//! # /// script
//! # dependencies = ["requests<3"]
//! # ///
//! ```
//!
//! Source: *Inline script metadata* of the Python Packaging User Guide (PEP 723).

use super::toml_file::File;
use super::wanted::Wanted;
use crate::error::Result;

const REMEDY: &str = "write `# /// script`, `# dependencies = [\"NAME\"]` and `# ///` into it, a line \
    each, or name a file of requirements";

/// The requirements of the script `text`, which is a file of this name.
pub(super) fn wanted(name: &str, text: &str) -> Result<Vec<Wanted>> {
    let whole = File {
        name: name.to_owned(),
        text: "",
        above: 0,
    };
    let mut blocks = blocks(text).into_iter();
    let Some((above, block)) = blocks.next() else {
        return Err(whole.refused_whole("it has no block `# /// script`", REMEDY));
    };
    if blocks.next().is_some() {
        let remedy = "leave all but one of them out";
        return Err(whole.refused_whole("it has more than one block `# /// script`", remedy));
    }
    let file = File {
        text: &block,
        above,
        ..whole
    };
    file.read(|table| {
        let dependencies = table.elements("dependencies", table.get("dependencies"))?;
        let wanted = dependencies.iter();
        wanted
            .map(|value| table.wanted("dependencies", value))
            .collect()
    })
}

/// The content of each block called `script`, and how many lines are above it.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let begun = lines[at]
            .strip_prefix("# /// ")
            .filter(|kind| is_kind(kind));
        let end = begun.and_then(|_| end_of(&lines, at));
        let (Some(kind), Some(end)) = (begun, end) else {
            at += 1;
            continue;
        };
        if kind == "script" {
            let content = lines[at + 1..end].iter();
            let content = content.map(|line| {
                let line = line.strip_prefix("# ").unwrap_or(&line[1..]);
                format!("{line}\n")
            });
            found.push((at + 1, content.collect()));
        }
        at = end + 1;
    }
    found
}

fn is_kind(kind: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !kind.is_empty() && kind.bytes().all(is_one)
}

/// The last `# ///` of the comment that begins at `start`, with something before it.
fn end_of(lines: &[&str], start: usize) -> Option<usize> {
    let is_comment = |line: &&&str| **line == "#" || line.starts_with("# ");
    let count = lines[start + 1..].iter().take_while(is_comment).count();
    let mut ends = (start + 2..=start + count).rev();
    ends.find(|at| lines[*at] == "# ///")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let wanted = wanted("a.py", text).expect(text);
        let told = wanted.iter().map(|one| {
            let line = one.at.as_ref().map_or(0, |at| at.line);
            format!("{line} {}", one.requirement)
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        check(
            "# /// script\n# requires-python = \">=3.11\"\n# dependencies = [\n#   \"requests<3\",\n\
             #   \"rich\",\n# ]\n# ///\n\nimport requests\n",
            &["4 requests<3", "5 rich"],
        );
    }

    #[test]
    fn a_block_goes_to_the_last_end_of_its_comment() {
        check(
            "#!/usr/bin/env python\r\n# /// script\r\n#\r\n# dependencies = ['a', 'c']\r\n# ///\r\n",
            &["4 a", "4 c"],
        );
        check(
            "# /// other\n# /// script\n# ///\n# x\n# ///\n# more\n\n# /// script\n# dependencies = ['a']\n# ///",
            &["9 a"],
        );
        // One that has no end is none.
        check(
            "# /// script\n# dependencies = ['b']\n\n# /// script\n# ///\n\n# /// script\n# \n# ///\n",
            &[],
        );
    }

    #[test]
    fn what_is_wrong_with_a_script_is_told_by_its_line() {
        for (text, part) in [
            ("import a\n", "no block"),
            ("# /// script\n# ///\n", "no block"),
            ("# /// script\n#x = 1\n# ///\n", "no block"),
            (
                "# /// script\n# a = 1\n# ///\n\n# /// script\n# a = 1\n# ///\n",
                "more than one",
            ),
            ("\n# /// script\n# a = \n# ///\n", "a.py:3"),
            ("# /// script\n# dependencies = 'a'\n# ///\n", "a.py:2"),
            ("# /// script\n# dependencies = ['a', 1]\n# ///\n", "a.py:2"),
            ("# /// script\n# dependencies = ['a ?']\n# ///\n", "a.py:2"),
        ] {
            let why = wanted("a.py", text).expect_err(text).to_string();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
