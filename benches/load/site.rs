//! The whole site, and signed-in users.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use reqwest::header::HeaderMap;
use serde_json::json;
use starter::app;
use starter::clock::Clock;
use starter::config::Config;
use starter::http::routes::Routes;

/// The site with its data in a directory, with one worker and some more routes.
pub async fn start(data: &Path, routes: fn(&mut Routes<'_>)) -> app::Site {
    let settings = BTreeMap::from([
        ("LISTEN", "127.0.0.1:0".to_owned()),
        ("EMBEDDED_FAUNA_LISTEN", "127.0.0.1:0".to_owned()),
        ("WORKERS", "1".to_owned()),
        ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true".to_owned()),
        ("INSECURE_NO_THROTTLE", "true".to_owned()),
        ("DATA_DIR", data.to_str().unwrap().to_owned()),
    ]);
    let config = Config::from_lookup(&|name| settings.get(name).cloned()).unwrap();
    app::start_with(config, Clock::system(), app::SiteExtensions { routes, ..app::SiteExtensions::default() })
        .await
        .unwrap()
}

/// A user with a session: the headers of the response that issued it.
pub struct User(pub HeaderMap);

impl User {
    /// Signs a user up or in at `path`.
    pub async fn enter(address: SocketAddr, path: &str, body: &str) -> Self {
        let http = reqwest::Client::new();
        let request = http.post(format!("http://{address}{path}")).header("st-auth-mode", "header");
        let request = request.header("content-type", "application/json").body(body.to_owned());
        Self(request.send().await.unwrap().headers().clone())
    }

    /// One of the headers.
    pub fn header(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The header that proves the session.
    pub fn proof(&self) -> String {
        format!("authorization: Bearer {}\r\n", self.header("st-access-token"))
    }
}

/// Body of a request that signs up or in.
pub fn credentials(email: &str) -> String {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": "correct horse 1"}]}).to_string()
}
