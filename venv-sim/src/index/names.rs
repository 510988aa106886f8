//! The addresses of hosts, by their names.
//!
//! The program is linked statically. glibc's `getaddrinfo` then still loads what the machine's
//! `nsswitch.conf` names (`mdns4_minimal`, `resolve`, …), and with it the machine's libc, which
//! need not be of the version that this program was built with. So the name is looked up here as
//! a libc without modules does it: in the file of hosts, then by asking the servers of
//! `resolv.conf`. A name is asked for once, however many connections are made.
//!
//! Source: RFC 1035, section 4; RFC 3596; RFC 6761 for `localhost`; `resolv.conf(5)`, `hosts(5)`.

use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::memo::Memo;
use super::question::{Kind, Reply, question, reply};

/// Looks names up, and remembers what they mean as long as it lives.
pub(super) struct Names {
    root: PathBuf,
    known: Memo<String, Vec<IpAddr>, Unknown>,
}

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Nobody has the name.
    NoSuchName,
    /// Nobody who could tell answers.
    NoAnswer,
}

/// The addresses of `host` on this machine, the best first, within `patience`: for
/// programs that are linked as this one is.
///
/// # Errors
/// Where nobody has the name, or nobody answers.
pub fn look_up(host: &str, patience: Duration) -> io::Result<Vec<IpAddr>> {
    let found = Names::of(Path::new("/")).addresses(host, patience);
    found.map_err(|why| match why {
        Unknown::NoSuchName => io::Error::new(io::ErrorKind::NotFound, "there is no such host"),
        Unknown::NoAnswer => {
            let why = "no server that knows names answers";
            io::Error::new(io::ErrorKind::HostUnreachable, why)
        }
    })
}

/// Whom to ask, and what may be appended to a name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Servers {
    addresses: Vec<SocketAddr>,
    search: Vec<String>,
    ndots: usize,
}

/// How long a server is waited for at first; a datagram may get lost.
const FIRST_WAIT: Duration = Duration::from_millis(800);
/// The longest file of hosts that is read, in bytes; those that block advertisements are long.
const LONGEST: u64 = 32 << 20;

impl Names {
    /// As the files below `root` say: `/`, but for tests.
    pub(super) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            known: Memo::default(),
        }
    }

    /// The addresses of `host`, the best first.
    fn addresses(&self, host: &str, patience: Duration) -> Result<Vec<IpAddr>, Unknown> {
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_lowercase();
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let look_up = || {
            let hosts = self.text("etc/hosts");
            let listed = in_hosts(&hosts, &host);
            if !listed.is_empty() {
                return Ok(listed);
            }
            if host == "localhost" || host.ends_with(".localhost") {
                return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
            }
            let servers = Servers::parse(&self.text("etc/resolv.conf"));
            servers.addresses_of(&host, Instant::now() + patience)
        };
        self.known
            .get(&host, look_up)
            .map(|addresses| addresses.to_vec())
    }

    fn text(&self, file: &str) -> String {
        let mut bytes = Vec::new();
        if let Ok(file) = fs::File::open(self.root.join(file)) {
            let _ = file.take(LONGEST).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        const LONGEST_PATIENCE: Duration = Duration::from_secs(60);
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let is_secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let patience = (*timeout.after).min(LONGEST_PATIENCE);
        let found = self.addresses(host, patience).map_err(|why| match why {
            Unknown::NoSuchName => ureq::Error::HostNotFound,
            Unknown::NoAnswer => {
                let why = "no server that knows names answers";
                ureq::Error::Io(io::Error::new(io::ErrorKind::HostUnreachable, why))
            }
        })?;
        let mut addresses = self.empty();
        // As many as fit.
        for address in found.into_iter().take(16) {
            addresses.push(SocketAddr::new(address, port));
        }
        Ok(addresses)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names as {} has them", self.root.display())
    }
}

/// The addresses that the file of hosts has for a name.
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let found = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(host))
            .then_some(address)
    });
    found.collect()
}

impl Servers {
    fn parse(text: &str) -> Self {
        let mut servers = Self {
            ndots: 1,
            ..Self::default()
        };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    // What is behind `%` is the interface of a link-local address.
                    let address = words
                        .next()
                        .and_then(|word| word.split('%').next()?.parse().ok());
                    servers
                        .addresses
                        .extend(address.map(|ip: IpAddr| SocketAddr::new(ip, 53)));
                }
                Some("search" | "domain") => {
                    servers.search = words
                        .map(|word| word.trim_matches('.').to_lowercase())
                        .collect();
                }
                Some("options") => {
                    let ndots = words.find_map(|word| word.strip_prefix("ndots:")?.parse().ok());
                    servers.ndots = ndots.unwrap_or(servers.ndots).min(15);
                }
                _ => {}
            }
        }
        servers.addresses.truncate(3);
        servers.search.truncate(6);
        if servers.addresses.is_empty() {
            servers
                .addresses
                .push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 53));
        }
        servers
    }

    /// Of the name as it is, and with what may be appended, in the order that its dots decide.
    fn addresses_of(&self, host: &str, deadline: Instant) -> Result<Vec<IpAddr>, Unknown> {
        let bare = host.trim_end_matches('.');
        let mut names: Vec<String> = self
            .search
            .iter()
            .map(|end| format!("{bare}.{end}"))
            .collect();
        if host.ends_with('.') {
            names.clear();
        }
        let is_whole = bare.matches('.').count() >= self.ndots;
        names.insert(if is_whole { 0 } else { names.len() }, bare.to_owned());
        let mut why = Unknown::NoSuchName;
        for name in names {
            if question(0, &name, Kind::V4).is_none() {
                continue;
            }
            match self.ask_all(&name, deadline) {
                Ok(found) if !found.is_empty() => return Ok(best_first(found)),
                Ok(_) => {}
                Err(()) => why = Unknown::NoAnswer,
            }
        }
        Err(why)
    }

    /// Asks one server after the other, again and again, longer each time.
    fn ask_all(&self, name: &str, deadline: Instant) -> Result<Vec<IpAddr>, ()> {
        let mut wait = FIRST_WAIT;
        while Instant::now() < deadline {
            let mut has_refused = 0;
            for server in &self.addresses {
                match ask(*server, name, deadline.min(Instant::now() + wait)) {
                    Ok(found) => return Ok(found),
                    Err(Silent::Refuses) => has_refused += 1,
                    Err(Silent::Waited) => {}
                }
            }
            if has_refused == self.addresses.len() {
                return Err(());
            }
            wait *= 2;
        }
        Err(())
    }
}

enum Silent {
    /// It answers that it cannot tell, or is not there.
    Refuses,
    Waited,
}

/// Asks one server for both kinds of addresses at once.
fn ask(server: SocketAddr, name: &str, deadline: Instant) -> Result<Vec<IpAddr>, Silent> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let refused = |_| Silent::Refuses;
    let socket = UdpSocket::bind(any).map_err(refused)?;
    // The kernel then drops what comes from anybody else.
    socket.connect(server).map_err(refused)?;
    let mut open = Vec::new();
    for kind in [Kind::V4, Kind::V6] {
        let question = question(number(), name, kind).ok_or(Silent::Refuses)?;
        socket.send(&question).map_err(refused)?;
        open.push((question, kind));
    }
    let mut found = Vec::new();
    let mut buffer = [0; 4096];
    while !open.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // One kind is enough, and some servers are silent about the other.
            return if found.is_empty() {
                Err(Silent::Waited)
            } else {
                Ok(found)
            };
        }
        socket.set_read_timeout(Some(left)).map_err(refused)?;
        let length = match socket.recv(&mut buffer) {
            Ok(length) => length,
            Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
                return Err(Silent::Refuses);
            }
            Err(_) => continue,
        };
        let answered = open.iter().position(|(question, kind)| {
            match reply(&buffer[..length], question, *kind) {
                Reply::NotOurs => false,
                Reply::Addresses(addresses) => {
                    found.extend(addresses);
                    true
                }
                Reply::Refused => true,
                Reply::Cut => {
                    found.extend(ask_long(server, question, *kind, left).unwrap_or_default());
                    true
                }
            }
        });
        if let Some(at) = answered {
            let (question, kind) = open.swap_remove(at);
            let has_failed = matches!(reply(&buffer[..length], &question, kind), Reply::Refused);
            if has_failed && found.is_empty() && open.is_empty() {
                return Err(Silent::Refuses);
            }
        }
    }
    Ok(found)
}

/// An answer that is too long for a datagram is asked for again on a connection.
fn ask_long(
    server: SocketAddr,
    question: &[u8],
    kind: Kind,
    left: Duration,
) -> io::Result<Vec<IpAddr>> {
    let mut stream = TcpStream::connect_timeout(&server, left)?;
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    let length = u16::try_from(question.len()).unwrap_or(0);
    stream.write_all(&[&length.to_be_bytes(), question].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    match reply(&answer, question, kind) {
        Reply::Addresses(addresses) => Ok(addresses),
        _ => Ok(Vec::new()),
    }
}

/// A number that nobody can guess: the standard library's hashes have random keys.
fn number() -> u16 {
    let [one, two, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u16::from_le_bytes([one, two])
}

/// The kind first to which there is a way from here.
fn best_first(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let six = addresses.iter().copied().find(IpAddr::is_ipv6);
    let has_way = six.is_some_and(|address| {
        // Connecting a datagram socket asks for the way and sends nothing.
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
        socket
            .and_then(|socket| socket.connect((address, 53)))
            .is_ok()
    });
    addresses.sort_by_key(|address| address.is_ipv6() != has_way);
    addresses
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;
    use crate::index::question::tests::answer;

    /// A server of names that lets `say` make each answer; how often it was asked.
    fn server(
        say: impl Fn(usize, &[u8]) -> Option<Vec<u8>> + Send + 'static,
    ) -> (SocketAddr, Arc<AtomicUsize>) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("an address");
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let turn = counted.fetch_add(1, Ordering::Relaxed);
                if let Some(message) = say(turn, &buffer[..length]) {
                    let _ = socket.send_to(&message, from);
                }
            }
        });
        (address, count)
    }

    fn is_v4(question: &[u8]) -> bool {
        question.ends_with(&[0, 1, 0, 1])
    }

    /// 192.0.2.1 and nothing of the other kind.
    fn known(question: &[u8]) -> Vec<u8> {
        match is_v4(question) {
            true => answer(question, [0x81, 0x80], &[(1, &[192, 0, 2, 1])]),
            false => answer(question, [0x81, 0x80], &[]),
        }
    }

    fn asked(
        addresses: &[SocketAddr],
        search: &[&str],
        host: &str,
    ) -> Result<Vec<IpAddr>, Unknown> {
        let servers = Servers {
            addresses: addresses.to_vec(),
            search: search.iter().map(|&end| end.to_owned()).collect(),
            ndots: 1,
        };
        servers.addresses_of(host, Instant::now() + Duration::from_secs(5))
    }

    fn there() -> Result<Vec<IpAddr>, Unknown> {
        Ok(vec![[192, 0, 2, 1].into()])
    }

    #[test]
    fn a_question_that_gets_lost_is_asked_again() {
        let (address, count) = server(|turn, question| (turn > 1).then(|| known(question)));
        assert_eq!(asked(&[address], &[], "a.test"), there());
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn one_kind_is_enough_where_the_other_is_never_answered() {
        let (address, _) = server(|_, question| is_v4(question).then(|| known(question)));
        assert_eq!(asked(&[address], &[], "a.test"), there());
    }

    #[test]
    fn a_server_that_cannot_tell_is_passed_over_and_a_forged_answer_too() {
        let (broken, _) = server(|_, question| Some(answer(question, [0x81, 0x82], &[])));
        let (good, _) = server(|_, question| Some(known(question)));
        assert_eq!(asked(&[broken, good], &[], "a.test"), there());
        assert_eq!(asked(&[broken], &[], "a.test"), Err(Unknown::NoAnswer));
        // An answer to another number.
        let (forging, _) = server(|_, question| {
            let mut forged = known(question);
            forged[0] ^= 1;
            Some(forged)
        });
        assert_eq!(asked(&[forging, good], &[], "a.test"), there());
    }

    #[test]
    fn a_name_that_nobody_has_is_told_at_once_and_what_may_be_appended_is() {
        let (address, count) = server(|_, question| {
            let has = question.windows(7).any(|part| part == b"\x06corner");
            let none = || answer(question, [0x81, 0x83], &[]);
            Some(if has { known(question) } else { none() })
        });
        assert_eq!(asked(&[address], &[], "a.test"), Err(Unknown::NoSuchName));
        assert_eq!(count.load(Ordering::Relaxed), 2);
        assert_eq!(asked(&[address], &["corner.test"], "a"), there());
        assert_eq!(
            asked(&[address], &["corner.test"], "a."),
            Err(Unknown::NoSuchName)
        );
        assert_eq!(asked(&[address], &[], "a..b"), Err(Unknown::NoSuchName));
    }

    #[test]
    fn the_files_of_the_machine_say_what_a_name_means_and_whom_to_ask() {
        let root = tempfile::tempdir().expect("a directory");
        fs::create_dir(root.path().join("etc")).expect("made");
        let hosts =
            "# comment 192.0.2.9 a.test\n192.0.2.7\tA.test other # a.test\n::1 a.test\nx y\n";
        fs::write(root.path().join("etc/hosts"), hosts).expect("written");
        let names = Names::of(root.path());
        let addresses = |host: &str| names.addresses(host, Duration::from_millis(1));
        let both: Vec<IpAddr> = vec![[192, 0, 2, 7].into(), Ipv6Addr::LOCALHOST.into()];
        assert_eq!(addresses("a.Test"), Ok(both));
        assert_eq!(addresses("[::1]"), Ok(vec![Ipv6Addr::LOCALHOST.into()]));
        assert_eq!(addresses("x.localhost").map(|found| found.len()), Ok(2));

        let text = "search one.test Two.test.\noptions rotate ndots:2 timeout:9\n\
            nameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\n; nameserver 192.0.2.2\n";
        let servers = Servers::parse(text);
        let expected =
            ["192.0.2.1:53", "[fe80::1]:53"].map(|text| text.parse().expect("an address"));
        assert_eq!(servers.addresses, expected);
        assert_eq!(
            (servers.search, servers.ndots),
            (vec!["one.test".to_owned(), "two.test".to_owned()], 2)
        );
        assert_eq!(
            Servers::parse("").addresses,
            ["127.0.0.1:53".parse().expect("an address")]
        );
    }
}
