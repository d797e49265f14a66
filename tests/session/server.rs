//! A server with sessions only, and clients with their cookies.
//!
//! It uses SQLite, or the server in `DATABASE_TEST_URL`; each test has a database of its own.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, Json, Path};
use actix_web::{App, HttpRequest, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use sqlx::AssertSqlSafe;
use starter::clock::Clock;
use starter::database::Database;
use starter::http::routes::unlisted;
use starter::seal::SealRing;
use starter::session;
use starter::session::{
    Error, MaybeSignedIn, NewSession, NoTokenProvider, Refused, SessionHandle, SessionTokenProvider, Sessions,
    Settings, SignedIn, SignedInNow, Transfer, UserId,
};
use tempfile::TempDir;

use crate::interruptions::count_interruptions;
use crate::support::client::{Response, TestClient};
use crate::support::database;
use crate::support::world;
use crate::support::world::Server;

pub const SECOND: Duration = Duration::from_secs(1);

pub type World = world::World<SessionServer>;

/// A server with the session module only.
pub struct SessionServer {
    base: String,
    pub sessions: Sessions,
    pub database: Database,
    pub url: String,
    /// Requests whose handler was dropped before it had a response, because the client closed the connection.
    pub interrupted: Arc<AtomicUsize>,
    handle: ServerHandle,
}

impl Server for SessionServer {
    fn base(&self) -> String {
        self.base.clone()
    }

    /// A client without headers and cookies.
    fn visitor(&self) -> TestClient {
        TestClient::without_headers(self.base.clone())
    }
}

impl Drop for SessionServer {
    fn drop(&mut self) {
        let handle = self.handle.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { handle.stop(false).await });
        }
    }
}

/// The parameters that a test may change.
pub struct WorldOptions {
    pub settings: Settings,
    pub token_provider: Arc<dyn SessionTokenProvider>,
}

impl WorldOptions {
    pub fn new() -> Self {
        let seal = SealRing::new([("test".to_owned(), [7; 32])]);
        let settings = Settings::new("http://localhost:3000", "http://localhost:3000", seal);
        Self { settings, token_provider: Arc::new(NoTokenProvider) }
    }
}

impl World {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut WorldOptions)) -> Self {
        let mut options = WorldOptions::new();
        change(&mut options);
        let files = Arc::new(TempDir::new().unwrap());
        let url = new_database(&files).await;
        Self::on(url, options, Clock::system(), files).await
    }

    /// A second server on the same database, with a cache and keys of its own, as in another process.
    pub async fn sibling(&self) -> Self {
        self.sibling_with(|_| {}).await
    }

    pub async fn sibling_with(&self, change: impl FnOnce(&mut WorldOptions)) -> Self {
        let mut options = WorldOptions::new();
        change(&mut options);
        Self::on(self.server.url.clone(), options, self.clock.clone(), Arc::clone(&self.directory)).await
    }

    /// A server on an existing database.
    pub async fn on_database(url: String, change: impl FnOnce(&mut WorldOptions)) -> Self {
        let mut options = WorldOptions::new();
        change(&mut options);
        Self::on(url, options, Clock::system(), Arc::new(TempDir::new().unwrap())).await
    }

    /// A client with the cookies of another one.
    pub fn visitor_like(&self, client: &TestClient) -> TestClient {
        let mut copy = client.clone().at(&self.base());
        copy.headers.clear();
        copy
    }

    async fn on(url: String, options: WorldOptions, clock: Clock, directory: Arc<TempDir>) -> Self {
        let database = Database::open(&url).await.unwrap();
        let sessions =
            Sessions::open(options.settings, database.clone(), clock.clone(), options.token_provider).await.unwrap();
        let shared = Data::new(sessions.clone());
        let interrupted = Arc::new(AtomicUsize::new(0));
        let counter = Data::from(Arc::clone(&interrupted));
        let http = HttpServer::new(move || {
            App::new()
                .wrap(from_fn(session::attach))
                .wrap(from_fn(count_interruptions))
                .app_data(shared.clone())
                .app_data(counter.clone())
                .service(web::scope("/auth").configure(unlisted(session::routes)))
                .service(web::scope("/api").configure(unlisted(session::api_routes)))
                .configure(unlisted(session::session_info_route))
                .service(web::resource("/login/{user}").post(login))
                .service(web::resource("/login-apart/{user}").post(login_apart))
                .service(web::resource("/me").get(me).post(me))
                .service(web::resource("/twice").get(twice))
                .service(web::resource("/maybe").get(maybe))
                .service(web::resource("/now").get(now))
                .service(web::resource("/payload").get(payload).put(merge))
        });
        // A closed connection drops the handler at once; by default only a reset does.
        let http = http.h1_allow_half_closed(false);
        let http = http.workers(2).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        let base = format!("http://{}", http.addrs()[0]);
        let running = http.run();
        let handle = running.handle();
        tokio::spawn(running);
        let server = SessionServer { base, sessions, database, url, interrupted, handle };
        Self { clock, directory, server }
    }

    /// A client that is signed in, with its tokens in cookies.
    pub async fn sign_in(&self, user: &str) -> TestClient {
        let mut visitor = self.visitor();
        let answer = visitor.header("st-auth-mode", "cookie").post_empty(&format!("/login/{user}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        visitor
    }

    /// Runs a statement directly on the database; returns the number of affected rows.
    pub async fn sql(&self, statement: &str) -> u64 {
        let done =
            sqlx::query(AssertSqlSafe(statement.to_owned())).execute(self.server.database.write()).await.unwrap();
        done.rows_affected()
    }

    /// Lineages of the effective refresh token and of the one before it, of the only session.
    pub async fn lineages(&self) -> (String, Option<String>) {
        let statement = "select current_lineage, previous_lineage from session";
        sqlx::query_as(statement).fetch_one(self.server.database.write()).await.unwrap()
    }

    /// Reads a number directly from the database.
    pub async fn count(&self, statement: &str) -> i64 {
        let statement = AssertSqlSafe(statement.to_owned());
        sqlx::query_scalar(statement).fetch_one(self.server.database.write()).await.unwrap()
    }
}

/// The URL of a new database.
async fn new_database(files: &TempDir) -> String {
    let file = || format!("sqlite://{}", files.path().join("test.sqlite").display());
    database::on_server().await.unwrap_or_else(file)
}

impl Response {
    /// The decoded header `front-token`.
    pub fn front(&self) -> Value {
        serde_json::from_slice(&STANDARD.decode(self.find_header("front-token").unwrap()).unwrap()).unwrap()
    }

    /// Whether the response leaves the client's tokens unchanged.
    pub fn leaves_tokens_alone(&self) -> bool {
        let names = ["set-cookie", "front-token", "st-access-token", "st-refresh-token", "anti-csrf"];
        names.iter().all(|name| !self.headers.contains_key(*name))
    }

    /// Whether the response removes the client's tokens, in cookies and headers.
    pub fn clears_everything(&self) -> bool {
        let cookies: Vec<_> = self.headers.get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
        self.find_header("front-token") == Some("remove")
            && self.find_header("st-access-token") == Some("")
            && self.find_header("st-refresh-token") == Some("")
            && cookies.len() == 2
            && cookies.iter().all(|line| line.contains("=; ") && line.contains("Expires=Thu, 01 Jan 1970"))
    }

    pub fn is_try_refresh(&self) -> bool {
        self.status == 401 && self.text == r#"{"message":"try refresh token"}"# && self.leaves_tokens_alone()
    }

    pub fn is_unauthorised(&self) -> bool {
        self.status == 401 && self.text == r#"{"message":"unauthorised"}"#
    }

    pub fn is_theft(&self) -> bool {
        self.status == 401 && self.text == r#"{"message":"token theft detected"}"# && self.clears_everything()
    }
}

/// The claims of an access token of version 5.
pub fn claims(token: impl AsRef<str>) -> Map<String, Value> {
    let payload = token.as_ref().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn login(
    request: HttpRequest,
    sessions: Data<Sessions>,
    user: Path<String>,
    payload: Option<Json<Map<String, Value>>>,
) -> Result<String, Refused> {
    let user = UserId::parse(&user).unwrap();
    let payload = payload.map(Json::into_inner).unwrap_or_default();
    let created: Result<SessionHandle, Error> = sessions.create(&request, &user, payload).await;
    Ok(created.map_err(|error| sessions.refuse(error))?.to_string())
}

async fn login_apart(request: HttpRequest, sessions: Data<Sessions>, user: Path<String>) -> &'static str {
    let user = UserId::parse(&user).unwrap();
    let new = NewSession::of(user);
    sessions.attach(&request, sessions.issue(new, false).await.unwrap(), Transfer::Cookie);
    ""
}

async fn me(me: SignedIn) -> String {
    me.user().to_string()
}

async fn twice(me: SignedIn, again: SignedIn) -> String {
    assert_eq!(me.handle(), again.handle());
    me.user().to_string()
}

async fn maybe(me: MaybeSignedIn) -> String {
    me.0.map_or_else(|| "nobody".to_owned(), |me| me.user().to_string())
}

async fn now(me: SignedInNow) -> String {
    me.0.user().to_string()
}

async fn payload(me: SignedIn) -> Json<Map<String, Value>> {
    Json(me.payload().clone())
}

async fn merge(
    mut me: SignedIn,
    sessions: Data<Sessions>,
    update: Json<Map<String, Value>>,
) -> Result<Json<Map<String, Value>>, Refused> {
    me.merge_payload(update.into_inner()).await.map_err(|error| sessions.refuse(error))?;
    Ok(Json(me.payload().clone()))
}
