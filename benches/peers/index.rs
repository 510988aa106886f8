//! An index of packages on this machine: a directory as the Simple Repository API
//! has it, served by the interpreter's own `http.server`.
//!
//! Source: PEP 503, PEP 658.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};
use venv_sim::wheel::Wheel;

/// Serves on a port that the kernel chooses, and says which.
const SERVER: &str = "import http.server, sys
class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def log_message(self, *arguments): pass
    def end_headers(self):
        self.send_header('Cache-Control', 'max-age=600')
        super().end_headers()
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Quiet)
print(server.server_address[1], flush=True)
server.serve_forever()
";

/// The server; it ends with this.
pub(crate) struct Index {
    server: Child,
    port: u16,
}

impl Index {
    /// Serves the wheels in `wheels`, with an index of them made beside them.
    pub(crate) fn serve(python: &Path, wheels: &Path) -> Result<Self> {
        let root = wheels.with_file_name("index");
        lay_out(wheels, &root).context("cannot make an index of the wheels")?;
        let mut server = Command::new(python)
            .args(["-I", "-c", SERVER])
            .current_dir(&root)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a server for the index")?;
        let mut line = String::new();
        let output = server.stdout.take().context("its output is piped")?;
        let read = BufReader::new(output).read_line(&mut line);
        let port = read.context("cannot read the server's port").and_then(|_| {
            let port = line.trim().parse();
            port.context("the server said no port")
        });
        match port {
            Ok(port) => Ok(Self { server, port }),
            Err(error) => {
                let _ = server.kill();
                let _ = server.wait();
                Err(error)
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/simple/", self.port)
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A page for each project, with the wheels, their digests, and their METADATA alone.
fn lay_out(wheels: &Path, root: &Path) -> Result<()> {
    let files = root.join("files");
    fs::create_dir_all(&files)?;
    let mut pages: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(wheels)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let digest = sha256(&path)?;
        fs::copy(&path, files.join(&*name))?;
        let metadata = metadata(&path)?;
        fs::write(files.join(format!("{name}.metadata")), &metadata)?;
        let wheel = Wheel::open(&path)?;
        let page = pages.entry(wheel.metadata.name.to_string()).or_default();
        let of_metadata = hex(&Sha256::digest(&metadata));
        writeln!(
            page,
            "<a href=\"../../files/{name}#sha256={digest}\" \
             data-core-metadata=\"sha256={of_metadata}\">{name}</a>"
        )?;
    }
    for (project, links) in pages {
        let dir = root.join("simple").join(project);
        fs::create_dir_all(&dir)?;
        fs::write(
            dir.join("index.html"),
            format!("<!DOCTYPE html><html><body>\n{links}</body></html>\n"),
        )?;
    }
    Ok(())
}

fn metadata(path: &Path) -> Result<Vec<u8>> {
    let mut wheel = Wheel::open(path)?;
    let own = PathBuf::from(&wheel.dist_info).join("METADATA");
    let members = wheel.members().to_vec();
    let member = members.iter().find(|member| member.path == own);
    Ok(wheel.content(member.context("a wheel has METADATA")?)?)
}

fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut reader = BufReader::new(File::open(path)?);
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
