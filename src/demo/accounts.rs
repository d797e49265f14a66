//! Accounts to try the site with, and what they have written.

use std::net::SocketAddr;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, web};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::demo::client;
use crate::demo::client::Client;
use crate::http::problem::{Problem, ProblemPage};
use crate::pages::demo_accounts::{ACCOUNTS, FRESH, PASSWORD};
use crate::pages::{Pages, see_other};
use crate::random;
use crate::session::Transfer;
use crate::supertokens::emailpassword::{EmailPassword, Form, Outcome};

/// Author and text, in the order of the page: newest first.
const COMMENTS: [(usize, &str); 4] = [
    (
        0,
        "Welcome! Like this comment and watch the timeline: the like runs in Fauna with a token that belongs to your session alone.",
    ),
    (
        1,
        "I looked into the role: a user may create a comment only if the whole document is what it must be. A made-up author or counter is refused by the database, not by a handler.",
    ),
    (0, "Sign out and ask again with the old token: 401, a few milliseconds later. No cache has to expire first."),
    (
        1,
        "My favourite: let somebody replay a stolen refresh token. The session ends for both sides, and both Fauna tokens with it.",
    ),
];

/// Body of a form that is only a button.
#[derive(Deserialize)]
pub struct NoFields {}

/// Signs in with a fresh account, or with the first of [`ACCOUNTS`] where the site's sign-up needs more than a click.
pub async fn sign_in_to_demo(
    request: HttpRequest,
    recipe: Data<EmailPassword>,
    pages: Data<Pages>,
    _: web::Form<NoFields>,
) -> Result<HttpResponse, ProblemPage> {
    let email = fresh_address().map_err(Problem::internal)?;
    let fields = recipe.fields().iter().map(|field| (field.id.as_str(), "demo"));
    let form = Form::of([("email", email.as_str()), ("password", PASSWORD)].into_iter().chain(fields));
    if let Outcome::SignedIn(_) = recipe.sign_up(&request, &form, Some(Transfer::Cookie)).await? {
        return Ok(see_other("/"));
    }
    let form = Form::of([("email", ACCOUNTS[0]), ("password", PASSWORD)]);
    match recipe.sign_in(&request, &form, Some(Transfer::Cookie)).await? {
        Outcome::SignedIn(_) => Ok(see_other("/")),
        _ => Ok(see_other(&pages.sign_in_path("?show=signup"))),
    }
}

fn fresh_address() -> Result<String, aws_lc_rs::error::Unspecified> {
    Ok(format!("{FRESH}{}@example.com", random::hex::<3>()?))
}

/// Makes [`ACCOUNTS`] and their comments at the site that listens at `address`, over HTTP; does nothing where they exist.
///
/// # Errors
/// The site does not take them, for instance because its sign-up asks for further fields.
pub async fn seed(address: SocketAddr, api_base_path: &str) -> Result<(), String> {
    let http = client::http().map_err(|error| error.to_string())?;
    let client = || Client::new("Demo accounts", http.clone(), super::base(address), api_base_path.to_owned());
    let mut authors = [client(), client()];
    for (author, email) in authors.iter_mut().zip(ACCOUNTS) {
        let answer = author.sign_up(email, PASSWORD).await;
        if answer.body.get("status").and_then(Value::as_str) == Some("FIELD_ERROR") && is_taken(&answer.body) {
            return Ok(());
        }
        if !answer.is_ok() {
            return Err(format!("{email} cannot sign up: {} {}", answer.status, answer.body));
        }
    }
    for (author, text) in COMMENTS.into_iter().rev() {
        let Some(author) = authors.get_mut(author) else { continue };
        author.send(Method::POST, "/api/comments", Some(&json!({ "text": text }))).await;
    }
    like_all(&mut authors).await;
    for author in &mut authors {
        author.send(Method::POST, &format!("{api_base_path}/signout"), None).await;
    }
    Ok(())
}

/// Both like the first comment, and the second author one more.
async fn like_all(authors: &mut [Client; 2]) {
    let [ada, grace] = authors;
    let listed = grace.get("/api/comments").await.body;
    let comments = listed.get("comments").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Vec<&str> = comments.iter().filter_map(|comment| comment.get("id")?.as_str()).collect();
    if let Some(first) = ids.first() {
        ada.put(&format!("/api/comments/{first}/like")).await;
        grace.put(&format!("/api/comments/{first}/like")).await;
    }
    if let Some(third) = ids.get(2) {
        grace.put(&format!("/api/comments/{third}/like")).await;
    }
}

/// Whether a field error says that the address has an account.
fn is_taken(body: &Value) -> bool {
    body.to_string().contains("already exists")
}
