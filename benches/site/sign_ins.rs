//! Sign-ins against the hashes that the machine could make if it did nothing else, and what others notice of them.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::MissedTickBehavior;

use crate::load;
use crate::load::Target;
use crate::load::site::{User, credentials};

/// Users that sign in at the same time.
const AT_ONCE: usize = 64;
const PASSWORD: &[u8] = b"correct horse 1";
const SALT: &[u8] = b"saltsaltsaltsalt";
/// Turns of the sign-ins; the machine makes bare hashes before and after each.
const TURNS: usize = 5;
const TURN: Duration = Duration::from_secs(3);
/// Interval between small requests of another user.
const PROBE_EVERY: Duration = Duration::from_millis(5);

/// Prints sign-ins per second, the latency of other requests meanwhile, and the memory in use.
pub async fn measure(site: SocketAddr, other_user: &User) {
    let users = (0..AT_ONCE).map(|n| credentials(&format!("sign-in{n}@example.com")));
    for who in users.clone() {
        User::enter(site, "/auth/signup", &who).await;
    }
    let probe = Target::new(site, "GET /bench/guarded", &other_user.proof(), "");
    let (mut rates, mut shares, mut waits, mut memory) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let mut before = hashes_a_second(in_reused_memory);
    for _ in 0..TURNS {
        let end = Instant::now() + TURN;
        let signing_in = join_all(users.clone().map(|who| sign_in_until(site, who, end)));
        let (counts, (latencies, used)) = tokio::join!(signing_in, probe_until(&probe, end));
        let after = hashes_a_second(in_reused_memory);
        let rate = f64::from(counts.into_iter().sum::<u32>()) / TURN.as_secs_f64();
        rates.push(rate);
        shares.push(rate / f64::midpoint(before, after));
        waits.extend(latencies);
        // In later turns the allocator keeps what the bare hashes have used.
        if memory == 0 {
            memory = used;
        }
        before = after;
    }
    // Last, because it leaves memory behind.
    let plain = hashes_a_second(plainly);
    let rate = load::median(rates);
    waits.sort_unstable();
    let [median, high] = [50, 99].map(|percent| waits[waits.len() * percent / 100].as_secs_f64() * 1e3);
    eprintln!("sign-ins, {AT_ONCE} at a time                {rate:.0} a second");
    eprintln!(
        "of the hashes that all cores make        {:.2}, {:.2} of plain calls of argon2",
        load::median(shares),
        rate / plain
    );
    eprintln!("somebody else's request meanwhile        p50 {median:.2} ms, p99 {high:.2} ms");
    eprintln!("memory meanwhile                         {} MB, the load generator's included", memory >> 10);
}

/// Signs in until it is time to stop; how often.
async fn sign_in_until(site: SocketAddr, who: String, end: Instant) -> u32 {
    let sign_in =
        Target::new(site, "POST /auth/signin", "st-auth-mode: header\r\ncontent-type: application/json\r\n", &who);
    let mut connection = load::Connection::open(sign_in.address).await;
    let mut count = 0;
    loop {
        connection.send(&sign_in.request).await;
        if Instant::now() >= end {
            return count;
        }
        count += 1;
    }
}

/// How long each small request took until it is time to stop, and the most memory that was seen, in KiB.
async fn probe_until(probe: &Target, end: Instant) -> (Vec<Duration>, u64) {
    let (mut waits, mut memory) = (Vec::new(), 0);
    let mut connection = load::Connection::open(probe.address).await;
    let mut ticks = tokio::time::interval(PROBE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while Instant::now() < end {
        ticks.tick().await;
        let asked = Instant::now();
        connection.send(&probe.request).await;
        waits.push(asked.elapsed());
        if waits.len() % 100 == 0 {
            memory = memory.max(resident());
        }
    }
    (waits, memory)
}

/// Memory of this process that is in use, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

type Hash = fn(&argon2::Argon2<'_>, &mut [argon2::Block], &mut [u8]);

/// As the site makes it: in memory that was used before.
fn in_reused_memory(argon2: &argon2::Argon2<'_>, memory: &mut [argon2::Block], out: &mut [u8]) {
    argon2.hash_password_into_with_memory(PASSWORD, SALT, out, memory).unwrap();
}

/// As most sites make it: the library asks the system for new memory each time.
fn plainly(argon2: &argon2::Argon2<'_>, _: &mut [argon2::Block], out: &mut [u8]) {
    argon2.hash_password_into(PASSWORD, SALT, out).unwrap();
}

/// Hashes a second on all cores at once, with the parameters of the site.
fn hashes_a_second(hash: Hash) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads: Vec<_> = (0..cores).map(|_| std::thread::spawn(move || hash_for_a_while(hash))).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).sum()
}

/// Hashes a second of one thread.
fn hash_for_a_while(hash: Hash) -> f64 {
    let params = argon2::Params::new(19_456, 2, 1, None).unwrap();
    let mut memory = vec![argon2::Block::default(); params.block_count()];
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    let (mut out, mut count) = ([0; 32], 0);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        hash(&argon2, &mut memory, &mut out);
        count += 1;
    }
    f64::from(count) / began.elapsed().as_secs_f64()
}
