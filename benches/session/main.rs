//! What sessions cost beside the bare statements they consist of: `cargo bench --bench session`.
//!
//! Ratios, not times: both sides of each work on the same database in turns, and the median of the pairs counts, so a busy or
//! slow machine changes both. The database is a file in the directory for temporary files, or `BENCH_DIR`. With `DATABASE_TEST_URL` it measures only how
//! often many clients refresh at once on that server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::missing_docs_in_private_items,
    reason = "a bench stops at the first thing that is wrong, and prints what it saw"
)]

mod bare;
mod clients;
mod dataset;
#[path = "../load/many_sessions.rs"]
mod many_sessions;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bare::BareSession;
use dataset::Dataset;

/// Sessions in the small database, and in the large one.
const FEW: i64 = 1_000;
const MANY: i64 = 1_000_000;
/// Expired sessions to be swept.
const EXPIRED: i64 = 50_000;
/// Sessions that are refreshed in a turn, one after the other.
const TURN: usize = 20;
/// Turns of each side.
const TURNS: usize = 41;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var("DATABASE_TEST_URL") {
        Ok(url) => runtime.block_on(clients::measure(&url)),
        Err(_) => runtime.block_on(measure()),
    }
}

async fn measure() {
    let parent = std::env::var("BENCH_DIR").map_or_else(|_| std::env::temp_dir(), PathBuf::from);
    let files = tempfile::TempDir::new_in(parent).unwrap();
    let few = Dataset::create(files.path(), FEW).await;
    let mut bare = BareSession::make(&few.database).await;
    let mut refreshed = few.refresh_tokens(TURN).await;
    let mut pairs = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let began = Instant::now();
        for _ in 0..TURN {
            bare.refresh(&few.database).await;
        }
        let bare = began.elapsed();
        pairs.push(bare.as_secs_f64() / few.refresh(&mut refreshed).await.as_secs_f64());
    }
    eprintln!("refresh without Fauna           {:.2} of its bare statements", median(pairs));

    let many = Dataset::create(files.path(), MANY).await;
    let (mut here, mut there) = (few.refresh_tokens(TURN).await, many.refresh_tokens(TURN).await);
    let mut pairs = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        let few = [few.refresh(&mut here).await, few.list(TURN).await, few.revoke_all(TURN).await];
        let many = [many.refresh(&mut there).await, many.list(TURN).await, many.revoke_all(TURN).await];
        for ((pairs, few), many) in pairs.iter_mut().zip(few).zip(many) {
            pairs.push(many.as_secs_f64() / few.as_secs_f64());
        }
    }
    for (name, pairs) in ["refresh", "list", "revoke all"].into_iter().zip(pairs) {
        eprintln!("{:<31} {:.2} of the cost among 1 000", format!("{name} among 1 000 000"), median(pairs));
    }

    few.expire(FEW / 2).await;
    many.expire(EXPIRED).await;
    let (mut few, mut holds) = (few.sweep().await, many.sweep().await);
    few.sort();
    holds.sort();
    let ms = |holds: &[Duration], share: usize| holds[(holds.len() - 1) * share / 100].as_secs_f64() * 1000.0;
    eprintln!("sweep among 1 000 000           {:.2} of the cost among 1 000", ms(&holds, 50) / ms(&few, 50));
    let [half, most, longest] = [50, 99, 100].map(|share| ms(&holds, share));
    eprintln!(
        "sweep of {EXPIRED} in {} batches: half hold the writer {half:.1} ms, 99 of 100 up to {most:.1} ms, the longest {longest:.1} ms",
        holds.len()
    );
    let busy: Duration = holds.iter().sum();
    eprintln!(
        "                                {:.0} sessions a second of writing",
        EXPIRED as f64 / busy.as_secs_f64()
    );
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
