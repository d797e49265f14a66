//! Settings of metrics.

use std::net::SocketAddr;

use secrecy::SecretString;

use crate::config::reader::Reader;

/// Where metrics can be read. Neither: they are not collected.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// What readers of `/metrics` must present as bearer token.
    pub token: Option<SecretString>,
    /// An address of its own for `/metrics`, without a token: keep it inside.
    pub listen: Option<SocketAddr>,
}

impl Metrics {
    pub(super) fn read(read: &mut Reader<'_>) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = read.optional("METRICS_LISTEN").map(|_| read.address("METRICS_LISTEN", any));
        Self { token: read.secret("METRICS_TOKEN"), listen }
    }
}
