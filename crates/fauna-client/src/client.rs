//! Sending queries.
//!
//! A [`Client`] knows the endpoint but has no secret. Queries are sent by [`AsApp`] (the key of the application), [`AsUser`] (the
//! token of a signed-in user) or [`AsAdmin`] (a secret that may change the schema). These are different types so that a query on
//! behalf of a user cannot be sent with the application's key by mistake: that would be a compile error.
//!
//! FaunaDB answers 409 when many transactions write the same document, and a node can be unreachable for a moment. A query that was
//! certainly not executed is therefore sent again, with jittered pauses and within the deadline of the call. A query that may have
//! been executed is repeated only by [`As::query_idempotent`].

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Url, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tokio::time::Instant;

use crate::denied::Sent;
use crate::fql::Expr;
use crate::retry::{Attempts, Effect, pause, random_fraction};
use crate::transport::transport_error;
use crate::{ClientOptions, Error, EventStream, TraceParent, error, fql, stream};

/// FaunaDB closes idle connections after 5 s; closing earlier avoids sending on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Difference between the deadline of the call and the query time-out sent to Fauna, so that its answer still arrives.
const ANSWER_MARGIN: Duration = Duration::from_millis(100);
/// Maximum size of a response body.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Maximum size of a query, as in FaunaDB. Longer ones are not sent, because FaunaDB closes the connection before it has read them.
const QUERY_BYTES_MAX: usize = 8 << 20;
/// Retries of a contended transaction inside Fauna; 7 is the maximum it accepts.
const RETRIES_INSIDE: &str = "7";

/// The endpoint and the connections to it. Clones share the connections.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Url,
    /// Deadline of one query, including retries.
    deadline: Duration,
    limits: Attempts,
    /// The latest transaction time seen, in microseconds. Sent with every query, so that a cluster never answers from an older
    /// snapshot, whichever node is asked.
    last_seen: Arc<AtomicI64>,
}

impl Client {
    /// A client with the default [`ClientOptions`] and this deadline for one query.
    ///
    /// # Errors
    /// [`Error::Endpoint`] if the address is not a URL.
    pub fn new(endpoint: &str, deadline: Duration) -> Result<Self, Error> {
        Self::with_options(endpoint, &ClientOptions { timeout: deadline, ..ClientOptions::default() })
    }

    /// A client for the endpoint at this URL, such as `http://127.0.0.1:8443`. No connection is opened yet.
    ///
    /// # Errors
    /// [`Error::Endpoint`] if the address is not a URL, [`Error::Certificates`] if the CA certificates cannot be read.
    pub fn with_options(endpoint: &str, options: &ClientOptions) -> Result<Self, Error> {
        let endpoint = Url::parse(endpoint).map_err(|error| Error::Endpoint(error.to_string()))?;
        let mut headers = HeaderMap::new();
        headers.insert("x-faunadb-api-version", HeaderValue::from_static("4"));
        headers.insert("x-max-retries-on-contention", HeaderValue::from_static(RETRIES_INSIDE));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let certificates = options.certificates()?;
        // Of what the builder is given, only certificates can be invalid.
        let refused = if certificates.is_empty() { Error::Endpoint } else { Error::Certificates };
        let mut builder = reqwest::Client::builder();
        if endpoint.scheme() == "http" {
            // Loading the system's certificate store would take longer than the rest of the start.
            builder = builder.tls_certs_only([]);
        } else if !certificates.is_empty() {
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .connect_timeout(options.connect_timeout)
            .tcp_nodelay(true)
            .default_headers(headers)
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let limits = Attempts::new(options);
        let last_seen = Arc::new(AtomicI64::new(0));
        Ok(Self { http, endpoint, deadline: options.timeout, limits, last_seen })
    }

    /// Deadline of one query, including retries.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    async fn run<T: DeserializeOwned>(
        &self,
        secret: &SecretString,
        sent: Sent<'_>,
        effect: Effect,
    ) -> Result<T, Error> {
        let body = sent.query.text().map_err(|error| Error::Protocol(error.to_string()))?;
        if body.len() > QUERY_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        let end = Instant::now() + self.deadline;
        let mut tries = 0;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let failure = match self.once(secret, sent, body.clone(), left).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            tries += 1;
            let pause = pause(tries, random_fraction());
            if tries >= self.limits.of(&failure, effect) || Instant::now() + pause + ANSWER_MARGIN >= end {
                return Err(failure);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a query and reads its answer.
    async fn once<T: DeserializeOwned>(
        &self,
        secret: &SecretString,
        sent: Sent<'_>,
        body: Bytes,
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
        if let Some(trace) = TraceParent::current() {
            let (parent, state) = trace.into_headers();
            request = request.header("traceparent", parent);
            if let Some(state) = state {
                request = request.header("tracestate", state);
            }
        }
        let seen = self.last_seen.load(Ordering::Relaxed);
        if seen > 0 {
            request = request.header("x-last-seen-txn", seen);
        }
        let mut answer = request.send().await.map_err(transport_error)?;
        if let Some(seen) = transaction_time(answer.headers()) {
            self.last_seen.fetch_max(seen, Ordering::Relaxed);
        }
        let status = answer.status();
        let text = whole_body(&mut answer).await?;
        if !status.is_success() {
            return Err(error::classify(status.as_u16(), &text, sent));
        }
        serde_json::from_slice::<Answer<T>>(&text)
            .map(|answer| answer.resource)
            .map_err(|error| Error::Protocol(error.to_string()))
    }

    async fn open_stream<D: DeserializeOwned>(
        &self,
        secret: &SecretString,
        sent: Sent<'_>,
    ) -> Result<EventStream<D>, Error> {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("stream");
        }
        url.query_pairs_mut().append_pair("fields", stream::FIELDS);
        let body = sent.query.text().map_err(|error| Error::Protocol(error.to_string()))?;
        let sending = self.http.post(url).bearer_auth(secret.expose_secret()).body(body).send();
        let late = |_elapsed| Error::Unanswered("the stream was not opened in time".to_owned());
        let mut answer = tokio::time::timeout(self.deadline, sending).await.map_err(late)?.map_err(transport_error)?;
        if answer.status().is_success() {
            return Ok(EventStream::new(answer, Arc::clone(&self.last_seen)));
        }
        let status = answer.status().as_u16();
        let text = tokio::time::timeout(self.deadline, whole_body(&mut answer)).await.map_err(late)??;
        Err(error::classify(status, &text, sent))
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    /// The value of the query.
    resource: T,
}

/// The body of a response, up to [`ANSWER_BYTES_MAX`].
async fn whole_body(answer: &mut reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(transport_error)? {
        text.extend_from_slice(&chunk);
        if text.len() > ANSWER_BYTES_MAX {
            return Err(Error::AnswerTooLarge);
        }
    }
    Ok(text)
}

fn transaction_time(headers: &HeaderMap) -> Option<i64> {
    headers.get("x-txn-time")?.to_str().ok()?.parse().ok()
}

/// Type parameter of [`AsApp`]; has no values.
#[derive(Clone, Copy)]
pub enum App {}
/// Type parameter of [`AsUser`]; has no values.
#[derive(Clone, Copy)]
pub enum User {}
/// Type parameter of [`AsAdmin`]; has no values.
#[derive(Clone, Copy)]
pub enum Admin {}

/// A kind of secret.
pub trait Credential {
    /// The role of such secrets, for the log.
    const ROLE: &'static str;
}

impl Credential for App {
    const ROLE: &'static str = "backend";
}

impl Credential for User {
    const ROLE: &'static str = "those of the signed-in user";
}

impl Credential for Admin {
    const ROLE: &'static str = "admin";
}

/// A client together with a secret; `Who` is the kind of secret.
#[derive(Clone)]
pub struct As<Who> {
    client: Client,
    secret: SecretString,
    who: PhantomData<Who>,
}

/// Queries with the key of the application, whose role is `backend`: it creates users, checks passwords, issues and deletes tokens, and
/// reads what anonymous visitors may see.
pub type AsApp = As<App>;
/// Queries with the Fauna token of a signed-in user.
pub type AsUser = As<User>;
/// Queries with a secret that may change the schema; used to install it.
pub type AsAdmin = As<Admin>;

impl<Who> fmt::Debug for As<Who> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("As { .. }")
    }
}

impl<Who: Credential> As<Who> {
    /// Combines a client and a secret. The secret is not checked.
    pub fn new(client: &Client, secret: SecretString) -> Self {
        Self { client: client.clone(), secret, who: PhantomData }
    }

    /// A copy with another deadline per query.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self { client: Client { deadline, ..self.client.clone() }, secret: self.secret.clone(), who: PhantomData }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Executes a query at most once.
    ///
    /// # Errors
    /// [`Error::Unanswered`] if it is unknown whether the query was executed; the other variants as described there.
    pub async fn query<T: DeserializeOwned>(&self, query: &Expr) -> Result<T, Error> {
        self.client.run(&self.secret, Sent { role: Who::ROLE, query }, Effect::Once).await
    }

    /// Executes a query that may be executed more than once: one that only reads, or whose writes are idempotent.
    ///
    /// # Errors
    /// As [`Self::query`]; after [`Error::Unanswered`] the query has been repeated within the deadline.
    pub async fn query_idempotent<T: DeserializeOwned>(&self, query: &Expr) -> Result<T, Error> {
        self.client.run(&self.secret, Sent { role: Who::ROLE, query }, Effect::Idempotent).await
    }
}

impl<Who: Credential> As<Who> {
    /// Opens a stream of the events of what the query gives: a reference to a document, a document, `match` or `documents`. `D` is the
    /// type of the field `data`. The deadline applies until the stream is open, not to its events.
    ///
    /// # Errors
    /// As [`Self::query`]. Opening a stream changes nothing and can be repeated.
    pub async fn stream<D: DeserializeOwned>(&self, query: &Expr) -> Result<EventStream<D>, Error> {
        self.client.open_stream(&self.secret, Sent { role: Who::ROLE, query }).await
    }
}

impl AsApp {
    /// Checks that the endpoint answers and accepts the key.
    ///
    /// # Errors
    /// [`Error::Unauthorized`] if the key does not exist any more.
    pub async fn check(&self) -> Result<(), Error> {
        let _now: IgnoredAny = self.query_idempotent(&fql::now()).await?;
        Ok(())
    }
}

impl AsUser {
    /// The secret, for callers that must send it themselves. Never log or store it in clear.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_query_over_the_size_limit_is_not_sent() {
        let nobody = Client::new("http://127.0.0.1:1", Duration::from_secs(1)).unwrap();
        let app = AsApp::new(&nobody, "secret".to_owned().into());
        let sent = async |length| app.query::<String>(&Expr::from("x".repeat(length).as_str())).await.unwrap_err();
        assert!(matches!(sent(QUERY_BYTES_MAX).await, Error::TooLarge));
        assert!(matches!(sent(QUERY_BYTES_MAX - 2).await, Error::Unavailable(_)));
    }

    /// Answers each request with `part` again and again.
    async fn endless(part: Vec<u8>, pause: Duration, deadline: Duration) -> Client {
        const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let part = part.clone();
                tokio::spawn(async move {
                    let _asked = stream.read(&mut [0; 4096]).await;
                    let _sent = stream.write_all(HEAD).await;
                    while stream.write_all(&part).await.is_ok() {
                        tokio::time::sleep(pause).await;
                    }
                });
            }
        });
        Client::new(&endpoint, deadline).unwrap()
    }

    #[tokio::test]
    async fn an_answer_that_does_not_end_is_given_up() {
        let ask = async |client: Client| {
            let app = AsApp::new(&client, "secret".to_owned().into());
            app.query::<String>(&Expr::from("x")).await.unwrap_err()
        };
        let slow = endless(b" ".to_vec(), Duration::from_millis(20), Duration::from_millis(300)).await;
        assert!(matches!(ask(slow).await, Error::Unanswered(_)), "its deadline is that of the whole answer");
        let large = endless(vec![b' '; 1 << 16], Duration::ZERO, Duration::from_mins(1)).await;
        let refused = ask(large).await;
        assert!(matches!(refused, Error::AnswerTooLarge), "its size is limited: {refused:?}");
    }

    #[test]
    fn an_endpoint_that_is_not_a_url_is_refused() {
        assert!(Client::new("http://127.0.0.1:8443", Duration::from_secs(1)).is_ok());
        assert!(matches!(Client::new("fauna", Duration::from_secs(1)), Err(Error::Endpoint(_))));
    }
}
