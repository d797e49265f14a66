//! The users, their requests, and the report.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::join_all;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::histogram::Histogram;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests to a site and reports how long the answers take. Leaves users load-1@example.com and so on there, and one comment.
#[derive(Clone, Debug, Parser)]
#[command(name = "load")]
pub struct Plan {
    /// Address of the site, such as <https://app.example.com>
    #[arg(value_parser = address)]
    pub site: String,
    /// Users who work at the same time, each with a session
    #[arg(long, default_value_t = 16)]
    pub users: u32,
    /// How long requests are sent
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// Requests a second of all users together; without it each sends the next request when the last one is answered
    #[arg(long)]
    pub rate: Option<f64>,
    /// How often each kind of request comes: session, list, visitor, like, refresh, signin
    #[arg(long, value_delimiter = ',', default_values = ["session=40", "list=30", "visitor=20", "like=8", "refresh=2"], value_parser = share)]
    pub mix: Vec<(Kind, u32)>,
    /// Password of the users
    #[arg(long, default_value = "correct horse 1")]
    pub password: String,
    /// `API_BASE_PATH` of the site
    #[arg(long, default_value = "/auth")]
    pub api_base_path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Session,
    List,
    Visitor,
    Like,
    Refresh,
    SignIn,
}

/// The address without a slash at its end, so that paths can be put behind it.
fn address(text: &str) -> Result<String, String> {
    let is_complete = reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if is_complete {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("must begin with http:// or https://".to_owned())
    }
}

fn share(text: &str) -> Result<(Kind, u32), String> {
    let (name, share) = text.split_once('=').ok_or("expected NAME=SHARE")?;
    let kind = match name {
        "session" => Kind::Session,
        "list" => Kind::List,
        "visitor" => Kind::Visitor,
        "like" => Kind::Like,
        "refresh" => Kind::Refresh,
        "signin" => Kind::SignIn,
        _ => return Err(format!("unknown kind {name}, expected session, list, visitor, like, refresh or signin")),
    };
    Ok((kind, share.parse().map_err(|_odd| "the share must be a whole number")?))
}

/// Latencies of answered requests and causes of failures, by kind.
#[derive(Debug, Default)]
pub struct Report {
    pub answered: BTreeMap<Kind, Histogram>,
    failed: BTreeMap<(Kind, String), u64>,
    span: Duration,
}

impl Report {
    /// Whether a request failed, or none was answered.
    pub fn has_failures(&self) -> bool {
        !self.failed.is_empty() || self.answered.is_empty()
    }

    fn add(&mut self, kind: Kind, latency: Duration, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.answered.entry(kind).or_default().add(latency),
            Err(cause) => *self.failed.entry((kind, cause)).or_default() += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        for (kind, histogram) in other.answered {
            self.answered.entry(kind).or_default().merge(&histogram);
        }
        for (cause, count) in other.failed {
            *self.failed.entry(cause).or_default() += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Histogram::default();
        self.answered.values().for_each(|histogram| all.merge(histogram));
        writeln!(
            out,
            "{:<10}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}",
            "ms", "answered", "a second", "p50", "p95", "p99", "longest"
        )?;
        let named = self.answered.iter().map(|(kind, histogram)| (format!("{kind:?}").to_lowercase(), histogram));
        for (name, histogram) in named.chain([("all".to_owned(), &all)]) {
            let ms = |latency: Duration| latency.as_secs_f64() * 1e3;
            let a_second =
                Duration::from_secs(histogram.count()).div_duration_f64(self.span.max(Duration::from_millis(1)));
            write!(out, "{name:<10}{:>10}{a_second:>10.0}", histogram.count())?;
            let [p50, p95, p99] = [500, 950, 990].map(|permille| ms(histogram.at(permille)));
            writeln!(out, "{p50:>9.2}{p95:>9.2}{p99:>9.2}{:>9.2}", ms(histogram.longest()))?;
        }
        for ((kind, cause), count) in &self.failed {
            writeln!(out, "{count} × {kind:?} failed: {cause}")?;
        }
        Ok(())
    }
}

/// Runs the plan.
///
/// # Errors
/// A user cannot be signed up or in, or there is no kind of request.
pub async fn run(plan: &Plan) -> Result<Report, Box<dyn Error>> {
    let order = order(&plan.mix);
    if order.is_empty() || plan.users == 0 {
        return Err("nothing to do: --mix has no shares, or --users is 0".into());
    }
    let mut users = Vec::new();
    for number in 1..=plan.users {
        users.push(User::enter(plan, number).await?);
    }
    let began = Instant::now();
    let until = began + Duration::try_from_secs_f64(plan.seconds)?;
    let every = plan.rate.map(|rate| Duration::from_secs_f64(f64::from(plan.users) / rate.max(0.001)));
    let runs = users.into_iter().zip(0..).map(|(user, number)| {
        let first = began + every.unwrap_or_default() / plan.users * number;
        user.work(&order, Schedule { first, every, until })
    });
    let mut report = Report::default();
    join_all(runs).await.into_iter().for_each(|of_user| report.merge(of_user));
    report.span = began.elapsed();
    Ok(report)
}

/// The kinds in the order in which a user sends them: each spread evenly over the round.
fn order(mix: &[(Kind, u32)]) -> Vec<Kind> {
    let total: u32 = mix.iter().map(|(_, share)| share).sum();
    let mut order: Vec<(u64, Kind)> = Vec::new();
    for (kind, share) in mix {
        let places = (0..*share).map(|n| u64::from(2 * n + 1) * u64::from(total) * 1000 / u64::from(2 * share));
        order.extend(places.map(|place| (place, *kind)));
    }
    order.sort();
    order.into_iter().map(|(_, kind)| kind).collect()
}

struct Schedule {
    first: Instant,
    /// Time between two requests of a user; `None`: one after the other.
    every: Option<Duration>,
    until: Instant,
}

struct User {
    http: Client,
    plan: Plan,
    email: String,
    access: String,
    refresh: String,
    /// A comment to like and unlike.
    comment: String,
    likes: bool,
}

impl User {
    /// Signs a user up, or in where there is one already, and posts a comment.
    async fn enter(plan: &Plan, number: u32) -> Result<Self, Box<dyn Error>> {
        let http = Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        let (email, nothing) = (format!("load-{number}@example.com"), String::new());
        let (access, refresh, comment) = (nothing.clone(), nothing.clone(), nothing);
        let mut user = Self { http, plan: plan.clone(), email, access, refresh, comment, likes: false };
        let signed_up = user.credentials("signup").send().await?;
        if user.keep_tokens(&signed_up).is_err() {
            let signed_in = user.credentials("signin").send().await?;
            user.keep_tokens(&signed_in).map_err(|why| format!("{} cannot sign in: {why}", user.email))?;
        }
        let posted = user.request(Method::POST, "/api/comments").header("content-type", "application/json");
        let posted = posted.body(json!({"text": "Load."}).to_string()).send().await?;
        let posted: Value = serde_json::from_slice(&posted.bytes().await?)?;
        let id =
            posted.get("id").and_then(Value::as_str).ok_or_else(|| format!("no comment can be posted: {posted}"))?;
        id.clone_into(&mut user.comment);
        Ok(user)
    }

    async fn work(mut self, order: &[Kind], schedule: Schedule) -> Report {
        let mut report = Report::default();
        let mut due = schedule.first;
        for kind in order.iter().copied().cycle() {
            if schedule.every.is_some() {
                tokio::time::sleep_until(due.into()).await;
            }
            if Instant::now() >= schedule.until {
                break;
            }
            // A request that is due while the last one is waited for is late, and its latency counts from when it was due.
            let begins = if schedule.every.is_some() { due } else { Instant::now() };
            let outcome = self.send(kind).await;
            report.add(kind, begins.elapsed(), outcome);
            due += schedule.every.unwrap_or_default();
        }
        report
    }

    async fn send(&mut self, kind: Kind) -> Result<(), String> {
        let like = format!("/api/comments/{}/like", self.comment);
        let request = match kind {
            Kind::Session => self.request(Method::GET, "/sessioninfo"),
            Kind::List => self.request(Method::GET, "/api/comments"),
            Kind::Visitor => self.http.get(format!("{}/api/comments", self.plan.site)),
            Kind::Like => {
                self.likes = !self.likes;
                self.request(if self.likes { Method::PUT } else { Method::DELETE }, &like)
            }
            Kind::Refresh => self.auth("session/refresh").bearer_auth(&self.refresh),
            Kind::SignIn => self.credentials("signin"),
        };
        let response = request.send().await.map_err(|error| error.without_url().to_string())?;
        if !response.status().is_success() {
            return Err(format!("status {}", response.status()));
        }
        if matches!(kind, Kind::Refresh | Kind::SignIn) {
            self.keep_tokens(&response)?;
        }
        response.bytes().await.map_err(|error| error.without_url().to_string())?;
        Ok(())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.plan.site)).bearer_auth(&self.access)
    }

    fn auth(&self, path: &str) -> RequestBuilder {
        let Plan { site, api_base_path, .. } = &self.plan;
        self.http.post(format!("{site}{api_base_path}/{path}")).header("st-auth-mode", "header")
    }

    fn credentials(&self, path: &str) -> RequestBuilder {
        let fields = [("email", &self.email), ("password", &self.plan.password)];
        let fields: Vec<Value> = fields.iter().map(|(id, value)| json!({"id": id, "value": value})).collect();
        let body = json!({"formFields": fields}).to_string();
        self.auth(path).header("content-type", "application/json").body(body)
    }

    fn keep_tokens(&mut self, response: &Response) -> Result<(), String> {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let tokens = header("st-access-token").zip(header("st-refresh-token"));
        let (access, refresh) = tokens.ok_or_else(|| format!("status {} without tokens", response.status()))?;
        access.clone_into(&mut self.access);
        refresh.clone_into(&mut self.refresh);
        Ok(())
    }
}
