//! The rate of other callers while one user's token runs the worst queries.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dataset::Dataset;
use super::{load, query};

/// Time that is measured without the attack before it is measured with it.
const TURN: Duration = Duration::from_secs(2);
const TURNS: usize = 3;
/// Callers that work at the same time.
const CLIENTS: usize = 4;
/// Queries of the attack at the same time, all with the same token.
const ATTACKERS: usize = 8;
/// Comments that the attack can read.
const COMMENTS: usize = 100_000;
/// Comments created in one transaction while filling.
const BATCH: usize = 1000;

/// Sign-ins and likes per second during each attack, divided by those without it.
pub async fn measure(dataset: &Dataset) {
    let client = reqwest::Client::new();
    let mut tokens = Vec::new();
    for number in 0..=CLIENTS {
        tokens.push(dataset.user(&client, &format!("neighbour{number}")).await);
    }
    let comment = dataset.comment(&client, &tokens[0]).await;
    fill(dataset, &client).await;
    let attacker = tokens.pop().unwrap();
    let workload = Workload { dataset, tokens: &tokens, comment: &comment };
    for (name, attack) in attacks() {
        let mut ratios = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            let calm = workload.rates().await;
            let running = start_attack(dataset.address, &attacker, &attack);
            let attacked = workload.rates().await;
            running.stop();
            for (ratios, (attacked, calm)) in ratios.iter_mut().zip(attacked.iter().zip(calm)) {
                ratios.push(attacked / calm);
            }
        }
        let [sign_ins, likes] = ratios.map(load::median);
        eprintln!(
            "during {name:28}      sign-ins {sign_ins:.2}, likes {likes:.2} of the undisturbed rate (at least 0.70)"
        );
    }
    eprintln!("peak memory                              {} MiB", peak_memory() / 1024);
}

/// Queries that take all the time, the processor or the memory they are allowed, all of which a user's token may send.
fn attacks() -> Vec<(&'static str, Value)> {
    let numbers: Vec<usize> = (0..1000).collect();
    let reduce = |body: Value| json!({"reduce": {"lambda": ["_", "_"], "expr": body}, "initial": 1, "collection": {"var": "numbers"}});
    let deep = (0..5).fold(json!(1), |body, _| reduce(body));
    let long = |text: Value, times: usize| json!({"repeat": text, "number": times});
    let text = |times: usize| long(long(json!("a"), 1024), times);
    let all = json!({"match": {"index": "comments_newest"}});
    let page = json!({"paginate": all, "size": COMMENTS});
    let join = json!({"join": all, "with": {"lambda": ["at", "ref"], "expr": all}});
    let write = json!({"if": false, "then": {"call": {"function": "like"}, "arguments": "1"}, "else": deep});
    vec![
        ("a deep reduce", json!({"let": [{"numbers": numbers}], "in": deep})),
        ("repeat", json!({"foreach": {"lambda": "_", "expr": {"length": text(16 * 1024)}}, "collection": numbers})),
        ("a regular expression", json!({"findstrregex": text(1024), "pattern": "(?=a*)(?=a*b)x"})),
        ("a join of large sets", json!({"count": {"paginate": join, "size": COMMENTS}})),
        ("pages of 100 000", page),
        ("a deep reduce on the writer", json!({"let": [{"numbers": numbers}], "in": write})),
    ]
}

/// The callers whose rate is measured.
struct Workload<'d> {
    dataset: &'d Dataset,
    tokens: &'d [String],
    comment: &'d Value,
}

impl Workload<'_> {
    /// Sign-ins and likes per second during one turn.
    async fn rates(&self) -> [f64; 2] {
        // The endpoint closes connections that were idle during the other's turn.
        let client = reqwest::Client::new();
        let (until, counts) = (Instant::now() + TURN, [AtomicUsize::new(0), AtomicUsize::new(0)]);
        let callers = self.tokens.iter().enumerate().map(|(number, token)| {
            let (client, counts) = (client.clone(), &counts);
            async move {
                while Instant::now() < until {
                    self.sign_in(&client, number).await;
                    counts[0].fetch_add(1, Ordering::Relaxed);
                    for function in ["like", "unlike"] {
                        let call = json!({"call": {"function": function}, "arguments": self.comment});
                        query(&client, self.dataset.address, token, &call).await;
                        counts[1].fetch_add(1, Ordering::Relaxed);
                        if Instant::now() >= until {
                            break;
                        }
                    }
                }
            }
        });
        let began = Instant::now();
        futures_util::future::join_all(callers).await;
        let seconds = began.elapsed().as_secs_f64();
        counts.map(|count| f64::from(u32::try_from(count.into_inner()).unwrap()) / seconds)
    }

    /// What the application asks for at a sign-in: the user by e-mail address, and a token.
    async fn sign_in(&self, client: &reqwest::Client, number: usize) {
        let email = format!("neighbour{number}@example.com");
        let user = json!({"get": {"match": {"index": "users_by_email"}, "terms": email}});
        let reference = query(client, self.dataset.address, &self.dataset.server, &user).await["ref"].clone();
        let token = json!({"create": {"tokens": null}, "params": {"object": {"instance": reference}}});
        query(client, self.dataset.address, &self.dataset.server, &token).await;
    }
}

/// An attack that is going on.
struct Attack {
    thread: std::thread::JoinHandle<()>,
    stop: Arc<AtomicBool>,
}

impl Attack {
    /// Ends it, without waiting for answers.
    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Starts the attackers, on a thread of their own that takes no time from others: their machine is not the one that is measured.
fn start_attack(address: SocketAddr, token: &str, attack: &Value) -> Attack {
    let stop = Arc::new(AtomicBool::new(false));
    let (told, token, body) = (Arc::clone(&stop), token.to_owned(), attack.to_string());
    let thread = std::thread::spawn(move || {
        let_others_go_first();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stopped = async {
                while !told.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let attackers = (0..ATTACKERS).map(|_| attack_for_ever(address, &token, &body));
            tokio::select! {
                () = stopped => {}
                _ = futures_util::future::join_all(attackers) => {}
            }
        });
    });
    Attack { thread, stop }
}

#[cfg(target_os = "linux")]
fn let_others_go_first() {
    rustix::process::setpriority_process(None, 19).unwrap();
}

#[cfg(not(target_os = "linux"))]
const fn let_others_go_first() {}

/// Repeats a query of the attacker, whatever it is answered.
async fn attack_for_ever(address: SocketAddr, token: &str, body: &str) {
    let client = reqwest::Client::new();
    loop {
        let request = client.post(format!("http://{address}")).bearer_auth(token).header("x-faunadb-api-version", "4");
        if let Ok(answer) = request.body(body.to_owned()).send().await {
            let _gone = answer.bytes().await;
        }
    }
}

/// Creates the comments that the attack reads.
async fn fill(dataset: &Dataset, client: &reqwest::Client) {
    let numbers: Vec<usize> = (0..BATCH).collect();
    let data = json!({"object": {"text": "First!", "postedAt": {"now": null}, "likes": 0}});
    let create = json!({"create": {"collection": "comments"}, "params": {"object": {"data": data}}});
    let all = json!({"do": [{"foreach": {"lambda": "_", "expr": create}, "collection": numbers}, null]});
    for _ in 0..COMMENTS / BATCH {
        query(client, dataset.address, &dataset.server, &all).await;
    }
}

/// Peak memory of this process in KiB; 0 if unknown.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
