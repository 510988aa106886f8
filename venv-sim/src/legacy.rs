//! The layout for Python 2.7, which knows no `pyvenv.cfg`.
//!
//! Python 2.7 takes the directory above its program for its prefix if `lib/python2.7/os.py` is
//! there, and follows links of the program to say where that is. So the program is a copy,
//! `os.py` a link into the real library, and a small `site` module of ours gives the rest: it
//! sends imports to the real library, and reads the `pyvenv.cfg` that its Python does not.
//!
//! Source: CPython 2.7's `Modules/getpath.c` and `Lib/site.py`.

use std::path::{Path, PathBuf};

use crate::activation::{self, Constant};
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;

/// The module, the same in every environment.
const SITE: Constant = Constant::new(include_str!("legacy/site27.py"));

/// Adds to an environment that is being built at `root` what this Python needs.
pub(crate) fn complete(root: &Path, python: &Interpreter, cache: &Cache) -> Result<()> {
    let refused = |cause| Error::UnsupportedPython {
        path: python.executable.clone(),
        version: "2.7".to_owned(),
        cause,
    };
    let library = PathBuf::from("lib/python2.7");
    if !python.stdlib.ends_with(&library) || !python.stdlib.is_absolute() {
        return Err(refused("its library is not in lib/python2.7"));
    }
    for name in ["os.py", "lib-dynload"] {
        link(&python.stdlib.join(name), &root.join(&library).join(name))?;
    }
    activation::put(&SITE, &root.join(&library).join("site.py"), cache)?;
    let headers = python.base_prefix.join("include/python2.7");
    if headers.is_dir() {
        link(&headers, &root.join("include/python2.7"))?;
    }
    Ok(())
}

fn link(target: &Path, at: &Path) -> Result<()> {
    std::os::unix::fs::symlink(target, at).map_err(Error::io("create symbolic link", at))
}
