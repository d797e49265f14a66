//! Below `WEBSITE_BASE_PATH`, `/auth` unless set: sign-up, sign-in, sign-out.

use std::collections::BTreeMap;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, Form, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use serde::{Deserialize, Serialize};

use crate::fauna_tokens::FaunaTokens;
use crate::http::problem::{Problem, ProblemPage};
use crate::pages::accounts::account::EndForm;
use crate::pages::confirm::Confirmation;
use crate::pages::frame::{Frame, INVALID_LINK, page, page_of, page_with_problem, see_other};
use crate::pages::guards::{OptionalUser, PageUser};
use crate::pages::panel::ended::EndedNotice;
use crate::pages::site_path::{SitePath, in_query};
use crate::pages::{Pages, drafts};
use crate::session::{RevokeReason, Sessions, SignedIn, Transfer};
use crate::supertokens::emailpassword;
use crate::supertokens::emailpassword::{EmailPassword, FieldProblem, Outcome, SignUpField};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthQuery {
    /// `signup` or `signin`; the latter by default.
    #[serde(default)]
    show: String,
    /// Handle of the session that the browser had before.
    #[serde(default)]
    ended: String,
    /// Page to return to after sign-in.
    #[serde(default)]
    redirect_to_path: SitePath,
    /// `signed-out`, `mailed`, … after a redirect from another form.
    #[serde(default)]
    done: String,
}

/// Body of sign-up and sign-in.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsForm {
    email: String,
    password: String,
    /// Page to return to after sign-in.
    #[serde(default)]
    redirect_to_path: SitePath,
    /// Present where the visitor wants to stay signed in.
    remember: Option<String>,
    /// Further sign-up fields by id.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

#[derive(Template, Serialize)]
#[template(path = "auth.html")]
struct AuthPage {
    frame: Frame,
    signing_up: bool,
    form: Entry,
    /// Set if the visitor's session has ended: why, and the state of its token.
    ended: Option<EndedNotice>,
    /// Shown above the form.
    notice: Option<&'static str>,
}

page_of!(AuthPage, "auth.html");

#[derive(Default, Serialize)]
struct Entry {
    /// Page to return to after sign-in.
    then: SitePath,
    /// Key of the draft that waits there; empty where none does.
    draft: String,
    email: String,
    email_mistake: Option<&'static str>,
    password_mistake: Option<&'static str>,
    /// Whether "keep me signed in" is chosen.
    remember: bool,
    others: Vec<OtherField>,
    banner: Option<String>,
}

/// A further sign-up field as it is shown.
#[derive(Serialize)]
struct OtherField {
    id: String,
    label: String,
    is_optional: bool,
    value: String,
    mistake: Option<&'static str>,
}

fn notice(done: &str) -> Option<&'static str> {
    match done {
        "signed-out" => Some("You are signed out. The session has ended, and with it its Fauna token."),
        "mailed" => Some("Almost done: we have sent a message to this address. The link in it completes the sign-up."),
        "account-deleted" => Some("The account is deleted, and all its sessions have ended."),
        "password-changed" => Some("The password is changed, and all sessions have ended. Sign in with the new one."),
        _ => None,
    }
}

/// Does not say which of the two is wrong (ASVS 6.3.8).
const WRONG_CREDENTIALS: &str = "Wrong e-mail address or password.";

/// The forms. Who is signed in is redirected.
pub async fn show(
    visitor: OptionalUser,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Query(query): Query<AuthQuery>,
) -> Result<HttpResponse, ProblemPage> {
    if visitor.session().is_some() {
        return Ok(see_other(query.redirect_to_path.as_str()));
    }
    let signing_up = query.show == "signup";
    let others = if signing_up { OtherField::all(recipe.fields(), &BTreeMap::new()) } else { Vec::new() };
    let draft = drafts::key_in(&query.redirect_to_path, &pages.drafts);
    let frame = pages.frame(pages.sign_in_path(""), &visitor);
    let ended = pages.ended.describe(&query.ended).await;
    let email = ended.as_ref().and_then(|ended| ended.demo_address.clone()).filter(|_| !signing_up);
    let form =
        Entry { then: query.redirect_to_path, draft, others, email: email.unwrap_or_default(), ..Entry::default() };
    // The sentence about the session says more than the one about signing out.
    let notice = notice(&query.done).filter(|_| ended.is_none() || query.done != "signed-out");
    page(StatusCode::OK, &AuthPage { frame, signing_up, form, ended, notice })
}

pub async fn sign_up(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(typed): Form<CredentialsForm>,
) -> Result<HttpResponse, ProblemPage> {
    let asked = recipe.fields();
    let outcome = recipe.sign_up(&request, &typed.fields(&pages, asked), Some(Transfer::Cookie)).await;
    answer(&pages, Some(asked), typed, outcome)
}

pub async fn sign_in(
    request: HttpRequest,
    pages: Data<Pages>,
    recipe: Data<EmailPassword>,
    Form(typed): Form<CredentialsForm>,
) -> Result<HttpResponse, ProblemPage> {
    let outcome = recipe.sign_in(&request, &typed.fields(&pages, &[]), Some(Transfer::Cookie)).await;
    answer(&pages, None, typed, outcome)
}

pub async fn sign_out(
    PageUser(session): PageUser,
    pages: Data<Pages>,
    tokens: Data<FaunaTokens>,
) -> Result<HttpResponse, ProblemPage> {
    pages.ended.remember(&session, &tokens).await;
    session.revoke().await?;
    Ok(signed_out(&pages, &session))
}

/// Ends all sessions of the user, this one included.
pub async fn sign_out_everywhere(
    user: PageUser,
    pages: Data<Pages>,
    tokens: Data<FaunaTokens>,
    sessions: Data<Sessions>,
    form: Result<Form<EndForm>, actix_web::Error>,
) -> Result<HttpResponse, ProblemPage> {
    if let Some(Form(form)) = form.ok().filter(|form| form.asks()) {
        let (question, answer) = ("Sign out everywhere, this browser included?", "Sign out everywhere");
        let (frame, action) = (pages.frame("", &user.into()), "/sign-out-everywhere");
        return Confirmation { frame, question, answer, action, back: form.back() }.respond();
    }
    let session = user.0;
    pages.ended.remember(&session, &tokens).await;
    sessions.revoke_all(session.user(), RevokeReason::SignedOut).await?;
    session.revoke().await?;
    Ok(signed_out(&pages, &session))
}

/// Redirects after success; otherwise shows the form again with what is wrong. `sign_up` holds the further fields of the
/// sign-up form and is none for sign-in.
fn answer(
    pages: &Pages,
    sign_up: Option<&[SignUpField]>,
    typed: CredentialsForm,
    outcome: Result<Outcome, emailpassword::Error>,
) -> Result<HttpResponse, ProblemPage> {
    let signing_up = sign_up.is_some();
    let others = OtherField::all(sign_up.unwrap_or_default(), &typed.others);
    let mut form = Entry {
        draft: drafts::key_in(&typed.redirect_to_path, &pages.drafts),
        then: typed.redirect_to_path,
        email: typed.email,
        remember: typed.remember.is_some(),
        others,
        ..Entry::default()
    };
    let frame = pages.frame(pages.sign_in_path(""), &OptionalUser::default());
    match outcome {
        Ok(Outcome::SignedIn(_)) => return Ok(signed_in(&form.then)),
        Ok(Outcome::Mailed) => return Ok(see_other(&pages.sign_in_path("?done=mailed"))),
        Ok(Outcome::Refused(problems)) => form.refuse(&problems),
        Ok(Outcome::WrongCredentials) => form.banner = Some(WRONG_CREDENTIALS.to_owned()),
        Ok(Outcome::InvalidLink) => form.banner = Some(INVALID_LINK.to_owned()),
        Err(error) => {
            let problem = Problem::from(error);
            form.banner = Some(problem.sentence());
            return page_with_problem(&problem, &AuthPage { frame, signing_up, form, ended: None, notice: None });
        }
    }
    page(StatusCode::UNPROCESSABLE_ENTITY, &AuthPage { frame, signing_up, form, ended: None, notice: None })
}

/// Redirects, and removes two cookies by which official frontends on the same origin recognise sessions: without both they ask
/// the server before they believe that nobody is signed in.
pub fn signed_in(then: &SitePath) -> HttpResponse {
    let mut response = see_other(then.as_str());
    remove_cookie(&mut response, "sFrontToken");
    remove_cookie(&mut response, "st-last-access-token-update");
    response
}

/// Redirects to the sign-in page, which says what became of the session; official frontends on the same origin forget it.
fn signed_out(pages: &Pages, session: &SignedIn) -> HttpResponse {
    let ended = in_query(session.handle().as_str());
    let mut response = see_other(&pages.sign_in_path(&format!("?done=signed-out&ended={ended}")));
    remove_cookie(&mut response, "sFrontToken");
    response
}

/// Removes a cookie that scripts have set.
fn remove_cookie(response: &mut HttpResponse, cookie: &'static str) {
    if let Ok(value) = header::HeaderValue::from_str(&format!("{cookie}=; Path=/; Max-Age=0; SameSite=Lax")) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

impl CredentialsForm {
    /// The form as the recipe takes it, with those fields that it asks for.
    fn fields(&self, pages: &Pages, asked: &[SignUpField]) -> emailpassword::Form {
        let other = |field: &SignUpField| self.others.get_key_value(&field.id);
        let others = asked.iter().filter_map(other).map(|(id, value)| (id.as_str(), value.as_str()));
        let both = [("email", self.email.as_str()), ("password", self.password.as_str())];
        emailpassword::Form::of(both.into_iter().chain(others)).lasting(pages.session_life(self.remember.is_some()))
    }
}

impl OtherField {
    fn all(fields: &[SignUpField], typed: &BTreeMap<String, String>) -> Vec<Self> {
        let other = |field: &SignUpField| Self {
            id: field.id.clone(),
            label: label(&field.id),
            is_optional: field.is_optional,
            value: typed.get(&field.id).cloned().unwrap_or_default(),
            mistake: None,
        };
        fields.iter().map(other).collect()
    }
}

impl Entry {
    fn failed(&self) -> bool {
        let has_mistake = self.others.iter().any(|other| other.mistake.is_some());
        has_mistake || self.email_mistake.is_some() || self.password_mistake.is_some() || self.banner.is_some()
    }

    fn refuse(&mut self, problems: &[FieldProblem]) {
        for problem in problems {
            let other = self.others.iter_mut().find(|other| other.id == problem.id);
            let place = match (problem.id.as_ref(), other) {
                ("email", _) => &mut self.email_mistake,
                (_, Some(other)) => &mut other.mistake,
                _ => &mut self.password_mistake,
            };
            place.get_or_insert(user_message(&problem.id, problem.error));
        }
    }
}

/// The label of a field: its id as words.
pub fn label(id: &str) -> String {
    let words = id.replace(['_', '-'], " ");
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// The one sentence about passwords, shown before a mistake and after it.
pub const PASSWORD_RULE: &str = "Use 8 to 99 characters, with at least one letter and one digit.";

/// Messages that frontends of SuperTokens compare literally, as this site's own pages show them.
pub fn user_message(field: &str, error: &'static str) -> &'static str {
    match error {
        "Field is not optional" => match field {
            "email" => "Enter your e-mail address.",
            "password" => "Enter your password.",
            _ => "Fill in this field.",
        },
        "Email is invalid" => "Enter an e-mail address like name@example.com.",
        "This email already exists. Please sign in instead." => "This address already has an account. Sign in instead.",
        "Password must not contain control characters" => {
            "A password must not contain tabs or other control characters."
        }
        error if error.starts_with("Password") => PASSWORD_RULE,
        other => other,
    }
}
