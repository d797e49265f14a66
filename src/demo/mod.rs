//! The demo: accounts to try the site with, and experiments that try to break a session.
//!
//! Mounted in development only. Every experiment goes through the front door: a scripted device or attacker, and what is done
//! in the name of the visitor's own browser, are HTTP requests to this very site ([`client`]), forbidden queries are sent to
//! Fauna with the user's own token, and stopping Fauna closes its port. Only three things have no counterpart in production:
//! remembering a token to ask with it once more, moving the clock, and stopping the embedded Fauna.

mod accounts;
mod client;
mod evidence;
mod experiments;
mod fauna_switch;
mod forbidden;
mod routes;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::HttpRequest;
use tokio::sync::Mutex as AsyncMutex;

use crate::clock::Clock;
use client::Client;
use evidence::Evidence;

pub use crate::pages::demo_accounts::{ACCOUNTS, PASSWORD};
pub use accounts::seed;
#[cfg(feature = "embedded-fauna")]
pub use fauna_switch::Command;
pub use fauna_switch::FaunaSwitch;
pub use routes::{auth_routes, routes};

/// Scripted devices that are remembered; the oldest gives way.
const DEVICES_MAX: usize = 100;

/// State that the experiments share; one per process.
pub struct Demo {
    /// `http://127.0.0.1:PORT` of this site.
    base: String,
    api_base_path: String,
    fauna_endpoint: String,
    /// Moves the time of the site and of its embedded Fauna.
    clock: Clock,
    /// None where Fauna is not embedded.
    fauna: Option<FaunaSwitch>,
    http: reqwest::Client,
    /// Second devices by the user they are signed in as.
    devices: Mutex<VecDeque<(String, Arc<AsyncMutex<Client>>)>>,
}

pub struct Site {
    pub address: SocketAddr,
    pub api_base_path: String,
    pub fauna_endpoint: String,
    pub clock: Clock,
    pub fauna: Option<FaunaSwitch>,
}

impl Demo {
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(site: Site) -> Result<Self, reqwest::Error> {
        Ok(Self {
            base: base(site.address),
            api_base_path: site.api_base_path,
            fauna_endpoint: site.fauna_endpoint,
            clock: site.clock,
            fauna: site.fauna,
            http: client::http()?,
            devices: Mutex::default(),
        })
    }

    /// The answer to an experiment that needs Fauna, while it is stopped.
    fn needs_fauna(&self, title: &'static str) -> Option<Evidence> {
        let is_stopped = self.fauna.as_ref()?.is_stopped().load(Ordering::Relaxed);
        is_stopped.then(|| Evidence::failed(title, "Fauna is stopped. Start it, then try this again."))
    }

    /// A client of this site that nobody is signed in with.
    fn client(&self, name: &'static str) -> Client {
        Client::new(name, self.http.clone(), self.base.clone(), self.api_base_path.clone())
    }

    /// A client with the session of the browser that has sent this request.
    fn browser(&self, request: &HttpRequest) -> Client {
        let mut browser = self.client("This browser");
        browser.take_cookies(request);
        browser
    }

    fn remember_device(&self, user: &str, device: Client) {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|(known, _)| known != user);
        devices.push_back((user.to_owned(), Arc::new(AsyncMutex::new(device))));
        if devices.len() > DEVICES_MAX {
            devices.pop_front();
        }
    }

    fn device(&self, user: &str) -> Option<Arc<AsyncMutex<Client>>> {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        devices.iter().find(|(known, _)| known == user).map(|(_, device)| Arc::clone(device))
    }
}

/// Where a program on this machine reaches a site that listens at `address`.
fn base(address: SocketAddr) -> String {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
