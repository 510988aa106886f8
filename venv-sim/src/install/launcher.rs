//! The scripts in `bin`: which interpreter runs them, and what they call.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::wheel::EntryPoint;

/// The first lines of a script: what the kernel and Python make of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shebang(Vec<u8>);

/// Kernels before 5.1 read no more than 127 bytes of the first line; some systems still do.
///
/// Source: `execve(2)`, *Interpreter scripts*.
const LONGEST: usize = 127;

/// A shell that executes the `python` beside the script. Python sees a string that stands alone;
/// the shell sees an empty string before `exec`, and never reads on.
///
/// No path stands in it, so there is none that would have to be quoted for both, and the
/// environment can be moved.
const BESIDE: &[u8] = b"#!/bin/sh\n\
    '''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/python \"$0\" \"$@\"\n\
    ' '''\n";

impl Shebang {
    /// For the interpreter at `python`; by its path if that fits and is one word.
    pub(crate) fn of(python: &Path, relocatable: bool) -> Self {
        let path = python.as_os_str().as_bytes();
        let odd = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control();
        if relocatable || path.iter().any(odd) || "#!\n".len() + path.len() > LONGEST {
            return Self(BESIDE.to_owned());
        }
        Self([b"#!", path, b"\n"].concat())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A script that calls an entry point.
    pub(crate) fn launch(&self, entry: &EntryPoint) -> Vec<u8> {
        let EntryPoint { module, object, .. } = entry;
        let first = object.split('.').next().unwrap_or_default();
        let body = format!(
            "# -*- coding: utf-8 -*-\n\
             import sys\n\
             from {module} import {first}\n\n\
             if __name__ == \"__main__\":\n    \
             sys.exit({object}())\n"
        );
        [&self.0, body.as_bytes()].concat()
    }

    /// A script of a wheel for the interpreter of the environment, if it is one that asks for
    /// it: `#!python` stands for whichever that is.
    ///
    /// Source: PEP 427, *Recommended installer features*.
    pub(crate) fn rewrite(&self, script: &[u8]) -> Option<Vec<u8>> {
        let end = script.iter().position(|byte| *byte == b'\n');
        let (first, rest) = script.split_at(end.map_or(script.len(), |end| end + 1));
        let arguments = first.strip_prefix(b"#!pythonw");
        let arguments = arguments.or_else(|| first.strip_prefix(b"#!python"))?;
        let arguments = arguments.trim_ascii();
        let own =
            arguments.is_empty() || first.get(8..).is_some_and(|at| at[0].is_ascii_whitespace());
        if !own {
            // `#!python3.4` asks for another.
            return None;
        }
        Some([&self.0, rest].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(shebang: &Shebang) -> String {
        String::from_utf8_lossy(&shebang.0).into_owned()
    }

    #[test]
    fn a_path_that_the_kernel_would_cut_or_split_is_not_written() {
        let short = Shebang::of("/env/bin/python".as_ref(), false);
        assert_eq!(text(&short), "#!/env/bin/python\n");
        let fits = format!("/{}", "x".repeat(123));
        assert!(text(&Shebang::of(fits.as_ref(), false)).starts_with("#!/xxx"));
        for odd in [
            &format!("/{}", "x".repeat(124))[..],
            "/with space/python",
            "/with\nline",
            "/with\ttab",
        ] {
            let shebang = text(&Shebang::of(odd.as_ref(), false));
            assert!(shebang.starts_with("#!/bin/sh\n"), "{odd}");
            assert!(!shebang.contains(odd));
        }
        assert!(text(&Shebang::of("/env/bin/python".as_ref(), true)).starts_with("#!/bin/sh"));
    }

    #[test]
    fn only_a_script_that_asks_for_it_gets_another_interpreter() {
        let shebang = Shebang::of("/e/python".as_ref(), false);
        let rewrite = |script: &str| {
            let script = shebang.rewrite(script.as_bytes());
            script.map(|script| String::from_utf8_lossy(&script).into_owned())
        };
        let rewritten = Some("#!/e/python\nprint()\n".to_owned());
        assert_eq!(rewrite("#!python\nprint()\n"), rewritten);
        assert_eq!(rewrite("#!pythonw\r\nprint()\n"), rewritten);
        assert_eq!(rewrite("#!python -E\nprint()\n"), rewritten);
        assert_eq!(rewrite("#!python"), Some("#!/e/python\n".to_owned()));
        for other in [
            "#!/bin/sh\n",
            "#!/usr/bin/python\n",
            "#!python3\n",
            "",
            "\x7fELF",
        ] {
            assert_eq!(rewrite(other), None, "{other}");
        }
    }
}
