//! Signing keys: publication, rotation, and agreement between processes. S-J-03, S-J-09 and S-J-19 in `docs/threats.md`.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use starter::seal::SealRing;
use starter::session::{AntiCsrfCheck, Error, KeyPolicy, NewSession, RefreshAntiCsrf, Requirements, Sessions, UserId};

use crate::server::{SECOND, World, claims};
use crate::support::client::TestClient;

const WEEK: Duration = Duration::from_hours(7 * 24);

fn kid(visitor: &TestClient) -> String {
    let token = visitor.access_token();
    let header = token.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn published(visitor: &mut TestClient) -> Vec<String> {
    let keys = visitor.get("/auth/jwt/jwks.json").await.json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn other_services_can_verify_an_access_token_with_the_published_keys() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let anybody = world.visitor();
    let open_id = anybody.get("/auth/.well-known/openid-configuration").await;
    assert_eq!(open_id.find_header("access-control-allow-origin"), Some("*"));
    assert_eq!(open_id.json()["issuer"], "http://localhost:3000/auth");
    assert_eq!(open_id.json()["jwks_uri"], "http://localhost:3000/auth/jwt/jwks.json");

    let answer = anybody.get("/auth/jwt/jwks.json").await;
    assert_eq!(answer.find_header("access-control-allow-origin"), Some("*"));
    let cache = answer.find_header("cache-control").unwrap();
    let seconds = cache.strip_prefix("max-age=").unwrap().strip_suffix(", must-revalidate").unwrap();
    assert!((1..=7 * 24 * 3600).contains(&seconds.parse::<u64>().unwrap()), "{cache}");
    let names: BTreeSet<_> = answer.json()["keys"][0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["kty", "kid", "crv", "x", "y", "alg", "use"].map(str::to_owned).into(), "public parts only");

    let keys: JwkSet = serde_json::from_str(&answer.text).unwrap();
    let key = DecodingKey::from_jwk(keys.find(&kid(&ann)).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&["http://localhost:3000/auth"]);
    let token = jsonwebtoken::decode::<Value>(ann.access_token(), &key, &validation).unwrap();
    assert_eq!(token.claims["sub"], "ann");
}

#[tokio::test]
async fn a_custom_jwt_verifies_elsewhere_and_is_not_a_session() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let payload = claims(ann.access_token());
    for (with_static_key, kind) in [(false, "d-"), (true, "s-")] {
        let jwt = world.server.sessions.create_jwt(payload.clone(), 60 * SECOND, with_static_key).await.unwrap();
        let keys: JwkSet = serde_json::from_str(&ann.get("/auth/jwt/jwks.json").await.text).unwrap();
        let kid = jsonwebtoken::decode_header(&jwt).unwrap().kid.unwrap();
        assert!(kid.starts_with(kind), "{kid}");
        let key = DecodingKey::from_jwk(keys.find(&kid).unwrap()).unwrap();
        assert!(jsonwebtoken::decode::<Value>(&jwt, &key, &Validation::new(Algorithm::ES256)).is_ok());
        ann.set_cookie("sAccessToken", &jwt);
        assert!(ann.get("/me").await.is_try_refresh());
    }
}

#[tokio::test]
async fn a_session_can_be_created_and_refreshed_without_a_request() {
    let world = World::start().await;
    let user = UserId::parse("ann").unwrap();
    let new = NewSession::of(user);
    let issued = world.server.sessions.issue(new, true).await.unwrap();
    let refresh = issued.refresh.unwrap();
    let refreshed =
        world.server.sessions.refresh_with(refresh.token.expose_secret(), RefreshAntiCsrf::Unneeded).await.unwrap();
    let access = refreshed.access.expose_secret();
    let found = world.server.sessions.session_of(access, None, &Requirements::default()).await.unwrap();
    let (session, renewed) = found;
    assert_eq!(session.user().as_str(), "ann");
    let renewed = renewed.unwrap();
    let again = world.server.sessions.session_of(renewed.access.expose_secret(), None, &Requirements::default()).await;
    assert!(again.unwrap().1.is_none());
    let strict = Requirements { anti_csrf: AntiCsrfCheck::Always, ..Requirements::default() };
    let with =
        |token: Option<&'static str>| world.server.sessions.session_of(issued.access.expose_secret(), token, &strict);
    assert!(matches!(with(None).await, Err(Error::TryRefresh(_))));
    assert!(matches!(with(Some("other")).await, Err(Error::TryRefresh(_))));
    let token = refresh.anti_csrf.unwrap();
    assert!(world.server.sessions.session_of(issued.access.expose_secret(), Some(&token), &strict).await.is_ok());
    let no_token = world.server.sessions.session_of("x", None, &Requirements::default()).await;
    assert!(matches!(no_token, Err(Error::Missing)));
}

#[tokio::test]
async fn a_key_is_published_before_it_signs_and_verifies_afterwards() {
    let world = World::start().await;
    let mut anybody = world.visitor();
    let first = kid(&world.sign_in("ann").await);
    world.clock.advance(WEEK.saturating_sub(58 * SECOND));
    let ann = world.sign_in("ann").await;
    assert_eq!(kid(&ann), first, "the next one is only published yet");
    assert_eq!(published(&mut anybody).await.len(), 2);
    world.clock.advance(61 * SECOND);
    let next = kid(&world.sign_in("ann").await);
    assert_ne!(next, first);
    assert_eq!(ann.get("/me").await.status, 200, "what the old one signed still holds");
    assert_eq!(published(&mut anybody).await, [next.clone(), first.clone()]);

    world.clock.advance(Duration::from_mins(31));
    assert_eq!(published(&mut anybody).await, [next]);
    world.server.sessions.sweep().await.unwrap();
    assert_eq!(world.count("select count(*) from session_key where kind = 'dynamic'").await, 1);
    ann.refresh_without_rid().await;
    assert_eq!(ann.get("/me").await.status, 200);
}

#[tokio::test]
async fn a_key_made_by_one_process_verifies_on_the_other_at_once() {
    let world = World::start().await;
    let sibling = world.sibling().await;
    assert_eq!(kid(&world.sign_in("ann").await), kid(&sibling.sign_in("ann").await), "they agree on the first");
    world.clock.advance(WEEK + SECOND);
    let ann = world.sign_in("ann").await;
    let there = sibling.visitor_like(&ann);
    assert_eq!(there.get("/me").await.status, 200);
    assert_eq!(kid(&sibling.sign_in("ann").await), kid(&ann), "they agree on the next one, too");
    assert_eq!(world.count("select count(*) from session_key where kind = 'dynamic'").await, 2);
    assert_eq!(there.refresh_without_rid().await.status, 200);
}

/// The two statements of `docs/operations.md` for keys that have leaked.
#[tokio::test]
async fn after_signing_keys_were_deleted_everybody_refreshes_and_after_the_refresh_key_nobody() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    world.sql("delete from session_key where kind <> 'refresh'").await;
    let restarted = world.sibling().await;
    let there = restarted.visitor_like(&ann);
    assert!(there.get("/me").await.is_try_refresh(), "what the old key signed is refused");
    assert_eq!(there.refresh_without_rid().await.status, 200);
    assert_eq!(there.get("/me").await.status, 200);

    world.sql("delete from session_key where kind = 'refresh'").await;
    let restarted = world.sibling().await;
    assert_eq!(restarted.visitor_like(&there).refresh_without_rid().await.status, 401);
}

#[tokio::test]
async fn ten_processes_that_start_at_once_make_one_key() {
    let world = World::start().await;
    world.sql("delete from session_key").await;
    let siblings = futures_util::future::join_all((0..10).map(|_| world.sibling())).await;
    assert_eq!(world.count("select count(*) from session_key").await, 2, "one signs, one authenticates refresh tokens");
    let ann = siblings[0].sign_in("ann").await;
    for sibling in &siblings {
        let there = sibling.visitor_like(&ann);
        assert_eq!(there.get("/me").await.status, 200);
        assert_eq!(there.refresh_without_rid().await.status, 200);
    }
}

#[tokio::test]
async fn tokens_of_the_other_kind_of_key_are_renewed_by_a_refresh() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let fixed = world.sibling_with(|options| options.settings.dynamic_signing_key = false).await;
    let there = fixed.visitor_like(&ann);
    assert!(there.get("/me").await.is_try_refresh());
    assert_eq!(there.refresh_without_rid().await.status, 200);
    assert_eq!(there.get("/me").await.status, 200);
    assert!(kid(&there).starts_with("s-"));
    let back = world.visitor_like(&there);
    assert!(back.get("/me").await.is_try_refresh());
    assert_eq!(back.refresh_without_rid().await.status, 200);
    assert!(kid(&back).starts_with("d-"));
}

#[tokio::test]
async fn private_keys_are_stored_sealed() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    assert_eq!(world.count("select count(*) from session_key where sealed like 'test.%'").await, 2);
    let other = |options: &mut crate::server::WorldOptions| {
        options.settings.seal = std::sync::Arc::new(SealRing::new([("test".to_owned(), [8; 32])]));
    };
    let stranger = world.sibling_with(other).await;
    let there = stranger.visitor_like(&ann);
    assert!(
        there.get("/me").await.is_try_refresh(),
        "with another key of the environment there is nothing to verify with"
    );
    assert!(there.refresh_without_rid().await.is_unauthorised());
    assert_eq!(stranger.sign_in("ann").await.get("/me").await.status, 200, "it makes keys of its own");
}

/// A ring that opens nothing is rather a wrong one than the wish to sign everybody out. S-T-08 in `docs/threats.md`.
#[tokio::test]
async fn a_ring_that_opens_no_key_writes_none_where_the_policy_says_so() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let stored = "select count(*) from session_key";
    assert_eq!(world.count(stored).await, 2);
    let open = async |policy, ring| {
        let mut options = crate::server::WorldOptions::new();
        options.settings.key_policy = policy;
        options.settings.seal = std::sync::Arc::new(SealRing::new([ring]));
        let database = world.server.database.clone();
        Sessions::open(options.settings, database, world.clock.clone(), options.token_provider).await
    };
    let (right, wrong) = (|| ("test".to_owned(), [7; 32]), || ("other".to_owned(), [8; 32]));
    let refused = open(KeyPolicy::CreateUnlessNoneOpens, wrong()).await.err().unwrap();
    assert!(matches!(&refused, Error::NoKeyOpens(kids) if kids.contains("r-1") && kids.contains("d-")), "{refused}");
    let borrowed = open(KeyPolicy::InMemory, wrong()).await.unwrap();
    assert!(borrowed.stored_keys().none_opens());
    let issued = borrowed.issue(NewSession::of(UserId::parse("ben").unwrap()), true).await.unwrap();
    let refresh = issued.refresh.unwrap();
    assert!(borrowed.refresh_with(refresh.token.expose_secret(), RefreshAntiCsrf::Unneeded).await.is_ok());
    assert_eq!(world.count(stored).await, 2, "nothing was written");

    world.clock.advance(WEEK + SECOND);
    let both = || SealRing::new([wrong(), right()]);
    let mut options = crate::server::WorldOptions::new();
    (options.settings.key_policy, options.settings.seal) = (KeyPolicy::InMemory, std::sync::Arc::new(both()));
    let database = world.server.database.clone();
    let command =
        Sessions::open(options.settings, database, world.clock.clone(), options.token_provider).await.unwrap();
    assert_eq!((command.stored_keys().opened, command.stored_keys().unreadable.len()), (2, 0));
    assert_eq!(world.count(stored).await, 2, "a key that is due is not written");
    assert_eq!(world.count("select count(*) from session_key where sealed like 'test.%'").await, 2, "nor sealed again");
    assert!(open(KeyPolicy::CreateUnlessNoneOpens, right()).await.is_ok());
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}

/// As docs/operations.md says: the new key first and the old one behind it, later the new one alone.
#[tokio::test]
async fn the_key_that_seals_is_replaced_and_everybody_stays_signed_in() {
    const OLD: (&str, [u8; 32]) = ("test", [7; 32]);
    const NEW: (&str, [u8; 32]) = ("new", [8; 32]);
    const STEPS: [&[(&str, [u8; 32])]; 3] = [&[OLD, NEW], &[NEW, OLD], &[NEW]];
    let sealed_with = |keys: &'static [(&'static str, [u8; 32])]| {
        move |options: &mut crate::server::WorldOptions| {
            let ring = SealRing::new(keys.iter().map(|(name, key)| ((*name).to_owned(), *key)));
            options.settings.seal = std::sync::Arc::new(ring);
        }
    };
    let world = World::start().await;
    let mut ann = world.sign_in("ann").await;
    for (step, keys) in STEPS.into_iter().enumerate() {
        let process = world.sibling_with(sealed_with(keys)).await;
        ann = process.visitor_like(&ann);
        assert_eq!(ann.get("/me").await.status, 200, "{step}");
        assert_eq!(ann.refresh_without_rid().await.status, 200, "{step}");
        assert_eq!(ann.get("/me").await.status, 200, "{step}");
    }
    assert_eq!(world.count("select count(*) from session_key where sealed not like 'new.%'").await, 0);
}

/// Many unknown `kid`s do not cause as many reloads. A reload that fails is answered with 503, and counts. S-J-09 in
/// `docs/threats.md`.
#[tokio::test]
async fn unknown_keys_cause_few_reloads() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let token = ann.access_token();
    let (_, rest) = token.split_once('.').unwrap();
    let flood = async |round: u32| {
        let mut questions = 0;
        for number in 0..50 {
            let header = format!(r#"{{"typ":"JWT","alg":"ES256","kid":"d-{round}-{number}","version":"5"}}"#);
            let other = ann.clone();
            other.set_cookie("sAccessToken", &format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header)));
            let answer = other.get("/me").await;
            assert!(answer.status == 503 || answer.is_try_refresh(), "{answer:?}");
            questions += u32::from(answer.status == 503);
        }
        questions
    };
    assert_eq!(flood(0).await, 0, "asking does no harm");
    world.sql("alter table session_key rename to gone").await;
    assert_eq!(flood(1).await, 0, "nobody asks again within ten seconds");
    for round in 2..4 {
        world.clock.advance(10 * SECOND);
        assert_eq!(flood(round).await, 1, "one asks for all");
    }
    assert_eq!(ann.clone().get("/me").await.status, 200);
    world.sql("alter table gone rename to session_key").await;
    assert_eq!(ann.clone().refresh_without_rid().await.status, 200);
}

/// Inserts a key as another process or an import does, or an invalid one.
async fn plant(world: &World, (kid, kind, generation): (&str, &str, i64), secret: Option<&[u8]>) {
    let ring = SealRing::new([("test".to_owned(), [7; 32])]);
    let sealed = secret.map(|bytes| ring.seal(&URL_SAFE_NO_PAD.encode(bytes), kid).unwrap());
    let sealed = sealed.unwrap_or_else(|| "garbage".to_owned());
    let now = world.clock.now().millis();
    let row = format!("'{kid}', '{kind}', {generation}, {now}, '{sealed}'");
    world.sql(&format!("insert into session_key (kid, kind, generation, created_at, sealed) values ({row})")).await;
}

/// All static keys are published and verify; the newest one signs.
#[tokio::test]
async fn several_static_keys_all_verify_and_the_newest_signs() {
    let fixed = |options: &mut crate::server::WorldOptions| options.settings.dynamic_signing_key = false;
    let world = World::with(fixed).await;
    let mut ann = world.sign_in("ann").await;
    let old = kid(&ann);
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
    plant(&world, ("s-imported", "static", 2), Some(pkcs8.as_ref())).await;
    let sibling = world.sibling_with(fixed).await;
    let mut bob = sibling.sign_in("bob").await;
    assert_eq!(kid(&bob), "s-imported");
    assert_eq!(published(&mut bob).await, ["s-imported", old.as_str()]);
    assert_eq!(ann.clone().at(&sibling.base()).get("/me").await.status, 200, "the older one still verifies");
    assert_eq!(
        bob.clone().at(&world.base()).get("/me").await.status,
        200,
        "and the newer one wherever it was not known"
    );
    assert_eq!(published(&mut ann).await, ["s-imported", old.as_str()]);
}

/// As in `JWTTest` of SuperTokens' core: an invalid key is ignored, whatever its kind.
#[tokio::test]
async fn invalid_keys_in_the_database_are_ignored() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    for (generation, kind) in [(7, "dynamic"), (7, "static"), (7, "refresh"), (7, "unknown")] {
        plant(&world, (&format!("{kind}-1"), kind, generation), None).await;
        plant(&world, (&format!("{kind}-2"), kind, generation + 1), Some(b"no key")).await;
        plant(&world, (&format!("{kind}-3"), kind, generation + 2), Some(&[])).await;
    }
    for dynamic in [true, false] {
        let sibling = world.sibling_with(|options| options.settings.dynamic_signing_key = dynamic).await;
        let mut there = world.sign_in("bob").await.at(&sibling.base());
        assert_eq!(there.get("/me").await.status == 200, dynamic);
        assert_eq!(there.refresh_without_rid().await.status, 200);
        assert_eq!(there.get("/me").await.status, 200);
        assert_eq!(published(&mut there).await.len(), if dynamic { 1 } else { 2 });
    }
    assert_eq!(ann.refresh_without_rid().await.status, 200);
    world.sql("delete from session_key where generation < 7").await;
    let sibling = world.sibling().await;
    let anew = sibling.sign_in("bob").await;
    assert_eq!(anew.get("/me").await.status, 200, "with nothing but garbage it makes keys of its own");
    assert_eq!(anew.refresh_without_rid().await.status, 200);
}
