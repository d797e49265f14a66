//! A process of the site, without sockets: a thread with its own runtime, services and connections. When it crashes, all of them
//! are dropped wherever they are.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::dev::Service as _;
use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::{App, test};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

use super::script::Script;
use crate::app::server::{RoutePlan, checked};
use crate::app::state::{AppState, Foundations};
use crate::app::{SiteExtensions, fauna_backend, features, session_settings, startup};
use crate::clock::Clock;
use crate::config::Config;
use crate::database;
use crate::http::routes::{RouteTable, Routes};
use crate::http::same_origin;

#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub token: Option<String>,
    pub body: Option<Value>,
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub access: Option<String>,
    pub refresh: Option<String>,
    pub has_retry_after: bool,
    pub text: String,
}

enum Message {
    Request(Request, oneshot::Sender<Answer>),
    /// Run the background task of Fauna tokens once.
    Collect(oneshot::Sender<bool>),
    Stop,
}

pub struct Process {
    pub script: Arc<Script>,
    messages: mpsc::UnboundedSender<Message>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Parameters of a new process.
pub struct Start {
    pub config: Config,
    pub clock: Clock,
    pub script: Arc<Script>,
    /// Receives all that this process logs.
    pub log: super::LogBuffer,
}

impl Process {
    /// Starts a process and waits until it is ready.
    pub async fn start(start: Start) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        let (ready, is_ready) = oneshot::channel();
        let script = Arc::clone(&start.script);
        let thread = std::thread::spawn(move || run(start, inbox, ready));
        is_ready.await.unwrap();
        Self { script, messages, thread: Some(thread) }
    }

    /// `None`: it crashed before it answered.
    pub async fn ask(&self, request: Request) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Request(request, answer)).ok()?;
        answered.await.ok()
    }

    /// Whether the background task of Fauna tokens could do its work; `None`: the process crashed.
    pub async fn collect(&self) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        self.messages.send(Message::Collect(answer)).ok()?;
        answered.await.ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _stopped_already = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn run(start: Start, inbox: mpsc::UnboundedReceiver<Message>, ready: oneshot::Sender<()>) {
    let script = Arc::clone(&start.script);
    let writer = start.log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_ansi(false).with_writer(writer);
    let _log = tracing::subscriber::set_default(subscriber.finish());
    database::faults::install(Arc::<Script>::clone(&script));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        tokio::select! {
            () = script.crashed() => {}
            () = serve(start, inbox, ready) => {}
        }
    });
    let handle = runtime.handle().clone();
    let _context = handle.enter();
    drop(local);
    runtime.shutdown_background();
}

async fn serve(start: Start, mut inbox: mpsc::UnboundedReceiver<Message>, ready: oneshot::Sender<()>) {
    let Start { config, clock, script, .. } = start;
    let extensions = SiteExtensions::default();
    let address = SocketAddr::from(([127, 0, 0, 1], 3000));
    let database = startup::database(&config).await.unwrap();
    let features = features::all(&config, &extensions);
    let fauna = fauna_backend::connect(&config, &clock, &features).await.unwrap();
    let key_policy = session_settings::key_policy(&config);
    let foundations = Foundations { clock: &clock, address, fauna: &fauna, database, key_policy, metrics: None };
    let state = AppState::build(&config, &extensions, foundations).await.unwrap();
    let plan = RoutePlan::new(&config, &extensions);
    let app = App::new()
        .configure(|site| state.install(site))
        .configure(|site| plan.register(&mut Routes::new(site, &mut RouteTable::default())))
        .wrap(same_origin::cors(&state.trusted))
        .wrap(from_fn(checked));
    let service = Rc::new(test::init_service(app).await);
    script.resume();
    ready.send(()).unwrap();
    while let Some(message) = inbox.recv().await {
        match message {
            Message::Stop => return,
            Message::Collect(done) => {
                let tokens = state.fauna_tokens.clone();
                tokio::task::spawn_local(async move {
                    let _gone = done.send(tokens.collect_once().await.is_ok());
                });
            }
            Message::Request(request, answer) => {
                let service = Rc::clone(&service);
                tokio::task::spawn_local(async move {
                    let response = match service.call(prepare(&request).to_request()).await {
                        Ok(response) => response.map_into_boxed_body(),
                        Err(error) => panic!("the middleware let an error through: {error}"),
                    };
                    let _gone = answer.send(read(response).await);
                });
            }
        }
    }
}

fn prepare(request: &Request) -> test::TestRequest {
    let mut prepared = test::TestRequest::default()
        .method(request.method.clone())
        .uri(&request.path)
        .peer_addr(SocketAddr::from(([127, 0, 0, 1], 50_000)))
        .insert_header((header::HOST, "localhost:3000"))
        .insert_header(("st-auth-mode", "header"))
        .insert_header(("rid", "session"));
    if let Some(token) = &request.token {
        prepared = prepared.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
    }
    if let Some(body) = &request.body {
        prepared = prepared.set_json(body);
    }
    prepared
}

async fn read(response: actix_web::dev::ServiceResponse) -> Answer {
    let status = response.status().as_u16();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (access, refresh) = (header("st-access-token"), header("st-refresh-token"));
    let has_retry_after = response.headers().contains_key(header::RETRY_AFTER);
    let body = test::read_body(response).await;
    Answer { status, access, refresh, has_retry_after, text: String::from_utf8_lossy(&body).into_owned() }
}
