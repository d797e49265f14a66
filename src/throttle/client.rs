//! The client network of a request.
//!
//! It is that of the connection's address, unless that is a trusted proxy: then of the last address in `X-Forwarded-For` that
//! is not one. From other peers that header is ignored; `Forwarded` and `X-Real-IP` always are.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::IpAddr;

use actix_web::dev::Payload;
use actix_web::http::header::HeaderMap;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};

use crate::throttle::Throttle;

/// The network that a request comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// An IPv4 address, or the /64 of an IPv6 address, which belongs to one customer.
    network: String,
    wider_network: Option<String>,
}

impl Client {
    pub fn network(&self) -> &str {
        &self.network
    }

    /// The /48 of an IPv6 address, which may belong to one customer too.
    pub fn wider_network(&self) -> Option<&str> {
        self.wider_network.as_deref()
    }

    #[cfg(test)]
    pub fn of(address: IpAddr) -> Self {
        Self::at(Some(address))
    }

    /// The network of an address; all connections without an address share one.
    fn at(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self { network: "unknown".to_owned(), wider_network: None },
            Some(IpAddr::V4(address)) => Self { network: address.to_string(), wider_network: None },
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self {
                    network: format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"),
                    wider_network: Some(format!("{a:x}:{b:x}:{c:x}::/48")),
                }
            }
        }
    }
}

impl FromRequest for Client {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let throttle = request.app_data::<Data<Throttle>>();
        let proxies = throttle.map(|throttle| throttle.proxies.as_ref()).unwrap_or_default();
        let peer = request.peer_addr().map(|peer| peer.ip());
        ready(Ok(Self::at(sender(peer, request.headers(), proxies))))
    }
}

/// The address that sent the request to this site or to the first trusted proxy.
fn sender(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[IpAddr]) -> Option<IpAddr> {
    let is_proxy = |address: &IpAddr| proxies.contains(&address.to_canonical());
    let mut address = peer.filter(is_proxy);
    if address.is_none() {
        return peer;
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or("?")).collect();
    for hop in lines.iter().flat_map(|line| line.split(',')).rev() {
        // Trusted proxies write addresses only; the last valid one is the furthest that can be known.
        let Ok(hop) = hop.trim().parse::<IpAddr>() else { break };
        address = Some(hop);
        if !is_proxy(&hop) {
            break;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    /// The sender of a request from `peer` with these header lines; 10.0.0.1 and 10.0.0.2 are trusted proxies.
    fn seen(peer: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(line));
        }
        let proxies = ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()];
        sender(peer.parse().ok(), &headers, &proxies).map(|address| address.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_our_proxies_are_believed_and_only_what_they_saw() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, junk, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("", &["198.51.100.1"], ""),
        ] {
            assert_eq!(seen(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    /// S-P-14, S-P-21 in the table of `docs/threats.md`.
    #[test]
    fn networks() {
        let network = |text: &str| Client::at(text.parse().ok());
        assert_eq!(network("2001:db8:1:2:3::4"), network("2001:db8:1:2:ffff::1"));
        assert_ne!(network("2001:db8:1:2::1").network, network("2001:db8:1:3::1").network);
        assert_eq!(network("2001:db8:1:2::1").wider_network, network("2001:db8:1:3::1").wider_network);
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_eq!(network(""), network("nobody"));
    }
}
