//! The embedded Fauna that all processes share, and what stands between them: a proxy that knows which process asks and loses
//! requests and answers as its script says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

use super::script::Script;

pub struct Proxy {
    pub base: String,
    links: Data<Links>,
    server: ServerHandle,
}

struct Links {
    http: reqwest::Client,
    endpoint: String,
    /// By number of the process.
    scripts: Mutex<Vec<Arc<Script>>>,
    /// Secrets of tokens that Fauna has sent in answers.
    secrets: Mutex<Vec<String>>,
}

/// A token in Fauna that has not expired.
#[derive(Debug)]
pub struct StoredToken {
    pub id: String,
    /// It only keeps its id from being used.
    pub is_blocked_id: bool,
}

impl Proxy {
    pub fn start(endpoint: &str) -> Self {
        let http = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().unwrap();
        let links = Data::new(Links {
            http,
            endpoint: endpoint.to_owned(),
            scripts: Mutex::default(),
            secrets: Mutex::default(),
        });
        let shared = links.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(8 << 20))
                .service(web::resource("/{process}").post(pass))
        });
        let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", server.addrs()[0]);
        let running = server.run();
        let handle = running.handle();
        actix_rt::spawn(running);
        Self { base, links, server: handle }
    }

    /// The endpoint of a new process.
    pub fn link(&self, script: Arc<Script>) -> String {
        let mut scripts = lock(&self.links.scripts);
        scripts.push(script);
        format!("{}/{}", self.base, scripts.len() - 1)
    }

    /// The secrets that were sent since the last call.
    pub fn take_secrets(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.links.secrets))
    }

    pub async fn stop(&self) {
        self.server.stop(false).await;
    }

    /// Asks Fauna, past all faults.
    pub async fn ask(&self, secret: &str, query: &Value) -> (u16, Value) {
        let request = self.links.http.post(&self.links.endpoint).bearer_auth(secret);
        let answer = request.header("x-faunadb-api-version", "4").body(query.to_string()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// All tokens of sessions.
    pub async fn tokens(&self, admin: &str) -> Vec<StoredToken> {
        let token = json!({"get": {"var": "ref"}});
        let is_blocked_id = json!({"select": ["data", "buried"], "from": token, "default": false});
        let pair = json!([{"select": ["ref", "id"], "from": token}, is_blocked_id]);
        let all = json!({"paginate": {"documents": {"tokens": null}}, "size": 10_000});
        let query = json!({"map": {"lambda": "ref", "expr": pair}, "collection": all});
        let (status, body) = self.ask(admin, &query).await;
        assert_eq!(status, 200, "{body}");
        let rows = body["resource"]["data"].as_array().unwrap();
        let read = |row: &Value| StoredToken {
            id: row[0].as_str().unwrap().to_owned(),
            is_blocked_id: row[1].as_bool().unwrap(),
        };
        rows.iter().map(read).collect()
    }

    pub async fn has_user(&self, admin: &str, id: &str) -> bool {
        let query = json!({"exists": {"ref": {"collection": "users"}, "id": id}});
        let (status, body) = self.ask(admin, &query).await;
        assert_eq!(status, 200, "{body}");
        body["resource"] == true
    }

    /// The id of the token with this secret, if Fauna accepts it.
    pub async fn id_of(&self, secret: &str) -> Option<String> {
        let (status, body) = self.ask(secret, &json!({"select": "id", "from": {"current_token": null}})).await;
        assert!(matches!(status, 200 | 401), "{body}");
        (status == 200).then(|| body["resource"].as_str().unwrap().to_owned())
    }
}

async fn pass(request: HttpRequest, process: Path<usize>, body: Bytes, links: Data<Links>) -> HttpResponse {
    let Some(script) = lock(&links.scripts).get(*process).cloned() else { return failure() };
    let faulty = |what: &'static str| {
        let script = Arc::clone(&script);
        async move {
            tokio::select! {
                passes = script.at(what, true) => !passes,
                () = script.crashed() => true,
            }
        }
    };
    if faulty("before a query").await {
        return failure();
    }
    let mut forwarded = links.http.post(&links.endpoint).body(body);
    for name in ["authorization", "x-faunadb-api-version", "x-query-timeout", "x-max-retries-on-contention"] {
        if let Some(value) = request.headers().get(name) {
            forwarded = forwarded.header(name, value.as_bytes());
        }
    }
    let answer = forwarded.send().await.unwrap();
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let text = answer.text().await.unwrap();
    lock(&links.secrets).extend(secrets_in(&text));
    if faulty("after a query").await {
        return failure();
    }
    HttpResponse::build(status).content_type("application/json").body(text)
}

/// The process cannot tell whether the query was executed.
fn failure() -> HttpResponse {
    HttpResponse::BadGateway().content_type("text/html").body("simulated fault")
}

/// Strings that look like secrets of tokens.
fn secrets_in(text: &str) -> Vec<String> {
    let looks_like = |part: &&str| part.len() >= 40 && part.starts_with("fn");
    text.split('"').filter(looks_like).map(str::to_owned).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
