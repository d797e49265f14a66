//! An HTTP client that keeps cookies as a browser does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

use crate::support::contract::Contract;

/// A request whose response does not come within this time has failed.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The path to which the cookie of the refresh token belongs.
const REFRESH: &str = "/auth/session/refresh";

/// One browser, or one client that sends its tokens in headers.
pub struct TestClient {
    http: reqwest::Client,
    base: String,
    /// Cookies by name and path.
    jar: Mutex<BTreeMap<(String, String), String>>,
    /// Sent with every request.
    pub headers: BTreeMap<String, String>,
    /// What answers are compared with.
    contract: Option<Arc<Contract>>,
    /// The last front token that came.
    front: Mutex<Option<Value>>,
}

impl Clone for TestClient {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            base: self.base.clone(),
            jar: Mutex::new(self.jar.lock().unwrap().clone()),
            headers: self.headers.clone(),
            contract: self.contract.clone(),
            front: Mutex::new(self.front.lock().unwrap().clone()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Response {
    /// The body as JSON; a test whose response is not JSON has failed.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    /// A header as text; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.find_header(name).unwrap_or_default()
    }

    /// A header as text.
    pub fn find_header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn set_cookies(&self) -> Vec<String> {
        self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }
}

/// A client without TLS: reading the system's root certificates takes longer than most tests.
pub fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_certs_only([])
}

impl TestClient {
    /// A browser with an empty cookie jar that asks for its session in cookies.
    pub fn new(base: String) -> Self {
        let mut client = Self::without_headers(base);
        client.header("st-auth-mode", "cookie");
        client
    }

    /// A client that sends no header by itself.
    pub fn without_headers(base: String) -> Self {
        let http = http().redirect(reqwest::redirect::Policy::none()).timeout(TIMEOUT).build().unwrap();
        Self { http, base, jar: Mutex::default(), headers: BTreeMap::new(), contract: None, front: Mutex::default() }
    }

    /// Compares all answers with an OpenAPI document.
    pub fn compare_with(mut self, contract: Arc<Contract>) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Adds a header to every later request.
    pub fn header(&mut self, name: &str, value: &str) -> &mut Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Another browser with a copy of this one's cookies: a thief.
    pub fn with_copied_cookies(&self) -> Self {
        let thief = Self { contract: self.contract.clone(), ..Self::new(self.base.clone()) };
        thief.jar.lock().unwrap().clone_from(&self.jar.lock().unwrap());
        thief
    }

    /// The same browser at another address: another process, or the site after a restart on another port.
    pub fn at(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string().into())).await
    }

    /// `POST` without a body.
    pub async fn post_empty(&self, path: &str) -> Response {
        self.send(Method::POST, path, &[], None).await
    }

    pub async fn put(&self, path: &str) -> Response {
        self.send(Method::PUT, path, &[], None).await
    }

    pub async fn put_json(&self, path: &str, body: &Value) -> Response {
        self.send(Method::PUT, path, &[("content-type", "application/json")], Some(body.to_string().into())).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Posts a form, as a page without JavaScript does.
    pub async fn submit(&self, path: &str, form: &str) -> Response {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, Some(form.to_owned().into())).await
    }

    /// Refreshes as the frontends do, with the header that browsers do not add by themselves.
    pub async fn refresh(&self) -> Response {
        self.send(Method::POST, REFRESH, &[("rid", "session")], None).await
    }

    /// Refreshes with the client's own headers only.
    pub async fn refresh_without_rid(&self) -> Response {
        self.post_empty(REFRESH).await
    }

    pub async fn sign_out(&self) -> Response {
        self.send(Method::POST, "/auth/signout", &[("rid", "session")], None).await
    }

    /// Any request; `headers` are added to the client's own. Stores the cookies of the response.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<reqwest::Body>,
    ) -> Response {
        let response = self.request(method.clone(), path, headers, body).await;
        let accepts_page = |value: &str| value.contains("text/html");
        let is_navigation = headers.iter().any(|(name, value)| *name == "accept" && accepts_page(value))
            || self.headers.get("accept").is_some_and(|value| accepts_page(value));
        if let (Some(contract), false) = (&self.contract, is_navigation) {
            contract.check(&method, path, &response);
        }
        self.keep(&response);
        response
    }

    /// A request, with a body of JSON or none, whose response is lost: its cookies are not stored.
    pub async fn send_only(&self, method: Method, path: &str, body: Option<String>) -> Response {
        let kind: &[_] = if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        self.request(method, path, kind, body.map(Into::into)).await
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<reqwest::Body>,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies_for(path);
        if !cookies.is_empty() && !headers.iter().any(|(name, _)| *name == "cookie") {
            request = request.header("cookie", cookies);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let received = request.send().await.unwrap();
        let (status, headers) = (received.status().as_u16(), received.headers().clone());
        Response { status, headers, text: received.text().await.unwrap() }
    }

    /// The value of a cookie, whatever its path.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let jar = self.jar.lock().unwrap();
        jar.iter().find(|((known, _), _)| known == name).map(|(_, value)| value.clone())
    }

    pub fn access_token(&self) -> String {
        self.cookie("sAccessToken").unwrap()
    }

    pub fn refresh_token(&self) -> String {
        self.cookie("sRefreshToken").unwrap()
    }

    pub fn has_cookies(&self) -> bool {
        !self.jar.lock().unwrap().is_empty()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        let path = if name == "sRefreshToken" { REFRESH } else { "/" };
        self.jar.lock().unwrap().insert((name.to_owned(), path.to_owned()), value.to_owned());
    }

    pub fn remove_cookie(&self, name: &str) {
        self.jar.lock().unwrap().retain(|(known, _), _| known != name);
    }

    /// The payload (`up`) of the front token, as scripts of the page see it.
    pub fn payload(&self) -> Value {
        self.front.lock().unwrap().clone().unwrap()["up"].clone()
    }

    /// The Fauna token, if the site shows it to scripts.
    pub fn fauna_token(&self) -> String {
        self.payload()["faunadbToken"].as_str().unwrap().to_owned()
    }

    fn cookies_for(&self, path: &str) -> String {
        let jar = self.jar.lock().unwrap();
        let pairs: Vec<String> = jar
            .iter()
            .filter(|((_, cookie_path), _)| path.starts_with(cookie_path.as_str()))
            .map(|((name, _), value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Stores what a browser would store, cookies and the front token, and removes cookies that have expired.
    fn keep(&self, response: &Response) {
        let mut jar = self.jar.lock().unwrap();
        for line in response.set_cookies() {
            let cookie = cookie::Cookie::parse(line).unwrap();
            let key = (cookie.name().to_owned(), cookie.path().unwrap_or("/").to_owned());
            let is_over = cookie.expires_datetime().is_some_and(|end| end.year() <= 1970);
            if is_over || matches!(cookie.max_age(), Some(life) if life.is_zero()) {
                jar.remove(&key);
            } else {
                jar.insert(key, cookie.value().to_owned());
            }
        }
        match response.header("front-token") {
            "" => {}
            "remove" => *self.front.lock().unwrap() = None,
            token => {
                let bytes = STANDARD.decode(token).unwrap();
                *self.front.lock().unwrap() = Some(serde_json::from_slice(&bytes).unwrap());
            }
        }
    }
}
