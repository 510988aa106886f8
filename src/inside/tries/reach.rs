//! What can be reached without a file: listeners, ports, message queues.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::mqueue::{MQ_OFlag, mq_close, mq_open};
use nix::sys::stat::Mode;

use super::super::answer::Said;
use super::{Tried, tried};

/// How long a listener gets to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest word of a listener that is read, in bytes.
const LONGEST: u64 = 64;

pub(super) fn connect(port: u16) -> Tried {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let heard = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut line = String::new();
        BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    });
    tried(format!("connect({address}), read"), heard)
}

/// Source: `proc_pid_net(5)`, file `dev`: two lines of headings, then one each.
pub(super) fn interfaces() -> Tried {
    let path = "/proc/self/net/dev";
    let names = fs::read_to_string(path).map(|text| {
        let lines = text.lines().skip(2);
        let names = lines.filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
        names.collect::<Vec<_>>().join(" ")
    });
    match names {
        Ok(none) if none.is_empty() => tried(format!("read {path}"), Err("there are none")),
        names => tried(format!("read {path}"), names),
    }
}

/// On all addresses, since a loopback interface may be down: the port is taken
/// all the same if somebody listens on it on one of them.
pub(super) fn bind(port: u16) -> Tried {
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    tried(
        format!("bind({address}), listen"),
        TcpListener::bind(address).map(|_| "it was free".to_owned()),
    )
}

pub(super) fn open_queue(name: &str) -> Tried {
    let opened = mq_open(name, MQ_OFlag::O_RDONLY, Mode::empty(), None);
    let call = format!("mq_open(\"{name}\", O_RDONLY)");
    match opened {
        Ok(queue) => {
            let _ = mq_close(queue);
            (call, Said::Yes("opened; nothing was taken".to_owned()))
        }
        Err(errno) => tried(call, Err(errno)),
    }
}
