//! One question over HTTP to a server on this machine's loopback address.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// How long a server may take over each step.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const LONGEST: u64 = 1 << 16;

/// What the server on `port` answers to `GET path`, in at most 64 KiB.
///
/// # Errors
/// If it takes longer than 10 s over a step, is not there, or answers with anything but a page that is well.
pub fn get(port: u16, path: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asked = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        )?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| format!("cannot ask http://{address}{path}"))?;
    content(&String::from_utf8_lossy(&answer))
        .with_context(|| format!("http://{address}{path} does not answer as a page"))
}

/// The content of an answer that says that all is well.
fn content(answer: &str) -> Result<String> {
    let (head, content) = answer
        .split_once("\r\n\r\n")
        .context("it is no answer of HTTP")?;
    let status = head.lines().next().unwrap_or_default();
    let is_well = status.starts_with("HTTP/1.") && status.split(' ').nth(1) == Some("200");
    ensure!(is_well, "it says {}", crate::report::text::shown(status));
    Ok(content.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_that_is_well_counts() {
        let page = "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n<p>a</p>\r\n\r\nb";
        assert_eq!(content(page).unwrap(), "<p>a</p>\r\n\r\nb");
        for wrong in [
            "HTTP/1.0 500 Internal Server Error\r\n\r\n200",
            "HTTP/1.0 200 OK",
            "SSH-2.0 200\r\n\r\n",
            "",
        ] {
            assert!(content(wrong).is_err(), "{wrong}");
        }
    }
}
