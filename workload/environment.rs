//! The kernel's part of making a virtual environment, and nothing else: what no
//! maker of the same environment that Rust's standard library starts can go below.
//!
//! `environment MODEL DIR SITE PYTHON` makes at `DIR` what is at `MODEL`, an
//! environment whose packages go to `SITE`, for the interpreter `PYTHON`. It
//! looks for no interpreter, asks it nothing, locks nothing, checks nothing and
//! says nothing; like any careful maker it builds beside `DIR` and renames.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What environments share with their model.
const SHARED: [&str; 7] = [
    "bin/activate",
    "bin/activate.csh",
    "bin/activate.fish",
    "bin/activate.nu",
    "bin/Activate.ps1",
    ".gitignore",
    "CACHEDIR.TAG",
];

fn main() -> io::Result<()> {
    let words: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [model, dir, site, python] = &words[..] else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let root = dir.with_extension("unfinished");
    for directory in ["", "bin", "include"] {
        fs::create_dir(root.join(directory))?;
    }
    let mut library = root.clone();
    for part in site {
        library.push(part);
        fs::create_dir(&library)?;
    }
    symlink("lib", root.join("lib64"))?;
    let name = Path::new(python.file_name().unwrap_or_default());
    symlink(python, root.join("bin").join(name))?;
    symlink(name, root.join("bin/python"))?;
    symlink(name, root.join("bin/python3"))?;
    for file in SHARED {
        fs::hard_link(model.join(file), root.join(file))?;
    }
    fs::write(root.join("pyvenv.cfg"), CONFIG)?;
    fs::rename(&root, dir)
}

/// As long as a real one is; its words cost nothing.
const CONFIG: [u8; 256] = [b'#'; 256];
