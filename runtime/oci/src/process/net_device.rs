//! Network devices of the host that a container takes over.
//!
//! The kernel moves a device by one request, which takes its addresses away and
//! shuts it down: those that were to stay are given back inside. Whoever deletes
//! the container gets a physical device back where the kernel puts it, in the
//! first network namespace; a virtual one ends with the container's.
//!
//! Source: `config-linux.md`, "Network Devices"; `netlink(7)`, `rtnetlink(7)`.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

use crate::error::{Error, Result};
use crate::namespace;
use crate::spec::{NamespaceType, Spec};
use crate::sys::{self, Descriptor, Errno, descriptor, interface};

/// A device: its name on the host, and inside.
#[derive(Debug)]
pub(super) struct NetDevice {
    host: String,
    inside: String,
}

/// Attributes of a device (`linux/if_link.h`) and of an address (`linux/if_addr.h`).
const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;

/// Flags of an address that the kernel did not set itself.
const KEPT_FLAGS: u32 = libc::IFA_F_NODAD | libc::IFA_F_NOPREFIXROUTE;

/// The length of `struct nlmsghdr`.
const HEADER: usize = 16;

impl NetDevice {
    pub(super) fn all(spec: &Spec) -> Vec<Self> {
        let devices = spec.linux().net_devices.iter();
        let device = |(host, device): (&String, &crate::spec::NetDevice)| Self {
            host: host.clone(),
            inside: device.name.clone().unwrap_or_else(|| host.clone()),
        };
        devices.map(device).collect()
    }
}

/// Moves `devices` into the network namespace of the process `pid`, with their
/// lasting addresses, and brings them up.
pub(super) fn move_all(devices: &[NetDevice], pid: i32) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let open = |path: String| {
        File::open(&path).map_err(|source| Error::Read {
            path: path.into(),
            source,
        })
    };
    let theirs = open(format!("/proc/{pid}/ns/net"))?;
    let own = open("/proc/thread-self/ns/net".to_owned())?;
    let failed = |errno: Errno| Error::Setup {
        step: "reach the container's network devices".to_owned(),
        source: errno.into(),
        remedy: (errno.code() == libc::EPERM)
            .then(|| "moving network devices needs root".to_owned()),
    };
    let mut here = Socket::new().map_err(failed)?;
    let mut there = Socket::within(&theirs, &own).map_err(failed)?;
    for device in devices {
        let moved = device.move_to(&mut here, &mut there, theirs.as_raw_fd());
        moved.map_err(|errno| device.error(errno))?;
    }
    Ok(())
}

impl NetDevice {
    fn move_to(&self, here: &mut Socket, there: &mut Socket, theirs: RawFd) -> sys::Result<()> {
        let index = here.index(&self.host)?;
        let addresses = here.addresses(index)?;
        // Of a template only the kernel knows what came of it, and it does not
        // say: the device goes by another name until it is found there.
        let is_template = self.inside.ends_with("%d");
        let between = match is_template {
            true => format!("oci{index}"),
            false => self.inside.clone(),
        };
        let mut request = Request::link(index, 0);
        request.attribute(IFLA_NET_NS_FD, &theirs.to_ne_bytes());
        request.text(IFLA_IFNAME, &between);
        here.ask(request)?;
        let index = there.index(&between)?;
        if is_template {
            let mut request = Request::link(index, 0);
            request.text(IFLA_IFNAME, &self.inside);
            there.ask(request)?;
        }
        for address in addresses {
            there.ask(address.request(index))?;
        }
        there.ask(Request::link(index, libc::IFF_UP.cast_unsigned()))
    }

    fn error(&self, errno: Errno) -> Error {
        let remedy = match errno.code() {
            libc::ENODEV => "`ip link` lists those that there are",
            libc::EEXIST => "the container has a device of that name: give it another",
            libc::EINVAL => {
                "this device belongs to its namespace (`ip -d link` says netns-immutable)"
            }
            libc::EPERM => "moving network devices needs root",
            _ => "",
        };
        Error::Setup {
            step: format!(
                "move the network device {} into the container (linux.netDevices)",
                self.host
            ),
            source: errno.into(),
            remedy: (!remedy.is_empty()).then(|| remedy.to_owned()),
        }
    }
}

/// An address that outlives the move.
#[derive(Debug)]
struct Address {
    family: u8,
    prefix: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    fn request(self, index: u32) -> Request {
        let mut request = Request::new(libc::RTM_NEWADDR, libc::NLM_F_CREATE);
        request.0.extend([self.family, self.prefix, 0, 0]);
        request.0.extend(index.to_ne_bytes());
        for (kind, value) in &self.attributes {
            request.attribute(*kind, value);
        }
        request
    }

    /// An address of the device `index` that somebody gave it for good, and that
    /// is good beyond the link.
    fn lasting(body: &[u8], index: u32) -> Option<Self> {
        let [family, prefix, flags, scope] = *body.first_chunk()?;
        let of = u32::from_ne_bytes(*body.get(4..)?.first_chunk()?);
        let mut flags = u32::from(flags);
        let mut kept = Vec::new();
        for (kind, value) in attributes(body.get(8..)?) {
            match kind {
                IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST => kept.push((kind, value.to_vec())),
                IFA_FLAGS => flags = u32::from_ne_bytes(*value.first_chunk()?),
                _ => {}
            }
        }
        let lasts = flags & libc::IFA_F_PERMANENT != 0 && scope == libc::RT_SCOPE_UNIVERSE;
        kept.push((IFA_FLAGS, (flags & KEPT_FLAGS).to_ne_bytes().to_vec()));
        (of == index && lasts).then_some(Self {
            family,
            prefix,
            attributes: kept,
        })
    }
}

/// The attributes of a message (`rtnetlink(7)`, `struct rtattr`).
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let number = |at: usize| Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let (length, kind) = (usize::from(number(0)?), number(2)?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// A message to the kernel, from its `struct nlmsghdr` on.
struct Request(Vec<u8>);

impl Request {
    fn new(kind: u16, flags: i32) -> Self {
        let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags;
        let mut bytes = vec![0; 4]; // the length, set when it is sent
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags.cast_unsigned() as u16).to_ne_bytes());
        bytes.extend([0; 8]);
        Self(bytes)
    }

    /// Of the device `index`, to have `flags` too.
    fn link(index: u32, flags: u32) -> Self {
        let mut request = Self::new(libc::RTM_NEWLINK, 0);
        request.0.extend([0; 4]);
        for number in [index, flags, flags] {
            request.0.extend(number.to_ne_bytes());
        }
        request
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.0.extend((4 + value.len() as u16).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn text(&mut self, kind: u16, text: &str) {
        self.attribute(kind, &[text.as_bytes(), b"\0"].concat());
    }
}

/// A conversation with the kernel about one network namespace.
struct Socket {
    socket: Descriptor,
    buffer: Vec<u8>,
}

impl Socket {
    fn new() -> sys::Result<Self> {
        Ok(Self {
            socket: interface::route_socket()?,
            buffer: vec![0; 1 << 16],
        })
    }

    /// A socket belongs to the namespace in which it was made: this thread goes
    /// there for it, and comes back.
    fn within(theirs: &File, own: &File) -> sys::Result<Self> {
        let flag = namespace::flag(NamespaceType::Network);
        sys::namespace::setns(theirs.as_raw_fd(), flag)?;
        let socket = Self::new();
        sys::namespace::setns(own.as_raw_fd(), flag)?;
        socket
    }

    fn ask(&mut self, request: Request) -> sys::Result<()> {
        self.exchange(request, |_, _| {})
    }

    fn index(&mut self, name: &str) -> sys::Result<u32> {
        let mut request = Request::new(libc::RTM_GETLINK, 0);
        request.0.extend([0; 16]);
        request.text(IFLA_IFNAME, name);
        let mut index = Err(Errno(libc::ENODEV));
        self.exchange(request, |kind, body| {
            let number = body.get(4..).and_then(|rest| rest.first_chunk());
            if let (libc::RTM_NEWLINK, Some(number)) = (kind, number) {
                index = Ok(u32::from_ne_bytes(*number));
            }
        })?;
        index
    }

    fn addresses(&mut self, index: u32) -> sys::Result<Vec<Address>> {
        let mut request = Request::new(libc::RTM_GETADDR, libc::NLM_F_DUMP);
        request.0.extend([0; 8]);
        let mut found = Vec::new();
        self.exchange(request, |kind, body| {
            if kind == libc::RTM_NEWADDR {
                found.extend(Address::lasting(body, index));
            }
        })?;
        Ok(found)
    }

    /// Sends `request`, and reads what comes until the kernel says that this is
    /// all, or why it refuses.
    fn exchange(
        &mut self,
        mut request: Request,
        mut each: impl FnMut(u16, &[u8]),
    ) -> sys::Result<()> {
        let length = request.0.len() as u32;
        request.0[..4].copy_from_slice(&length.to_ne_bytes());
        descriptor::write(self.socket.as_raw_fd(), &request.0)?;
        loop {
            let count = match descriptor::read(self.socket.as_raw_fd(), &mut self.buffer) {
                Err(Errno(libc::EINTR)) => continue,
                count => count?,
            };
            let mut rest = self.buffer.get(..count).unwrap_or_default();
            while let Some(header) = rest.first_chunk::<HEADER>() {
                let [a, b, c, d, e, f, ..] = *header;
                let length = u32::from_ne_bytes([a, b, c, d]) as usize;
                let body = rest.get(HEADER..length).ok_or(Errno(libc::EBADMSG))?;
                match i32::from(u16::from_ne_bytes([e, f])) {
                    libc::NLMSG_DONE => return Ok(()),
                    libc::NLMSG_ERROR => {
                        let code = body.first_chunk().ok_or(Errno(libc::EBADMSG))?;
                        return match i32::from_ne_bytes(*code) {
                            0 => Ok(()),
                            code => Err(Errno(-code)),
                        };
                    }
                    _ => each(u16::from_ne_bytes([e, f]), body),
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lasting_address_is_told_from_the_others() {
        // 192.0.2.7/24 for device 5, as the kernel tells it.
        let address = |flags: u32, scope: u8, index: u32| {
            let mut request = Request(vec![2, 24, flags as u8, scope]);
            request.0.extend(index.to_ne_bytes());
            request.attribute(IFA_LOCAL, &[192, 0, 2, 7]);
            request.text(3, "eth0");
            request.attribute(IFA_FLAGS, &flags.to_ne_bytes());
            request.0
        };
        let lasting = Address::lasting(&address(libc::IFA_F_PERMANENT | 0x200, 0, 5), 5).unwrap();
        assert_eq!((lasting.family, lasting.prefix), (2, 24));
        assert_eq!(
            lasting.attributes,
            [
                (IFA_LOCAL, vec![192, 0, 2, 7]),
                (IFA_FLAGS, 0x200_u32.to_ne_bytes().to_vec()),
            ]
        );
        for (flags, scope, index) in [
            (0, 0, 5),
            (libc::IFA_F_PERMANENT, libc::RT_SCOPE_LINK, 5),
            (libc::IFA_F_PERMANENT, 0, 6),
        ] {
            assert!(Address::lasting(&address(flags, scope, index), 5).is_none());
        }
        assert!(Address::lasting(&[2, 24], 5).is_none());
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let device = NetDevice {
            host: "no-such-dev".to_owned(),
            inside: "eth0".to_owned(),
        };
        let mut socket = Socket::new().unwrap();
        let errno = socket.index(&device.host).unwrap_err();
        assert_eq!(errno, Errno(libc::ENODEV));
        assert!(device.error(errno).to_string().contains("no-such-dev"));
        assert!(socket.index("lo").unwrap() > 0, "the conversation goes on");
    }
}
