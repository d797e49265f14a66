//! The experiments. Each makes its exchanges and answers with what they have shown.

use std::time::Duration;

use actix_web::web::{Data, Form};
use actix_web::{HttpRequest, HttpResponse};
use fauna_client::AsUser;
use serde::Deserialize;
use serde_json::Value;

use crate::demo::Demo;
use crate::demo::client::{Client, cookie_header};
use crate::demo::evidence::{Evidence, Step};
use crate::demo::forbidden::{Targets, failed_verdict};
use crate::fauna_tokens::{FaunaTokens, SentQuery};
use crate::http::problem::ProblemPage;
use crate::pages::demo_accounts::{PASSWORD, is_demo_account};
use crate::pages::{Device, PageUser, Pages, SCRIPTED_DEVICE, SitePath, devices, see_other};
use crate::session::{Requirements, Sessions, SignedIn};

/// How much longer than its access token a Fauna token lives, and a second.
const PAST_TOKEN: Duration = Duration::from_secs(31);
/// A request that needs the session's Fauna token.
const LIST: &str = "/api/comments?limit=1";
/// One that needs only the session.
const SESSION: &str = "/account/session";

/// Lets the access token expire, and by the same clock the Fauna token; then does what a frontend does about it.
pub async fn expire(
    request: HttpRequest,
    PageUser(session): PageUser,
    demo: Data<Demo>,
    tokens: Data<FaunaTokens>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let title = "Let the access token expire";
    if let Some(stopped) = demo.needs_fauna(title) {
        return stopped.respond();
    }
    let token = tokens.user_client(&session).await?;
    let before = demo.probe(&token, "Your Fauna token, before", 200).await;
    let span = sessions.access_token_lifetime() + PAST_TOKEN;
    demo.clock.advance(span);
    let moved =
        Step::comment("Clock", format!("advance by {} s", span.as_secs()), "for the site and its embedded Fauna");
    let after = demo.probe(&token, "The same token, after", 401).await;
    let mut browser = demo.browser(&request);
    browser.take_anti_csrf(&session);
    let refused = browser.get(LIST).await;
    let refreshed = browser.refresh().await;
    let again = browser.get(LIST).await;
    let cookies = refreshed.cookies.iter().chain(&again.cookies).cloned().chain(browser.anti_csrf_cookie()).collect();
    let steps = vec![
        before,
        moved,
        after,
        refused.step("your next request: the access token has expired, too", refused.status == 401),
        refreshed.step("so the session is refreshed: new access, refresh and Fauna token", refreshed.status == 200),
        again.step("and the request is sent again", again.status == 200),
    ];
    let good = "Both tokens were over, the session was refreshed, and you stay signed in.";
    Evidence { cookies, ..Evidence::of(title, steps, good, "Not everything went as it should.") }.respond()
}

#[derive(Default, Deserialize)]
pub struct SecondDeviceForm {
    /// Needed where the account is not one of the demo.
    #[serde(default)]
    password: String,
}

/// Signs a scripted client in as the same user.
pub async fn second_device(
    request: HttpRequest,
    PageUser(session): PageUser,
    demo: Data<Demo>,
    sessions: Data<Sessions>,
    Form(form): Form<SecondDeviceForm>,
) -> Result<HttpResponse, ProblemPage> {
    let title = "Sign in on a second device";
    if let Some(stopped) = demo.needs_fauna(title) {
        return stopped.respond();
    }
    if !scripted_devices(&session, &sessions).await?.is_empty() {
        let why = "The scripted device is signed in already. Sign it out from here, and it will not get a single query through.";
        return Evidence::nothing_to_do(title, why).respond();
    }
    let account = demo.browser(&request).get("/api/user").await;
    let Some(email) = account.body.get("email").and_then(Value::as_str).map(str::to_owned) else {
        let bad = "The address of your account could not be read.";
        return Evidence::of(title, vec![account.step("your account", false)], "", bad).respond();
    };
    let knows = form.password.is_empty() && is_demo_account(&email);
    let password = if knows { PASSWORD } else { form.password.as_str() };
    if password.is_empty() {
        let why = "The scripted device signs in over HTTP, so it needs your password. It is not kept.";
        return Evidence { asks_password: true, ..Evidence::nothing_to_do(title, why) }.respond();
    }
    let mut device = demo.client(SCRIPTED_DEVICE);
    let signed_in = device.sign_in(&email, password).await;
    if !signed_in.is_ok() {
        let steps = vec![signed_in.step("refused", false)];
        let evidence = Evidence::of(title, steps, "", "The scripted device could not sign in with that password.");
        return Evidence { asks_password: true, ..evidence }.respond();
    }
    let listed = device.get(LIST).await;
    let first = listed.body.pointer("/comments/0/id").and_then(Value::as_str).map(str::to_owned);
    let mut steps = vec![
        signed_in.step("a session of its own, and a Fauna token of its own", true),
        listed.step("the comments, read with that token", listed.status == 200),
    ];
    if let Some(comment) = first {
        let liked = device.put(&format!("/api/comments/{comment}/like")).await;
        steps.push(liked.step("a like, in your name", liked.status == 200));
    }
    demo.remember_device(session.user().as_str(), device);
    let good =
        "Two sessions, two tokens. Now sign the device out from here, and it will not get a single query through.";
    Evidence::of(title, steps, good, "The scripted device was refused.").respond()
}

/// The sessions of the user that the demo has signed in.
async fn scripted_devices(user: &SignedIn, sessions: &Sessions) -> Result<Vec<Device>, ProblemPage> {
    let mut devices = devices(user, sessions).await?;
    devices.retain(|device| device.name == SCRIPTED_DEVICE);
    Ok(devices)
}

/// Ends the session of the scripted client from this browser, and lets the client ask once more.
pub async fn end_second_device(
    request: HttpRequest,
    PageUser(owner): PageUser,
    demo: Data<Demo>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let title = "Sign the second device out from here";
    let signed_in = scripted_devices(&owner, &sessions).await?;
    if signed_in.is_empty() {
        return Evidence::nothing_to_do(title, "The scripted device is not signed in: there is nothing to sign out.")
            .respond();
    }
    let client = demo.device(owner.user().as_str());
    let mut client = match &client {
        Some(client) => Some(client.lock().await),
        None => None,
    };
    let mut steps = Vec::new();
    if let Some(client) = &mut client {
        let before = client.get_refreshed(SESSION).await;
        steps.push(before.step("signed in", before.status == 200));
    }
    for device in signed_in {
        let ended = demo.browser(&request).submit(&format!("/account/sessions/{}/end", device.handle)).await;
        steps.push(ended.step("the row is deleted in SQL, and with it the token in Fauna", ended.status == 303));
    }
    if let Some(client) = &mut client {
        let after = client.get(LIST).await;
        let refreshed = client.refresh().await;
        steps.push(after.step("its next query fails, though its access token has not expired", after.status == 401));
        steps.push(refreshed.step("and it cannot refresh", refreshed.status == 401));
    }
    Evidence::of(title, steps, "The device is out at once.", "The device was not signed out.").respond()
}

/// An attacker uses a copy of the browser's refresh token; then the browser uses its own.
pub async fn theft(
    request: HttpRequest,
    PageUser(session): PageUser,
    demo: Data<Demo>,
    tokens: Data<FaunaTokens>,
    sessions: Data<Sessions>,
) -> Result<HttpResponse, ProblemPage> {
    let title = "Replay a stolen refresh token";
    if let Some(stopped) = demo.needs_fauna(title) {
        return stopped.respond();
    }
    let cookies = cookie_header(&request);
    let (mut attacker, mut victim) = (demo.client("Scripted attacker"), demo.client("You"));
    if !attacker.take_refresh_cookies(cookies) || !victim.take_refresh_cookies(cookies) {
        return Evidence::failed(title, "There is no refresh cookie to copy in this request.").respond();
    }
    let token = tokens.user_client(&session).await?;
    let stolen =
        Step::comment("Scripted attacker", "copies the refresh cookie", "for the demo, out of this very request");
    let refreshed = attacker.refresh().await;
    let used = attacker.get(LIST).await;
    let stolen_token = token_of(&attacker, &sessions, &tokens).await;
    let grace = sessions.grace();
    demo.clock.advance(grace + Duration::from_secs(1));
    let waited = Step::comment(
        "Clock",
        format!("advance by {} s", grace.as_secs() + 1),
        "past the grace in which a lost answer may be asked for again",
    );
    let replayed = victim.refresh().await;
    let locked_out = attacker.get(LIST).await;
    let mut steps = vec![
        stolen,
        refreshed.step("new tokens: nobody can tell yet", refreshed.status == 200),
        used.step("the new tokens are in use, so yours are superseded", used.status == 200),
        waited,
        replayed.step(
            "your refresh token comes back after its successor was used: theft. The session ends",
            replayed.status == 401,
        ),
        locked_out.step("the attacker is out, too", locked_out.status == 401),
        demo.probe(&token, "Your old Fauna token", 401).await,
    ];
    if let Some(token) = stolen_token {
        steps.push(demo.probe(&token, "The attacker's Fauna token", 401).await);
    }
    let evidence = Evidence::of(
        title,
        steps,
        "Both sides are out, and the Fauna tokens of both are dead. Whoever knows the password can sign in again.",
        "Not everything went as it should.",
    );
    let sign_in_again = sign_in_path(&request, &session);
    Evidence { sign_in_again, cookies: replayed.cookies, ..evidence }.respond()
}

/// The Fauna token of a scripted client's session, to ask with it after the session has ended.
async fn token_of(client: &Client, sessions: &Sessions, tokens: &FaunaTokens) -> Option<AsUser> {
    let (session, _) = sessions.session_of(client.access_token()?, None, &Requirements::default()).await.ok()?;
    tokens.user_client(&session).await.ok()
}

/// The sign-in page, which says what became of this session.
fn sign_in_path(request: &HttpRequest, session: &SignedIn) -> Option<String> {
    let pages = request.app_data::<Data<Pages>>()?;
    Some(pages.sign_in_path(&format!("?ended={}", session.handle())))
}

/// Signs out, and asks Fauna with the secret that was the session's.
pub async fn sign_out(
    request: HttpRequest,
    PageUser(session): PageUser,
    demo: Data<Demo>,
    tokens: Data<FaunaTokens>,
) -> Result<HttpResponse, ProblemPage> {
    let token = tokens.user_client(&session).await?;
    let before = demo.probe(&token, "Your Fauna token, before", 200).await;
    let ended = demo.browser(&request).submit("/sign-out").await;
    let after = demo.probe(&token, "The same secret, after", 401).await;
    let evidence = Evidence::of(
        "Use the token after sign-out",
        vec![
            before,
            ended.step("the row is deleted in SQL, and with it the token in Fauna", ended.status == 303),
            after,
        ],
        "The token is dead in the database, whoever holds a copy of it.",
        "Fauna has not confirmed the deletion. It is pending, and repeated until Fauna does.",
    );
    let sign_in_again = sign_in_path(&request, &session);
    Evidence { sign_in_again, cookies: ended.cookies, ..evidence }.respond()
}

/// Asks Fauna, with the user's own token, for what the roles do not grant.
pub async fn forbidden(
    PageUser(session): PageUser,
    demo: Data<Demo>,
    tokens: Data<FaunaTokens>,
) -> Result<HttpResponse, ProblemPage> {
    let title = "Ask for what you may not";
    if let Some(stopped) = demo.needs_fauna(title) {
        return stopped.respond();
    }
    let token = tokens.user_client(&session).await?;
    let listed = demo.client("A visitor").get("/api/comments").await.body;
    let me = session.user().as_str();
    let comments = listed.get("comments").and_then(Value::as_array);
    let other = comments.into_iter().flatten().find_map(|comment| {
        let text = |field| comment.get(field).and_then(Value::as_str);
        let author = text("author").filter(|author| *author != me)?;
        Some((author.to_owned(), text("id")?.to_owned()))
    });
    let targets = Targets { users: tokens.users_collection(), me, other };
    let steps = demo.attempt_forbidden(&token, &targets).await;
    for (step, query) in steps.iter().zip(targets.masked_queries()) {
        let status = Some(step.status).filter(|status| *status != 0);
        tokens.publish_query(&session, &token, SentQuery { text: query, status, duration: step.duration });
    }
    let good = "Fauna refused every one of them. The application was not asked.";
    let bad = failed_verdict(&steps);
    Evidence::of(title, steps, good, bad).respond()
}

#[derive(Deserialize)]
pub struct FaunaForm {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StartForm {
    /// Page that the form is on.
    #[serde(default)]
    redirect_to_path: SitePath,
}

/// Starts the embedded Fauna for whoever signed out while it was stopped: without it, nobody can sign in.
pub async fn start_fauna(demo: Data<Demo>, Form(form): Form<StartForm>) -> Result<HttpResponse, ProblemPage> {
    let Some(fauna) = &demo.fauna else {
        return Evidence::failed("Start Fauna", "Only the embedded Fauna can be started from here.").respond();
    };
    match fauna.start().await {
        Ok(_changed) => Ok(see_other(form.redirect_to_path.as_str())),
        Err(why) => Evidence::failed("Start Fauna", why).respond(),
    }
}

/// Stops or starts the embedded Fauna, and asks the site for something that needs it.
pub async fn stop_or_start_fauna(
    request: HttpRequest,
    _: PageUser,
    demo: Data<Demo>,
    Form(FaunaForm { running }): Form<FaunaForm>,
) -> Result<HttpResponse, ProblemPage> {
    let title = if running { "Start Fauna" } else { "Stop Fauna" };
    let Some(fauna) = &demo.fauna else {
        return Evidence::failed(title, "Only the embedded Fauna can be stopped from here.").respond();
    };
    let done = if running { fauna.start().await } else { fauna.stop().await };
    let changed = match done {
        Ok(changed) => changed,
        Err(why) => return Evidence::failed(title, why).respond(),
    };
    let asked = demo.client("A visitor").get(LIST).await;
    let session = demo.browser(&request).get("/account/session").await;
    let retry = asked.retry_after.as_ref().map_or_else(String::new, |after| format!("Retry-After: {after}"));
    let note = if running { "the comments are back".to_owned() } else { format!("{retry}, and no cookie is touched") };
    let already = match (changed, running) {
        (true, _) => "",
        (false, true) => "which was open already",
        (false, false) => "which was closed already",
    };
    let steps = vec![
        Step::comment("Demo", if running { "opens Fauna's port" } else { "closes Fauna's port" }, already),
        asked.step(note, asked.status == if running { 200 } else { 503 }),
        session.step("your session goes on: it is a row in SQL", session.status == 200),
    ];
    let good = if running && !changed {
        "Fauna was running already."
    } else if running {
        "Everything works again, and deletions that were pending catch up."
    } else {
        "Sessions live in SQL, so nobody is signed out. Try to post a comment: the text is kept."
    };
    Evidence::of(title, steps, good, "The site did not answer as it should.").respond()
}
