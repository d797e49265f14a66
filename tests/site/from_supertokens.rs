//! The six steps of SuperTokens' FaunaDB integration, as `docs/from-supertokens.md` lists them, for a user whom another
//! application has put into Fauna.

use actix_web::HttpRequest;
use actix_web::web::{Data, Path};
use fauna_client::fql;
use secrecy::ExposeSecret as _;
use secrecy::SecretString;
use serde_json::{Map, json};
use starter::app::SiteExtensions;
use starter::fauna_tokens::FaunaTokens;
use starter::http::problem::Problem;
use starter::http::routes::{Access, Resource, Routes};
use starter::session::{Sessions, SignedIn, UserId};

use crate::world::World;

fn routes(site: &mut Routes<'_>) {
    site.add(Resource::at("/new-session/{id}").post(Access::Public, new_session))
        .add(Resource::at("/name").get(Access::SignedIn, name))
        .add(Resource::at("/token").get(Access::SignedIn, token));
}

/// Step 4: the application knows who the user is, and has the id of their document.
async fn new_session(
    request: HttpRequest,
    sessions: Data<Sessions>,
    fauna_ref_id: Path<String>,
) -> Result<String, Problem> {
    let user = UserId::parse(&fauna_ref_id).ok_or_else(|| Problem::bad_request("no such user"))?;
    sessions.create(&request, &user, Map::new()).await?;
    Ok("OK".to_owned())
}

/// Step 5: the token in an API.
async fn name(user: SignedIn, tokens: Data<FaunaTokens>) -> Result<String, Problem> {
    let own_document = fql::get(fql::current_identity());
    let name: String = tokens.query(&user, &fql::select(&["data", "name"], own_document)).await?;
    Ok(name)
}

/// Step 5 once more: the token itself, for code that talks to Fauna in its own way. It does not print itself.
async fn token(user: SignedIn, tokens: Data<FaunaTokens>) -> Result<String, Problem> {
    let faunadb_token: SecretString = tokens.token(&user).await?;
    Ok(faunadb_token.expose_secret().to_owned())
}

#[actix_rt::test]
async fn the_six_steps_work_for_a_user_of_another_application() {
    let settings =
        [("USERS_COLLECTION", "people"), ("ACCESS_FAUNADB_TOKEN_FROM_FRONTEND", "true"), ("EMAIL_VERIFICATION", "OFF")];
    let extensions = SiteExtensions { routes, ..SiteExtensions::default() };
    let world = World::with_extensions(&settings, extensions).await;
    let data = json!({"object": {"data": {"object": {"name": "Ann", "email": "ann@example.com"}}}});
    let create = json!({"create": {"collection": "people"}, "params": data});
    let (status, made) = world.fauna().ask(world.admin_secret(), &create).await;
    assert_eq!(status, 201, "{made}");
    let id = made["resource"]["ref"]["@ref"]["id"].as_str().unwrap().to_owned();

    let ann = world.visitor();
    let response = ann.post(&format!("/new-session/{id}"), &json!({})).await;
    assert_eq!((response.status, response.text.as_str()), (200, "OK"));
    assert_eq!(ann.get("/name").await.text, "Ann");
    let handed = ann.get("/token").await.text;

    // Step 6: the token in the frontend.
    let token = ann.fauna_token();
    assert_eq!(token, handed, "the one that handlers get");
    let (status, seen) = world.fauna().ask(&token, &json!({"get": {"identity": null}})).await;
    assert_eq!((status, &seen["resource"]["data"]["name"]), (200, &json!("Ann")));
    assert_eq!(ann.sign_out().await.status, 200);
    assert!(!world.fauna().accepts(&token).await, "the token outlives its session");
}
