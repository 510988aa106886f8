//! Logins that are asked for from the room, as it turns out whose are needed.
//!
//! A build knows only on its way which registries it needs. In the room the user's
//! groups do not count, and helpers do not know him there; so whoever entered it stays
//! outside and answers. A socket without a file is between them, which is gone with
//! its process. Programs that a build runs can reach it, too: only the one process that
//! was started in the room is answered.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;

use super::found::Found;
use super::settings::Settings;
use crate::error::{Error, Result};

/// A registry and a repository, in bytes.
const LONGEST_QUESTION: u64 = 8 << 10;
/// How long a question may take to be asked: it is there when its asker is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where logins are asked for.
#[derive(Debug)]
pub struct Logins {
    listener: UnixListener,
    settings: Settings,
}

impl Logins {
    /// Listens under `name`, which nobody else may have.
    ///
    /// # Errors
    /// [`Error::Write`] where there is such a name.
    pub fn listen(name: &str, settings: Settings) -> Result<Self> {
        let listener = address(name).and_then(|address| UnixListener::bind_addr(&address));
        Ok(Self {
            listener: listener.map_err(Error::write(name.as_ref()))?,
            settings,
        })
    }

    /// Answers the process `pid` for as long as this process lives, and nobody else.
    pub fn answer(self, pid: i32) {
        for stream in self.listener.incoming() {
            let Ok(stream) = stream else {
                // Such as no descriptor that is left: not asked again and again at once.
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let asker = socket_peercred(&stream).map(|peer| peer.pid.as_raw_nonzero().get());
            if asker == Ok(pid) {
                // Who goes away before he is answered does not need it.
                let _ = self.answer_one(&stream);
            }
        }
    }

    fn answer_one(&self, mut stream: &UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST_QUESTION)).read_line(&mut line)?;
        let (registry, repository) = line.trim_end().split_once(' ').unwrap_or_default();
        let found = Found::of_names(&self.settings, registry, repository);
        stream.write_all(found.to_text().as_bytes())
    }
}

/// Asks whoever listens under `name`. He may ask a helper, which has its own limits.
///
/// # Errors
/// [`Error::Read`] where nobody answers.
pub fn ask_for_login(name: &str, registry: &str, repository: &str) -> Result<Found> {
    let unread = |error| Error::read("who the user is, outside of the room".as_ref())(error);
    let stream = address(name).and_then(|address| UnixStream::connect_addr(&address));
    let mut stream = stream.map_err(unread)?;
    let asked = stream.write_all(format!("{registry} {repository}\n").as_bytes());
    asked.map_err(unread)?;
    Found::read(stream)
}

fn address(name: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Login;

    fn answered(pid: i32) -> Result<Option<Login>> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config.json");
        // `bWU6YTpi` is `me:a:b`.
        std::fs::write(&path, r#"{"auths":{"r.example":{"auth":"bWU6YTpi"}}}"#).unwrap();
        let mut settings = Settings::of(|_| None);
        settings.credential_files = vec![path];
        let name = format!("isolab-test-{}-{pid}", std::process::id());
        let logins = Logins::listen(&name, settings).unwrap();
        std::thread::spawn(move || logins.answer(pid));
        let found = ask_for_login(&name, "r.example", "a/b")?;
        found.of("r.example", "a/b").unwrap()
    }

    #[test]
    fn only_the_process_that_was_started_in_the_room_is_answered() {
        let own = i32::try_from(std::process::id()).unwrap();
        let expected = Login::Password {
            user: "me".to_owned(),
            secret: "a:b".to_owned(),
        };
        assert_eq!(answered(own).unwrap(), Some(expected));
        assert!(answered(1).is_err());
    }
}
