//! A port of this machine that is kept for one who will listen there.
//!
//! Whoever asks the kernel for a free port and closes it may find it given away when it is needed.
//! A socket that is bound and does not listen keeps it: the kernel gives it to nobody who asks for
//! any port, neither to listen nor to connect from. One who names it still can have it, if both
//! sockets may share their address (`SO_REUSEADDR`, `socket(7)`), as each that QEMU listens on.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

/// A port that is kept as long as this lives.
pub(super) struct Kept {
    number: u16,
    _socket: OwnedFd,
}

impl Kept {
    /// Any that nobody uses, on the loopback.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn any() -> Result<Self> {
        let kept = || {
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            sockopt::set_socket_reuseaddr(&socket, true)?;
            bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
            let address = SocketAddrV4::try_from(getsockname(&socket)?)?;
            rustix::io::Result::Ok(Self {
                number: address.port(),
                _socket: socket,
            })
        };
        kept().context("there is no free port")
    }

    /// Its number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_kept_port_is_had_by_name_and_by_nobody_else() {
        let kept = Kept::any().unwrap();
        let address = (Ipv4Addr::LOCALHOST, kept.number());
        // Who does not share cannot have it.
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let bound = bind(&socket, &SocketAddrV4::new(address.0, address.1));
        assert_eq!(bound, Err(rustix::io::Errno::ADDRINUSE));
        // The standard library's listener shares, as QEMU's does, and is reached.
        let listener = TcpListener::bind(address).unwrap();
        let _asked = TcpStream::connect(address).unwrap();
        listener.accept().unwrap();
    }
}
