//! Reaching a server: what its name means, and a connection to it. Both may take as
//! long as a server is silent, and neither can be closed meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    TcpConnector, Transport,
};

use super::hang_up::Waits;
use super::settings::LookUp;

/// Connections as ureq makes them, but for that nobody waits for one that is unwanted.
pub(super) fn connector(waits: Waits) -> impl Connector {
    ().chain(ConnectProxyConnector::default())
        .chain(Tcp(waits))
        .chain(RustlsConnector::default())
}

#[derive(Debug)]
struct Tcp(Waits);

impl<In: Transport> Connector<In> for Tcp {
    type Out = <TcpConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let (uri, config) = (details.uri.clone(), details.config.clone());
        let (addrs, request_level) = (details.addrs.clone(), details.request_level);
        let (now, timeout) = (details.now, details.timeout);
        let current_time = Arc::clone(&details.current_time);
        let run_connector = Arc::clone(&details.run_connector);
        let register_shutdown = Arc::clone(&details.register_shutdown);
        let connected = self.0.on(move || {
            let details = ConnectionDetails {
                uri: &uri,
                addrs,
                config: &config,
                request_level,
                resolver: &DefaultResolver::default(),
                now,
                timeout,
                current_time,
                run_connector,
                register_shutdown,
            };
            TcpConnector::default().connect(&details, chained)
        });
        connected.map_err(ureq::Error::Io)?
    }
}

/// Names as whoever was named looks them up; libc, where nobody is.
pub(super) struct Names {
    look_up: Option<Arc<LookUp>>,
    waits: Waits,
}

impl Names {
    pub(super) fn new(look_up: Option<Arc<LookUp>>, waits: Waits) -> Self {
        Self { look_up, waits }
    }
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let Some(look_up) = &self.look_up else {
            return DefaultResolver::default().resolve(uri, config, timeout);
        };
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?.to_owned();
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(usual);
        let patience = (*timeout.after).min(std::time::Duration::from_secs(60));
        let look_up = Arc::clone(look_up);
        let found = self.waits.on(move || look_up(&host, patience));
        let found = found
            .and_then(|found| found)
            .map_err(|why| match why.kind() {
                io::ErrorKind::NotFound => ureq::Error::HostNotFound,
                _ => ureq::Error::Io(why),
            })?;
        let mut addresses = self.empty();
        // As many as fit.
        for address in found.into_iter().take(16) {
            addresses.push(SocketAddr::new(address, port));
        }
        Ok(addresses)
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let has = self.look_up.is_some();
        f.write_str(if has { "Names" } else { "Names of libc" })
    }
}
