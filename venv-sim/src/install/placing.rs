//! Which file of a wheel goes where in an environment.
//!
//! Source: *Binary distribution format* of the Python Packaging User Guide (PEP 427, 491);
//! the directories of a scheme, `sysconfig` and pip's `get_scheme`.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;

use super::commands::commands;
use super::ground::Ground;
use super::info::{INSTALLER, RecordText, recorded};
use super::launcher::Shebang;
use super::layout::{Content, Layout, Leaf, Origin};
use super::{Addition, InstallOptions, LinkMode, is_own, named, refused};
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::refusal::shown;
use crate::store::{Directory, Store, StoredFile, join};

/// Where the files of `additions` go.
pub(crate) fn lay_out<'a>(
    ground: &Ground,
    additions: &[Addition<'a>],
    interpreter: &Interpreter,
    store: &Store,
    options: &InstallOptions,
) -> Result<Layout<'a>> {
    let projects = additions
        .iter()
        .map(|addition| &addition.stored.name.project);
    let mut layout = Layout::new(projects.collect());
    let shebang = Shebang::of(&ground.python, ground.relocatable);
    for (number, addition) in additions.iter().enumerate() {
        if layout.projects[..number].contains(&layout.projects[number]) {
            return Err(layout.refuse(number, "it is to be installed twice".to_owned()));
        }
        layout.trees.push(Origin {
            tree: store.tree(addition.stored),
            stored: addition.stored,
            is_checked: false,
        });
        let mut one = One {
            number,
            addition: *addition,
            tree: layout.trees.len() - 1,
            record: RecordText::default(),
            headers: Ground::headers(interpreter),
            version: (interpreter.version.0, interpreter.version.1),
            site: &ground.site,
            shebang: &shebang,
            links: options.link_mode == LinkMode::Symlink,
            layout: &mut layout,
        };
        one.lay_out(ground)?;
        if options.compile_bytecode
            && options.link_mode != LinkMode::Symlink
            && interpreter.cache_tag.is_some()
        {
            one.add_bytecode(store, interpreter)?;
        }
        one.finish()?;
    }
    layout.check_kinds()?;
    Ok(layout)
}

/// One wheel that is being laid out.
struct One<'l, 'a> {
    number: usize,
    addition: Addition<'a>,
    /// The place of its tree.
    tree: usize,
    record: RecordText,
    headers: String,
    /// The interpreter's.
    version: (u8, u8),
    site: &'l str,
    shebang: &'l Shebang,
    /// Whether top-level packages are links into the store.
    links: bool,
    layout: &'l mut Layout<'a>,
}

impl<'a> One<'_, 'a> {
    fn lay_out(&mut self, ground: &Ground) -> Result<()> {
        let stored = self.addition.stored;
        let data = stored.manifest.dist_info.replace(".dist-info", ".data");
        let mut linked: Option<&str> = None;
        for directory in &stored.manifest.directories {
            let path = &directory.path[..];
            let inside = |above: &str| {
                let rest = path.strip_prefix(above);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if linked.is_some_and(inside) {
                continue;
            }
            if inside(&data) {
                self.lay_out_data(&path[data.len()..], directory, ground)?;
                continue;
            }
            let is_package = directory
                .files
                .iter()
                .any(|file| file.name == "__init__.py");
            if self.links && is_package && !path.is_empty() {
                linked = Some(path);
                self.link(path)?;
                continue;
            }
            let to = join(self.site, path);
            let to = to.trim_end_matches('/');
            let leaves = directory.files.iter().map(|file| Leaf {
                name: Cow::Borrowed(&file.name),
                content: Content::Stored {
                    tree: self.tree,
                    directory: Cow::Borrowed(path),
                    file: Cow::Borrowed(file),
                },
                is_executable: file.is_executable,
                project: self.number,
                is_there: false,
            });
            let leaves = leaves.collect();
            self.add(to, leaves)?;
        }
        self.launchers()
    }

    /// A directory of `.data`: `/scheme/rest`.
    fn lay_out_data(
        &mut self,
        path: &str,
        directory: &'a Directory,
        ground: &Ground,
    ) -> Result<()> {
        let mut parts = path.splitn(3, '/').skip(1);
        let Some(scheme) = parts.next() else {
            return match directory.files.first() {
                None => Ok(()),
                Some(file) => Err(self.bad_data(&file.name)),
            };
        };
        let rest = parts.next().unwrap_or("");
        let project = self.layout.projects[self.number].as_str();
        let top = match scheme {
            "purelib" | "platlib" => self.site.to_owned(),
            "scripts" => "bin".to_owned(),
            "headers" => join(&self.headers, project),
            "data" => String::new(),
            _ => return Err(self.bad_data(scheme)),
        };
        let to = match (&top[..], rest) {
            (_, "") => top,
            ("", rest) => ground
                .one_name(&format!("{rest}/"))
                .trim_end_matches('/')
                .to_owned(),
            (top, rest) => join(top, rest),
        };
        let mut leaves = Vec::new();
        for file in &directory.files {
            if scheme == "scripts" && rest.is_empty() && self.has_launcher(&file.name) {
                continue;
            }
            let path = join(&to, &file.name);
            if is_own(&path) {
                let why = format!(
                    "its file {} would replace the environment's own",
                    named(&path)
                );
                return Err(self.layout.refuse(self.number, why));
            }
            let stored = Content::Stored {
                tree: self.tree,
                directory: Cow::Borrowed(&directory.path[..]),
                file: Cow::Borrowed(file),
            };
            let rewritten = match scheme {
                "scripts" => self.rewritten(directory, file)?,
                _ => None,
            };
            leaves.push(Leaf {
                name: Cow::Borrowed(&file.name),
                content: rewritten.map_or(stored, Content::Text),
                is_executable: file.is_executable || scheme == "scripts",
                project: self.number,
                is_there: false,
            });
        }
        match leaves.is_empty() {
            true => Ok(()),
            false => self.add(&to, leaves),
        }
    }

    fn bad_data(&self, name: &str) -> Error {
        let why = format!("{} in its .data is none of the known places", shown(name));
        self.layout.refuse(self.number, why)
    }

    /// A script whose first line is to name the environment's interpreter.
    fn rewritten(&self, directory: &Directory, file: &StoredFile) -> Result<Option<Vec<u8>>> {
        let path = self.addition.stored.tree().join(directory.join(&file.name));
        let read = |most: u64| {
            let mut text = Vec::new();
            let opened = File::open(&path);
            opened
                .and_then(|file| file.take(most).read_to_end(&mut text))
                .map_err(Error::io("read", &path))?;
            Ok(text)
        };
        if !read(8)?.starts_with(b"#!python") {
            return Ok(None);
        }
        Ok(self.shebang.rewrite(&read(file.size)?))
    }

    fn has_launcher(&self, name: &str) -> bool {
        let mut scripts = self.addition.stored.manifest.scripts.iter();
        scripts.any(|script| script.name == name)
    }

    /// The commands that its entry points name.
    fn launchers(&mut self) -> Result<()> {
        let project = self.layout.projects[self.number];
        let mut leaves: Vec<Leaf<'a>> = Vec::new();
        for (name, script) in commands(
            project,
            &self.addition.stored.manifest.scripts,
            self.version,
        ) {
            if script.object.is_empty() {
                let why = format!("its command {} names no function", named(&name));
                return Err(self.layout.refuse(self.number, why));
            }
            leaves.push(self.text(name, self.shebang.launch(script), true));
        }
        match leaves.is_empty() {
            true => Ok(()),
            false => self.add("bin", leaves),
        }
    }

    fn text(&self, name: impl Into<Cow<'a, str>>, text: Vec<u8>, is_executable: bool) -> Leaf<'a> {
        Leaf {
            name: name.into(),
            content: Content::Text(text),
            is_executable,
            project: self.number,
            is_there: false,
        }
    }

    /// A package as one link into the store.
    fn link(&mut self, path: &'a str) -> Result<()> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let target = self.addition.stored.real_tree()?.join(path);
        let not_text = || {
            let why = "the store's path is no text";
            refused(
                "install",
                self.layout.projects[self.number],
                why,
                "choose another link mode",
            )
        };
        let target = target.to_str().ok_or_else(not_text)?.to_owned();
        let leaf = Leaf {
            name: Cow::Borrowed(name),
            content: Content::Link(target),
            is_executable: false,
            project: self.number,
            is_there: false,
        };
        let to = join(self.site, directory);
        let to = to.trim_end_matches('/');
        self.add(to, vec![leaf])
    }

    /// Adds files, and their lines to RECORD.
    fn add(&mut self, to: &str, leaves: Vec<Leaf<'a>>) -> Result<()> {
        let directory = recorded(self.site, &format!("{to}/"));
        for leaf in &leaves {
            let path = format!("{directory}{}", leaf.name);
            match &leaf.content {
                Content::Stored { file, .. } if !file.digest.starts_with("sha") => {
                    self.record.push_bare(&path);
                }
                Content::Link(_) => self.record.push_bare(&path),
                content => self.record.push(&path, &content.digest(), content.size()),
            }
        }
        self.layout.add(to, leaves)
    }

    fn add_bytecode(&mut self, store: &Store, interpreter: &Interpreter) -> Result<()> {
        let stored = self.addition.stored;
        let bytecode = store.bytecode(stored, interpreter)?;
        let tree = self.layout.trees.len();
        self.layout.trees.push(Origin {
            tree: bytecode.tree,
            stored,
            is_checked: true,
        });
        for directory in bytecode.directories {
            let to = join(self.site, &directory.path);
            let to = to.trim_end_matches('/').to_owned();
            let leaf = |file: StoredFile| Leaf {
                name: Cow::Owned(file.name.clone()),
                content: Content::Stored {
                    tree,
                    directory: Cow::Owned(directory.path.clone()),
                    file: Cow::Owned(file),
                },
                is_executable: false,
                project: self.number,
                is_there: false,
            };
            // Some wheels bring bytecode of their own, and list it.
            let own = |file: &StoredFile| self.layout.has(&to, &file.name);
            let files = directory.files.into_iter().filter(|file| !own(file));
            let leaves: Vec<_> = files.map(leaf).collect();
            if !leaves.is_empty() {
                self.add(&to, leaves)?;
            }
        }
        Ok(())
    }

    /// The installer's own files, RECORD the last.
    fn finish(mut self) -> Result<()> {
        let info = &self.addition.stored.manifest.dist_info;
        let to = join(self.site, info);
        let mut leaves = vec![self.text("INSTALLER", INSTALLER.to_owned(), false)];
        if self.addition.requested {
            leaves.push(self.text("REQUESTED", Vec::new(), false));
        }
        if let Some(url) = self.addition.direct_url {
            leaves.push(self.text("direct_url.json", url.as_bytes().to_owned(), false));
        }
        self.add(&to, leaves)?;
        let mut record = std::mem::take(&mut self.record);
        record.push_bare(&format!("{info}/RECORD"));
        let leaf = self.text("RECORD", record.into_bytes(), false);
        self.layout.add(&to, vec![leaf])
    }
}
