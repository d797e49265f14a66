//! Settings of metrics. They are collected if a token or an address is set.

use std::net::SocketAddr;

use secrecy::SecretString;

use crate::config::reader::Reader;

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Bearer token of `/metrics` on the site itself.
    pub token: Option<SecretString>,
    /// Address of a separate listener for `/metrics`, which needs no token.
    pub listen: Option<SocketAddr>,
}

impl Metrics {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = read.optional("METRICS_LISTEN").map(|_| read.address("METRICS_LISTEN", any));
        Self { token: read.secret("METRICS_TOKEN"), listen }
    }
}
