//! An HTTP client of this very site, as a second device, an attacker, or the visitor's own browser. It keeps cookies as a browser does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::http::header;
use reqwest::Method;
use serde_json::{Value, json};

use crate::demo::evidence::Step;
use crate::session::SignedIn;

/// A request that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Header of anti-CSRF tokens, and the cookie in which `static/session.js` keeps one.
const ANTI_CSRF: &str = "anti-csrf";

/// Somebody who talks to the site from outside.
pub struct Client {
    name: &'static str,
    http: reqwest::Client,
    base: String,
    api_base_path: String,
    cookies: BTreeMap<String, String>,
    anti_csrf: Option<String>,
}

/// A response of the site.
pub struct Answer {
    /// 0 where there was no answer.
    pub status: u16,
    pub retry_after: Option<String>,
    /// The values of `Set-Cookie`.
    pub cookies: Vec<String>,
    pub body: Value,
    pub duration: Duration,
    method: Method,
    path: String,
    who: &'static str,
}

/// Connections for all clients.
pub fn http() -> Result<reqwest::Client, reqwest::Error> {
    // No certificates: the site is asked without TLS, and reading the system's roots takes longer than the rest of a start.
    let builder = reqwest::Client::builder().tls_certs_only([]).no_proxy().timeout(TIMEOUT);
    builder.redirect(reqwest::redirect::Policy::none()).build()
}

impl Client {
    pub fn new(name: &'static str, http: reqwest::Client, base: String, api_base_path: String) -> Self {
        Self { name, http, base, api_base_path, cookies: BTreeMap::new(), anti_csrf: None }
    }

    /// Takes the cookies of a request: what is sent then comes from the same session.
    pub fn take_cookies(&mut self, request: &HttpRequest) {
        let pairs = cookie_header(request).split("; ").filter_map(|pair| pair.split_once('='));
        self.cookies.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        self.anti_csrf = self.cookies.get(ANTI_CSRF).cloned();
    }

    /// Takes the anti-CSRF token of a session, where it has one: without scripts no cookie holds it.
    pub fn take_anti_csrf(&mut self, session: &SignedIn) {
        let token = session.access_token_payload().get("antiCsrfToken").and_then(Value::as_str).map(str::to_owned);
        self.anti_csrf = token.or(self.anti_csrf.take());
    }

    /// The access token, where somebody is signed in.
    pub fn access_token(&self) -> Option<&str> {
        let token = self.cookies.iter().find(|(name, _)| name.ends_with("sAccessToken"));
        token.map(|(_, value)| value.as_str())
    }

    /// The value of `Set-Cookie` that hands the present anti-CSRF token, if there is one, to the scripts of the browser.
    pub fn anti_csrf_cookie(&self) -> Option<String> {
        self.anti_csrf.as_ref().map(|token| format!("{ANTI_CSRF}={token}; Path=/; SameSite=Lax"))
    }

    /// Takes the refresh tokens out of a browser's `Cookie` header. None were in it: false.
    pub fn take_refresh_cookies(&mut self, cookie_header: &str) -> bool {
        let pairs = cookie_header.split("; ").filter_map(|pair| pair.split_once('='));
        let stolen = pairs.filter(|(name, _)| name.ends_with("sRefreshToken"));
        self.cookies.extend(stolen.map(|(name, value)| (name.to_owned(), value.to_owned())));
        !self.cookies.is_empty()
    }

    pub async fn sign_up(&mut self, email: &str, password: &str) -> Answer {
        let path = format!("{}/signup", self.api_base_path);
        self.send(Method::POST, &path, Some(&credentials(email, password))).await
    }

    pub async fn sign_in(&mut self, email: &str, password: &str) -> Answer {
        let path = format!("{}/signin", self.api_base_path);
        self.send(Method::POST, &path, Some(&credentials(email, password))).await
    }

    pub async fn refresh(&mut self) -> Answer {
        let path = format!("{}/session/refresh", self.api_base_path);
        self.send(Method::POST, &path, None).await
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    /// Gets, after a refresh where the access token has expired.
    pub async fn get_refreshed(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        if answer.status != 401 {
            return answer;
        }
        self.refresh().await;
        self.get(path).await
    }

    pub async fn put(&mut self, path: &str) -> Answer {
        self.send(Method::PUT, path, None).await
    }

    /// Posts a form of a page that is only a button.
    pub async fn submit(&mut self, path: &str) -> Answer {
        self.exchange(Method::POST, path, Some(("application/x-www-form-urlencoded", String::new()))).await
    }

    pub async fn send(&mut self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        self.exchange(method, path, body.map(|body| ("application/json", body.to_string()))).await
    }

    /// `body` is its content type and text.
    async fn exchange(&mut self, method: Method, path: &str, body: Option<(&str, String)>) -> Answer {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .header("user-agent", self.name)
            .header("accept", "application/json")
            .header("rid", "anti-csrf")
            .header("st-auth-mode", "cookie");
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", pairs.join("; "));
        }
        if let Some(token) = &self.anti_csrf {
            request = request.header(ANTI_CSRF, token);
        }
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let started = Instant::now();
        let response = request.send().await;
        let mut answer = Answer {
            status: 0,
            retry_after: None,
            cookies: Vec::new(),
            body: Value::Null,
            duration: started.elapsed(),
            method,
            path: path.to_owned(),
            who: self.name,
        };
        if let Ok(response) = response {
            answer.status = response.status().as_u16();
            let header =
                |name: &str| response.headers().get(name).and_then(|text| text.to_str().ok()).map(str::to_owned);
            answer.retry_after = header("retry-after");
            let cookies = response.headers().get_all("set-cookie").iter();
            answer.cookies = cookies.filter_map(|line| line.to_str().ok()).map(str::to_owned).collect();
            if let Some(token) = header(ANTI_CSRF) {
                self.anti_csrf = Some(token);
            }
            self.keep(&answer.cookies);
            answer.body =
                response.text().await.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        }
        answer
    }

    /// Keeps the cookies of an answer; an empty value removes one.
    fn keep(&mut self, cookies: &[String]) {
        for line in cookies {
            let Some((name, rest)) = line.split_once('=') else { continue };
            match rest.split(';').next().unwrap_or_default() {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

impl Answer {
    /// Whether the recipe's business status is `OK`.
    pub fn is_ok(&self) -> bool {
        self.status == 200 && self.body.get("status").and_then(Value::as_str) == Some("OK")
    }

    /// The exchange as evidence. Nothing of the body is shown but the note.
    pub fn step(&self, note: impl Into<String>, expected: bool) -> Step {
        Step {
            who: self.who,
            request: format!("{} {}", self.method, self.path),
            status: self.status,
            duration: self.duration,
            note: note.into(),
            cause: String::new(),
            expected,
        }
    }
}

/// The `Cookie` header of a request; empty if there is none.
pub fn cookie_header(request: &HttpRequest) -> &str {
    request.headers().get(header::COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default()
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"formFields": [{"id": "email", "value": email}, {"id": "password", "value": password}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refresh_tokens_are_stolen() {
        let mut attacker = Client::new("attacker", http().unwrap(), String::new(), String::new());
        assert!(attacker.take_refresh_cookies("sAccessToken=a; __Secure-sRefreshToken=r; other=x"));
        assert_eq!(
            attacker.cookies.into_iter().collect::<Vec<_>>(),
            [("__Secure-sRefreshToken".to_owned(), "r".to_owned())]
        );
    }
}
