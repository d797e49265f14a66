//! What must hold of sessions and their Fauna tokens whatever happens in between: Fauna gone, answers lost, the site restarted.
//!
//! No live session without a usable token (or a clean refresh to get one); no usable token whose session has ended; no
//! answer that is neither a success, a refusal in words, nor 503; and in the end nothing is left over in Fauna.

use std::time::Duration;

use serde_json::json;

use crate::client::TestClient;
use crate::proxy::{Line, Proxy, behind_a_line};
use crate::world::{PASSWORD, World, credentials};

/// Steps of one story.
const STEPS: usize = 40;
/// Time within which the site deletes the tokens afterwards.
const SOON: Duration = Duration::from_secs(30);
/// How many seconds the clocks are moved meanwhile: too few for a token to end by itself.
const MOVES: u32 = 120;

/// Chance that repeats itself: one story for one seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Somebody with one device.
struct Person {
    email: String,
    device: TestClient,
    signed_in: bool,
    /// Tokens of sessions that have ended.
    ended: Vec<String>,
}

/// A site, and the Fauna of another world behind a line that can be cut.
struct Stage {
    fauna: World,
    site: World,
    line: Proxy,
    people: Vec<Person>,
}

impl Stage {
    async fn set() -> Self {
        let settings = [("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true"), ("INSECURE_NO_THROTTLE", "true")];
        let (fauna, site, line) = behind_a_line(&settings).await;
        let mut people = Vec::new();
        for name in ["ann", "bob", "cyd"] {
            let email = format!("{name}@example.com");
            let device = site.sign_up(&email).await;
            people.push(Person { email, device, signed_in: true, ended: Vec::new() });
        }
        Self { fauna, site, line, people }
    }

    fn advance(&self, span: Duration) {
        self.site.clock.advance(span);
        self.fauna.clock.advance(span);
    }

    /// Whether it comes true while the site tidies up.
    async fn soon(&self, mut ask: impl AsyncFnMut() -> bool) -> bool {
        let mut moves = 0;
        let ask_later = async || {
            if moves < MOVES {
                self.advance(Duration::from_secs(1));
                moves += 1;
            }
            ask().await
        };
        self.site.eventually(SOON, ask_later).await
    }

    /// One thing happens to somebody.
    async fn step(&mut self, dice: &mut Dice) {
        let who = usize::try_from(dice.roll(3)).unwrap();
        match dice.roll(10) {
            0 => self.line.set(Line::Down),
            1 => self.line.set(Line::Lossy),
            2 => self.line.set(Line::Up),
            3 => self.advance(Duration::from_secs(dice.roll(60))),
            4 => self.restart().await,
            5 => self.people[who].sign_out_or_in().await,
            6 | 7 => self.people[who].refresh().await,
            _ => self.people[who].comment().await,
        }
    }

    /// The site is stopped and started. It does not start while its key cannot be tried.
    async fn restart(&mut self) {
        self.line.set(Line::Up);
        self.site.stop().await;
        self.site.resume().await;
        let base = self.site.base();
        self.people =
            self.people.drain(..).map(|person| Person { device: person.device.at(&base), ..person }).collect();
    }
}

impl Person {
    fn token(&self) -> String {
        self.device.fauna_token()
    }

    async fn refresh(&mut self) {
        if self.signed_in {
            assert!(matches!(self.device.refresh().await.status, 200 | 503));
        }
    }

    async fn comment(&mut self) {
        let expected: &[u16] = if self.signed_in { &[201, 401, 503] } else { &[401] };
        let status = self.device.post("/api/comments", &json!({"text": "x"})).await.status;
        assert!(expected.contains(&status), "{status}");
    }

    async fn sign_out_or_in(&mut self) {
        if self.signed_in {
            let token = self.token();
            match self.device.sign_out().await.status {
                200 => (self.signed_in, self.ended) = (false, [std::mem::take(&mut self.ended), vec![token]].concat()),
                status => assert_eq!(status, 401, "an access token can have ended"),
            }
        } else {
            let answer = self.device.post("/auth/signin", &credentials(&self.email, PASSWORD)).await;
            assert!(matches!(answer.status, 200 | 503), "{}", answer.text);
            self.signed_in = answer.status == 200;
        }
    }

    /// Whether the person can act in Fauna, at worst after a refresh.
    async fn is_able(&self) -> bool {
        let comment = json!({"text": "still here"});
        let first = self.device.post("/api/comments", &comment).await.status;
        first == 201
            || (self.device.refresh().await.status == 200
                && self.device.post("/api/comments", &comment).await.status == 201)
    }
}

async fn story(seed: u64) {
    let mut dice = Dice(seed);
    let mut stage = Stage::set().await;
    for _ in 0..STEPS {
        stage.step(&mut dice).await;
    }
    stage.line.set(Line::Up);
    for person in stage.people.iter().filter(|person| person.signed_in) {
        assert!(person.is_able().await, "seed {seed}: {} has a session without a token", person.email);
        assert!(stage.fauna.fauna().accepts(&person.token()).await, "seed {seed}");
    }
    for token in stage.people.iter().flat_map(|person| &person.ended) {
        let dead = stage.soon(async || !stage.fauna.fauna().accepts(token).await).await;
        assert!(dead, "seed {seed}: a token outlived its session");
    }
    for person in &mut stage.people {
        if person.signed_in {
            person.sign_out_or_in().await;
        }
    }
    let gone = stage.soon(async || stage.fauna.count_tokens().await == 0).await;
    assert!(gone, "seed {seed}: {} tokens are left over", stage.fauna.count_tokens().await);
}

#[actix_rt::test]
async fn sessions_and_tokens_live_and_die_together() {
    story(1).await;
}

#[actix_rt::test]
async fn sessions_and_tokens_live_and_die_together_in_another_story() {
    story(7).await;
}

#[actix_rt::test]
async fn sessions_and_tokens_live_and_die_together_in_a_third_story() {
    story(42).await;
}

#[actix_rt::test]
async fn a_mint_whose_answer_was_lost_leaves_nothing_behind() {
    let mut stage = Stage::set().await;
    stage.people[0].sign_out_or_in().await;
    assert_eq!(stage.fauna.count_tokens().await, 2);
    stage.line.set(Line::Lossy);
    stage.people[0].sign_out_or_in().await;
    assert!(!stage.people[0].signed_in, "an answer came through");
    stage.line.set(Line::Up);
    stage.advance(Duration::from_secs(60));
    let buried = stage.soon(async || stage.fauna.count_tokens().await == 2).await;
    assert!(buried, "{} tokens", stage.fauna.count_tokens().await);
    stage.people[0].sign_out_or_in().await;
    assert!(stage.people[0].signed_in && stage.people[0].is_able().await);
}

#[actix_rt::test]
async fn tokens_in_fauna_that_belong_to_no_session_are_deleted_at_the_next_start() {
    let mut world = World::with(&[("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true")]).await;
    let ann = world.sign_up("ann@example.com").await;
    let (_, key) = world.fauna_credentials();
    let params = json!({"object": {
        "instance": {"ref": {"collection": "users"}, "id": ann.payload()["sub"]},
        "ttl": {"time_add": {"now": null}, "offset": 1, "unit": "hour"},
        "data": {"object": {"app": "backend", "session": "of a database that is gone"}},
    }});
    let orphan =
        json!({"select": "secret", "from": {"create": {"ref": {"tokens": null}, "id": "7001"}, "params": params}});
    let (status, body) = world.fauna().ask(&key, &orphan).await;
    assert_eq!(status, 200, "{body}");
    let secret = body["resource"].as_str().unwrap().to_owned();
    assert!(world.fauna().accepts(&secret).await);
    world.ripen(Duration::from_secs(20)).await;
    world.stop().await;
    world.resume().await;
    let gone = world.eventually(Duration::from_secs(10), async || !world.fauna().accepts(&secret).await).await;
    assert!(gone, "the orphan still works");
    assert!(world.fauna().accepts(&ann.fauna_token()).await);
}
