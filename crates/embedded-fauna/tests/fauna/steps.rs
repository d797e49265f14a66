//! Runs the steps of a file.
//!
//! A step: `name`; `as`, whose secret (a name that an earlier step bound, `admin`, `server`, `=text`, or null for none); `query` in its wire
//! form, or `raw` text; `method`, `path`, `headers` and `basic` where they are not the usual ones; `pad`, how many blanks follow the
//! body; `bind`, names for parts of the answer, used as `{{name}}` later; `wait`, how many seconds pass before it; then what FaunaDB
//! answered: `status`, `headers_back` (null: absent), `body` (`text`: compared byte by byte).

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value};

use super::compare::{differences, shallow};
use super::endpoint::{Endpoint, Reply};

/// The child database that everything runs in.
const CHILD: &str = "replay_child";

/// Parts of answers that steps have bound to names.
type Bound = HashMap<String, Value>;

/// Runs all steps of a file and reports those whose answers differ.
pub fn replay(file: &str) {
    let failed = actix_rt::System::new().block_on(async {
        let endpoint = Endpoint::start().await;
        let (admin, server) = endpoint.child(CHILD).await;
        let mut bound = Bound::new();
        for (name, value) in [("child", CHILD), ("admin", &admin), ("server", &server)] {
            bound.insert(name.to_owned(), Value::from(value));
        }
        let mut failed = Vec::new();
        for line in file.lines().filter(|line| !line.trim().is_empty()) {
            let step: Value = serde_json::from_str(&shallow(line)).unwrap();
            let wrong = run(&endpoint, &step, &mut bound).await;
            if !wrong.is_empty() {
                let name = step.get("name").and_then(Value::as_str).unwrap_or_default();
                failed.push(format!("{name}\n    {}", wrong.join("\n    ")));
            }
        }
        failed
    });
    assert!(failed.is_empty(), "{} steps differ:\n{}", failed.len(), failed.join("\n"));
}

/// A text with what was bound filled in.
fn fill_text(text: &str, bound: &Bound) -> String {
    let mut filled = text.to_owned();
    for (name, value) in bound {
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filled = filled.replace(&format!("{{{{{name}}}}}"), &shown);
    }
    filled
}

/// A value with what was bound filled in.
fn fill(value: &Value, bound: &Bound) -> Value {
    match value {
        Value::String(text) => {
            let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            match whole.and_then(|name| bound.get(name)) {
                Some(value) => value.clone(),
                None => Value::from(fill_text(text, bound)),
            }
        }
        Value::Array(elements) => elements.iter().map(|element| fill(element, bound)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), fill(field, bound))).collect(),
        other => other.clone(),
    }
}

/// Runs a step; what is wrong with the answer.
async fn run(endpoint: &Endpoint, step: &Value, bound: &mut Bound) -> Vec<String> {
    if let Some(seconds) = step.get("wait").and_then(Value::as_f64) {
        endpoint.clock.advance(Duration::from_secs_f64(seconds));
    }
    let reply = Endpoint::send(request(endpoint, step, bound)).await;
    let answer =
        if step.get("text") == Some(&Value::Bool(true)) { Value::from(reply.text.clone()) } else { reply.json() };
    bind(step, &answer, bound);
    let mut wrong = Vec::new();
    let status = step.get("status").and_then(Value::as_u64).unwrap();
    if u64::from(reply.status) != status {
        wrong.push(format!("status: want {status}, got {}", reply.status));
    }
    if let Some(Value::Object(headers)) = step.get("headers_back") {
        wrong.extend(wrong_headers(headers, &reply, bound));
    }
    wrong.extend(differences(&fill(step.get("body").unwrap(), bound), &answer, "body"));
    wrong
}

/// The request of a step.
fn request(endpoint: &Endpoint, step: &Value, bound: &Bound) -> reqwest::RequestBuilder {
    let text = |name: &str| step.get(name).and_then(Value::as_str);
    let method = Method::from_bytes(text("method").unwrap_or("POST").as_bytes()).unwrap();
    let path = fill_text(text("path").unwrap_or("/"), bound);
    let mut headers: Vec<(String, String)> = vec![
        ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
        ("x-faunadb-api-version".to_owned(), "4".to_owned()),
    ];
    let mut set = |name: &str, value: Option<String>| {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.extend(value.map(|value| (name.to_owned(), value)));
    };
    let who = match step.get("as") {
        None if step.get("basic").is_some() => None,
        None => Some("server"),
        Some(who) => who.as_str(),
    };
    if let Some(who) = who {
        let secret = who.strip_prefix('=').map_or_else(|| fill_text(&format!("{{{{{who}}}}}"), bound), str::to_owned);
        set("authorization", Some(format!("Bearer {secret}")));
    }
    if let Some(Value::Object(given)) = step.get("headers") {
        for (name, value) in given {
            set(name, value.as_str().map(|value| fill_text(value, bound)));
        }
    }
    if let Some(basic) = text("basic") {
        set("authorization", Some(format!("Basic {}", STANDARD.encode(fill_text(basic, bound)))));
    }
    let mut request = endpoint.client.request(method, format!("{}{path}", endpoint.url));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let body = match (text("raw"), step.get("query")) {
        (Some(raw), _) => Some(fill_text(raw, bound)),
        (None, Some(query)) => Some(fill(query, bound).to_string()),
        (None, None) => None,
    };
    let pad = step.get("pad").and_then(Value::as_u64).map_or(0, |pad| usize::try_from(pad).unwrap());
    match body {
        Some(body) => request.body(body + &" ".repeat(pad)),
        None => request,
    }
}

/// Notes what later steps refer to.
fn bind(step: &Value, answer: &Value, bound: &mut Bound) {
    let Some(Value::Object(names)) = step.get("bind") else { return };
    for (name, path) in names {
        let parts = path.as_str().unwrap_or_default().split('.');
        let found = parts.into_iter().try_fold(answer, |here, part| match here {
            Value::Array(elements) => elements.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        });
        if let Some(found) = found {
            bound.insert(name.clone(), found.clone());
        }
    }
}

/// Headers that are not as recorded.
fn wrong_headers(wanted: &Map<String, Value>, reply: &Reply, bound: &Bound) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, value) in wanted {
        let got = reply.headers.get(name).map(|got| String::from_utf8_lossy(got.as_bytes()).into_owned());
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let fits = match (value.as_str().map(|value| fill_text(value, bound)), &got) {
            (None, got) => got.is_none(),
            (Some(_), None) => false,
            (Some(wanted), Some(got)) => match wanted.as_str() {
                "<any>" => true,
                "<number>" => is_number(got),
                "<ts>" => is_number(got) && got.len() == 16,
                exact => exact == got,
            },
        };
        if !fits {
            wrong.push(format!("header {name}: want {value}, got {got:?}"));
        }
    }
    wrong
}
