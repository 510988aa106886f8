//! What `EXPOSE` names: ports that a container listens on.

use std::fmt;
use std::str::FromStr;

use super::ExpansionError;
use super::problem::shown;

/// A port, or several in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    first: u16,
    last: u16,
    /// How they are spoken to.
    pub protocol: Protocol,
}

/// How a port is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Streams.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
    /// Streams of messages.
    Sctp,
}

impl Ports {
    /// Each of them, as an image's configuration has it: `8000/tcp`.
    pub fn each(self) -> impl Iterator<Item = String> {
        (self.first..=self.last).map(move |port| format!("{port}/{}", self.protocol))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// `PORT[-PORT][/PROTOCOL]`, a word of an `EXPOSE` whose variables are replaced.
/// What stands before a colon, an address or the host's port, says nothing here.
impl FromStr for Ports {
    type Err = ExpansionError;

    fn from_str(text: &str) -> Result<Self, ExpansionError> {
        parse(text).map_err(|reason| ExpansionError {
            text: format!("EXPOSE {}", shown(text)),
            reason: reason.to_owned(),
        })
    }
}

fn parse(text: &str) -> Result<Ports, &'static str> {
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) => (ports, Some(protocol)),
        None => (text, None),
    };
    let protocol = match protocol.map(str::to_ascii_lowercase).as_deref() {
        None | Some("tcp") => Protocol::Tcp,
        Some("udp") => Protocol::Udp,
        Some("sctp") => Protocol::Sctp,
        Some(_) => return Err("the protocol is tcp, udp or sctp"),
    };
    let ports = ports.rsplit(':').next().unwrap_or(ports);
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number.ok_or("a port is a number up to 65535")
    };
    let (first, last) = (number(first)?, number(last)?);
    match first <= last {
        true => Ok(Ports {
            first,
            last,
            protocol,
        }),
        false => Err("the range ends before it begins"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_come_one_by_one_or_in_a_row() {
        let each = |text: &str| text.parse::<Ports>().unwrap().each().collect::<Vec<_>>();
        assert_eq!(each("80"), ["80/tcp"]);
        assert_eq!(each("53/UDP"), ["53/udp"]);
        assert_eq!(
            each("8000-8002/sctp"),
            ["8000/sctp", "8001/sctp", "8002/sctp"]
        );
        assert_eq!(each("127.0.0.1:80:8080"), ["8080/tcp"]);
        assert_eq!(each("0-65535").len(), 65_536);
        for bad in [
            "",
            "x",
            "80/",
            "80/http",
            "65536",
            "2-1",
            "1-",
            "-1",
            "80/tcp/udp",
            "+1",
            "1 2",
        ] {
            assert!(bad.parse::<Ports>().is_err(), "{bad}");
        }
    }
}
