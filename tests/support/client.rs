//! An HTTP client that keeps cookies as a browser does.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

/// One browser, or one client that sends its tokens in headers.
pub struct TestClient {
    http: reqwest::Client,
    base: String,
    /// Cookies by name and path.
    jar: Mutex<BTreeMap<(String, String), String>>,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// The last front token that came.
    front: Mutex<Option<Value>>,
}

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
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `Set-Cookie` headers.
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
        let http = http().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let headers = vec![("st-auth-mode".to_owned(), "cookie".to_owned())];
        Self { http, base, jar: Mutex::default(), headers, front: Mutex::default() }
    }

    /// Another browser with a copy of this one's cookies: a thief.
    pub fn with_copied_cookies(&self) -> Self {
        let thief = Self::new(self.base.clone());
        thief.jar.lock().unwrap().clone_from(&self.jar.lock().unwrap());
        thief
    }

    /// The same browser, after the site was restarted on another port.
    pub fn moved_to(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base);
        self
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string().into())).await
    }

    pub async fn put(&self, path: &str) -> Response {
        self.send(Method::PUT, path, &[], None).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], None).await
    }

    /// Posts a form, as a page without JavaScript does.
    pub async fn submit(&self, path: &str, form: &str) -> Response {
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.send(Method::POST, path, &kind, Some(form.to_owned().into())).await
    }

    /// `POST {base}/session/refresh`.
    pub async fn refresh(&self) -> Response {
        self.send(Method::POST, "/auth/session/refresh", &[("rid", "session")], None).await
    }

    pub async fn sign_out(&self) -> Response {
        self.send(Method::POST, "/auth/signout", &[("rid", "session")], None).await
    }

    /// Any request; `headers` are added to the client's own.
    pub async fn send(
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
        let response = Response { status, headers, text: received.text().await.unwrap() };
        self.keep(&response);
        response
    }

    /// The value of a cookie, whatever its path.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let jar = self.jar.lock().unwrap();
        jar.iter().find(|((known, _), _)| known == name).map(|(_, value)| value.clone())
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

    /// Stores what a browser would store: cookies and the front token.
    fn keep(&self, response: &Response) {
        let mut jar = self.jar.lock().unwrap();
        for line in response.set_cookies() {
            let cookie = cookie::Cookie::parse(line).unwrap();
            let key = (cookie.name().to_owned(), cookie.path().unwrap_or("/").to_owned());
            if cookie.value().is_empty() {
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
