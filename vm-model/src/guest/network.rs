//! A guest's network: none, or a card in QEMU's own user network, which needs no privilege.
//!
//! QEMU is the guest's gateway and name server, and passes on what comes to a port of this
//! machine. Unless the guest is to reach others, QEMU hands nothing out of it: what is forwarded
//! is answered all the same.
//!
//! Source: `qemu(1)`, `-netdev user`.

use std::ffi::OsString;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A port of this machine that is a guest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// The address of this machine that it is at; loopback unless somebody asks for more.
    pub address: Ipv4Addr,
    /// The port here.
    pub host: u16,
    /// The port in the guest.
    pub guest: u16,
    /// Whether it is UDP's and not TCP's.
    pub udp: bool,
}

/// What a guest reaches, and what reaches it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Whether it reaches others than this machine's questions.
    pub outside: bool,
    /// The ports of this machine that are its.
    pub forwards: Vec<Forward>,
}

impl Forward {
    /// The port `host` of this machine's loopback as the guest's `guest`, by TCP.
    #[must_use]
    pub fn tcp(host: u16, guest: u16) -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST,
            host,
            guest,
            udp: false,
        }
    }
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.udp { "/udp" } else { "" };
        write!(f, "{}:{}:{}{kind}", self.address, self.host, self.guest)
    }
}

impl FromStr for Forward {
    type Err = &'static str;

    /// `[ADDRESS:]HOST:GUEST[/tcp|/udp]`, as docker's `-p` has it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ports, udp) = match text.split_once('/') {
            None => (text, false),
            Some((ports, "tcp")) => (ports, false),
            Some((ports, "udp")) => (ports, true),
            Some(_) => return Err("behind the slash stands `tcp` or `udp`"),
        };
        let parts: Vec<&str> = ports.split(':').collect();
        let (address, host, guest) = match parts[..] {
            [host, guest] => (Ipv4Addr::LOCALHOST, host, guest),
            [address, host, guest] => {
                let address = address.parse().map_err(|_| "the address is none of IPv4")?;
                (address, host, guest)
            }
            _ => return Err("a port here and a port in the guest belong to it"),
        };
        let port = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|&port: &u16| digits && port > 0);
            number.ok_or("a port is a number from 1 to 65535")
        };
        Ok(Self {
            address,
            host: port(host)?,
            guest: port(guest)?,
            udp,
        })
    }
}

impl Network {
    /// The words that give it to a guest. No program lies on the card: nothing is booted from it.
    pub(super) fn words(&self) -> [OsString; 4] {
        let mut user = "user,id=net,ipv6=off".to_owned();
        if !self.outside {
            user += ",restrict=on";
        }
        for forward in &self.forwards {
            let kind = if forward.udp { "udp" } else { "tcp" };
            let Forward {
                address,
                host,
                guest,
                ..
            } = forward;
            user += &format!(",hostfwd={kind}:{address}:{host}-:{guest}");
        }
        let card = "virtio-net-pci,netdev=net,romfile=";
        ["-netdev", &user, "-device", card].map(OsString::from)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_goes_out_and_nobody_else_comes_in_unless_asked() {
        let network = Network {
            outside: false,
            forwards: vec![
                "8080:80".parse().unwrap(),
                "0.0.0.0:53:5353/udp".parse().unwrap(),
            ],
        };
        let words = network.words();
        assert_eq!(
            words[1],
            "user,id=net,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80,\
             hostfwd=udp:0.0.0.0:53-:5353"
        );
        let open = Network {
            outside: true,
            forwards: Vec::new(),
        };
        assert_eq!(open.words()[1], "user,id=net,ipv6=off");
    }

    #[test]
    fn what_is_no_forward_is_refused() {
        for text in [
            "",
            "80",
            ":80",
            "80:",
            "0:80",
            "80:0",
            "80:65536",
            "+1:2",
            "a:b",
            "::1:1:2",
            "1:2:3:4",
            "localhost:1:2",
            "1:2/sctp",
            "1:2/",
            "1,hostfwd=tcp::1-:1:2",
            "1 :2",
        ] {
            assert!(text.parse::<Forward>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_forward_is_read_as_it_is_written(
            address in any::<u32>(), host in 1..=u16::MAX, guest in 1..=u16::MAX, udp in any::<bool>(),
        ) {
            let forward = Forward { address: Ipv4Addr::from(address), host, guest, udp };
            prop_assert_eq!(forward.to_string().parse::<Forward>(), Ok(forward));
        }

        /// Whatever is typed, no option of QEMU's is added by it.
        #[test]
        fn what_is_typed_adds_no_option(text in "[0-9.:,=/a-z-]{0,24}") {
            if let Ok(forward) = text.parse::<Forward>() {
                let words = Network { outside: false, forwards: vec![forward] }.words();
                let user = words[1].to_str().unwrap();
                prop_assert_eq!(user.matches(',').count(), 4);
            }
        }
    }
}
