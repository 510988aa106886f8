//! What is new in an environment, as a tree from its top: the files of all projects, and where
//! two of them meet.

use std::borrow::Cow;
use std::collections::HashMap;

use super::info;
use super::{named, refused};
use crate::error::{Error, Result};
use crate::requirement::Name;
use crate::store::{Stored, StoredFile, Tree, join};

/// The environment's tree of what is new.
pub(crate) struct Layout<'a> {
    pub(crate) directories: Vec<Branch<'a>>,
    /// The places in `directories` by path.
    index: HashMap<String, usize>,
    /// Where files come from.
    pub(crate) trees: Vec<Origin<'a>>,
    /// The projects, in the order given.
    pub(crate) projects: Vec<&'a Name>,
    pub(crate) warnings: Vec<String>,
}

/// A directory of the environment and what is new right in it.
pub(crate) struct Branch<'a> {
    /// From the top; empty for the top.
    pub(crate) path: String,
    pub(crate) leaves: Vec<Leaf<'a>>,
    /// The directories right in it that hold something new, by their places.
    pub(crate) branches: Vec<usize>,
}

/// A file that is new.
pub(crate) struct Leaf<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) content: Content<'a>,
    pub(crate) is_executable: bool,
    /// Whose it is, by its place in the order given.
    pub(crate) project: usize,
    /// Whether it is there already.
    pub(crate) is_there: bool,
}

/// What a file holds.
pub(crate) enum Content<'a> {
    /// A file of the store: of which tree, in which directory of it.
    Stored {
        tree: usize,
        directory: Cow<'a, str>,
        file: Cow<'a, StoredFile>,
    },
    /// Text of ours.
    Text(Vec<u8>),
    /// A link to a directory in the store.
    Link(String),
}

/// A tree of the store.
pub(crate) struct Origin<'a> {
    pub(crate) tree: Tree,
    pub(crate) stored: &'a Stored,
    /// Whether its files were looked at already.
    pub(crate) is_checked: bool,
}

impl<'a> Layout<'a> {
    /// Of these projects, and nothing of them yet.
    pub(super) fn new(projects: Vec<&'a Name>) -> Self {
        let mut layout = Self {
            directories: Vec::new(),
            index: HashMap::new(),
            trees: Vec::new(),
            projects,
            warnings: Vec::new(),
        };
        layout.directory("");
        layout
    }

    /// The place of the directory at `path`, which is made with all above it.
    fn directory(&mut self, path: &str) -> usize {
        if let Some(place) = self.index.get(path) {
            return *place;
        }
        // What is above comes first, also in the list.
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let parent = (!path.is_empty()).then(|| self.directory(parent));
        let place = self.directories.len();
        if let Some(parent) = parent {
            self.directories[parent].branches.push(place);
        }
        self.directories.push(Branch {
            path: path.to_owned(),
            leaves: Vec::new(),
            branches: Vec::new(),
        });
        self.index.insert(path.to_owned(), place);
        place
    }

    /// Adds files to a directory. Of two projects that bring the same path, the later has its
    /// way, and the user is told unless they are the same.
    pub(super) fn add(&mut self, path: &str, leaves: Vec<Leaf<'a>>) -> Result<()> {
        let place = self.directory(path);
        if self.directories[place].leaves.is_empty() {
            self.directories[place].leaves = leaves;
            return Ok(());
        }
        let there = self.directories[place].leaves.iter().enumerate();
        let mut there: HashMap<String, usize> = there
            .map(|(index, leaf)| (leaf.name.clone().into_owned(), index))
            .collect();
        for leaf in leaves {
            let Some(index) = there.get(&*leaf.name) else {
                let index = self.directories[place].leaves.len();
                there.insert(leaf.name.clone().into_owned(), index);
                self.directories[place].leaves.push(leaf);
                continue;
            };
            let other = &mut self.directories[place].leaves[*index];
            let file = named(&join(path, &leaf.name));
            if other.project == leaf.project {
                let why = format!("two of its files would be {file}");
                return Err(self.refuse(leaf.project, why));
            }
            if !other.is_like(&leaf) {
                self.warnings.push(format!(
                    "{} and {} both bring {file}, and differ in it: that of {} is taken",
                    self.projects[other.project],
                    self.projects[leaf.project],
                    self.projects[leaf.project],
                ));
                *other = leaf;
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, path: &str, name: &str) -> bool {
        let branch = self.index.get(path).map(|place| &self.directories[*place]);
        branch.is_some_and(|branch| branch.leaves.iter().any(|leaf| leaf.name == name))
    }

    /// No file of one project is a directory of another's.
    pub(super) fn check_kinds(&self) -> Result<()> {
        for branch in &self.directories {
            if branch.branches.is_empty() {
                continue;
            }
            for leaf in &branch.leaves {
                let path = join(&branch.path, &leaf.name);
                if self.index.contains_key(&path) {
                    let why = format!("{} is a file of it and another's directory", named(&path));
                    return Err(self.refuse(leaf.project, why));
                }
            }
        }
        Ok(())
    }

    pub(super) fn refuse(&self, project: usize, why: String) -> Error {
        let remedy = "leave one of them out, or tell their authors";
        refused("install", self.projects[project], why, remedy)
    }
}

impl Leaf<'_> {
    /// Whether both hold the same, as far as digests tell.
    fn is_like(&self, other: &Self) -> bool {
        self.is_executable == other.is_executable
            && match (&self.content, &other.content) {
                (Content::Link(one), Content::Link(two)) => one == two,
                (Content::Link(_), _) | (_, Content::Link(_)) => false,
                (one, two) => one.digest() == two.digest() && one.digest().starts_with("sha"),
            }
    }
}

impl Content<'_> {
    pub(crate) fn digest(&self) -> Cow<'_, str> {
        match self {
            Self::Stored { file, .. } => Cow::Borrowed(&file.digest),
            Self::Text(text) => Cow::Owned(info::digest(text)),
            Self::Link(_) => Cow::Borrowed(""),
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Stored { file, .. } => file.size,
            Self::Text(text) => text.len() as u64,
            Self::Link(_) => 0,
        }
    }
}
