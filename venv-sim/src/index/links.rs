//! Files that lie about: directories and pages that `--find-links` names, and indexes that are
//! directories of this machine.

use std::fs;
use std::path::Path;

use super::answers::{self, Page, Reading};
use super::client::{Client, at};
use super::html;
use super::listing::Listed;
use super::url::Url;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::trouble::Trouble;

const ACCEPT: &str = "text/html, */*;q=0.1";

/// The files that `place` is or leads to.
pub(super) fn of(client: &Client, cache: &Cache, place: &Url) -> Result<Vec<Listed>> {
    match place.to_path() {
        Some(path) => here(&path),
        None => {
            let reading = Reading {
                make: &|page| Ok((linked(page)?, None)),
                open: &|_| None,
            };
            let files = answers::read(client, cache, place, ACCEPT, &reading);
            let files = files.map_err(at(place))?;
            files.ok_or(Trouble::Missing(404)).map_err(at(place))
        }
    }
}

fn linked(page: &Page) -> Result<Vec<Listed>, Trouble> {
    html::parse(&page.body, &page.url)
        .map(|page| page.files)
        .map_err(Trouble::Wrong)
}

/// The files of a directory, or the file itself, or what a page links to.
pub(super) fn here(path: &Path) -> Result<Vec<Listed>> {
    if !path.is_dir() {
        return file(path);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("list", path))? {
        let entry = entry.map_err(Error::io("list", path))?.path();
        if is_page(&entry) {
            files.extend(file(&entry)?);
        } else {
            files.extend(Listed::at(Url::of_path(&entry)));
        }
    }
    Ok(files)
}

fn is_page(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end == "html" || end == "htm")
        && path.is_file()
}

fn file(path: &Path) -> Result<Vec<Listed>> {
    let url = Url::of_path(path);
    if !is_page(path) {
        fs::metadata(path).map_err(Error::io("find", path))?;
        return Ok(Listed::at(url).into_iter().collect());
    }
    let length = fs::metadata(path).map_err(Error::io("find", path))?.len();
    if length > answers::LONGEST {
        let cause = Trouble::Wrong(Refusal::new("it is too long for a page"));
        return Err(Error::Index {
            url: path.display().to_string(),
            cause,
        });
    }
    let body = fs::read(path).map_err(Error::io("read", path))?;
    let page = html::parse(&body, &url);
    let page = page.map_err(|cause| Error::Index {
        url: path.display().to_string(),
        cause: Trouble::Wrong(cause),
    })?;
    Ok(page.files)
}

/// The files of a project in an index that is a directory: those of its own directory there, or
/// those to which the `index.html` in it links.
pub(super) fn in_directory(index: &Path, project: &str) -> Result<Option<Vec<Listed>>> {
    let directory = index.join(project);
    if !directory.is_dir() {
        return Ok(None);
    }
    let page = directory.join("index.html");
    match page.is_file() {
        // Its links are joined to the directory, as a server would have it.
        true => {
            let body = fs::read(&page).map_err(Error::io("read", &page))?;
            let base = Url::of_path(&directory).as_directory();
            let parsed = html::parse(&body, &base)
                .map_err(Trouble::Wrong)
                .map_err(at(&base))?;
            Ok(Some(parsed.files))
        }
        false => here(&directory).map(Some),
    }
}
