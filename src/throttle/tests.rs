//! The throttle against a database of its own; tests are named after the rows of `docs/threats.md`.

use super::*;
use crate::database::fresh;

struct Fixture {
    _directory: tempfile::TempDir,
    url: String,
    clock: Clock,
    throttle: Throttle,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let url = fresh::url(directory.path()).await;
        let throttle = open(&url, &clock).await;
        Self { _directory: directory, url, clock, throttle }
    }

    /// Tries a wrong password; true where it was let in.
    async fn wrong(&self, address: &str, client: &Client) -> bool {
        match self.throttle.admit(Action::Password(address), client).await {
            Ok(_wrong) => true,
            Err(Error::TooMany { .. }) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// Tries the right password; true where it was let in.
    async fn right(&self, address: &str, client: &Client) -> bool {
        match self.throttle.admit(Action::Password(address), client).await {
            Ok(attempt) => {
                self.throttle.succeeded(attempt).await;
                true
            }
            Err(_) => false,
        }
    }

    /// How many of so many wrong passwords in a row are let in.
    async fn wrong_times(&self, times: usize, address: &str, client: &Client) -> usize {
        let mut admitted = 0;
        for _ in 0..times {
            admitted += usize::from(self.wrong(address, client).await);
        }
        admitted
    }
}

async fn open(url: &str, clock: &Clock) -> Throttle {
    let settings = Settings { trusted_proxies: Vec::new(), on: true };
    Throttle::new(Database::open(url).await.unwrap(), clock.clone(), &settings)
}

fn from(network: usize) -> Client {
    Client::of(std::net::Ipv4Addr::from_bits(u32::try_from(network).unwrap()).into())
}

/// S-P-10 in the table of `docs/threats.md`.
#[tokio::test]
async fn the_eleventh_wrong_password_waits_and_so_does_the_right_one() {
    let site = Fixture::new().await;
    assert_eq!(site.wrong_times(12, "ann", &from(1)).await, 10);
    assert!(!site.right("ann", &from(1)).await);
    site.clock.advance(Duration::from_secs(31));
    assert!(site.right("ann", &from(1)).await);
    assert_eq!(site.wrong_times(12, "ann", &from(1)).await, 10, "a success starts anew");
}

/// S-P-11, S-P-16 in the table of `docs/threats.md`.
#[tokio::test]
async fn a_stranger_keeps_nobody_out_elsewhere() {
    let site = Fixture::new().await;
    site.wrong_times(30, "ann", &from(1)).await;
    assert!(site.right("ann", &from(2)).await);
    assert!(site.right("bob", &from(1)).await);
}

/// S-P-12 in the table of `docs/threats.md`.
#[tokio::test]
async fn under_attack_from_everywhere_known_networks_get_in_and_others_wait_a_minute_at_most() {
    let site = Fixture::new().await;
    assert!(site.right("ann", &from(1)).await);
    let mut admitted = 0;
    for network in 100..200 {
        admitted += site.wrong_times(1, "ann", &from(network)).await;
    }
    assert_eq!(admitted, 50);
    assert!(site.right("ann", &from(1)).await);
    assert!(!site.right("ann", &from(2)).await);
    site.clock.advance(Duration::from_secs(61));
    assert!(site.right("ann", &from(2)).await);
}

/// S-P-13 in the table of `docs/threats.md`.
#[tokio::test]
async fn spraying_is_slowed_by_network() {
    let site = Fixture::new().await;
    let mut admitted = 0;
    for account in 0..110 {
        admitted += site.wrong_times(1, &format!("account-{account}"), &from(1)).await;
        assert!(site.right("mine", &from(1)).await || admitted == 100, "own successes count neither way");
    }
    assert_eq!(admitted, 100);
}

/// S-P-18 in the table of `docs/threats.md`.
#[tokio::test]
async fn many_at_once_are_not_more_than_allowed() {
    let site = Fixture::new().await;
    let client = from(1);
    let all = (0..64).map(|_| site.wrong("ann", &client));
    let admitted = futures_util::future::join_all(all).await.into_iter().filter(|admitted| *admitted).count();
    assert_eq!(admitted, 10);
}

/// S-P-19 in the table of `docs/threats.md`.
#[tokio::test]
async fn a_restart_forgets_nothing() {
    let site = Fixture::new().await;
    site.wrong_times(10, "ann", &from(1)).await;
    let again = Fixture { throttle: open(&site.url, &site.clock).await, ..site };
    assert!(!again.wrong("ann", &from(1)).await);
}

/// S-P-17 in the table of `docs/threats.md`.
#[tokio::test]
async fn without_counters_nothing_is_admitted() {
    let site = Fixture::new().await;
    let database = Database::open(&site.url).await.unwrap();
    sqlx::query("drop table throttle").execute(database.write()).await.unwrap();
    let refused = site.throttle.admit(Action::Password("ann"), &from(1)).await.unwrap_err();
    assert_eq!(Problem::from(refused).status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// S-P-14 in the table of `docs/threats.md`.
#[tokio::test]
async fn ten_neighbouring_networks_share_one_larger_count() {
    let site = Fixture::new().await;
    let network = |larger: u16, near: u16| Client::of(format!("2001:db8:{larger:x}:{near:x}::1").parse().unwrap());
    let guess = async |client: &Client, n: usize| site.wrong(&format!("account-{}", n % 50), client).await;
    // Every attempt is for another account than the one before: nothing but networks is full in the end.
    for near in 0..10 {
        for n in 0..100 {
            assert!(guess(&network(1, near), n).await, "{near} {n}");
        }
    }
    assert!(!site.right("mine", &network(1, 99)).await, "the eleventh /64 of this /48");
    assert!(site.right("mine", &network(2, 99)).await, "another /48");
}

/// S-P-17 in the table of `docs/threats.md`.
#[tokio::test]
async fn counters_are_bounded_and_the_oldest_go_first() {
    let site = Fixture::new().await;
    assert!(site.right("ann", &from(1)).await, "a network is known to Ann");
    let database = Database::open(&site.url).await.unwrap();
    let now = site.clock.now().millis();
    // As an attacker makes them who asks for ever new addresses: they end one after the other, an hour from now.
    sqlx::query(
        "insert into throttle (key, count, open_at, forget_at, known_until)
         with d(x) as (select 0 union all select 1 union all select 2 union all select 3 union all select 4 union all
                       select 5 union all select 6 union all select 7 union all select 8 union all select 9),
              n(x) as (select a.x + 10 * b.x + 100 * c.x + 1000 * d.x + 10000 * e.x + 100000 * f.x + 1
                       from d a, d b, d c, d d, d e, d f where f.x < 2)
         select 'filler ' || x, 1, 0, $1 + x, 0 from n where x <= 100100",
    )
    .bind(now.saturating_add(7_200_000))
    .execute(database.write())
    .await
    .unwrap();
    assert_eq!(site.wrong_times(12, "bob", &from(2)).await, 10, "a full store counts as an empty one does");
    site.throttle.store.clean(site.clock.now()).await.unwrap();
    let row = sqlx::query("select count(*) as unknown, min(forget_at) as oldest from throttle where known_until = 0");
    let row = row.fetch_one(database.read()).await.unwrap();
    let get = |column| sqlx::Row::get::<i64, _>(&row, column);
    assert_eq!(get("unknown"), 100_000);
    assert!(get("oldest") > now.saturating_add(7_200_000), "those that end first are gone");
    let known = sqlx::query("select key from throttle where known_until > $1").bind(now);
    assert_eq!(known.fetch_all(database.read()).await.unwrap().len(), 1, "who has signed in stays known");
}

/// S-P-20 in the table of `docs/threats.md`.
#[tokio::test]
async fn a_success_forgets_the_pair_and_not_the_account() {
    let site = Fixture::new().await;
    for network in 0..49 {
        assert!(site.wrong("ann", &from(network)).await, "{network}");
    }
    assert!(site.right("ann", &from(100)).await, "from a network that nobody knows");
    assert!(site.wrong("ann", &from(101)).await, "the fiftieth that was wrong");
    assert!(!site.wrong("ann", &from(102)).await);
    assert!(site.right("ann", &from(100)).await, "it is known now");
}

/// S-P-05, S-P-07 in the table of `docs/threats.md`.
#[tokio::test]
async fn what_networks_may_ask_for() {
    for (action, free) in [
        (Action::SignUp, 100),
        (Action::EmailExists, 60),
        (Action::AskForMail, 20),
        (Action::Token, 10),
        (Action::Mail(Topic::Reset, "ann"), 1),
    ] {
        let site = Fixture::new().await;
        for _ in 0..free {
            let _counted = site.throttle.admit(action, &from(1)).await.unwrap();
        }
        let refused = site.throttle.admit(action, &from(1)).await;
        assert!(matches!(refused, Err(Error::TooMany { .. })), "{action:?}");
        let elsewhere = site.throttle.admit(action, &from(2)).await;
        assert!(elsewhere.is_ok(), "{action:?}");
    }
}

#[tokio::test]
async fn a_mailbox_is_not_flooded_by_many_and_its_owner_is_not_kept_back_by_one() {
    let site = Fixture::new().await;
    let ask = async |topic, network| site.throttle.admit(Action::Mail(topic, "ann"), &from(network)).await.is_ok();
    assert!(ask(Topic::Reset, 1).await && !ask(Topic::Reset, 1).await);
    assert!(ask(Topic::SignUp, 1).await, "another mail");
    for network in 2..=5 {
        assert!(ask(Topic::Reset, network).await, "{network}");
    }
    assert!(!ask(Topic::Reset, 6).await, "from wherever");
    assert!(ask(Topic::Change, 6).await && !ask(Topic::Change, 7).await, "asked for by whoever is signed in");
    site.clock.advance(Duration::from_mins(1));
    assert!(ask(Topic::Reset, 6).await && !ask(Topic::Reset, 7).await);
}

#[tokio::test]
async fn old_counters_go() {
    let site = Fixture::new().await;
    for network in 1..20 {
        site.wrong("ann", &from(network)).await;
    }
    site.clock.advance(Duration::from_hours(2));
    site.throttle.store.clean(site.clock.now()).await.unwrap();
    let database = Database::open(&site.url).await.unwrap();
    assert!(sqlx::query("select key from throttle").fetch_all(database.read()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_wait_is_told_in_seconds_and_words() {
    let site = Fixture::new().await;
    site.wrong_times(10, "ann", &from(1)).await;
    let refused = Problem::from(site.throttle.admit(Action::Password("ann"), &from(1)).await.unwrap_err());
    assert_eq!((refused.status().as_u16(), refused.message()), (429, "Too many attempts. Try again in 30 seconds."));
    assert_eq!(Error::wait_message(Duration::from_secs(125)), "Too many attempts. Try again in 3 minutes.");
}
