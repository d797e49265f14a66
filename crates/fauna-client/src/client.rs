//! One query over HTTP, as somebody.
//!
//! A [`Client`] cannot ask anything by itself: it takes the app's key ([`AsApp`]), a signed-in person's token ([`AsUser`])
//! or, for the schema, an admin's secret ([`AsAdmin`]), and these are different types (design D15).
//!
//! A query that Fauna certainly did not run is repeated, with jitter and inside the deadline of the call; one whose fate is
//! unknown only where running it twice is the same as once (design D22).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::Instant;

use crate::fql::Expr;
use crate::{Error, error, fql};

/// A FaunaDB node closes idle connections after 5 s; ours go first.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How much earlier than us Fauna is told to give up, so that its answer is still heard.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);
/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// The longest query that FaunaDB takes. It is not sent a longer one: it would answer before it has read it, and hang up.
const QUERY_BYTES_MAX: usize = 8 << 20;
/// Fauna's own repetitions of a contended transaction; 7 is the most it accepts.
const RETRIES_INSIDE: &str = "7";
/// How often a contended query is sent, with pauses that double up to [`PAUSE_MAX`].
const TRIES_CONTENDED: u32 = 12;
const TRIES_UNAVAILABLE: u32 = 3;
/// The first pause between two tries.
const PAUSE: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(800);

/// Where Fauna is, and the connections to it. Clones share them.
#[derive(Clone)]
pub struct Client {
    /// The pool of connections.
    http: reqwest::Client,
    /// The root of the endpoint.
    endpoint: Url,
    deadline: Duration,
    /// The latest transaction seen, microseconds: every query reads at least that, whichever node answers.
    last_seen: Arc<AtomicI64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Once,
    /// Twice is the same as once.
    Idempotent,
}

impl Client {
    /// A client for the endpoint at that address; a query is given up after `deadline`.
    pub fn new(endpoint: &str, deadline: Duration) -> Result<Self, Error> {
        let endpoint = Url::parse(endpoint).map_err(|error| Error::Endpoint(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert("x-faunadb-api-version", HeaderValue::from_static("4"));
        headers.insert("x-max-retries-on-contention", HeaderValue::from_static(RETRIES_INSIDE));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut builder = reqwest::Client::builder();
        if endpoint.scheme() == "http" {
            // Reading the system's roots takes longer than all the rest of a start, and nobody is asked for a certificate.
            builder = builder.tls_certs_only([]);
        }
        let http = builder
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .default_headers(headers)
            .build()
            .map_err(|error| Error::Endpoint(error.to_string()))?;
        Ok(Self { http, endpoint, deadline, last_seen: Arc::new(AtomicI64::new(0)) })
    }

    /// How long one query may take, repetitions included.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Runs a query, again where that is safe.
    async fn run<T: DeserializeOwned>(&self, secret: &SecretString, query: &Expr, effect: Effect) -> Result<T, Error> {
        let body = serde_json::to_vec(query.wire()).map_err(|error| Error::Protocol(error.to_string()))?;
        if body.len() > QUERY_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let end = Instant::now() + self.deadline;
        let mut tries = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let failure = match self.once(secret, body.clone(), left).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tries += 1;
            let pause = pause(tries, random_fraction());
            if tries >= tries_max(&failure, effect) || Instant::now() + pause + ANSWER_MARGIN >= end {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a query and reads its answer.
    async fn once<T: DeserializeOwned>(
        &self,
        secret: &SecretString,
        body: Vec<u8>,
        left: Duration,
    ) -> Result<T, Error> {
        let inner_ms = left.saturating_sub(ANSWER_MARGIN).as_millis().max(1);
        let mut request = self
            .http
            .post(self.endpoint.clone())
            .timeout(left)
            .bearer_auth(secret.expose_secret())
            .header("x-query-timeout", inner_ms.to_string())
            .body(body);
        let seen = self.last_seen.load(Ordering::Relaxed);
        if seen > 0 {
            request = request.header("x-last-seen-txn", seen);
        }
        let mut answer = request.send().await.map_err(unheard)?;
        if let Some(seen) = transaction_time(answer.headers()) {
            self.last_seen.fetch_max(seen, Ordering::Relaxed);
        }
        let status = answer.status();
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unheard)? {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_BYTES_MAX {
                return Err(Error::Protocol(format!("more than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        if !status.is_success() {
            return Err(error::classify(status.as_u16(), &text));
        }
        serde_json::from_slice::<Answer<T>>(&text)
            .map(|answer| answer.resource)
            .map_err(|error| Error::Protocol(error.to_string()))
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    /// The value of the query.
    resource: T,
}

fn transaction_time(headers: &HeaderMap) -> Option<i64> {
    headers.get("x-txn-time")?.to_str().ok()?.parse().ok()
}

/// What a failure of the transport means. Only one to connect says that nothing was sent.
fn unheard(failure: reqwest::Error) -> Error {
    let failure = failure.without_url();
    if failure.is_connect() { Error::Unavailable(failure.to_string()) } else { Error::Unanswered(failure.to_string()) }
}

fn tries_max(failure: &Error, effect: Effect) -> u32 {
    match (failure, effect) {
        (Error::Contended, _) => TRIES_CONTENDED,
        (Error::Unavailable(_), _) | (Error::Unanswered(_), Effect::Idempotent) => TRIES_UNAVAILABLE,
        (
            Error::Unanswered(_)
            | Error::Unauthorized
            | Error::PermissionDenied
            | Error::NotFound
            | Error::NotUnique
            | Error::AlreadyExists
            | Error::Aborted(_)
            | Error::TooLarge
            | Error::Refused { .. }
            | Error::Protocol(_)
            | Error::DeclaredTwice(_)
            | Error::Endpoint(_),
            _,
        ) => 1,
    }
}

/// The pause before the next try: doubling, and anywhere between half of it and all of it, so that those who collided spread out.
fn pause(tries: u32, fraction: u8) -> Duration {
    let whole = PAUSE.saturating_mul(1 << tries.min(8)).min(PAUSE_MAX);
    whole / 2 + whole.saturating_mul(u32::from(fraction)) / 510
}

/// A random fraction of 255; without randomness the middle.
fn random_fraction() -> u8 {
    let mut byte = [127];
    if aws_lc_rs::rand::fill(&mut byte).is_err() {
        return 127;
    }
    let [fraction] = byte;
    fraction
}

/// Marks the app's own key.
#[derive(Clone, Copy)]
pub enum App {}
/// Marks a signed-in person's token.
#[derive(Clone, Copy)]
pub enum User {}
/// Marks a secret that may change the schema.
#[derive(Clone, Copy)]
pub enum Admin {}

/// Somebody who can ask Fauna.
#[derive(Clone)]
pub struct As<Who> {
    client: Client,
    secret: SecretString,
    who: PhantomData<Who>,
}

/// The app itself, with its key: signs people up and in, mints and deletes tokens, reads what visitors may see – nothing else.
pub type AsApp = As<App>;
/// A signed-in person.
pub type AsUser = As<User>;
/// An administrator: installs the schema.
pub type AsAdmin = As<Admin>;

impl<Who> fmt::Debug for As<Who> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("As { .. }")
    }
}

impl<Who> As<Who> {
    /// Asks with this secret.
    pub fn new(client: &Client, secret: SecretString) -> Self {
        Self { client: client.clone(), secret, who: PhantomData }
    }

    /// The same with another deadline for each query.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { client: Client { deadline, ..self.client.clone() }, secret: self.secret.clone(), who: PhantomData }
    }

    /// The client it asks through.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a query at most once: after [`Error::Unanswered`] nobody knows whether it was run.
    pub async fn query<T: DeserializeOwned>(&self, query: &Expr) -> Result<T, Error> {
        self.client.run(&self.secret, query, Effect::Once).await
    }

    /// Runs a query that may be run twice: one that only reads, or that leaves the same behind every time.
    pub async fn query_idempotent<T: DeserializeOwned>(&self, query: &Expr) -> Result<T, Error> {
        self.client.run(&self.secret, query, Effect::Idempotent).await
    }
}

impl AsApp {
    /// Whether Fauna still knows the key.
    pub async fn check(&self) -> Result<(), Error> {
        let _now: IgnoredAny = self.query_idempotent(&fql::now()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_sent_again() {
        let unanswered = || Error::Unanswered("timeout".to_owned());
        for (failure, effect, expected) in [
            (Error::Contended, Effect::Once, TRIES_CONTENDED),
            (Error::Contended, Effect::Idempotent, TRIES_CONTENDED),
            (Error::Unavailable("refused".to_owned()), Effect::Once, TRIES_UNAVAILABLE),
            (unanswered(), Effect::Once, 1),
            (unanswered(), Effect::Idempotent, TRIES_UNAVAILABLE),
            (Error::NotUnique, Effect::Idempotent, 1),
            (Error::Unauthorized, Effect::Idempotent, 1),
        ] {
            assert_eq!(tries_max(&failure, effect), expected, "{failure} {effect:?}");
        }
    }

    #[tokio::test]
    async fn a_query_that_fauna_does_not_take_is_not_sent() {
        let nobody = Client::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap();
        let app = AsApp::new(&nobody, "secret".to_owned().into());
        let sent = async |length| app.query::<String>(&Expr::from("x".repeat(length).as_str())).await.unwrap_err();
        assert!(matches!(sent(QUERY_BYTES_MAX).await, Error::TooLarge));
        assert!(matches!(sent(QUERY_BYTES_MAX - 2).await, Error::Unavailable(_)));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_spread() {
        assert_eq!((pause(1, 0), pause(1, 255)), (PAUSE, PAUSE * 2));
        assert_eq!((pause(20, 0), pause(20, 255)), (PAUSE_MAX / 2, PAUSE_MAX));
    }

    #[test]
    fn an_address_is_checked() {
        assert!(Client::new("http://127.0.0.1:8443", Duration::from_secs(1)).is_ok());
        assert!(matches!(Client::new("fauna", Duration::from_secs(1)), Err(Error::Endpoint(_))));
    }
}
