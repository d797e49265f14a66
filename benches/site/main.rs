//! How fast the site is, as ratios against a bare actix route in the same process and run.
//!
//! `cargo bench --bench site > log` tells a line a figure and judges nothing; `-- guard`, `layers`, `stack`, `refresh` or
//! `sign-ins` measures only that. Standard output gets the access log, as it would in production; `LOG=warn` leaves it out. Servers have one worker, the load
//! generator has a thread of its own; with one core every ratio is flattered.
#![expect(
    clippy::unwrap_used,
    clippy::missing_docs_in_private_items,
    clippy::indexing_slicing,
    reason = "a benchmark that cannot go on has failed, and its figures are rough"
)]

mod layers;
#[path = "../load/mod.rs"]
mod load;
mod sign_ins;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::middleware::from_fn;
use actix_web::web::{Data, Json};
use actix_web::{App, HttpRequest, HttpServer, web};
use serde_json::Map;
use starter::clock::Clock;
use starter::database::Database;
use starter::http::routes::{Access, Resource, Routes};
use starter::seal::SealRing;
use starter::session;
use starter::session::{NoTokenProvider, Sessions, SignedIn, UserId};

use load::bare::Small;
use load::site::{User, credentials};
use load::{Target, bare};

async fn guarded(_user: SignedIn) -> Json<Small> {
    bare::answer().await
}

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = actix_rt::System::new();
    starter::telemetry::start(&std::env::var("LOG").unwrap_or_else(|_| "info".to_owned()), true).unwrap();
    let own = |site: &mut Routes<'_>| {
        site.add(Resource::at("/bench/guarded").get(Access::SignedIn, guarded));
    };
    let (bare, guard) = runtime.block_on(async { (bare::serve(), serve_guard(directory.path()).await) });
    let layers = runtime.block_on(async { layers::serve() });
    let data = directory.path().join("data");
    let (first, site) = runtime.block_on(timed_start(&data, own));
    runtime.block_on(site.stop());
    let (again, site) = runtime.block_on(timed_start(&data, own));
    eprintln!("start with an empty data directory       {first:.0} ms, with that directory again {again:.0} ms");
    let address = site.address();
    let generator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(measure(bare, Servers { guard, layers, site: address }));
    });
    runtime.block_on(async {
        while !generator.is_finished() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        site.stop().await;
    });
    generator.join().unwrap();
}

/// Starts the site; returns the milliseconds that took.
async fn timed_start(data: &Path, routes: fn(&mut Routes<'_>)) -> (f64, starter::app::Site) {
    let began = Instant::now();
    let site = load::site::start(data, routes).await;
    (began.elapsed().as_secs_f64() * 1000.0, site)
}

/// What is measured beside the bare route.
struct Servers {
    guard: SocketAddr,
    layers: Vec<(&'static str, SocketAddr)>,
    site: SocketAddr,
}

/// All figures, one after the other, or the one that an argument names.
async fn measure(bare: SocketAddr, servers: Servers) {
    let Servers { guard, layers, site } = servers;
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("guard") {
        let user = User::enter(guard, "/enter", "").await;
        let figure = against_bare(bare, Target::new(guard, "GET /guarded", &user.proof(), ""), &user).await;
        eprintln!("guard alone                              {figure:.2} of a bare route");
    }
    let user = User::enter(site, "/auth/signup", &credentials("bench@example.com")).await;
    if wanted("layers") {
        for (name, address) in layers {
            let figure = against_bare(bare, Target::new(address, "GET /", &user.proof(), ""), &user).await;
            eprintln!("{name:<40} {figure:.2} of a bare route");
        }
    }
    if wanted("stack") {
        let figure = against_bare(bare, Target::new(site, "GET /bench/guarded", &user.proof(), ""), &user).await;
        eprintln!("signed-in request through all middleware {figure:.2} of a bare route");
    }
    if wanted("refresh") {
        eprintln!("refresh with its Fauna token             {:.0} a second, 8 at a time", refreshes(site, 8).await);
    }
    if wanted("sign-ins") {
        sign_ins::measure(site, &user).await;
    }
}

/// A request against the bare route that is sent the same headers.
async fn against_bare(bare: SocketAddr, target: Target, user: &User) -> f64 {
    let bare = Target::new(bare, "GET /", &user.proof(), "");
    tokio::select! {
        ratio = load::ratio(&target, &bare) => ratio,
        never = stay_awake() => match never {},
    }
}

/// Keeps the load generator's thread from sleeping. A server has to wake a generator that sleeps, and the bare route alone would be
/// spared that, because it is so fast that the generator always has something to do.
async fn stay_awake() -> Infallible {
    loop {
        tokio::task::yield_now().await;
    }
}

/// A server with the guard before the route, and nothing else on that route.
async fn serve_guard(directory: &Path) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let here = format!("http://{address}");
    let settings = session::Settings::new(&here, &here, SealRing::new([("bench".to_owned(), [7; 32])]));
    let url = format!("sqlite://{}", directory.join("guard.sqlite").display());
    let database = Database::open(&url).await.unwrap();
    let sessions = Sessions::open(settings, database, Clock::system(), Arc::new(NoTokenProvider)).await.unwrap();
    let sessions = Data::new(sessions);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(sessions.clone())
            .service(web::resource("/guarded").get(guarded))
            .service(web::resource("/enter").wrap(from_fn(session::attach)).post(enter))
    });
    actix_rt::spawn(server.workers(1).listen(listener).unwrap().run());
    address
}

async fn enter(request: HttpRequest, sessions: Data<Sessions>) -> Json<Small> {
    let user = UserId::parse("42").unwrap();
    sessions.create(&request, &user, Map::new()).await.unwrap();
    bare::answer().await
}

/// Refreshes per second, each of a session of its own and each renewing a Fauna token.
async fn refreshes(site: SocketAddr, at_once: usize) -> f64 {
    let http = reqwest::Client::new();
    let sessions = (0..at_once).map(|n| async move {
        User::enter(site, "/auth/signup", &credentials(&format!("refresh{n}@example.com"))).await
    });
    let users = futures_util::future::join_all(sessions).await;
    let began = Instant::now();
    let runs = users.into_iter().map(|user| {
        let http = http.clone();
        async move {
            let (mut token, mut count) = (user.header("st-refresh-token").to_owned(), 0);
            while began.elapsed() < Duration::from_secs(3) {
                let request = http.post(format!("http://{site}/auth/session/refresh")).header("st-auth-mode", "header");
                let response = request.bearer_auth(&token).send().await.unwrap();
                assert_eq!(response.status(), 200);
                response.headers()["st-refresh-token"].to_str().unwrap().clone_into(&mut token);
                count += 1;
            }
            count
        }
    });
    let count: i32 = futures_util::future::join_all(runs).await.into_iter().sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}
