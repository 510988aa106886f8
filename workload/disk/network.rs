//! The guest's network: loopback, and the one card in QEMU's user network, whose addresses are
//! always the same.
//!
//! Source: `netdevice(7)`, `rtnetlink(7)` for what an older interface does in three calls; QEMU's
//! `-netdev user`.

use std::io;
use std::os::fd::RawFd;

use super::calls;

/// The guest, its mask, and who leads out.
const ADDRESS: [u8; 4] = [10, 0, 2, 15];
const MASK: [u8; 4] = [255, 255, 255, 0];
const GATEWAY: [u8; 4] = [10, 0, 2, 2];
/// Who knows names.
pub const RESOLVER: &str = "nameserver 10.0.2.3\n";

const SIOCADDRT: u64 = 0x890b;
const SIOCSIFFLAGS: u64 = 0x8914;
const SIOCSIFADDR: u64 = 0x8916;
const SIOCSIFNETMASK: u64 = 0x891c;
const IFF_UP: u8 = 1;
const RTF_UP_GATEWAY: u8 = 1 | 2;
const AF_INET: u8 = 2;

/// Brings loopback up, and the card where there is to be a network.
pub fn bring_up(with_card: bool) -> io::Result<()> {
    let socket = calls::inet_socket()?;
    let up = || {
        set_up(socket, b"lo")?;
        if with_card {
            set(socket, SIOCSIFADDR, ADDRESS)?;
            set(socket, SIOCSIFNETMASK, MASK)?;
            set_up(socket, b"eth0")?;
            add_route(socket)?;
        }
        Ok(())
    };
    let done = up();
    calls::close_fd(socket);
    done
}

/// `struct ifreq` for the interface `name`.
fn request(name: &[u8]) -> [u8; 40] {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name);
    request
}

fn set_up(socket: RawFd, name: &[u8]) -> io::Result<()> {
    let mut request = request(name);
    request[16] = IFF_UP;
    calls::control(socket, SIOCSIFFLAGS, &mut request)
}

/// `struct sockaddr_in` of an address without a port.
fn socket_address(address: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[0] = AF_INET;
    bytes[4..8].copy_from_slice(&address);
    bytes
}

fn set(socket: RawFd, what: u64, address: [u8; 4]) -> io::Result<()> {
    let mut request = request(b"eth0");
    request[16..32].copy_from_slice(&socket_address(address));
    calls::control(socket, what, &mut request)
}

/// `struct rtentry` of the default route: destination, gateway and mask from byte 8, flags at 56.
fn add_route(socket: RawFd) -> io::Result<()> {
    let mut route = [0; 120];
    route[8..24].copy_from_slice(&socket_address([0; 4]));
    route[24..40].copy_from_slice(&socket_address(GATEWAY));
    route[40..56].copy_from_slice(&socket_address([0; 4]));
    route[56] = RTF_UP_GATEWAY;
    calls::control(socket, SIOCADDRT, &mut route)
}
