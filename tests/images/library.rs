//! The Library of the course, as its README tells: built into images upon a Python
//! of this machine's packages, and in an environment with PostgreSQL.
//!
//! Packages and wheels are downloaded, which takes minutes: the tests are left to
//! those who ask for them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::place::{Home, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let waits = || Some("downloads packages".to_owned());
    vec![
        trial("the Library answers from its images", waits(), images),
        trial("the Library answers from PostgreSQL", waits(), postgres),
    ]
}

/// A home with the Library and its wheels, as `library`.
fn with_wheels() -> Result<Home, Failed> {
    let home = Home::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/library");
    let copy = home.path().join("library");
    said(Command::new("cp").arg("-r").arg(source).arg(&copy))?;
    let mut download = home.isolab(&["venv", "download", "-d", "wheels"]);
    download.args(
        ["v1/requirements.txt", "v2/requirements.txt", "postgres.txt"]
            .map(|file| format!("--requirement={file}")),
    );
    said(download.current_dir(&copy))?;
    Ok(home)
}

fn images() -> Result<(), Failed> {
    let home = with_wheels()?;
    home.says(&["image", "bootstrap", "python"])?;
    for version in ["1", "2"] {
        let (tag, file) = (
            format!("library:{version}"),
            format!("library/v{version}/Dockerfile"),
        );
        home.says(&["build", "-q", "-t", &tag, "-f", &file, "library"])?;
    }
    let serve = |image: &str, port: u16| {
        let mut run = home.isolab(&["run", "--network", "host", image]);
        run.args([
            "--host",
            "127.0.0.1",
            "--quiet",
            "--port",
            &port.to_string(),
        ]);
        run
    };
    let site = Server::start(|port| serve("library:1", port))?;
    site.shows_the_page()?;
    assert_eq!(site.ask("GET", "/api/", "")?.0, 404, "v1 has no API");
    site.stop()?;
    // What a container writes goes with it.
    for _ in 0..2 {
        let api = Server::start(|port| serve("library:2", port))?;
        api.shows_the_page()?;
        api.tells_and_takes()?;
        api.stop()?;
    }
    Ok(())
}

fn postgres() -> Result<(), Failed> {
    let home = with_wheels()?;
    let library = home.path().join("library");
    home.says(&["venv", "create", ".venv"])?;
    let mut install = home.isolab(&[
        "venv",
        "install",
        "--no-index",
        "--find-links",
        "library/wheels",
    ]);
    install.args(
        ["v1/requirements.txt", "v2/requirements.txt", "postgres.txt"]
            .map(|file| format!("--requirement=library/{file}")),
    );
    said(&mut install)?;
    let app = home.path().join("app");
    said(
        Command::new("cp")
            .arg("-r")
            .arg(library.join("v1"))
            .arg(&app),
    )?;
    said(
        Command::new("cp")
            .arg("-r")
            .arg(library.join("v2/."))
            .arg(&app),
    )?;
    let cluster = Cluster::start()?;
    let serve = |port: u16| {
        let mut python = Command::new(home.path().join(".venv/bin/python"));
        python.arg(app.join("serve.py"));
        python.args([
            "--host",
            "127.0.0.1",
            "--quiet",
            "--port",
            &port.to_string(),
        ]);
        python.env("DJANGO_SETTINGS_MODULE", "library.api_settings");
        python.env("DATABASE_URL", cluster.url());
        python
    };
    let api = Server::start(serve)?;
    api.shows_the_page()?;
    api.tells_and_takes()?;
    api.stop()?;
    assert!(!app.join("db.sqlite3").exists());
    // What a database was told stays in it.
    let again = Server::start(serve)?;
    let (_, text) = again.ask("GET", "/api/", "")?;
    assert!(text.contains(ADDED), "{text}");
    again.stop()
}

/// A book that is not among those that it begins with.
const ADDED: &str = "9780596002596";

/// The books that it begins with, in the order of their titles, without numbers.
fn books() -> Result<Vec<Value>, Failed> {
    let path = "examples/library/v1/books/fixtures/books.json";
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?;
    let fixture: Value = serde_json::from_slice(&text)?;
    let all = fixture.as_array().ok_or("no books")?.iter();
    let mut books: Vec<Value> = all.map(|book| book["fields"].clone()).collect();
    books.sort_by_key(|book| book["title"].to_string());
    Ok(books)
}

/// A Library that listens.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(serve: impl Fn(u16) -> Command) -> Result<Self, Failed> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = serve(port)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self { process, port };
        let patience = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > patience || server.process.try_wait()?.is_some() {
                return Err("it does not listen".into());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(server)
    }

    /// One request; the status and the body of its answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), Failed> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("no head")?;
        let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    fn shows_the_page(&self) -> Result<(), Failed> {
        let (status, page) = self.ask("GET", "/", "")?;
        assert_eq!(status, 200, "{page}");
        for book in books()? {
            let title = book["title"].as_str().unwrap_or_default();
            assert!(page.contains(&format!("<cite>{title}</cite>")), "{page}");
        }
        Ok(())
    }

    /// All books as JSON, and one more when it was told of one.
    fn tells_and_takes(&self) -> Result<(), Failed> {
        let told = |text: &str| -> Result<Vec<Value>, Failed> {
            let mut books: Vec<Value> = serde_json::from_str(text)?;
            let numbered = books.iter_mut().filter_map(Value::as_object_mut);
            numbered.for_each(|book| assert!(book.remove("id").is_some()));
            Ok(books)
        };
        let mut books = books()?;
        let (status, text) = self.ask("GET", "/api/", "")?;
        assert_eq!((status, told(&text)?), (200, books.clone()));
        let new = json!({ "title": "A", "author": "B", "isbn": ADDED });
        let (status, text) = self.ask("POST", "/api/", &new.to_string())?;
        assert_eq!(status, 201, "{text}");
        let (status, _) = self.ask("POST", "/api/", &new.to_string())?;
        assert_eq!(status, 400, "there is one of each number only");
        books.insert(0, new);
        assert_eq!(told(&self.ask("GET", "/api/", "")?.1)?, books);
        Ok(())
    }

    /// Ends it as Ctrl-C does, which it answers with the usual code.
    fn stop(mut self) -> Result<(), Failed> {
        let id = Pid::from_raw(i32::try_from(self.process.id())?);
        kill(id, Signal::SIGINT)?;
        let status = self.process.wait()?;
        assert_eq!(status.code(), Some(130), "{status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A PostgreSQL of its own, which listens on loopback, until it is dropped.
struct Cluster {
    place: tempfile::TempDir,
    programs: PathBuf,
    port: u16,
}

impl Cluster {
    fn start() -> Result<Self, Failed> {
        let installed = fs::read_dir("/usr/lib/postgresql");
        let installed = installed.map_err(|_| "there is no PostgreSQL (Debian: postgresql)")?;
        let programs = installed.flatten().map(|entry| entry.path().join("bin"));
        let cluster = Self {
            place: tempfile::tempdir()?,
            programs: programs.max().ok_or("there is no PostgreSQL")?,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        let place = cluster.place.path();
        if let Some(nobody) = nobody() {
            std::os::unix::fs::chown(place, Some(nobody), Some(nobody))?;
        }
        fs::write(place.join("password"), "s3cr:t@")?;
        let words = [
            "--username=library",
            "--auth=scram-sha-256",
            "--pwfile=password",
            "-D",
        ];
        said(cluster.program("initdb").args(words).arg("data"))?;
        let port = cluster.port;
        let options = format!("-h 127.0.0.1 -p {port} -k {}", place.display());
        let mut start = cluster.program("pg_ctl");
        start.args(["start", "--wait", "-D", "data", "-l", "log", "-o", &options]);
        let started = start.stdout(Stdio::null()).status()?;
        let log = || fs::read_to_string(place.join("log")).unwrap_or_default();
        started.success().then_some(()).ok_or_else(log)?;
        let mut create = cluster.program("createdb");
        create.env("PGPASSWORD", "s3cr:t@");
        create.args([
            "-h",
            "127.0.0.1",
            "-U",
            "library",
            "-p",
            &port.to_string(),
            "books",
        ]);
        said(&mut create)?;
        Ok(cluster)
    }

    /// Where its database is, with a password that has to be escaped.
    fn url(&self) -> String {
        format!(
            "postgres://library:s3cr%3At%40@127.0.0.1:{}/books",
            self.port
        )
    }

    /// One of its programs, which refuse to be run by root.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.place.path());
        if let Some(nobody) = nobody() {
            command.uid(nobody).gid(nobody);
        }
        command
    }
}

/// Whom root becomes.
fn nobody() -> Option<u32> {
    nix::unistd::geteuid().is_root().then_some(65_534)
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.program("pg_ctl");
        let _ = said(stop.args(["stop", "--mode=immediate", "-D", "data"]));
    }
}
