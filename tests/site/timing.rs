//! Requests that must take the same time, so that time does not tell who has an account. Not part of a plain `cargo test`,
//! because a busy machine distorts durations; `.ci/run` runs them alone.
//!
//! Measured are pairs, one after the other and in changing order, and judged is the middle one of their ratios: a machine that
//! is busy is busy for both. Whatever skips a hash takes half as long or less, far outside of what is called alike here.

use std::ops::RangeInclusive;
use std::time::Instant;

use serde_json::{Value, json};

use crate::admin;
use crate::admin::ARGON2;
use crate::world::{DEFAULT_HASHES, PASSWORD, World, credentials};

/// Measured pairs per comparison.
const PAIRS: usize = 25;
/// Ratios of medians that count as equal.
const ALIKE: RangeInclusive<f64> = 0.75..=1.33;

/// How many times as long `one` takes as `other`; both are bodies, made anew for each attempt.
async fn ratio(world: &World, path: &str, one: impl Fn(usize) -> Value, other: impl Fn(usize) -> Value) -> f64 {
    let visitor = world.visitor();
    let time = async |body: Value| {
        let began = Instant::now();
        assert_eq!(visitor.post(path, &body).await.status, 200, "{path} {body}");
        began.elapsed().as_secs_f64()
    };
    let mut ratios = Vec::new();
    for attempt in 0..=PAIRS {
        let ratio = if attempt % 2 == 0 {
            let first = time(one(attempt)).await;
            first / time(other(attempt)).await
        } else {
            let first = time(other(attempt)).await;
            time(one(attempt)).await / first
        };
        // The first pair warms up.
        if attempt > 0 {
            ratios.push(ratio);
        }
    }
    ratios.sort_by(f64::total_cmp);
    ratios[PAIRS / 2]
}

fn assert_alike(what: &str, ratio: f64) {
    assert!(ALIKE.contains(&ratio), "{what}: the one takes {ratio:.2} times as long as the other");
}

/// S-P-02, S-P-03 in `docs/threats.md`.
#[ignore = "compares durations: cargo test --test site -- --ignored --test-threads=1 timing::"]
#[actix_rt::test]
async fn a_wrong_password_takes_as_long_as_an_unknown_address() {
    let world = admin::world_with_default_hashes().await;
    world.sign_up("ann@example.com").await;
    let cheap = admin::entry("old@example.com", "argon2", ARGON2);
    assert_eq!(admin::import(&world, &[cheap]).await.status, 200);
    let unknown = |_| credentials("nobody@example.com", "not it 99");
    let wrong = |_| credentials("ann@example.com", "not it 99");
    assert_alike("wrong and unknown", ratio(&world, "/auth/signin", wrong, unknown).await);
    let old = |_| credentials("old@example.com", "not it 99");
    assert_alike("wrong for a cheap imported hash and unknown", ratio(&world, "/auth/signin", old, unknown).await);
}

/// S-P-04 in `docs/threats.md`.
#[ignore = "compares durations: cargo test --test site -- --ignored --test-threads=1 timing::"]
#[actix_rt::test]
async fn sign_up_takes_as_long_for_a_taken_address_where_accounts_are_hidden() {
    let world =
        World::with(&[("INSECURE_NO_THROTTLE", "true"), ("HIDE_EXISTING_ACCOUNTS", "true"), DEFAULT_HASHES]).await;
    world.visitor().post("/auth/signup", &credentials("ann@example.com", PASSWORD)).await;
    let token = crate::mailbox::token_to(&world, "ann@example.com").await;
    let fields = [json!({"id": "password", "value": PASSWORD})];
    let made = world.visitor().post("/auth/signup/complete", &json!({"token": token, "formFields": fields})).await;
    assert_eq!(made.json()["status"], "OK", "{}", made.text);
    let taken = |_| credentials("ann@example.com", PASSWORD);
    let free = |attempt| credentials(&format!("free{attempt}@example.com"), PASSWORD);
    assert_alike("sign-up, taken and free", ratio(&world, "/auth/signup", taken, free).await);
}

/// S-P-07 in `docs/threats.md`.
#[ignore = "compares durations: cargo test --test site -- --ignored --test-threads=1 timing::"]
#[actix_rt::test]
async fn a_wish_for_a_reset_takes_as_long_for_an_unknown_address() {
    let world = admin::world_with_default_hashes().await;
    world.sign_up("ann@example.com").await;
    let ask = |email: &str| json!({"formFields": [{"id": "email", "value": email}]});
    let known = |_| ask("ann@example.com");
    let unknown = |_| ask("nobody@example.com");
    assert_alike("reset", ratio(&world, "/auth/user/password/reset/token", known, unknown).await);
}
