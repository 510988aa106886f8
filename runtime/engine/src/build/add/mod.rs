//! What `ADD` brings beyond files of the build context: archives unpacked, files from
//! servers, and repositories.

mod address;
mod archive;
mod git;

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::copy::Part;
use super::fault::Fault;
use super::source::{Selected, Source};
use super::stage::Stages;
use crate::dockerfile::ignore::Ignore;
use crate::error::Error;
use crate::image::{Algorithm, Digest, Hasher};
use crate::registry::Progress;
use crate::stack::Stack;
pub use address::without_credentials;
use address::{Address, Repository};
use git::Git;

/// A source of `COPY` or `ADD`: what of which tree is copied, once it is there.
#[derive(Debug)]
pub(super) struct Piece {
    /// What it holds.
    key: String,
    content: Content,
    unpack: bool,
}

#[derive(Debug)]
enum Content {
    /// Files of a tree.
    Tree {
        tree: Source,
        selected: Selected,
        latest: Option<u64>,
    },
    /// A file whose digest is known, so that it need not be fetched to know it.
    Promised { file: Remote, digest: Digest },
}

/// A file on a server.
#[derive(Debug)]
struct Remote {
    url: String,
    /// User and password.
    credentials: Option<(String, String)>,
    name: String,
}

/// What flags of `ADD` ask for, their variables replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Adding {
    pub(super) checksum: Option<String>,
    pub(super) keep_git_dir: bool,
    pub(super) unpack: Option<bool>,
}

/// Where what is fetched and unpacked lies for a while, each under a number.
#[derive(Debug)]
pub(super) struct Yard<'a> {
    path: &'a Path,
    count: usize,
}

impl<'a> Yard<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path, count: 0 }
    }

    /// A name for what is not there yet.
    fn next(&mut self) -> PathBuf {
        self.count += 1;
        self.path.join(format!("added-{}", self.count))
    }
}

impl Stages<'_> {
    /// What a source of `ADD` means. What is fetched is fetched now, unless its digest
    /// is known.
    pub(super) fn added(
        &self,
        text: &str,
        adding: &Adding,
        context: &Source,
        without: &Ignore,
        yard: &mut Yard<'_>,
    ) -> Result<Vec<Piece>, Fault> {
        match Address::of(text)? {
            Address::Path if adding.checksum.is_some() => Err(Fault::new(format!(
                "--checksum is for what is fetched, and `{text}` lies in the build context"
            ))),
            Address::Path => {
                let mut pieces = Vec::new();
                for selected in context.select(text)? {
                    let mut piece = Piece::of_tree(context, selected, without)?;
                    piece.unpack = adding.unpack != Some(false);
                    pieces.push(piece);
                }
                Ok(pieces)
            }
            Address::File {
                url,
                credentials,
                name,
            } => {
                let file = Remote {
                    url,
                    credentials,
                    name,
                };
                let mut piece = self.file(file, adding.checksum.as_deref(), yard)?;
                piece.unpack = adding.unpack == Some(true);
                Ok(vec![piece])
            }
            Address::Repository(repository) => {
                Ok(vec![self.repository(&repository, adding, yard)?])
            }
        }
    }

    fn file(
        &self,
        file: Remote,
        checksum: Option<&str>,
        yard: &mut Yard<'_>,
    ) -> Result<Piece, Fault> {
        let key = |digest: &Digest| format!("file {:?} {digest}", file.name);
        if let Some(text) = checksum {
            let digest: Digest = text.parse().map_err(|_| {
                let why = "write it as sha256: and 64 hexadecimal digits";
                Fault::new(format!("--checksum={text} is no digest: {why}"))
            })?;
            return Ok(Piece {
                key: key(&digest),
                content: Content::Promised { file, digest },
                unpack: false,
            });
        }
        let (tree, selected) = self.download(&file, yard)?;
        let digest = digest_of(&tree, &selected, Algorithm::Sha256)?;
        Ok(Piece {
            key: key(&digest),
            content: Content::Tree {
                tree,
                selected,
                latest: None,
            },
            unpack: false,
        })
    }

    /// Fetches a file into a directory of its own, with the mode and the time that it
    /// has in the image.
    fn download(&self, remote: &Remote, yard: &mut Yard<'_>) -> Result<(Source, Selected), Fault> {
        let directory = yard.next();
        let path = directory.join(&remote.name);
        fs::create_dir(&directory).map_err(Error::write(&directory))?;
        let watch = Watch(self);
        let client = self.attending.client;
        let login = remote.credentials.as_ref();
        let login = login.map(|(user, password)| (&**user, &**password));
        let fetched = client.fetch_file(&remote.url, login, &watch, || {
            File::create(&path).map_err(Error::write(&path))
        })?;
        let file = File::options().write(true).open(&path);
        let file = file.map_err(Error::write(&path))?;
        let time = UNIX_EPOCH + Duration::from_secs(fetched.modified.unwrap_or(0));
        let set = file
            .set_permissions(Permissions::from_mode(0o600))
            .and_then(|()| file.set_times(FileTimes::new().set_modified(time)));
        set.map_err(Error::write(&path))?;
        let tree = Source::context(&directory, Ignore::default());
        let selected = tree.one(&remote.name)?;
        Ok((tree, selected))
    }

    fn repository(
        &self,
        repository: &Repository,
        adding: &Adding,
        yard: &mut Yard<'_>,
    ) -> Result<Piece, Fault> {
        let directory = yard.next();
        let git = Git {
            repository,
            agent: self.request.agents.get("default").map(PathBuf::as_path),
            is_unwanted: &|| self.is_unwanted(),
        };
        let commit = git.fetch(&directory)?;
        if let Some(expected) = &adding.checksum
            && *expected != commit.id
        {
            return Err(Fault::new(format!(
                "{} is at commit {}, and --checksum={expected} is another",
                repository.remote, commit.id
            )));
        }
        let without = match adding.keep_git_dir {
            true => Ignore::default(),
            false => Ignore::of_patterns(["**/.git"]).unwrap_or_default(),
        };
        let tree = Source::context(&directory, without);
        let below = &repository.directory;
        let selected = tree.one(below)?;
        if tree.open(&selected)?.is_some() {
            return Err(Fault::new(format!(
                "`{below}` of {} is no directory",
                repository.remote
            )));
        }
        let kept = adding.keep_git_dir.then_some(&repository.remote);
        Ok(Piece {
            key: format!("git {} {below:?} {kept:?}", commit.id),
            content: Content::Tree {
                tree,
                selected,
                latest: Some(commit.time),
            },
            unpack: false,
        })
    }

    /// The files of a piece; what is promised is fetched now, and archives are
    /// unpacked.
    pub(super) fn part(&self, piece: &Piece, yard: &mut Yard<'_>) -> Result<Part, Fault> {
        let (tree, selected, latest) = match &piece.content {
            Content::Tree {
                tree,
                selected,
                latest,
            } => (tree.clone(), selected.clone(), *latest),
            Content::Promised { file, digest } => {
                let (tree, selected) = self.download(file, yard)?;
                let found = digest_of(&tree, &selected, digest.algorithm())?;
                if found != *digest {
                    return Err(Fault::new(format!(
                        "{} is {found}, and --checksum={digest} is another",
                        file.url
                    )));
                }
                (tree, selected, None)
            }
        };
        let whole = |tree, selected| Part {
            tree,
            selected,
            latest,
        };
        if !piece.unpack {
            return Ok(whole(tree, selected));
        }
        let Some(mut file) = tree.open(&selected)? else {
            return Ok(whole(tree, selected));
        };
        let Some(packing) = archive::packing(&mut file)? else {
            return Ok(whole(tree, selected));
        };
        let directory = yard.next();
        let owners = self.room.owners();
        let left_out = archive::unpack(file, packing, &directory, owners)?;
        if left_out > 0 {
            let text = format!(
                "devices that this user may not make are left out of what {} brings: {left_out}",
                selected.named.display()
            );
            (self.attending.tell)(super::Event::Note { text: &text });
        }
        let tree = Source::layers(Stack::new([directory]).owned_by(owners));
        let selected = tree.one("")?;
        Ok(whole(tree, selected))
    }
}

impl Piece {
    /// Files of a tree, known by what they hold.
    pub(super) fn of_tree(
        tree: &Source,
        selected: Selected,
        without: &Ignore,
    ) -> Result<Self, Fault> {
        let digest = tree.digest(std::slice::from_ref(&selected), without)?;
        Ok(Self {
            key: format!("files {digest}"),
            content: Content::Tree {
                tree: tree.clone(),
                selected,
                latest: None,
            },
            unpack: false,
        })
    }

    /// What decides about its layer.
    pub(super) fn key(&self) -> String {
        format!("{} {}", self.key, self.unpack)
    }

    /// Whether it still holds what its key says; what was fetched is nobody else's.
    pub(super) fn is_unchanged(&self, without: &Ignore) -> Result<bool, Fault> {
        match &self.content {
            Content::Tree { tree, selected, .. } if self.key.starts_with("files ") => {
                let now = Self::of_tree(tree, selected.clone(), without)?;
                Ok(now.key == self.key)
            }
            _ => Ok(true),
        }
    }
}

fn digest_of(tree: &Source, selected: &Selected, by: Algorithm) -> Result<Digest, Fault> {
    let mut hasher = Hasher::new(by);
    if let Some(mut file) = tree.open(selected)? {
        let read = std::io::copy(&mut file, &mut hasher);
        read.map_err(Error::read(&selected.path))?;
    }
    Ok(hasher.finish())
}

/// Hears of the build's end.
struct Watch<'a, 'b>(&'a Stages<'b>);

impl Progress for Watch<'_, '_> {
    fn waits(&self, why: &str, pause: Duration) {
        let text = format!("{why}: trying again in {:.1} s", pause.as_secs_f64());
        (self.0.attending.tell)(super::Event::Note { text: &text });
    }

    fn is_cancelled(&self) -> bool {
        self.0.is_unwanted()
    }
}
