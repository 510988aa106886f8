//! Which of the new trees can be renamed into place whole, and what is in the way of the others.

use std::collections::{HashMap, HashSet};
use std::fs;

use super::ground::{Found, Ground};
use super::layout::{Content, Layout};
use super::present::{Owner, Present};
use super::removal::Removal;
use super::{at, named, refused};
use crate::error::{Error, Result};
use crate::requirement::Name;
use crate::store::join;
use crate::wheel::Digest;

/// The renames to do.
#[derive(Debug, Default)]
pub(crate) struct Merge {
    /// What is moved away.
    pub(crate) outs: Vec<String>,
    /// What is put in place, each at a name that is free by then.
    pub(crate) ins: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Compares what is new with what will be left of what is there.
pub(crate) fn plan(
    ground: &Ground,
    present: &Present,
    going: &[usize],
    removal: Removal,
    layout: &mut Layout<'_>,
) -> Result<Merge> {
    let mut work = Work {
        ground,
        present,
        going,
        leaving: removal.outs.iter().cloned().collect(),
        owners: None,
        merge: Merge {
            outs: removal.outs,
            ..Merge::default()
        },
    };
    if !layout.projects.is_empty() {
        work.directory(0, layout)?;
    }
    Ok(work.merge)
}

struct Work<'g> {
    ground: &'g Ground,
    present: &'g Present,
    going: &'g [usize],
    /// What is gone by then, with all that is in it.
    leaving: HashSet<String>,
    /// Whose each file is; read when the first is in the way.
    owners: Option<HashMap<String, Owner>>,
    merge: Merge,
}

impl Work<'_> {
    /// Looks into a directory that is there and stays.
    fn directory(&mut self, place: usize, layout: &mut Layout<'_>) -> Result<()> {
        for branch in layout.directories[place].branches.clone() {
            let path = layout.directories[branch].path.clone();
            match self.look(&path)? {
                Found::Nothing => self.merge.ins.push(path),
                Found::Directory => self.directory(branch, layout)?,
                Found::File | Found::Other => {
                    let project = any_project(branch, layout);
                    return Err(self.in_the_way(project, &path, "is no directory"));
                }
            }
        }
        for index in 0..layout.directories[place].leaves.len() {
            let branch = &layout.directories[place];
            let leaf = &branch.leaves[index];
            let path = join(&branch.path, &leaf.name);
            let project = layout.projects[leaf.project];
            match self.look(&path)? {
                Found::Nothing => self.merge.ins.push(path),
                Found::File if self.is_same(&path, &leaf.content)? => {
                    layout.directories[place].leaves[index].is_there = true;
                }
                Found::File | Found::Other if self.owner(&path).is_some() => {
                    let owner = self.owner(&path).map(ToString::to_string);
                    self.merge.warnings.push(format!(
                        "{} of {} is replaced by that of {project}, which differs",
                        named(&path),
                        owner.unwrap_or_default()
                    ));
                    self.merge.outs.push(path.clone());
                    self.merge.ins.push(path);
                }
                Found::Directory => {
                    return Err(self.in_the_way(project, &path, "is a directory"));
                }
                Found::File | Found::Other => {
                    let why = "is there, differs, and belongs to nothing that is installed";
                    return Err(self.in_the_way(project, &path, why));
                }
            }
        }
        Ok(())
    }

    fn look(&self, path: &str) -> Result<Found> {
        match self.leaving.contains(path) {
            true => Ok(Found::Nothing),
            false => self.ground.look(path),
        }
    }

    fn is_same(&self, path: &str, content: &Content<'_>) -> Result<bool> {
        let path = at(self.ground, path);
        let found = fs::metadata(&path).map_err(Error::io("look at", &path))?;
        if found.len() != content.size() {
            return Ok(false);
        }
        let there = fs::read(&path).map_err(Error::io("read", &path))?;
        let digest = content.digest().parse::<Digest>();
        Ok(digest.is_ok_and(|digest| digest.is_of(&there)))
    }

    fn owner(&mut self, path: &str) -> Option<&Name> {
        let (present, ground, going) = (self.present, self.ground, self.going);
        self.owners
            .get_or_insert_with(|| present.owners(ground, going))
            .get(path)
            .map(|owner| &owner.name)
    }

    fn in_the_way(&self, project: &Name, path: &str, why: &str) -> Error {
        let why = format!("{} {why}", named(path));
        let remedy = "look what it is, and move it away if it is not needed; nothing was changed";
        refused("install", project, why, remedy)
    }
}

/// A project that brings something below a directory.
fn any_project<'a>(mut place: usize, layout: &Layout<'a>) -> &'a Name {
    loop {
        let branch = &layout.directories[place];
        match (branch.leaves.first(), branch.branches.first()) {
            (Some(leaf), _) => return layout.projects[leaf.project],
            (None, Some(below)) => place = *below,
            (None, None) => return layout.projects[0],
        }
    }
}
