//! Claims of sessions: fetching, storing, validating and refusing them, and custom responses to refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::HttpResponse;
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use starter::session::{
    ClaimFailure, ErrorResponses, Fetch, NewSession, PrimitiveClaim, RevokeReason, SessionHandle, Unavailable, UserId,
};

use crate::server::{SECOND, World, claims};

/// A claim whose value is the user id; counts how often it is fetched.
#[derive(Clone, Default)]
struct Roles(Arc<AtomicUsize>);

#[async_trait]
impl Fetch for Roles {
    async fn fetch(&self, user: &UserId, _: &Map<String, Value>) -> Result<Option<Value>, Unavailable> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Some(user.as_str().into()))
    }
}

/// A server whose validator requires the role `ann`, fetched at most a minute ago.
async fn world_of_ann(roles: &Roles, answers: Option<Arc<dyn ErrorResponses>>) -> World {
    let role = PrimitiveClaim::new("role", roles.clone());
    World::with(|options| {
        options.settings.claims = vec![role.claim()];
        options.settings.validators = vec![role.has_value("ann".into(), Some(60 * SECOND))];
        if let Some(answers) = answers {
            options.settings.error_responses = answers;
        }
    })
    .await
}

#[tokio::test]
async fn a_session_without_a_required_claim_is_refused_and_stays_signed_in() {
    let world = world_of_ann(&Roles::default(), None).await;
    assert_eq!(world.sign_in("ann").await.get("/me").await.text, "ann");
    let bob = world.sign_in("bob").await;
    let answer = bob.get("/me").await;
    let reason = json!({ "message": "wrong value", "expectedValue": "ann", "actualValue": "bob" });
    let expected = json!({ "message": "invalid claim", "claimValidationErrors": [{ "id": "role", "reason": reason }] });
    assert_eq!((answer.status, answer.json()), (403, expected));
    assert!(answer.leaves_tokens_alone());
    assert_eq!(bob.get("/maybe").await.status, 403, "optional is not lenient");
    assert_eq!(bob.refresh_without_rid().await.status, 200);
    assert_eq!(bob.post_empty("/auth/signout").await.status, 200, "sign-out needs no claims");
}

#[tokio::test]
async fn a_claim_that_is_known_at_creation_is_not_fetched() {
    let roles = Roles::default();
    let world = world_of_ann(&roles, None).await;
    let known = Map::from_iter([("role".to_owned(), json!("guest")), ("other".to_owned(), json!(1))]);
    let new = NewSession { known, ..NewSession::of(UserId::parse("ann").unwrap()) };
    let issued = world.server.sessions.issue(new, false).await.unwrap();
    let payload = world.server.sessions.info(issued.handle()).await.unwrap().unwrap().payload;
    assert_eq!((&payload["role"]["v"], payload.get("other")), (&json!("guest"), None));
    assert_eq!(roles.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_claim_that_is_too_old_is_fetched_and_stored_once() {
    let roles = Roles::default();
    let world = world_of_ann(&roles, None).await;
    let ann = world.sign_in("ann").await;
    assert_eq!(claims(ann.access_token())["role"]["v"], "ann");
    assert!(ann.get("/me").await.leaves_tokens_alone());
    world.clock.advance(61 * SECOND);
    let answer = ann.get("/me").await;
    assert_eq!((answer.status, &answer.front()["up"]["role"]["v"]), (200, &json!("ann")));
    assert!(ann.get("/me").await.leaves_tokens_alone());
    assert_eq!(roles.0.load(Ordering::SeqCst), 2);
}

/// Custom responses to some refusals; the others keep their defaults.
struct Terse;

impl ErrorResponses for Terse {
    fn unauthorised(&self) -> HttpResponse {
        HttpResponse::Unauthorized().body("who are you")
    }

    fn invalid_claims(&self, failures: &[ClaimFailure]) -> HttpResponse {
        HttpResponse::PaymentRequired().body(failures.iter().map(|failure| failure.id.as_str()).collect::<String>())
    }
}

#[tokio::test]
async fn a_site_can_replace_the_responses_to_refusals() {
    let world = world_of_ann(&Roles::default(), Some(Arc::new(Terse))).await;
    let answer = world.sign_in("bob").await.get("/me").await;
    assert_eq!((answer.status, answer.text.as_str()), (402, "role"));
    let answer = world.visitor().refresh_without_rid().await;
    assert_eq!((answer.status, answer.text.as_str()), (401, "who are you"));
    assert!(answer.clears_everything(), "what is cleared is no matter of words");
    world.clock.advance(16 * 60 * SECOND);
    let ann = world.sign_in("ann").await;
    world.clock.advance(16 * 60 * SECOND);
    assert!(ann.get("/me").await.is_try_refresh());
}

#[tokio::test]
async fn claims_can_be_changed_and_validated_by_handle() {
    let world = World::start().await;
    let ann = world.sign_in("ann").await;
    let handle = SessionHandle::parse(claims(ann.access_token())["sessionHandle"].as_str().unwrap()).unwrap();
    let (role, roles) = (PrimitiveClaim::new("role", Roles::default()), &world.server.sessions);
    let claim = role.claim();
    assert_eq!(roles.claim_value(&handle, claim.as_ref()).await.unwrap(), None);
    assert!(roles.fetch_and_set_claim(&handle, claim.as_ref()).await.unwrap());
    assert_eq!(roles.claim_value(&handle, claim.as_ref()).await.unwrap(), Some("ann".into()));
    assert!(roles.set_claim_value(&handle, claim.as_ref(), "queen".into()).await.unwrap());
    let refusals = roles.validate_claims(&handle, &[role.has_value("ann".into(), None)]).await.unwrap().unwrap();
    assert_eq!(refusals.len(), 1);
    ann.refresh_without_rid().await;
    assert_eq!(claims(ann.access_token())["role"]["v"], "queen");
    assert!(roles.remove_claim(&handle, claim.as_ref()).await.unwrap());
    ann.refresh_without_rid().await;
    assert_eq!(claims(ann.access_token()).get("role"), None);

    assert!(roles.revoke(&handle, RevokeReason::Administrator).await.unwrap());
    assert!(!roles.fetch_and_set_claim(&handle, claim.as_ref()).await.unwrap());
    assert!(!roles.set_claim_value(&handle, claim.as_ref(), "x".into()).await.unwrap());
    assert_eq!(roles.claim_value(&handle, claim.as_ref()).await.unwrap(), None);
    assert!(roles.validate_claims(&handle, &[]).await.unwrap().is_none());
}

/// The equivalent of SuperTokens' `attachToRequestResponse`.
#[tokio::test]
async fn tokens_issued_without_a_request_can_be_attached_to_one() {
    let world = World::start().await;
    let ann = world.visitor();
    let answer = ann.post_empty("/login-apart/ann").await;
    assert_eq!(answer.front()["uid"], "ann");
    assert_eq!(ann.get("/me").await.text, "ann");
    assert_eq!(ann.refresh_without_rid().await.status, 200);
}
