//! Network interfaces: the one that every network namespace is born with.

use std::mem::size_of;
use std::os::fd::AsRawFd;

use super::Result;
use super::descriptor::Descriptor;
use super::raw::syscall;

/// `struct ifreq`, `netdevice(7)`, of which the name and the flags are used.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: i16,
    rest: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40, "as the kernel has it");

/// `int socket(AF_NETLINK, int type, NETLINK_ROUTE)`, `netlink(7)`: who writes a
/// request to it reads the kernel's answer from it, about the network namespace
/// in which it was made.
///
/// # Errors
/// `EAFNOSUPPORT`, `EPROTONOSUPPORT` on a kernel without it.
pub fn route_socket() -> Result<Descriptor> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
    // SAFETY: numbers only.
    unsafe { syscall!(SYS_socket, libc::AF_NETLINK, kind, libc::NETLINK_ROUTE) }
        .map(Descriptor::new)
}

/// Brings the loopback interface of this network namespace up.
///
/// A namespace is born with it down: without this a program cannot even reach
/// its own 127.0.0.1. `int ioctl(int fd, SIOCSIFFLAGS, struct ifreq *)`,
/// `netdevice(7)`.
///
/// # Errors
/// `EPERM` without CAP_NET_ADMIN over the namespace; `EAFNOSUPPORT` on a kernel
/// without IPv4.
pub fn bring_loopback_up() -> Result<()> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: numbers only.
    let socket = Descriptor::new(unsafe { syscall!(SYS_socket, libc::AF_INET, kind, 0) }?);
    let mut name = [0; libc::IFNAMSIZ];
    name[..2].copy_from_slice(b"lo");
    let up = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    let request = InterfaceRequest {
        name,
        flags: up,
        rest: [0; 22],
    };
    // SAFETY: the kernel reads one `struct ifreq`, which `request` is by the
    // assertion above, and writes nothing for SIOCSIFFLAGS.
    unsafe {
        syscall!(
            SYS_ioctl,
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS,
            &raw const request
        )
    }
    .map(drop)
}
